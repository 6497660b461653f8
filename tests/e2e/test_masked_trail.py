"""Masked means masked, in the trail: no protected value that a client sends stays in it, nor in the log or a reviewer's list."""

from __future__ import annotations

import struct
import threading

import leaks
import psycopg
import pytest
from masked import apart, everything_kept, kept, spy, weir
from ways import BINARY, TEXT, bind
from wire import SYNC, Wire, errors, execute, parse

STATEMENTS = [
    "select id from customers where email = 'canary.wren7@leak.example'",
    "select id from customers where full_name = 'Canary Quetzalcoatl' or ssn = '778-07-7007'",
    "select id from customers where notes = $x$canary-note-7f3a9c$x$ or notes = E'canary\\055note-7f3a9c: '",
    "select id from customers -- Canary Quetzalcoatl\n where phone = '+49 151 70017007' /* 4929770077007704 */",
    "select id from customers where card_number = '4929770077007704' or iban = 'DE83370400440770077007'",
    "select id from employees where salary = 77007.70 or salary > 77007.7",
    "select id from api_keys where secret = 'sk_live_canary7f3a9c7f3a9c7f3a9c'",
    "select id from customers where ip = '203.0.113.77'",
    "insert into customers (full_name, email, ssn, signup_date) values ('Canary Quetzalcoatl', 'canary.wren7@leak.example', '778-07-7007', 'x')",
    "update customers set full_name = 'Canary Quetzalcoatl' where id = 9001",
    "select 'Canary Quetzalcoatl' as full_name from customers limit 1",
    "prepare p as select id from customers where full_name = 'Canary Quetzalcoatl'; execute p; deallocate p",
    "prepare p (text) as select id from customers where full_name = $1; execute p('Canary Quetzalcoatl'); deallocate p",
    "declare c cursor with hold for select id from customers where full_name = 'Canary Quetzalcoatl'; close c",
    "create table x as select * from customers where full_name = 'Canary Quetzalcoatl'",
    "do $$ begin perform * from customers where full_name = 'Canary Quetzalcoatl'; end $$",
    "select id from customers where full_name = 'Canary Quetzalcoatl' and",
    "selectt full_name from customers where ssn = '778-07-7007'",
    "copy (select id from customers where full_name = 'Canary Quetzalcoatl') to stdout",
    "set application_name = 'canary.wren7@leak.example'",
]

PARAMETERS = [
    ("select id from customers where email = $1", "canary.wren7@leak.example", 25),
    ("select id from customers where full_name = $1", "Canary Quetzalcoatl", 25),
    ("select id from customers where full_name = $1", "Canary Quetzalcoatl", 0),
    ("select id from customers where notes like $1", "canary-note-7f3a9c%", 25),
    ("select id from customers where ssn = any($1)", "{778-07-7007}", 1009),
    ("select id from customers where ip = $1", "203.0.113.77", 869),
    ("select id from customers where to_jsonb(full_name) = $1", '"Canary Quetzalcoatl"', 3802),
    ("select id from api_keys where secret = $1", "sk_live_canary7f3a9c7f3a9c7f3a9c", 0),
    ("insert into customers (full_name, email, signup_date) values ($1, 'x', 'x')", "Canary Quetzalcoatl", 0),
    ("select id from employees where salary = $1", "77007.70", 1700),
    ("select id from employees where salary = $1", "77007.70", 701),
    ("update customers set notes = $1 where id = 9001 and false", "canary-note-7f3a9c", 0),
]


@pytest.mark.parametrize("sql", STATEMENTS)
def test_a_literal_does_not_stay_in_the_trail(weir, kept, sql):
    with Wire(weir.endpoint) as wire:
        wire.ask_text(sql)
        wire.ask(parse(sql), bind(TEXT), execute(), SYNC)


@pytest.mark.parametrize("sql", [
    "select id from customers where full_name = 'Canary Quetzalcoatl' or ssn = '778-07-7007'",
    "select 1 where 'canary.wren7@leak.example' <> '4929770077007704'",
])
def test_what_execute_runs_does_not_stay_in_the_trail(weir, kept, sql):
    with Wire(weir.endpoint) as wire:
        wire.ask(parse(sql, "kept"), SYNC)
        wire.ask_text("execute kept")
    intents = weir.wait_for("its record", lambda: [each for each in weir.trail(kind="intent") if each["payload"]["text"] == "execute kept"])
    runs = {each["name"]: each["value"] for each in intents[-1]["payload"]["attributes"]}["sql-executes"]
    assert runs.startswith(sql[:12]) and runs != sql


