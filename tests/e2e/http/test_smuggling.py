"""What can be read in two ways is refused: nothing of it reaches the upstream, and nothing behind it is taken for a request.

Every request carries good credentials and asks for what is allowed, so it is refused for what is wrong with it alone.
"""

from __future__ import annotations

import base64

import pytest
from http_upstream import HARMLESS, HttpUpstream
from raw_http import MOMENT_SECONDS, RawHttp, request
from weir import PEOPLE, PLUGINS, Weir, http

AUTH = ("Authorization", "Basic " + base64.b64encode(f"ann:{PEOPLE[0].secret}".encode()).decode())
HOST = ("Host", "api.test")
#: What may be answered besides 4xx: not implemented, and a version that is not spoken.
ALSO = {501, 505}
JSON = ("Content-Type", "application/json")
BODY = b'{"a":1}'
CHUNKED = b"7\r\n" + BODY + b"\r\n0\r\n\r\n"
#: A request that would be answered if anything took it for one.
HIDDEN = request("GET /hidden HTTP/1.1", HOST, AUTH)
LONG = 200_000


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def weir(api):
    """Everything that is a request is allowed."""
    resource = http("crm", api.url, hosts=["api.test"], pipeline=["http-api", "allow"], default="deny")
    with Weir(resources=[resource], files={"allow": PLUGINS / "allow.wasm"}) as running:
        yield running


def post(*headers: tuple[str, str], body: bytes = BODY, line: str = "POST /customers HTTP/1.1") -> bytes:
    return request(line, HOST, AUTH, JSON, *headers, body=body)


def get(*headers: tuple[str, str], line: str = "GET /harmless HTTP/1.1") -> bytes:
    return request(line, HOST, AUTH, *headers)


def lines(*these: bytes, end: bytes = b"\r\n") -> bytes:
    """A head of lines to the letter, with the usual ones in front."""
    usual = [b"POST /customers HTTP/1.1", b": ".join(part.encode() for part in HOST), b": ".join(part.encode() for part in AUTH),
             b": ".join(part.encode() for part in JSON)]
    return end.join([*usual, *these, b"", b""])


def chunks(*pieces: bytes) -> bytes:
    return post(("Transfer-Encoding", "chunked"), body=b"".join(pieces))


CL, TE = ("Content-Length", str(len(BODY))), ("Transfer-Encoding", "chunked")
CL_LINE, TE_LINE = b"Content-Length: 7", b"Transfer-Encoding: chunked"

