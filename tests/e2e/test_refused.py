"""No verdict, no forwarding; and what is inspected is what is executed."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import wire
from weir import PLUGINS, Weir
from wire import Wire, bind, describe, errors, execute, extended, parse, query, rows, tags

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
MIB = 1 << 20
# Time enough for a call on a busy machine, and little enough for a test.
MOODY = {"limits": {"call_time": "400ms", "memory": "16MiB"}}


@pytest.fixture(scope="module")
def moody(upstream):
    """A policy and a masker that misbehave when told to."""
    with Weir(upstream, pipeline=("postgres", "moody", "moody-mask"), default="deny",
              plugins={"moody": MOODY, "moody-mask": MOODY}) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(upstream):
    """sql-guard as it comes."""
    with Weir(upstream, pipeline=("postgres", "sql-guard"), default="deny",
              plugins={"sql-guard": {"settings": {"functions": ["pg_sleep"]}}}) as running:
        yield running


def record_of(weir: Weir, text: str, kind: str) -> dict:
    """The one record of this kind whose statement contains the text."""
    def found():
        return [each for each in weir.trail(kind=kind) if text in each.get("payload", {}).get("text", "")]
    (record,) = weir.wait_for(f"a record '{kind}' of {text}", found)
    return record


def session_of(weir: Weir, text: str) -> str:
    intents = [each for each in weir.trail(kind="intent") if text in each["payload"]["text"]]
    return intents[0]["body"]["session"]


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


# --- messages that are malformed or unknown


def framed(tag: bytes, length: int, body: bytes = b"") -> bytes:
    return tag + struct.pack("!I", length) + body


@pytest.mark.parametrize(("name", "garbage"), [
    ("unknown type", lambda text: wire.message("!", text)),
    ("unknown type NUL", lambda text: wire.message("\0", text)),
    ("a server's message", lambda text: wire.message("Z", text)),
    ("length below its own size", lambda text: framed(b"Q", 3) + text),
    ("length zero", lambda text: framed(b"Q", 0) + text),
    ("negative length", lambda text: framed(b"Q", 0xFFFFFFFF) + text),
    ("query without its end", lambda text: wire.message("Q", text)),
    ("query with something behind its end", lambda text: wire.message("Q", text + b"\0select 1")),
    ("query with two ends", lambda text: wire.message("Q", text + b"\0\0")),
    ("parse without its types", lambda text: wire.message("P", b"\0" + text + b"\0")),
    ("parse with fewer types than told", lambda text: wire.message("P", b"\0" + text + b"\0\0\7")),
    ("parse with something behind", lambda text: wire.message("P", b"\0" + text + b"\0\0\0x")),
    ("bind that ends early", lambda text: wire.message("B", b"\0\0\0")),
    ("bind of a value longer than the message", lambda text: wire.message("B", b"\0\0\0\0\0\1\0\0\1\0" + text)),
    ("execute without rows", lambda text: wire.message("E", b"\0")),
    ("describe of nothing", lambda text: wire.message("D", b"?" + text + b"\0")),
    ("a sync with a body", lambda text: wire.message("S", text)),
    ("password in the middle", lambda text: wire.message("p", text + b"\0")),
])
def test_malformed_message(guarded, reached, mark, name, garbage):
    """The session ends with the reason; nothing of the message, nor behind it, runs."""
    before, inside = mark(), mark()
    with Wire(guarded.endpoint) as client:
        client.ask_text(f"select '{before}'")
        client.send(garbage(f"select '{inside}'".encode()), wire.SYNC)
        said = client.until_closed()
    (error,) = said
    assert (error.fields["S"], error.sqlstate) == ("FATAL", "08P01"), name
    assert reached(before) and not reached(inside)
    with Wire(guarded.endpoint) as client:
        assert rows(client.ask_text("select 1")) == [("1",)]


def test_copy_messages_without_a_copy_run_nothing(guarded, mark, reached):
    inside = mark()
    with Wire(guarded.endpoint) as client:
        client.send(wire.message("d", f"select '{inside}'".encode()), wire.message("c"), query("select 1"))
        said = client.until_ready()
        assert rows(said) == [("1",)]
    assert not reached(inside)


def test_what_follows_a_fatal_message_is_not_looked_at(guarded, reached, mark):
    inside = mark()
    with Wire(guarded.endpoint) as client:
        client.send(wire.message("!", b"x"), query(f"select '{inside}'"))
        said = client.until_closed()
    (error,) = errors(said)
    assert error.fields["S"] == "FATAL" and error.sqlstate == "08P01"
    assert not reached(inside)


def test_a_text_that_is_not_utf8_is_refused(guarded, reached, mark):
    inside = mark()
    with Wire(guarded.endpoint) as client:
        said = client.ask(query(f"select '{inside}\xe9'".encode("latin-1")))
        assert errors(said) and not rows(said)
        assert rows(client.ask_text("select 1")) == [("1",)]
    assert not reached(inside)


# --- what is inspected is what is executed


def test_every_cut_of_a_conversation_means_the_same(guarded, server):
    """Simple and extended protocol, with a refusal in it, cut in two at every byte."""
    conversation = (query("select 1; select 2") + extended("select $1::text", "three") + wire.SYNC
                    + query("do $$ begin end $$") + parse("select 4", "s") + bind(statement="s") + execute() + wire.SYNC)
    expected = None
    with Wire(guarded.endpoint) as client:
        for cut in range(len(conversation)):
            client.send(conversation[:cut])
            client.send(conversation[cut:] + wire.message("C", b"Ss\0") + wire.SYNC)
            said = [each for each in client.until_ready(5) if each.tag not in "SN"]
            expected = expected or said
            assert said == expected, f"cut at {cut}"
    assert tags(expected) == "TDCTDCZ12TDCZEZ12DCZ3Z"


@pytest.mark.parametrize("how", ["--both", "--merge"])
def test_fragmented_conversation(guarded, connect, reached, mark, how):
    with subprocess.Popen([sys.executable, CLIENTS / "fragment.py", "--to", f"127.0.0.1:{guarded.port}", how],
                          stdout=subprocess.PIPE, text=True) as proxy:
        try:
            address = proxy.stdout.readline().split()[-1]
            connection = connect(guarded.endpoint.at(port=int(address.rsplit(":", 1)[1])))
            allowed, refused = mark(), mark()
            goes_on(connection, allowed)
            assert connection.execute("select %s::text || g from generate_series(1, 3) g", ["x"]).fetchall() == [
                ("x1",), ("x2",), ("x3",)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"do $$ begin perform '{refused}'; end $$")
            goes_on(connection, mark())
            assert reached(allowed) and not reached(refused)
            connection.close()
        finally:
            proxy.terminate()


def test_statement_behind_nine_mebibytes_of_comment(guarded, server, reached, mark):
    text, after = mark(), mark()
    server.sql("create table precious (id int)", "customers")
    with Wire(guarded.endpoint) as client:
        said = client.ask(query(b"/* " + b"x" * (9 * MIB) + f" */ drop table precious /* {text} */".encode()))
        (error,) = errors(said)
        assert error.sqlstate == "54000" and "max_operation_bytes" in error.text + error.fields.get("H", "")
        assert tags(said) == "EZ"
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
    assert reached(after) and not reached(text)
    assert server.sql("select count(*) from precious", "customers") == "0"
    server.sql("drop table precious", "customers")


def test_statement_of_64_mebibytes_costs_no_memory(guarded, reached, mark):
    text, after = mark(), mark()
    with Wire(guarded.endpoint) as client:
        said = client.ask(query(b"x" * (64 * MIB) + text.encode()))
        assert errors(said)[0].sqlstate == "54000"
        said = client.ask(parse("x" * (64 * MIB) + text), bind(), execute(), wire.SYNC)
        assert errors(said)[0].sqlstate == "54000" and tags(said) == "EZ"
        assert rows(client.ask_text(f"select '{after}'")) == [(after,)]
    assert reached(after) and not reached(text)
    peak = next(line for line in Path(f"/proc/{guarded.process.pid}/status").read_text().splitlines() if "VmHWM" in line)
    assert int(peak.split()[1]) < 512 * 1024, peak


def test_largest_statement_that_is_allowed(guarded, mark):
    text = mark()
    with Wire(guarded.endpoint) as client:
        filler = "x" * (8 * MIB - 1024)
        assert rows(client.ask_text(f"select '{text}' /* {filler} */")) == [(text,)]


def test_refused_statement_in_the_middle_of_a_batch(guarded, reached, mark):
    """As if the server had refused it: what is before runs, what is behind until Sync does not."""
    one, two, three, four = (mark() for _ in range(4))
    with Wire(guarded.endpoint) as client:
        client.send(extended(f"select '{one}'"), extended(f"do $$ begin perform '{two}'; end $$"),
                    extended(f"select '{three}'"), wire.SYNC, extended(f"select '{four}'"), wire.SYNC)
        said = client.until_ready(2)
        assert tags(said) == "12TDCEZ12TDCZ"
        assert rows(said) == [(one,), (four,)]
        assert errors(said)[0].sqlstate == "42501"
        assert [each.body for each in said if each.tag == "Z"] == [b"I", b"I"]
    assert reached(one) and reached(four) and not reached(two) and not reached(three)
    (refusal,) = [each for each in guarded.trail(kind="refused") if two in each["payload"]["text"]]
    assert refusal["body"]["detail"]["decision_code"] == "code-execution"


def test_refused_statement_in_a_batch_inside_a_transaction(guarded, mark):
    with Wire(guarded.endpoint) as client:
        client.ask_text("begin")
        said = client.ask(extended("select 1"), extended("do $$ begin end $$"), extended("select 2"), wire.SYNC)
        assert tags(said) == "12TDCEZ" and said[-1].body == b"E"
        assert errors(client.ask_text("select 1"))[0].sqlstate == "25P02"
        assert client.ask_text("rollback")[-1].body == b"I"


def test_writes_before_a_refusal_in_the_same_batch_are_undone_like_anywhere(guarded, server, mark):
    """A batch is one transaction; a refusal is an error like any."""
    value = mark()
    with Wire(guarded.endpoint) as client:
        insert = f"insert into customers (full_name, email, signup_date) values ('{value}', '{value}@example.com', now())"
        said = client.ask(extended(insert), extended("do $$ begin end $$"), wire.SYNC)
        assert tags(said) == "12nCEZ"
    assert server.sql(f"select count(*) from customers where full_name = '{value}'", "customers") == "0"


def test_pipeline_of_a_driver(guarded, connect, reached, mark):
    connection = connect(guarded.endpoint)
    one, two, three, four = (mark() for _ in range(4))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.pipeline() as pipeline:
        first = connection.execute(f"select '{one}'")
        connection.execute(f"do $$ begin perform '{two}'; end $$")
        connection.execute(f"select '{three}'")
        pipeline.sync()
    assert first.fetchall() == [(one,)]
    goes_on(connection, four)
    assert reached(one) and reached(four) and not reached(two) and not reached(three)


def test_simple_query_of_several_statements_is_refused_whole(guarded, connect, reached, mark):
    connection = connect(guarded.endpoint)
    one, two = mark(), mark()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"select '{one}'; do $$ begin perform '{two}'; end $$")
    goes_on(connection, mark())
    assert not reached(one) and not reached(two)


def test_prepared_statement_cannot_be_replaced_under_its_name(guarded, reached, mark):
    """A second Parse of a name fails at the server: the first is what runs, and what is judged."""
    one, two = mark(), mark()
    with Wire(guarded.endpoint) as client:
        assert tags(client.ask(parse(f"select '{one}'", "s"), wire.SYNC)) == "1Z"
        said = client.ask(parse(f"select '{two}'", "s"), bind(statement="s"), execute(), wire.SYNC)
        assert errors(said)[0].sqlstate == "42P05" and not rows(said)
        assert rows(client.ask(bind(statement="s"), execute(), wire.SYNC)) == [(one,)]
    session = session_of(guarded, one)

    def executed():
        outcomes = {each["body"]["operation"]: each["body"]["status"] for each in guarded.trail(kind="outcome", session=session)}
        return [(each["payload"]["text"], outcomes.get(each["body"]["operation"])) for each in
                guarded.trail(kind="intent", session=session) if each["body"]["detail"]["operation_kind"] == "sql.query"]

    expected = [(f"select '{two}'", "error"), (f"select '{one}'", "ok")]
    guarded.wait_for("both outcomes", lambda: None not in [status for _, status in executed()])
    assert executed() == expected
    assert not reached(f"execute s: select '{two}'")


def test_statement_changed_between_parse_and_execute(guarded, server, mark):
    """Held things hidden behind a name that was harmless when it was parsed."""
    value = mark()
    with Wire(guarded.endpoint) as client:
        client.ask(parse(f"select '{value}'", "s"), wire.SYNC)
        # Closed and prepared anew with something that is refused: the refusal, and then no statement at all.
        said = client.ask(wire.close("s"), parse("do $$ begin end $$", "s"), bind(statement="s"), execute(), wire.SYNC)
        assert errors(said)[0].sqlstate == "42501" and not rows(said)
        said = client.ask(bind(statement="s"), execute(), wire.SYNC)
        assert errors(said)[0].sqlstate == "26000"
        # The unnamed statement is replaced by each Parse; a refused one leaves nothing harmful behind.
        client.ask(parse(f"select '{value}'"), wire.SYNC)
        assert errors(client.ask(parse("do $$ begin end $$"), wire.SYNC))[0].sqlstate == "42501"
        said = client.ask(bind(), execute(), wire.SYNC)
        assert rows(said) in ([(value,)], [])
        assert rows(client.ask_text("select 1")) == [("1",)]


def test_portal_rebound_between_bind_and_execute(guarded, mark):
    one, two = mark(), mark()
    with Wire(guarded.endpoint) as client:
        client.ask(parse("select $1::text", "s"), wire.SYNC)
        client.ask_text("begin")
        said = client.ask(bind(one, portal="p", statement="s"), bind(two, portal="p", statement="s"), execute("p"), wire.SYNC)
        # 42P03 duplicate_cursor: the second Bind fails, and what is behind it is skipped.
        assert errors(said)[0].sqlstate == "42P03" and not rows(said)
        client.ask_text("rollback")
        said = client.ask(bind(one, statement="s"), bind(two, statement="s"), execute(), wire.SYNC)
        assert rows(said) == [(two,)]
    values = [[each["value"] for each in record["payload"].get("parameters", [])] for record in guarded.trail(kind="intent")]
    assert [two] in values, "what ran is what was recorded"


def test_execute_of_sql_level_prepare_is_what_was_prepared(guarded, connect, server, mark):
    connection, value = connect(guarded.endpoint), mark()
    connection.execute("prepare harmless as select 1")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"prepare evil as do $$ begin perform '{value}'; end $$")
    with pytest.raises(psycopg.Error):
        connection.execute("execute evil")
    assert connection.execute("execute harmless").fetchall() == [(1,)]


def test_rewritten_statement_is_what_runs_and_what_is_recorded(moody, connect, reached, mark):
    connection, original = connect(moody.endpoint), mark()
    assert connection.execute(f"/* moody: rewrite */ select '{original}'").fetchall() == [("rewritten",)]
    assert not reached(original)
    goes_on(connection, mark())


def test_function_call_message_of_an_unknown_function_is_refused(guarded, server):
    """FunctionCall needs no SQL text: it must not be a way around."""
    oid = int(server.sql("select oid from pg_proc where proname = 'pg_terminate_backend'"))
    with Wire(guarded.endpoint) as client:
        said = client.ask(wire.message("F", struct.pack("!IHHi1sH", oid, 0, 1, 1, b"1", 0)))
        assert errors(said)[0].sqlstate == "42501" and "function" in errors(said)[0].text and tags(said) == "EZ"
        assert rows(client.ask_text("select 1")) == [("1",)]
