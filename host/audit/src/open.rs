//! What is still open: intents without outcome, holds without an end.
//!
//! The writer sees every record, so it knows without asking the store. From time to time it tells the store the
//! number below which nothing is open; after a crash only the records from there on must be searched for
//! orphans, however long the trail is. The number may be too low (more to search), never too high.
//!
//! Costs one hash-map step per record; holds as many entries as operations are in flight. An intent that never
//! gets an outcome keeps its entry, and the number, until the next start closes it.

use crate::record::{Draft, Hold};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Operation(Arc<str>, u64),
    Hold(String),
}

#[derive(Debug, Default)]
pub(crate) struct Open {
    since: HashMap<Key, u64>,
}

/// What one record opens or closes.
#[derive(Debug)]
pub(crate) enum Change {
    Opens(KeyOf),
    Closes(KeyOf),
}

#[derive(Debug)]
pub(crate) struct KeyOf(Key);

impl Change {
    pub(crate) fn of(draft: &Draft) -> Option<Self> {
        match &draft.hold {
            Some(Hold::Opens(approval)) => return Some(Self::Opens(KeyOf(Key::Hold(approval.clone())))),
            Some(Hold::Ends(approval)) => return Some(Self::Closes(KeyOf(Key::Hold(approval.clone())))),
            None => {}
        }
        let (session, number) = draft.operation()?;
        let key = KeyOf(Key::Operation(Arc::clone(session), number));
        match draft.kind() {
            "intent" => Some(Self::Opens(key)),
            "outcome" => Some(Self::Closes(key)),
            _ => None,
        }
    }
}

impl Open {
    /// Only for records that are durable.
    pub(crate) fn apply(&mut self, seq: u64, change: Change) {
        match change {
            Change::Opens(key) => _ = self.since.insert(key.0, seq),
            Change::Closes(key) => _ = self.since.remove(&key.0),
        }
    }

    /// Nothing below this number is open; `head` is the last durable record.
    pub(crate) fn open_from(&self, head: u64) -> u64 {
        self.since.values().copied().min().unwrap_or(head + 1)
    }
}
