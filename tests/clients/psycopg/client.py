"""psycopg 3: text and binary results, prepared statements, pipelines, COPY, server cursors, notifications, cancel."""

import os
import subprocess
import threading
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import pq, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg.types.range import Range

AWAIT_QUERY = Path(__file__).resolve().parent.parent / "await-query"


def show(label, value):
    print(f"{label}: {value!r}")


def show_cursor(label, cursor):
    columns = [(c.name, c.type_code, c.type_display, c.null_ok) for c in cursor.description or []]
    show(label, (cursor.statusmessage, cursor.rowcount, columns, cursor.fetchall() if cursor.description else None))


@contextmanager
def expecting_error(label):
    try:
        yield
    except psycopg.Error as error:
        d = error.diag
        show(label, (type(error).__name__, error.sqlstate, d.severity, d.message_primary, d.message_detail, d.message_hint, d.context,
                     d.statement_position, d.schema_name, d.table_name, d.column_name, d.constraint_name))
    else:
        show(label, "no error")


def connect(**more):
    return psycopg.connect(**more, options="-c search_path=client_psycopg,public", application_name="psycopg client")


VALUES = [
    1, -(2**40), True, None, "text ü 東京", "", "quote ' \\ and \"", b"\x00\xff\\bytes", 1.5, float("inf"), Decimal("12345678901234567890.123456789"),
    Decimal("NaN"), date(2024, 2, 29), datetime(2024, 2, 29, 23, 59, 59, 999999), datetime(2024, 2, 29, 12, tzinfo=timezone.utc),
    timedelta(days=-3, seconds=7, microseconds=5), UUID("12345678-1234-5678-1234-567812345678"), ip_address("::1"), ip_network("10.0.0.0/8"),
    Jsonb({"a": [1, None, "ü"]}), [1, 2, 3], [None, "x", 'with "quotes", and {braces}'], [[1, 2], [3, 4]], Range(1, 5), Range(date(2024, 1, 1), None),
]
TYPED = """select 1::int2, 2::int4, 3::int8, 4::oid, 1.5::float4, 2.5::float8, 1.50::numeric(10,2), true, 'c'::"char", 'n'::name, 'v'::varchar(5), 'b'::char(5),
    '\\xdeadbeef'::bytea, '2024-02-29'::date, '12:34:56.789'::time, '12:34:56+02'::timetz, '2024-02-29 12:00:00'::timestamp, '2024-02-29 12:00:00+00'::timestamptz,
    '1 day 2 hours'::interval, '{"a": 1}'::json, '{"b": [true]}'::jsonb, '12345678-1234-5678-1234-567812345678'::uuid, '10.1.2.3'::inet, '10.0.0.0/8'::cidr,
    '{1,NULL,3}'::int[], '{a,"b c",NULL}'::text[], '[1,10)'::int4range, '{[1,2),[5,6)}'::int4multirange, null::text, 'paid'::order_state, array['2024-01-01']::date[]"""


def types(c):
    for binary in (False, True):
        cursor = c.cursor(binary=binary)
        show_cursor(f"typed, binary={binary}", cursor.execute(TYPED))
        for value in VALUES:
            show("round trip", (value, cursor.execute("select %s as v", [value]).fetchone(), cursor.description[0].type_display))
            if not isinstance(value, (type(None), Range)):
                with expecting_error("binary parameter") if isinstance(value, timedelta) else _nothing():
                    show("binary parameter", cursor.execute("select %b as v", [value]).fetchone())
        show_cursor("customers", cursor.execute("select * from customers where id < 12 or id = 9001 order by id"))
        show_cursor("row type", cursor.execute("select c from employees c where id < 3 order by id"))
    show("dict rows", c.cursor(row_factory=dict_row).execute("select id, full_name, profile from customers where id = 9001").fetchall())
    show("no columns", c.execute("select from customers limit 2").rowcount)


@contextmanager
def _nothing():
    yield


def errors(c):
    for query in ("select 1/0", "selekt", "select nonsense from customers", "select 'x'::int", "insert into customers (id, full_name, email, signup_date) values (1, 'x', 'x@x.de', '2024-01-01')",
                  "update customers set balance = -5000 where id = 1", "select * from nowhere", "do $$ begin raise exception 'mine' using errcode = 'P0042', detail = 'd', hint = 'h'; end $$"):
        with expecting_error(query):
            c.execute(query)
    with expecting_error("bad parameter"):
        c.execute("select %s::int", ["not a number"])
    with expecting_error("wrong count"):
        c.execute("select $1, $2")
    show("after errors", c.execute("select 'alive'").fetchone())


def transactions(c):
    c.execute("create table t (x int primary key)")
    with expecting_error("rolled back"), c.transaction():
        c.execute("insert into t values (1)")
        c.execute("insert into t values (1)")
    with c.transaction():
        c.execute("insert into t values (2)")
        with expecting_error("savepoint"), c.transaction():
            c.execute("insert into t values (3)")
            c.execute("select 1/0")
        show("state inside", c.info.transaction_status.name)
        c.execute("insert into t values (4)")
    show("kept", c.execute("select x from t order by x").fetchall())
    with expecting_error("aborted"), c.transaction():
        with expecting_error("first"):
            c.execute("select 1/0")
        show("state", c.info.transaction_status.name)
        c.execute("select 1")
    c.execute("begin isolation level serializable read only")
    show("isolation", c.execute("show transaction_isolation").fetchone())
    c.execute("rollback")


