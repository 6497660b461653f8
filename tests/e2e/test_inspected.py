"""What is inspected is what is executed: messages that are none, in pieces, large, many at once, and changed on the way."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import wire
from weir import Weir
from wire import Wire, bind, errors, execute, extended, parse, query, rows, tags

CLIENTS = Path(__file__).resolve().parents[1] / "clients"
MIB = 1 << 20


@pytest.fixture(scope="module")
def guarded(upstream):
    """sql-guard as it comes."""
    with Weir(upstream, pipeline=("postgres", "sql-guard"), default="deny",
              plugins={"sql-guard": {"settings": {"functions": ["pg_sleep"]}}}) as running:
        yield running


def session_of(weir: Weir, text: str) -> str:
    intents = [each for each in weir.trail(kind="intent") if text in each["payload"]["text"]]
    return intents[0]["body"]["session"]


def goes_on(connection, mark: str) -> None:
    assert connection.execute(f"select '{mark}'").fetchall() == [(mark,)]


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


def test_function_call_message_of_an_unknown_function_is_refused(guarded, server):
    """FunctionCall needs no SQL text: it must not be a way around."""
    oid = int(server.sql("select oid from pg_proc where proname = 'pg_terminate_backend'"))
    with Wire(guarded.endpoint) as client:
        said = client.ask(wire.message("F", struct.pack("!IHHi1sH", oid, 0, 1, 1, b"1", 0)))
        assert errors(said)[0].sqlstate == "42501" and "function" in errors(said)[0].text and tags(said) == "EZ"
        assert rows(client.ask_text("select 1")) == [("1",)]
