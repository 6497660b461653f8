"""Tokens: made once, shown once, kept nowhere; they stand for their user, and end with their sessions."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path

import certificates
import psycopg
import pytest
from weir import Weir

FORM = re.compile(r"weir_([0-9a-z]{12})_([0-9A-Za-z]{43})")


@pytest.fixture(scope="module")
def weir(upstream):
    with Weir(upstream) as running:
        running.command("user", "add", "robot", "--kind", "service", "--group", "engineers", "--tokens", "--no-password")
        running.command("user", "add", "zoe", "--group", "engineers", "--tokens", "--password-stdin", input="zoe's own\n")
        text = running.config.with_name("users.toml").read_text()
        assert text.count("tokens = true") == 2
        running.wait_for("the new users", lambda: running.trail(kind="config-applied")[1:])
        yield running


def create(weir: Weir, user: str, *more: str) -> tuple[str, str]:
    """The ID and the text."""
    text = weir.command("token", "create", "--user", user, *more).stdout.strip()
    assert FORM.fullmatch(text), "the token alone is printed, so that $(weir token create) works"
    return FORM.fullmatch(text)[1], text


def log_in(connect, weir: Weir, user: str, password: str):
    return connect(weir.endpoint.at(user=user, password=password))


def refused(connect, weir: Weir, user: str, password: str) -> str:
    with pytest.raises(psycopg.OperationalError) as caught:
        log_in(connect, weir, user, password)
    return str(caught.value)


def state(weir: Weir, id: str) -> str:
    (token,) = [token for token in json.loads(weir.command("token", "list", "--json").stdout) if token["id"] == id]
    return token["state"]


def replace(file: Path, text: str) -> None:
    """At once: half of it would be another file."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_text(text)
    new.replace(file)


def reason(weir: Weir, text: str) -> None:
    """The trail says why somebody was not let in."""
    assert text in reasons(weir)


def reasons(weir: Weir) -> str:
    return "\n".join(record["payload"]["reason"] for record in weir.trail(kind="login-failed"))


def test_psql_comes_in_with_a_token_at_once(weir):
    id, token = create(weir, "robot", "--ttl", "30m", "--note", "nightly import")
    environment = weir.endpoint.at(user="robot", password=token).environment()
    done = subprocess.run(["psql", "-XAtc", "select 'in'"], env=os.environ | environment, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr) == ("in\n", "")
    (made,) = [record for record in weir.trail(kind="token-created") if record["body"]["detail"]["token"] == id]
    assert (made["body"]["principal"], made["payload"]["note"]) == ("robot", "nightly import")
    opened = weir.trail(kind="session-opened", principal="robot")[-1]
    assert opened["body"]["detail"]["method"] == f"token {id}"
    assert {"name": "token-id", "value": id} in opened["payload"]["attributes"]
    assert opened["body"]["seq"] > made["body"]["seq"]
    assert state(weir, id) == "good"


def test_who_has_both_may_show_either(weir, connect):
    _, token = create(weir, "zoe")
    for password, method in ((token, "token"), ("zoe's own", "password")):
        assert log_in(connect, weir, "zoe", password).execute("select 1").fetchone() == (1,)
        assert weir.trail(kind="session-opened", principal="zoe")[-1]["body"]["detail"]["method"].startswith(method)
    refused(connect, weir, "zoe", "zoe's other")


def test_without_the_setting_scram_stays(weir, connect):
    done = weir.command("token", "create", "--user", "ann")
    assert "tokens = true" in done.stderr
    refused(connect, weir, "ann", done.stdout.strip())
    assert log_in(connect, weir, "ann", weir.endpoint.password).execute("select 1").fetchone() == (1,)
    assert weir.trail(kind="session-opened", principal="ann")[-1]["body"]["detail"]["method"] == "scram-sha-256"


