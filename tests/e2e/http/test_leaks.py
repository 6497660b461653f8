"""Masked means masked: whatever shape an answer has, no clear value is in what the client reads, nor in what is kept.

An answer that cannot be masked is refused. Each case is an answer to the letter, so nothing helps the upstream to be polite.
"""

from __future__ import annotations

import gzip
import json
import zlib
from urllib.parse import quote, unquote_to_bytes

import leaks
import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import Weir, http

EMAIL, CARD, NAME = PERSONAL["email"], PERSONAL["card"], PERSONAL["name"]
MASK = {"columns": ["name"], "detect": ["email", "phone", "card", "iban", "ssn", "secret"]}
JSON = json.dumps({"id": 1, "email": EMAIL}).encode()
ESCAPED = "".join(f"\\u{ord(each):04x}" for each in EMAIL)
BROTLI = None
try:
    import brotli
    BROTLI = brotli.compress(JSON)
except ImportError:
    pass


def answer(kind: str | None, body: bytes, *headers: str, line: str = "HTTP/1.1 200 OK") -> bytes:
    lines = [line, *([f"Content-Type: {kind}"] if kind else []), *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(kind: str, *pieces: bytes, headers: tuple[str, ...] = (), trailers: bytes = b"") -> bytes:
    head = "\r\n".join(["HTTP/1.1 200 OK", f"Content-Type: {kind}", *headers, "Transfer-Encoding: chunked", "", ""]).encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece) + b"0\r\n" + trailers + b"\r\n"


def singly(data: bytes) -> list[bytes]:
    return [data[at:at + 1] for at in range(len(data))]


def multipart(body: bytes) -> bytes:
    return b"--x\r\nContent-Type: application/json\r\n\r\n" + body + b"\r\n--x--\r\n"


