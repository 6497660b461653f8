"""A PostgreSQL client that is too simple to be slow: logs in with SCRAM, asks, and throws the answer away."""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import os
import socket
import struct

PATIENCE_SECONDS = 120
PIECE_BYTES = 1 << 20
# ReadyForQuery, outside of a transaction: how every answer ends. No row contains NUL bytes, so none contains this.
READY = b"Z\0\0\0\5I"
TAIL_BYTES = 4096


class Wire:
    def __init__(self, endpoint):
        self.socket = socket.create_connection((endpoint.host, endpoint.port), PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.piece = memoryview(bytearray(PIECE_BYTES))
        try:
            self._log_in(endpoint)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def drain(self, query: str, forbidden: bytes | None = None) -> int:
        """The size of the answer in bytes. Nothing that is `forbidden` may be in the first piece of it."""
        self.socket.sendall(_message(b"Q", query.encode() + b"\0"))
        return self._drain(forbidden)

    def _drain(self, forbidden: bytes | None = None) -> int:
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

    def _log_in(self, endpoint) -> None:
        asked = {"user": endpoint.user, "database": endpoint.database, "client_encoding": "UTF8"}
        pairs = b"".join(f"{key}\0{value}\0".encode() for key, value in asked.items())
        body = struct.pack("!I", 196608) + pairs + b"\0"
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        nonce = base64.b64encode(os.urandom(18)).decode()
        first = f"n=,r={nonce}"
        self._expect(10)
        said = b"SCRAM-SHA-256\0" + struct.pack("!I", len(first) + 3) + f"n,,{first}".encode()
        self.socket.sendall(_message(b"p", said))
        challenge = self._expect(11).decode()
        self.socket.sendall(_message(b"p", _proof(endpoint.password, first, challenge)))
        self._expect(12)
        self._expect(0)
        self._drain()

    def _expect(self, kind: int) -> bytes:
        tag, length = struct.unpack("!cI", self._exactly(5))
        body = self._exactly(length - 4)
        if tag != b"R" or struct.unpack_from("!I", body)[0] != kind:
            raise RuntimeError(f"the login failed; the server said {tag!r} {body!r}")
        return body[4:]

    def _exactly(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            more = self.socket.recv(count - len(read))
            if not more:
                raise RuntimeError("the connection was closed during the login")
            read += more
        return read


def _message(tag: bytes, body: bytes) -> bytes:
    return tag + struct.pack("!I", len(body) + 4) + body


def _proof(password: str, first: str, challenge: str) -> bytes:
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    client_key = _client_key(password, fields["s"], int(fields["i"]))
    final = f"c=biws,r={fields['r']}"
    signed = f"{first},{challenge},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    return f"{final},p={base64.b64encode(proof).decode()}".encode()


@functools.cache
def _client_key(password: str, salt: str, iterations: int) -> bytes:
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), iterations)
    return hmac.digest(salted, b"Client Key", "sha256")
