//! What ordinary statements are called, and what is found in them.

use super::super::Class::{
    BulkWrite, CodeExecution, Cursor, FileOrNetwork, FunctionCall, Listen, Lock, Maintenance, ParsingSetting,
    Prepared, PrivilegeChange, Read, SchemaChange, SessionSetting, Transaction, Unknown, Write,
};
use super::super::*;

#[track_caller]
fn one(text: &str) -> Statement {
    let mut analysis = analyse(text, true);
    assert_eq!(analysis.error, None, "{text}");
    assert_eq!(analysis.statements.len(), 1, "{text}");
    analysis.statements.remove(0)
}

#[track_caller]
fn check(class: Class, texts: &[&str]) {
    for text in texts {
        let statement = one(text);
        assert_eq!(statement.class, class, "{text}: {statement:?}");
    }
}

#[test]
fn reads() {
    check(
        Read,
        &[
            "SELECT abalance FROM pgbench_accounts WHERE aid = 123",
            "select",
            "select *",
            "select distinct on (a) a, b from t",
            "select t.*, u.a as x, u.b y, 1 \"z\" from s.t t join u on t.id = u.id left join v using (a, b) cross join w",
            "select a from t natural join u full outer join (v join w on true) on true",
            "select * from (select 1) x, lateral (select x.a) y, generate_series(1, 3) with ordinality as g(n, o)",
            "select * from ((select 1) union (select 2)) x",
            "select * from ((select 1) x join (select 2) y on true)",
            "values (1, 'a'), (2, default)",
            "table s.t",
            "(select 1)",
            "((select 1) union all (select 2) order by 1) limit 1",
            "select 1 union select 2 intersect select 3 except all select 4",
            "with recursive x(n) as (values (1) union all select n + 1 from x where n < 5) select * from x",
            "with x as (select 1) search depth first by a set b select * from x",
            "select a, count(*) from t group by rollup (a, b), cube (c), grouping sets ((a), ()) having count(*) > 1",
            "select sum(a) over (partition by b order by c rows between 1 preceding and current row exclude ties) from t",
            "select sum(a) filter (where b) over w from t window w as (order by c)",
            "select percentile_cont(0.5) within group (order by a) from t",
            "select a[1], a[1:2], a[:], (b).f1, (c)[1].f2, $1[2] from t",
            "select a::int, cast(b as numeric(10, 2)), c::timestamp with time zone, d::int[][], e::character varying(3)[]",
            "select interval '1' day, interval(3) '1 second', date '2020-01-01', timestamp '2020-01-01', double precision '1', numeric(3, 2) '1.5'",
            "select 'a'\n'b'",
            "select a is null, b is not distinct from c, d isnull, e is not true, f is json object, g is nfc normalized",
            "select a between symmetric 1 and 2, b not in (1, 2), c not like 'x' escape '!', d similar to 'x', e ilike any (array['a'])",
            "select case a when 1 then 2 else 3 end, coalesce(a, b), nullif(a, b), greatest(1, 2), least(1)",
            "select extract(year from a), substring(a from 1 for 2), position('a' in b), trim(both 'x' from a), overlay(a placing b from 1)",
            "select exists (select 1), array(select 1), array[[1, 2], [3, 4]], row(1, 2), (1, 2), 1 = any (select 2)",
            "select current_date, current_user, session_user, localtime(3), current_schema, current_schema()",
            "select xmlelement(name a, xmlattributes(b as c), d), xmlforest(a, b as c), xmlparse(document '<a/>'), xmlserialize(content a as text)",
            "select json_object('a' value 1, 'b' : 2 null on null returning jsonb), json_array(1, 2), json_value(a, '$.b' returning int)",
            "select * from xmltable('/a' passing b columns c int path 'd', e for ordinality) x",
            "select * from json_table(a, '$' columns (b int path '$.c', nested path '$.d' columns (e text))) x",
            "select a at time zone 'utc', a collate \"C\", a operator(pg_catalog.+) b, a @> b, a ->> 'x', a #>> '{x}', a || b",
            "select * from t tablesample system (10) repeatable (1)",
            "select * from t order by a using <, b desc nulls last limit 10 offset 5 rows",
            "select * from t fetch first 3 rows with ties",
            "select pg_catalog.format_type(a, b), pg_get_expr(c, d), obj_description(e), current_setting('x', true)",
            "select (information_schema._pg_expandarray(i.indkey)).n from pg_index i",
            "select e.key, e.value from jsonb_each($1) e",
            "select u.a, u.b from unnest($1::int[], $2::text[]) as u(a, b)",
            "select $1::regclass::oid, 'a'::regclass, (select count(*) from t)",
            "select begin atomic from t",
            "select a isnull, b notnull from t",
            "select name, value, key, type, year from t",
            "select * from only t, only (u), v *",
            "copy t to stdout",
            "copy (select 1) to stdout with csv header",
            "explain select 1",
            "explain (analyze, buffers) select 1",
            "explain delete from t",
            "explain (analyze off) delete from t",
            "explain verbose update t set a = 1",
            "select * from t for update of t nowait",
            "select * from pg_class for update",
            "select name, setting from pg_settings",
            "with pg_config as (select 1) select * from pg_config",
        ],
    );
    assert!(one("select * from t for no key update skip locked").flags.locks);
    assert!(!one("select * from t").flags.locks);
}

