"""Logins on both legs: every way to begin, to encrypt and to prove oneself, and nothing said to an impostor."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct

import certificates
import psycopg
import pytest
import wire
from impostor import Impostor, without_binding
from postgres import Postgres
from pretender import BYE, TLS, Pretender
from weir import Weir
from wire import GSSENC_REQUEST, SSL_REQUEST, Refused, Wire, cstr, errors, message, query, rows

V3_0, V3_2 = 0x0003_0000, 0x0003_0002
SECRET = "upstream-Fb4kT8-secret"
#: this machine, in a spelling that does not say so
ELSEWHERE = "127.1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Of an authority that nobody knows."""
    return certificates.make(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="module")
def plain(upstream):
    """No certificate: no TLS towards clients."""
    with Weir(upstream) as weir:
        yield weir


@pytest.fixture(scope="module")
def encrypted(upstream, certificate):
    """TLS offered, and not required."""
    with listening(upstream, certificate, required=False) as weir:
        yield weir


@pytest.fixture(scope="module")
def insisting(upstream, certificate):
    with listening(upstream, certificate) as weir:
        yield weir


def listening(upstream, certificate, **more) -> Weir:
    return Weir(upstream, resource={"tls": {"certificate": str(certificate.certificate), "key": str(certificate.key)} | more})


def trusting(certificate, *alpn: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate.authority)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def works(client: Wire) -> bool:
    return rows(client.ask_text("select 'in'")) == [("in",)]


def logged(weir: Weir, text: str) -> None:
    """What an operator reads of a login that failed."""
    weir.wait_for(f"'{text}' in the log", lambda: text in weir.log.read_text())


def refused(connect, endpoint, **more) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        connect(endpoint, **more)
    return str(caught.value)


# --- TLS from the first byte (PostgreSQL 17)


def test_direct_tls(encrypted, certificate, connect):
    with Wire(encrypted.endpoint, log_in=False) as client:
        client.encrypt(trusting(certificate, "postgresql"), "localhost")
        assert client.socket.selected_alpn_protocol() == "postgresql"
        client.log_in(encrypted.endpoint)
        assert works(client)
    connection = connect(encrypted.endpoint.at(host="localhost", sslmode="verify-full"), sslnegotiation="direct",
                         sslrootcert=str(certificate.authority))
    assert connection.pgconn.ssl_in_use
    assert connection.execute("select repeat('x', 100000)").fetchone() == ("x" * 100000,)


@pytest.mark.parametrize("names", [(), ("http/1.1",)])
def test_direct_tls_for_another_protocol(encrypted, certificate, names):
    """Another protocol's client must not be talked into speaking to us: not one byte of an answer."""
    with Wire(encrypted.endpoint, log_in=False) as client:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            client.encrypt(trusting(certificate, *names), "localhost")
            client.send(wire.startup(user="ann", database="customers"))
            assert client.until_closed() == []
    logged(encrypted, "TLS")


@pytest.mark.parametrize("request_", [SSL_REQUEST, GSSENC_REQUEST], ids=["SSLRequest", "GSSENCRequest"])
def test_nothing_is_left_to_negotiate_inside_tls(insisting, certificate, request_):
    with Wire(insisting.endpoint, log_in=False) as client:
        client.encrypt(trusting(certificate, "postgresql"), "localhost")
        client.send(request_)
        (error,) = client.until_closed()
        assert (error.tag, error.fields["S"], error.sqlstate) == ("E", "FATAL", "0A000")


def test_direct_tls_where_there_is_none(plain, certificate):
    with Wire(plain.endpoint, log_in=False) as client:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            client.encrypt(trusting(certificate, "postgresql"), "localhost")
    logged(plain, "no certificate")


# --- GSSENCRequest


