//! Notes that an inspector leaves for other sessions of the same principal on the same resource.
//!
//! An inspector's memory serves one session, and a session over HTTP ends when nothing was asked for a while, or is
//! another one because a token or an address is. What has to be known beyond that goes through here: short texts, of
//! which the host understands nothing. They are kept in memory only, so a restart forgets them.

use super::session::lock;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Of one principal on one resource; then the oldest are dropped.
const MOST_BYTES: usize = 256 << 10;

#[derive(Debug, Default)]
pub struct Notes {
    kept: Mutex<Kept>,
    /// How many there have ever been: who has seen so many need not take the lock.
    count: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    notes: VecDeque<String>,
    bytes: usize,
    /// how many were dropped
    dropped: u64,
}

impl Notes {
    pub fn leave(&self, notes: Vec<String>) {
        if notes.is_empty() {
            return;
        }
        let mut kept = lock(&self.kept);
        for note in notes {
            kept.bytes += note.len();
            kept.notes.push_back(note);
        }
        while kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.notes.pop_front() else { break };
            kept.bytes -= oldest.len();
            kept.dropped += 1;
        }
        self.count.store(kept.dropped + kept.notes.len() as u64, Ordering::Release);
    }

    /// Those behind the first `seen`, and how many there have been then; `None` when there is none.
    pub fn since(&self, seen: u64) -> Option<(Vec<String>, u64)> {
        if self.count.load(Ordering::Acquire) <= seen {
            return None;
        }
        let kept = lock(&self.kept);
        let skip = usize::try_from(seen.saturating_sub(kept.dropped)).unwrap_or(usize::MAX);
        let new = kept.notes.iter().skip(skip).cloned().collect();
        Some((new, kept.dropped + kept.notes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reader_gets_what_it_has_not_seen() {
        let notes = Notes::default();
        assert_eq!(notes.since(0), None);
        notes.leave(vec!["a".into(), "b".into()]);
        assert_eq!(notes.since(0), Some((vec!["a".into(), "b".into()], 2)));
        notes.leave(vec!["c".into()]);
        assert_eq!(notes.since(2), Some((vec!["c".into()], 3)));
        assert_eq!(notes.since(3), None);
    }

    #[test]
    fn the_oldest_are_dropped() {
        let notes = Notes::default();
        for number in 0..MOST_BYTES / 1024 + 2 {
            notes.leave(vec![format!("{number:01024}")]);
        }
        let (kept, seen) = notes.since(0).unwrap();
        assert_eq!((kept.len(), seen), (MOST_BYTES / 1024, (MOST_BYTES / 1024 + 2) as u64));
        assert!(kept[0].ends_with("02"));
        notes.leave(vec!["last".into()]);
        assert_eq!(notes.since(seen), Some((vec!["last".into()], seen + 1)));
    }
}
