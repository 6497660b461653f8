"""No verdict, no forwarding: policies and maskers that cannot answer."""

from __future__ import annotations

import json

import psycopg
import pytest
import wire
from weir import PLUGINS, Weir
from wire import Wire, bind, errors, execute, parse, query, rows, tags

# Time enough for a call on a busy machine, and little enough for a test.
MOODY = {"limits": {"call_time": "400ms", "memory": "16MiB"}}


@pytest.fixture(scope="module")
def moody(upstream):
    """A policy and a masker that misbehave when told to."""
    with Weir(upstream, pipeline=("postgres", "moody", "moody-mask"), default="deny",
              plugins={"moody": MOODY, "moody-mask": MOODY}) as running:
        yield running


def record_of(weir: Weir, text: str, kind: str) -> dict:
    """The one record of this kind whose statement contains the text."""
    def found():
        return [each for each in weir.trail(kind=kind) if text in each.get("payload", {}).get("text", "")]
    (record,) = weir.wait_for(f"a record '{kind}' of {text}", found)
    return record


def goes_on(connection, mark: str) -> None:
    assert connection.execute(f"select '{mark}'").fetchall() == [(mark,)]


# --- policies that cannot answer


@pytest.mark.parametrize(("mood", "code"), [
    ("trap", "plugin-trap"), ("loop", "plugin-timeout"), ("late", "plugin-timeout"), ("eat", "plugin-memory"),
    ("overflow", "plugin-trap"), ("much", "plugin-"), ("score", "plugin-contract"), ("text", "plugin-"),
    ("ping-pong", "rewrite-loop"),
])
def test_policy_that_cannot_answer(moody, connect, reached, mark, mood, code):
    connection = connect(moody.endpoint)
    before, refused, after = mark(), mark(), mark()
    goes_on(connection, before)
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(f"/* moody: {mood} */ select '{refused}'")
    if code == "rewrite-loop":
        assert "rewrite" in caught.value.diag.message_primary
    else:
        assert caught.value.diag.message_primary == "the policy moody could not decide"
    assert caught.value.diag.message_hint.startswith(f"weir: {code}")
    goes_on(connection, after)
    assert reached(before) and reached(after) and not reached(refused)
    record = record_of(moody, refused, "refused")
    assert record["body"]["detail"]["by"] == ("policy" if code == "rewrite-loop" else "plugin")
    assert record["body"]["detail"]["refusal_code"].startswith(code)
    assert {"moody"} == {judge["plugin"] for judge in record["body"]["detail"]["judged_by"]} - {"postgres"}


def test_refusal_inside_a_transaction_fails_it(moody, connect, reached, mark):
    connection = connect(moody.endpoint, autocommit=False)
    refused, later = mark(), mark()
    connection.execute("create temp table kept (value text)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"/* moody: trap */ insert into kept values ('{refused}')")
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.INERROR
    with pytest.raises(psycopg.errors.InFailedSqlTransaction):
        connection.execute(f"select '{later}'")
    connection.rollback()
    goes_on(connection, mark())
    assert not reached(refused)


def test_open_failure_mode_opens_that_policy_and_is_told(gateway, connect, reached, mark):
    plugins = {"moody": MOODY | {"failure_mode": "open"}}
    weir = gateway(pipeline=("postgres", "moody", "sql-guard"), default="deny", plugins=plugins)
    connection = connect(weir.endpoint)
    passed, refused = mark(), mark()
    assert connection.execute(f"/* moody: trap */ select '{passed}'").fetchall() == [(passed,)]
    intent = record_of(weir, passed, "intent")
    detail = intent["body"]["detail"]
    assert {"name": "failure-mode-opened", "value": "moody"} in intent["payload"]["tags"] and "tags" not in detail
    assert "failed" in [judge["answer"] for judge in detail["judged_by"] if judge["plugin"] == "moody"]
    # The others are as closed as before.
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"/* moody: trap */ do $$ begin perform '{refused}'; end $$")
    assert reached(passed) and not reached(refused)


def test_two_policies_one_closed_one_open(gateway, connect, reached, mark):
    files = {"first": PLUGINS / "moody.wasm", "second": PLUGINS / "moody.wasm"}
    plugins = {"first": MOODY | {"failure_mode": "open"}, "second": MOODY}
    weir = gateway(pipeline=("postgres", "first", "second"), default="deny", files=files, plugins=plugins)
    connection, refused = connect(weir.endpoint), mark()
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(f"/* moody: trap */ select '{refused}'")
    assert "the policy second could not decide" == caught.value.diag.message_primary
    goes_on(connection, mark())
    assert not reached(refused)


def test_all_abstain_is_no(gateway, connect, reached, mark):
    weir = gateway(pipeline=("postgres", "moody"), default="deny", plugins={"moody": MOODY})
    connection, refused = connect(weir.endpoint), mark()
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(f"/* moody: abstain */ select '{refused}'")
    assert caught.value.diag.message_primary == "no policy allows this operation"
    assert not reached(refused)


def test_policy_file_is_taken_away_while_a_session_lives(gateway, connect, reached, mark):
    weir = gateway(pipeline=("postgres", "gate"), default="allow", files={"gate": PLUGINS / "allow.wasm"})
    connection = connect(weir.endpoint)
    goes_on(connection, mark())
    (weir.plugins_folder / "gate.wasm").unlink()
    weir.wait_for("the removal of the plugin", lambda: weir.trail(kind="plugin-removed"))
    refused, again = mark(), mark()
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(f"select '{refused}'")
    assert caught.value.diag.message_primary == "the policy gate could not decide"
    assert caught.value.diag.message_hint == "weir: plugin-missing"
    assert record_of(weir, refused, "refused")["body"]["detail"]["by"] == "plugin"
    loaded = len(weir.trail(kind="plugin-loaded"))
    weir.install("gate", PLUGINS / "allow.wasm")
    weir.wait_for("the plugin to come back", lambda: len(weir.trail(kind="plugin-loaded")) > loaded)
    goes_on(connection, again)
    assert reached(again) and not reached(refused)