EVENT = f'event: customer\nid: {EMAIL}\n: for {EMAIL}\ndata: {{"email":\ndata: "{EMAIL}"}}\n\n'.encode()
CASES = {
    # a string with escapes
    "escapes": answer("application/json", f'{{"email":"{EMAIL.replace("@", chr(92) + "u0040")}"}}'.encode()),
    "all escapes": answer("application/json", f'{{"email":"{ESCAPED}"}}'.encode()),
    "an escaped key": answer("application/json", f'{{"n\\u0061me":"{NAME}"}}'.encode()),
    "a key": answer("application/json", json.dumps({EMAIL: 1}).encode()),
    "an escaped key that is a value": answer("application/json", f'{{"{ESCAPED}":{{"a":1}}}}'.encode()),
    "a key twice": answer("application/json", f'{{"name":"x","name":"{NAME}","{EMAIL}":1,"{EMAIL}":2}}'.encode()),
    "a number": answer("application/json", f'{{"card":{CARD}}}'.encode()),
    "a JSON text in a string": answer("application/json", json.dumps({"inner": json.dumps({"email": EMAIL})}).encode()),
    "deep": answer("application/json", b"[" * 3000 + json.dumps(EMAIL).encode() + b"]" * 3000),
    "no JSON behind it": answer("application/json", JSON + f" {EMAIL}".encode()),
    "a mark in front": answer("application/json", b"\xef\xbb\xbf" + JSON),
    "one that is cut": answer("application/json", JSON[:-1]),
    # types
    "no type": answer(None, JSON),
    "two types": answer("image/png", JSON, "Content-Type: application/json"),
    "a type that is none": answer("json", JSON),
    "text": answer("text/plain", f"write to {EMAIL}".encode()),
    "html": answer("text/html", f"<a href='mailto:{EMAIL}'>".encode()),
    "UTF-16": answer("application/json; charset=utf-16le", JSON.decode().encode("utf-16-le")),
    "UTF-16 that does not say so": answer("text/plain", EMAIL.encode("utf-16-le")),
    "UTF-16 without a type": answer(None, EMAIL.encode("utf-16-be")),
    "bytes without a type": answer(None, b"\xff" + JSON),
    "problem": answer("application/problem+json", JSON, line="HTTP/1.1 500 Oops"),
    "octets": answer("application/octet-stream", JSON),
    "protocol buffers": answer("application/x-protobuf", b"\x0a" + bytes([len(EMAIL)]) + EMAIL.encode()),
    "MessagePack": answer("application/msgpack", b"\x81\xa5email\xb9" + EMAIL.encode()),
    "multipart": answer("multipart/mixed; boundary=x", multipart(JSON)),
    "a form": answer("application/x-www-form-urlencoded", f"email={quote(EMAIL, safe='')}".encode()),
    "a part": answer("text/plain", EMAIL.encode(), "Content-Range: bytes 0-23/100", line="HTTP/1.1 206 Partial Content"),
    # codings
    "gzip": answer("application/json", gzip.compress(JSON), "Content-Encoding: gzip"),
    "gzip in two members": answer("application/json", gzip.compress(JSON[:9]) + gzip.compress(JSON[9:]), "Content-Encoding: gzip"),
    "gzip with something behind": answer("application/json", gzip.compress(b"{}") + JSON, "Content-Encoding: gzip"),
    "gzip that is cut": answer("application/json", gzip.compress(JSON)[:-9], "Content-Encoding: gzip"),
    "gzip that is none": answer("application/json", JSON, "Content-Encoding: gzip"),
    "gzip in two lines": answer("application/json", gzip.compress(gzip.compress(JSON)), "Content-Encoding: gzip", "Content-Encoding: gzip"),
    "deflate": answer("application/json", zlib.compress(JSON), "Content-Encoding: deflate"),
    "a coding nobody knows": answer("application/json", JSON, "Content-Encoding: rot13"),
    "identity": answer("application/json", JSON, "Content-Encoding: identity"),
    "transfer coding": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                       + b"%x\r\n%b\r\n0\r\n\r\n" % (len(gzip.compress(JSON)), gzip.compress(JSON)),
    # heads
    "the reason": answer("application/json", b"{}", line=f"HTTP/1.1 404 no {EMAIL}"),
    "a header": answer("application/json", b"{}", f"X-Owner: {EMAIL}"),
    "a header that comes twice": answer("application/json", b"{}", "X-Owner: nobody", f"X-Owner: {EMAIL}"),
    "an escaped header": answer("application/json", b"{}", f"X-Owner: {quote(EMAIL, safe='')}"),
    "a redirect": answer(None, b"", f"Location: /customers?email={quote(EMAIL, safe='')}", line="HTTP/1.1 302 Found"),
    "a file's name": answer("text/plain", b"x", f"Content-Disposition: attachment; filename*=UTF-8''{quote(EMAIL, safe='')}"),
    "early hints": f"HTTP/1.1 103 Early Hints\r\nLink: <{EMAIL}>\r\n\r\n".encode() + answer("application/json", b"{}"),
    "a head on two lines": answer("application/json", b"{}", f"X-Owner: a\r\n {EMAIL}"),
    # pieces
    "byte by byte": chunked("application/json", *singly(JSON)),
    "lines": chunked("application/x-ndjson", *singly(JSON + b"\n" + JSON)),
    "trailers": chunked("application/json", b"{}", trailers=f"X-Owner: {EMAIL}\r\n".encode()),
    "extensions of chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2;" + EMAIL.encode()
                            + b"\r\n{}\r\n0\r\n\r\n",
    "an event": chunked("text/event-stream", EVENT),
    "an event in two": chunked("text/event-stream", EVENT[:len(EVENT) // 2], EVENT[len(EVENT) // 2:]),
    "an event byte by byte": chunked("text/event-stream", *singly(EVENT)),
    "an event that ends with the stream": chunked("text/event-stream", EVENT[:-2]),
    "events with other line ends": chunked("text/event-stream", EVENT.replace(b"\n", b"\r")),
    "events in gzip": chunked("text/event-stream", *singly(gzip.compress(EVENT)), headers=("Content-Encoding: gzip",)),
    "an event that is no JSON": chunked("text/event-stream", f"data: {{oh {EMAIL}\n\n".encode()),
    # framing
    "more than announced": answer("application/json", b"{}") + JSON,
    "another answer behind it": answer("application/json", b"{}") + answer("application/json", JSON),
    "to the end of the connection": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + JSON,
    "less than announced": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n" + JSON,
    "a body of 204": answer("application/json", JSON, line="HTTP/1.1 204 No Content"),
    "HTTP/0.9": JSON,
    "no head at all": f"oh {EMAIL}\r\n\r\n".encode(),
    "switched protocols": f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{EMAIL}".encode(),
}
if BROTLI:
    CASES["brotli"] = answer("application/json", BROTLI, "Content-Encoding: br")
#: Refused as a whole, so that nothing of it is told.
REFUSED = {"octets", "protocol buffers", "MessagePack", "multipart", "UTF-16 that does not say so", "bytes without a type", "a part", "UTF-16",
           "a coding nobody knows", "gzip that is none", "two types", "a key twice", "switched protocols", "transfer coding"}


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        for number, case in enumerate(CASES.values()):
            running.raw[f"/case/{number}"] = case
        yield running


@pytest.fixture(scope="module")
def weir(api):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "pii-mask"])], plugins={"pii-mask": {"settings": MASK}}) as running:
        yield running


