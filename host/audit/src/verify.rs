//! Verification: every record, one after the other, against the one before it.
//!
//! Pure: fed with stored records in the order of their numbers, it says which one is the first that is not as
//! it was written, and what is wrong with it. It knows no store; `tests/verify.py` does the same from the
//! documentation alone.
//!
//! Promise: after [`Verifier::finish`] without an [`Anchor`], nothing in the verified range was edited, deleted,
//! inserted, reordered or cut off at its start, unless the whole rest of the trail was written anew. With an
//! anchor in the range, not even that, up to the anchor.

use crate::chain::{Anchor, Head, commitment, hex, link};
use crate::clock::rfc3339;
use crate::record::Record;
use serde_json::Value;
use std::ops::RangeInclusive;

/// What is wrong with the first bad record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the trail does not begin with record 1")]
    TruncatedStart,
    #[error("the record is missing")]
    Missing,
    #[error("the record belongs at position {0}")]
    Reordered(u64),
    #[error("body or hash was edited")]
    BodyEdited,
    #[error("column `{0}` does not say what the body says")]
    ColumnEdited(&'static str),
    #[error("the payload is not the one that was recorded")]
    PayloadEdited,
    #[error("the payload is gone, and no record says that it was erased")]
    PayloadMissing,
    #[error("the trail ends before record {0}, which is known to exist")]
    TruncatedEnd(u64),
    #[error("the hash is not the one that is known: the trail was written anew")]
    Rewritten,
}

/// The first bad record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq}: {fault}")]
pub struct Broken {
    pub seq: u64,
    #[source]
    pub fault: Fault,
}

/// A range without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many records were read.
    pub records: u64,
    /// How many of them have lost their payload to a recorded erasure.
    pub erased: u64,
    /// The last one: an anchor for the next time, if kept elsewhere.
    pub head: Head,
}

#[derive(Debug)]
pub struct Verifier {
    head: Head,
    from_start: bool,
    anchor: Option<Anchor>,
    erasures: Vec<RangeInclusive<u64>>,
    records: u64,
    erased: u64,
}

impl Verifier {
    /// Begins behind `head`: [`Head::EMPTY`] for the whole trail, or a record that is taken as good.
    ///
    /// `erasures` are the ranges that recorded erasures name, wherever in the trail they stand.
    pub fn new(head: Head, anchor: Option<Anchor>, erasures: Vec<RangeInclusive<u64>>) -> Self {
        Self { head, from_start: head == Head::EMPTY, anchor, erasures, records: 0, erased: 0 }
    }

    /// # Errors
    /// The first fault, with the number of the record it is about.
    pub fn check(&mut self, record: &Record) -> Result<(), Broken> {
        let expected = self.head.seq + 1;
        if record.seq != expected {
            let fault =
                if self.from_start && self.records == 0 { Fault::TruncatedStart } else { Fault::Missing };
            return Err(Broken { seq: expected, fault });
        }
        let at = |fault| Broken { seq: expected, fault };
        let body = serde_json::from_str::<Value>(&record.body).map_err(|_| at(Fault::BodyEdited))?;
        let hash = link(&self.head.hash, record.seq, &record.body);
        if hash != record.hash {
            let own = body.get("seq").and_then(Value::as_u64);
            return Err(at(match own {
                Some(other) if other != expected => Fault::Reordered(other),
                _ => Fault::BodyEdited,
            }));
        }
        if let Some(column) = edited_column(record, &body) {
            return Err(at(Fault::ColumnEdited(column)));
        }
        self.check_payload(record, &body).map_err(at)?;
        if self.anchor.is_some_and(|anchor| anchor.seq == expected && anchor.hash != hash) {
            return Err(at(Fault::Rewritten));
        }
        self.head = Head { seq: expected, hash };
        self.records += 1;
        Ok(())
    }

    fn check_payload(&mut self, record: &Record, body: &Value) -> Result<(), Fault> {
        let commit = body.get("commit").and_then(Value::as_str);
        match (commit, &record.payload, &record.salt) {
            (None, None, None) => Ok(()),
            (Some(commit), Some(payload), Some(salt)) if commitment(salt, payload) == commit => Ok(()),
            (Some(_), None, None) if self.erasures.iter().any(|range| range.contains(&record.seq)) => {
                self.erased += 1;
                Ok(())
            }
            (Some(_), None, _) => Err(Fault::PayloadMissing),
            _ => Err(Fault::PayloadEdited),
        }
    }

    /// The number of the last record that was found good.
    pub fn head(&self) -> Head {
        self.head
    }

    /// # Errors
    /// When the trail ends before the anchor.
    pub fn finish(self) -> Result<Verified, Broken> {
        match self.anchor {
            Some(anchor) if anchor.seq > self.head.seq => {
                Err(Broken { seq: self.head.seq + 1, fault: Fault::TruncatedEnd(anchor.seq) })
            }
            _ => Ok(Verified { records: self.records, erased: self.erased, head: self.head }),
        }
    }
}

/// The column that says something else than the body, if there is one.
fn edited_column(record: &Record, body: &Value) -> Option<&'static str> {
    let text = |key: &str| body.get(key).and_then(Value::as_str);
    let number = |key: &str| body.get(key).and_then(Value::as_u64);
    [
        ("seq", number("seq") == Some(record.seq)),
        ("at", text("at") == Some(&rfc3339(record.at_us))),
        ("kind", text("kind") == Some(&record.kind)),
        ("session", text("session") == record.session.as_deref()),
        ("operation", number("operation") == record.operation),
        ("principal", text("principal") == record.principal.as_deref()),
        ("resource", text("resource") == record.resource.as_deref()),
        ("verdict", text("verdict") == record.verdict.as_deref()),
        ("status", text("status") == record.status.as_deref()),
    ]
    .into_iter()
    .find_map(|(column, same)| (!same).then_some(column))
}

/// The ranges a `payloads-erased` record names; nothing when the body is of another kind or malformed.
pub fn erased_ranges(body: &str) -> Vec<RangeInclusive<u64>> {
    let body = serde_json::from_str::<Value>(body).unwrap_or_default();
    let ranges = body.pointer("/detail/records").and_then(Value::as_array);
    let range = |value: &Value| Some(value.get("from")?.as_u64()?..=value.get("to")?.as_u64()?);
    ranges.into_iter().flatten().filter_map(range).collect()
}

/// One line of an export: the record with body and payload as JSON values, hash and salt in hexadecimal.
///
/// Whoever verifies the line prints `body` and `payload` canonically again and hashes them as documented in
/// [`crate::chain`].
pub fn export_line(record: &Record) -> String {
    let payload = record.payload.as_deref().unwrap_or_default();
    let mut line = String::with_capacity(record.body.len() + payload.len() + 256);
    line.push_str("{\"body\":");
    line.push_str(&record.body);
    line.push_str(",\"hash\":\"");
    line.push_str(&hex(&record.hash));
    line.push('"');
    if let (Some(payload), Some(salt)) = (&record.payload, &record.salt) {
        line.push_str(",\"payload\":");
        line.push_str(payload);
        line.push_str(",\"salt\":\"");
        line.push_str(&hex(salt));
        line.push('"');
    }
    line.push_str(",\"seq\":");
    crate::canon::integer(record.seq, |digits| line.push_str(digits));
    line.push('}');
    line
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
