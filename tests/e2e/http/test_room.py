"""Memory for messages that are inspected whole has an end, and one session does not have all of it."""

from __future__ import annotations

import contextlib

import pytest
from http_upstream import HttpUpstream
from raw_http import RawHttp
from test_promises import SETTINGS, get, post, waiting
from weir import Weir, http

LARGE = b"x" * (7 << 20)


@pytest.fixture
def api():
    with HttpUpstream() as running:
        yield running


def test_who_holds_much_in_memory_waits_and_is_then_refused(api):
    """A quarter of 64 MiB: two of three requests that wait for approval fit."""
    with Weir(resources=[http("crm", api.url, pipeline=["http-api", "change-guard"])], plugins=SETTINGS,
              sections={"server": {"max_inspected_bytes": "64MiB"}}) as weir, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(RawHttp(*weir.address("crm"))) for _ in range(3)]
        for number, client in enumerate(clients[:2]):
            client.send(post(weir, "/customers", LARGE, "text/plain"))
            weir.wait_for("the request for approval", lambda: len(waiting(weir)) == number + 1)  # noqa: B023
        clients[2].send(post(weir, "/customers", LARGE, "text/plain"))
        answer = clients[2].answer()
        assert answer.status == 503 and b"busy" in answer.body, answer
        (refused,) = weir.trail(kind="refused")
        assert refused["body"]["detail"]["refusal_code"] == "busy"
        # Small ones go on, somebody else's large ones too, and there is room again when one has gone.
        with RawHttp(*weir.address("crm")) as small:
            small.send(get(weir, "/harmless"))
            assert small.answer().status == 200
        first, second = waiting(weir)
        weir.as_person("lea", "approvals", "deny", first["id"])
        weir.as_person("lea", "approvals", "approve", second["id"])
        assert sorted(client.answer().status for client in clients[:2]) == [201, 403]
        with RawHttp(*weir.address("crm")) as again:
            again.send(post(weir, "/customers", LARGE, "text/plain"))
            weir.wait_for("the request for approval", lambda: waiting(weir))
            weir.as_person("lea", "approvals", "approve", waiting(weir)[0]["id"])
            assert again.answer().status == 201
    assert len(api.asked("POST", "/customers")) == 2
