//! The start of a pack (gitformat-pack): its commits, as far as they tell whether a push only moves a ref forward.
//!
//! git writes commits before trees and files, so a look at the first bytes is enough; the rest is never looked at. What
//! is read here is a fact whatever the server makes of the pack: a commit's id is the hash of its bytes, and these name
//! its parents. What cannot be read teaches nothing, and the answer is `unknown`.

mod commit;
mod delta;
mod entry;
pub mod history;

pub use commit::Hash;
pub use history::{Forward, History, Id};

use entry::{Entry, Kind, Next};
use std::collections::HashMap;

/// The look ahead ends here, in bytes of the pack. All of them are held back until the push is judged.
pub const MAX_LOOK: usize = 1 << 20;
/// A larger commit is not read, in bytes.
const MAX_COMMIT: usize = 128 << 10;
/// All that is unpacked of one push, in bytes: a few of them packed can be very many.
const MAX_UNPACKED: usize = 4 << 20;
/// More is asked for in steps of at least so many bytes, and of as many as there are: no byte is shown often.
const STEP: usize = 16 << 10;
const HEADER: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Ask again when this many bytes of the pack are there.
    More(usize),
    /// There is nothing more to learn.
    Over,
}

/// Looks at a pack of which more and more is there.
#[derive(Debug)]
pub struct Ahead {
    hash: Hash,
    /// where the next entry begins
    at: usize,
    /// entries that are left, once the header has told
    left: Option<u32>,
    unpacked: usize,
    /// commits that others may be told by difference from, and which of them has an id
    bases: Vec<Base>,
    places: HashMap<Id, usize>,
    /// entries that were looked at, and parents that were found
    looked_at: usize,
}

#[derive(Debug)]
struct Base {
    at: usize,
    commit: Vec<u8>,
}

impl Ahead {
    pub fn new(hash: Hash) -> Self {
        Self { hash, at: 0, left: None, unpacked: 0, bases: Vec::new(), places: HashMap::new(), looked_at: 0 }
    }

    /// `pack`: all of it that is there, from its first byte on. `whole`: nothing will follow. `most`: bytes that may be
    /// held back.
    pub fn look(&mut self, pack: &[u8], whole: bool, most: usize, history: &mut History) -> Look {
        let most = most.min(MAX_LOOK);
        loop {
            match self.step(pack, history) {
                Some(()) => {}
                // It cannot be read on, or the bytes there end within an entry.
                None if whole || self.is_over() || pack.len() >= most => return Look::Over,
                None => return Look::More((pack.len() + pack.len().max(STEP)).min(most)),
            }
        }
    }

    fn is_over(&self) -> bool {
        self.left == Some(0)
    }

    /// One entry. Nothing when it is not there as a whole, or when none can be read any more.
    fn step(&mut self, pack: &[u8], history: &mut History) -> Option<()> {
        let left = match self.left {
            Some(left) => left,
            None => return self.header(pack),
        };
        if left == 0 {
            return None;
        }
        let room = MAX_COMMIT.min(MAX_UNPACKED - self.unpacked);
        let start = self.at;
        match entry::read(pack.get(start..).unwrap_or_default(), self.hash, room) {
            Next::Needs => None,
            Next::Stop => {
                self.left = Some(0);
                None
            }
            Next::Entry(entry) => {
                self.at += entry.taken;
                self.unpacked += entry.data.len();
                self.looked_at += 1;
                self.left = Some(if self.looked_at < history::MAX_LINKS { left - 1 } else { 0 });
                if let Some(commit) = self.commit(start, entry) {
                    self.learn(start, commit, history);
                }
                Some(())
            }
        }
    }

    fn header(&mut self, pack: &[u8]) -> Option<()> {
        let magic = b"PACK".as_slice();
        let there = pack.len().min(magic.len());
        if pack.get(..there) != magic.get(..there) {
            self.left = Some(0);
            return None;
        }
        let header: &[u8; HEADER] = pack.first_chunk()?;
        let [.., a, b, c, d, e, f, g, h] = *header;
        let known = matches!(u32::from_be_bytes([a, b, c, d]), 2 | 3);
        self.left = Some(if known { u32::from_be_bytes([e, f, g, h]) } else { 0 });
        self.at = HEADER;
        Some(())
    }

    /// The commit that an entry stands for, if it is one and what it builds on is known.
    fn commit(&mut self, start: usize, entry: Entry) -> Option<Vec<u8>> {
        let base = match entry.kind {
            Kind::Commit => return Some(entry.data),
            Kind::Tag => return None,
            Kind::Behind(distance) => {
                let at = start.checked_sub(distance)?;
                let place = self.bases.binary_search_by_key(&at, |base| base.at).ok()?;
                self.bases.get(place)?
            }
            Kind::Of(id) => self.bases.get(*self.places.get(&id)?)?,
        };
        let room = MAX_COMMIT.min(MAX_UNPACKED - self.unpacked);
        let commit = delta::apply(&base.commit, &entry.data, room)?;
        self.unpacked += commit.len();
        Some(commit)
    }

    fn learn(&mut self, at: usize, commit: Vec<u8>, history: &mut History) {
        let (Some(id), Some(parents)) = (self.hash.of(&commit), commit::parents(&commit, self.hash)) else {
            return;
        };
        self.looked_at += parents.len();
        if self.looked_at > history::MAX_LINKS {
            self.left = Some(0);
            return;
        }
        history.learn(id, parents);
        self.places.insert(id, self.bases.len());
        self.bases.push(Base { at, commit });
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