def test_revoking_ends_the_live_session_and_only_that(weir, connect):
    id, token = create(weir, "robot")
    _, other = create(weir, "robot")
    session, spared = log_in(connect, weir, "robot", token), log_in(connect, weir, "robot", other)
    assert session.execute("select 1").fetchone() == (1,)
    assert f"revoked token {id} of robot" in weir.command("token", "revoke", id).stdout
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    assert spared.execute("select 1").fetchone() == (1,)
    refused(connect, weir, "robot", token)
    reason(weir, f"token {id}: it has been revoked")
    (revoked,) = [record for record in weir.trail(kind="token-revoked") if record["body"]["detail"]["token"] == id]
    assert (revoked["body"]["principal"], revoked["body"]["detail"]["how"]) == ("robot", "revoked")
    ended = weir.wait_for("the session's end", lambda: [
        record for record in weir.trail(kind="session-ended", principal="robot") if record["body"]["status"] == "revoked"])
    assert len(ended) == 1
    assert state(weir, id) == "revoked"


def test_what_is_taken_out_of_the_file_is_revoked(weir, connect):
    id, token = create(weir, "robot")
    session = log_in(connect, weir, "robot", token)
    file = weir.state_folder / "tokens.toml"
    head, *tables = file.read_text().split("[[token]]\n")
    replace(file, "[[token]]\n".join([head] + [table for table in tables if id not in table]))
    weir.wait_for("the record", lambda: [
        record for record in weir.trail(kind="token-revoked")
        if (record["body"]["detail"]["token"], record["body"]["detail"]["how"]) == (id, "removed")])
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    refused(connect, weir, "robot", token)


def test_an_expired_token_ends_its_session_and_opens_none(weir, connect):
    id, token = create(weir, "robot", "--ttl", "2s")
    session = log_in(connect, weir, "robot", token)
    weir.wait_for("the end of the session", lambda: [
        record for record in weir.trail(kind="session-ended", principal="robot")
        if record["body"]["session"] == weir.trail(kind="session-opened", principal="robot")[-1]["body"]["session"]])
    with pytest.raises(psycopg.OperationalError):
        session.execute("select 1")
    refused(connect, weir, "robot", token)
    reason(weir, f"token {id}: it has expired")
    assert state(weir, id) == "expired"


def test_a_wrong_secret_a_wrong_user_and_a_wrong_place(weir, connect):
    id, token = create(weir, "robot")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    told = {refused(connect, weir, "robot", wrong).split("FATAL")[1]}
    reason(weir, f"token {id}: its secret is wrong")
    refused(connect, weir, "zoe", token)
    reason(weir, f"token {id}: it is another user's")
    told.add(refused(connect, weir, "robot", "weir_" + "0" * 12 + "_" + "0" * 43).split("FATAL")[1])
    reason(weir, "token 000000000000: there is no such token")
    told.add(refused(connect, weir, "robot", "no token at all").split("FATAL")[1])
    assert len(told) == 1, "clients can tell why"
    _, here = create(weir, "robot", "--resource", "customers")
    assert log_in(connect, weir, "robot", here).execute("select 1").fetchone() == (1,)


def test_a_token_of_one_resource_does_not_open_another(weir, connect):
    """The resource is renamed, for there is one in this configuration."""
    id, token = create(weir, "robot", "--resource", "customers")
    file = weir.state_folder / "tokens.toml"
    tables = file.read_text().split("[[token]]\n")
    replace(file, "[[token]]\n".join(table.replace('"customers"', '"payroll"') if id in table else table for table in tables))
    told = f"token {id}: it is not for this resource"
    # Before it has read the file it may say something else.
    weir.wait_for("the change", lambda: "FATAL" in attempt(connect, weir, token) and told in reasons(weir))


def attempt(connect, weir: Weir, token: str) -> str:
    try:
        log_in(connect, weir, "robot", token).close()
        return ""
    except psycopg.OperationalError as error:
        return str(error)


