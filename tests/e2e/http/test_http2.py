"""HTTP/2 with what becomes something else in HTTP/1.1: refused, and nothing of it reaches the upstream, which speaks that."""

from __future__ import annotations

import pytest
from raw_http2 import RST_STREAM, Fields, RawHttp2, data, frame, headers
from test_smuggling import AUTH, BODY, api, saw_nothing, weir  # noqa: F401 (fixtures)

AUTHORIZATION = (b"authorization", AUTH[1].encode())
JSON = (b"content-type", b"application/json")
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: api.test\r\nAuthorization: " + AUTH[1].encode() + b"\r\n\r\n"


def fields(*more: tuple[bytes, bytes], method: bytes = b"GET", path: bytes = b"/harmless", authority: bytes | None = b"api.test",
           scheme: bytes = b"http") -> Fields:
    first = [(b":method", method), (b":scheme", scheme), (b":path", path)]
    return [*first, *([(b":authority", authority)] if authority is not None else []), AUTHORIZATION, *more]


def get(*more: tuple[bytes, bytes], **pseudo) -> bytes:
    return headers(fields(*more, **pseudo))


def post(*more: tuple[bytes, bytes], body: bytes = BODY) -> bytes:
    return headers(fields(JSON, *more, method=b"POST", path=b"/customers"), end=False) + data(body)


def without(name: bytes) -> bytes:
    return headers([field for field in fields() if field[0] != name])


def trailers(*these: tuple[bytes, bytes]) -> bytes:
    begun = headers(fields(JSON, method=b"POST", path=b"/customers"), end=False) + data(BODY, end=False)
    return begun + headers(list(these))


REFUSED = {
    "no method": without(b":method"),
    "no path": without(b":path"),
    "no host": without(b":authority"),
    "another host": get(authority=b"other.test"),
    "a host that differs": get((b"host", b"other.test")),
    "two hosts that differ": get((b"host", b"api.test"), (b"host", b"other.test")),
    "two authorities": headers([(b":authority", b"api.test"), *fields()]),
    "a host with a login": get(authority=b"a@api.test"),
    "a host with a path": get(authority=b"api.test/x"),
    "a host with a line end": get(authority=b"api.test\r\nx: y"),
    "two paths": headers([(b":path", b"/hidden"), *fields()]),
    "two methods": headers([(b":method", b"DELETE"), *fields()]),
    "an unknown pseudo-header": headers([(b":what", b"x"), *fields()]),
    "a pseudo-header behind others": get((b":path", b"/hidden")),
    "a status in a request": headers([(b":status", b"200"), *fields()]),
    "an empty path": get(path=b""),
    "a path without its slash": get(path=b"harmless"),
    "a path that is a URL": get(path=b"http://other.test/harmless"),
    "a path with a space": get(path=b"/harm less"),
    "a path with a request": get(path=b"/harmless HTTP/1.1\r\nHost: api.test\r\n\r\n" + HIDDEN),
    "a path with NUL": get(path=b"/harm\0less"),
    "a path with dots": get(path=b"/customers/../harmless"),
    "a path with dots in disguise": get(path=b"/customers/%2e%2e/harmless"),
    "a method with a space": get(method=b"GET /hidden HTTP/1.1\r\nx: y\r\n\r\nGET"),
    "an empty method": get(method=b""),
    "CONNECT": headers([(b":method", b"CONNECT"), (b":authority", b"api.test:443"), AUTHORIZATION]),
    "CONNECT for WebSocket": headers([(b":protocol", b"websocket"), *fields(method=b"CONNECT")]),
    "TRACE": get(method=b"TRACE"),
    "a scheme with a line end": get(scheme=b"http\r\nx: y"),
    "a value with a line end": get((b"x-a", b"b\r\ntransfer-encoding: chunked")),
    "a value with a request": get((b"x-a", b"b\r\n\r\n" + HIDDEN)),
    "a value with LF": get((b"x-a", b"b\nc")),
    "a value with CR": get((b"x-a", b"b\rc")),
    "a value with NUL": get((b"x-a", b"b\0c")),
    "a name with a line end": get((b"x-a: b\r\nx-b", b"c")),
    "a name with a colon": get((b"x-a:b", b"c")),
    "a name with a space": get((b"x a", b"b")),
    "a name in capitals": get((b"X-A", b"b")),
    "an empty name": get((b"", b"b")),
    "transfer-encoding": post((b"transfer-encoding", b"chunked"), body=b"0\r\n\r\n" + HIDDEN),
    "transfer-encoding in disguise": post((b"transfer_encoding", b"chunked"), body=b"0\r\n\r\n" + HIDDEN),
    "connection": get((b"connection", b"close")),
    "connection that names a header": get((b"connection", b"authorization")),
    "keep-alive": get((b"keep-alive", b"timeout=5")),
    "proxy-connection": get((b"proxy-connection", b"keep-alive")),
    "upgrade": get((b"upgrade", b"websocket")),
    "te that is not trailers": get((b"te", b"gzip")),
    "a length that is too small": post((b"content-length", b"3")),
    "a length that is too large": post((b"content-length", b"99")),
    "a length of 0 with a request": post((b"content-length", b"0"), body=HIDDEN),
    "two lengths": post((b"content-length", b"7"), (b"content-length", b"0")),
    "a length that is no number": post((b"content-length", b"7a")),
    "a length with a plus": post((b"content-length", b"+7")),
    "a length where nothing follows": get((b"content-length", b"7")),
    "another method in a header": get((b"x-http-method-override", b"DELETE")),
    "a length in trailers": trailers((b"content-length", b"7")),
    "transfer-encoding in trailers": trailers((b"transfer-encoding", b"chunked")),
    "credentials in trailers": trailers(AUTHORIZATION),
    "a line end in trailers": trailers((b"x-a", b"b\r\n\r\n" + HIDDEN)),
    "headers without an end of the request": headers(fields(), end=False) + headers([(b"x-a", b"b")], end=False),
}

