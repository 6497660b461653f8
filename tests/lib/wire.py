"""A PostgreSQL client that says exactly what a test wants said, byte by byte, and shows what comes back."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import socket
import ssl
import struct
from typing import NamedTuple

PATIENCE_SECONDS = 60
PROTOCOL = 196608
SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)


class Message(NamedTuple):
    tag: str
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """Of an error or a notice."""
        parts = [part.decode() for part in self.body.split(b"\0") if part]
        return {part[0]: part[1:] for part in parts}

    @property
    def sqlstate(self) -> str:
        return self.fields["C"]

    @property
    def text(self) -> str:
        return self.fields["M"]


def message(tag: str, body: bytes = b"") -> bytes:
    return tag.encode() + struct.pack("!I", len(body) + 4) + body


def cstr(text: str | bytes) -> bytes:
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def query(text: str | bytes) -> bytes:
    return message("Q", cstr(text))


def parse(text: str, name: str = "", types: tuple[int, ...] = ()) -> bytes:
    return message("P", cstr(name) + cstr(text) + struct.pack(f"!H{len(types)}I", len(types), *types))


def bind(*values: str | None, portal: str = "", statement: str = "") -> bytes:
    body = cstr(portal) + cstr(statement) + struct.pack("!HH", 0, len(values))
    for value in values:
        body += struct.pack("!i", -1) if value is None else struct.pack("!i", len(value.encode())) + value.encode()
    return message("B", body + struct.pack("!H", 0))


def describe(name: str = "", kind: str = "P") -> bytes:
    return message("D", kind.encode() + cstr(name))


def execute(portal: str = "", rows: int = 0) -> bytes:
    return message("E", cstr(portal) + struct.pack("!I", rows))


def close(name: str = "", kind: str = "S") -> bytes:
    return message("C", kind.encode() + cstr(name))


def extended(text: str, *values: str | None) -> bytes:
    """Everything of one statement but the Sync."""
    return parse(text) + bind(*values) + describe() + execute()


SYNC, FLUSH, TERMINATE = message("S"), message("H"), message("X")


def startup(protocol: int = PROTOCOL, **parameters: str) -> bytes:
    body = struct.pack("!I", protocol) + b"".join(cstr(name) + cstr(value) for name, value in parameters.items()) + b"\0"
    return struct.pack("!I", len(body) + 4) + body


class Closed(ConnectionError):
    """The other side hung up."""


class Wire:
    """A connection. With `endpoint`'s password it logs in at once, unless told not to."""

    def __init__(self, endpoint, log_in: bool = True, **parameters: str):
        self.socket = socket.create_connection((endpoint.host, endpoint.port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.key: tuple[int, bytes] | None = None
        self.parameters: dict[str, str] = {}
        #: what NegotiateProtocolVersion said, if it came
        self.negotiated: bytes | None = None
        if log_in:
            try:
                self.log_in(endpoint, **parameters)
            except BaseException:
                self.close()
                raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def encrypt(self, context: ssl.SSLContext, name: str | None = None) -> None:
        """From here on inside TLS."""
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def reset(self) -> None:
        """The next close is a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def send(self, *pieces: bytes) -> None:
        self.socket.sendall(b"".join(pieces))

    def send_bytewise(self, data: bytes) -> None:
        for at in range(len(data)):
            self.socket.sendall(data[at:at + 1])

    def read(self) -> Message:
        tag, length = struct.unpack("!cI", self._exactly(5))
        return Message(tag.decode("latin-1"), self._exactly(length - 4))

    def until(self, *tags: str) -> list[Message]:
        """Messages up to the first with one of these tags."""
        found: list[Message] = []
        while not found or found[-1].tag not in tags:
            found.append(self.read())
        return found

    def until_ready(self, count: int = 1) -> list[Message]:
        return [each for _ in range(count) for each in self.until("Z")]

    def until_closed(self) -> list[Message]:
        found = []
        try:
            while True:
                found.append(self.read())
        except ConnectionError:
            return found

    def ask(self, *pieces: bytes) -> list[Message]:
        """Sends, and reads up to the next ReadyForQuery."""
        self.send(*pieces)
        return self.until_ready()

    def ask_text(self, text: str) -> list[Message]:
        return self.ask(query(text))

    def log_in(self, endpoint, **parameters: str) -> list[Message]:
        asked = {"user": endpoint.user, "database": endpoint.database, "client_encoding": "UTF8"} | parameters
        self.send(startup(**asked))
        first = f"n=,r={base64.b64encode(os.urandom(18)).decode()}"
        self._expect(10)
        self.send(message("p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first) + 3) + f"n,,{first}".encode()))
        challenge = self._expect(11).decode()
        self.send(message("p", _proof(endpoint.password, first, challenge)))
        self._expect(12)
        self._expect(0)
        said = self.until("Z", "E")
        for each in said:
            if each.tag == "E":
                raise Refused(each)
            if each.tag == "K":
                self.key = (struct.unpack("!I", each.body[:4])[0], each.body[4:])
            if each.tag == "S":
                name, value, _ = each.body.split(b"\0")
                self.parameters[name.decode()] = value.decode()
        return said

    def _expect(self, kind: int) -> bytes:
        got = self.read()
        if got.tag == "v":
            self.negotiated = got.body
            got = self.read()
        if got.tag == "E":
            raise Refused(got)
        if got.tag != "R" or struct.unpack_from("!I", got.body)[0] != kind:
            raise RuntimeError(f"in the login the server said {got}")
        return got.body[4:]

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise Closed(f"behind {self.buffer!r}")
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken


class Refused(RuntimeError):
    """An error instead of a login."""

    def __init__(self, said: Message):
        super().__init__(said.text)
        self.message = said
        self.sqlstate = said.sqlstate


def cancel(endpoint, key: tuple[int, bytes]) -> None:
    """A cancel request, over a connection of its own; returns when the other side has closed it."""
    body = struct.pack("!II", 80877102, key[0]) + key[1]
    with socket.create_connection((endpoint.host, endpoint.port), PATIENCE_SECONDS) as connection:
        connection.sendall(struct.pack("!I", len(body) + 4) + body)
        connection.recv(1)


def tags(messages: list[Message]) -> str:
    return "".join(each.tag for each in messages if each.tag not in "SN")


def errors(messages: list[Message]) -> list[Message]:
    return [each for each in messages if each.tag == "E"]


def rows(messages: list[Message]) -> list[tuple[str | None, ...]]:
    """The values of every DataRow, as text."""
    return [_row(each.body) for each in messages if each.tag == "D"]


def _row(body: bytes) -> tuple[str | None, ...]:
    (count,), at, values = struct.unpack_from("!H", body), 2, []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        values.append(None if length < 0 else body[at:at + length].decode())
        at += max(length, 0)
    return tuple(values)


def _proof(password: str, first: str, challenge: str) -> bytes:
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    client_key = _client_key(password, fields["s"], int(fields["i"]))
    final = f"c=biws,r={fields['r']}"
    signature = hmac.digest(hashlib.sha256(client_key).digest(), f"{first},{challenge},{final}".encode(), "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    return f"{final},p={base64.b64encode(proof).decode()}".encode()


@functools.cache
def _client_key(password: str, salt: str, iterations: int) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), iterations)
    return hmac.digest(salted, b"Client Key", "sha256")
