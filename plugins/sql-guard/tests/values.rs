//! The values of parameters change no decision: each is called reusable. Nor does the text, when that is said.

#![allow(clippy::unwrap_used, reason = "tests")]

use weir_plugin_sql_guard::judge::Guard;
use weir_plugin_sql_guard::settings::Settings;
use weir_sdk::Attribute;
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

/// As the inspector tells them: whatever is called good for any text is the same without one.
#[test]
fn what_serves_any_text_did_not_look_at_it() {
    let settings: Settings = serde_json::from_str(r#"{"functions": ["f"]}"#).unwrap();
    let mut guard = Guard::new(settings.rules().unwrap());
    let (mut serves, mut looked) = (0, 0);
    for kind in ["sql.query", "sql.startup", "sql.prepare", "sql.call", "sql.new", "http.request"] {
        for class in weir_sql::Class::ALL {
            for (statements, more) in
                [("1", ""), ("2", ""), ("1", "sql-executes"), ("1", "sql-lexing"), ("1", "text-not-utf8")]
            {
                let mut told = operation("select 1; drop table t", None);
                told.kind = kind.into();
                told.attributes.push(Attribute::new("sql-class", class.name()));
                told.attributes.push(Attribute::new("sql-statements", statements));
                if !more.is_empty() {
                    told.attributes.push(Attribute::new(more, "unsafe"));
                }
                let said = guard.decide(&told);
                assert!(said.reusable);
                if !said.for_any_text {
                    looked += 1;
                    continue;
                }
                serves += 1;
                for text in ["", "select 1", "grant all on t to bob", "'", "execute p"] {
                    let other = Operation { text: text.into(), ..told.clone() };
                    assert_eq!(format!("{:?}", guard.decide(&other)), format!("{said:?}"), "{told:?}");
                }
            }
        }
    }
    assert!(serves > 100 && looked > 100, "both were seen: {serves}, {looked}");
}
