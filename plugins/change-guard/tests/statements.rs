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