#: Where one side may see the end of the request elsewhere than the other. The connection ends with them.
FRAMING = {
    # Two ways to say how long it is.
    "CL.TE": post(CL, TE, body=CHUNKED),
    "TE.CL": post(TE, CL, body=CHUNKED),
    "TE and CL of 0": post(TE, ("Content-Length", "0"), body=CHUNKED),
    "CL.TE, a request behind": post(("Content-Length", str(5 + len(HIDDEN))), TE, body=b"0\r\n\r\n" + HIDDEN),
    "TE.CL, a request inside": post(TE, ("Content-Length", "4"), body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)),
    "two CL that differ": post(CL, ("Content-Length", "0")),
    "two CL alike": post(CL, CL),
    "CL with two numbers": post(("Content-Length", "7, 7")),
    "CL with two numbers that differ": post(("Content-Length", "7,0")),
    "CL with a plus": post(("Content-Length", "+7")),
    "CL with a minus": post(("Content-Length", "-7")),
    "CL of minus zero": post(("Content-Length", "-0"), body=b""),
    "CL in hex": post(("Content-Length", "0x7")),
    "CL with an underscore": post(("Content-Length", "0_7")),
    "CL with a fraction": post(("Content-Length", "7.0")),
    "CL with a letter": post(("Content-Length", "7a")),
    "CL in quotes": post(("Content-Length", '"7"')),
    "CL empty": lines(b"Content-Length:") + BODY,
    "CL too large for 64 bits": post(("Content-Length", str((1 << 64) + 7))),
    "CL too large for a byte count": post(("Content-Length", "9" * 40)),
    # Names and encodings that only some take for what they look like.
    "TE unknown": post(("Transfer-Encoding", "xchunked"), body=CHUNKED),
    "TE twice in one": post(("Transfer-Encoding", "chunked, chunked"), body=CHUNKED),
    "TE in two lines": post(TE, TE, body=CHUNKED),
    "TE in two lines, one unknown": post(TE, ("Transfer-Encoding", "cow"), body=CHUNKED),
    "TE with chunked first": post(("Transfer-Encoding", "chunked, identity"), body=CHUNKED),
    "TE with identity first": post(("Transfer-Encoding", "identity, chunked"), body=CHUNKED),
    "TE of identity": post(("Transfer-Encoding", "identity"), CL),
    "TE of gzip": post(("Transfer-Encoding", "gzip, chunked"), body=CHUNKED),
    "TE empty": lines(b"Transfer-Encoding:") + CHUNKED,
    "TE in quotes": post(("Transfer-Encoding", '"chunked"'), body=CHUNKED),
    "TE with a parameter": post(("Transfer-Encoding", "chunked;q=1"), body=CHUNKED),
    "TE with a vertical tab": lines(b"Transfer-Encoding: \x0bchunked") + CHUNKED,
    "TE with a form feed behind": lines(b"Transfer-Encoding: chunked\x0c") + CHUNKED,
    "TE with NUL behind": lines(b"Transfer-Encoding: chunked\x00") + CHUNKED,
    "TE with a hard space": lines(b"Transfer-Encoding: \xa0chunked") + CHUNKED,
    "TE with a comma": post(("Transfer-Encoding", ",chunked"), body=CHUNKED),
    "TE in HTTP/1.0": post(TE, body=CHUNKED, line="POST /customers HTTP/1.0"),
    "CL by another name": post(("Content_Length", "7"), body=b""),
    "TE by another name": post(("Transfer_Encoding", "chunked"), body=b""),
    # Lines that end, or go on, where others do not see it.
    "space before the colon of CL": lines(b"Content-Length : 7") + BODY,
    "space before the colon of TE": lines(b"Transfer-Encoding : chunked") + CHUNKED,
    "tab before the colon": lines(b"Transfer-Encoding\t: chunked") + CHUNKED,
    "folded TE": lines(b"Transfer-Encoding:", b" chunked") + CHUNKED,
    "folded CL": lines(b"Content-Length:", b"\t7") + BODY,
    "folded X": lines(b"X-A: b", b" c", CL_LINE) + BODY,
    "a folded first line": b"POST /customers HTTP/1.1\r\n Host: api.test\r\n" + lines(CL_LINE).split(b"\r\n", 1)[1] + BODY,
    "a line of spaces": lines(b"X-A: b", b"  ", CL_LINE) + BODY,
    "a line without a colon": lines(b"X-A", CL_LINE) + BODY,
    "a line that begins with a colon": lines(b": b", CL_LINE) + BODY,
    "a name with a space": lines(b"X A: b", CL_LINE) + BODY,
    "a name with a bracket": lines(b"X(A): b", CL_LINE) + BODY,
    "a name with NUL": lines(b"X\x00A: b", CL_LINE) + BODY,
    "a name that is not ASCII": lines(b"Content-L\xe4ngth: 7", CL_LINE) + BODY,
    "LF alone throughout": lines(CL_LINE, end=b"\n") + BODY,
    "LF alone hides TE": lines(b"X-A: b\nTransfer-Encoding: chunked", CL_LINE) + BODY,
    "CR alone hides TE": lines(b"X-A: b\rTransfer-Encoding: chunked", CL_LINE) + BODY,
    "CR alone in a value": lines(b"X-A: b\rc", CL_LINE) + BODY,
    "CR CR LF": lines(b"X-A: b\r", CL_LINE) + BODY,
    "LF alone ends the head": lines(CL_LINE)[:-2] + b"\n" + BODY,
    "LF alone ends the first line": lines(CL_LINE).replace(b"\r\n", b"\n", 1) + BODY,
    "NUL in a value": lines(b"X-A: b\x00c", CL_LINE) + BODY,
    "a control character in a value": lines(b"X-A: b\x01c", CL_LINE) + BODY,
    "DEL in a value": lines(b"X-A: b\x7fc", CL_LINE) + BODY,
    # Chunks.
    "chunk size with a plus": chunks(b"+7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size with a minus": chunks(b"-7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size with 0x": chunks(b"0x7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size with an underscore": chunks(b"0_7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size with a space in front": chunks(b" 7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size with a letter": chunks(b"7g\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size empty": chunks(b"\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size too large for 64 bits": chunks(b"10000000000000007\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size of many zeros": chunks(b"0" * LONG + b"7\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size ended by LF alone": chunks(b"7\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk size ended by CR alone": chunks(b"7\r", BODY, b"\r\n0\r\n\r\n"),
    "chunk size ended by CR X": chunks(b"7\rX", BODY, b"\r\n0\r\n\r\n"),
    "chunk extension with LF alone": chunks(b"7;a=b\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk extension that hides a chunk": chunks(b"7;a\n0\r\n", BODY, b"\r\n0\r\n\r\n", HIDDEN),
    "chunk extension with CR": chunks(b"7;a=\rb\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk extension with NUL": chunks(b"7;a=\x00\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk extension without an end": chunks(b"7;" + b"a" * LONG + b"\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk longer than its size": chunks(b"6\r\n", BODY, b"\r\n0\r\n\r\n"),
    "chunk ended by LF alone": chunks(b"7\r\n", BODY, b"\n0\r\n\r\n"),
    "chunk without its end": chunks(b"7\r\n", BODY, b"0\r\n\r\n"),
    "chunk ended by two spaces": chunks(b"7\r\n", BODY, b"  0\r\n\r\n"),
    "last chunk ended by LF alone": chunks(b"7\r\n", BODY, b"\r\n0\n\r\n"),
    "last line ended by LF alone": chunks(b"7\r\n", BODY, b"\r\n0\r\n\n"),
    # Trailers.
    "trailer with CL": chunks(b"7\r\n", BODY, b"\r\n0\r\nContent-Length: 7\r\n\r\n"),
    "trailer with TE": chunks(b"7\r\n", BODY, b"\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "trailer with Host": chunks(b"7\r\n", BODY, b"\r\n0\r\nHost: other.test\r\n\r\n"),
    "trailer with credentials": chunks(b"7\r\n", BODY, b"\r\n0\r\nAuthorization: Bearer x\r\n\r\n"),
    "trailer that is folded": chunks(b"7\r\n", BODY, b"\r\n0\r\nX-A: b\r\n c\r\n\r\n"),
    "trailer with LF alone": chunks(b"7\r\n", BODY, b"\r\n0\r\nX-A: b\n\r\n"),
    "trailer without a colon": chunks(b"7\r\n", BODY, b"\r\n0\r\nX-A\r\n\r\n"),
    "trailer with a space before the colon": chunks(b"7\r\n", BODY, b"\r\n0\r\nX-A : b\r\n\r\n"),
    "trailer without an end": chunks(b"7\r\n", BODY, b"\r\n0\r\nX-A: ", b"b" * LONG, b"\r\n\r\n"),
    # The first line.
    "HTTP/0.9": b"GET /harmless\r\n",
    "HTTP/0.9 with headers": request("GET /harmless", HOST, AUTH),
    "HTTP/2.0 in words": get(line="GET /harmless HTTP/2.0"),
    "HTTP/1.10": get(line="GET /harmless HTTP/1.10"),
    "HTTP/1": get(line="GET /harmless HTTP/1"),
    "http/1.1": get(line="GET /harmless http/1.1"),
    "a version with more behind": get(line="GET /harmless HTTP/1.1 x"),
    "two spaces": get(line="GET  /harmless HTTP/1.1"),
    "a tab": get(line="GET\t/harmless HTTP/1.1"),
    "a space at the end": get(line="GET /harmless HTTP/1.1 "),
    "a space in front": get(line=" GET /harmless HTTP/1.1"),
    "a space in the path": get(line="GET /harm less HTTP/1.1"),
    "NUL in the path": get(line="GET /harm\x00less HTTP/1.1"),
    "CR in the path": get(line="GET /harm\rless HTTP/1.1"),
    "a method that is none": get(line="GE(T /harmless HTTP/1.1"),
    "no method": get(line="/harmless HTTP/1.1"),
    # Far too much.
    "a very long header": get(("X-Long", "a" * LONG)),
    "a very long name": get(("X-" + "a" * LONG, "b")),
    "a very long path": get(line=f"GET /{'a' * LONG} HTTP/1.1"),
    "very many headers": get(*((f"X-{number}", "a") for number in range(5000))),
}

#: What is not done, whatever follows.
REFUSED = {
    "absolute-form to another host": get(line="GET http://other.test/harmless HTTP/1.1"),
    "absolute-form to the same host": get(line="GET http://api.test/harmless HTTP/1.1"),
    "absolute-form to the upstream": get(line="GET http://127.0.0.1:1/harmless HTTP/1.1"),
    "absolute-form with a login": get(line="GET http://a:b@api.test/harmless HTTP/1.1"),
    "authority-form": get(line="GET api.test:80 HTTP/1.1"),
    "asterisk-form": get(line="GET * HTTP/1.1"),
    "OPTIONS *": get(line="OPTIONS * HTTP/1.1"),
    "a path without its slash": get(line="GET harmless HTTP/1.1"),
    "a path with a fragment": get(line="GET /harmless#a HTTP/1.1"),
    "a path with dots": get(line="GET /customers/../harmless HTTP/1.1"),
    "a path with dots in disguise": get(line="GET /customers/%2e%2E/harmless HTTP/1.1"),
    "a path with one dot in disguise": get(line="GET /%2e/harmless HTTP/1.1"),
    "a path with a slash in disguise": get(line="GET /customers%2f..%2fharmless HTTP/1.1"),
    "a path with a backslash": get(line="GET /customers\\..\\harmless HTTP/1.1"),
    "a path with a backslash in disguise": get(line="GET /customers%5c..%5charmless HTTP/1.1"),
    "a path with two slashes": get(line="GET //harmless HTTP/1.1"),
    "a path with NUL in disguise": get(line="GET /harmless%00 HTTP/1.1"),
    "a path with a line end in disguise": get(line="GET /harmless%0d%0aX:%20y HTTP/1.1"),
    "a path with half an escape": get(line="GET /harmless%2 HTTP/1.1"),
    "a path with an escape that is none": get(line="GET /harmless%zz HTTP/1.1"),
    "no Host": request("GET /harmless HTTP/1.1", AUTH),
    "two Hosts": get(HOST),
    "two Hosts that differ": get(("Host", "other.test")),
    "an empty Host": request("GET /harmless HTTP/1.1", ("Host", ""), AUTH),
    "another Host": request("GET /harmless HTTP/1.1", ("Host", "other.test"), AUTH),
    "a Host below": request("GET /harmless HTTP/1.1", ("Host", "x.api.test"), AUTH),
    "a Host with a login": request("GET /harmless HTTP/1.1", ("Host", "a@api.test"), AUTH),
    "a Host with a path": request("GET /harmless HTTP/1.1", ("Host", "api.test/x"), AUTH),
    "a Host with a query": request("GET /harmless HTTP/1.1", ("Host", "api.test?x"), AUTH),
    "a Host with a space": request("GET /harmless HTTP/1.1", ("Host", "api.test other.test"), AUTH),
    "a Host with a comma": request("GET /harmless HTTP/1.1", ("Host", "api.test,other.test"), AUTH),
    "a Host with a port that is none": request("GET /harmless HTTP/1.1", ("Host", "api.test:99999"), AUTH),
    "a Host with a port in words": request("GET /harmless HTTP/1.1", ("Host", "api.test:http"), AUTH),
    "CONNECT": get(line="CONNECT api.test:443 HTTP/1.1"),
    "CONNECT with a path": get(line="CONNECT /harmless HTTP/1.1"),
    "TRACE": get(line="TRACE /harmless HTTP/1.1"),
    "Upgrade to WebSocket without a version": get(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")),
    "Upgrade to WebSocket and a request behind it": get(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                                                        ("Sec-WebSocket-Key", "short")) + HIDDEN,
    "Upgrade to WebSocket or h2c": get(("Connection", "Upgrade"), ("Upgrade", "websocket, h2c")),
    "Upgrade to anything": get(("Connection", "Upgrade"), ("Upgrade", "x/1")),
    "Expect what nobody does": post(CL, ("Expect", "something-else")),
    "another method in a header": get(("X-HTTP-Method-Override", "DELETE")),
    "another path in a header": get(("X-Original-URL", "/hidden")),
    "Connection takes out the credentials": get(("Connection", "authorization")),
    "Connection takes out the length": post(CL, ("Connection", "content-length")),
}

#: Odd, but with one meaning: these get through, so the others are not refused for being odd.
PASSED = {
    "a plain GET": get(),
    "a length": post(CL),
    "chunks": chunks(CHUNKED),
    "chunks of one byte": chunks(*(b"1\r\n%b\r\n" % BODY[at:at + 1] for at in range(len(BODY))), b"0\r\n\r\n"),
    "chunk size with zeros": chunks(b"0007\r\n", BODY, b"\r\n0\r\n\r\n"),
    "TE in capitals": post(("Transfer-Encoding", "CHUNKED"), body=CHUNKED),
    "names in capitals": lines(b"CONTENT-LENGTH: 7") + BODY,
    "no space behind the colon": lines(b"Content-Length:7") + BODY,
    "tabs and spaces around a value": lines(b"Content-Length: \t 7 \t ") + BODY,
    "an empty value": lines(b"X-A:", CL_LINE) + BODY,
    "a Host in capitals": request("GET /harmless HTTP/1.1", ("Host", "API.Test"), AUTH),
    "a Host with a port": request("GET /harmless HTTP/1.1", ("Host", "api.test:80"), AUTH),
    "a length of 0": request("POST /customers HTTP/1.1", HOST, AUTH, ("Content-Length", "0")),
    "a query with everything": get(line="GET /harmless?a=/../&b=%2e%2e&c=//?d HTTP/1.1"),
}


def sent_by(way: str, client: RawHttp, data: bytes) -> None:
    client.send_each_byte(data) if way == "each byte" else client.send(data)


def way_and_request(corpus: dict[str, bytes]):
    """Every request in one piece, and byte by byte unless it is very long."""
    return [pytest.param(way, data, id=f"{name}-{way}") for name, data in corpus.items()
            for way in ("whole", "each byte") if way == "whole" or len(data) < LONG]


def refused(client: RawHttp) -> int | None:
    """The status, or None when the connection was closed without one."""
    try:
        answer = client.answer(seconds=MOMENT_SECONDS)
    except TimeoutError:
        # It may be waiting for more: there is no more.
        client.end()
        answer = client.answer()
    if answer is None:
        return None
    assert 400 <= answer.status < 500 or answer.status in ALSO, (answer.head, answer.body)
    # Refused for what it is, not because nobody saw the credentials.
    assert answer.status != 401, answer.head
    return answer.status


def saw_nothing(weir: Weir, api: HttpUpstream) -> None:
    """A good request on another connection is the first that the upstream hears of."""
    with RawHttp(*weir.address("crm")) as client:
        client.send(get())
        assert client.answer().status == 200
    (only,) = api.requests
    assert api.received == only.head, "the upstream saw something else"
    assert only.path == "/harmless"


@pytest.mark.parametrize("way, data", way_and_request(FRAMING))
def test_what_ends_in_two_places_is_refused_and_is_the_last(weir, api, way, data):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        sent_by(way, client, data + HIDDEN)
        if refused(client) is not None:
            assert client.hangs_up(), "the connection goes on behind a request whose end is not certain"
    saw_nothing(weir, api)


@pytest.mark.parametrize("way, data", way_and_request(REFUSED))
def test_what_is_not_done_is_refused(weir, api, way, data):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        sent_by(way, client, data)
        refused(client)
    saw_nothing(weir, api)


@pytest.mark.parametrize("way, data", way_and_request(PASSED))
def test_what_is_odd_and_plain_gets_through(weir, api, way, data):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        sent_by(way, client, data + get())
        assert client.answer().status in (200, 201)
        assert client.answer().body == HARMLESS, "the connection is out of step"
    first, second = api.requests
    assert first.body in (b"", BODY) and second.path == "/harmless"
    # One framing each, made anew.
    for each in (first, second):
        assert len(each.values("content-length")) + len(each.values("transfer-encoding")) <= 1
        assert each.values("host") == [f"127.0.0.1:{api.port}"]


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in
                                  {name: FRAMING[name] for name in ("CL.TE", "folded TE", "chunk longer than its size", "LF alone hides TE")}.items()])
def test_behind_a_good_request(weir, api, data):
    """What comes first is answered; the bad one behind it is refused all the same."""
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(get() + data + HIDDEN)
        assert client.answer().body == HARMLESS
        if refused(client) is not None:
            assert client.hangs_up()
    assert [each.path for each in api.requests] == ["/harmless"]


@pytest.mark.parametrize("data", [
    pytest.param(post(("Content-Length", "8")), id="a length that is not reached"),
    pytest.param(post(TE, body=b"8\r\n" + BODY), id="a chunk that is not full"),
    pytest.param(post(TE, body=b"7\r\n" + BODY + b"\r\n"), id="no last chunk"),
    pytest.param(post(TE, body=b"7\r\n" + BODY + b"\r\n0\r\n"), id="no end of the trailers"),
    pytest.param(get()[:-2], id="no end of the head"),
])
def test_what_breaks_off_is_no_request(weir, api, data):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(data)
        client.end()
        refused(client)
    saw_nothing(weir, api)


def test_two_credentials_prove_nothing(weir, api):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(get(AUTH))
        assert client.answer().status in (400, 401)
    saw_nothing(weir, api)


def test_a_preface_that_goes_wrong(weir, api):
    """HTTP/2 with prior knowledge, and then no HTTP/2."""
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN)
        client.end()
        assert client.answer() is None
    saw_nothing(weir, api)


def test_an_offer_of_h2c_is_not_taken_up(weir, api):
    """RFC 9113, 3.1: obsolete. `curl --http2` makes it all the same, so it is answered as HTTP/1.1."""
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(get(("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")) + get())
        assert [client.answer().status for _ in range(2)] == [200, 200]
        assert b" 101 " not in client.received
    for seen in api.requests:
        assert not seen.values("upgrade") and not seen.values("http2-settings")


def test_what_belongs_to_a_connection_does_not_get_through(weir, api):
    api.forget()
    with RawHttp(*weir.address("crm")) as client:
        client.send(post(TE, ("Connection", "X-Gone, keep-alive"), ("Keep-Alive", "timeout=5"), ("X-Gone", "1"), ("X-Stays", "1"),
                         ("TE", "trailers"), ("Proxy-Connection", "keep-alive"), ("X-Forwarded-For", "10.0.0.1"), body=CHUNKED))
        assert client.answer().status == 201
    (seen,) = api.requests
    assert seen.header("x-stays") == "1"
    for gone in ("x-gone", "keep-alive", "proxy-connection", "x-forwarded-for", "authorization"):
        assert seen.values(gone) == [], gone
    assert "gone" not in (seen.header("connection") or "").lower()
