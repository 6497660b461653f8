"""A TCP relay that keeps every byte the client receives.

    with Recorder(weir.endpoint) as recorder:
        connect(recorder.endpoint)…
        assert b"canary" not in recorder.received
"""

from __future__ import annotations

import contextlib
import socket
import threading

from endpoint import Endpoint
from relay import Relay

CHUNK = 1 << 16


class Recorder(Relay):
    def __init__(self, to: Endpoint):
        super().__init__(to)
        self._kept = bytearray()

    @property
    def received(self) -> bytes:
        """All bytes of all connections so far that went to the client."""
        with self._lock:
            return bytes(self._kept)

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                gateway = socket.create_connection((self.to.host, self.to.port))
                for each in (client, gateway):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._open += [client, gateway]
                threading.Thread(target=self._copy, args=(client, gateway, False), daemon=True).start()
                threading.Thread(target=self._copy, args=(gateway, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, keep: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if keep:
                    # Kept first: what the client has seen is in `received`.
                    with self._lock:
                        self._kept += data
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
