#!/usr/bin/env python3
"""Hunts for computed columns that show a protected value and are not hidden.

Asks a real PostgreSQL random statements over a table whose protected column holds a mark, looks at which result
columns without an origin contain the mark, and asks the masker (examples/taints.rs, given as a program) which it
hides. A column that shows the mark and is not hidden is a leak. Also counts clean columns hidden needlessly.

usage: hunt.py HOST PORT USER PROGRAM [COUNT] [SEED]     the database is `postgres`; a schema `hunt` is made in it
"""
import ctypes, ctypes.util, json, random, subprocess, sys

MARK = "zqx"
host, port, user, program = sys.argv[1:5]
count = int(sys.argv[5]) if len(sys.argv) > 5 else 4000
rng = random.Random(int(sys.argv[6]) if len(sys.argv) > 6 else 1)

pq = ctypes.CDLL(ctypes.util.find_library("pq") or "libpq.so.5")
for name in ("PQconnectdb", "PQexec"):
    getattr(pq, name).restype = ctypes.c_void_p
for name in ("PQgetvalue", "PQfname", "PQerrorMessage", "PQresultErrorMessage"):
    getattr(pq, name).restype = ctypes.c_char_p
pq.PQftable.restype = ctypes.c_uint
connection = ctypes.c_void_p(pq.PQconnectdb(f"host={host} port={port} user={user} dbname=postgres".encode()))
if pq.PQstatus(connection) != 0:
    sys.exit(pq.PQerrorMessage(connection).decode())


def run(statement):
    """None for an error, else (names, origins, columns as text)."""
    result = ctypes.c_void_p(pq.PQexec(connection, statement.encode()))
    try:
        if pq.PQresultStatus(result) != 2:
            return None
        fields, rows = pq.PQnfields(result), pq.PQntuples(result)
        names = [pq.PQfname(result, f).decode() for f in range(fields)]
        origins = [pq.PQftable(result, f) != 0 for f in range(fields)]
        values = ["\n".join(pq.PQgetvalue(result, r, f).decode() for r in range(rows)) for f in range(fields)]
        return names, origins, values
    finally:
        pq.PQclear(result)


for setup in (
    "set client_min_messages = error", "drop schema if exists hunt cascade", "create schema hunt", "set search_path = hunt",
    "create table customers (id int, full_name text, city text)",
    f"insert into customers values (1, 'Ann {MARK}', 'Rome'), (2, 'Bob {MARK}', 'Oslo')",
    "create table orders (id int, customer int, note text, total int, \"as\" int)",
    "insert into orders values (1, 1, 'plain', 10, 1), (2, 2, 'text', 20, 2)",
):
    pq.PQclear(ctypes.c_void_p(pq.PQexec(connection, setup.encode())))

ITEMS = """full_name || '' | upper(full_name) | {c} | {c}.* | * | row_to_json({c}) | to_jsonb({c})->>'full_name' | {c}::text
{c}.full_name || 'x' | "full_name" | U&"full\\005fname" || '' | count(*) | count(full_name) | max(full_name) | ({c}).full_name
{c}.row_to_json | {c}.to_json | json_agg({c}) | array_agg({c}) | string_agg(full_name, ',') | max({c}::text) | 1 | 'x' | now()
{c}.id + 1 | upper({c}.city) | {c}.city | {c}.id | ({c}).city || '' | row({c}.*) | row({c}.*)::text | array[full_name] | {c}.concat
coalesce(full_name, 'x') | case when {c}.id = 1 then full_name else 'n' end | 1 distinct | 1 as as | 1 as from | {c}.id as distinct
concat({c}) | concat_ws(',', {c}.*) | format('%s', {c}) | quote_literal({c}) | {c}.quote_literal | hstore | (select full_name limit 1)
(select {c}) | (select {c}::text) | full_name is distinct from 'x' | full_name collate "C" || '' | first_value(full_name) over ()
lag(full_name) over w | min(full_name) over () | {c}.max | jsonb_build_object('a', {c}) | {c}.jsonb_build_array | xmlelement(name a, full_name)
xmlforest({c}) | json_build_array({c}.*) | (array_agg({c}))[1] | nullif(full_name, '') || '' | extract(epoch from now()) | null is not distinct from null
substring(full_name from 1 for 9) | trim(both ' ' from full_name) | {c} is null | set | y || '' | y | x.y | a || b | j ->> 'full_name' | b || '' | b | t::text"""
ITEMS = [item.strip() for line in ITEMS.split("\n") for item in line.split(" | ")]
FROMS = [
    ("customers", "customers"), ("customers c", "c"), ("customers as c", "c"), ("hunt.customers c", "c"), ("only customers c", "c"),
    ('customers "C"', '"C"'), ("customers set", "set"), ("customers values", "values"), ("orders o, customers c", "c"), ("customers c, orders o", "c"),
    ("orders o join customers c on o.customer = c.id", "c"), ("customers c left join orders o on left('a', 1) = 'a'", "c"),
    ("customers c natural join (select id, note from orders) o", "c"), ("customers c full join orders o using (id)", "c"),
    ("(customers c cross join orders o)", "c"), ("customers c(a, b, t)", "c"), ("customers as c(a, b)", "c"), ("(select * from customers) c", "c"),
    ("(select id, full_name as b, city as y from customers) c", "c"), ("(select c as y, 1 as id from customers c) x", "x"),
    ("(select to_jsonb(c) as j, c.* from customers c) c", "c"), ("customers c, lateral (select full_name as y) x", "c"),
    ("customers c, unnest(array[full_name]) y", "c"), ("customers c cross join lateral upper(full_name) y", "c"), ("(table customers) c(a, b, y)", "c"),
    ("(values ('x')) c(full_name)", "c"), ("customers c tablesample system (100)", "c"), ("orders c", "c"), ("orders set", "set"),
    ("customers c join customers x using (id) ", "c"), ("customers c join orders o using (id) as y", "c"), ("rows from (upper('x')) y, customers c", "c"),
    ("customers c natural full join customers x", "c"), ("(customers c natural full join customers x) as z(a, b, y)", "z"), ("customers * c", "c"),
]
TAILS = ["", "", "", " where true", " where full_name <> ''", " order by 1", " limit 5", " group by full_name, city, id", " window w as (order by 1)", " for update", " offset 0"]


