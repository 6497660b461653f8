// node-postgres: simple, parameterised and named statements, errors, notices, notifications, pipelined queries, cancel by pid.
"use strict";
const { execFile } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { promisify } = require("node:util");
const { Client, Pool, types } = require("pg");

const awaitQuery = () => promisify(execFile)(path.join(__dirname, "..", "await-query"), ["node_to_cancel"]);
const show = (label, value) => console.log(`${label}: ${JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v))}`);

// node-postgres reads PGSSLMODE but no PGSSLROOTCERT, and takes `prefer` for plain text.
function tls() {
    const mode = process.env.PGSSLMODE || "disable";
    if (mode === "disable" || mode === "allow" || mode === "prefer") return false;
    const authority = process.env.PGSSLROOTCERT && fs.readFileSync(process.env.PGSSLROOTCERT, "utf8");
    if (mode === "require" && !authority) return { rejectUnauthorized: false };
    return { ca: authority, rejectUnauthorized: true, ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }) };
}
const settings = () => ({ ssl: tls(), options: "-c search_path=client_node,public", application_name: "node client" });

async function connect() {
    const client = new Client(settings());
    client.on("error", (error) => show("connection error", error.message));
    await client.connect();
    return client;
}

async function expectingError(label, promise) {
    try {
        show(label, { rows: (await promise).rows });
    } catch ({ message, code, severity, detail, hint, position, where, schema, table, column, constraint, routine }) {
        show(label, { message, code, severity, detail, hint, position, where, schema, table, column, constraint, routine });
    }
}

const result = ({ command, rowCount, fields, rows }) => ({
    command, rowCount, rows, fields: fields.map((f) => [f.name, f.dataTypeID, f.dataTypeSize, f.dataTypeModifier, f.format]),
});

