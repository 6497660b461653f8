//! Which computed columns of a statement are hidden.

mod common;
use common::{column, masker, operation};

/// `names` are the result's columns; a column in `tainted` must be wanted by the rule `computed`.
fn check(settings: &str, statement: &str, names: &str, tainted: &str) {
    let mut masker = masker(settings);
    // A type detection does not want, so that what is wanted is wanted because it is computed.
    let columns: Vec<_> = names.split(' ').map(|name| column(name, "", "float8")).collect();
    let plan = masker.plan_shape(1, &columns, &operation(statement));
    let wanted = columns.iter().enumerate().filter(|(index, _)| plan.wanted.contains(&(*index as u16)));
    let wanted: Vec<&str> = wanted.map(|(_, column)| column.name.as_str()).collect();
    assert_eq!(wanted.join(" "), tainted, "{statement}");
}

const NAMED: &str = r#"{"columns":["customers.full_name","public.customers.notes"]}"#;

#[test]
fn a_named_column() {
    let table: &[(&str, &str, &str)] = &[
        // nothing protected
        ("select 1", "a", ""),
        ("select count(*) from orders", "a", ""),
        ("select lower(name) from orders o", "a", ""),
        ("select row_to_json(o) from orders o", "a", ""),
        ("select * from (select a + 1 from orders) o", "a", ""),
        ("select a from orders union select b from pets", "a", ""),
        ("with x as (select 1) select * from x", "a", ""),
        ("show server_version", "a", ""),
        ("explain select * from orders", "a", ""),
        ("select x from orders where status = 'full_name'", "a", ""),
        // the column in an expression
        ("select full_name || '' from customers", "a", "a"),
        ("select substr(full_name, 1, 1) from customers", "a", "a"),
        ("select ascii(c.full_name) from customers c", "a", "a"),
        ("select max(full_name), count(*) from customers", "a b", "a"),
        ("select max(FULL_NAME) from Customers", "a", "a"),
        ("select upper(\"full_name\") from customers", "a", "a"),
        ("select upper(U&\"full\\005fname\") from customers", "a", "a"),
        ("select upper(U&\"full!005fname\" uescape '!') from customers", "a", "a"),
        ("select \"FULL_NAME\" || '' from customers", "a", "a"),
        ("select length(notes), id + 1 from customers", "a b", "a"),
        ("select id + 1, length(notes) from customers", "a b", "b"),
        ("select case when full_name like 'A%' then 1 else 0 end, now() from customers", "a b", "a"),
        ("select full_name as x, full_name || 'y' as z from customers", "a b", "a b"),
        ("select string_agg(full_name, ',' order by id) from customers", "a", "a"),
        ("select count(*) as n from customers where full_name = 'Ann'", "n", ""),
        ("select count(distinct full_name) from customers", "a", ""),
        ("select pg_catalog.count(full_name) from customers", "a", ""),
        ("select count(*) n from customers", "n", ""),
        ("select count(full_name) || max(full_name) from customers", "a", "a"),
        ("select count(*) filter (where full_name like 'A%') from customers", "a", "a"),
        ("select rank() over (order by full_name) from customers", "a", "a"),
        ("select extract(year from created) from customers", "a", ""),
        ("select a is distinct from b from customers", "a", ""),
        ("select full_name is distinct from 'Ann' from customers", "a", "a"),
        ("select 1 as from, full_name || '' from customers", "a b", "b"),
        ("select o.from, full_name || '' from customers c, orders o", "a b", "b"),
        // what has no origin is no column, but a function of the row
        ("select c.display_name from customers c", "a", "a"),
        ("select public.customers.display_name as x, customers.show y from customers", "a b", "a b"),
        ("select c.ctid, c.xmin from customers c", "a b", ""),
        ("select o.state from customers c, orders o", "a", ""),
        // whole rows
        ("select row_to_json(c) from customers c", "a", "a"),
        ("select to_jsonb(customers) from customers", "a", "a"),
        ("select customers from customers", "a", "a"),
        ("select customers::text from public.customers", "a", "a"),
        ("select c::text from customers as c", "a", "a"),
        ("select (c).id from customers c", "a", "a"),
        ("select row(c.*) from customers c", "a", "a"),
        ("select json_agg(c.*), count(*) from customers c", "a b", "a"),
        ("select to_jsonb(public.customers.*) from customers", "a", "a"),
        ("select to_jsonb(shop.public.customers.*), customers.id + 1 from customers", "a b", "a"),
        ("select row(public.customers.*)::text from public.customers", "a", "a"),
        (
            "select (public.customers.*)::text, max((\"public\".\"customers\".*)::text) from customers",
            "a b",
            "a b",
        ),
        ("copy (select format('%s', public.customers.*), 1 from customers) to stdout", "a b", "a"),
        ("select to_jsonb(public.orders.*) from customers c, public.orders", "a", ""),
        ("select public.customers.* from customers", "a b", ""),
        ("select to_jsonb(pg_catalog.pg_stats.*) from pg_stats", "a", "a"),
        ("select array_agg(x) from customers x", "a", "a"),
        ("select c.row_to_json from customers c", "a", "a"),
        ("select c.id + 1, upper(c.city) from customers c", "a b", ""),
        ("select o.total * 2, c from orders o join customers c on c.id = o.customer", "a b", "b"),
        ("select row_to_json(o) from orders o join customers c on c.id = o.customer", "a", ""),
        ("select row_to_json(c) from orders o, customers c", "a", "a"),
        ("select row_to_json(c) from orders o left join only customers as c using (id) where true", "a", "a"),
        // keywords as labels do not hide the FROM
        ("select c, 1 distinct from customers c", "a b", "a"),
        ("select c, o.as from customers c, orders o", "a b", "a"),
        ("select c, 1 as as from customers c", "a b", "a"),
        ("select c, 1 as distinct from customers c", "a b", "a"),
        ("select a is not distinct from b, c from customers c", "a b", "b"),
        ("select set from customers set", "a", "a"),
        ("(select c from customers c)", "a", "a"),
        // names changed on the way, and everything that is not a plain SELECT
        ("select x || '' from customers as c(a, b, x)", "a", "a"),
        ("select y from (select full_name || '' as y from customers) s", "a", "a"),
        ("select y, count(*) from (select full_name || '' as y from customers) s group by 1", "a b", "a"),
        ("select count(*) from (select full_name from customers) s", "a", ""),
        ("with t as (select full_name as n from customers) select upper(n) from t", "a", "a"),
        ("with t(n) as (table customers) select upper(n) from t", "a", "a"),
        ("select '' union select full_name from customers", "a", "a"),
        ("select full_name from customers union all select ''", "a", "a"),
        ("select count(*) from a union select ascii(full_name) from customers", "a", "a"),
        ("select (select full_name from customers limit 1)", "a", "a"),
        ("select array(select full_name from customers)", "a", "a"),
        ("select exists (select from customers where full_name = 'x')", "a", "a"),
        ("select u from customers, unnest(array[full_name]) u", "a", "a"),
        ("select u from customers, lateral (values (full_name)) v(u)", "a", "a"),
        ("select u from customers cross join lateral upper(full_name) u", "a", "a"),
        ("update customers set id = id returning full_name || ''", "a", "a"),
        ("delete from customers returning id + 1", "a", "a"),
        ("insert into customers (full_name) values ('x') returning upper(full_name)", "a", "a"),
        ("values ((select full_name from customers limit 1))", "a", "a"),
        ("copy customers to stdout", "a b", "a b"),
        ("copy (select full_name from customers union select '') to stdout", "a", "a"),
        ("copy (select upper(full_name), id + 1, count(*) from customers) to stdout", "a b c", "a"),
        ("copy (select id from customers) to stdout; select upper(full_name) from customers", "a", "a"),
        ("explain analyze select * from customers where full_name = 'Ann'", "a", "a"),
        ("select 1; select full_name || '' from customers", "a", "a"),
        ("select full_name || '' from customers;", "a", "a"),
        // through SQL in strings, and results that come from elsewhere
        ("select query_to_xml('select 1', true, true, '')", "a", "a"),
        ("select query_to_xml($1, true, true, '')", "a", "a"),
        ("select table_to_xml('x', true, true, '')", "a", "a"),
        ("select * from dblink('x', 'y') t(a text)", "a", "a"),
        ("select run('select full_name from customers')", "a", "a"),
        ("fetch all from c", "a", "a"),
        ("select 1; fetch all from c", "a", "a"),
        ("begin; execute p", "a", "a"),
        ("execute p", "a", "a"),
        ("call p()", "a", "a"),
        // the planner's samples
        ("select most_common_vals::text from pg_stats", "a", "a"),
        ("select s::text from pg_stats s", "a", "a"),
        ("select count(*) from pg_stats", "a", ""),
        // what other sessions run
        ("select upper(query) from pg_stat_activity", "a", "a"),
        (
            "select pid + 1, substr(a.query, 1, 9), count(*) from pg_catalog.pg_stat_activity a",
            "a b c",
            "a b",
        ),
        ("select query || '' from public.pg_stat_statements", "a", "a"),
        ("select q || '' from pg_stat_statements(true) as s(u, d, t, i, q)", "a", "a"),
        ("select a::text from \"pg_stat_activity\" a", "a", "a"),
        ("select s.statement || '' from pg_prepared_statements s", "a", "a"),
        ("select x from (select query || '' as x from pg_stat_activity) s", "a", "a"),
        ("select lower(statement) from pg_cursors", "a", "a"),
        ("select query || '' from pg_stat_get_activity(null) s", "a", "a"),
        ("select pg_stat_get_backend_activity(1)", "a", "a"),
        ("select count(*) from pg_stat_activity", "a", ""),
        ("select x.pg_stat_get_backend_activity from generate_series(1, 10) x", "a", "a"),
        ("select (x).pg_stat_get_backend_activity from generate_series(1, 10) x", "a", "a"),
        ("select (null::int).pg_stat_get_activity", "a", "a"),
        ("select x.\"pg_stat_get_activity\"::text from unnest(array[null::int]) x", "a", "a"),
        ("select (true).pg_stat_statements::text", "a", "a"),
        ("select o.lo_get, o.dblink_fetch from orders o", "a b", "a b"),
        ("select count(*) from public.pg_stat_statements", "a", ""),
        // nobody can read it
        ("select 'unfinished", "a", "a"),
        ("select E'\\'' || full_name from customers", "a", "a"),
        ("select '\\' , upper(full_name), '' from customers", "a b c", "a b c"),
        ("", "a", "a"),
    ];
    assert!(table.len() >= 60);
    for (statement, names, tainted) in table {
        check(NAMED, statement, names, tainted);
    }
}