def test_why_a_plugin_is_not_what_its_file_says(gateway, connect, mark):
    weir = gateway(pipeline=("postgres", "gate"), default="allow", files={"gate": PLUGINS / "allow.wasm"})

    def gate() -> dict:
        (plugin,) = [each for each in json.loads(weir.command("plugins", "--json").stdout) if each["name"] == "gate"]
        return plugin

    assert (gate()["state"], gate()["problem"]) == ("ready", None)
    nonsense = weir.folder / "nonsense"
    nonsense.write_bytes(b"nonsense")
    weir.install("gate", nonsense)
    weir.wait_for("the refusal", lambda: gate()["state"] == "kept")
    assert gate()["problem"] in weir.trail(kind="plugin-refused")[-1]["body"]["detail"]["reason"]
    goes_on(connect(weir.endpoint), mark())
    weir.install("gate", PLUGINS / "allow.wasm")
    weir.wait_for("the repair", lambda: (gate()["state"], gate()["problem"]) == ("ready", None))
    (weir.plugins_folder / "gate.wasm").unlink()
    weir.wait_for("the removal", lambda: gate()["state"] == "missing")
    assert gate()["problem"].startswith("its file is gone")
    weir.install("gate", PLUGINS / "allow.wasm")
    weir.wait_for("its return", lambda: (gate()["state"], gate()["problem"]) == ("ready", None))


def test_text_that_cannot_be_rewritten_is_refused_and_recorded(moody, reached, mark):
    refused, after = mark(), mark()
    with Wire(moody.endpoint) as client:
        copy = f"/* moody: rewrite */ copy pg_class from stdin /* {refused} */"
        said = client.ask(parse(copy), bind(), execute(), wire.SYNC)
        assert tags(said)[-2:] == "EZ" and errors(said)[0].text == "plugin postgres could not do its work"
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
    record = record_of(moody, refused, "refused")
    assert record["body"]["detail"]["by"] == "plugin"
    assert "rewrite" in [judge["answer"] for judge in record["body"]["detail"]["judged_by"]]
    assert not reached(refused)


def test_what_a_rewritten_statement_was_is_kept(moody, mark):
    before = mark()
    with Wire(moody.endpoint) as client:
        assert rows(client.ask_text(f"/* moody: rewrite */ select '{before}'")) == [("rewritten",)]
    (intent,) = [each for each in moody.trail(kind="intent") if before in each["payload"].get("original", "")]
    assert intent["payload"]["text"] == "select 'rewritten' -- by moody"


def test_rewritten_statement_is_what_runs_and_what_is_recorded(moody, connect, reached, mark):
    connection, original = connect(moody.endpoint), mark()
    assert connection.execute(f"/* moody: rewrite */ select '{original}'").fetchall() == [("rewritten",)]
    assert not reached(original)
    goes_on(connection, mark())


# --- maskers that cannot answer


def test_masker_file_is_taken_away_while_a_session_lives(gateway, connect, reached, mark):
    """Nothing can be recorded masked, so nothing runs; that is recorded without a text, and the session goes on."""
    weir = gateway(pipeline=("postgres", "pii-mask"), default="allow")
    connection = connect(weir.endpoint)
    goes_on(connection, mark())
    (weir.plugins_folder / "pii-mask.wasm").unlink()
    weir.wait_for("the removal of the plugin", lambda: weir.trail(kind="plugin-removed"))
    refused, again = mark(), mark()
    with pytest.raises(psycopg.errors.InsufficientPrivilege) as caught:
        connection.execute(f"select '{refused}'")
    assert caught.value.diag.message_hint == "weir: plugin-missing"
    (record,) = weir.wait_for("its record", lambda: weir.trail(kind="refused"))
    assert record["body"]["detail"]["by"] == "plugin" and record["payload"]["text"] == "[withheld: a masker failed]"
    assert refused not in weir.command("audit", "export").stdout
    loaded = len(weir.trail(kind="plugin-loaded"))
    weir.install("pii-mask", PLUGINS / "pii-mask.wasm")
    weir.wait_for("the plugin to come back", lambda: len(weir.trail(kind="plugin-loaded")) > loaded)
    goes_on(connection, again)
    assert reached(again) and not reached(refused)


@pytest.mark.parametrize("mood", ["trap", "loop", "eat", "fault", "range", "cell", "rule"])
def test_masker_that_cannot_answer_gives_no_row_away(moody, mark, mood):
    """The statement has run by then; not a byte of the result may pass."""
    secret = mark()
    with Wire(moody.endpoint) as client:
        client.ask_text("select 1")
        client.send(query(f"select '{secret}', 'moody: {mood}'"))
        said = client.until_closed()
    assert not [each for each in said if each.tag == "D"]
    assert not any(secret.encode() in each.body for each in said)
    (error,) = errors(said)
    assert error.fields["S"] == "FATAL"
    with Wire(moody.endpoint) as client:
        assert rows(client.ask_text("select 1")) == [("1",)]


def test_masker_that_cannot_plan_gives_no_row_away(moody, mark):
    secret = mark()
    with Wire(moody.endpoint) as client:
        client.send(query(f"select '{secret}' /* plan: trap */"))
        said = client.until_closed()
    assert not any(secret.encode() in each.body for each in said)
    assert errors(said)[0].fields["S"] == "FATAL"
