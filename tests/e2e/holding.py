"""What the tests of held operations start with: gateways that hold, something to change, and who reviews."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request

import pytest
from weir import PEOPLE, PLUGINS, User, Weir
from wire import Wire, rows

PIPELINE = ("postgres", "sql-guard", "gate")
# Besides those of the harness: a lead who asks as well, and one whose agent asks.
EVERYBODY = (*PEOPLE, User("max", groups=("engineers", "leads")), User("lea-agent", kind="agent", on_behalf_of="lea"),
             User("max-agent", kind="agent", on_behalf_of="max", groups=("leads",)), User("ci", kind="service", groups=("leads",)))


def start(upstream, **arguments) -> Weir:
    files = {"gate": PLUGINS / "allow.wasm"} | arguments.pop("files", {})
    return Weir(upstream, pipeline=PIPELINE, default="deny", files=files, users=EVERYBODY, **arguments)


@pytest.fixture(scope="module")
def weir(upstream):
    with start(upstream) as running:
        yield running


@pytest.fixture
def alone(upstream):
    """A gateway for one test that breaks it."""
    started = []

    def make(**arguments) -> Weir:
        weir = start(upstream, **arguments)
        started.append(weir)
        return weir.__enter__()

    yield make
    for weir in started:
        weir.stop()


@pytest.fixture
def table(server, mark):
    """A table of three rows; changing it without WHERE is held."""
    name = f"held_{mark()[5:21]}"
    server.sql(f"create table {name} as select g as id, 0 as touched from generate_series(1, 3) g", "customers")
    yield name
    server.sql(f"drop table {name}", "customers")


@pytest.fixture
def touched(server, table):
    """How often the update has run."""
    return lambda: int(server.sql(f"select max(touched) from {table}", "customers"))


def update(table: str, mark: str = "") -> str:
    return f"update {table} set touched = touched + 1 /* {mark} */"


def hold(weir: Weir, client: Wire, *pieces: bytes) -> str:
    """Sends, waits for the notice, and tells the request's id."""
    client.send(*pieces)
    notice = client.until("N", "E")[-1]
    assert notice.tag == "N" and notice.text.startswith("weir: waiting for approval "), notice
    identifier = notice.text.split()[4].rstrip(":")
    assert identifier in [each["id"] for each in waiting(weir)]
    return identifier


def waiting(weir: Weir, who: str = "lea") -> list[dict]:
    return json.loads(weir.as_person(who, "approvals", "list", "--json").stdout)


def approve(weir: Weir, identifier: str, who: str = "lea", *more: str) -> None:
    weir.as_person(who, "approvals", "approve", identifier, *more)


def review(weir: Weir, identifier: str, who: str, vote: str = "approve", **body) -> tuple[int, str]:
    """Status and code of the API's answer."""
    user = next(user for user in weir.users if user.name == who)
    secret = base64.b64encode(f"{user.name}:{user.secret}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{weir.admin_port}/v1/approvals/{identifier}/{vote}", json.dumps(body).encode(), method="POST",
        headers={"Authorization": f"Basic {secret}", "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())["error"]["code"]


def reviews(weir: Weir, identifier: str) -> list[str]:
    return [each["body"]["status"] for each in weir.trail(kind="reviewed")
            if each["body"]["detail"]["approval"] == identifier]


def refused_by(weir: Weir, identifier: str) -> str:
    """Who kept the operation that waited for this approval from the upstream."""
    (refused,) = weir.wait_for("the refusal", lambda: [each for each in weir.trail(kind="refused")
                                                       if each["body"]["detail"].get("approval") == identifier])
    return refused["body"]["detail"]["by"]


def usable(client: Wire) -> None:
    assert rows(client.ask_text("select 1")) == [("1",)]