#[test]
fn stars_move_the_items() {
    check(NAMED, "select *, full_name || '' from customers", "a b c d", "d");
    check(NAMED, "select upper(full_name), * from customers", "a b c d", "a");
    check(NAMED, "select 1, c.*, 2, full_name || '' from customers c", "a b c d", "d");
    check(NAMED, "select (c).*, 1 from customers c", "a b c", "a b");
    // more columns than items: the text and the result do not agree
    check(NAMED, "select 1, upper(full_name) from customers", "a b c", "a b c");
    check(NAMED, "select 1, *, upper(full_name) from customers", "a", "a");
}

#[test]
fn a_column_of_any_table() {
    let any = r#"{"columns":["*.ssn"]}"#;
    let table: &[(&str, &str, &str)] = &[
        ("select 1", "a", ""),
        ("select upper(name), count(*) from people", "a b", ""),
        ("select ssn || '' from people", "a", "a"),
        ("select row_to_json(p) from people p", "a", "a"),
        ("select p.name || '' from people p", "a", ""),
        ("select count(*) from (select * from orders) o", "a", ""),
        ("select x || '' from (select * from people) p(x)", "a", "a"),
        ("select x || '' from (select * from people) p", "a", "a"),
        ("select x || '' from (select p as x from people p) q", "a", "a"),
        ("select p::text from (people p cross join pets)", "a", "a"),
        ("select x, p::text from pets, ((people p cross join pets y))", "a b", "a b"),
        ("select 1 as from, p::text from people p tablesample system (10)", "a b", "a b"),
        ("select 1 using, p::text from people p tablesample system (10)", "a b", "a b"),
        ("delete from pets using pets x, people p returning 1, p::text", "a b", "a b"),
        ("delete from people p returning 1, p", "a b", "a b"),
        ("delete from people p returning id + 1", "a", ""),
        ("update people set n = n where id = 1 returning 1, to_jsonb(people)", "a b", "a b"),
        ("update only public.people set n = n returning people::text", "a", "a"),
        ("update people as set set n = n returning set::text", "a", "a"),
        ("update people p set n = n returning p.n + 1", "a", ""),
        ("update people set n = n + 1 where id = 1 returning n + 1, upper(people.name)", "a b", ""),
        ("with u as (update people set n = n returning to_jsonb(people) as z) select z from u", "a", "a"),
        ("insert into people (id) values (1) returning people::text", "a", "a"),
        ("insert into people as p (id) values (1) returning p::text", "a", "a"),
        ("insert into people as p (id) values (1) returning p.id + 1", "a", ""),
        ("insert into people values (1) returning people::text", "a", "a"),
        ("insert into people overriding user value values (1) returning people::text", "a", "a"),
        ("insert into people (id, name) values ($1, $2) returning id + 1, lower(name)", "a b", ""),
        ("insert into people (id) select id from pets returning id + 1", "a", ""),
        (
            "insert into people (id) values (1) on conflict (id) do update set n = excluded.n returning to_jsonb(people)",
            "a",
            "a",
        ),
        ("select to_jsonb(people) from only (people)", "a", "a"),
        ("select max(people::text) from pets cross join only (public.people)", "a", "a"),
        ("select p::text from only (people) as p", "a", "a"),
        ("select n + 1, upper(people.name) from only (people)", "a b", ""),
        ("with w as (select 1) select n + 1 from only (people), w", "a", ""),
        ("with w as (select 1) select people::text from only (people), w", "a", "a"),
        ("delete from people p returning p.*::text", "a", "a"),
        ("delete from people p returning '' || p.*", "a", "a"),
        ("delete from people p returning p.*, n + 1", "a b", ""),
        ("with w as (select 1) select c.*::text from people c, w", "a", "a"),
        ("with w as (select 1) select distinct c.*, 1 from people c, w", "a b", ""),
        ("with w as (select 1) select 1, public.people.* from people, w", "a b", ""),
        ("select 1; select c.*::text from people c", "a", "a"),
        ("select 1; select c.* from people c where c.n = 1", "a", ""),
        ("select s + 1 from (select 1) x, generate_series(1, 3) as s(i)", "a", ""),
        ("select (select sum(x) from unnest(array[1, 2]) x)", "a", ""),
        ("select v.a + 1 from (values (1)) v(a)", "a", ""),
        ("select x from unnest(array(select p from people p)) x", "a", "a"),
        ("select x::text from rows from (f()) x(a)", "a", "a"),
        ("select (select set::text from people set)", "a", "a"),
        ("select (select p::text from people as p limit 1)", "a", "a"),
        ("with t as (table people) select upper(x) from t", "a", "a"),
        ("select 'x' union select p::text from people p", "a", "a"),
        ("select '' as a union select * from t", "a", "a"),
        ("select a || '' from (select a from orders) o", "a", ""),
        ("with t as (select a, b from orders) select a + b from t", "a", ""),
        ("select (select max(a) from orders) + 1", "a", ""),
        (
            "select format_type(a.atttypid, null), (select 1 from pg_catalog.pg_attrdef d where d.adrelid = a.attrelid) from pg_catalog.pg_attribute a",
            "a b",
            "",
        ),
        ("select generate_series(1, 3)", "a", ""),
        ("select * from generate_series(1, 3)", "a", ""),
        ("select 2 * 3, (a + b) * c from orders", "a b", ""),
    ];
    for (statement, names, tainted) in table {
        check(any, statement, names, tainted);
    }
}

