"""The clients people have, unmodified: the same script direct and through the gateway gives the same results."""

from __future__ import annotations

import concurrent.futures
import random

import pytest
from legs import certificate, own, three_ways, upstream  # noqa: F401
from scripted import CLIENTS, SCRIPT
from weir import Weir

MASK = {"columns": ["nothing-is-called-so"], "detect": ["email", "phone", "card", "iban", "ssn", "secret"]}
PLUGINS = {"http-api": {"settings": {"unseen_bodies": "allow", "unseen_answers": "allow"}}, "pii-mask": {"settings": MASK}}


@pytest.fixture(scope="module")
def weir(upstream, certificate):
    masked = {"pipeline": ["http-api", "pii-mask"]}
    resources = [
        *three_ways(upstream, certificate),
        own("masked", upstream.urls["one"], **masked),
        own("masked-two", upstream.urls["two"], http2="prior-knowledge", **masked),
    ]
    with Weir(resources=resources, plugins=PLUGINS) as running:
        yield running


#: What one client sees directly: asked once.
DIRECT: dict[tuple[str, str], list[dict]] = {}


def direct(upstream, certificate, client: str, leg: str) -> list[dict]:
    if (client, leg) not in DIRECT:
        DIRECT[client, leg] = CLIENTS[client](upstream.urls[leg], None, certificate.authority)
    return DIRECT[client, leg]


def differences(expected: list[dict], seen: list[dict], script=SCRIPT) -> list:
    """What differs, by what was asked."""
    assert len(expected) == len(seen) == len(script)
    return [(step, {key: (before[key], after[key]) for key in before if before[key] != after[key]})
            for step, before, after in zip(script, expected, seen) if before != after]


@pytest.mark.parametrize("leg", ["one", "two", "tls"])
@pytest.mark.parametrize("client", CLIENTS)
def test_the_script_gives_what_it_gives_directly(weir, upstream, certificate, client, leg):
    """Every header and every byte. `one`, `two`: how the upstream is spoken to; the client chooses for itself."""
    speaks_two = "HTTP/2" in client
    expected = direct(upstream, certificate, client, "tls" if leg == "tls" else "two" if speaks_two else "one")
    seen = CLIENTS[client](weir.url(leg), weir.basic("ann"), certificate.authority)
    assert differences(expected, seen) == []
    # A script in which everything fails would be the same, too.
    assert {each["status"] for each in seen} >= {200, 204, 206, 304, 404, 416, 429, 500}


#: What cannot be inspected in part or compressed is asked for whole and plain.
ASKED_FOR_OTHERWISE = {"range", "accept-encoding"}
PLAIN = [step for step in SCRIPT if not ASKED_FOR_OTHERWISE & set(step.get("headers", {}))]


@pytest.mark.parametrize("leg", ["masked", "masked-two"])
@pytest.mark.parametrize("client", CLIENTS)
def test_where_there_is_nothing_to_mask_every_byte_is_the_same(weir, upstream, certificate, client, leg):
    """JSON is looked at, and what holds nothing personal arrives as it was written."""
    expected = CLIENTS[client](upstream.urls["two" if "HTTP/2" in client else "one"], None, certificate.authority, script=PLAIN)
    seen = CLIENTS[client](weir.url(leg), weir.basic("ann"), certificate.authority, script=PLAIN)
    parts = ("status", "url", "bytes", "sha256")
    assert [[each[part] for part in parts] for each in seen] == [[each[part] for part in parts] for each in expected]


def test_through_two_gateways(weir, upstream, certificate):
    """The second is the upstream of the first, and knows it by its own credential."""
    secret = {"basic": {"user": "ann", "password": {"env": "SECOND"}}}
    resources = [own("outer", weir.url("one"), credential=secret), own("outer-tls", weir.url("tls"), credential=secret, upstream_ca=str(certificate.authority))]
    with Weir(resources=resources, plugins=PLUGINS, variables={"SECOND": weir.user("ann").secret}) as outer:
        for leg in ("outer", "outer-tls"):
            for client in ("httpx, HTTP/1.1", "httpx, HTTP/2"):
                expected = direct(upstream, certificate, client, "two" if "HTTP/2" in client else "one")
                assert differences(expected, CLIENTS[client](outer.url(leg), outer.basic("lea"), certificate.authority)) == []


def test_fifty_clients_at_once(weir, upstream, certificate):
    """Of all kinds on all legs, each with the script in an order of its own: nobody gets the answer of another."""
    def one(number: int) -> list:
        client, leg = ("httpx, HTTP/1.1", "httpx, HTTP/2")[number % 2], ("one", "two", "tls")[number % 3]
        script = random.Random(number).sample(SCRIPT, len(SCRIPT))
        whole = direct(upstream, certificate, client, "tls" if leg == "tls" else "two" if "HTTP/2" in client else "one")
        expected = [whole[SCRIPT.index(step)] for step in script]
        return differences(expected, CLIENTS[client](weir.url(leg), weir.basic("ann"), certificate.authority, script=script), script)

    for client in ("httpx, HTTP/1.1", "httpx, HTTP/2"):
        for leg in ("one", "two", "tls"):
            direct(upstream, certificate, client, leg if leg == "tls" else "two" if "HTTP/2" in client else "one")
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert [found for found in pool.map(one, range(50)) if found] == []
