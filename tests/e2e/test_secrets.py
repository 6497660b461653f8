"""Secrets stay where they belong: in no log, trail, metric, answer, command line, file that others can read, or plugin."""

from __future__ import annotations

import base64
import os
import stat
import urllib.error
import urllib.request
from pathlib import Path

import psycopg
import pytest
from conftest import MASK
from recorder import Recorder
from weir import PEOPLE, Weir
from wire import SYNC, Refused, Wire, errors, extended

UPSTREAM_SECRET = "upstream-Zq7vX2-secret"
UPSTREAM_USER = "gateway_account"
NEW_SECRET = "new-role-Kp3wY9-secret"


@pytest.fixture(scope="module")
def account(server):
    """The gateway's own account at the upstream, with a password that occurs nowhere else."""
    server.sql(f"create role {UPSTREAM_USER} superuser login password '{UPSTREAM_SECRET}'")
    yield server.endpoint.at(user=UPSTREAM_USER, password=UPSTREAM_SECRET, database="customers")
    server.sql(f"drop role {UPSTREAM_USER}")


@pytest.fixture(scope="module")
def telling(account):
    """A gateway whose policy writes all it is given into the trail."""
    with Weir(account, pipeline=("postgres", "telltale"), default="deny", log_level="trace") as weir:
        yield weir


def secrets_of(weir: Weir) -> dict[str, bytes]:
    """What nobody may see, in each form in which it might get somewhere."""
    found = {"the upstream's password": UPSTREAM_SECRET.encode()}
    for user in weir.users:
        found[f"the password of {user.name}"] = user.secret.encode()
    for line in (weir.folder / "users.toml").read_text().splitlines():
        if "SCRAM-SHA-256$" in line:
            keys = line[line.index("$", line.index("SCRAM-SHA-256$") + 14) + 1:].strip("\"' ")
            for name, key in zip(("stored key", "server key"), keys.split(":")):
                found[f"a {name}: {key}"] = key.encode()
                found[f"a {name}, raw: {key}"] = base64.b64decode(key)
    found["the operator's token"] = (weir.state_folder / "admin.token").read_bytes().strip()
    for name, value in list(found.items()):
        found[f"{name} in hex"] = value.hex().encode()
        found[f"{name} in base64"] = base64.b64encode(value)
    return found


def search(weir: Weir, where: dict[str, bytes]) -> list[str]:
    return [f"{what} in {place}" for what, secret in secrets_of(weir).items()
            for place, content in where.items() if secret in content]


def files_of(weir: Weir) -> dict[str, bytes]:
    """Everything that is kept: state but the compiled plugins and the token itself, and the log."""
    kept = {str(file.relative_to(weir.folder)): file.read_bytes() for file in weir.state_folder.rglob("*")
            if file.is_file() and file.parent.name != "compiled" and file.name != "admin.token"}
    return kept | {"the log": weir.log.read_bytes()}


def test_there_are_verifiers_to_look_for(telling):
    assert sum("key" in name for name in secrets_of(telling)) >= 4 * len(PEOPLE)


def test_a_session_leaves_no_secret_anywhere(telling, connect):
    """Everything that a session touches, looked at while it lives and after."""
    with Recorder(telling.endpoint) as spy:
        connection = connect(spy.endpoint)
        connection.execute("select 1")
        connection.execute("select %s::text", ["a parameter"])
        with pytest.raises(psycopg.Error):
            connection.execute("select 1 / 0")
        said = {verb: answer(telling, *verb.split()) for verb in (
            "plugins", "plugins --json", "sessions list", "approvals list", "audit export", "check", "user list")}
        said["metrics"] = metrics(telling)
        said["the client's bytes"] = spy.received
        said |= {f"/proc/…/{name}": Path(f"/proc/{telling.process.pid}/{name}").read_bytes() for name in ("cmdline", "comm", "status")}
        assert search(telling, said) == []
        connection.close()
    telling.wait_for("the end of the session", lambda: telling.trail(kind="session-ended"))
    assert search(telling, files_of(telling)) == []


def answer(weir: Weir, *arguments: str) -> bytes:
    done = weir.command(*arguments)
    return (done.stdout + done.stderr).encode()


