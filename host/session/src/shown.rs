//! An operation as it may be stored and shown: which of its texts go through the maskers, and as what.

use weir_model::{Attribute, Column, Decision, Operation, Verdict};

/// Stands for every text of an operation that could not be masked.
pub(crate) const WITHHELD: &str = "[withheld: a masker failed]";

/// Longest value that may be a mere word.
const MAX_WORD_BYTES: usize = 64;
/// Words with as many digits may be numbers that mean somebody.
const MAX_WORD_DIGITS: usize = 4;

pub(crate) struct Shown {
    pub(crate) operation: Operation,
    /// The client's text, if it was rewritten.
    pub(crate) original: Option<String>,
    pub(crate) decision: Decision,
}

impl Shown {
    /// What is masked as part of the operation, one column for each text; and what may be a statement of its own: the
    /// client's text before it was rewritten, and every fact of the inspector that is more than a word (what an EXECUTE
    /// runs).
    pub(crate) fn parts(&mut self) -> (Vec<Column>, Vec<&mut String>, Vec<&mut String>) {
        let Operation { text, objects, parameters, attributes, claimed, .. } = &mut self.operation;
        let mut columns = vec![labelled("statement", "statement")];
        let mut texts = vec![text];
        // Paths and the like: what is in them may mean somebody. Names of tables and tools do not.
        for object in objects.iter_mut().filter(|object| !is_name(object)) {
            columns.push(labelled("object", "parameter"));
            texts.push(object);
        }
        for parameter in parameters {
            let name = parameter.name.clone();
            // A key of the client's own may be a value: `{"ann@example.com": 1}`.
            if !is_field(&parameter.name) {
                columns.push(labelled("name", "parameter"));
                texts.push(&mut parameter.name);
            }
            if let Some(value) = &mut parameter.value {
                let type_name = parameter.type_name.clone();
                columns.push(Column { type_name, ..labelled(&name, "parameter") });
                texts.push(value);
            }
        }
        for claim in claimed {
            columns.push(labelled(&claim.name, "parameter"));
            texts.push(&mut claim.value);
        }
        let Decision { verdict, findings, tags, .. } = &mut self.decision;
        if let Verdict::Deny { reason, .. } | Verdict::Hold { reason, .. } = verdict {
            columns.push(labelled("reason", "reason"));
            texts.push(reason);
        }
        for finding in findings {
            columns.push(labelled(&finding.rule, "finding"));
            texts.push(&mut finding.place);
        }
        for tag in tags {
            columns.push(labelled(&tag.name, "tag"));
            texts.push(&mut tag.value);
        }
        let attributes = attributes.iter_mut().map(|Attribute { value, .. }| value);
        let statements = self.original.iter_mut().chain(attributes.filter(|value| !is_word(value)));
        (columns, texts, statements.collect())
    }

    pub(crate) fn withhold(&mut self) {
        let (_, texts, statements) = self.parts();
        let (said, facts) = (texts.len(), statements.len());
        tracing::debug!(statements = facts, texts = said, "texts of an operation are withheld");
        texts.into_iter().chain(statements).for_each(|text| WITHHELD.clone_into(text));
    }
}

/// Words joined by dots and colons.
fn is_name(value: &str) -> bool {
    value.len() <= 4 * MAX_WORD_BYTES && value.split(['.', ':']).all(is_word)
}

/// A name with perhaps a place in a list: `body.items[0].email`, `$1`.
fn is_field(name: &str) -> bool {
    let name = name.strip_prefix('$').unwrap_or(name);
    let mut parts = name.split('[');
    let first = parts.next().unwrap_or_default();
    is_name(first)
        && parts.all(|part| {
            let (number, behind) = part.split_once(']').unwrap_or(("none", ""));
            number.bytes().all(|byte| byte.is_ascii_digit()) && is_name(behind)
        })
}

fn is_word(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= MAX_WORD_BYTES
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() <= MAX_WORD_DIGITS
}

pub(crate) fn labelled(name: &str, label: &str) -> Column {
    Column { name: name.to_owned(), labels: vec![label.to_owned()], ..Column::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_hold_no_values() {
        for name in ["$1", "query.since", "body.items[0].email", "body[12]", "tag[1]", "_meta.x-y"] {
            assert!(is_field(name), "{name}");
        }
        for name in
            ["body.\"ann@example.com\"", "query.ann@example.com", "body.15551234567", "a[b]", "a[1", "a b"]
        {
            assert!(!is_field(name), "{name}");
        }
    }

    #[test]
    fn words_are_not_statements() {
        for word in ["", "read", "bulk-write", "1", "S_1", "__asyncpg_stmt_1__", "true"] {
            assert!(is_word(word), "{word}");
        }
        for text in ["select 1", "ann@example.com", "15551234567", "a'b"] {
            assert!(!is_word(text), "{text}");
        }
    }
}
