//! An operation as it may be stored and shown: which of its texts go through the maskers, and as what.

use std::sync::Arc;
use weir_model::{Column, Decision, Operation, Verdict};

/// Stands for every text of an operation that could not be masked.
pub(crate) const WITHHELD: &str = "[withheld: a masker failed]";

/// Longest value that may be a mere word.
const MAX_WORD_BYTES: usize = 64;
/// Words with as many digits may be numbers that mean somebody.
const MAX_WORD_DIGITS: usize = 4;

pub(crate) struct Shown {
    /// Shared with what runs, until a masker changes it.
    pub(crate) operation: Arc<Operation>,
    /// The client's text, if it was rewritten.
    pub(crate) original: Option<String>,
    pub(crate) decision: Decision,
}

/// Where one text stands.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Text,
    Object(usize),
    ParameterName(usize),
    Parameter(usize),
    Claimed(usize),
    Reason,
    Finding(usize),
    Tag(usize),
    Original,
    Attribute(usize),
}

/// The texts of an operation that go through the maskers.
pub(crate) struct Parts {
    /// What is masked as part of the operation: a place for each column.
    pub(crate) columns: Vec<Column>,
    pub(crate) texts: Vec<Place>,
    /// What may be a statement of its own: the client's text before it was rewritten, and every fact of the inspector
    /// that is more than a word (what an EXECUTE runs).
    pub(crate) statements: Vec<Place>,
}

impl Shown {
    pub(crate) fn parts(&self) -> Parts {
        let operation = &*self.operation;
        let mut columns = vec![labelled("statement", "statement")];
        let mut texts = vec![Place::Text];
        let mut add = |column, place| {
            columns.push(column);
            texts.push(place);
        };
        for (at, object) in operation.objects.iter().enumerate() {
            // Paths and the like: what is in them may mean somebody. Names of tables and tools do not.
            if !is_name(object) {
                add(labelled("object", "parameter"), Place::Object(at));
            }
        }
        for (at, parameter) in operation.parameters.iter().enumerate() {
            // A key of the client's own may be a value: `{"ann@example.com": 1}`.
            if !is_field(&parameter.name) {
                add(labelled("name", "parameter"), Place::ParameterName(at));
            }
            if parameter.value.is_some() {
                let type_name = parameter.type_name.clone();
                let column = Column { type_name, ..labelled(&parameter.name, "parameter") };
                add(column, Place::Parameter(at));
            }
        }
        for (at, claim) in operation.claimed.iter().enumerate() {
            add(labelled(&claim.name, "parameter"), Place::Claimed(at));
        }
        let Decision { verdict, findings, tags, .. } = &self.decision;
        if let Verdict::Deny { .. } | Verdict::Hold { .. } = verdict {
            add(labelled("reason", "reason"), Place::Reason);
        }
        for (at, finding) in findings.iter().enumerate() {
            add(labelled(&finding.rule, "finding"), Place::Finding(at));
        }
        for (at, tag) in tags.iter().enumerate() {
            add(labelled(&tag.name, "tag"), Place::Tag(at));
        }
        let mut statements = Vec::new();
        if self.original.is_some() {
            statements.push(Place::Original);
        }
        let attributes = operation.attributes.iter().enumerate();
        let said = attributes.filter(|(_, attribute)| !is_word(&attribute.value));
        statements.extend(said.map(|(at, _)| Place::Attribute(at)));
        Parts { columns, texts, statements }
    }

    /// "" for a place that is not there.
    pub(crate) fn text(&self, place: Place) -> &str {
        let (operation, decision) = (&*self.operation, &self.decision);
        let text = match place {
            Place::Text => Some(&operation.text),
            Place::Object(at) => operation.objects.get(at),
            Place::ParameterName(at) => operation.parameters.get(at).map(|parameter| &parameter.name),
            Place::Parameter(at) => {
                operation.parameters.get(at).and_then(|parameter| parameter.value.as_ref())
            }
            Place::Claimed(at) => operation.claimed.get(at).map(|claim| &claim.value),
            Place::Reason => match &decision.verdict {
                Verdict::Deny { reason, .. } | Verdict::Hold { reason, .. } => Some(reason),
                _ => None,
            },
            Place::Finding(at) => decision.findings.get(at).map(|finding| &finding.place),
            Place::Tag(at) => decision.tags.get(at).map(|tag| &tag.value),
            Place::Original => self.original.as_ref(),
            Place::Attribute(at) => operation.attributes.get(at).map(|attribute| &attribute.value),
        };
        text.map_or("", String::as_str)
    }

    pub(crate) fn set(&mut self, place: Place, text: String) {
        let decision = &mut self.decision;
        // Copied the first time, since what runs must stay as it is.
        let operation = Arc::make_mut(&mut self.operation);
        let old = match place {
            Place::Text => Some(&mut operation.text),
            Place::Object(at) => operation.objects.get_mut(at),
            Place::ParameterName(at) => operation.parameters.get_mut(at).map(|parameter| &mut parameter.name),
            Place::Parameter(at) => {
                operation.parameters.get_mut(at).and_then(|parameter| parameter.value.as_mut())
            }
            Place::Claimed(at) => operation.claimed.get_mut(at).map(|claim| &mut claim.value),
            Place::Reason => match &mut decision.verdict {
                Verdict::Deny { reason, .. } | Verdict::Hold { reason, .. } => Some(reason),
                _ => None,
            },
            Place::Finding(at) => decision.findings.get_mut(at).map(|finding| &mut finding.place),
            Place::Tag(at) => decision.tags.get_mut(at).map(|tag| &mut tag.value),
            Place::Original => self.original.as_mut(),
            Place::Attribute(at) => operation.attributes.get_mut(at).map(|attribute| &mut attribute.value),
        };
        if let Some(old) = old {
            *old = text;
        }
    }

    pub(crate) fn withhold(&mut self) {
        let Parts { texts, statements, .. } = self.parts();
        let (said, facts) = (texts.len(), statements.len());
        tracing::debug!(statements = facts, texts = said, "texts of an operation are withheld");
        for place in texts.into_iter().chain(statements) {
            self.set(place, WITHHELD.to_owned());
        }
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
