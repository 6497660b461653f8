"""Bodies that take their time, or are large, or end early: what passes as it comes, and what is never taken for whole."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import threading
import uuid
from pathlib import Path

import httpx
import pytest
from clients_upstream import ClientsUpstream
from curl import curl
from http2_upstream import Http2Upstream
from http_upstream import HttpUpstream
from legs import certificate, own, three_ways, upstream  # noqa: F401
from raw_http import RawHttp, request
from raw_http2 import RawHttp2, data, headers
from weir import Weir

PLUGINS = {"http-api": {"settings": {"unseen_bodies": "allow", "unseen_answers": "allow"}}, "pii-mask": {"settings": {"detect": ["email"]}}}
LARGE = 200 << 20
#: What 200 MB may cost while they pass: buffers, and nothing that grows with them.
GROWTH = 24 << 20
PIECE = bytes(range(256)) * 256
LEGS = ["one", "two", "tls"]


@pytest.fixture(scope="module")
def weir(upstream, certificate):
    resources = [
        *three_ways(upstream, certificate),
        own("masked", upstream.urls["one"], pipeline=["http-api", "pii-mask"]),
        own("restless", upstream.urls["one"], limits={"idle_timeout": "1s"}),
    ]
    with Weir(resources=resources, plugins=PLUGINS) as running:
        yield running


def client_of(weir: Weir, leg: str, certificate, version_2: bool) -> httpx.Client:
    return httpx.Client(base_url=weir.url(leg), headers={"authorization": weir.basic("ann")}, http1=not version_2, http2=version_2,
                        verify=ssl.create_default_context(cafile=certificate.authority), timeout=60)


both = pytest.mark.parametrize("version_2", [False, True], ids=["HTTP/1.1", "HTTP/2"])


# --- large


class Memory:
    """How far the gateway's memory rises above what it was."""

    def __init__(self, weir: Weir):
        self.process = Path(f"/proc/{weir.process.pid}")

    def __enter__(self) -> Memory:
        # 5: the peak starts again from now (proc(5)).
        (self.process / "clear_refs").write_text("5")
        self.before = self._read("VmRSS")
        return self

    def __exit__(self, *_) -> None:
        self.growth = self._read("VmHWM") - self.before

    def _read(self, key: str) -> int:
        line = next(line for line in (self.process / "status").read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) << 10


def digest_of(pieces: int) -> str:
    digest = hashlib.sha256()
    for _ in range(pieces):
        digest.update(PIECE)
    return digest.hexdigest()


@both
@pytest.mark.parametrize("leg", LEGS)
def test_a_large_upload_passes_and_is_not_kept(weir, certificate, leg, version_2):
    pieces = LARGE // len(PIECE)
    with client_of(weir, leg, certificate, version_2) as client:
        client.get("/json")
        with Memory(weir) as memory:
            answer = client.post("/upload", content=(PIECE for _ in range(pieces)), headers={"content-type": "application/octet-stream"})
    assert answer.status_code == 201
    assert (answer.json()["bytes"], answer.json()["sha256"]) == (LARGE, digest_of(pieces))
    assert memory.growth < GROWTH


@both
@pytest.mark.parametrize("leg, length", [("one", ""), ("one", "&length"), ("two", ""), ("tls", ""), ("masked", "")])
def test_a_large_download_passes_and_is_not_kept(weir, upstream, certificate, leg, version_2, length):
    path = f"/download?bytes={LARGE}{length}"
    with client_of(weir, leg, certificate, version_2) as client:
        client.get("/json")
        got, count = hashlib.sha256(), 0
        with Memory(weir) as memory, client.stream("GET", path) as answer:
            assert answer.headers.get("content-length") == (str(LARGE) if length else None)
            for piece in answer.iter_raw():
                got.update(piece)
                count += len(piece)
    assert count == LARGE and got.hexdigest() == downloaded(upstream)
    assert memory.growth < GROWTH


DIRECT: list[str] = []


def downloaded(upstream: ClientsUpstream) -> str:
    if not DIRECT:
        digest = hashlib.sha256()
        with httpx.stream("GET", f"{upstream.urls['one']}/download?bytes={LARGE}") as answer:
            for piece in answer.iter_raw():
                digest.update(piece)
        DIRECT.append(digest.hexdigest())
    return DIRECT[0]


# --- as they come


class Chat:
    """The answer's pieces, read as they come, while somebody else feeds the stream."""

    def __init__(self, weir: Weir, leg: str, certificate, version_2: bool):
        self.name = uuid.uuid4().hex
        self.client, self.feeder = (client_of(weir, leg, certificate, version_2) for _ in range(2))

    def __enter__(self) -> Chat:
        return self

    def __exit__(self, *_) -> None:
        self.client.close()
        self.feeder.close()

    def listen(self, **headers):
        return self.client.stream("GET", f"/events/{self.name}", headers={"accept": "text/event-stream", **headers})

    def say(self, text: str) -> None:
        # Not inspected, so that odd bytes can be said, too.
        told = self.feeder.post(f"/say/{self.name}", content=text.encode(), headers={"content-type": "application/octet-stream"})
        assert told.status_code == 200

    def hush(self) -> None:
        assert self.feeder.get(f"/hush/{self.name}").status_code == 200


