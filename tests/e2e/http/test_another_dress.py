"""What is the same to somebody behind the gateway and looks like something else: JSON as a script or a text, a method in a
body, a header with another dash, a call without an id."""

from __future__ import annotations

import json

import leaks
import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import Weir, http

NAME = PERSONAL["name"]
ROW = json.dumps({"id": 1, "name": NAME})
MASKED = '{"id": 1, "name": "[REDACTED]"}'
KEY = "the-key-of-the-gateway"
GUARD = {"protect": [{"kinds": ["mcp.tool-call"], "objects": ["delete_*"], "answer": "deny", "reason": "nothing is deleted"},
                     {"kinds": ["http.request"], "objects": ["DELETE /**"], "answer": "deny", "reason": "nothing is deleted"}]}
#: Content type and body; the row is put into it.
DRESSES = {
    "JSONP": ("application/javascript", "/**/f({});"),
    "JSONP of Express": ("text/javascript", "/**/ typeof f === 'function' && f({});"),
    "JSONP that says it is JSON": ("application/json", "f({});"),
    "a guard": ("application/json", ")]}}',\n{}"),
    "a loop as a guard": ("text/plain", "while(1);[{}]"),
    "a text": ("text/plain", "{}"),
    "a page": ("text/html", "{}"),
    "a script in a page": ("text/html", "<script>var row = {};</script>"),
    "a sequence": ("application/json-seq", "\x1e{}\n"),
    "lines as a text": ("text/plain", "{0}\n{0}\n"),
    "no type": (None, "f({});"),
}
#: What cannot be read.
TORN = {
    "a page that says it is JSON": ("application/json", f"<b>{NAME}</b>"),
    "a script that says it is JSON": ("application/json", f"f('{NAME}')"),
    "JSONP with a comma too many": ("application/javascript", f'f({{"name": "{NAME}",}})'),
    "a text with a key twice": ("text/plain", f'{{"name": 1, "name": "{NAME}"}}'),
    "a line": ("application/x-ndjson", f"{NAME}\n"),
}
RESULT = {"content": [{"type": "text", "text": json.dumps({PERSONAL["email"]: 3})}], "structuredContent": {"by_email": {PERSONAL["email"]: 3}}}


def answer(kind: str | None, body: bytes) -> bytes:
    typed = f"Content-Type: {kind}\r\n" if kind else ""
    return f"HTTP/1.1 200 OK\r\n{typed}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        for number, (kind, form) in enumerate(DRESSES.values()):
            running.raw[f"/dress/{number}"] = answer(kind, form.format(ROW).encode())
        for number, (kind, body) in enumerate(TORN.values()):
            running.raw[f"/torn/{number}"] = answer(kind, body.encode())
        running.raw["/free/1"] = answer("application/json", json.dumps([{"x": NAME}]).encode())
        running.raw["/mcp"] = answer("application/json", json.dumps({"jsonrpc": "2.0", "id": 1, "result": RESULT}).encode())
        yield running


@pytest.fixture(scope="module")
def weir(api):
    credential = {"header": "x-api-key", "value": {"env": "KEY"}}
    resources = [http("crm", api.url, pipeline=["http-api", "change-guard", "pii-mask"], credential=credential),
                 http("tools", api.url, path_prefix="/mcp", pipeline=["mcp", "change-guard", "pii-mask"])]
    plugins = {"pii-mask": {"settings": {"columns": ["name", "*/free/*.*"], "detect": ["email"]}}, "change-guard": {"settings": GUARD},
               "mcp": {"settings": {"paths": ["/mcp"], "unlisted": "allow"}}}
    with Weir(resources=resources, plugins=plugins, variables={"KEY": KEY}) as running:
        yield running


def asked(weir: Weir, line: str, *headers: tuple[str, str], body: bytes = b"", kind: str = "application/json"):
    more = (("Content-Type", kind), ("Content-Length", str(len(body)))) if body else ()
    with RawHttp(*weir.address("crm")) as client:
        client.send(request(line, ("Host", "localhost"), ("Authorization", weir.basic("ann")), ("Accept", "application/json, text/event-stream"),
                            ("Connection", "close"), *more, *headers, body=body))
        found = client.answer()
        assert leaks.found_in(bytes(client.received)) == []
        return found


@pytest.mark.parametrize("name", DRESSES)
def test_fields_are_masked_in_any_dress(weir, name):
    found = asked(weir, f"GET /dress/{list(DRESSES).index(name)} HTTP/1.1")
    assert found.body.decode() == DRESSES[name][1].format(MASKED)


@pytest.mark.parametrize("name", TORN)
def test_what_is_meant_to_be_json_and_cannot_be_read_is_refused(weir, name):
    found = asked(weir, f"GET /torn/{list(TORN).index(name)} HTTP/1.1")
    # Of a stream the head may have gone before.
    assert name == "a line" if found is None else b"answer-malformed-json" in found.body


def test_a_path_can_be_masked_whole_where_clients_name_the_fields(weir):
    assert asked(weir, "GET /free/1?select=x:full_name HTTP/1.1").body == b'[{"x": "[REDACTED]"}]'


def test_a_method_in_a_body_does_not_pass_by_a_rule(weir, api):
    before = len(api.requests)
    assert asked(weir, "DELETE /customers/1 HTTP/1.1").status == 403
    refused = asked(weir, "POST /customers/1 HTTP/1.1", body=b'{"_method": "DELETE"}')
    assert refused.status == 400 and b"_method" in refused.body
    for line in ("?_METHOD=DELETE", "?a=1;_method=DELETE", "?a=1&amp;_method=DELETE", "?X-HTTP-Method-Override=DELETE"):
        refused = asked(weir, f"POST /customers/1{line} HTTP/1.1", body=b"{}")
        assert refused.status == 400 and b"would make another request" in refused.body, line
    for form in (b"a=1;_method=DELETE", b"_METHOD=DELETE"):
        refused = asked(weir, "POST /customers/1 HTTP/1.1", body=form, kind="application/x-www-form-urlencoded")
        assert refused.status == 400 and b"would make another request" in refused.body, form
    assert asked(weir, "POST /customers/1 HTTP/1.1", ("X_Original_Url", "/x"), body=b"{}").status == 400
    assert api.requests[before:] == []


def test_no_header_of_the_client_is_taken_for_our_credential(weir, api):
    before = len(api.requests)
    asked(weir, "GET /harmless HTTP/1.1", ("X_Api_Key", "mine"), ("X-Api_Key", "mine"), ("x-api.key", "mine"), ("x_api_keys", "kept"))
    [seen] = api.requests[before:]
    named = [(name.lower(), value) for name, value in seen.headers if "api" in name.lower()]
    assert sorted(named) == [("x-api-key", KEY), ("x_api_keys", "kept")]


CALL = {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "delete_customer", "arguments": {}}}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize("message", [CALL, CALL | {"id": None}, [PING, CALL]], ids=["alone", "null", "in a batch"])
def test_a_call_without_an_id_is_no_notification(weir, api, message):
    before = len(api.requests)
    refused = asked(weir, "POST /mcp HTTP/1.1", body=json.dumps(message).encode())
    assert refused.status == 400 and json.loads(refused.body)["error"]["code"] == -32600
    assert api.requests[before:] == []


def test_keys_of_a_tools_answer_that_are_values_are_masked(weir):
    found = asked(weir, "POST /mcp HTTP/1.1", body=json.dumps(PING).encode())
    result = json.loads(found.body)["result"]
    assert json.loads(result["content"][0]["text"]) == {"[EMAIL]": 3}
    assert result["structuredContent"] == {"by_email": {"[EMAIL]": 3}}