def is_clean(data: bytes) -> None:
    assert leaks.found_in(data) == [] and leaks.found_in(unquote_to_bytes(data)) == [], data
    for form in (gzip.decompress, zlib.decompress):
        try:
            assert leaks.found_in(form(data)) == []
        except (OSError, EOFError, zlib.error):
            continue


def asked(weir: Weir, line: str, *headers: tuple[str, str], body: bytes = b""):
    """The answer, and every byte that came."""
    with RawHttp(*weir.address("crm")) as client:
        client.send(request(line, ("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Accept-Encoding", "gzip"),
                            ("TE", "trailers"), ("Connection", "close"), *headers, body=body))
        return client.answer(), bytes(client.received)


@pytest.mark.parametrize("name", CASES)
def test_no_shape_of_an_answer_gets_a_value_through(weir, name):
    found, received = asked(weir, f"GET /case/{list(CASES).index(name)} HTTP/1.1")
    is_clean(received)
    if found is not None:
        is_clean(found.body)
        assert name not in REFUSED or found.status == 502, (found.head, found.body)


def test_nothing_of_them_is_kept(weir):
    """Behind all of those: not in the log, the trail, nor anywhere in the state."""
    files = [file for file in weir.state_folder.rglob("*") if file.is_file() and "compiled" not in file.parts]
    assert files
    for data in (weir.log.read_bytes(), *(file.read_bytes() for file in files)):
        is_clean(data)


REQUESTS = {
    "a path": (f"GET /customers/{EMAIL} HTTP/1.1", ()),
    "an escaped path": (f"GET /customers/{quote(EMAIL, safe='')} HTTP/1.1", ()),
    "a path that is refused": (f"GET /a//{quote(EMAIL, safe='')} HTTP/1.1", ()),
    "a body that is refused": (f"POST /customers/{quote(EMAIL, safe='')} HTTP/1.1", (("Content-Type", "application/json"),), f'{{"{EMAIL}":1,'.encode()),
    "a body of another type": (f"POST /customers/{quote(EMAIL, safe='')} HTTP/1.1", (("Content-Type", "image/png"),), EMAIL.encode()),
    "a body that is too large": (f"POST /customers/{quote(EMAIL, safe='')} HTTP/1.1", (("Content-Type", "text/plain"),), b"x" * (9 << 20)),
    "a form": ("POST /customers HTTP/1.1", (("Content-Type", "application/x-www-form-urlencoded"),), f"email={quote(EMAIL, safe='')}".encode()),
    "a coding that is damaged": (f"POST /customers/{quote(EMAIL, safe='')} HTTP/1.1", (("Content-Encoding", "gzip"), ("Content-Type", "text/plain")), EMAIL.encode()),
    "a claim": ("GET /customers HTTP/1.1", (("User-Agent", EMAIL),)),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_shape_of_a_request_gets_a_value_into_what_is_kept(weir, name):
    line, headers, *body = REQUESTS[name]
    length = (("Content-Length", str(len(body[0]))),) if body else ()
    before = len(weir.trail())
    asked(weir, line, *headers, *length, body=body[0] if body else b"")
    records = weir.wait_for("its record", lambda: weir.trail()[before:])
    assert [each for each in records if each["body"]["kind"] in ("intent", "refused")], records
    is_clean(json.dumps(records).encode())
    is_clean(weir.log.read_bytes())