def prepared(c):
    for n in range(12):  # a named statement from the sixth time on
        show("prepared", c.execute("select id, full_name, balance from customers where id = %s", [n]).fetchone())
    show("explicit", [c.execute("select %s::int + 1", [n], prepare=True).fetchone() for n in range(4)])
    for n in range(8):
        with expecting_error(f"prepared error {n}"):
            c.execute("select 10 / %s", [n % 3], prepare=True)
    show("names", c.execute("select count(*) from pg_prepared_statements").fetchone())
    c.execute("create table changing (a int)")
    c.execute("insert into changing values (1)")
    c.execute("select * from changing", prepare=True)
    c.execute("alter table changing add b text default 'new'")
    with expecting_error("result type changed"):
        c.execute("select * from changing", prepare=True)
    c.execute("deallocate all")
    show_cursor("again", c.execute("select * from changing", prepare=True))


def many(c):
    cursor = c.cursor()
    c.execute("create table m (n int, label text)")
    cursor.executemany("insert into m values (%s, %s)", [(n, f"row {n}" if n % 3 else None) for n in range(2500)])
    show("executemany", (cursor.rowcount, c.execute("select count(*), sum(n), md5(string_agg(label, ',' order by n)) from m").fetchone()))
    cursor.executemany("insert into m values (%s, 'r') returning n", [(n,) for n in range(5)], returning=True)
    sets = []
    while True:
        sets.append(cursor.fetchall())
        if not cursor.nextset():
            break
    show("returning sets", sets)
    with expecting_error("executemany error"):
        cursor.executemany("insert into m values (%s::int, 'x')", [("1",), ("x",), ("3",)])
    cursor.execute("select 1 as a; select 2 as b, 3; update m set n = n where n < 3")
    while True:
        show_cursor("simple query, several statements", cursor)
        if not cursor.nextset():
            break


def pipelines(c):
    with c.pipeline() as pipeline:
        cursors = [c.execute("select %s::int * 2", [n]) for n in range(300)]
        pipeline.sync()
        more = [c.execute("select repeat(%s, 5000)", [str(n % 10)]) for n in range(100)]
    show("pipeline", (sum(x.fetchone()[0] for x in cursors), sum(len(x.fetchone()[0]) for x in more)))
    # How far the client gets before it reads the error depends on how fast the server is.
    never = c.cursor()
    try:
        with c.pipeline():
            good = c.execute("select 'before'")
            c.execute("select 1 / %s", [0])
            never.execute("select 'after the error'")
    except psycopg.Error as error:
        show("pipeline error", (type(error).__name__, error.sqlstate, good.fetchone()))
    try:
        show("after the error", never.fetchone())
    except psycopg.Error as error:
        show("after the error", "nothing")
    with c.pipeline() as pipeline:
        first = c.execute("select 'segment one'")
        try:
            c.execute("selekt")
            pipeline.sync()
        except psycopg.Error as error:
            show("segment error", error.sqlstate)
        second = c.execute("select 'segment two'")
        pipeline.sync()
        show("segments", (first.fetchone(), second.fetchone()))
    with c.transaction(), c.pipeline():
        c.execute("create table piped (x int)")
        c.cursor().executemany("insert into piped values (%s)", [(n,) for n in range(1000)])
    show("piped", c.execute("select count(*), sum(x) from piped").fetchone())


def copies(c):
    cursor = c.cursor()
    c.execute("create table copied (id int, label text, at timestamptz, amount numeric, tags text[])")
    rows = [(n, None if n % 7 == 0 else f"row\t{n}\n\\ü", datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(hours=n), Decimal(n) / 4, [str(n), "x,y"]) for n in range(3000)]
    with cursor.copy("copy copied from stdin") as copy:
        for row in rows:
            copy.write_row(row)
    with cursor.copy("copy copied from stdin (format binary)") as copy:
        copy.set_types(["int4", "text", "timestamptz", "numeric", "text[]"])
        for row in rows:
            copy.write_row(row)
    show("copied in", (cursor.rowcount, c.execute("select count(*), count(label), sum(amount), md5(string_agg(copied::text, '' order by id, label)) from copied").fetchone()))
    for options in ("", "(format csv, header)", "(format binary)"):
        with cursor.copy(f"copy (select id, full_name, email, card_number, tags from customers where id < 40 or id = 9001 order by id) to stdout {options}") as copy:
            data = b"".join(bytes(chunk) for chunk in copy)
        show(f"copied out {options}", data)
    with cursor.copy("copy (select id, label, amount from copied order by id, label limit 5) to stdout") as copy:
        copy.set_types(["int4", "text", "numeric"])
        show("rows", list(copy.rows()))
    with cursor.copy("copy (select repeat('y', 1000000)) to stdout") as copy:
        show("one big row", sum(len(chunk) for chunk in copy))
    with expecting_error("bad row"), cursor.copy("copy copied (id) from stdin") as copy:
        copy.write("1\n2\nthree\n")
    with expecting_error("client gives up"):
        try:
            with cursor.copy("copy copied (id) from stdin") as copy:
                copy.write("77\n")
                raise ValueError("changed my mind")
        except ValueError:
            show("gave up", c.execute("select count(*) from copied where id = 77").fetchone())
    with expecting_error("copy out fails half way"), cursor.copy("copy (select 10 / (500 - n) from generate_series(1, 1000) n) to stdout") as copy:
        for _ in copy:
            pass
    show("state", (c.info.transaction_status.name, c.execute("select 1").fetchone()))


