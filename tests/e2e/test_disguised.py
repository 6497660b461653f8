"""What calls functions is judged for it, however it is written, and whatever else the statement does."""

from __future__ import annotations

import psycopg
import pytest
from wire import SYNC, Wire, bind, errors, execute, parse, rows

HELD = {"limits": {"approval_timeout": "1s"}}


@pytest.fixture
def ran(server, mark):
    """A function that writes its mark down: its name, and how often it ran."""
    name = f"ran_{mark()[5:21]}"
    server.sql(f"""create table {name} (at timestamptz);
        create function {name}(text) returns int language plpgsql volatile as
            $$begin insert into public.{name} values (now()); return 1; end$$;
        create function {name}() returns int language plpgsql stable as
            $$declare r int; begin select public.{name}('') into r; return r; end$$""", "customers")
    yield name, lambda: int(server.sql(f"select count(*) from {name}", "customers"))
    server.sql(f"drop function {name}(text); drop function {name}(); drop table {name}", "customers")


def test_a_call_written_as_a_column_of_a_function_is_refused(standard, connect, ran):
    name, times = ran
    connection = connect(standard().endpoint)
    for text in (f"select lower.{name} from lower('a')", f"select btrim.{name} from trim('a')",
                 f"select lower.{name} from rows from (lower('a'))",
                 f"select x.{name} from lower('a') x, lower('b') as y({name})"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(text)
    assert connection.execute("select generate_series.generate_series from generate_series(1, 2)").fetchall() == [(1,), (2,)]
    assert times() == 0


def test_what_is_denied_is_denied_within_what_is_allowed(standard, connect, ran):
    name, times = ran
    connection = connect(standard(guard={"allow": ["schema-change"]}).endpoint)
    for text in (f"create temp table t as select {name}('a')", f"select {name}('a') as x into temp u",
                 f"explain analyze create temp table v as select {name}('a')"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(text)
    connection.execute("create temp table w as select 1 as one")
    assert times() == 0


def test_a_bind_does_not_run_the_function_that_waits(standard, ran):
    name, times = ran
    weir = standard(guard={"hold": ["function-call"]}, sections=HELD)
    with Wire(weir.endpoint) as client:
        assert errors(client.ask(parse(f"select id from orders where id = {name}()") + bind() + SYNC))[0].sqlstate == "42501"
        assert times() == 0
        # One that calls nothing is bound, and runs, without anybody.
        assert not errors(client.ask(parse("select 7", "s") + bind(portal="", statement="s") + SYNC))
        assert rows(client.ask(bind(statement="s") + execute() + SYNC)) == [("7",)]


def test_a_bind_does_not_change_what_is_protected(gateway, ran):
    name, times = ran
    protect = [{"kinds": ["sql.*"], "objects": [f"public.{name}"]}]
    weir = gateway(pipeline=("postgres", "change-guard"), default="allow", sections=HELD,
                   plugins={"change-guard": {"settings": {"protect": protect}}})
    with Wire(weir.endpoint) as client:
        assert errors(client.ask(parse(f"select id from orders where id = {name}()") + bind() + SYNC))[0].sqlstate == "42501"
        assert times() == 0


def test_bulk_changes_written_as_an_insert_wait(standard, connect, server):
    connection = connect(standard(sections=HELD).endpoint)
    before = server.sql("select sum(balance) from customers", "customers")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("insert into customers (id, full_name, email, signup_date) select g, 'x', 'a@b.de', now() "
                           "from generate_series(1, 400) g on conflict (id) do update set balance = 7")
    assert server.sql("select sum(balance) from customers", "customers") == before


@pytest.mark.parametrize("where", [
    "id = nextval('customers_id_seq')",
    "id = any (array_positions(array_fill(1, array[100000]), 1))",
])
def test_a_table_walked_by_what_looks_like_a_value_waits(standard, connect, server, where):
    connection = connect(standard(sections=HELD).endpoint)
    before = server.sql("select sum(balance) from customers", "customers")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"update customers set balance = 7 where {where}")
    assert server.sql("select sum(balance) from customers", "customers") == before


def test_a_definition_does_not_hide_a_file(standard, connect, ran):
    name, _ = ran
    connection = connect(standard(guard={"allow": ["schema-change"]}).endpoint)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"alter table {name} add column z text default ('/etc/hostname'::text).pg_read_file")
    connection.execute(f"alter table {name} add column z text default ('a'::text)")


def test_a_number_that_switches_something_is_no_other_number(standard, connect, server):
    """The same text with another number is often known already; here the number says whether the DELETE runs."""
    connection = connect(standard(sections=HELD).endpoint)
    before = server.sql("select count(*) from orders", "customers")
    for what in ("delete from orders", "with gone as (delete from orders returning id) select id from gone"):
        connection.execute(f"explain (analyze 0) {what}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"explain (analyze 1) {what}")
    assert server.sql("select count(*) from orders", "customers") == before