def label():
    return rng.choice(["", "", "", " as x", " as y", " as n", " y", ' "y"'])


def select():
    source, alias = rng.choice(FROMS)
    items = [rng.choice(ITEMS).replace("{c}", alias) for _ in range(rng.randint(1, 3))]
    items = [item if item.endswith("*") or " as " in item or item.endswith(" distinct") else item + label() for item in items]
    head = rng.choice(["select ", "select ", "select ", "select all ", "select distinct on (city) ", "SELECT /* x */ "])
    return head + ", ".join(items) + " from " + source + rng.choice(TAILS)


def statement():
    kind, query = rng.random(), select()
    if kind < 0.55:
        return query
    if kind < 0.63:
        return f"select y, x from ({query}) q"
    if kind < 0.70:
        return f"with q as ({query}) select * from q"
    if kind < 0.76:
        return f"with q(y) as ({query}) select y || '' as z, count(*) over () from q"
    if kind < 0.82:
        return f"{query} union all {select()}"
    if kind < 0.86:
        return f"select ({query} limit 1) as z, 1 as o"
    if kind < 0.89:
        return f"({query})"
    if kind < 0.92:
        return f"select q::text, count(*) from ({query}) q group by 1"
    if kind < 0.94:
        return f"select exists ({query}), array({query})"
    if kind < 0.96:
        return f"select z.* from ({query}) as z(y)"
    if kind < 0.98:
        return "update customers c set id = id returning " + rng.choice(ITEMS).replace("{c}", "c") + label()
    return f"select query_to_xml({query!r}, true, true, '')" if "'" not in query else f"values (({query} limit 1))"


asked, seen = [], []
for _ in range(count * 20):
    text = statement()
    answer = run(text)
    if answer:
        asked.append(text)
        seen.append(answer)
        if len(asked) == count:
            break
bad = 0
for settings in ('{"columns":["customers.full_name"]}', '{"columns":["*.full_name"]}', '{"columns":["customers.*"]}', '{"columns":["*"]}'):
    lines = "".join(json.dumps([text, names, origins]) + "\n" for text, (names, origins, _) in zip(asked, seen))
    out = subprocess.run([program, settings], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(out) == len(asked)
    leaks, showing, clean, needless = [], 0, 0, 0
    for text, (names, origins, values), hidden in zip(asked, seen, map(json.loads, out)):
        for index, value in enumerate(values):
            if origins[index]:
                continue
            if MARK in value.lower():
                showing += 1
                if index not in hidden:
                    leaks.append(f"{text}\n    column {index} {names[index]!r}: {value!r:.80}")
            else:
                clean += 1
                needless += index in hidden
    print(f"{settings}: {len(asked)} statements, {showing} computed columns show the mark, {len(leaks)} leaks; "
          f"{needless} of {clean} others hidden too")
    for leak in leaks[:15]:
        print("  LEAK", leak)
    bad += len(leaks)
sys.exit(1 if bad else 0)
