"""asyncpg: always binary, flush-heavy, prepared statements kept and executed again without a new description."""

import asyncio
import io
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from uuid import UUID

import asyncpg

AWAIT_QUERY = Path(__file__).resolve().parent.parent / "await-query"


def show(label, value):
    print(f"{label}: {value!r}")


async def expecting_error(label, awaitable):
    try:
        show(label, ("no error", await awaitable))
    except asyncpg.PostgresError as error:
        show(label, (type(error).__name__, error.sqlstate, str(error), error.detail, error.hint, error.position, error.table_name, error.constraint_name))
    except asyncpg.InterfaceError as error:
        show(label, (type(error).__name__, str(error)))


async def connect(**more):
    return await asyncpg.connect(server_settings={"search_path": "client_asyncpg,public", "application_name": "asyncpg client", "timezone": "UTC"}, **more)


async def types(c):
    values = [
        ("int2", 7), ("int4", -(2**31)), ("int8", 2**62), ("float4", 1.5), ("float8", float("-inf")), ("numeric", Decimal("-12345678901234567890.00123")),
        ("bool", True), ("text", "ü 東京 🚚"), ("varchar", ""), ("char(5)", "ab"), ("bytea", b"\x00\xff"), ("date", date(2024, 2, 29)), ("time", time(1, 2, 3, 4)),
        ("timestamp", datetime(2024, 2, 29, 23, 59, 59, 999999)), ("timestamptz", datetime(2024, 2, 29, tzinfo=timezone.utc)), ("interval", timedelta(days=-3, microseconds=7)),
        ("uuid", UUID(int=7)), ("inet", ip_address("::1")), ("cidr", ip_network("10.0.0.0/8")), ("json", '{"a": 1}'), ("jsonb", '{"a": [1, null]}'),
        ("int4[]", [1, None, 3]), ("text[]", ["a", None, "with \"quotes\", {x}"]), ("int4[][]", [[1, 2], [3, 4]]), ("int4range", asyncpg.Range(1, 5)), ("point", asyncpg.Point(1, 2)),
        ("bit(4)", asyncpg.BitString("1010")), ("order_state", "paid"), ("email_address", "a@b.de"), ("xml", "<a/>"), ("tsvector", "'a':1"),
    ]
    for name, value in values:
        show(name, await c.fetchval(f"select $1::{name}", value))
        show(f"{name} null", await c.fetchval(f"select $1::{name}", None))
    show("record", await c.fetchrow("select row(1, 'two', null::int) as r, c from employees c where id = 9001"))
    for row in await c.fetch("select * from customers where id < 12 or id = 9001 order by id"):
        show("customer", tuple(row))
    await c.set_type_codec("jsonb", encoder=lambda v: v, decoder=lambda v: ("decoded", v), schema="pg_catalog")
    show("codec", await c.fetchval("select profile from customers where id = 9001"))
    await c.set_type_codec("order_state", encoder=str, decoder=str.upper, schema="public")
    show("enum codec", await c.fetchval("select 'paid'::order_state"))


async def prepared(c):
    statement = await c.prepare("select id, full_name, balance, signup_date, tags from customers where id = $1")
    show("parameters", [p.name for p in statement.get_parameters()])
    show("attributes", [(a.name, a.type.name) for a in statement.get_attributes()])
    show("executed often", [tuple(await statement.fetchrow(n % 50 + 1)) for n in range(200)][::20])
    show("status", (statement.get_statusmsg(), await statement.fetch(-1), await statement.fetchval(9001, column=1)))
    update = await c.prepare("update orders set amount = amount where id = $1 returning state")
    show("update", [await update.fetchval(n) for n in range(1, 8)])
    nothing = await c.prepare("set application_name = 'asyncpg again'")
    show("no result", (await nothing.fetch(), nothing.get_attributes()))
    await expecting_error("prepare error", c.prepare("select nonsense from customers"))
    division = await c.prepare("select 10 / $1::int")
    for n in (2, 0, 5, 0, 1):
        await expecting_error(f"divided by {n}", division.fetchval(n))
    show("explain", bool(await statement.explain(1)))
    await c.execute("create table changing (a int); insert into changing values (1)")
    cached = await c.prepare("select * from changing")
    show("before", await cached.fetch())
    await c.execute("alter table changing add b text default 'new'")
    await expecting_error("result type changed", cached.fetch())
    show("asyncpg's own cache", [await c.fetchval("select $1::int + $2::int", n, n) for n in range(10)])