def test_search_finds_tokens_and_whoever_failed_with_a_name(weir, connect):
    def found(*arguments: str) -> list[dict]:
        return [json.loads(line)["body"] for line in weir.command("audit", "search", "--json", *arguments).stdout.splitlines()]

    refused(connect, weir, "mallory", "x")
    assert [body["kind"] for body in found("--user", "mallory")] == ["login-failed"]
    assert found("--user", "nobody-at-all") == []
    assert weir.command("audit", "search", "--user", "nobody-at-all").stdout == "no records\n"
    id, _ = create(weir, "robot")
    assert found("--kind", "token-created", "--user", "robot")[-1]["detail"]["token"] == id
    for arguments, there in ((("--verdict", "denied"), "deny"), (("--status", "success"), "ok"), (("--kind", "token"), "token-created")):
        done = weir.command("audit", "search", *arguments, check=False)
        assert (done.returncode, done.stdout) == (1, "") and arguments[1] in done.stderr and there in done.stderr


@pytest.mark.parametrize("arguments, said", [
    (("--user", "nobody"), "there is no user `nobody`"),
    (("--user", "robot", "--resource", "elsewhere"), "there is no resource `elsewhere`; there are `customers`"),
    (("--user", "robot", "--ttl", "91d"), "at most `90d`"),
    (("--user", "robot", "--ttl", "0s"), "at least `1s`"),
    (("--user", "robot", "--ttl", "soon"), "`soon` is no length of time"),
])
def test_what_cannot_be_a_token(weir, arguments, said):
    before = (weir.state_folder / "tokens.toml").read_bytes()
    done = weir.command("token", "create", *arguments, check=False)
    assert (done.returncode, done.stdout) == (1, "") and said in done.stderr
    assert (weir.state_folder / "tokens.toml").read_bytes() == before


def test_a_password_in_clear_needs_tls_or_this_machine(upstream, tmp_path, connect):
    """Elsewhere than on this machine, TLS carries it; a client without TLS is not asked."""
    made = certificates.make(tmp_path)
    tls = {"certificate": str(made.certificate), "key": str(made.key)}
    with Weir(upstream, resource={"tls": tls}) as weir:
        weir.command("user", "add", "robot", "--group", "engineers", "--tokens", "--no-password")
        weir.wait_for("the new user", lambda: weir.trail(kind="config-applied")[1:])
        _, token = create(weir, "robot")
        endpoint = weir.endpoint.at(user="robot", password=token, host="localhost", sslmode="verify-full")
        connection = connect(endpoint, sslrootcert=str(made.authority))
        assert connection.pgconn.ssl_in_use and connection.execute("select 1").fetchone() == (1,)


def test_made_and_revoked_while_the_gateway_is_down(upstream, connect):
    with Weir(upstream) as weir:
        weir.command("user", "add", "robot", "--group", "engineers", "--tokens", "--no-password")
        early, first = create(weir, "robot")
        weir.stop_process()
        done = weir.command("token", "create", "--user", "robot")
        assert "the gateway does not run" in done.stderr
        second = done.stdout.strip()
        weir.command("token", "revoke", early)
        weir.start()
        assert log_in(connect, weir, "robot", second).execute("select 1").fetchone() == (1,)
        refused(connect, weir, "robot", first)
        weir.stop_process()
        weir.start()
        words = [(record["body"]["kind"], record["body"]["detail"]["token"]) for record in weir.trail()
                 if record["body"]["kind"].startswith("token-")]
        later = FORM.fullmatch(second)[1]
        assert words == [("token-created", early), ("token-revoked", early), ("token-created", later)] or \
            words == [("token-created", early), ("token-created", later), ("token-revoked", early)], "each is recorded once"
        assert weir.command("audit", "verify").stdout.startswith("the trail is whole")