def test_gss_is_declined_and_the_login_goes_on(plain, encrypted, certificate):
    with Wire(plain.endpoint, log_in=False) as client:
        client.send(GSSENC_REQUEST)
        assert client.socket.recv(1) == b"N"
        client.log_in(plain.endpoint)
        assert works(client)
    with Wire(encrypted.endpoint, log_in=False) as client:
        for request, answer in ((GSSENC_REQUEST, b"N"), (SSL_REQUEST, b"S")):
            client.send(request)
            assert client.socket.recv(1) == answer
        client.encrypt(trusting(certificate), "localhost")
        client.log_in(encrypted.endpoint)
        assert works(client)


def test_tls_is_declined_and_then_gss(plain):
    with Wire(plain.endpoint, log_in=False) as client:
        for request in (SSL_REQUEST, GSSENC_REQUEST):
            client.send(request)
            assert client.socket.recv(1) == b"N"
        client.log_in(plain.endpoint)
        assert works(client)


@pytest.mark.parametrize("request_", [SSL_REQUEST, GSSENC_REQUEST], ids=["SSLRequest", "GSSENCRequest"])
def test_each_is_asked_once(plain, request_):
    with Wire(plain.endpoint, log_in=False) as client:
        client.send(request_)
        assert client.socket.recv(1) == b"N"
        client.send(request_)
        (error,) = client.until_closed()
        assert (error.tag, error.sqlstate) == ("E", "0A000")


def test_gss_is_no_way_round_tls(insisting):
    with Wire(insisting.endpoint, log_in=False) as client:
        client.send(GSSENC_REQUEST)
        assert client.socket.recv(1) == b"N"
        with pytest.raises(Refused, match="requires TLS"):
            client.log_in(insisting.endpoint)


# --- versions of the protocol


@pytest.mark.parametrize(("asked", "spoken"), [(V3_0, None), (V3_2, None), (V3_0 + 1, V3_0), (V3_0 + 3, V3_2), (V3_0 + 9999, V3_2)])
def test_protocol_versions(plain, asked, spoken):
    """What we do not speak is answered with what we do, before the login; keys for cancelling are longer since 3.2."""
    with Wire(plain.endpoint, protocol=asked) as client:
        assert client.negotiated == (struct.pack("!II", spoken, 0) if spoken else None)
        number, key = client.key
        assert len(key) == 4 if (spoken or asked) == V3_0 else len(key) > 4
        assert cancels(plain, client)


def cancels(weir: Weir, client: Wire) -> bool:
    """Whether the key that the client was given cancels what it runs."""
    intents = len(weir.trail(kind="intent"))
    client.send(query("select pg_sleep(60)"))
    weir.wait_for("the statement to be forwarded", lambda: len(weir.trail(kind="intent")) > intents)
    # The upstream may be a moment behind: a cancel that comes too early is lost, here as without a gateway.
    client.socket.settimeout(0.5)
    for _ in range(40):
        wire.cancel(weir.endpoint, client.key)
        with contextlib.suppress(TimeoutError):
            return errors(client.until_ready())[0].sqlstate == "57014"
    return False


def test_protocol_options_nobody_knows(plain):
    with Wire(plain.endpoint, protocol=V3_2, **{"_pq_.test_protocol_negotiation": ""}) as client:
        assert client.negotiated == struct.pack("!II", V3_2, 1) + cstr("_pq_.test_protocol_negotiation")
        assert works(client)


@pytest.mark.parametrize("asked", [0x0002_0000, 0x0004_0000])
def test_another_major_version(plain, asked):
    with Wire(plain.endpoint, log_in=False) as client:
        client.send(wire.startup(asked, user="ann", database="customers"))
        (error,) = client.until_closed()
        assert (error.tag, error.fields["S"], error.sqlstate) == ("E", "FATAL", "0A000")


@pytest.mark.parametrize("version", ["3.0", "3.2"])
def test_libpq_in_both_versions(plain, connect, version):
    connection = connect(plain.endpoint, min_protocol_version=version, max_protocol_version=version)
    assert connection.pgconn.full_protocol_version == int(version.replace(".", "000"))
    assert connection.execute("select 1").fetchone() == (1,)


# --- SCRAM bound to the certificate, from clients