def cursors(c):
    with c.transaction():
        with c.cursor("walk") as walk:
            walk.itersize = 37
            walk.execute("select id, email from customers where id < %s order by id", [150])
            show("server cursor", [row[0] for row in walk])
        with c.cursor("scrolling", scrollable=True, binary=True) as walk:
            walk.execute("select id, balance from customers order by id")
            walk.scroll(10)
            show("scrolled", (walk.fetchmany(3), walk.scroll(-2), walk.fetchone(), walk.scroll(0, "absolute"), walk.fetchone()))
    with c.cursor("kept", withhold=True) as walk:
        walk.execute("select id from orders order by id limit 10")
        show("with hold", (walk.fetchmany(4), walk.fetchall()))
    show("stream", [row for row in c.cursor().stream("select n, n * n from generate_series(1, %s) n", [6])])
    with expecting_error("stream error"):
        show("streamed", [row for row in c.cursor().stream("select 6 / (3 - n) from generate_series(1, 5) n")])


def notices_and_notifications(c):
    notices = []
    c.add_notice_handler(lambda d: notices.append((d.severity, d.sqlstate, d.message_primary, d.message_hint)))
    c.execute("do $$ begin raise notice 'hear %', 'this' using hint = 'h'; raise warning 'beware'; end $$")
    c.execute("create table if not exists t (x int)")
    show("notices", notices)
    c.execute("listen news")
    with connect(autocommit=True) as other:
        for n in range(3):
            other.execute("select pg_notify('news', %s)", [f"payload {n} ü"])
        other.execute("notify other, 'not for us'")
        other.execute("notify news")
    show("notified", [(n.channel, n.payload) for n in c.notifies(timeout=30, stop_after=4)])


def cancel(c):
    waiting = threading.Thread(target=lambda: (subprocess.run([AWAIT_QUERY, "psycopg_to_cancel"], check=True), c.cancel()))
    waiting.start()
    with expecting_error("cancelled"):
        c.execute("select pg_sleep(60) as psycopg_to_cancel")
    waiting.join()
    show("after cancel", c.execute("select 'alive'").fetchone())


def information(c):
    for name in ("server_version", "server_encoding", "client_encoding", "is_superuser", "session_authorization", "DateStyle", "IntervalStyle", "TimeZone",
                 "integer_datetimes", "standard_conforming_strings", "application_name"):
        show(name, c.info.parameter_status(name))
    c.execute("set timezone = 'Asia/Tokyo'")
    show("changed", (c.info.parameter_status("TimeZone"), c.execute("select '2024-01-01 00:00+00'::timestamptz").fetchone()))
    c.execute("set timezone = 'UTC'")
    show("backend", c.info.backend_pid == c.execute("select pg_backend_pid()").fetchone()[0])
    with expecting_error("bad start-up option"):
        psycopg.connect(options="-c no.such=1 -c nonsense=1")


def large(c):
    text = "x" * 5_000_000
    show("large parameter and result", c.execute("select length(%s), %s = repeat('x', 5000000), md5(%s)", [text, text, text]).fetchone())
    show("wide", len(c.execute("select " + ", ".join(f"{n} as c{n}" for n in range(1600))).fetchone()))
    show("many parameters", len(c.execute(sql.SQL("select array[{}]").format(sql.SQL(", ").join([sql.SQL("%s::int")] * 20000)), list(range(20000))).fetchone()[0]))
    show("many rows", sum(row[0] for row in c.execute("select n, repeat('z', 200) from generate_series(1, 20000) n")))


def main():
    with connect(autocommit=True) as setup:
        setup.execute("set client_min_messages = warning")
        setup.execute("drop schema if exists client_psycopg cascade")
        setup.execute("create schema client_psycopg")
    for part in (types, errors, transactions, prepared, many, pipelines, copies, cursors, notices_and_notifications, cancel, information, large):
        print(f"=== {part.__name__}")
        with connect(autocommit=True) as c:
            try:
                part(c)
            except psycopg.Error as problem:
                raise SystemExit(f"psycopg client: part {part.__name__} failed: {problem!r}") from problem


if __name__ == "__main__":
    assert pq.__impl__ == "binary", "the binary build of psycopg is expected"
    os.environ["PGTZ"] = "UTC"
    main()