def test_the_secret_is_in_no_file(weir, connect):
    """Not when it is made, not when it is used, rightly or wrongly, not even when somebody writes it into a statement."""
    id, token = create(weir, "robot")
    session = log_in(connect, weir, "robot", token)
    assert session.execute(f"select '{token}' || ''").fetchone() == (token,)
    session.close()
    refused(connect, weir, "zoe", token)
    refused(connect, weir, "ann", token)
    refused(connect, weir, token, "x")
    weir.command("token", "revoke", id)
    refused(connect, weir, "robot", token)
    secret = FORM.fullmatch(token)[2].encode()
    files = [file for file in weir.folder.rglob("*") if file.is_file()]
    files += [file for file in weir.state_folder.rglob("*") if file.is_file()]
    assert weir.log in files and weir.state_folder / "audit.db" in files
    assert [str(file) for file in files if secret in file.read_bytes()] == []
    kept = weir.state_folder / "tokens.toml"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert id.encode() in kept.read_bytes()


def add(weir: Weir, user: str) -> None:
    applied = len(weir.trail(kind="config-applied"))
    weir.command("user", "add", user, "--group", "engineers", "--tokens", "--password-stdin", input="their own\n")
    weir.wait_for("the user", lambda: len(weir.trail(kind="config-applied")) > applied)


def without(text: str, user: str) -> str:
    head, *tables = text.split("[[user]]\n")
    kept = [table for table in tables if f'name = "{user}"' not in table]
    assert len(kept) == len(tables) - 1
    return "[[user]]\n".join([head, *kept])


def test_who_is_removed_loses_tokens_for_good(weir, connect):
    add(weir, "bob")
    id, token = create(weir, "bob")
    assert log_in(connect, weir, "bob", token).execute("select 1").fetchone() == (1,)
    applied = len(weir.trail(kind="config-applied"))
    done = weir.command("user", "remove", "bob")
    assert f"revoked token {id} of bob" in done.stdout and state(weir, id) == "revoked"
    weir.wait_for("the removal", lambda: len(weir.trail(kind="config-applied")) > applied)
    add(weir, "bob")
    refused(connect, weir, "bob", token)
    reason(weir, f"token {id}: it has been revoked")
    _, new = create(weir, "bob")
    assert log_in(connect, weir, "bob", new).execute("select 1").fetchone() == (1,)


def test_who_is_taken_out_by_hand_loses_tokens_for_good(weir, connect):
    add(weir, "carl")
    id, token = create(weir, "carl")
    _, spared = create(weir, "robot")
    users = weir.config.with_name("users.toml")
    text = users.read_text()
    users.write_text(without(text, "carl"))
    weir.wait_for("the revocation", lambda: [
        record for record in weir.trail(kind="token-revoked") if record["body"]["detail"]["token"] == id])
    applied = len(weir.trail(kind="config-applied"))
    users.write_text(text)
    weir.wait_for("the users", lambda: len(weir.trail(kind="config-applied")) > applied)
    refused(connect, weir, "carl", token)
    reason(weir, f"token {id}: it has been revoked")
    assert log_in(connect, weir, "robot", spared).execute("select 1").fetchone() == (1,)


def test_who_is_taken_out_while_the_gateway_stands_still_loses_tokens_too(upstream, connect):
    with Weir(upstream) as weir:
        add(weir, "dan")
        add(weir, "eva")
        (by_hand, first), (by_command, second) = create(weir, "dan"), create(weir, "eva")
        weir.stop_process()
        users = weir.config.with_name("users.toml")
        users.write_text(without(users.read_text(), "dan"))
        weir.command("user", "add", "dan", "--group", "engineers", "--tokens", "--password-stdin", input="new here\n")
        assert "revoked" in weir.command("user", "remove", "eva").stdout
        assert state(weir, by_hand) == state(weir, by_command) == "revoked"
        weir.start()
        refused(connect, weir, "dan", first)
        assert len(weir.trail(kind="token-revoked")) == 2
