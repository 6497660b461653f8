"""The door: who is let in, under which conditions, over TLS; and cancelling what runs."""

from __future__ import annotations

import re
import threading

import certificates
import psycopg
import pytest
import wire
from postgres import Postgres
from weir import PEOPLE, User, Weir
from wire import Wire, errors, query, rows, tags

GUARD = {"sql-guard": {"settings": {"functions": ["pg_sleep"]}}}
EVERYBODY = (*PEOPLE, User("eve", groups=("visitors",)), User("tom"))


@pytest.fixture(scope="module")
def weir(upstream):
    with Weir(upstream, pipeline=("postgres", "sql-guard"), default="deny", plugins=GUARD, users=EVERYBODY) as running:
        yield running


def refused(connect, endpoint, **more) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(endpoint, **more)
    return str(caught.value)


def failures(weir: Weir, user: str) -> list[dict]:
    """By a user who has proven it, or only claims to be that."""
    return [each for each in weir.trail(kind="login-failed")
            if user in (each["body"].get("principal"), each["payload"].get("claimed_user"))]


# --- who


def test_wrong_password_and_unknown_user_read_the_same(weir):
    """Nothing a stranger sees tells whether the user exists: not the words, not the course of the login."""
    said = {}
    for name, endpoint in {"ann": weir.endpoint.at(password="wrong"), "nobody": weir.endpoint.at(user="nobody")}.items():
        with pytest.raises(wire.Refused) as caught:
            Wire(endpoint)
        assert caught.value.sqlstate == "28P01"
        fields = caught.value.message.fields
        assert name in fields["M"]
        said[name] = {key: value.replace(name, "USER") for key, value in fields.items()}
    assert said["ann"] == said["nobody"]
    for name in said:
        (failure,) = failures(weir, name)
        assert failure["body"]["detail"]["code"] == "28P01"


def test_unknown_user_has_the_same_salt_each_time(weir):
    def challenge(name: str) -> str:
        with Wire(weir.endpoint, log_in=False) as client:
            client.send(wire.startup(user=name, database="customers"))
            client.read()
            first = "n=,r=abcdefghijklmnopqrstuvwx"
            client.send(wire.message("p", b"SCRAM-SHA-256\0" + len(f"n,,{first}").to_bytes(4, "big") + f"n,,{first}".encode()))
            return client.read().body[4:].decode()

    def facts(name: str) -> tuple[str, ...]:
        return tuple(part for part in challenge(name).split(",") if not part.startswith("r="))

    assert facts("stranger") == facts("stranger") != facts("somebody-else")
    assert [len(part) for part in facts("stranger")] == [len(part) for part in facts("ann")]
    assert facts("stranger")[-1] == facts("ann")[-1], "as many iterations"


def test_user_outside_of_the_allow_list(weir, connect):
    assert "eve" in (message := refused(connect, weir.endpoint_of("eve"))) and "customers" in message
    (failure,) = failures(weir, "eve")
    assert failure["body"]["detail"]["code"] == "42501"


def test_user_disabled_while_the_gateway_runs(weir, connect):
    """No new login, and the session that is there ends."""
    connection = connect(weir.endpoint_of("tom"))
    assert connection.execute("select 1").fetchall() == [(1,)]
    users = weir.folder / "users.toml"
    text = users.read_text()
    beside = users.with_suffix(".new")
    beside.write_text(re.sub(r'(name = "tom"\n)', r"\1disabled = true\n", text))
    beside.rename(users)
    weir.wait_for("the reload", lambda: any("tom" in change for each in weir.trail(kind="config-applied")
                                            for change in each["body"]["detail"]["changes"]))

    def gone() -> bool:
        try:
            connection.execute("select 1")
        except psycopg.OperationalError:
            return True
        return False

    weir.wait_for("the session's end", gone)
    message = refused(connect, weir.endpoint_of("tom"))
    assert message.replace("tom", "ann").splitlines()[-1] == refused(connect, weir.endpoint.at(password="x")).splitlines()[-1]


def test_credentials_of_the_upstream_open_nothing(weir, connect, upstream):
    refused(connect, weir.endpoint.at(user=upstream.user, password=upstream.password))


def test_client_that_says_nothing_is_let_go(upstream):
    with Weir(upstream, resource={"limits": {"login_timeout": "1s"}}) as weir, Wire(weir.endpoint, log_in=False) as client:
        assert client.until_closed() == []
        with Wire(weir.endpoint, log_in=False) as other:
            other.send(wire.startup(user="ann", database="customers")[:9])
            assert not [each for each in other.until_closed() if each.tag != "E"]


