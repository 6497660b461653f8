"""A database server in a few lines: it says what a test wants said in a login, and keeps what it is told.

    with Pretender(b"S", TLS, own=certificate) as pretender:
        …
        assert pretender.told() == SSL_REQUEST

Each connection goes through the steps: bytes are the answer to what the other side says next, `TLS` is the server's part of
a handshake, `BYE` hangs up when the other side has said something more. Behind the last step it only listens, until the
other side hangs up.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from certificates import Certificates

PATIENCE_SECONDS = 20
TLS, BYE = object(), object()


class Pretender:
    def __init__(self, *steps, own: Certificates | None = None):
        self.steps = steps
        if own:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(own.certificate, own.key)
        #: all that came, of each connection that is over
        self.heard: list[bytes] = []
        self.over = threading.Semaphore(0)

    def __enter__(self) -> Pretender:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def told(self) -> bytes:
        """What the next connection said from its first to its last byte, TLS taken off; waits for its end."""
        if not self.over.acquire(timeout=PATIENCE_SECONDS):
            raise RuntimeError("nobody came, or somebody does not leave")
        return self.heard.pop(0)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_SECONDS)
        heard = b""
        try:
            for step in self.steps:
                if step is TLS:
                    connection = self.context.wrap_socket(connection, server_side=True)
                    continue
                heard += connection.recv(1 << 16)
                if step is BYE:
                    return
                connection.sendall(step)
            while more := connection.recv(1 << 16):
                heard += more
        except OSError:
            pass
        finally:
            connection.close()
            self.heard.append(heard)
            self.over.release()