#: Wrong, and gone before anybody judges the request: h2 does not tell that it was there.
DROPPED = {
    "a path with a fragment": get(path=b"/harmless#a"),
    "a pseudo-header in trailers": trailers((b":path", b"/hidden")),
}

PASSED = {
    "a plain GET": get(),
    "a body": post(),
    "a body with its length": post((b"content-length", b"7")),
    "a host alike": get((b"host", b"api.test")),
    "a host in capitals": get(authority=b"API.test"),
    "te of trailers": get((b"te", b"trailers")),
    "cookies in pieces": get((b"cookie", b"a=b"), (b"cookie", b"c=d")),
    "trailers": trailers((b"x-a", b"b")),
}


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in REFUSED.items()])
def test_what_would_be_another_request_is_refused(weir, api, sent):  # noqa: F811
    api.forget()
    with RawHttp2(*weir.address("crm")) as client:
        client.send(sent)
        assert client.outcome() in ("other", "reset", "closed")
    saw_nothing(weir, api)


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in PASSED.items()])
def test_what_is_plain_gets_through(weir, api, sent):  # noqa: F811
    api.forget()
    with RawHttp2(*weir.address("crm")) as client:
        client.send(sent)
        outcome = client.outcome()
    (seen,) = api.requests
    # 201 has no short form, so it is another status here.
    assert outcome == ("200" if seen.method == "GET" else "other")
    assert seen.body in (b"", BODY)
    assert len(seen.values("content-length")) + len(seen.values("transfer-encoding")) <= 1
    assert seen.values("cookie") in ([], ["a=b; c=d"])


@pytest.mark.parametrize("sent", [pytest.param(sent, id=name) for name, sent in DROPPED.items()])
def test_what_is_dropped_leaves_nothing(weir, api, sent):  # noqa: F811
    api.forget()
    with RawHttp2(*weir.address("crm")) as client:
        client.send(sent)
        client.outcome()
    (seen,) = api.requests
    assert seen.target in ("/harmless", "/customers") and seen.trailers == ()
    assert api.received == seen.head + seen.raw_body


def test_streams_that_are_reset_at_once(weir, api):  # noqa: F811
    """CVE-2023-44487: somebody who asks and takes it back a thousand times is sent away; everybody else is served."""
    with RawHttp2(*weir.address("crm")) as client:
        for turn in range(1000):
            stream = 2 * turn + 1
            client.send(headers(fields(), stream) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
        assert client.outcome(2001) == "closed"
    with RawHttp2(*weir.address("crm")) as client:
        client.send(get())
        assert client.outcome() == "200"


def test_a_block_of_headers_that_grows(weir):  # noqa: F811
    """More than fits: refused, and not kept."""
    with RawHttp2(*weir.address("crm")) as client:
        client.send(headers(fields(*((b"x-%d" % number, b"a" * 100) for number in range(120)))))
        assert client.outcome() in ("other", "reset", "closed")
