//! The values of parameters change no decision: each is called reusable.

#![allow(clippy::unwrap_used, reason = "tests")]

use weir_plugin_sql_guard::judge::Guard;
use weir_plugin_sql_guard::settings::Settings;
use weir_sdk::policy::{Operation, Parameter, Policy};

fn operation(text: &str, value: Option<&str>) -> Operation {
    let value = value.map(str::to_owned);
    Operation {
        kind: "sql.query".into(),
        action: "unknown".into(),
        text: text.into(),
        objects: vec![],
        parameters: vec![Parameter { name: "$1".into(), type_name: "text".into(), value }],
        attributes: vec![],
        claimed: vec![],
    }
}

#[test]
fn the_same_statement_with_other_values_is_the_same_to_it() {
    let settings: Settings = serde_json::from_str("{}").unwrap();
    let mut guard = Guard::new(settings.rules().unwrap());
    let mut words = std::collections::BTreeSet::new();
    for text in [
        "select * from t where a = $1",
        "update t set a = 1 where b = $1",
        "delete from t where $1",
        "call f($1)",
        "grant $1",
    ] {
        let said = |guard: &mut Guard, value| format!("{:?}", guard.decide(&operation(text, value)));
        let first = said(&mut guard, Some("1"));
        for value in [None, Some("true"), Some("1 = 1"), Some("'; drop table t"), Some("pg_read_file")] {
            assert_eq!(said(&mut guard, value), first, "{text}");
        }
        assert!(first.contains("reusable: true"));
        words.insert(first);
    }
    assert!(words.len() > 2, "these differ in what is said of them: {words:?}");
}
