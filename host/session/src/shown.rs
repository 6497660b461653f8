//! An operation as it may be stored and shown: which of its texts go through the maskers, and as what.

use std::sync::Arc;
use weir_model::{Column, Decision, Operation, Verdict};

/// Stands for every text of an operation that could not be masked.
pub(crate) const WITHHELD: &str = "[withheld: a masker failed]";

/// Longest value that may be a mere word.
const MAX_WORD_BYTES: usize = 64;
/// Words with as many digits may be numbers that mean somebody.
const MAX_WORD_DIGITS: usize = 4;

/// Columns that are kept for the next operation.
const MAX_KEPT_COLUMNS: usize = 64;
/// And so many bytes of their names.
const MAX_KEPT_BYTES: usize = 16 * 1024;

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

/// The texts of an operation that go through the maskers. Kept from one operation to the next: columns that say what
/// they said last time stay.
#[derive(Default)]
pub(crate) struct Parts {
    /// one for each text, and perhaps some of the last time behind them
    columns: Vec<Column>,
    texts: Vec<Place>,
    /// So many of them are masked as part of the operation. Those behind may be statements of their own: the client's
    /// text before it was rewritten, and every fact of the inspector that is more than a word (what an EXECUTE runs).
    part_of_it: usize,
}

impl Parts {
    /// All texts, and a column for each.
    pub(crate) fn all(&self) -> (&[Column], &[Place]) {
        (self.columns.get(..self.texts.len()).unwrap_or_default(), &self.texts)
    }

    /// Those that are masked as part of the operation.
    pub(crate) fn part_of_it(&self) -> (&[Column], &[Place]) {
        let (columns, texts) = (self.columns.get(..self.part_of_it), self.texts.get(..self.part_of_it));
        (columns.unwrap_or_default(), texts.unwrap_or_default())
    }

    pub(crate) fn statements(&self) -> &[Place] {
        self.texts.get(self.part_of_it..).unwrap_or_default()
    }

    pub(crate) fn fill(&mut self, shown: &Shown) {
        self.texts.clear();
        let operation = &*shown.operation;
        self.add(("statement", "", "statement"), Place::Text);
        for (at, object) in operation.objects.iter().enumerate() {
            // Paths and the like: what is in them may mean somebody. Names of tables and tools do not.
            if !is_name(object) {
                self.add(("object", "", "parameter"), Place::Object(at));
            }
        }
        for (at, parameter) in operation.parameters.iter().enumerate() {
            // A key of the client's own may be a value: `{"ann@example.com": 1}`.
            if !is_field(&parameter.name) {
                self.add(("name", "", "parameter"), Place::ParameterName(at));
            }
            if parameter.value.is_some() {
                self.add((&parameter.name, &parameter.type_name, "parameter"), Place::Parameter(at));
            }
        }
        for (at, claim) in operation.claimed.iter().enumerate() {
            self.add((&claim.name, "", "parameter"), Place::Claimed(at));
        }
        let Decision { verdict, findings, tags, .. } = &shown.decision;
        if let Verdict::Deny { .. } | Verdict::Hold { .. } = verdict {
            self.add(("reason", "", "reason"), Place::Reason);
        }
        for (at, finding) in findings.iter().enumerate() {
            self.add((&finding.rule, "", "finding"), Place::Finding(at));
        }
        for (at, tag) in tags.iter().enumerate() {
            self.add((&tag.name, "", "tag"), Place::Tag(at));
        }
        self.part_of_it = self.texts.len();
        let statement = ("statement", "", "statement");
        if shown.original.is_some() {
            self.add(statement, Place::Original);
        }
        for (at, attribute) in operation.attributes.iter().enumerate() {
            if !is_word(&attribute.value) {
                self.add(statement, Place::Attribute(at));
            }
        }
    }

    /// Gives memory back that is seldom needed.
    pub(crate) fn relax(&mut self) {
        // Names of parameters are the client's.
        let bytes: usize = self.columns.iter().map(|column| column.name.len()).sum();
        if self.columns.len() > MAX_KEPT_COLUMNS || bytes > MAX_KEPT_BYTES {
            *self = Self::default();
        }
    }

    /// A text: the name, type and label of its column, and where it stands.
    fn add(&mut self, (name, type_name, label): (&str, &str, &str), place: Place) {
        let at = self.texts.len();
        self.texts.push(place);
        let says_so = |known: &Column| {
            known.name == name
                && known.type_name == type_name
                && matches!(&*known.labels, [one] if one == label)
        };
        if !self.columns.get(at).is_some_and(says_so) {
            let column = Column { type_name: type_name.to_owned(), ..labelled(name, label) };
            match self.columns.get_mut(at) {
                Some(known) => *known = column,
                None => self.columns.push(column),
            }
        }
    }
}

impl Shown {
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

    pub(crate) fn withhold(&mut self, parts: &mut Parts) {
        parts.fill(self);
        let (_, places) = parts.all();
        tracing::debug!(texts = places.len(), "texts of an operation are withheld");
        for place in places {
            self.set(*place, WITHHELD.to_owned());
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

/// The column of a text about an operation.
pub fn labelled(name: &str, label: &str) -> Column {
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
