"""An upstream that does what it should not, and clients that are slow or split what they send: nobody else suffers."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import threading
from pathlib import Path

import pytest
from http_upstream import CUSTOMER, HARMLESS, PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import Weir, http

MASK = {"columns": ["name"], "detect": ["email", "phone", "card"]}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n\"evil\""


class Endless(HttpUpstream):
    def at_endless(self, reply, _seen, _rest, query) -> None:
        """A body without an end, or answers before the answer."""
        if "hints" in query:
            self.pour(reply, b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 100)
        if "head" in query:
            self.pour(reply, b"X-A: b\r\n" * 1000, HEAD)
        self.pour(reply, b"10000\r\n" + b'"' + b"a" * 0xffff + b"\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\n")

    def at_swallows(self, reply, seen, _rest, _query) -> None:
        """Nothing, and the end of the connection, if it was used before."""
        if sum(one.connection == seen.connection for one in self.requests) > 1:
            reply.goes_on = False
        else:
            reply.json(200, HARMLESS)

    def pour(self, reply, piece: bytes, first: bytes = b"") -> None:
        reply.goes_on = False
        reply.connection.sendall(first)
        for _ in range(4000):
            reply.connection.sendall(piece)


@pytest.fixture(scope="module")
def api():
    with Endless() as running:
        yield running


@pytest.fixture(scope="module")
def weir(api):
    resources = [http("crm", api.url, pipeline=["http-api", "pii-mask"]), http("open", api.url, path_prefix="/open", strip_prefix=True)]
    with Weir(resources=resources, plugins={"pii-mask": {"settings": MASK}}) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(api):
    api.forget()


def asked(weir: Weir, line: str, *more: tuple[str, str], body: bytes = b"", user: str = "ann"):
    with RawHttp(*weir.address("crm")) as client:
        client.send(request(line, ("Host", "localhost"), ("Authorization", weir.basic(user)), *more, body=body))
        return client.answer(line.split()[0]), bytes(client.received)


def memory(weir: Weir) -> int:
    """Resident, in MiB."""
    line = next(line for line in Path(f"/proc/{weir.process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


@pytest.mark.parametrize("how", ["", "?head=1"])
def test_what_never_ends_is_ended(weir, api, how):
    before = memory(weir)
    answer, _ = asked(weir, f"GET /endless{how} HTTP/1.1")
    assert answer is not None and answer.status == 502
    assert memory(weir) - before < 150
    assert asked(weir, "GET /harmless HTTP/1.1")[0].body == HARMLESS


def test_a_client_that_has_gone_ends_a_flood_of_hints(weir, api):
    with RawHttp(*weir.address("crm")) as client:
        client.send(request("GET /endless?hints=1 HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann"))))
        weir.wait_for("the request", lambda: api.asked("GET", "/endless"))
    weir.wait_for("the outcome", lambda: len(weir.trail(kind="outcome")) == len(weir.trail(kind="intent")))


def test_what_a_closing_connection_swallows_is_asked_again_when_that_may_be(weir, api):
    """Under one intent, and never what changes something each time."""
    for method, status in ("GET", 200), ("DELETE", 502), ("POST", 502):
        assert asked(weir, "GET /harmless HTTP/1.1")[0].body == HARMLESS
        before = len(weir.trail(kind="intent"))
        answer, _ = asked(weir, f"{method} /swallows HTTP/1.1")
        assert answer.status == status and len(api.asked(method, "/swallows")) == (2 if status == 200 else 1)
        assert len(weir.trail(kind="intent")) == before + 1


@pytest.mark.parametrize("name, first, method", [
    ("head", HEAD + b"Content-Length: %d\r\n\r\n" % len(EVIL) + EVIL, "HEAD"),
    ("nocontent", b"HTTP/1.1 204 No Content\r\n\r\n" + EVIL, "GET"),
    ("notmodified", b"HTTP/1.1 304 Not Modified\r\n\r\n" + EVIL, "GET"),
    ("behind", HEAD + b"Content-Length: 2\r\n\r\n{}" + EVIL, "GET"),
    ("chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + EVIL, "GET"),
])
def test_what_stands_behind_an_answer_is_nobodys_answer(weir, api, name, first, method):
    """A body where there is none is not the answer to the next one's request."""
    api.raw[f"/desync/{name}"] = first
    for _ in range(5):
        answer, _ = asked(weir, f"{method} /desync/{name} HTTP/1.1")
        assert answer is None or b"evil" not in answer.body
        answer, received = asked(weir, "GET /harmless HTTP/1.1", user="lea")
        assert answer.body == HARMLESS and b"evil" not in received