def metrics(weir: Weir) -> bytes:
    token = (weir.state_folder / "admin.token").read_text().strip()
    request = urllib.request.Request(f"http://127.0.0.1:{weir.admin_port}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5) as said:
        return said.read()


def test_what_a_plugin_sees(telling):
    """The telltale's tags hold the session and the operation, and no credential."""
    with Wire(telling.endpoint, application_name="telling") as wire:
        wire.ask_text("select 'seen by the telltale'")
    exported = answer(telling, "audit", "export")
    assert b"SessionInfo" in exported and b"seen by the telltale" in exported
    assert search(telling, {"what the plugin saw": exported}) == []
    # Nor whom the gateway is at the upstream.
    told = "".join(tag["value"] for record in telling.trail(kind="intent") for tag in record["payload"]["tags"])
    assert "SessionInfo" in told
    assert UPSTREAM_USER not in told


def test_wrong_passwords(telling):
    """What somebody types into the wrong prompt is a secret of some other place."""
    with Recorder(telling.endpoint) as spy:
        for endpoint in (spy.endpoint.at(password="typed-by-mistake-Hd83"), spy.endpoint.at(user="nobody", password="typed-by-mistake-Hd83")):
            with pytest.raises(Refused):
                Wire(endpoint)
        kept = files_of(telling) | {"the client's bytes": spy.received, "the trail": answer(telling, "audit", "export")}
    assert [place for place, content in kept.items() if b"typed-by-mistake" in content] == []
    assert search(telling, kept) == []


def test_a_wrong_operator_is_told_nothing(telling):
    for path in ("/metrics", "/v1/sessions", "/v1/plugins", "/v1/approvals"):
        request = urllib.request.Request(f"http://127.0.0.1:{telling.admin_port}{path}", headers={"Authorization": "Bearer guessed-Lm29"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        assert caught.value.code in (401, 403, 404)
        assert search(telling, {path: caught.value.read()}) == []
    assert b"guessed-Lm29" not in telling.log.read_bytes()


def test_an_upstream_that_does_not_let_the_gateway_in(account):
    """Its words are for the operator; the client gets neither the account nor the password."""
    with Weir(account.at(password="not-the-password-Tr5")) as weir:
        with pytest.raises(Refused) as caught:
            Wire(weir.endpoint)
        told = str(caught.value.message.fields).encode()
        assert UPSTREAM_USER.encode() not in told and b"not-the-password" not in told
        kept = files_of(weir) | {"the trail": answer(weir, "audit", "export")}
        assert [place for place, content in kept.items() if b"not-the-password" in content] == []


def test_only_the_owner_can_read_what_is_kept(telling):
    assert mode(telling.state_folder) == 0o700
    for file in telling.state_folder.rglob("*"):
        assert mode(file) == (0o700 if file.is_dir() else 0o600), file
    assert mode(telling.folder / "users.toml") == 0o600


def test_folders_it_makes_itself_are_the_owners(account, tmp_path):
    """Whatever the umask is."""
    state = tmp_path / "a/state"
    old = os.umask(0)
    try:
        weir = Weir(account, state=state)
        weir.bring_compiled = lambda: None
        with weir, Wire(weir.endpoint) as wire:
            wire.ask_text("select 1")
            assert mode(state) == 0o700
            for file in state.rglob("*"):
                assert mode(file) == (0o700 if file.is_dir() else 0o600), file
    finally:
        os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_users_file_has_no_password(telling):
    content = (telling.folder / "users.toml").read_bytes()
    assert [user.name for user in telling.users if user.secret.encode() in content] == []


# Secrets in statements ----------------------------------------------------------------------------------------

WITH_SECRET = [
    f"create role made_by_test password '{NEW_SECRET}'",
    f"create role made_by_test with login encrypted password E'{NEW_SECRET}' valid until 'infinity'",
    f"create role made_by_test password $${NEW_SECRET}$$",
    f"create user made_by_test password '{NEW_SECRET}'; alter role made_by_test password '{NEW_SECRET}'",
    f"alter role nobody_of_that_name password '{NEW_SECRET}'",
    f"create role made_by_test password '{NEW_SECRET}",
]
WITH_CONNECTION = [
    f"create subscription made_by_test connection 'host=nowhere password={NEW_SECRET}' publication p with (connect = false)",
    f"create server made_by_test foreign data wrapper nothing options (password '{NEW_SECRET}')",
    f"create user mapping for public server nothing options (user 'a', password '{NEW_SECRET}')",
]


@pytest.fixture(scope="module")
def allowing_all(account):
    """Everything is allowed, and the masker takes part."""
    with Weir(account, pipeline=("postgres", "allow", "pii-mask"), default="deny", log_level="debug",
              plugins={"pii-mask": {"settings": MASK}}) as weir:
        yield weir


@pytest.mark.parametrize("way", ["simple", "extended"])
@pytest.mark.parametrize("sql", WITH_SECRET + WITH_CONNECTION)
def test_a_password_in_a_statement_does_not_stay(allowing_all, sql, way):
    with Recorder(allowing_all.endpoint) as spy, Wire(spy.endpoint) as wire:
        wire.ask_text("begin")
        if way == "simple":
            wire.ask_text(sql)
        else:
            wire.ask(extended(sql), SYNC)
        wire.ask_text("rollback")
        kept = files_of(allowing_all) | {"the client's bytes": spy.received, "the trail": answer(allowing_all, "audit", "export")}
    assert [place for place, content in kept.items() if NEW_SECRET.encode() in content] == []


def test_a_role_made_through_the_gateway_has_that_password(allowing_all, server):
    """What is hidden in the trail reached the upstream whole."""
    with Wire(allowing_all.endpoint) as wire:
        assert errors(wire.ask_text(f"create role made_by_test login password '{NEW_SECRET}'")) == []
    try:
        with psycopg.connect(host=server.endpoint.host, port=server.endpoint.port, user="made_by_test", password=NEW_SECRET,
                             dbname="customers") as direct:
            assert direct.execute("select 1").fetchone() == (1,)
    finally:
        server.sql("drop role made_by_test")
    assert [place for place, content in files_of(allowing_all).items() if NEW_SECRET.encode() in content] == []


@pytest.fixture(scope="module")
def unmasked(account):
    """No masker: what is hidden is hidden by the trail itself."""
    with Weir(account, pipeline=("postgres", "allow"), default="deny") as weir:
        yield weir


@pytest.mark.parametrize("sql", WITH_SECRET[:-1] + WITH_CONNECTION)
def test_that_does_not_take_a_masker(unmasked, sql):
    before = len(answer(unmasked, "audit", "export"))
    with Wire(unmasked.endpoint) as wire:
        for each in ("begin", sql, "rollback"):
            wire.ask_text(each)
    told = answer(unmasked, "audit", "export")[before:]
    assert b"made_by_test" in told or b"nobody_of_that_name" in told or b"mapping" in told
    assert NEW_SECRET.encode() not in told
    kept = files_of(unmasked)
    assert NEW_SECRET.encode() not in kept["the log"]


def test_limit_a_word_that_only_looks_like_password(account):
    """Where PostgreSQL takes no password there is none: a misspelt statement is kept as it is."""
    with Weir(account, pipeline=("postgres", "allow", "pii-mask"), default="deny") as weir:
        with Wire(weir.endpoint) as wire:
            assert errors(wire.ask_text(f"create role made_by_test passwort '{NEW_SECRET}'")) != []
        assert NEW_SECRET.encode() in answer(weir, "audit", "export"), "so the tests above can fail"


def test_the_verifiers_of_the_upstream_are_for_policies_to_refuse(standard, connect):
    """pg_authid has no place in anybody's pipeline by default: what is read of it is hidden as a secret or refused."""
    weir = standard()
    with Recorder(weir.endpoint) as spy, Wire(spy.endpoint) as wire:
        for sql in ("select rolpassword from pg_authid", "select passwd from pg_shadow", "select rolname, rolpassword::text || '' as x from pg_authid",
                    "copy pg_authid to stdout"):
            wire.ask_text(sql)
        assert b"SCRAM-SHA-256$4096:" not in spy.received