@pytest.mark.parametrize("sql, value, oid", PARAMETERS)
def test_a_bound_value_does_not_stay_in_the_trail(weir, kept, sql, value, oid):
    with Wire(weir.endpoint) as wire:
        wire.ask(parse(sql, "s", (oid,)), bind(TEXT, "s", "", value.encode()), execute(), SYNC)
        if binary := in_binary(value, oid):
            wire.ask(bind(BINARY, "s", "", binary), execute(), SYNC)


def in_binary(value: str, oid: int) -> bytes | None:
    if oid in (0, 25):
        return value.encode()
    return {701: struct.pack("!d", 77007.7), 1700: struct.pack("!hhHhhhh", 3, 1, 0, 2, 7, 7007, 7000),
            3802: b"\1" + value.encode(), 869: b"\2\x20\0\4" + bytes([203, 0, 113, 77])}.get(oid)


@pytest.mark.parametrize("executes", ["execute asked('Canary Quetzalcoatl')", "explain analyze execute asked('Canary Quetzalcoatl')",
                                      "begin; execute asked('Canary Quetzalcoatl'); commit"])
def test_a_literal_given_to_a_statement_prepared_before_does_not_stay_in_the_trail(weir, kept, executes):
    """The message with the literal names nothing that is protected."""
    with Wire(weir.endpoint) as wire:
        assert errors(wire.ask_text("prepare asked (text) as select id from customers where full_name = $1")) == []
        assert errors(wire.ask_text(executes)) == []
        wire.ask(parse(executes), bind(TEXT), execute(), SYNC)


def test_what_a_statement_says_of_itself_does_not_stay_in_the_trail(weir, kept):
    with Wire(weir.endpoint) as wire:
        wire.ask_text("select 1 /* user='canary.wren7%40leak.example',card='4929770077007704' */")


def test_copied_in_rows_do_not_stay_in_the_trail(weir, kept, connect):
    connection = connect(weir.endpoint, autocommit=False)
    with connection.cursor().copy("copy customers (full_name, email, ssn, signup_date) from stdin") as copy:
        copy.write_row(["Canary Quetzalcoatl", "another@leak.example", "778-07-7007", "2024-01-01"])
    connection.rollback()
    with pytest.raises(psycopg.Error), connection.cursor().copy("copy customers (full_name, email, signup_date) from stdin") as copy:
        copy.write_row(["Canary Quetzalcoatl", "canary.wren7@leak.example", "2024-01-01"])


def test_what_a_reviewer_sees(weir, kept, connect, spy):
    """A held operation: neither the reviewer's screen nor the waiting client's notice tells protected values."""
    sql = "update customers set notes = 'canary-note-7f3a9c', full_name = %s"
    failed = []

    def hold() -> None:
        try:
            connect(spy.endpoint).execute(sql, ["Canary Quetzalcoatl"])
        except psycopg.Error as error:
            failed.append(error)

    waiting = threading.Thread(target=hold)
    waiting.start()

    def held():
        return weir.as_person("lea", "approvals", "list").stdout

    request = weir.wait_for("the request", lambda: first_id(held()))
    listed, shown = held(), weir.as_person("lea", "approvals", "show", request).stdout
    weir.as_person("lea", "approvals", "deny", request)
    waiting.join(20)
    assert "update customers" in shown
    assert leaks.found_in((listed + shown).encode()) == []
    assert len(failed) == 1


def first_id(listed: str) -> str | None:
    lines = [line for line in listed.splitlines() if "customers" in line]
    return lines[0].split()[0] if lines else None


def test_what_a_client_says_of_itself_is_kept_masked(apart):
    with Wire(apart.endpoint, application_name="canary.wren7@leak.example") as wire:
        wire.ask_text("select 1")
    assert leaks.found_in(everything_kept(apart)) == []


# Last: everything of the above in one heap ---------------------------------------------------------------------

def test_nothing_of_all_this_is_in_the_trail_or_the_log(weir):
    kept = everything_kept(weir)
    assert b"customers" in kept
    assert leaks.found_in(kept) == []