#[test]
fn what_psql_and_drivers_ask() {
    check(
        Read,
        &[
            "SELECT c.oid::pg_catalog.regclass, n.nspname FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' COLLATE pg_catalog.default AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3",
            "SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef), a.attnotnull FROM pg_catalog.pg_attribute a WHERE a.attrelid = '16384' AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            "SELECT n.nspname as \"Schema\", CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' END as \"Type\", pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" FROM pg_catalog.pg_class c WHERE c.relkind IN ('r','p','') AND n.nspname !~ '^pg_toast'",
            "SELECT result.TABLE_CAT, result.KEY_SEQ FROM (SELECT NULL AS TABLE_CAT, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ, information_schema._pg_expandarray(i.indkey) AS KEYS FROM pg_catalog.pg_index i) result where result.A_ATTNUM = (result.KEYS).x ORDER BY result.table_name",
            "WITH RECURSIVE typeinfo_tree(oid, ns) AS (SELECT ti.oid, ti.ns FROM typeinfo ti WHERE ti.oid = any($1::oid[]) UNION ALL SELECT ti.oid, ti.ns FROM typeinfo ti, typeinfo_tree tt WHERE (tt.elemtype IS NOT NULL AND ti.oid = tt.elemtype)) SELECT DISTINCT *, basetype::regtype::text AS basetype_name FROM typeinfo_tree ORDER BY depth DESC",
            "SELECT pg_catalog.array_to_string(c.reloptions || array(select 'toast.' || x from pg_catalog.unnest(tc.reloptions) x), ', ') FROM pg_class c",
            "select current_database(), current_schemas(false), version(), pg_backend_pid(), txid_current()",
            "select t.typname, array_agg(e.enumlabel order by e.enumsortorder) from pg_type t join pg_enum e on e.enumtypid = t.oid group by 1",
        ],
    );
    check(
        SessionSetting,
        &[
            "SET extra_float_digits = 3",
            "SET application_name = 'PostgreSQL JDBC Driver'",
            "set datestyle to iso, mdy",
            "set time zone 'utc'",
            "set time zone interval '1' hour to minute",
            "set local statement_timeout = '5s'",
            "set session timezone to default",
            "show server_version",
            "show transaction isolation level",
            "show all",
            "reset timezone",
            "set xml option document",
            "set session characteristics as transaction isolation level read committed",
        ],
    );
    assert_eq!(one("select set_config('TimeZone', 'utc', false)").class, Read);
    assert_eq!(one("select set_config('application_name', $1::text, true)").class, Read);
}