async def cursors(c):
    async with c.transaction():
        show("iterated", [row["id"] async for row in c.cursor("select id from customers where id < $1 order by id", 200, prefetch=17)])
        cursor = await c.cursor("select id, email from customers order by id")
        show("steps", (await cursor.fetch(3), await cursor.forward(10), await cursor.fetchrow(), await cursor.fetch(2)))
        one, two = await c.cursor("select n from generate_series(1, 50) n"), await c.cursor("select -n from generate_series(1, 50) n")
        show("in turn", [(await one.fetchrow(), await two.fetch(2)) for _ in range(5)])

    async def failing():
        async with c.transaction():
            return [row async for row in c.cursor("select 100 / (30 - n) from generate_series(1, 50) n", prefetch=8)]
    await expecting_error("fails half way", failing())
    await expecting_error("outside a transaction", c.cursor("select 1").__aiter__().__anext__())


async def copies(c):
    await c.execute("create table copied (id int, label text, at timestamptz, amount numeric, tags text[])")
    start = datetime(2024, 1, 1, tzinfo=timezone.utc)
    rows = [(n, None if n % 7 == 0 else f"row\t{n}\n\\ü", start + timedelta(hours=n), Decimal(n) / 4, [str(n), "x,y"]) for n in range(5000)]
    show("records", await c.copy_records_to_table("copied", records=rows, schema_name="client_asyncpg"))
    show("content", await c.fetchrow("select count(*), count(label), sum(amount), md5(string_agg(copied::text, '' order by id)) from copied"))
    show("from text", await c.copy_to_table("copied", source=io.BytesIO(b"7001\tseven\n7002\t\\N\n"), columns=["id", "label"], schema_name="client_asyncpg"))
    for options in ({}, {"format": "csv", "header": True}, {"format": "binary"}):
        out = io.BytesIO()
        status = await c.copy_from_query("select id, full_name, email, iban, tags from customers where id < $1 or id = 9001 order by id", 30, output=out, **options)
        show(f"from query {options}", (status, out.getvalue()))
    out = io.BytesIO()
    show("from table", (await c.copy_from_table("copied", schema_name="client_asyncpg", output=out), len(out.getvalue())))
    await expecting_error("bad row", c.copy_to_table("copied", source=io.BytesIO(b"1\nx\n"), columns=["id"], schema_name="client_asyncpg"))
    await expecting_error("no such table", c.copy_records_to_table("nowhere", records=[(1,)], columns=["a"]))

    async def gives_up():
        yield b"1\n"
        raise RuntimeError("changed my mind")
    try:
        await c.copy_to_table("copied", source=gives_up(), columns=["id"], schema_name="client_asyncpg")
    except RuntimeError as error:
        show("gave up", str(error))
    await expecting_error("copy out fails", c.copy_from_query("select 1 / (500 - n) from generate_series(1, 1000) n", output=io.BytesIO()))
    show("still there", await c.fetchval("select count(*) from copied"))


async def transactions(c):
    await c.execute("create table t (x int primary key)")
    async def twice():
        async with c.transaction():
            await c.execute("insert into t values (1)")
            await c.execute("insert into t values (1)")
    await expecting_error("rolled back", twice())
    async with c.transaction(isolation="serializable"):
        await c.execute("insert into t values ($1)", 2)
        async def inner():
            async with c.transaction():
                await c.execute("insert into t values (3)")
                await c.fetchval("select 1 / 0")
        await expecting_error("savepoint", inner())
        show("inside", (c.is_in_transaction(), await c.fetch("select x from t")))
    show("kept", await c.fetch("select x from t"))
    transaction = c.transaction(readonly=True)
    await transaction.start()
    await expecting_error("read only", c.execute("insert into t values (9)"))
    await expecting_error("aborted", c.fetch("select 1"))
    await transaction.rollback()
    show("several statements", await c.execute("select 1; insert into t values (5); select 2"))
    await expecting_error("several, one fails", c.execute("insert into t values (6); select 1 / 0; insert into t values (7)"))
    await c.executemany("insert into t values ($1)", [(n,) for n in range(100, 1100)])
    await expecting_error("executemany fails", c.executemany("insert into t values ($1)", [(5000,), (100,), (5001,)]))
    show("fetchmany", await c.fetchmany("insert into t values ($1) returning x", [(n,) for n in range(2000, 2010)]))
    show("total", await c.fetchrow("select count(*), sum(x) from t"))