def test_channel_binding(encrypted, connect):
    connection = connect(encrypted.endpoint.at(sslmode="require"), channel_binding="require")
    assert connection.execute("select 1").fetchone() == (1,)
    with Wire(encrypted.endpoint, log_in=False) as client:
        client.send(wire.startup(user="ann", database="customers"))
        assert client.read().body[4:] == b"SCRAM-SHA-256\0\0", "without TLS there is nothing to bind to"
    assert "channel binding" in refused(connect, encrypted.endpoint, channel_binding="require")


def test_somebody_in_between_is_noticed(encrypted, other, connect):
    """The client does not look at the certificate, and still its proof is of no use to whoever passes it on."""
    with Impostor(encrypted.endpoint, other) as impostor:
        between = impostor.endpoint.at(sslmode="require")
        assert connect(between, channel_binding="disable").execute("select 1").fetchone() == (1,), "it does pass everything on"
        for binding in ("prefer", "require"):
            assert "channel binding check failed" in refused(connect, between, channel_binding=binding)


def test_somebody_who_takes_binding_out_of_the_offer_is_noticed(encrypted, other, connect):
    with Impostor(encrypted.endpoint, other, without_binding) as impostor:
        between = impostor.endpoint.at(sslmode="require")
        assert connect(between, channel_binding="disable").execute("select 1").fetchone() == (1,)
        assert "channel binding negotiation error" in refused(connect, between, channel_binding="prefer")


# --- passwords kept under another hash: clients say them in clear


#: of "password", from Argon2's own test vectors
ARGON2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"


@pytest.fixture(scope="module")
def hashing(upstream, certificate):
    """Listens on every address of this machine; ann's password is kept as an Argon2 hash."""
    weir = listening(upstream, certificate, required=False)
    weir.prepare()
    weir.resource["listen"] = f"0.0.0.0:{weir.port}"
    weir.write_config()
    users = weir.folder / "users.toml"
    users.write_text(re.sub(r'(name = "ann"\n(?:.*\n)*?)(password = ).*', rf'\1\2"{ARGON2}"', users.read_text(), count=1))
    try:
        weir.start()
        yield weir
    finally:
        weir.stop()


def test_a_password_in_clear_from_this_machine(hashing, connect):
    ann = hashing.endpoint.at(password="password")
    assert connect(ann, require_auth="password").execute("select 1").fetchone() == (1,)
    assert "password authentication failed" in refused(connect, ann.at(password="passwort"))
    assert connect(hashing.endpoint_of("lea"), require_auth="scram-sha-256").execute("select 1").fetchone() == (1,)