@pytest.mark.parametrize("garbage", [
    b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n", b"\0\0\0\4", b"\0\0\0\0", b"\xff" * 64,
    b"\0\0\0\x08\0\3\0\0", b"\0\0\0\x0c\0\3\0\0user", b"\0\0\x27\x11" + b"x" * 10001, b"\0\0\0\x09\0\2\0\0\0",
])
def test_garbage_before_the_login(weir, garbage):
    with Wire(weir.endpoint, log_in=False) as client:
        client.send(garbage)
        client.socket.shutdown(1)
        assert {each.tag for each in client.until_closed()} <= {"E"}
    with Wire(weir.endpoint) as client:
        assert rows(client.ask_text("select 1")) == [("1",)]


# --- settings that change what statements mean


@pytest.mark.parametrize("settings", [
    {"options": "-c role=pg_monitor"}, {"options": "-c standard_conforming_strings=off"}, {"options": "-crole=pg_monitor"},
    {"options": "--session-authorization=pg_monitor"}, {"role": "pg_monitor"}, {"standard_conforming_strings": "off"},
    {"options": r"-c\ role=pg_monitor"}, {"options": "-c datestyle=ISO -c role=pg_monitor"}, {"client_encoding": "SJIS"},
    {"ROLE": "pg_monitor"}, {"options": "-c ROLE=pg_monitor"}, {"options": "-c app.tenant=7"}, {"app.tenant": "7"},
])
def test_settings_that_change_meaning(weir, settings):
    with pytest.raises(wire.Refused) as caught:
        Wire(weir.endpoint, **settings)
    assert caught.value.message.fields["S"] == "FATAL"
    assert caught.value.sqlstate in ("42501", "42601", "22023", "42704"), caught.value


@pytest.mark.parametrize("replication", ["true", "database", "on", "1"])
def test_replication(weir, replication):
    with pytest.raises(wire.Refused) as caught:
        Wire(weir.endpoint, replication=replication)
    assert caught.value.message.fields["S"] == "FATAL"


def test_harmless_settings(weir):
    with Wire(weir.endpoint, options="-c datestyle=German -c statement_timeout=70s", application_name="mine") as client:
        assert rows(client.ask_text("show datestyle")) == [("German, DMY",)]
        assert rows(client.ask_text("show statement_timeout")) == [("70s",)]


# --- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("tls"))


def listening(upstream, certificate, **more) -> Weir:
    tls = {"certificate": str(certificate.certificate), "key": str(certificate.key)} | more
    return Weir(upstream, resource={"tls": tls})


def test_tls_to_the_client(upstream, certificate, connect, tmp_path_factory):
    other = certificates.make(tmp_path_factory.mktemp("other"))
    with listening(upstream, certificate) as weir:
        for mode, root in (("require", None), ("verify-ca", certificate.authority), ("verify-full", certificate.authority)):
            more = {"sslrootcert": str(root)} if root else {}
            connection = connect(weir.endpoint.at(host="localhost", sslmode=mode), **more)
            assert connection.pgconn.ssl_in_use
            assert connection.execute("select repeat('x', 100000)").fetchone() == ("x" * 100000,)
        message = refused(connect, weir.endpoint.at(sslmode="verify-full"), sslrootcert=str(other.authority))
        assert "certificate verify failed" in message

def test_cancel_over_tls(upstream, certificate, connect):
    with listening(upstream, certificate) as weir:
        assert is_cancelled(weir, connect(weir.endpoint.at(sslmode="require")))


@pytest.mark.parametrize("more", [{}, {"required": True}])
def test_tls_is_required_where_it_is_offered(upstream, certificate, connect, more):
    with listening(upstream, certificate, **more) as weir:
        assert "requires TLS" in refused(connect, weir.endpoint.at(sslmode="disable"))
        assert connect(weir.endpoint.at(sslmode="require")).execute("select 1").fetchone() == (1,)


def test_tls_that_is_not_required(upstream, certificate, connect):
    with listening(upstream, certificate, required=False) as weir:
        for mode in ("disable", "prefer"):
            connection = connect(weir.endpoint.at(sslmode=mode))
            assert connection.execute("select 1").fetchone() == (1,)
            assert connection.pgconn.ssl_in_use == (mode == "prefer")