const parts = {
    async simple(c) {
        show("one", result(await c.query("select 1 as a, null as b, 'ü 東京 🚚' as c")));
        show("several", (await c.query("select 1 as a; create table s (x int); insert into s values (1), (2); table s; select")).map(result));
        show("empty", result(await c.query("")));
        show("customers", result(await c.query("select * from customers where id < 15 or id = 9001 order by id")));
        show("array rows", (await c.query({ text: "select id, id as id, full_name from customers where id < 4 order by id", rowMode: "array" })).rows);
        show("types", result(await c.query(`select 1::int2, 2::int8, 1.5::float8, 1.50::numeric, true, '\\xdeadbeef'::bytea, '2024-02-29'::date, '2024-02-29 12:00+00'::timestamptz,
            '1 day 2 hours'::interval, '{"a": 1}'::json, '{1,NULL,3}'::int[], '{a,"b c"}'::text[], '(1,2)'::point, '10.0.0.1'::inet, 'paid'::order_state`)));
    },

    async parameterised(c) {
        for (const value of [1, "text", null, true, 1.5, "", "quote ' \\ \"", Buffer.from([0, 255, 92]), [1, 2, null], ["a", "b,c", '"q"'], { a: [1, "ü"] }, new Date(Date.UTC(2024, 1, 29))]) {
            const type = Buffer.isBuffer(value) ? "bytea" : Array.isArray(value) ? (typeof value[0] === "number" ? "int[]" : "text[]")
                : value instanceof Date ? "timestamptz" : value && typeof value === "object" ? "jsonb" : "text";
            show(`as ${type}`, (await c.query(`select $1::${type} as v`, [value])).rows);
        }
        show("customer", (await c.query("select id, full_name from customers where id = any($1) and balance > $2 order by id", [[1, 20, 30, 9001], "0"])).rows);
        show("binary", result(await c.query({ text: "select $1::int as i, $2::text as t, true as b", values: [7, "seven"], binary: true })));
        show("insert", result(await c.query("insert into customers (full_name, email, signup_date) values ($1, $2, $3) returning full_name, email", ["Temp", "node@example.com", "2024-01-01"])));
        show("delete", result(await c.query("delete from customers where email = $1", ["node@example.com"])));
        show("many parameters", (await c.query(`select array[${Array.from({ length: 5000 }, (_, n) => `$${n + 1}::int`)}] as a`, Array.from({ length: 5000 }, (_, n) => n))).rows[0].a.length);
    },

    async named(c) {
        const byId = (n) => c.query({ name: "by-id", text: "select id, full_name, tags from customers where id = $1", values: [n] });
        for (let n = 1; n <= 12; n++) show("by id", (await byId(n)).rows);
        show("fields are remembered", result(await byId(9001)).fields);
        for (const n of [2, 0, 5, 0]) await expectingError(`10 / ${n}`, c.query({ name: "divide", text: "select 10 / $1::int as q", values: [n] }));
        await expectingError("broken", c.query({ name: "broken", text: "select nonsense" }));
        await expectingError("the name is free again", c.query({ name: "broken", text: "select 'mended' as m" }));
        show("prepared on the server", (await c.query("select name, statement from pg_prepared_statements order by name")).rows);
        await c.query("create table changing (a int)");
        await c.query({ name: "changing", text: "select * from changing" });
        await c.query("alter table changing add b int");
        await expectingError("result type changed", c.query({ name: "changing", text: "select * from changing" }));
        show("limited", (await c.query({ text: "select n from generate_series(1, 25) n", rows: 10 })).rows.length);
    },

    async pipelined(c) {
        const many = Array.from({ length: 200 }, (_, n) => c.query("select $1::int * 2 as d", [n]));
        show("sum", (await Promise.all(many)).reduce((sum, { rows }) => sum + rows[0].d, 0));
        const mixed = [c.query("select 'simple' as a"), c.query("select $1::text as b", ["extended"]), c.query("selekt"), c.query("select 1 / $1::int", [0]),
            c.query({ name: "n", text: "select 'named' as c" }), c.query("select 'last' as d")];
        for (const each of await Promise.allSettled(mixed)) show(each.status, each.value?.rows ?? each.reason.code);
        const several = await Promise.all(Array.from({ length: 8 }, async (_, n) => {
            const own = await connect();
            const { rows } = await own.query("select $1::int as n, count(*) from orders where customer_id % 8 = $1", [n]);
            await own.end();
            return rows[0];
        }));
        show("connections at once", several);
    },

    async errors(c) {
        for (const text of ["select 1 / 0", "selekt", "select nonsense from customers", "select * from nowhere", "update customers set balance = -5000 where id = 1",
            "insert into customers (id, full_name, email, signup_date) values (1, 'x', 'x@x.de', '2024-01-01')",
            "do $$ begin raise exception 'mine' using errcode = 'P0042', detail = 'd', hint = 'h'; end $$", "select 1; select 1 / 0; select 2"]) {
            await expectingError(text, c.query(text));
            await expectingError(`${text} (extended)`, c.query({ text, values: [], queryMode: "extended" }));
        }
        await expectingError("bad parameter", c.query("select $1::int", ["x"]));
        await expectingError("half a result", c.query("select 10 / (5 - n) from generate_series(1, 10) n"));
        show("after errors", (await c.query("select 'alive' as state")).rows);
    },

    async transactions(c) {
        await c.query("create table t (x int primary key)");
        await c.query("begin");
        await c.query("insert into t values ($1)", [1]);
        await c.query("savepoint s");
        await expectingError("twice", c.query("insert into t values ($1)", [1]));
        await expectingError("aborted", c.query("select 1"));
        await c.query("rollback to s");
        await c.query("insert into t values ($1)", [2]);
        show("commit", (await c.query("commit")).command);
        await c.query("begin");
        await expectingError("fails", c.query("select 1 / 0"));
        show("commit of a failed one", (await c.query("commit")).command);
        show("kept", (await c.query("select x from t order by x")).rows);
    },

    async notifications(c) {
        const notices = [], heard = [];
        c.on("notice", ({ severity, code, message, detail, hint }) => notices.push({ severity, code, message, detail, hint }));
        await c.query("do $$ begin raise notice 'hear this' using hint = 'h', detail = 'd'; raise warning 'beware'; end $$");
        show("notices", notices);
        const last = new Promise((resolve) => c.on("notification", ({ channel, payload }) => {
            heard.push([channel, payload]);
            if (payload === "last") resolve();
        }));
        await c.query('listen "News"');
        const other = await connect();
        for (const payload of ["first", "ü 東京", "", "last"]) await other.query("select pg_notify('News', $1)", [payload]);
        await other.end();
        await last; // nothing is asked meanwhile: it must arrive on an idle connection
        show("heard", heard);
    },

    async cancel(c) {
        const { rows: [{ pid }] } = await c.query("select pg_backend_pid() as pid");
        show("pid is the server's", pid === c.processID);
        const sleeping = expectingError("cancelled", c.query("select pg_sleep(60) as node_to_cancel"));
        await awaitQuery();
        const canceller = new Client(settings());
        canceller.cancel(c, c.activeQuery ?? c._activeQuery);
        await sleeping;
        show("after cancel", (await c.query("select 'alive' as state")).rows);
    },

    async pool() {
        const pool = new Pool({ ...settings(), max: 4 });
        const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => pool.query("select $1::int as n", [n])));
        show("pool", answers.reduce((sum, { rows }) => sum + rows[0].n, 0));
        await pool.end();
    },

    async large(c) {
        const text = "x".repeat(5_000_000);
        show("large", (await c.query("select length($1::text) as sent, repeat('y', 5000000) as got", [text])).rows.map((r) => [r.sent, r.got.length]));
        show("many rows", (await c.query("select n, repeat('z', 200) as z from generate_series(1, 20000) n")).rows.reduce((sum, { n }) => sum + n, 0));
    },
};

async function main() {
    types.setTypeParser(types.builtins.INTERVAL, (text) => text);
    const setup = await connect();
    await setup.query("set client_min_messages = warning; drop schema if exists client_node cascade; create schema client_node");
    await setup.end();
    for (const [name, part] of Object.entries(parts)) {
        console.log(`=== ${name}`);
        const client = await connect();
        await part(client);
        await client.end();
    }
}

main().catch((error) => {
    console.error("node-postgres client:", error);
    process.exit(1);
});
