"""Who comes again over a kept connection with the same token is not asked anew, and let in no longer than if it were."""

from __future__ import annotations

import pytest
from http_upstream import HttpUpstream
from raw_http import RawHttp, request
from weir import PEOPLE, Weir, http


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        yield running


@pytest.fixture
def weir(api):
    with Weir(resources=[http("crm", api.url)], users=PEOPLE) as running:
        yield running


def token_of(weir: Weir, user: str, *more: str) -> str:
    return weir.command("token", "create", "--user", user, *more).stdout.strip()


def asked(client: RawHttp, token: str) -> int:
    client.send(request("GET /harmless HTTP/1.1", ("Host", "localhost"), ("Authorization", f"Bearer {token}")))
    return client.answer().status


def who(weir: Weir) -> list[str]:
    return [record["body"]["principal"] for record in weir.trail(kind="intent")]


def test_a_revoked_token_opens_nothing_over_the_connection_it_came_with(weir, api):
    token, other = token_of(weir, "ann"), token_of(weir, "ann")
    with RawHttp(*weir.address("crm")) as client:
        assert [asked(client, token) for _ in range(3)] == [200] * 3
        weir.command("token", "revoke", token.split("_")[1])
        api.forget()
        assert asked(client, token) == 401 and api.received == b""
        assert [asked(client, other) for _ in range(2)] == [200] * 2


def test_an_expired_token_opens_nothing_over_the_connection_it_came_with(weir):
    token = token_of(weir, "ann", "--ttl", "3s")
    with RawHttp(*weir.address("crm")) as client:
        assert [asked(client, token) for _ in range(2)] == [200] * 2
        weir.wait_for("its end", lambda: asked(client, token) == 401)
        assert asked(client, token) == 401


def test_each_token_is_its_own_users(weir):
    ann, lea = token_of(weir, "ann"), token_of(weir, "lea")
    wrong = ann[:-1] + ("a" if ann[-1] != "a" else "b")
    with RawHttp(*weir.address("crm")) as client:
        tokens = [ann, ann, lea, ann, wrong, ann, lea, lea]
        assert [asked(client, token) for token in tokens] == [200, 200, 200, 200, 401, 200, 200, 200]
    assert who(weir) == ["ann", "ann", "lea", "ann", "ann", "lea", "lea"]


def test_a_rule_that_is_taken_away_counts_for_kept_connections(weir):
    token = token_of(weir, "ann")
    with RawHttp(*weir.address("crm")) as client:
        assert [asked(client, token) for _ in range(2)] == [200] * 2
        weir.resources[0]["allow"] = ["user:lea"]
        weir.write_config()
        weir.wait_for("the new rule", lambda: asked(client, token) == 403)
        assert asked(client, token) == 403