async def errors(c):
    for query, arguments in (("select 1 / 0", ()), ("selekt", ()), ("select * from nowhere", ()), ("select $1::int", ("x",)), ("update customers set balance = -5000 where id = $1", (1,)),
                             ("insert into customers (id, full_name, email, signup_date) values (1, 'x', 'x@x.de', '2024-01-01')", ()), ("select $1", ())):
        try:
            await expecting_error(query, c.fetch(query, *arguments))
        except asyncpg.DataError as error:
            show(query, (type(error).__name__, str(error)))
    show("after errors", await c.fetchval("select 'alive'"))


async def listeners(c):
    heard, logged, done = [], [], asyncio.Event()
    def hear(_connection, _pid, channel, payload):
        heard.append((channel, payload))
        if payload == "last":
            done.set()
    c.add_log_listener(lambda _, message: logged.append((message.severity, message.sqlstate, message.message)))
    await c.add_listener("news", hear)
    other = await connect()
    for payload in ("first", "ü 東京", "", "last"):
        await other.execute("select pg_notify('news', $1)", payload)
    await asyncio.wait_for(done.wait(), 30)
    show("heard", heard)
    await c.remove_listener("news", hear)
    await other.close()
    await c.execute("do $$ begin raise notice 'one'; raise warning 'two'; end $$")
    show("logged", logged)


async def cancel(c):
    async def watch():
        watcher = await asyncio.create_subprocess_exec(AWAIT_QUERY, "asyncpg_to_cancel")
        assert await watcher.wait() == 0, "the query was never seen"
    query = asyncio.create_task(c.fetch("select pg_sleep(60) as asyncpg_to_cancel"))
    await watch()
    query.cancel()
    try:
        await query
    except asyncio.CancelledError:
        show("cancelled", "by the client")
    show("after cancel", await c.fetchval("select 'alive'"))
    await expecting_error("server's time limit", c.fetch("select set_config('statement_timeout', '30ms', false), pg_sleep(0)"))
    await expecting_error("server's time limit", c.fetch("select pg_sleep(30)"))
    await c.reset()
    show("after reset", await c.fetchval("show statement_timeout"))


async def pool(_):
    async with asyncpg.create_pool(min_size=2, max_size=4, server_settings={"search_path": "client_asyncpg,public"}) as connections:
        async def work(n):
            async with connections.acquire() as c, c.transaction():
                return await c.fetchval("select $1::int * (select count(*) from customers)", n)
        show("pool", sum(await asyncio.gather(*(work(n) for n in range(60)))))


async def large(c):
    text = "x" * 5_000_000
    show("large parameter and result", len(await c.fetchval("select $1::text || $1::text", text)))
    show("many rows", sum(row[0] for row in await c.fetch("select n, repeat('z', 200) from generate_series(1, 20000) n")))
    show("many parameters", len(await c.fetchrow("select " + ", ".join(f"${n}::int" for n in range(1, 1601)), *range(1600))))


async def main():
    setup = await connect()
    await setup.execute("set client_min_messages = warning; drop schema if exists client_asyncpg cascade; create schema client_asyncpg")
    await setup.close()
    for part in (types, prepared, cursors, copies, transactions, errors, listeners, cancel, pool, large):
        print(f"=== {part.__name__}")
        c = await connect()
        try:
            await asyncio.wait_for(part(c), 120)
        finally:
            await c.close(timeout=10)


if __name__ == "__main__":
    asyncio.run(main())
