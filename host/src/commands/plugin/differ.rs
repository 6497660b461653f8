//! What was expected of a case, held against what came.

use super::{cases, glob};
use serde::Serialize;
use serde_json::{Value, json};

/// One thing that is not as expected.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub(super) what: String,
    pub(super) expected: Value,
    pub(super) got: Value,
}

/// Gathers differences.
#[derive(Default)]
pub(super) struct Differ(pub(super) Vec<Difference>);

impl Differ {
    pub(super) fn push(&mut self, what: &str, expected: Value, got: Value) {
        self.0.push(Difference { what: what.to_owned(), expected, got });
    }

    pub(super) fn value(&mut self, what: &str, expected: Value, got: Value) {
        if expected != got {
            self.push(what, expected, got);
        }
    }

    pub(super) fn text(&mut self, what: &str, expected: Option<&str>, got: &str) {
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            self.push(what, json!(expected), json!(got));
        }
    }

    pub(super) fn findings(&mut self, expected: &[cases::FindingCase], got: &[weir_model::Finding]) {
        let fits = |(wanted, found): (&cases::FindingCase, &weir_model::Finding)| {
            wanted.rule == found.rule
                && wanted.place.as_ref().is_none_or(|place| *place == found.place)
                && wanted.score.is_none_or(|score| score == found.score)
        };
        if expected.len() != got.len() || !expected.iter().zip(got).all(fits) {
            let wanted = expected
                .iter()
                .map(|one| json!({ "rule": one.rule, "place": one.place, "score": one.score }))
                .collect::<Vec<_>>();
            let found = got
                .iter()
                .map(|one| json!({ "rule": one.rule, "place": one.place, "score": one.score }))
                .collect::<Vec<_>>();
            self.push("findings", json!(wanted), json!(found));
        }
    }

    /// Of each table, the keys that are expected. Of a text in an answer, `*` stands for any.
    pub(super) fn tables(&mut self, what: &str, expected: &[Value], got: &[Value], how: &str) {
        for at in 0..expected.len().max(got.len()) {
            let what = format!("{what} {} ({how})", at + 1);
            match (expected.get(at), got.get(at)) {
                (Some(Value::Object(keys)), Some(found)) => {
                    for (key, value) in keys {
                        let is = found.get(key).cloned().unwrap_or(Value::Null);
                        let fits = match (value, &is) {
                            (Value::String(pattern), Value::String(text)) if key == "body" => {
                                glob::matches(pattern, text)
                            }
                            (Value::Object(some), Value::Object(all)) if key == "headers" => {
                                some.iter().all(|(name, value)| all.get(name) == Some(value))
                            }
                            _ => *value == is,
                        };
                        if !fits {
                            self.push(&format!("{what}: {key}"), value.clone(), is);
                        }
                    }
                }
                // An exchange without an answer that counts.
                (Some(Value::Null), Some(_)) => {}
                (wanted, found) => self.push(
                    &what,
                    wanted.cloned().unwrap_or(Value::Null),
                    found.cloned().unwrap_or(Value::Null),
                ),
            }
        }
    }

    /// Bytes, shown as a text where they are one.
    pub(super) fn bytes(
        &mut self,
        what: &str,
        expected: Option<&cases::Bytes>,
        got: &[u8],
        how: &str,
    ) -> anyhow::Result<()> {
        let Some(expected) = expected.map(cases::Bytes::bytes).transpose()? else { return Ok(()) };
        if expected != got {
            let shown = |bytes: &[u8]| match std::str::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(_) => {
                    json!({ "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() })
                }
            };
            self.push(&format!("{what} ({how})"), shown(&expected), shown(got));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::shown;
    use super::*;

    #[test]
    fn only_what_is_written_of_an_operation_is_compared() {
        let operation = cases_operation();
        let seen = [shown(&operation, 0, None)];
        let mut differ = Differ::default();
        differ.tables("operation", &[json!({ "kind": "sql.query" })], &seen, "whole");
        assert!(differ.0.is_empty());
        differ.tables("operation", &[json!({ "kind": "sql.call", "refused": null })], &seen, "whole");
        assert_eq!(differ.0.len(), 1);
        assert_eq!(differ.0[0].what, "operation 1 (whole): kind");
        differ.tables("operation", &[], &seen, "whole");
        assert_eq!(differ.0[1].expected, Value::Null);
    }

    fn cases_operation() -> weir_model::Operation {
        serde_json::from_str::<cases::OperationCase>(r#"{"kind": "sql.query", "text": "select 1"}"#)
            .unwrap()
            .operation()
    }
}
