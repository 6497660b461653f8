"""What every test of a promise starts with: a PostgreSQL with the sample data, and a gateway in front of it."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))
from postgres import Postgres
from weir import PLUGINS, Weir

STANDARD = ("postgres", "sql-guard", "pii-mask")
GUARD = {"functions": ["pg_sleep"]}
MASK = {"columns": ["customers.full_name", "*.ssn", "employees.salary", "customers.notes"],
        "detect": ["email", "phone", "card", "iban", "ssn", "ip", "secret"]}


@pytest.fixture(scope="session")
def server():
    """One PostgreSQL for all tests that do not break it, with every statement in its log."""
    with Postgres(settings={"log_statement": "all", "log_line_prefix": "%a|%d|"}) as running:
        running.create_database("customers", sample=True)
        yield running


@pytest.fixture(scope="session")
def upstream(server):
    return server.endpoint.at(database="customers")


@pytest.fixture
def gateway(upstream):
    """Makes gateways: gateway(pipeline=…, plugins=…); all are stopped at the end of the test."""
    started = []

    def make(start: bool = True, **arguments) -> Weir:
        weir = Weir(upstream, **arguments)
        started.append(weir)
        if start:
            weir.__enter__()
        return weir

    yield make
    for weir in started:
        weir.stop()


@pytest.fixture
def standard(gateway):
    """The pipeline of the quickstart: inspector, sql-guard, pii-mask; nothing is allowed by default."""
    def make(guard: dict | None = None, mask: dict | None = None, **arguments) -> Weir:
        plugins = {"sql-guard": {"settings": GUARD | (guard or {})}, "pii-mask": {"settings": MASK | (mask or {})}}
        return gateway(pipeline=STANDARD, default="deny", plugins=plugins, **arguments)

    return make


@pytest.fixture
def allowing(gateway):
    """Inspection on, and a policy that allows everything."""
    def make(**arguments) -> Weir:
        return gateway(pipeline=("postgres", "allow"), default="deny", files={"allow": PLUGINS / "allow.wasm"}, **arguments)

    return make


@pytest.fixture
def connect():
    """psycopg connections that are closed at the end of the test."""
    import psycopg

    opened = []

    def make(endpoint, autocommit: bool = True, **more):
        connection = psycopg.connect(host=endpoint.host, port=endpoint.port, user=endpoint.user, password=endpoint.password,
                                     dbname=endpoint.database, sslmode=endpoint.sslmode, autocommit=autocommit,
                                     connect_timeout=20, **more)
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        connection.close()


@pytest.fixture
def reached(server):
    """Whether a text has reached PostgreSQL: every statement is in its log before it runs."""
    return lambda text: text in server.log.read_text(errors="replace")


@pytest.fixture
def mark():
    """Texts that occur nowhere else."""
    return lambda: f"mark-{uuid.uuid4().hex}"
