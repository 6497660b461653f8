"""An upstream of HTTP/2 in the clear that answers nothing by itself, and tells how each request came: by its frames.

    with Http2Upstream() as upstream:
        kind, value = upstream.next()       # ("head", …), ("data", b"…"), then "ended", "reset" or "closed"
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading

import h2.config
import h2.connection
import h2.events

PATIENCE_SECONDS = 20


class Http2Upstream:
    def __enter__(self) -> Http2Upstream:
        self.events: queue.Queue[tuple[str, object]] = queue.Queue()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        for each in [self.listener, *self.connections]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def next(self) -> tuple[str, object]:
        return self.events.get(timeout=PATIENCE_SECONDS)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        protocol = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        protocol.initiate_connection()
        with contextlib.suppress(OSError):
            connection.sendall(protocol.data_to_send())
            while data := connection.recv(1 << 16):
                for event in protocol.receive_data(data):
                    self._take(protocol, event)
                connection.sendall(protocol.data_to_send())
        self.events.put(("closed", None))

    def _take(self, protocol: h2.connection.H2Connection, event) -> None:
        match event:
            case h2.events.RequestReceived():
                self.events.put(("head", event.headers))
            case h2.events.DataReceived():
                protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if event.data:
                    self.events.put(("data", event.data))
            case h2.events.StreamEnded():
                self.events.put(("ended", None))
            case h2.events.StreamReset():
                self.events.put(("reset", event.error_code))
