"""A WebSocket server that says what tests want of it, and keeps every message it got.

    with SocketUpstream() as server, Weir(resources=[http("chat", server.url)]) as weir:
        ...
        assert server.received == ["hello"]

What it does is told by the last segment of the path.
"""

from __future__ import annotations

import json
import ssl
import threading
import time

from certificates import Certificates
from http_upstream import PERSONAL
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

PROTOCOLS = ["chat.v2", "chat.v1"]
#: With odd spaces and escapes, so that whoever writes JSON anew is found out.
CUSTOMER = f'{{ "id":1,\n "name" :"{PERSONAL["name"]}", "email": "{PERSONAL["email"]}", "note":"caf\\u00e9 \\/" , "n":1.50 }}'


class SocketUpstream:
    def __init__(self, own: Certificates | None = None):
        #: with it, TLS, and HTTP/2 besides, as servers have it
        self.context = None
        if own:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(own.certificate, own.key)
            self.context.set_alpn_protocols(["h2", "http/1.1"])

    def __enter__(self) -> SocketUpstream:
        self.received: list[str | bytes] = []
        #: code and reason with which clients closed
        self.closed: list[tuple[int | None, str | None]] = []
        self.heads: list[list[tuple[str, str]]] = []
        # Messages are as large as tests want them, and nothing but tests ends a connection.
        self._server = serve(self._serve, "127.0.0.1", 0, subprotocols=PROTOCOLS, select_subprotocol=self._select,
                             ssl=self.context, max_size=None, ping_interval=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._thread.join(10)

    @property
    def url(self) -> str:
        start = "https://localhost" if self.context else "http://127.0.0.1"
        return f"{start}:{self._server.socket.getsockname()[1]}"

    def wait_for(self, condition, seconds: float = 20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if value := condition():
                return value
            time.sleep(0.01)
        raise AssertionError(f"it did not happen; received {self.received}, closed {self.closed}")

    def _select(self, _connection: ServerConnection, asked: list[str]) -> str | None:
        """The first of ours; a client may ask for none."""
        return next((each for each in PROTOCOLS if each in asked), None)

    def _serve(self, connection: ServerConnection) -> None:
        self.heads.append(list(connection.request.headers.raw_items()))
        route = connection.request.path.split("?")[0].rsplit("/", 1)[-1]
        try:
            getattr(self, f"at_{route}", self.at_echo)(connection)
            for _ in connection:  # until it is closed
                pass
        except ConnectionClosed:
            pass
        close = connection.protocol.close_rcvd
        self.closed.append((close.code, close.reason) if close else (None, None))

    def _messages(self, connection: ServerConnection):
        for message in connection:
            self.received.append(message)
            yield message

    def at_echo(self, connection: ServerConnection) -> None:
        for message in self._messages(connection):
            connection.send(message)

    def at_silent(self, connection: ServerConnection) -> None:
        for _ in self._messages(connection):
            pass

    def at_pieces(self, connection: ServerConnection) -> None:
        """The same in fragments."""
        for message in self._messages(connection):
            connection.send(message[at:at + 3] for at in range(0, len(message), 3))

    def at_customers(self, connection: ServerConnection) -> None:
        for _ in self._messages(connection):
            connection.send(CUSTOMER)

    def at_fragments(self, connection: ServerConnection) -> None:
        """A customer in fragments, cut inside of every value."""
        for _ in self._messages(connection):
            connection.send(iter(CUSTOMER))

    def at_text(self, connection: ServerConnection) -> None:
        for _ in self._messages(connection):
            connection.send(f"write to {PERSONAL['email']} soon")

    def at_binary(self, connection: ServerConnection) -> None:
        for _ in self._messages(connection):
            connection.send(PERSONAL["email"].encode())

    def at_malformed(self, connection: ServerConnection) -> None:
        for _ in self._messages(connection):
            connection.send(CUSTOMER[:-1])

    def at_large(self, connection: ServerConnection) -> None:
        for message in self._messages(connection):
            connection.send(json.dumps({"filler": "x" * int(message)}))

    def at_close(self, connection: ServerConnection) -> None:
        """Closes with the code and reason it is told."""
        for message in self._messages(connection):
            code, _, reason = message.partition(" ")
            connection.close(int(code), reason)