def event(pieces, start: str = "") -> str:
    """The next event, whole; whatever follows it has not been sent."""
    while "\n\n" not in start:
        start += next(pieces)
    assert start.endswith("\n\n") and start.count("\n\n") == 1
    return start


@both
@pytest.mark.parametrize("leg", [*LEGS, "masked"])
def test_an_event_arrives_before_the_next_is_sent(weir, certificate, leg, version_2):
    with Chat(weir, leg, certificate, version_2) as chat, chat.listen(**{"last-event-id": "41"}) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        pieces = answer.iter_text()
        assert event(pieces) == ": after 41\n\n"
        for number in range(42, 62):
            said = f"id: {number}\nevent: tick\ndata: caf\u00e9 {number}\ndata: second line\n\n"
            chat.say(said)
            assert event(pieces) == said
        chat.say("data: cut in")
        chat.say(" two\n\n")
        assert event(pieces) == "data: cut in two\n\n"
        chat.hush()
        assert "".join(pieces) == ""


def test_a_stream_outlives_a_long_silence(weir, certificate):
    """Silent for longer than a session may idle: one that is open is not idle."""
    with Chat(weir, "restless", certificate, False) as chat, chat.listen() as answer:
        pieces = answer.iter_text()
        event(pieces)
        # Time is what this is about: nothing happens that could be waited for.
        assert not threading.Event().wait(4)
        assert ended(weir, "restless") == []
        chat.say("data: still here\n\n")
        assert event(pieces) == "data: still here\n\n"
        chat.hush()
        assert "".join(pieces) == ""
    # When the stream is over, the same session is idle.
    weir.wait_for("the end of the session", lambda: ended(weir, "restless"))


def ended(weir: Weir, resource: str) -> list[dict]:
    return [each for each in weir.trail(kind="session-ended") if each["body"]["resource"] == resource]


@pytest.mark.parametrize("leg", ["one", "two"])
def test_both_directions_at_once(weir, leg):
    """Each piece comes back before the next is sent, on one request."""
    with RawHttp(*weir.address(leg)) as client:
        client.send(request("POST /shout HTTP/1.1", ("Host", "x"), ("Authorization", weir.basic("ann")), ("Content-Type", "application/octet-stream"),
                            ("Transfer-Encoding", "chunked")))
        client.send(b"5\r\nfirst\r\n")
        assert client.head().status == 200
        assert client.piece() == b"FIRST"
        for number in range(20):
            client.send(b"8\r\npiece %02d\r\n" % number)
            assert client.piece() == b"PIECE %02d" % number
        client.send(b"0\r\n\r\n")
        assert client.piece() == b""


# --- never taken for whole


UPLOAD = ("POST /customers HTTP/1.1", ("Host", "x"), ("Content-Type", "application/octet-stream"), ("Transfer-Encoding", "chunked"))
TIMES = 10


def half_in_version_1(weir: Weir, resource: str) -> RawHttp:
    client = RawHttp(*weir.address(resource)).__enter__()
    client.send(request(*UPLOAD, ("Authorization", weir.basic("ann")), body=b"4\r\nhalf\r\n"))
    return client


def half_in_version_2(weir: Weir, resource: str) -> RawHttp2:
    client = RawHttp2(*weir.address(resource)).__enter__()
    head = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/customers"), (b":authority", b"x"),
            (b"content-type", b"application/octet-stream"), (b"authorization", weir.basic("ann").encode())]
    client.send(headers(head, end=False) + data(b"half", end=False))
    return client


@pytest.mark.parametrize("half", [half_in_version_1, half_in_version_2], ids=["HTTP/1.1", "HTTP/2"])
def test_a_client_that_vanishes_has_not_ended_its_request(half):
    with HttpUpstream() as one, Http2Upstream() as two:
        resources = [own("one", one.url), own("two", two.url, http2="prior-knowledge")]
        with Weir(resources=resources, plugins=PLUGINS) as weir:
            for _ in range(TIMES):
                client = half(weir, "two")
                assert two.next()[0] == "head" and two.next() == ("data", b"half")
                client.__exit__()
                assert two.next()[0] in ("reset", "closed")
                before = one.received
                client = half(weir, "one")
                weir.wait_for("half of it", lambda: one.received.endswith(b"half\r\n") and one.received != before)
                client.__exit__()
            # All of them came, and none came whole.
            weir.wait_for("the ends", lambda: len(weir.trail(kind="outcome")) == 2 * TIMES)
            assert one.requests == [] and b"0\r\n\r\n" not in one.received


