"""Certificates of clients: whoever shows one is the user whom it names, or nobody."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import subprocess
import sys
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path

import certificates
import httpx
import psycopg
import pytest
from client_authority import Authority, ClientCertificate, key_sha256
from http_upstream import HttpUpstream
from weir import User, Weir, http

sys.path.insert(0, str(Path(__file__).resolve().parent / "http"))
from curl import curl

ANN, BOB, BOTH = "spiffe://example.org/ann", "spiffe://example.org/bob", "spiffe://example.org/both"


class Scene:
    """An authority, its certificates, and a gateway that believes them."""

    def __init__(self, folder: Path, upstream, api, **tls):
        self.own = certificates.make(folder / "server")
        self.authority = Authority(folder / "authority")
        issue = self.authority.issue
        self.ann = issue("ann", f"URI:{ANN}", "DNS:laptop.example.org")
        self.bob = issue("bob", f"URI:{BOB}")
        self.crl = folder / "clients.crl"
        self.authority.list_revoked(self.crl)
        users = (
            User("ann", certificates=(f"uri:{ANN}",)),
            User("bob", certificates=(f"uri:{BOB}", "email:bob@example.org")),
            User("zoe"),
            User("eve", groups=("visitors",), certificates=("dns:eve.example.org",)),
            User("ann-agent", kind="agent", on_behalf_of="ann", certificates=("cn:Ann's Agent",)),
        )
        self.tls = {"certificate": str(self.own.certificate), "key": str(self.own.key),
                    "client_ca": str(self.authority.file), "client_crl": str(self.crl)} | tls
        self.tls = {key: value for key, value in self.tls.items() if value is not None}
        self.weir = Weir(upstream, users=users, resource={"tls": self.tls | {"required": tls.get("client_certificates") == "required"}},
                         resources=[http("crm", api.url, path_prefix="/crm", strip_prefix=True, tls=self.tls),
                                    http("tokens", api.url, path_prefix="/tokens", strip_prefix=True, auth=["bearer"], tls=self.tls)])

    # --- PostgreSQL

    def endpoint(self, user: str):
        return self.weir.endpoint.at(host="localhost", user=user, password="no password", sslmode="verify-full",
                                     sslrootcert=str(self.own.authority))

    def log_in(self, connect, user: str, shown: ClientCertificate | None, **more):
        endpoint = self.endpoint(user)
        if password := more.pop("password", None):
            endpoint = endpoint.at(password=password)
        # Where there is none, none of whoever runs the tests.
        own = shown.libpq if shown else {"sslcert": "/nonexistent", "sslkey": "/nonexistent"}
        return connect(endpoint, sslrootcert=str(self.own.authority), **own, **more)

    def refused(self, connect, user: str, shown: ClientCertificate | None, **more) -> str:
        with pytest.raises(psycopg.OperationalError) as caught:
            self.log_in(connect, user, shown, **more).execute("select 1")
        return str(caught.value)

    # --- HTTP

    def curl(self, shown: ClientCertificate | None, *arguments: str, resource: str = "crm", path: str = "/harmless", **more):
        own = shown.curl if shown else ()
        return curl(self.weir.url(resource, path), "--cacert", str(self.own.authority), *own, *arguments, **more)

    def context(self, shown: ClientCertificate | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.own.authority)
        if shown:
            context.load_cert_chain(shown.certificate, shown.key)
        return context

    # --- what is recorded

    def opened(self, principal: str) -> dict:
        return self.weir.trail(kind="session-opened", principal=principal)[-1]

    def reason(self, text: str, **wanted) -> dict:
        """The record of why somebody was not let in."""
        found = self.weir.wait_for(f"a refusal because of '{text}'", lambda: [
            record for record in self.weir.trail(kind="login-failed", **wanted) if text in record["payload"]["reason"]])
        return found[-1]

    def change_users(self, old: str, new: str) -> None:
        file = self.weir.config.with_name("users.toml")
        text = file.read_text()
        assert old in text
        beside = file.with_suffix(".new")
        beside.write_text(text.replace(old, new))
        beside.chmod(0o600)
        before = len(self.weir.trail(kind="config-applied"))
        beside.rename(file)
        self.weir.wait_for("the changed users", lambda: len(self.weir.trail(kind="config-applied")) > before)

    def revoke(self, shown: ClientCertificate) -> None:
        self.authority.revoke(shown)
        self.publish()

    def publish(self, *options: str) -> None:
        before = len(self.weir.trail(kind="config-applied"))
        self.authority.list_revoked(self.crl, *options)
        self.weir.wait_for("the new list", lambda: len(self.weir.trail(kind="config-applied")) > before)


@pytest.fixture(scope="module")
def api():
    with HttpUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def optional(upstream, api, tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("optional"), upstream, api)
    with scene.weir:
        yield scene


@pytest.fixture(scope="module")
def required(upstream, api, tmp_path_factory):
    scene = Scene(tmp_path_factory.mktemp("required"), upstream, api, client_certificates="required")
    with scene.weir:
        yield scene


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Somebody else's authority, of the same name."""
    return Authority(tmp_path_factory.mktemp("stranger") / "authority")


