//! Records: what an event becomes when it is kept.
//!
//! The body is one canonical object (the module `canon` has the spelling):
//!
//! ```text
//! {"at":"2026-11-23T12:00:00.123456Z","commit":"…","detail":{…},"kind":"intent","operation":7,
//!  "principal":"ann","resource":"customers","seq":70001,"session":"…","status":"…","v":1,"verdict":"allow"}
//! ```
//!
//! `commit` is there exactly if the record has a payload. Every search column except the payload is in the body,
//! so nothing can be edited beside it unnoticed.
//!
//! The expensive part, everything between `at` and `seq`, and everything behind, is written by the task that
//! records the event (a draft); the one writer only fills in number and time and hashes.

use crate::canon::{integer, object};
use crate::chain::{Hash, Head, commitment, link};
use crate::clock::Moment;
use crate::event::Event;
use crate::salt;
use std::borrow::Cow;
use std::sync::Arc;

/// One stored row of the trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// From 1, without gaps.
    pub seq: u64,
    /// Microseconds since 1970-01-01 UTC, by the host's clock; may step back.
    pub at_us: i64,
    pub kind: Cow<'static, str>,
    pub session: Option<Arc<str>>,
    pub operation: Option<u64>,
    pub principal: Option<Arc<str>>,
    pub resource: Option<Arc<str>>,
    pub verdict: Option<Cow<'static, str>>,
    pub status: Option<Cow<'static, str>>,
    pub body: String,
    /// `None` when there never was one, or when it has been erased: the body's `commit` tells which.
    pub payload: Option<String>,
    pub salt: Option<[u8; 32]>,
    pub hash: Hash,
}

/// An event, written out, that waits for its number.
#[derive(Debug)]
pub(crate) struct Draft {
    kind: &'static str,
    session: Option<Arc<str>>,
    operation: Option<u64>,
    principal: Option<Arc<str>>,
    resource: Option<Arc<str>>,
    verdict: Option<&'static str>,
    status: Option<&'static str>,
    /// The body from behind `at` to before `seq`, and from behind `seq` to the end.
    before_seq: String,
    behind_seq: String,
    payload: Option<String>,
    salt: Option<[u8; 32]>,
    /// The approval of a held or reviewed operation: what opens and closes with it.
    pub(crate) hold: Option<Hold>,
}

/// What a record says about an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Opens(String),
    Ends(String),
}

impl Draft {
    /// # Errors
    /// When the system has no random bytes for a salt.
    pub(crate) fn new(event: &Event) -> Result<Self, salt::NoRandom> {
        let place = event.place();
        let mut payload = String::new();
        let mut empty = true;
        object(&mut payload, |out| {
            event.payload(out);
            empty = out.is_empty();
        });
        let (payload, salt) = if empty { (None, None) } else { (Some(payload), Some(salt::fresh()?)) };

        let mut draft = Self {
            kind: event.kind(),
            session: place.map(|place| Arc::clone(&place.session)),
            operation: event.operation(),
            principal: place.map(|place| Arc::clone(&place.principal)).or_else(|| event.principal()),
            resource: place.map(|place| Arc::clone(&place.resource)).or_else(|| event.resource()),
            verdict: event.verdict(),
            status: event.status(),
            before_seq: String::with_capacity(512),
            behind_seq: String::with_capacity(96),
            payload,
            salt,
            hold: hold(event),
        };
        draft.write_body(event);
        Ok(draft)
    }

    fn write_body(&mut self, event: &Event) {
        let commit = match (&self.salt, &self.payload) {
            (Some(salt), Some(payload)) => Some(commitment(salt, payload)),
            _ => None,
        };
        object(&mut self.before_seq, |out| {
            out.maybe_word("commit", commit.as_deref());
            out.object("detail", |out| event.detail(out));
            out.word("kind", self.kind);
            out.maybe_number("operation", self.operation);
            out.maybe_word("principal", self.principal.as_deref());
            out.maybe_word("resource", self.resource.as_deref());
        });
        object(&mut self.behind_seq, |out| {
            out.maybe_word("session", self.session.as_deref());
            out.maybe_word("status", self.status);
            out.number("v", 1);
            out.maybe_word("verdict", self.verdict);
        });
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.kind
    }

    /// The operation it is about: session and number.
    pub(crate) fn operation(&self) -> Option<(&Arc<str>, u64)> {
        self.session.as_ref().zip(self.operation)
    }

    /// What it takes in the queue, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.before_seq.len() + self.behind_seq.len() + self.payload.as_ref().map_or(0, String::len) + 256
    }

    /// The record behind `head`; moves `head` to it.
    pub(crate) fn seal(self, head: &mut Head, at: &Moment) -> Record {
        let seq = head.seq + 1;
        let mut body = String::with_capacity(self.before_seq.len() + self.behind_seq.len() + 64);
        body.push_str("{\"at\":\"");
        body.push_str(&at.text);
        body.push_str("\",");
        // Each half is an object of its own: without its brackets.
        body.push_str(inside(&self.before_seq));
        body.push_str(",\"seq\":");
        integer(&mut body, seq);
        body.push(',');
        body.push_str(inside(&self.behind_seq));
        body.push('}');
        let hash = link(&head.hash, seq, &body);
        *head = Head { seq, hash };
        Record {
            seq,
            at_us: at.us,
            kind: Cow::Borrowed(self.kind),
            session: self.session,
            operation: self.operation,
            principal: self.principal,
            resource: self.resource,
            verdict: self.verdict.map(Cow::Borrowed),
            status: self.status.map(Cow::Borrowed),
            body,
            payload: self.payload,
            salt: self.salt,
            hash,
        }
    }
}

fn inside(object: &str) -> &str {
    object.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default()
}

fn hold(event: &Event) -> Option<Hold> {
    match event {
        Event::Held(held) => Some(Hold::Opens(held.approval.clone())),
        Event::Reviewed(reviewed) => Some(Hold::Ends(reviewed.approval.clone())),
        _ => None,
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
pub(crate) mod tests;
