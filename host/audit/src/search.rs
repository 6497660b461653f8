//! Finding records: what one may ask for.
//!
//! The filter is a value with a meaning of its own ([`Filter::matches`]); the store's SQL must agree with it,
//! and a test compares the two.

use crate::record::Record;
use serde_json::Value;

/// How many records a search returns when nothing else is said.
pub const DEFAULT_LIMIT: u32 = 100;
/// More than this comes page by page, with [`Filter::before_seq`].
pub const MAX_LIMIT: u32 = 10_000;

/// Every given condition must hold; the default finds everything. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Microseconds since 1970-01-01 UTC, this moment included.
    pub since_us: Option<i64>,
    /// This moment excluded.
    pub until_us: Option<i64>,
    /// Whoever is proven to have done it, and also the name in a login that failed before anything was proven (as long
    /// as its payload is not erased).
    pub principal: Option<String>,
    pub resource: Option<String>,
    pub session: Option<String>,
    /// The number of an operation; only sensible together with a session.
    pub operation: Option<u64>,
    pub kind: Option<String>,
    pub verdict: Option<String>,
    pub status: Option<String>,
    /// Some text of the payload (statement, parameter, message, comment …) contains this, ASCII letters in any
    /// case. Erased payloads contain nothing.
    pub text: Option<String>,
    /// A plugin whose digest begins with these hexadecimal digits judged the operation, or was loaded, removed or refused.
    pub plugin: Option<String>,
    /// At most [`MAX_LIMIT`]; `None` is [`DEFAULT_LIMIT`].
    pub limit: Option<u32>,
    /// Only records with smaller numbers: the next page begins before the last record of this one.
    pub before_seq: Option<u64>,
}

impl Filter {
    /// Whether the record is among those asked for; the limit aside.
    pub fn matches(&self, record: &Record) -> bool {
        fn same(wanted: Option<&String>, is: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| Some(wanted.as_str()) == is)
        }
        self.since_us.is_none_or(|since| record.at_us >= since)
            && self.until_us.is_none_or(|until| record.at_us < until)
            && self
                .principal
                .as_ref()
                .is_none_or(|user| record.principal.as_deref() == Some(user.as_str()) || claims(record, user))
            && same(self.resource.as_ref(), record.resource.as_deref())
            && same(self.session.as_ref(), record.session.as_deref())
            && self.operation.is_none_or(|operation| record.operation == Some(operation))
            && same(self.kind.as_ref(), Some(&record.kind))
            && same(self.verdict.as_ref(), record.verdict.as_deref())
            && same(self.status.as_ref(), record.status.as_deref())
            && self.before_seq.is_none_or(|before| record.seq < before)
            && self.plugin.as_ref().is_none_or(|digits| record.body.contains(&digest_in_body(digits)))
            && self.needle().is_none_or(|needle| contains(record.payload.as_deref(), &needle))
    }

    /// The text looked for, in lower case; `None` for an empty one.
    pub fn needle(&self) -> Option<String> {
        self.text.as_ref().filter(|text| !text.is_empty()).map(|text| text.to_ascii_lowercase())
    }

    /// The effective limit.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT)
    }
}

/// How a body spells a plugin's digest that begins with these digits. Quotes within texts are escaped there, so this
/// occurs only as key and value.
pub fn digest_in_body(digits: &str) -> String {
    format!("\"digest\":\"{}", digits.to_ascii_lowercase())
}

/// How a text is spelled within a canonical string, without the quotes: if a text contains the needle, then the
/// payload contains this.
pub fn needle_in_payload(needle: &str) -> String {
    let mut spelled = String::with_capacity(needle.len() + 2);
    crate::canon::string(&mut spelled, needle);
    spelled.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or_default().to_owned()
}

/// How a payload spells the name somebody claimed. Quotes within texts are escaped there, so this occurs only as key and
/// value.
pub fn claimed_in_payload(user: &str) -> String {
    let mut spelled = String::from("\"claimed_user\":");
    crate::canon::string(&mut spelled, user);
    spelled
}

/// A login that failed before it was known who it is.
pub const UNPROVEN_KIND: &str = "login-failed";

fn claims(record: &Record, user: &str) -> bool {
    let payload =
        record.payload.as_deref().filter(|_| &*record.kind == UNPROVEN_KIND && record.principal.is_none());
    payload.is_some_and(|payload| payload.contains(&claimed_in_payload(user)))
}

fn contains(payload: Option<&str>, needle: &str) -> bool {
    fn within(value: &Value, needle: &str) -> bool {
        match value {
            Value::String(text) => text.to_ascii_lowercase().contains(needle),
            Value::Array(items) => items.iter().any(|item| within(item, needle)),
            Value::Object(fields) => fields.values().any(|field| within(field, needle)),
            _ => false,
        }
    }
    payload.and_then(|payload| serde_json::from_str(payload).ok()).is_some_and(|value| within(&value, needle))
}