# --- who it is


def test_psql_comes_in_without_a_password(optional):
    environment = optional.endpoint("ann").environment() | {
        "PGSSLCERT": str(optional.ann.certificate), "PGSSLKEY": str(optional.ann.key)}
    done = subprocess.run(["psql", "-XwAtc", "select 'in'"], env=os.environ | environment, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("in\n", "")
    opened = optional.opened("ann")
    assert opened["body"]["detail"]["method"] == f"certificate {optional.ann.sha256}"
    assert {"name": "certificate-sha256", "value": optional.ann.sha256} in opened["payload"]["attributes"]


def test_direct_tls_carries_a_certificate_as_well(optional, connect):
    connection = optional.log_in(connect, "ann", optional.ann, sslnegotiation="direct")
    assert connection.execute("select 1").fetchone() == (1,)
    assert optional.opened("ann")["body"]["detail"]["method"] == f"certificate {optional.ann.sha256}"


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_every_version_of_tls(optional, connect, version):
    more = {"ssl_min_protocol_version": version, "ssl_max_protocol_version": version}
    assert optional.log_in(connect, "ann", optional.ann, **more).execute("select 1").fetchone() == (1,)


def test_curl_and_httpx_come_in_without_authorization(optional, api):
    assert optional.curl(optional.ann).status == 200
    assert optional.opened("ann")["body"]["detail"]["method"] == f"certificate {optional.ann.sha256}"
    for http2 in (False, True):
        api.forget()
        with httpx.Client(verify=optional.context(optional.bob), http2=http2) as client:
            answers = [client.get(optional.weir.url("crm", "/harmless")) for _ in range(3)]
        assert [(answer.status_code, answer.http_version) for answer in answers] == [(200, "HTTP/2" if http2 else "HTTP/1.1")] * 3
        assert len(api.requests) == 3
    assert optional.opened("bob")["body"]["detail"]["method"] == f"certificate {optional.bob.sha256}"


def test_a_certificate_is_taken_where_authorization_is_limited(optional):
    assert optional.curl(optional.ann, resource="tokens").status == 200


def test_groups_and_owner_come_from_the_users_file(optional, connect):
    agent = optional.authority.issue("agent", subject="/CN=Ann's Agent")
    assert optional.log_in(connect, "ann-agent", agent).execute("select 1").fetchone() == (1,)
    detail = optional.opened("ann-agent")["body"]["detail"]
    assert (detail["principal_kind"], detail["on_behalf_of"], detail["groups"]) == ("agent", "ann", ["engineers"])
    eve = optional.authority.issue("eve", "DNS:EVE.example.org")
    assert optional.curl(eve).status == 403
    optional.refused(connect, "eve", eve)
    stages = [record["body"]["detail"]["stage"] for record in optional.weir.trail(kind="login-failed", principal="eve")]
    assert stages == ["authorize", "authorize"]


def test_a_fingerprint_is_a_name(upstream, api, tmp_path):
    scene = Scene(tmp_path, upstream, api)
    whole, key = scene.authority.issue("whole", subject="/O=x"), scene.authority.issue("key", subject="/O=x")
    colons = ":".join(re.findall("..", whole.sha256.upper()))
    scene.weir.users = (User("ann", certificates=(f"sha256:{colons}",)), User("bob", certificates=(f"key-sha256:{key_sha256(key)}",)))
    with scene.weir:
        assert scene.curl(whole).status == scene.curl(key).status == 200
        assert scene.opened("ann")["body"]["detail"]["method"] == f"certificate {whole.sha256}"
        assert scene.opened("bob")["body"]["detail"]["method"] == f"certificate {key.sha256}"


# --- who proves nothing


def unproven(scene: Scene, stranger: Authority) -> dict[str, tuple[ClientCertificate, str]]:
    """Certificates that prove nothing, and what the trail says of each."""
    issue, past = scene.authority.issue, timedelta(days=-1)
    return {
        "of another authority": (stranger.issue("ann", f"URI:{ANN}"), "invalid peer certificate"),
        "expired": (issue("expired", f"URI:{ANN}", begins=2 * past, ends=past), "certificate expired"),
        "not yet good": (issue("early", f"URI:{ANN}", begins=-past, ends=-2 * past), "not valid yet"),
        "for servers": (issue("server", f"URI:{ANN}", usage="serverAuth"), "invalid peer certificate"),
        "without a purpose": (issue("purpose", f"URI:{ANN}", usage=None), "invalid peer certificate"),
        "of nobody": (issue("nobody", "URI:spiffe://example.org/nobody", subject="/CN=ann"), "no user has any of its names"),
        "without a name": (issue("nameless", subject="/O=ann"), "no user has any of its names"),
        "of another case": (issue("case", f"URI:{ANN.upper()}"), "no user has any of its names"),
        "with the name in another field": (issue("field", "email:ann@example.org", f"DNS:{ANN.replace('/', '').replace(':', '')}"),
                                           "no user has any of its names"),
        "of two users": (issue("two", f"URI:{ANN}", f"URI:{BOB}"), "it names more than one user: ann, bob"),
        "with two common names": (issue("twice", subject="/CN=Ann's Agent/CN=other"), "no user has any of its names"),
    }


def test_what_proves_nothing_is_refused_and_the_trail_says_why(optional, required, stranger, connect):
    for scene in (optional, required):
        for what, (shown, why) in unproven(scene, stranger).items():
            told = scene.refused(connect, "ann", shown, password=scene.weir.user("ann").secret)
            assert ANN not in told and "more than one" not in told and "bob" not in told, what
            record = scene.reason(why)
            assert record["body"]["resource"] == "customers", what
            with contextlib.suppress(RuntimeError):  # a handshake that fails is no answer
                assert scene.curl(shown, user=f"ann:{scene.weir.user('ann').secret}").status == 401, what
            assert scene.reason(why, resource="crm")["payload"]["client_address"] == "127.0.0.1", what
            assert not [each for each in scene.weir.trail(kind="session-opened")
                        if each["body"]["detail"]["method"].startswith(f"certificate {shown.sha256}")], what


def test_the_certificate_of_somebody_else_is_no_way_in(optional, connect):
    told = {optional.refused(connect, user, optional.bob, password=optional.weir.user("ann").secret).replace(f'"{user}"', "")
            for user in ("ann", "zoe", "nobody")}
    assert len(told) == 1, "the client cannot tell names that exist from others"
    assert "certificate authentication failed" in told.pop()
    record = optional.reason("it is bob's")
    assert record["payload"]["claimed_user"] in ("ann", "zoe", "nobody") and "principal" not in record["body"]


def test_without_a_certificate_passwords_work_as_always(optional, connect):
    assert optional.log_in(connect, "zoe", None, password=optional.weir.user("zoe").secret).execute("select 1").fetchone() == (1,)
    assert optional.opened("zoe")["body"]["detail"]["method"].startswith("scram-sha-256")
    assert "password authentication failed" in optional.refused(connect, "ann", None, password="wrong")
    assert optional.curl(None, user=f"zoe:{optional.weir.user('zoe').secret}").status == 200
    assert optional.curl(None).status == 401
    # And where nobody asks for one, one says nothing.
    in_clear = optional.weir.endpoint.at(user="ann", password="wrong")
    with pytest.raises(psycopg.OperationalError):
        connect(in_clear, **optional.ann.libpq)


def test_required_is_required(required, connect):
    assert required.log_in(connect, "ann", required.ann).execute("select 1").fetchone() == (1,)
    assert required.curl(required.ann).status == 200
    secret = required.weir.user("ann").secret
    required.refused(connect, "ann", None, password=secret)
    required.reason("no certificate", resource="customers")
    assert required.curl(None, user=f"ann:{secret}", check=False).status == 0
    required.reason("no certificate", resource="crm")
    with pytest.raises(psycopg.OperationalError):
        connect(required.weir.endpoint.at(user="ann", password=secret))


def test_a_certificate_and_an_authorization_are_of_one_user(optional):
    secret = {name: optional.weir.user(name).secret for name in ("ann", "zoe")}
    assert optional.curl(optional.ann, user=f"ann:{secret['ann']}").status == 200
    assert optional.opened("ann")["body"]["detail"]["method"] == f"password, certificate {optional.ann.sha256}"
    other = optional.curl(optional.ann, user=f"zoe:{secret['zoe']}")
    assert other.status == 401 and b"not those of one user" in other.body
    optional.reason("is ann's, and the authorization is zoe's")
    assert optional.curl(optional.ann, user="ann:wrong").status == 401
    # What the resource does not look at could be anybody's.
    assert optional.curl(optional.ann, resource="tokens", user=f"ann:{secret['ann']}").status == 401
    assert optional.curl(optional.ann, "--header", "authorization: Digest x").status == 401
    optional.reason("an authorization that this resource does not take")


def test_a_token_besides_a_certificate_keeps_its_limits(optional):
    token = optional.weir.command("token", "create", "--user", "ann", "--resource", "tokens").stdout.strip()
    here = optional.curl(optional.ann, "--oauth2-bearer", token, resource="tokens")
    elsewhere = optional.curl(optional.ann, "--oauth2-bearer", token)
    assert (here.status, elsewhere.status) == (200, 401)
    method = optional.opened("ann")["body"]["detail"]["method"]
    assert re.fullmatch(f"token [0-9a-z]{{12}}, certificate {optional.ann.sha256}", method)


# --- when it ends


def ended(scene: Scene, connection) -> None:
    with pytest.raises(psycopg.OperationalError):
        scene.weir.wait_for("the end of the session", lambda: connection.execute("select 1") and False)


def test_a_revoked_certificate_ends_its_sessions_and_opens_none(optional, connect):
    gone, other = (optional.authority.issue(name, f"URI:{ANN}") for name in ("gone", "other"))
    session, spared = optional.log_in(connect, "ann", gone), optional.log_in(connect, "ann", other)
    kept = HTTPSConnection(*optional.weir.address("crm"), context=optional.context(gone))
    kept.host = "localhost"
    assert answer(kept) == 200
    optional.revoke(gone)
    ended(optional, session)
    assert answer(kept) == 401, "the connection is that of before, its certificate is not good any more"
    assert spared.execute("select 1").fetchone() == (1,)
    optional.refused(connect, "ann", gone)
    optional.reason("Revoked", resource="customers")
    assert optional.curl(gone, check=False).status == 0
    optional.weir.wait_for("both ends", lambda: [
        record for record in optional.weir.trail(kind="session-ended", principal="ann") if record["body"]["status"] == "revoked"][1:])


def answer(connection: HTTPSConnection, path: str = "/crm/harmless") -> int:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_list_that_is_out_of_date_opens_nothing(upstream, api, connect, tmp_path):
    scene = Scene(tmp_path, upstream, api)
    with scene.weir:
        assert scene.log_in(connect, "ann", scene.ann).execute("select 1").fetchone() == (1,)
        scene.publish("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
        scene.refused(connect, "ann", scene.ann)
        scene.reason("revocation list", resource="customers")


def test_a_session_ends_when_its_certificate_expires(optional, connect):
    short = optional.authority.issue("short", f"URI:{BOB}", ends=timedelta(seconds=4))
    session = optional.log_in(connect, "bob", short)
    kept = HTTPSConnection(*optional.weir.address("crm"), context=optional.context(short))
    kept.host = "localhost"
    assert answer(kept) == 200
    of_session = {record["body"]["session"] for record in optional.weir.trail(kind="session-opened", principal="bob")
                  if record["body"]["detail"]["method"] == f"certificate {short.sha256}"}
    assert len(of_session) == 2
    optional.weir.wait_for("both ends", lambda: of_session <= {
        record["body"]["session"] for record in optional.weir.trail(kind="session-ended", principal="bob")
        if record["body"]["status"] == "revoked"})
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    assert answer(kept) == 401
    optional.refused(connect, "bob", short)


def test_a_name_that_is_taken_away_ends_the_session(upstream, api, connect, tmp_path):
    scene = Scene(tmp_path, upstream, api)
    with scene.weir:
        session, spared = scene.log_in(connect, "ann", scene.ann), scene.log_in(connect, "bob", scene.bob)
        assert session.execute("select 1").fetchone() == (1,)
        scene.change_users(f"uri:{ANN}", "uri:spiffe://example.org/ann-2")
        ended(scene, session)
        assert spared.execute("select 1").fetchone() == (1,)
        scene.refused(connect, "ann", scene.ann)
        renewed = scene.authority.issue("renewed", "URI:spiffe://example.org/ann-2")
        assert scene.log_in(connect, "ann", renewed).execute("select 1").fetchone() == (1,)


def test_another_authority_counts_as_soon_as_it_is_there(upstream, api, connect, tmp_path, stranger):
    scene = Scene(tmp_path, upstream, api, client_crl=None)
    newcomer = stranger.issue("newcomer", f"URI:{BOB}")
    with scene.weir:
        old = scene.log_in(connect, "ann", scene.ann)
        scene.refused(connect, "bob", newcomer)
        beside = scene.authority.file.with_suffix(".new")
        beside.write_bytes(stranger.file.read_bytes())
        beside.rename(scene.authority.file)
        scene.weir.wait_for("the new authority", lambda: scene.weir.trail(kind="config-applied")[1:])
        assert scene.log_in(connect, "bob", newcomer).execute("select 1").fetchone() == (1,)
        ended(scene, old)
        scene.refused(connect, "ann", scene.ann)


def test_a_connection_that_began_before_certificates_were_required_needs_one_too(upstream, api, tmp_path):
    scene = Scene(tmp_path, upstream, api)
    with scene.weir, httpx.Client(verify=scene.context(), headers={"authorization": scene.weir.basic("zoe")}) as client:
        assert client.get(scene.weir.url("crm", "/harmless")).status_code == 200
        text = scene.weir.config.read_text()
        beside = scene.weir.config.with_suffix(".new")
        key = f'"client_crl" = "{scene.crl}"'
        assert text.count(key) == 3
        text = text.replace(key, key + ', "client_certificates" = "required"')
        beside.write_text(text.replace('"required" = false', '"required" = true'))
        beside.rename(scene.weir.config)
        scene.weir.wait_for("the changed configuration", lambda: scene.weir.trail(kind="config-applied")[1:])
        assert client.get(scene.weir.url("crm", "/harmless")).status_code == 401


# --- resumption


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_is_whoever_began_it(upstream, api, tmp_path, version):
    scene = Scene(tmp_path, upstream, api)
    with scene.weir:
        context = scene.context(scene.ann)
        context.minimum_version = context.maximum_version = version
        first, session, _ = one_request(scene, context)
        assert first == 200 and scene.opened("ann")
        # From here on the client has Bob's certificate, and shows it only in a handshake of its own.
        context.load_cert_chain(scene.bob.certificate, scene.bob.key)
        assert one_request(scene, context, session)[::2] == (200, True)
        assert not scene.weir.trail(kind="session-opened", principal="bob")
        assert one_request(scene, context)[::2] == (200, False)
        assert len(scene.weir.trail(kind="session-opened", principal="bob")) == 1
        # Nor does it outlive what it stood for: after a new list there is nothing to resume.
        context.load_cert_chain(scene.ann.certificate, scene.ann.key)
        status, session, _ = one_request(scene, context)
        assert status == 200
        scene.revoke(scene.ann)
        with pytest.raises((ssl.SSLError, ConnectionError)):
            one_request(scene, context, session)


def one_request(scene: Scene, context: ssl.SSLContext, session=None):
    """Its status, a session to resume, and whether this was one."""
    with socket.create_connection(scene.weir.address("crm"), timeout=20) as plain, \
            context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
        tls.sendall(b"GET /crm/harmless HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        said = b""
        while part := tls.recv(1 << 16):
            said += part
        return int(said.split(b" ")[1]), tls.session, tls.session_reused


# --- what is wrong is told


def check(scene: Scene, **tls) -> str:
    scene.weir.prepare() if not scene.weir.folder else None
    scene.weir.resource = {"tls": scene.tls | tls}
    scene.weir.resources = []
    scene.weir.write_config()
    done = scene.weir.command("check", check=False)
    assert done.returncode == 64
    return done.stderr


def test_files_that_cannot_be_used_are_told_with_their_place(upstream, api, tmp_path):
    scene = Scene(tmp_path, upstream, api)
    try:
        text, key = tmp_path / "text.pem", str(scene.ann.key)
        text.write_text("nothing\n")
        for change, told in (
            ({"client_ca": str(text)}, "holds no certificate"),
            ({"client_ca": key}, "holds no certificate"),
            ({"client_crl": str(text)}, "holds no revocation list"),
            ({"client_crl": str(scene.own.certificate)}, "holds no revocation list"),
            ({"client_ca": str(tmp_path / "none.pem")}, "file-missing"),
        ):
            said = check(scene, **change)
            assert told in said and "weir.toml:" in said, said
    finally:
        scene.weir.stop()
