//! Statements as the inspector of PostgreSQL reads them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use weir_plugin_change_guard::judge::Guard;
use weir_plugin_change_guard::settings::Settings;
use weir_plugin_postgres::operations::{PREPARE, QUERY, attribute, of_text};
use weir_plugin_postgres::sql::{MaySet, Reading, read};
use weir_sdk::inspector::Operation as Seen;
use weir_sdk::policy::{Operation, Verdict};

fn is_held(text: &str) -> bool {
    holds(seen(QUERY, text))
}

fn seen(kind: &str, text: &str) -> Seen {
    let facts = read(text.as_bytes(), Reading::default(), MaySet::Nothing);
    of_text(kind, text.to_owned(), &facts)
}

fn holds(seen: Seen) -> bool {
    let settings: Settings =
        serde_json::from_str(r#"{"protect": [{"objects": ["public.payments"], "kinds": ["sql.*"]}]}"#)
            .unwrap();
    let operation = Operation {
        kind: seen.kind,
        action: seen.action,
        text: seen.text,
        objects: seen.objects,
        parameters: vec![],
        attributes: seen.attributes,
        claimed: vec![],
    };
    matches!(Guard::new(settings.rules().unwrap()).judge(&operation).verdict, Verdict::Hold(_))
}

#[test]
fn changes_of_the_protected_relation_are_held_however_they_are_written() {
    for text in [
        "insert into payments values (1)",
        "UPDATE Public.Payments SET a = 1 WHERE id = 2",
        "update public . /* x */ \"payments\" set a = 1 where id = 2",
        "update U&\"p\\0061yments\" set a = 1 where id = 2",
        "delete from only payments p where p.id = 1",
        "with x as (delete from payments where id = 1 returning *) select * from x",
        "merge into payments using t on payments.id = t.id when matched then delete",
        "truncate customers, payments",
        "copy payments from stdin",
        "alter table payments drop column a",
        "drop table if exists customers, public.payments cascade",
        "create index on payments (a)",
        "create trigger t after insert on payments for each row execute function f()",
        "create rule r as on insert to customers do also delete from payments",
        "drop trigger t on payments",
        "drop schema public cascade",
        "drop schema public cascade; delete from customers where id = 1",
        "drop owned by bob; delete from customers where id = 1",
        "grant all on payments to bob",
        "comment on column payments.a is 'x'",
        "reindex table payments",
        "cluster payments",
        "lock customers, payments",
        "select * into payments from customers",
        "create policy p on payments using (true)",
        "create table t (a int) inherits (customers, public.payments)",
        "create table t partition of payments for values in (1)",
        "create table t partition of public.payments default",
        "create table t (like payments)",
        "create table t (a int references payments (id) on delete cascade)",
        "create table t (a int, foreign key (a) references payments)",
        "alter table customers attach partition payments for values in (1)",
        "alter table customers detach partition public.payments concurrently",
        "alter table t inherit payments",
        "alter table t no inherit payments",
        "alter table t add constraint f foreign key (a) references public.\"payments\" (id)",
        "alter table customers rename to payments",
        "alter table archive.payments set schema public",
        "alter sequence s owned by public.payments.id",
        "alter sequence s owned by payments.id",
        "drop index i",
        "drop index concurrently if exists s.i",
        "alter index i set (fillfactor = 70)",
        "drop table customers cascade",
        "alter table customers drop column a cascade",
        "truncate customers cascade",
        "update pg_class set relname = 'x' where oid = 1",
        "select setval('payments_id_seq', 1) from customers",
        "insert into customers select pg_catalog.setval('payments_id_seq', 1)",
        "create table t as select wipe('payments')",
        "create materialized view m as select wipe(a) from customers",
        "create view v as select wipe('payments')",
        "select wipe('payments') into t",
        "create index on customers (wipe(a))",
        "create index on customers (lower(a), s.wipe(a))",
        "create index on customers ((a ==> 1))",
        "create index on customers (a) where s.user(a)",
        "create index on customers (((a::text).wipe))",
        "alter table customers add column b int default wipe('payments')",
        "alter table customers alter a type text using hash(a)",
        "alter table customers add check (wipe(a) is null)",
        "alter table customers add check (customers.wipe is null)",
        "create table t (a int default \"wipe\"())",
        "create index on customers ((a operator(s.+) 1))",
        "do $$ begin delete from payments; end $$",
        "select wipe('payments')",
        "delete from customers where id = wipe('payments')",
        "explain analyze delete from payments where id = 1",
        "begin; delete from payments where id = 1; commit",
        "select 1; frobnicate payments",
        "execute whatever",
    ] {
        assert!(is_held(text), "{text}");
    }
}

#[test]
fn what_does_not_change_it_goes_on() {
    for text in [
        "select * from payments",
        "explain delete from payments where id = 1",
        "delete from archive.payments where id = 1",
        "delete from customers where id = 1",
        "insert into customers values (1), (now())",
        "alter table customers add column a int",
        "create table t (a int)",
        "create table t (a numeric(10, 2) primary key, b varchar(3)[] not null check (length(b) > 1), unique (a, b))",
        "create table s.t (a uuid default gen_random_uuid() references customers (id) on delete cascade, b geometry(Point, 4326))",
        "create table t (a timestamptz(3) default now(), exclude using gist (a with =)) partition by range (a) with (fillfactor = 70)",
        "create table t (like customers including all, a int generated always as identity (start 1)) tablespace x",
        "create table t partition of s.customers for values from (1) to (2)",
        "create unique index concurrently if not exists i on customers using gin (lower(a) gin_trgm_ops(siglen = 3)) include (b) where a > 1",
        "create table t as select lower(a) from customers",
        "create view v as select count(*) from customers",
        "insert into customers values (nextval('customers_id_seq'))",
        "alter table customers alter column a set data type vector(3), add b s.type, add unique (a)",
        "alter table s.customers add constraint f foreign key (a) references s.orders (id) on update cascade on delete cascade",
        "drop table customers, orders",
        "truncate customers, orders restart identity",
        "begin",
        "commit",
        "set application_name = 'x'",
        "notify payments",
        "select pg_advisory_lock(1)",
        "",
    ] {
        assert!(!is_held(text), "{text}");
    }
}

#[test]
fn what_is_bound_waits_if_planning_may_change_something() {
    for (text, waits) in [
        ("select id from orders where id = f()", true),
        ("delete from payments where id = f()", true),
        ("delete from payments where id = 1", false),
        ("drop table payments", false),
        ("select id from orders where id = 1", false),
    ] {
        let mut operation = seen(PREPARE, text);
        assert!(!holds(operation.clone()), "{text}");
        operation.attributes.push(attribute("portal-name", ""));
        assert_eq!(holds(operation), waits, "{text}");
    }
}
