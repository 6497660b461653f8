"""Guessing passwords has an end, tells nothing of who there is, locks out nobody else, and does not fill the trail."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import psycopg
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "http"))
from http_upstream import HttpUpstream
from raw_http import RawHttp, request
from weir import PEOPLE, User, Weir, http

GUESSES = 50
#: attempts of a name at an address before it has to wait (`host/src/guesses.rs`), and what comes back while this runs
FEW = range(20, 30)


@pytest.fixture
def api():
    with HttpUpstream() as upstream:
        yield upstream


def http_status(weir: Weir, authorization: str):
    with RawHttp(*weir.address("crm")) as client:
        client.send(request("GET /customers HTTP/1.1", ("Host", "localhost"), ("Authorization", authorization)))
        return client.answer()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def counted(weir: Weir) -> tuple[list[dict], list[dict]]:
    """The failed logins with a record each, and those of many, once the gateway has stopped."""
    weir.stop_process()
    records = weir.trail(kind="login-failed")
    many = [each for each in records if each["body"]["detail"]["code"] == "too-many"]
    return [each for each in records if each not in many], many


def unread(record: dict) -> int:
    return int(re.search(r"(\d+) refused unread", record["payload"]["reason"])[1])


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_fifty_wrong_passwords_over_postgresql(upstream, connect, name):
    with Weir(upstream) as weir:
        said = []
        for guess in range(GUESSES):
            with pytest.raises(psycopg.OperationalError) as caught:
                connect(weir.endpoint.at(user=name, password=f"wrong {guess}"))
            said.append(str(caught.value))
        wrong = [each for each in said if f'password authentication failed for user "{name}"' in each]
        refused = [each for each in said if re.search(f'FATAL: +too many wrong passwords for user "{name}" from this address: try again in \\d+ s', each)]
        assert len(wrong) in FEW and len(wrong) + len(refused) == GUESSES, said[-1]
        assert weir.metric("weir_logins_failed_total") == GUESSES
        # Somebody else at the same address comes in.
        assert connect(weir.endpoint.at(user="lea", password="secret of lea")).execute("select 1").fetchone() == (1,)
        each, (many,) = counted(weir)
        assert len(each) == len(wrong) and unread(many) == len(refused)
        assert (many["payload"]["claimed_user"], many["payload"]["client_address"]) == (name, "127.0.0.1")


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_fifty_wrong_passwords_over_http(api, name):
    with Weir(resources=[http("crm", api.url, pipeline=["http-api"], allow=["group:engineers", "group:leads"])]) as weir:
        answers = [http_status(weir, basic(name, f"wrong {guess}")) for guess in range(GUESSES)]
        wrong = [each for each in answers if each.status == 401]
        refused = [each for each in answers if each.status == 429]
        assert len(wrong) in FEW and len(wrong) + len(refused) == GUESSES
        for each in refused:
            (after,) = each.values("retry-after")
            assert 1 <= int(after) <= 10 and b"try again in" in each.body
        assert http_status(weir, basic("lea", "secret of lea")).status == 200
        each, (many,) = counted(weir)
        assert len(each) == len(wrong) and unread(many) == len(refused) and many["payload"]["claimed_user"] == name


def test_the_doors_count_together(upstream, connect, api):
    with Weir(upstream, resources=[http("crm", api.url, pipeline=["http-api"])]) as weir:
        for guess in range(GUESSES):
            http_status(weir, basic("ann", f"wrong {guess}"))
        with pytest.raises(psycopg.OperationalError, match="too many wrong passwords"):
            connect(weir.endpoint.at(user="ann", password="wrong"))


def test_a_right_token_passes_while_its_user_is_guessed(upstream, connect, api):
    people = (*PEOPLE, User("robot", kind="service"))
    with Weir(upstream, users=people, resources=[http("crm", api.url, pipeline=["http-api"])]) as weir:
        token = weir.command("token", "create", "--user", "robot").stdout.strip()
        for guess in range(GUESSES):
            http_status(weir, basic("robot", f"wrong {guess}"))
        assert http_status(weir, basic("robot", "wrong")).status == 429
        for authorization in (f"Bearer {token}", basic("robot", token)):
            assert http_status(weir, authorization).status == 200


def test_many_names_of_one_address_are_few_records(api):
    """Past its limit an address is not heard for names that it has not shown to be right."""
    with Weir(resources=[http("crm", api.url, pipeline=["http-api"])]) as weir:
        assert http_status(weir, weir.basic("ann")).status == 200
        statuses = [http_status(weir, basic(f"nobody{guess}", "y")).status for guess in range(400)]
        wrong = statuses.count(401)
        assert 200 <= wrong < 300 and wrong + statuses.count(429) == len(statuses)
        assert http_status(weir, weir.basic("ann")).status == 200
        each, (many,) = counted(weir)
        assert len(each) == wrong and unread(many) == statuses.count(429)
        assert "claimed_user" not in many["payload"] and "names" in many["payload"]["reason"]