def test_an_answer_that_comes_first_does_not_end_the_request():
    """The upstream has answered and still reads: what it gets is not half a body that looks whole."""
    came = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def early() -> None:
            connection, _ = listener.accept()
            with connection:
                while b"half" not in came:
                    came.extend(connection.recv(1 << 16))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
                try:
                    while piece := connection.recv(1 << 16):
                        came.extend(piece)
                except ConnectionResetError:
                    pass

        server = threading.Thread(target=early)
        server.start()
        with Weir(resources=[own("one", f"http://127.0.0.1:{listener.getsockname()[1]}")], plugins=PLUGINS) as weir:
            client = half_in_version_1(weir, "one")
            assert client.answer().body == b"early"
            client.send(b"4\r\nrest\r\n0\r\n\r\n")
            client.__exit__()
        server.join(30)
        assert not server.is_alive()
    assert came.endswith(b"rest\r\n0\r\n\r\n") or b"0\r\n\r\n" not in came


# --- one after the other on one connection


def test_a_connection_is_kept_and_requests_may_come_ahead(weir, upstream):
    """Pipelined: answers in their order, each the one that it is direct."""
    paths = ["/json", "/file", "/chunked", "/empty", "/status/404", "/json"]
    gets = [request(f"GET {path} HTTP/1.1", ("Host", "x"), ("Authorization", weir.basic("ann"))) for path in paths]
    answers = []
    for to, ahead in ((weir.address("one"), False), (weir.address("one"), True), (("127.0.0.1", int(upstream.urls["one"].rsplit(":", 1)[1])), False)):
        with RawHttp(*to) as client:
            if ahead:
                client.send(b"".join(gets))
            answers.append([])
            for get in gets:
                if not ahead:
                    client.send(get)
                answer = client.answer()
                answers[-1].append((answer.status, answer.body))
    assert answers[0] == answers[1] == answers[2]
    assert [status for status, _ in answers[0]] == [200, 200, 200, 204, 404, 200]


@pytest.mark.parametrize("leg", ["one", "two"])
def test_a_client_that_waits_for_100_is_told_to_go_on(weir, leg):
    body = b"waited for"
    with RawHttp(*weir.address(leg)) as client:
        client.send(request("POST /upload HTTP/1.1", ("Host", "x"), ("Authorization", weir.basic("ann")), ("Expect", "100-continue"),
                            ("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))))
        assert client.head().status == 100
        client.send(body)
        answer = client.answer()
    assert answer.status == 201 and answer.json()["sha256"] == hashlib.sha256(body).hexdigest()


def test_curl_waits_for_100_and_uploads_in_chunks(weir):
    user = f"ann:{weir.user('ann').secret}"
    more = ("--header", "Expect: 100-continue", "--expect100-timeout", "30", "--max-time", "15", "--header", "Content-Type: application/octet-stream")
    for framing in ((), ("--header", "Transfer-Encoding: chunked")):
        answer = curl(weir.url("one", "/upload"), "--header", f"Authorization: {weir.basic('ann')}", "--data-binary", "@-", *more, *framing, input=b"a" * 100000)
        assert answer.status == 201 and json.loads(answer.body)["bytes"] == 100000
    assert curl(weir.url("one", "/json"), user=user).status == 200


def test_trailers_of_a_request_arrive(weir):
    for leg in ("one", "two"):
        with RawHttp(*weir.address(leg)) as client:
            client.send(request("POST /upload HTTP/1.1", ("Host", "x"), ("Authorization", weir.basic("ann")), ("Trailer", "x-sum"),
                                ("Content-Type", "application/octet-stream"), ("Transfer-Encoding", "chunked"), body=b"3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"))
            answer = client.answer()
        assert answer.status == 201 and answer.json()["trailers"] == {"x-sum": "7"}, leg


@both
def test_trailers_of_an_answer_arrive(weir, version_2):
    for leg in ("one", "two"):
        if version_2:
            answer = curl(weir.url(leg, "/trailers"), "--http2-prior-knowledge", user=f"ann:{weir.user('ann').secret}")
            # curl prints them behind the body.
            assert answer.body == b"one\ntwo\nx-checksum: abc\r\nx-count: 2\r\n"
            continue
        with RawHttp(*weir.address(leg)) as client:
            client.send(request("GET /trailers HTTP/1.1", ("Host", "x"), ("Authorization", weir.basic("ann")), ("TE", "trailers"), ("Connection", "TE")))
            answer = client.answer()
        assert answer.body == b"one\ntwo\n" and answer.trailers == (("x-checksum", "abc"), ("x-count", "2")), leg
