"""HTTP/1.1 by hand: what no client would send, and what came back to the byte.

    with RawHttp(*weir.address("crm")) as client:
        client.send(request("GET /customers HTTP/1.1", ("Host", "localhost")))
        assert client.answer().status == 400 and client.hangs_up()
"""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass

from http_upstream import Reader, fields

#: How long an answer may take, and how long to wait for one that need not come.
PATIENCE_SECONDS, MOMENT_SECONDS = 20, 3


@dataclass(frozen=True)
class Answer:
    status: int
    head: bytes
    body: bytes
    trailers: tuple[tuple[str, str], ...] = ()

    @property
    def headers(self) -> list[tuple[str, str]]:
        return fields(self.head.split(b"\r\n")[1:])

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)


def request(line: str, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """Lines joined as they should be; nothing is added."""
    lines = [line, *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class RawHttp:
    def __init__(self, host: str, port: int):
        self.to = (host, port)

    def __enter__(self) -> RawHttp:
        self.socket = socket.create_connection(self.to, timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        #: all that came
        self.received = bytearray()
        self._reader = Reader(self.socket, self.received.extend)
        return self

    def __exit__(self, *_) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """All of it, or as much as the other side takes before it hangs up."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def send_each_byte(self, data: bytes) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for at in range(len(data)):
                self.socket.sendall(data[at:at + 1])

    def end(self) -> None:
        """Says that nothing follows."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def answer(self, method: str = "GET", seconds: float = PATIENCE_SECONDS) -> Answer | None:
        """The next answer but for those that are provisional; None when the other side hangs up instead."""
        self.socket.settimeout(seconds)
        try:
            while True:
                head = self._reader.until(b"\r\n\r\n")
                if not head.startswith(b"HTTP/1."):
                    return None
                status = int(head.split(b" ", 2)[1][:3])
                if status >= 200:
                    break
            read = Answer(status, head, b"")
            if method == "HEAD" or status in (204, 304):
                return read
            if read.values("transfer-encoding"):
                body, _, trailers = self._reader.chunks()
                return Answer(status, head, body, trailers)
            if (length := read.header("content-length")) is not None:
                return Answer(status, head, self._reader.exactly(int(length)))
            return Answer(status, head, self._rest())
        except (EOFError, ConnectionResetError):
            return None

    def piece(self) -> bytes:
        """The next chunk of an answer that goes on, after `head`; empty at its end."""
        size = int(self._reader.until(b"\r\n").split(b";")[0], 16)
        data = self._reader.exactly(size)
        self._reader.until(b"\r\n")
        return data

    def head(self) -> Answer:
        """An answer without its body."""
        self.socket.settimeout(PATIENCE_SECONDS)
        head = self._reader.until(b"\r\n\r\n")
        return Answer(int(head.split(b" ", 2)[1][:3]), head, b"")

    def hangs_up(self, seconds: float = MOMENT_SECONDS) -> bool:
        """Whether the other side closes, and sends nothing more before."""
        self.socket.settimeout(seconds)
        try:
            return not self._reader.ahead and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _rest(self) -> bytes:
        found = b""
        with contextlib.suppress(EOFError):
            while True:
                found += self._reader.exactly(1)
        return found