@pytest.mark.parametrize("head", [
    b"Content-Length: 2\r\nContent-Length: 3\r\n", b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: +2\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: gzip\r\n", b"Transfer-Encoding: chunked, chunked\r\n", b"X-A: a\rSet-Cookie: b=c\r\nContent-Length: 2\r\n", b"X-A: a\0b\r\nContent-Length: 2\r\n",
])
def test_an_answer_that_could_be_cut_elsewhere_is_none(weir, api, head):
    api.raw["/odd"] = HEAD + head + b"\r\n{}"
    answer, received = asked(weir, "GET /odd HTTP/1.1")
    assert answer is None or answer.status == 502, answer
    assert b"set-cookie" not in received.lower()


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
def test_an_answer_split_at_every_byte_is_the_same(weir, api, kind):
    body = CUSTOMER if "json" in kind else b"".join(b"data: " + line + b"\n" for line in CUSTOMER.splitlines()) + b"\n"
    found = set()
    for at in range(1, len(body), 7 if "json" in kind else 5):
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (body[:at], body[at:]))
        # It closes behind each such answer; unsaid, the next request would sometimes find its connection gone.
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" % kind.encode()
        api.raw[f"/split/{at}"] = head + pieces + b"0\r\n\r\n"
        answer, received = asked(weir, f"GET /split/{at} HTTP/1.1")
        assert not any(value.encode() in received for value in PERSONAL.values())
        found.add(answer.body)
    assert len(found) == 1


def test_a_request_split_at_every_byte_is_the_same(weir, api):
    body = json.dumps({"email": "a@leak.example", "n": 1.50}).encode()
    with RawHttp(*weir.address("crm")) as client:
        client.send_each_byte(request("POST /customers HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann")),
                                      ("Content-Type", "application/json"), ("Content-Length", str(len(body))), body=body))
        assert client.answer().status == 201
    assert [each.body for each in api.asked("POST", "/customers")] == [body]


def test_a_bomb_of_a_client_does_not_go_off(weir, api):
    before = memory(weir)
    bomb = gzip.compress(b'"' + b"0" * (200 << 20) + b'"')
    answer, _ = asked(weir, "POST /customers HTTP/1.1", ("Content-Type", "application/json"), ("Content-Encoding", "gzip"),
                      ("Content-Length", str(len(bomb))), body=bomb)
    assert answer.status in (400, 413) and api.requests == []
    assert memory(weir) - before < 100


def test_a_thousand_slow_clients_cost_little(api):
    """Half a head, half a body, an answer that is not read: others are served meanwhile."""
    with Weir(resources=[http("crm", api.url)], sections={"server": {"max_sessions": 1200}}) as weir, contextlib.ExitStack() as open_ones:
        with RawHttp(*weir.address("crm")) as client:
            client.send(request("GET /harmless HTTP/1.1", ("Host", "localhost"), ("Authorization", weir.basic("ann"))))
            assert client.answer().status == 200
        before = memory(weir)
        login = weir.basic("ann")
        parts = [b"GET /harmless HTTP/1.1\r\nHost: loc",
                 request("POST /customers HTTP/1.1", ("Host", "localhost"), ("Authorization", login), ("Content-Type", "text/plain"), ("Content-Length", "999"), body=b"x"),
                 request("GET /big?bytes=4000000 HTTP/1.1", ("Host", "localhost"), ("Authorization", login))]

        def begin(number: int) -> None:
            client = open_ones.enter_context(socket.create_connection(weir.address("crm")))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(parts[number % 3 if number % 10 else 2])

        for number in range(1000):
            # Answers that nobody reads are a tenth: each holds a thread of the upstream.
            begin(number) if number % 10 == 0 or number % 3 != 2 else begin(number + 1)
        for _ in range(5):
            with RawHttp(*weir.address("crm")) as client:
                client.send(request("GET /harmless HTTP/1.1", ("Host", "localhost"), ("Authorization", login)))
                assert client.answer().body == HARMLESS
        grown = memory(weir) - before
        assert grown < 300, f"{grown} MiB"
        assert threading.active_count() < 2000
