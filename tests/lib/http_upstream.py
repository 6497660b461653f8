"""A throwaway HTTP server that behaves, and misbehaves, as tests want it, and keeps every request to the byte.

    with HttpUpstream() as api, Weir(resources=[http("crm", api.url)]) as weir:
        get(weir.url("crm", "/customers"))
        assert api.requests[0].method == "GET" and api.requests[0].header("authorization") is None

Routes are the methods called `at_…`. HTTP/1.1 with keep-alive, one thread for each connection. `received` is all that ever
came, also what was no request.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import queue
import re
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import canaries
from certificates import Certificates

PATIENCE_SECONDS = 30
CHUNK = 1 << 16
PHRASES = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 404: "Not Found", 411: "Length Required", 500: "Internal Server Error"}

#: The personal data of the sample: what must never get through a masker.
CANARY = {each.column: each.value for each in canaries.load() if each.table == "customers"}
PERSONAL = {"name": CANARY["full_name"], "email": CANARY["email"], "phone": CANARY["phone"], "card": CANARY["card_number"]}
#: With odd spaces, escapes and numbers, so that whoever writes JSON anew is found out.
CUSTOMER = (f'{{"id" : 9001,\n  "name":"{PERSONAL["name"]}", "email": "{PERSONAL["email"]}",\t"phone":"{PERSONAL["phone"]}",\n'
            f'  "card" :"{PERSONAL["card"]}", "balance": 10.50, "note":"caf\\u00e9 \\/ bar", "tags": [ ], "parent":null}}\n').encode()
CUSTOMERS = b'{ "items": [\n' + CUSTOMER + b', {"id":9002, "name":"Bo Li", "email":"bo.li@leak.example", "phone":null}\n], "total":2e0 }\n'
#: Nothing personal in it: has to arrive as it is.
HARMLESS = b'{ "items" : [ {"sku":"A-1","price":1.10,"n":1E2},\r\n\t{"sku":"caf\\u00E9","price":-0.0,"big":12345678901234567890} ] , "ok":true }\n'


@dataclass(frozen=True)
class Seen:
    """One request, as it came."""
    #: from the request line to the empty line
    head: bytes
    #: with chunks put together
    body: bytes = b""
    #: as it came, chunks and all
    raw_body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    #: which connection it came on, from 0
    connection: int = 0

    @property
    def method(self) -> str:
        return self.head.split(b" ", 1)[0].decode("latin-1")

    @property
    def target(self) -> str:
        return self.head.split(b" ", 2)[1].decode("latin-1")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def headers(self) -> list[tuple[str, str]]:
        return fields(self.head.split(b"\r\n")[1:])

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.headers if each.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        values = self.values(name)
        assert len(values) < 2, f"{name} is there {len(values)} times: {values}"
        return values[0] if values else None


def fields(lines: list[bytes]) -> list[tuple[str, str]]:
    pairs = (line.decode("latin-1").partition(":") for line in lines if line)
    return [(name, value.strip()) for name, _, value in pairs]


@dataclass
class HttpUpstream:
    #: with it, TLS
    own: Certificates | None = None
    #: what every path begins with
    base: str = ""
    #: ALPN, in the order of preference; None: none
    alpn: list[str] | None = None
    #: with it, whoever shows no certificate that it has signed is sent away
    clients: Path | None = None
    requests: list[Seen] = field(default_factory=list)

    def __enter__(self) -> HttpUpstream:
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._received = bytearray()
        #: answers to the letter, by path: for what no well-behaved server says
        self.raw: dict[str, bytes] = {}
        self.connections = 0
        #: answers that the other side did not wait for
        self.aborted = 0
        self._events: queue.Queue[bytes | None] = queue.Queue()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._context = None
        if self.own:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(self.own.certificate, self.own.key)
            if self.clients:
                self._context.load_verify_locations(self.clients)
                self._context.verify_mode = ssl.CERT_REQUIRED
            if self.alpn:
                self._context.set_alpn_protocols(self.alpn)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._events.put(None)
        with self._lock:
            for each in [self._listener, *self._open]:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()

    @property
    def url(self) -> str:
        # The certificates of tests are for this name, too.
        scheme, host = ("https", "localhost") if self.own else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self.port}{self.base}"

    @property
    def received(self) -> bytes:
        """All bytes of all connections so far, TLS taken off."""
        with self._lock:
            return bytes(self._received)

    def forget(self) -> None:
        with self._lock:
            self._received.clear()
            self.requests.clear()

    def asked(self, method: str, path: str) -> list[Seen]:
        """Requests of a method for a path, in order."""
        return [each for each in list(self.requests) if (each.method, each.path) == (method, self.base + path)]

    # --- /events, which a test releases one by one

    def say(self, event: bytes) -> None:
        """Sends bytes on the stream that is open, or on the next one."""
        self._events.put(event)

    def hush(self) -> None:
        """Ends the stream."""
        self._events.put(None)

    # --- connections

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    number, self.connections = self.connections, self.connections + 1
                    self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, EOFError):
            plain.settimeout(PATIENCE_SECONDS)
            connection = self._context.wrap_socket(plain, server_side=True) if self._context else plain
            # `wrap_socket` has taken the socket away from `plain`.
            with self._lock:
                self._open.append(connection)
            reader = Reader(connection, self._keep)
            with connection:
                while self._exchange(connection, reader, number):
                    pass

    def _keep(self, data: bytes) -> None:
        with self._lock:
            self._received += data

    def _exchange(self, connection: socket.socket, reader: Reader, number: int) -> bool:
        """One request and its answer; whether the connection goes on."""
        head = reader.until(b"\r\n\r\n")
        seen = Seen(head, connection=number)
        if (seen.header("expect") or "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if seen.values("transfer-encoding"):
            body, raw, trailers = reader.chunks()
        else:
            body = raw = reader.exactly(int(seen.header("content-length") or 0))
            trailers = ()
        seen = Seen(head, body, raw, trailers, number)
        with self._lock:
            self.requests.append(seen)
        try:
            return Reply(connection, seen).give(self)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            with self._lock:
                self.aborted += 1
            raise

    # --- routes: `at_NAME` answers everything below /NAME

    def route(self, reply: Reply, seen: Seen) -> None:
        url = urlsplit(seen.target)
        path = url.path.removeprefix(self.base) if url.path.startswith(self.base) else None
        if path in self.raw:
            reply.raw(self.raw[path])
            return
        name, *rest = (path or "").removeprefix("/").split("/")
        answer = getattr(self, f"at_{name}", None) if re.fullmatch(r"[a-z]+", name) else None
        if path is None or answer is None:
            reply.json(404, b'{"error":"there is nothing here"}')
            return
        answer(reply, seen, [unquote(part) for part in rest], dict(parse_qsl(url.query)))

    def at_customers(self, reply: Reply, seen: Seen, rest: list[str], _query: dict) -> None:
        """A small collection. DELETE and POST change nothing but what `asked` tells."""
        if seen.method == "DELETE":
            reply.send(204)
        elif seen.method in ("POST", "PUT", "PATCH"):
            reply.json(201, seen.body, ("Location", f"{self.base}/customers/9003"))
        else:
            reply.json(200, CUSTOMER if rest else CUSTOMERS)

    def at_harmless(self, reply: Reply, _seen: Seen, _rest: list[str], _query: dict) -> None:
        reply.json(200, HARMLESS, ("ETag", '"abc"'))

    def at_echo(self, reply: Reply, seen: Seen, _rest: list[str], _query: dict) -> None:
        """What the upstream was asked, for clients to look at."""
        told = {"method": seen.method, "target": seen.target, "headers": seen.headers, "body": seen.body.decode("latin-1"),
                "trailers": seen.trailers}
        reply.json(200, json.dumps(told).encode())

    def at_gzip(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """JSON, compressed whatever the client accepts; `times=2` twice over."""
        body, times = CUSTOMERS, int(query.get("times", 1))
        for _ in range(times):
            body = gzip.compress(body)
        reply.json(200, body, ("Content-Encoding", ", ".join(["gzip"] * times)), ("ETag", '"abc"'))

    def at_bomb(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """JSON that becomes large when it is unpacked."""
        reply.json(200, gzip.compress(b'"' + b"0" * int(query.get("bytes", 200 << 20)) + b'"'), ("Content-Encoding", "gzip"))

    def at_chunked(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """JSON in chunks of so many bytes."""
        size = int(query.get("size", 1))
        reply.stream("application/json", (CUSTOMERS[at:at + size] for at in range(0, len(CUSTOMERS), size)))

    def at_trailers(self, reply: Reply, _seen: Seen, _rest: list[str], _query: dict) -> None:
        reply.stream("application/json", [HARMLESS], ("Trailer", "X-Checksum, X-Owner"),
                     trailers=(("X-Checksum", "abc"), ("X-Owner", PERSONAL["email"])))

    def at_big(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """So many bytes: JSON (a list of short texts), or with `type=` anything else."""
        size, kind = int(query.get("bytes", 1 << 20)), query.get("type", "application/json")
        item = b'"0123456789abcdef",' if "json" in kind else b"0123456789abcdef\n"
        count = size // len(item)

        def pieces():
            many = max(1, CHUNK // len(item))
            yield b"[" if "json" in kind else b""
            for at in range(0, count, many):
                yield item * min(many, count - at)
            yield b"0]" if "json" in kind else b""

        reply.stream(kind, pieces())

    def at_slow(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """The head, and then so many pieces, each after so many milliseconds."""
        def pieces():
            for number in range(int(query.get("pieces", 5))):
                time.sleep(int(query.get("delay", 100)) / 1000)
                yield f"piece {number}\n".encode()

        reply.stream(query.get("type", "text/plain"), pieces())

    def at_events(self, reply: Reply, _seen: Seen, _rest: list[str], _query: dict) -> None:
        """A stream of what `say` is given, until `hush`."""
        reply.stream("text/event-stream", iter(lambda: self._events.get(timeout=PATIENCE_SECONDS), None), ("Cache-Control", "no-cache"))

    def at_status(self, reply: Reply, _seen: Seen, rest: list[str], _query: dict) -> None:
        """That status, with a body that says too much."""
        status = int(rest[0])
        if status in (204, 304):
            reply.send(status)
        else:
            reply.json(status, json.dumps({"error": f"no customer {PERSONAL['email']}"}).encode(), ("X-Request-Owner", PERSONAL["email"]))

    def at_redirect(self, reply: Reply, _seen: Seen, _rest: list[str], _query: dict) -> None:
        reply.send(302, ("Location", f"{self.base}/customers?email={PERSONAL['email']}"))

    def at_cookies(self, reply: Reply, _seen: Seen, _rest: list[str], _query: dict) -> None:
        reply.json(200, HARMLESS, ("Set-Cookie", "session=s3cret; Path=/"), ("Set-Cookie", "theme=dark"))

    def at_broken(self, reply: Reply, _seen: Seen, _rest: list[str], query: dict) -> None:
        """Announces more than it sends."""
        if "chunked" in query:
            reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n")
        else:
            reply.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1,2,")


class Reader:
    """Bytes of a connection, and where requests end."""

    def __init__(self, connection: socket.socket, keep):
        self.connection, self.keep, self.ahead = connection, keep, b""

    def _more(self) -> None:
        data = self.connection.recv(CHUNK)
        if not data:
            raise EOFError
        self.keep(data)
        self.ahead += data

    def until(self, end: bytes) -> bytes:
        while end not in self.ahead:
            self._more()
        at = self.ahead.index(end) + len(end)
        found, self.ahead = self.ahead[:at], self.ahead[at:]
        return found

    def exactly(self, count: int) -> bytes:
        pieces, have = [self.ahead], len(self.ahead)
        while have < count:
            self.ahead = b""
            self._more()
            pieces.append(self.ahead)
            have += len(self.ahead)
        whole = b"".join(pieces)
        self.ahead = whole[count:]
        return whole[:count]

    def chunks(self) -> tuple[bytes, bytes, tuple[tuple[str, str], ...]]:
        """The body, the same as it came, and the trailers."""
        body, raw = bytearray(), bytearray()
        while True:
            line = self.until(b"\r\n")
            raw += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            data = self.exactly(size + 2)
            raw += data
            body += data[:-2]
        trailers = bytearray()
        while (line := self.until(b"\r\n")) != b"\r\n":
            trailers += line
        raw += trailers + b"\r\n"
        return bytes(body), bytes(raw), tuple(fields(bytes(trailers).split(b"\r\n")))


class Reply:
    """The answer to one request."""

    def __init__(self, connection: socket.socket, seen: Seen):
        self.connection, self.seen, self.goes_on = connection, seen, True

    def give(self, server: HttpUpstream) -> bool:
        server.route(self, self.seen)
        return self.goes_on and (self.seen.header("connection") or "").lower() != "close"

    def _head(self, status: int, headers) -> bytes:
        lines = [f"HTTP/1.1 {status} {PHRASES.get(status, 'Whatever')}", *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def send(self, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        length = () if status in (204, 304) else (("Content-Length", str(len(body))),)
        head = self._head(status, (*headers, *length))
        self.connection.sendall(head + (b"" if self.seen.method == "HEAD" else body))

    def json(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send(status, ("Content-Type", "application/json"), *headers, body=body)

    def stream(self, kind: str, pieces, *headers: tuple[str, str], trailers=()) -> None:
        """In chunks, each sent at once."""
        self.connection.sendall(self._head(200, (("Content-Type", kind), ("Transfer-Encoding", "chunked"), *headers)))
        if self.seen.method == "HEAD":
            return
        for piece in pieces:
            if piece:
                self.connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        tail = "".join(f"{name}: {value}\r\n" for name, value in trailers)
        self.connection.sendall(f"0\r\n{tail}\r\n".encode("latin-1"))

    def raw(self, answer: bytes) -> None:
        """To the letter, and then good-bye: nobody knows where such an answer ends."""
        self.connection.sendall(answer)
        self.goes_on = False
