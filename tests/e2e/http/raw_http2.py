"""HTTP/2 by hand, in the clear with prior knowledge: frames that no client would send, and what became of a stream.

Header blocks are literals without compression (RFC 7541, 6.2.2), so any bytes can be a name or a value.
"""

from __future__ import annotations

import contextlib
import socket
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 1
END_HEADERS = 4
PATIENCE_SECONDS = 10
#: how a header block begins whose first field is `:status: 200` (RFC 7541, appendix A)
STATUS_200 = 0x88

Fields = list[tuple[bytes, bytes]]


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def number(value: int) -> bytes:
    """With a prefix of seven bits, the eighth being 0: not compressed (RFC 7541, 5.1)."""
    if value < 127:
        return bytes([value])
    rest, out = value - 127, bytearray([127])
    while rest >= 128:
        out.append(rest % 128 + 128)
        rest //= 128
    return bytes([*out, rest])


def block(fields: Fields) -> bytes:
    return b"".join(b"\0" + number(len(name)) + name + number(len(value)) + value for name, value in fields)


def headers(fields: Fields, stream: int = 1, end: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(fields))


def data(body: bytes, stream: int = 1, end: bool = True) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, body)


class RawHttp2:
    def __init__(self, host: str, port: int):
        self.to = (host, port)

    def __enter__(self) -> RawHttp2:
        self.socket = socket.create_connection(self.to, timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ahead = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0))
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def outcome(self, stream: int = 1) -> str:
        """How a stream ends: `200`, `other` status, `reset`, or `closed` with its connection."""
        status = "closed"
        with contextlib.suppress(EOFError, ConnectionResetError):
            while True:
                kind, flags, of, payload = self._frame()
                if kind == SETTINGS and not flags & ACK:
                    self.send(frame(SETTINGS, ACK, 0))
                elif kind == GOAWAY and payload[4:8] != bytes(4):
                    return "closed"
                elif of != stream:
                    continue
                elif kind == RST_STREAM:
                    # A reset behind a whole answer only says that the rest of the request is not wanted.
                    return "reset" if status == "closed" else status
                elif kind == HEADERS and status == "closed":
                    status = "200" if payload[_table_updates(payload):][:1] == bytes([STATUS_200]) else "other"
                if kind in (HEADERS, DATA) and flags & END_STREAM:
                    return status
        return status

    def _frame(self) -> tuple[int, int, int, bytes]:
        head = self._exactly(9)
        kind, flags, stream = struct.unpack("!BBI", head[3:])
        return kind, flags, stream & 0x7fffffff, self._exactly(int.from_bytes(head[:3]))

    def _exactly(self, count: int) -> bytes:
        while len(self.ahead) < count:
            if not (more := self.socket.recv(1 << 16)):
                raise EOFError
            self.ahead += more
        found, self.ahead = self.ahead[:count], self.ahead[count:]
        return found


def _table_updates(payload: bytes) -> int:
    """How many bytes of a block change the size of the table (RFC 7541, 6.3): they come first."""
    at = 0
    while at < len(payload) and payload[at] & 0xe0 == 0x20:
        is_long = payload[at] & 0x1f == 0x1f
        at += 1
        while is_long and payload[at] & 0x80:
            at += 1
        at += is_long
    return at