#[test]
fn a_whole_table() {
    let whole = r#"{"columns":["customers.*"]}"#;
    let table: &[(&str, &str, &str)] = &[
        ("select upper(city) from customers", "a", "a"),
        ("select upper(c.city) as x from customers c", "a", "a"),
        ("select count(*), now(), 1 as one, 'x' from customers", "a b c d", ""),
        ("select upper(city) from pets", "a", ""),
        ("select upper(n) from (select city as n from customers) s", "a", "a"),
        // columns named like keywords
        (
            "select lower(filter), lower(over), lower(by), lower(partition) from customers",
            "a b c d",
            "a b c d",
        ),
        (
            "select c.order || '', c.end || '', c.all || '', lower(c.case) from customers c",
            "a b c d",
            "a b c d",
        ),
        ("select lower(interval), between || '', '' || between from customers", "a b c", "a b c"),
        ("select case between when 'x' then 1 end from customers", "a", "a"),
        ("select now() - interval '1 day', now() between '2020-01-01' and null from customers", "a b", ""),
        ("select count(*) filter (where true), row_number() over () from customers", "a b", ""),
        ("select 1 between 0 and 2 and not false, case when true then 1 end from customers", "a b", ""),
    ];
    for (statement, names, tainted) in table {
        check(whole, statement, names, tainted);
    }
}

#[test]
fn everything() {
    let table: &[(&str, &str, &str)] = &[
        ("select upper(x) from (select city as x from pets) s", "a", "a"),
        ("select upper(city), now() from pets", "a b", "a"),
        ("select 1", "a", ""),
    ];
    for (statement, names, tainted) in table {
        check(r#"{"columns":["*.*"]}"#, statement, names, tainted);
        check(r#"{"columns":["*"]}"#, statement, names, tainted);
    }
}

#[test]
fn without_named_columns_nothing_is_tainted() {
    check("{}", "select upper(full_name) from customers", "a", "");
    check("{}", "fetch all from c", "a", "");
}

#[test]
fn a_protected_name_is_hidden_by_its_visible_name_too() {
    let mut masker = masker(NAMED);
    let plan = masker.plan_shape(1, &[column("full_name", "", "text")], &operation("select * from f()"));
    assert_eq!(plan.wanted, [0]);
    assert!(plan.rules.contains(&"column:customers.full_name".to_owned()));
}