#[test]
fn changes_of_rows() {
    check(
        Write,
        &[
            "insert into t values (1)",
            "insert into s.t as x (a, b.c, d[1]) overriding system value select 1, 2, 3 returning *",
            "insert into t default values",
            "insert into t (select 1)",
            "insert into t (a) values ($1) on conflict (a) where b do update set a = excluded.a where t.a > 1 returning t.*",
            "insert into t values (1) on conflict on constraint c do nothing",
            "insert into t select * from u on conflict do nothing",
            "insert into t values (1, 2), (3, 4) on conflict (a) do update set b = excluded.b",
            "insert into t select * from unnest($1::int[], $2::text[]) on conflict (a) do update set b = excluded.b",
            "insert into t select unnest($1::int[]), unnest($2::text[]) on conflict (a) do update set b = excluded.b",
            "insert into t select x.a, x.b from json_to_recordset($1) as x(a int, b text) on conflict (a) do update set b = 1",
            "insert into t select a, b from u where id = 1 on conflict (a) do update set b = excluded.b",
            "with x as (select 1) insert into t select * from x",
            "update t set a = 1 where id = 1",
            "update t as x set (a, b) = (select 1, 2), c = default where x.id = $1 and true",
            "update only s.t set a = b + 1 where t.id in (1, 2) or t.id = any ($1)",
            "update t set a = 1 where id = 5",
            "update t set a = 1 where id = $1",
            "update t set a = 1 where id in (1, 2, 3)",
            "update t set a = u.b from u where t.id = u.id and t.id = 5",
            "update t set a = u.b from u where u.id = t.id and u.name = $1",
            "update t set a = 1 from u where u.x in (1, 2) and (t.id = u.id and t.b > u.b)",
            "update t set a = 1 from u where (t.id = u.id and u.x = 1) or t.id = 7",
            "update t set a = 1 from u, v where t.id = u.id and u.v = v.id and u.x = any ($1)",
            "update t set a = u.b from (select * from u where x = 1) u where t.id = u.id",
            "update t set a = u.b from (select id, b from u order by b limit 100) u where t.id = u.id",
            "update t set a = v.b from unnest($1::int[], $2::text[]) as v(id, b) where t.id = v.id",
            "update t set a = v.b from jsonb_to_recordset($1) as v(id int, b text) where t.id = v.id",
            "update t set a = v.b from (select unnest($1::int[]) as id, unnest($2::text[]) as b) v where t.id = v.id",
            "with v as (select * from u where x = 1) update t set a = v.b from v where t.id = v.id",
            "with v(id, b) as (values (1, 'x')) update t set a = v.b from v where t.id = v.id",
            "with v as (insert into u values (1) returning id) update t set a = 1 from v where t.id = v.id",
            "update t set a = 1 where id between 1 and 2 and id = 1",
            "update t set a = 1 where id in (1, $2) or id = any ('{1,2}')",
            "update t set a = v.b from (values (1, 'x')) as v(id, b) where t.id = v.id",
            "update t set a = 1 where current of c",
            "delete from t where id = '5'::int",
            "delete from t where 5 = id",
            "delete from t where name like 'a%'",
            "delete from t where deleted_at is null",
            "delete from t where (a, b) in ((1, 2), (3, 4))",
            "delete from t where (a, b) = ($1, $2)",
            "delete from t where a is not distinct from $1",
            "delete from t using u where t.id = u.id and u.x = 1",
            "delete from t x using u y where x.id = y.id and y.x = 'a'",
            "delete from t using unnest($1::int[]) as v(id) where t.id = v.id",
            "delete from t where (a = 1 or b = 2) and c <> 3",
            "merge into t using (select * from u where x = 1) u on t.id = u.id when matched then update set a = u.a when not matched then insert values (u.id)",
            "merge into t using (values (1, 'x')) v(id, b) on t.id = v.id when matched then update set b = v.b when not matched then insert values (v.id, v.b)",
            "merge into t using (values (1)) v(id) on t.id = v.id when not matched then insert (id) values (v.id)",
            "copy t from stdin",
            "insert into pg_temp.pg_settings values (1)",
            "update public.pg_own set a = 1 where id = 1",
            "update pgbench_accounts set abalance = abalance + 5 where aid = 7",
            "update \"pg_catalog.x\" set a = 1 where id = 1",
            "copy s.t (a, b) from stdin with (format csv, header match) where a > 1",
            "select nextval('s')",
            "select setval('s', 5, true)",
            "explain analyze delete from t where id = 1",
        ],
    );
}

