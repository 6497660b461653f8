"""No verdict, no forwarding: plugins that trap, loop, are late, eat memory or answer nonsense, in each world."""

from __future__ import annotations

import pytest
from http_upstream import PERSONAL, HttpUpstream
from raw_http import RawHttp, request
from weir import Weir, http

LIMITED = {"limits": {"call_time": "300ms", "memory": "16MiB"}}
BODY = f"moody {PERSONAL['email']} and more".encode()
EVERYWHERE = ("trap", "loop", "late", "eat", "fault")
#: before anything is forwarded
BEFORE = [*(("request", how) for how in (*EVERYWHERE, "nothing", "twice", "zero", "continues", "host", "authorization", "split", "show")),
          *(("body", how) for how in (*EVERYWHERE, "nothing", "much", "keep"))]
#: with an answer in hand that nobody may see unmasked
BEHIND = [*(("answer", how) for how in (*EVERYWHERE, "header", "show")),
          *(("answer-body", how) for how in (*EVERYWHERE, "much", "less", "cell", "column", "ragged", "decoded")),
          *(("encode", how) for how in (*EVERYWHERE, "nothing", "outside", "backwards"))]


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        for place, how in BEHIND:
            running.raw[f"/mood/{place}/{how}"] = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(BODY)) + BODY
        yield running


@pytest.fixture(scope="module")
def weir(api):
    resources = [http("moody", api.url, pipeline=["moody-http", "pii-mask"]),
                 http("policy", api.url, path_prefix="/policy", strip_prefix=True, pipeline=["moody-http", "moody"], default="deny"),
                 http("masker", api.url, path_prefix="/masker", strip_prefix=True, pipeline=["http-api", "moody-mask"])]
    with Weir(resources=resources, plugins={"moody-http": LIMITED, "moody": LIMITED, "moody-mask": LIMITED,
                                            "pii-mask": {"settings": {"detect": ["email"]}}}) as running:
        yield running


@pytest.fixture(autouse=True)
def forgotten(api):
    api.forget()


def asked(weir: Weir, resource: str, line: str, body: bytes = b"", text: str | None = None):
    """The answer, and every byte that came. None when there is none."""
    more = (("Content-Type", "text/plain"), ("Content-Length", str(len(body)))) if body else ()
    more += (("X-Text", text),) if text else ()
    with RawHttp(*weir.address(resource)) as client:
        client.send(request(line, ("Host", "localhost"), ("Authorization", weir.basic("ann")), *more, body=body))
        return client.answer(), bytes(client.received)


def goes_on(weir: Weir, resource: str, path: str) -> None:
    """The next one is served, by new instances if need be."""
    answer, _ = asked(weir, resource, f"GET {path} HTTP/1.1")
    assert answer is not None and answer.status == 200, answer


@pytest.mark.parametrize("place, how", BEFORE)
def test_nothing_is_forwarded_for_an_inspector_that_fails(weir, api, place, how):
    body = b"some text" if place == "body" else b""
    records = len(weir.trail())
    answer, received = asked(weir, "moody", f"{'POST' if body else 'GET'} /mood/{place}/{how} HTTP/1.1", body)
    assert answer is not None and answer.status >= 400, answer
    assert b"x-injected" not in received.lower()
    # What was judged and has broken off is no whole request.
    assert api.requests == [] and (how == "keep" or api.received == b""), "the upstream was asked"

    def is_recorded() -> bool:
        """Either it was refused, or it was judged and then could not be sent: then it has an outcome."""
        # Of the exchange before this one, the outcome may come only now.
        came = [each["body"] for each in weir.trail()[records:]]
        judged, ended = ({(each["session"], each["operation"]) for each in came if each["kind"] == kind} for kind in ("intent", "outcome"))
        return any(each["kind"] == "refused" for each in came) or bool(judged) and judged <= ended

    weir.wait_for("its record", is_recorded)
    goes_on(weir, "moody", "/harmless/moody")


@pytest.mark.parametrize("place, how", BEHIND)
def test_nothing_is_shown_for_an_inspector_that_fails(weir, api, place, how):
    answer, received = asked(weir, "moody", f"GET /mood/{place}/{how} HTTP/1.1")
    assert PERSONAL["email"].encode() not in received
    assert answer is None or answer.status >= 500, answer
    assert len(api.requests) == 1
    last = weir.trail(kind="intent")[-1]["body"]
    weir.wait_for("the outcome", lambda: weir.trail(kind="outcome", session=last["session"], operation=last["operation"]))


@pytest.mark.parametrize("how", ["trap", "loop", "late", "eat", "overflow", "much", "score", "text", "rewrite", "ping-pong", "abstain"])
def test_nothing_is_forwarded_for_a_policy_that_fails(weir, api, how):
    answer, _ = asked(weir, "policy", "GET /policy/harmless HTTP/1.1", text=f"/* moody: {how} */")
    assert answer is not None and answer.status >= 400
    assert api.received == b""
    goes_on(weir, "policy", "/policy/harmless")


@pytest.mark.parametrize("how", ["trap", "loop", "eat", "fault", "range", "cell", "rule"])
def test_nothing_is_shown_for_a_masker_that_fails(weir, api, how):
    text = f"moody: {how}"
    api.raw[f"/masked/{how}"] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n" % len(text) + text.encode()
    answer, received = asked(weir, "masker", f"GET /masker/masked/{how} HTTP/1.1")
    assert text.encode() not in received and (answer is None or answer.status >= 500)
    assert len(api.requests) == 1
    goes_on(weir, "masker", "/masker/harmless")
