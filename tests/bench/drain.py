"""A PostgreSQL client that is too simple to be slow: asks, and throws the answer away."""

from __future__ import annotations

from wire import Wire, query

PATIENCE_SECONDS = 120
PIECE_BYTES = 1 << 20
# ReadyForQuery, outside of a transaction: how every answer ends. No row contains NUL bytes, so none contains this.
READY = b"Z\0\0\0\5I"
TAIL_BYTES = 4096


class Drain(Wire):
    def __init__(self, endpoint):
        super().__init__(endpoint)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.piece = memoryview(bytearray(PIECE_BYTES))

    def drain(self, sql: str, forbidden: bytes | None = None) -> int:
        """The size of the answer in bytes. Nothing that is `forbidden` may be in the first piece of it."""
        self.send(query(sql))
        total, tail = 0, b""
        while not tail.endswith(READY):
            count = self.socket.recv_into(self.piece)
            if count == 0:
                raise RuntimeError(f"the connection was closed in the middle of an answer, behind {tail[-300:]!r}")
            if forbidden and total < PIECE_BYTES and forbidden in bytes(self.piece[:count]):
                raise RuntimeError(f"{forbidden!r} is in the answer: it is not masked")
            total += count
            last = bytes(self.piece[max(0, count - TAIL_BYTES):count])
            tail = (tail + last)[-TAIL_BYTES:]
        if b"\0VERROR\0" in tail:
            raise RuntimeError(f"refused: {tail[tail.index(b'VERROR'):].replace(bytes(1), b' ')!r}")
        return total
