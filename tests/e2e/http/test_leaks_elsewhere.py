"""Headers of answers that their inspector has no words for: masked by the host."""

from __future__ import annotations

import json

import leaks
import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import Weir, http

EMAIL = PERSONAL["email"]
RESULT = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": f"it is {EMAIL}"}]}}).encode()
CALL = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "find", "arguments": {}}}).encode()
ADVERTISED = b"001e# service=git-upload-pack\n0000000eversion 2\n0000"


@pytest.fixture(scope="module")
def weir():
    with HttpUpstream() as api:
        owner = f"X-Owner: {EMAIL}\r\nWarning: 199 - \"{EMAIL}\"\r\n".encode()
        for path, kind, body in (("/mcp", b"application/json", RESULT), ("/a.git/info/refs", b"application/x-git-upload-pack-advertisement", ADVERTISED)):
            api.raw[path] = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\n%bContent-Length: %d\r\n\r\n" % (kind, owner, len(body)) + body
        resources = [http("tools", api.url, path_prefix="/mcp", pipeline=["mcp", "pii-mask"]), http("code", api.url, pipeline=["git", "pii-mask"])]
        plugins = {"mcp": {"settings": {"paths": ["/mcp"], "unlisted": "allow"}}, "pii-mask": {"settings": {"detect": ["email"]}}}
        with Weir(resources=resources, plugins=plugins) as running:
            yield running


@pytest.mark.parametrize("line, kind, body", [
    ("POST /mcp HTTP/1.1", "application/json", CALL), ("GET /a.git/info/refs?service=git-upload-pack HTTP/1.1", "", b""),
], ids=["MCP", "git"])
def test_a_header_of_an_answer_is_masked_whatever_inspects_it(weir, line, kind, body):
    more = (("Content-Type", kind), ("Content-Length", str(len(body)))) if body else ()
    with RawHttp(*weir.address("code")) as client:
        client.send(request(line, ("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Accept", "application/json, text/event-stream"),
                            ("Git-Protocol", "version=2"), *more, body=body))
        answer = client.answer()
        assert answer.status == 200 and answer.values("x-owner"), (answer.head, answer.body)
        assert leaks.found_in(bytes(client.received)) == []