def test_a_password_in_clear_from_elsewhere(hashing, connect):
    """Over the network only inside TLS: it is not even asked for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but loopback")
        ann = hashing.endpoint.at(host=probe.getsockname()[0], password="password")
    assert connect(ann.at(sslmode="require"), require_auth="password").execute("select 1").fetchone() == (1,)
    with Wire(ann, log_in=False) as client:
        client.send(wire.startup(user="ann", database="customers"))
        (error,) = client.until_closed()
        assert error.tag == "E" and "TLS" in error.text


# --- the upstream: how it is asked for TLS, and who it is


def to(host: str, port: int, sslmode: str, authority=None, user: str = "gateway") -> dict:
    found = {"upstream": f"postgres://{user}@{host}:{port}/customers?sslmode={sslmode}"}
    return found | ({"upstream_ca": str(authority)} if authority else {})


@contextlib.contextmanager
def turned_away(upstream, *steps, own=None, host: str = "127.0.0.1", sslmode: str = "require", authority=None):
    """A client of a gateway whose upstream does this: it gets an error that tells nothing. Gives gateway and upstream."""
    with Pretender(*steps, own=own) as pretender, \
            Weir(upstream.at(password=SECRET), resource=to(host, pretender.port, sslmode, authority)) as weir:
        with pytest.raises(Refused) as caught:
            Wire(weir.endpoint)
        fields = caught.value.message.fields
        assert fields["S"] == "FATAL" and fields["C"] in ("08001", "08004", "08006"), fields
        assert "gateway" not in fields["M"].replace("the gateway", "") and SECRET not in str(fields)
        (failure,) = weir.trail(kind="login-failed")
        assert failure["body"]["detail"]["code"] == fields["C"]
        yield weir, pretender


@pytest.mark.parametrize("answer", [b"N", b"E", b"X", b"SS", b"S" + message("R", b"\0\0\0\0")], ids=repr)
@pytest.mark.parametrize("sslmode", ["require", "verify-full"])
def test_tls_taken_off_on_the_way(upstream, certificate, answer, sslmode):
    """Whoever answers instead of the upstream that there is no TLS hears nothing: no account, no password."""
    authority = certificate.authority if sslmode == "verify-full" else None
    with turned_away(upstream, answer, sslmode=sslmode, authority=authority) as (_, pretender):
        assert pretender.told() == SSL_REQUEST


@pytest.mark.parametrize("sslmode", ["verify-ca", "verify-full"])
def test_upstream_of_an_unknown_authority(upstream, certificate, other, sslmode):
    with turned_away(upstream, b"S", TLS, own=other, sslmode=sslmode, authority=certificate.authority) as (weir, pretender):
        assert pretender.told() == SSL_REQUEST
        logged(weir, "UnknownIssuer")


def test_upstream_with_another_name(upstream, tmp_path):
    """A certificate of the right authority, for another host."""
    own = certificates.make(tmp_path / "elsewhere", "subjectAltName=DNS:elsewhere.example,IP:127.0.0.2")
    for host in ("localhost", "127.0.0.1"):
        with turned_away(upstream, b"S", TLS, own=own, host=host, sslmode="verify-full", authority=own.authority) as (weir, pretender):
            assert pretender.told() == SSL_REQUEST
            logged(weir, "not valid for name")
        for sslmode in ("verify-ca", "require"):
            with turned_away(upstream, b"S", TLS, BYE, own=own, host=host, sslmode=sslmode,
                             authority=own.authority if sslmode == "verify-ca" else None) as (_, pretender):
                assert b"user\0gateway\0" in pretender.told(), f"sslmode={sslmode} looks at no name"


# --- the upstream: how the gateway proves itself


ASKS = {"trust": 0, "kerberos": 2, "cleartext": 3, "md5": 5, "gss": 7, "sspi": 9}


def asks(method: str, *more: bytes) -> bytes:
    return message("R", struct.pack("!I", ASKS[method]) + b"".join(more))


def offers(*mechanisms: str) -> bytes:
    return message("R", struct.pack("!I", 10) + b"".join(map(cstr, mechanisms)) + b"\0")


def test_a_password_in_clear_is_not_sent_without_tls(upstream):
    with turned_away(upstream, asks("cleartext"), host=ELSEWHERE, sslmode="disable") as (weir, pretender):
        said = pretender.told()
        assert b"user\0gateway\0" in said and SECRET.encode() not in said and said.endswith(b"\0\0"), "nothing behind the startup packet"
        logged(weir, "needs TLS")


def test_a_password_in_clear_inside_tls_or_on_this_machine(upstream, certificate):
    """So that the test above can fail: here it is sent."""
    sent = message("p", cstr(SECRET))
    with turned_away(upstream, b"S", TLS, asks("cleartext"), BYE, own=certificate, host="localhost", sslmode="require") as (_, pretender):
        assert pretender.told().endswith(sent)
    with turned_away(upstream, asks("cleartext"), BYE, host="127.0.0.1", sslmode="disable") as (_, pretender):
        assert pretender.told().endswith(sent)


@pytest.mark.parametrize(("asked", "why"), [
    (asks("gss"), "method 7"), (asks("kerberos"), "method 2"), (asks("sspi"), "method 9"),
    (offers("OAUTHBEARER"), "no SASL mechanism"), (offers(), "no SASL mechanism"),
    (offers("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"), "without TLS"), (message("Z", b"I"), "unexpected message"),
    (asks("trust") + message("D", b"\0\0"), "unexpected message"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_a_proof_the_gateway_does_not_give(upstream, asked, why):
    with turned_away(upstream, asked, sslmode="disable") as (weir, pretender):
        assert SECRET.encode() not in pretender.told()
        logged(weir, why)


@pytest.fixture(scope="module")
def accounts():
    """A PostgreSQL that asks each account for another proof, over TLS and without, and logs which it got."""
    with Postgres(settings={"log_connections": "on"}) as server:
        server.create_database("customers")
        for method, kept in (("trust", None), ("password", "scram-sha-256"), ("md5", "md5"), ("scram", "scram-sha-256")):
            secret = f"password '{SECRET}'" if kept else ""
            server.sql(f"set password_encryption = '{kept or 'scram-sha-256'}'; create role by_{method} login {secret}")
        rules = server.data / "pg_hba.conf"
        lines = [f"host all by_{method} 127.0.0.1/32 {'scram-sha-256' if method == 'scram' else method}"
                 for method in ("trust", "password", "md5", "scram")]
        rules.write_text("\n".join([*lines, rules.read_text()]))
        server.sql("select pg_reload_conf()")
        yield server


@pytest.mark.parametrize("sslmode", ["disable", "verify-full"])
@pytest.mark.parametrize("method", ["trust", "password", "md5", "scram"])
def test_proofs_the_gateway_gives(accounts, method, sslmode, reached_login):
    up = accounts.endpoint.at(password=SECRET, database="customers")
    resource = to("localhost", up.port, sslmode, accounts.authority if sslmode == "verify-full" else None, user=f"by_{method}")
    with Weir(up, resource=resource) as weir, Wire(weir.endpoint) as client:
        asked = "select current_user, (select ssl from pg_stat_ssl where pid = pg_backend_pid())"
        assert rows(client.ask_text(asked)) == [(f"by_{method}", "t" if sslmode == "verify-full" else "f")]
    if method != "trust":
        with Weir(up.at(password="wrong"), resource=resource) as weir, pytest.raises(Refused) as caught:
            Wire(weir.endpoint)
        assert f"by_{method}" not in caught.value.message.text
    assert reached_login(f"by_{method}", method)


@pytest.fixture
def reached_login(accounts):
    """Whether PostgreSQL has let the account in by this method, by its own log."""
    words = {"trust": "method=trust", "password": "method=password", "md5": "method=md5", "scram": "method=scram-sha-256"}

    def found(user: str, method: str) -> bool:
        log = accounts.log.read_text(errors="replace")
        # Of `trust` it logs no identity, only that somebody was authorized.
        return f"connection authorized: user={user}" in log if method == "trust" else f'identity="{user}" {words[method]}' in log

    return found


def test_no_password_where_one_is_asked_for(accounts):
    resource = to("localhost", accounts.port, "disable", user="by_scram") | {"password": None}
    with Weir(accounts.endpoint, resource=resource) as weir, pytest.raises(Refused):
        Wire(weir.endpoint)
    resource = to("localhost", accounts.port, "disable", user="by_trust") | {"password": None}
    with Weir(accounts.endpoint, resource=resource) as weir, Wire(weir.endpoint) as client:
        assert works(client)


# --- SCRAM bound to the certificate, towards the upstream


def test_somebody_between_gateway_and_upstream_is_noticed(accounts, other):
    """sslmode=require looks at no certificate; PostgreSQL itself refuses a proof that was made for another one."""
    up = accounts.endpoint.at(password=SECRET, database="customers")
    for edit, why in ((lambda data: data, "channel binding check failed"), (without_binding, "channel binding negotiation error")):
        with Impostor(up, other, edit) as impostor:
            with Weir(up, resource=to("127.0.0.1", impostor.endpoint.port, "require", user="by_md5")) as weir, Wire(weir.endpoint) as client:
                assert works(client), "it does pass everything on"
            with Weir(up, resource=to("127.0.0.1", impostor.endpoint.port, "require", user="by_scram")) as weir, \
                    pytest.raises(Refused):
                Wire(weir.endpoint)
        assert why in accounts.log.read_text(errors="replace")