def test_what_is_sent_before_tls_is_not_taken_for_what_comes_within(upstream, certificate):
    """CVE-2021-23214: bytes behind the SSLRequest, in clear, are not the client's."""
    with listening(upstream, certificate) as weir, Wire(weir.endpoint, log_in=False) as client:
        client.send(wire.SSL_REQUEST, wire.startup(user="ann", database="customers"))
        answered = client.socket.recv(1 << 16)
        assert answered[:1] != b"S" or answered == b"S" and not client.socket.recv(1), "it goes on with injected bytes"


def test_no_certificate_no_tls(weir, connect):
    assert "SSL" in refused(connect, weir.endpoint.at(sslmode="require"))


def test_tls_to_the_upstream(connect, tmp_path_factory):
    wrong = certificates.make(tmp_path_factory.mktemp("wrong"))
    with Postgres(require_tls=True) as server:
        up = server.create_database("customers")
        url = f"postgres://{up.user}@localhost:{up.port}/customers?sslmode="
        with Weir(up, resource={"upstream": url + "verify-full", "upstream_ca": str(server.authority)}) as weir:
            connection = connect(weir.endpoint)
            inside = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            assert connection.execute(inside).fetchone() == (True,)
            assert is_cancelled(weir, connection)
        with Weir(up, resource={"upstream": url + "verify-full", "upstream_ca": str(wrong.authority)}) as weir:
            message = refused(connect, weir.endpoint)
            assert "cannot reach the database" in message and "certificate" not in message
            assert "certificate" in weir.log_tail().lower()
        with Weir(up, resource={"upstream": url + "disable"}) as weir:
            refused(connect, weir.endpoint)


# --- cancel, and upstreams that go


def is_cancelled(weir: Weir, connection: psycopg.Connection) -> bool:
    failed = []

    def sleep() -> None:
        try:
            connection.execute("select pg_sleep(60)")
        except psycopg.errors.QueryCanceled as cancelled:
            failed.append(cancelled)

    intents = len(weir.trail(kind="intent"))
    sleeps = threading.Thread(target=sleep)
    sleeps.start()
    weir.wait_for("the statement to be forwarded", lambda: len(weir.trail(kind="intent")) > intents)

    def cancelled() -> bool:
        connection.cancel()  # one that comes too early is lost, here as without a gateway
        sleeps.join(0.2)
        return bool(failed)

    weir.wait_for("the cancellation", cancelled)
    connection.execute("select 1")
    return True


def test_cancel(weir, connect):
    assert is_cancelled(weir, connect(weir.endpoint))
    outcomes = [each for each in weir.trail(kind="outcome") if each["body"]["detail"].get("error_code") == "57014"]
    assert len(outcomes) == 1


def test_cancel_of_somebody_else_does_nothing(weir, connect, mark, reached):
    """A key one byte off cancels nothing."""
    text = mark()
    with Wire(weir.endpoint) as victim:
        victim.send(query(f"select pg_sleep(0.5), '{text}'"))
        weir.wait_for("the statement to run", lambda: reached(text))
        number, key = victim.key
        wire.cancel(weir.endpoint, (number, key[:-1] + bytes([key[-1] ^ 1])))
        wire.cancel(weir.endpoint, (number + 1, key))
        assert rows(victim.until_ready()) == [("", text)]


def test_upstream_that_is_away(connect, mark):
    with Postgres() as server:
        up = server.create_database("customers")
        with Weir(up) as weir:
            with Wire(weir.endpoint) as client:
                client.ask_text("select 1")
                client.send(query("select pg_sleep(60)"))
                weir.wait_for("the statement to be forwarded", lambda: len(weir.trail(kind="intent")) == 2)
                server.process.send_signal(3)
                said = client.until_closed()
                assert not rows(said)
            assert server.process.wait(20) is not None
            weir.wait_for("the outcome", lambda: [each for each in weir.trail(kind="outcome")
                                                 if each["body"]["status"] in ("unknown", "error")])
            assert "cannot reach the database" in refused(connect, weir.endpoint)
            ended = weir.trail(kind="session-ended")
            assert len(ended) == 1


def test_backend_terminated_by_an_administrator(weir, server, connect):
    with Wire(weir.endpoint, application_name="to-be-ended") as client:
        client.ask_text("select 1")
        server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to-be-ended'")
        (error,) = errors(client.until_closed())
        assert (error.fields["S"], error.sqlstate) == ("FATAL", "57P01")
    with Wire(weir.endpoint) as client:
        assert tags(client.ask_text("select 1")) == "TDCZ"
