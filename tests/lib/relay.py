"""Stands between clients and an endpoint, on a port of its own. What it does with a connection is its children's business."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Self

from endpoint import Endpoint


class Relay:
    """A child has `_accept`, and keeps its sockets in `_open` under `_lock`."""

    def __init__(self, to: Endpoint):
        self.to = to
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = self.to.at(host="127.0.0.1", port=self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        with self._lock:
            for each in [self._listener, *self._open]:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