#[test]
fn the_others() {
    check(
        Transaction,
        &[
            "begin",
            "begin work",
            "start transaction isolation level serializable, read only, not deferrable",
            "commit",
            "end",
            "rollback and no chain",
            "abort",
            "savepoint a",
            "release a",
            "release savepoint a",
            "rollback to a",
            "rollback work to savepoint a",
            "set transaction read only",
            "set transaction snapshot 'x'",
            "set constraints all deferred",
            "prepare transaction 'x'",
            "commit prepared 'x'",
            "rollback prepared 'x'",
        ],
    );
    check(
        Prepared,
        &[
            "prepare p as select 1",
            "execute p",
            "execute p (1, 'a')",
            "deallocate p",
            "deallocate prepare p",
            "deallocate all",
            "discard temp",
            "discard plans",
            "explain execute p",
            "explain analyze execute p(1)",
        ],
    );
    check(
        Cursor,
        &[
            "declare c cursor for select 1",
            "declare c binary no scroll cursor with hold for select 1",
            "fetch c",
            "fetch next from c",
            "fetch forward 10 in c",
            "fetch -1 from c",
            "fetch all c",
            "move absolute 5 from c",
            "close c",
            "close all",
        ],
    );
    check(
        Listen,
        &[
            "listen a",
            "unlisten a",
            "unlisten *",
            "notify a",
            "notify a, 'x'",
            "select pg_notify('a', 'b')",
            "select pg_notify('a', x::text) from t",
        ],
    );
    check(
        Maintenance,
        &[
            "vacuum",
            "vacuum full verbose t",
            "vacuum (analyze, parallel 2) t (a, b), u",
            "analyze t (a)",
            "reindex table t",
            "cluster t using i",
            "checkpoint",
        ],
    );
    check(
        Lock,
        &[
            "lock t",
            "lock table only t, u in access exclusive mode nowait",
            "select pg_advisory_lock($1, -2)",
            "select pg_catalog.pg_try_advisory_xact_lock(('5'::pg_catalog.int8 + 1) * 2)",
            "select pg_sleep(1)",
        ],
    );
    check(
        BulkWrite,
        &["truncate t", "refresh materialized view concurrently v with no data", "delete from t"],
    );
    check(
        SchemaChange,
        &["create table t (a int default 1)", "drop view v", "create index on t using gin (a)"],
    );
    check(PrivilegeChange, &["grant a to b", "set role x", "alter table t owner to x", "drop owned by x"]);
    check(CodeExecution, &["do 'x'", "call f(1)", "create extension x"]);
    check(
        FileOrNetwork,
        &["copy t to 'x'", "copy t from program 'x' csv", "create server s foreign data wrapper w"],
    );
    check(
        ParsingSetting,
        &["set search_path = a", "reset all", "discard all", "begin read write", "alter system set a = 1"],
    );
    check(FunctionCall, &["select f()"]);
    check(Unknown, &["nonsense"]);
}

#[test]
fn carried_classes_names_and_actions() {
    let check = |text: &str, name: Option<&str>, inner: Option<Class>, action: Action| {
        let statement = one(text);
        assert_eq!(statement.name.as_deref(), name, "{text}");
        assert_eq!(statement.inner, inner, "{text}");
        assert_eq!(statement.action(), action, "{text}");
    };
    check("prepare \"P\" as delete from t", Some("P"), Some(BulkWrite), Action::Write);
    check("prepare p as select 1", Some("p"), Some(Read), Action::Read);
    check("execute P", Some("p"), None, Action::Unknown);
    check("deallocate p", Some("p"), None, Action::Session);
    check("declare c cursor for select f()", Some("c"), Some(FunctionCall), Action::Call);
    check("fetch 5 from c", Some("c"), None, Action::Read);
    check("close c", Some("c"), None, Action::Session);
    check("notify x", Some("x"), None, Action::Write);
    check("commit prepared 'x'", None, None, Action::Write);
    check("begin", None, None, Action::Session);
    check("set \"TimeZone\" = 'x'", Some("timezone"), None, Action::Session);
    check("set search_path = x", Some("search_path"), None, Action::Define);
    check("create table x as execute p", Some("p"), None, Action::Unknown);
    check("explain analyze execute p", Some("p"), None, Action::Unknown);
    check("explain execute p", Some("p"), None, Action::Unknown);
    check("lock t", None, None, Action::Call);
    check("nonsense", None, None, Action::Unknown);
    assert!(one("begin read write").flags.read_write);
    assert!(one("prepare transaction 'x'").flags.two_phase);
    assert!(one("explain analyze select 1").flags.analyze);
    assert!(one("deallocate all").flags.all);
}

