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
//! The expensive part is written by the task that records the event (a draft); the one writer only fills in number and
//! time and hashes. Both of its texts are written in a buffer of the thread and then copied once, to their size.

use crate::canon::{integer, object};
use crate::chain::{Hash, Head, commit, link};
use crate::clock::Moment;
use crate::event::Event;
use crate::salt;
use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

/// What the time of a body is until the writer fills it in: of the same length, so that nothing moves.
const BLANK_TIME: &str = "0000-00-00T00:00:00.000000Z";
/// Where it stands: behind `{"at":"`.
const TIME_AT: usize = 7;
/// Digits of the largest number.
const NUMBER_BYTES: usize = 20;
/// What a thread's buffer may keep, in bytes.
const KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<String> = const { RefCell::new(String::new()) };
}

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
    pub payload: Option<Arc<str>>,
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
    /// The body, with a blank time and without its number.
    body: String,
    /// Where the number goes.
    number_at: usize,
    payload: Option<Arc<str>>,
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
        BUFFER.with_borrow_mut(|buffer| {
            let draft = Self::written(event, buffer);
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES);
            draft
        })
    }

    fn written(event: &Event, buffer: &mut String) -> Result<Self, salt::NoRandom> {
        let mut empty = true;
        buffer.clear();
        object(buffer, |out| {
            event.payload(out);
            empty = out.is_empty();
        });
        let (payload, salt) =
            if empty { (None, None) } else { (Some(Arc::from(buffer.as_str())), Some(salt::fresh()?)) };
        let place = event.place();
        let mut draft = Self {
            kind: event.kind(),
            session: place.map(|place| Arc::clone(&place.session)),
            operation: event.operation(),
            principal: place.map(|place| Arc::clone(&place.principal)).or_else(|| event.principal()),
            resource: place.map(|place| Arc::clone(&place.resource)).or_else(|| event.resource()),
            verdict: event.verdict(),
            status: event.status(),
            body: String::new(),
            number_at: 0,
            payload,
            salt,
            hold: hold(event),
        };
        draft.write_body(event, buffer);
        Ok(draft)
    }

    fn write_body(&mut self, event: &Event, buffer: &mut String) {
        let committed = self.salt.as_ref().zip(self.payload.as_deref());
        let committed = committed.map(|(salt, payload)| commit(salt, payload));
        buffer.clear();
        object(buffer, |out| {
            out.word("at", BLANK_TIME);
            out.maybe_commitment("commit", committed.as_ref());
            out.object("detail", |out| event.detail(out));
            out.word("kind", self.kind);
            out.maybe_number("operation", self.operation);
            out.maybe_word("principal", self.principal.as_deref());
            out.maybe_word("resource", self.resource.as_deref());
            self.number_at = out.nothing("seq");
            out.maybe_word("session", self.session.as_deref());
            out.maybe_word("status", self.status);
            out.number("v", 1);
            out.maybe_word("verdict", self.verdict);
        });
        self.body.reserve_exact(buffer.len() + NUMBER_BYTES);
        self.body.push_str(buffer);
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
        self.body.len() + self.payload.as_ref().map_or(0, |payload| payload.len()) + 256
    }

    /// The record behind `head`; moves `head` to it.
    pub(crate) fn seal(self, head: &mut Head, at: &Moment) -> Record {
        let seq = head.seq + 1;
        let mut body = self.body;
        integer(seq, |digits| body.insert_str(self.number_at, digits));
        body.replace_range(TIME_AT..TIME_AT + BLANK_TIME.len(), &at.text);
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