#[test]
fn objects() {
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<String> = one(text)
            .objects
            .iter()
            .map(|o| {
                format!("{}{}{}", o.name, if o.reads { " r" } else { "" }, if o.writes { " w" } else { "" })
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }
    check("select * from A, s.\"B\" b join \"x.y\" using (i)", &["a r", "s.B r", "\"x.y\" r"]);
    check(
        "select (select 1 from u), exists (table v) from t where a in (select 1 from w)",
        &["u r", "v r", "t r", "w r"],
    );
    check("with x as (select * from t) select * from x, y", &["t r", "y r"]);
    check("with x as (select * from x) select * from x", &["x r"]);
    check("with recursive x as (select * from x) select * from x", &[]);
    check("select * from (with x as (select 1) select * from x) y, x", &["x r"]);
    check("with x as (select 1) select * from s.x", &["s.x r"]);
    check("insert into t select * from t", &["t r w"]);
    check("update t set a = (select 1 from u) from v where t.id = v.id", &["t w", "u r", "v r"]);
    check("delete from t using u where t.id = u.id", &["t w", "u r"]);
    check("merge into t using u on true when matched then do nothing", &["t w", "u r"]);
    check("copy s.t (a) to stdout", &["s.t r"]);
    check("copy t from stdin", &["t w"]);
    check("copy (select * from t) to stdout", &["t r"]);
    check("truncate a, only b", &["a w", "b w"]);
    check("drop table if exists a, b cascade", &["a w", "b w"]);
    check("alter table if exists only s.t add x int", &["s.t w"]);
    check("create table t as select * from u", &["t w", "u r"]);
    check("create index i on t (a)", &["t w"]);
    check("prepare p as select * from t", &["t r"]);
    check("explain select * from t", &["t r"]);
    check("lock a, b", &["a r", "b r"]);
    check("select * from f(1), generate_series(1, 2)", &[]);
}

#[test]
fn functions() {
    let statement =
        one("select count(*), \"Evil\"(1), s.f(2), nextval('x'), pg_catalog.lower('A'), 1 ==> 2 from t");
    let found: Vec<_> = statement.functions.iter().map(|f| (f.name.as_str(), f.class)).collect();
    assert_eq!(
        found,
        [
            ("count", None),
            ("Evil", Some(FunctionCall)),
            ("s.f", Some(FunctionCall)),
            ("nextval", Some(Write)),
            ("pg_catalog.lower", None),
            ("==>", Some(FunctionCall)),
        ]
    );
    assert_eq!(statement.class, FunctionCall);
    assert_eq!(
        statement.classes_allowing(|name| matches!(name, "Evil" | "s.f" | "==>")).greatest(),
        Some(Write)
    );
    assert_eq!(statement.classes_allowing(|name| name == "Evil").greatest(), Some(FunctionCall));
}

#[test]
fn output_items() {
    #[track_caller]
    fn check(text: &str, expected: Option<&[(&str, Option<&str>, ItemForm)]>) {
        let statement = one(text);
        let found = statement.output_items.as_ref().map(|items| {
            items
                .iter()
                .map(|item| (item.span.of(text), item.alias.as_deref(), item.form))
                .collect::<Vec<_>>()
        });
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    use ItemForm::{Column, Expression, Star};
    check(
        "select a, t.B as \"C\", lower(c) d, *, t.* , (e), 1 + f from t join u using (x) where (select true)",
        Some(&[
            ("a", None, Column),
            ("t.B", Some("C"), Column),
            ("lower(c)", Some("d"), Expression),
            ("*", None, Star),
            ("t.*", None, Star),
            ("(e)", None, Column),
            ("1 + f", None, Expression),
        ]),
    );
    check("select (t).* from t", Some(&[("(t).*", None, Star)]));
    check("select count(*) n from t", Some(&[("count(*)", Some("n"), Expression)]));
    check("select from t", Some(&[]));
    check("select (select a from u) from t", Some(&[("(select a from u)", None, Expression)]));
    for text in [
        "select a from t union select b from u",
        "with x as (select 1) select * from x",
        "select * from (select a from t) x",
        "select * from t, lateral (select 1) x",
        "select * from t join ((select 1) x join u on true) on true",
        "(select a from t)",
        "values (1)",
        "table t",
        "insert into t values (1) returning a",
        "explain select a from t",
    ] {
        check(text, None);
    }
}

#[test]
fn copy_out() {
    let out = |text: &str| match one(text).copy {
        Some(Copy::Out(out)) => out,
        other => panic!("{text}: {other:?}"),
    };
    let plain = out("copy s.t (\"A\", b) to stdout");
    assert_eq!(
        plain.source,
        CopySource::Table { name: "s.t".to_owned(), columns: vec!["A".to_owned(), "b".to_owned()] }
    );
    assert_eq!((plain.format, plain.delimiter, plain.null.as_str()), (CopyFormat::Text, '\t', "\\N"));
    for text in [
        "copy t to stdout (format csv, delimiter ';', null 'x', quote '''', escape E'\\\\', header, encoding 'UTF8', force_quote *)",
        "copy t to stdin with csv delimiter as ';' null as 'x' header quote as '''' escape '\\' encoding 'utf8' force quote a, b",
        "copy t to stdout with (header true, format 'csv', delimiter $$;$$, null U&'\\0078', quote '''', escape '\\', encoding utf8)",
    ] {
        let csv = out(text);
        assert_eq!((csv.format, csv.delimiter, csv.null.as_str()), (CopyFormat::Csv, ';', "x"), "{text}");
        assert_eq!((csv.quote, csv.escape, csv.header), ('\'', '\\', true), "{text}");
        assert_eq!(csv.encoding.as_deref(), Some("utf8"), "{text}");
    }
    let csv = out("copy t to stdout csv");
    assert_eq!(
        (csv.delimiter, csv.null.as_str(), csv.quote, csv.escape, csv.header),
        (',', "", '"', '"', false)
    );
    assert_eq!(out("copy binary t to stdout").format, CopyFormat::Binary);
    assert_eq!(out("copy t to stdout (format binary)").format, CopyFormat::Binary);
    assert_eq!(out("copy t to stdout using delimiters '|'").delimiter, '|');
    let text = "copy (select a, b x from t) to stdout";
    match out(text).source {
        CopySource::Query { span, output_items } => {
            assert_eq!(span.of(text), "select a, b x from t");
            assert_eq!(output_items.unwrap().len(), 2);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(one("copy t from stdin").copy, Some(Copy::In));
    assert_eq!(one("copy t to '/x'").copy, Some(Copy::Server));
    for text in [
        "copy t to stdout (format csv, format csv)",
        "copy t to stdout (delimiter ',', delimiter ';')",
        "copy t to stdout (format json)",
        "copy t to stdout (surprise)",
        "copy t to stdout csv surprise",
        "copy t to stdout (format binary, delimiter ',')",
        "copy t to stdout (quote '\"')",
        "copy t to stdout (delimiter 'ab')",
        "copy t to stdout (delimiter '\u{e9}')",
    ] {
        assert_eq!(one(text).class, Unknown, "{text}");
    }
}

#[test]
fn without_standard_conforming_strings_texts_end_elsewhere() {
    let text = r"select 'a\'; delete from t; --'";
    assert_eq!(analyse(text, true).statements.len(), 2);
    assert_eq!(analyse(text, false).statements.len(), 1);
}

#[test]
fn a_text_that_does_not_lex_is_one_unknown_statement() {
    let analysis = analyse("select 1; select 'a", true);
    assert!(analysis.error.is_some());
    assert_eq!(analysis.statements.len(), 1);
    assert_eq!(analysis.class(), Some(Unknown));
    assert_eq!(analyse("", true).class(), None);
    assert_eq!(analyse(" ; -- x", true).statements, []);
}

#[test]
fn fields_of_rows_are_read() {
    check(
        Read,
        &[
            "select (i.keys).n, ((i.keys)).x from i",
            "select (t.c::s.address).level from t",
            "select (cast(t.c as s.address)).level from t",
            "select (array[t.c])[1].level from t",
            "select (aclexplode(t.acl)).grantee, (pg_get_object_address('a', '{}', '{}')).objid from t",
            "select (select u from u limit 1).name, (case when true then t.c end).name, (t.*).name from t",
            "select (json_populate_record(null::s.address, '{}')).level",
            "select (t.a + 1).abs, ('x'::text).lower from t",
            "select x.x from unnest(array[1, 2]) x",
            "select c.level from json_populate_record(null::s.address, '{}') c",
        ],
    );
}
