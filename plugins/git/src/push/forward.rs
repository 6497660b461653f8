//! Which updates of a push only move their ref forward, told from the start of its pack.

use super::Commands;
use super::commands::Change;
use crate::pack::history::MAX_STEPS;
use crate::pack::{Ahead, Forward, Hash, History, Id, Look};

/// So much stays free while a pack is held back, in bytes: the piece that comes next must have room, too, or the host
/// refuses the request.
const MARGIN: usize = 512 << 10;

/// The look ahead of one push, once its commands are read.
#[derive(Debug)]
pub struct Proof {
    ahead: Ahead,
    most: usize,
}

impl Proof {
    /// `room`: bytes that the host may still keep of this request.
    pub fn new(commands: &Commands, room: usize) -> Self {
        let hash = match commands.capabilities.value("object-format") {
            Some("sha256") => Hash::Sha256,
            _ => Hash::Sha1,
        };
        Self { ahead: Ahead::new(hash), most: room.saturating_sub(MARGIN) }
    }

    /// Looks at what is there of the pack. Answers with how many bytes of it must be there before the push can be judged;
    /// when with nothing, each update says what is known of it.
    pub fn look(
        &mut self,
        commands: &mut Commands,
        pack: &[u8],
        whole: bool,
        history: &mut History,
    ) -> Option<usize> {
        // What is only deleted has no pack.
        if commands.updates.iter().any(|update| update.change != Change::Delete)
            && let Look::More(need) = self.ahead.look(pack, whole, self.most, history)
        {
            return Some(need);
        }
        let id = |text: &String| Id::read(text.as_bytes());
        // Kept for the pushes that follow: a server forgets for good. Whether it took this push is not asked.
        history.cut(commands.shallow.iter().filter_map(id));
        let mut steps = MAX_STEPS;
        for update in commands.updates.iter_mut().filter(|update| update.change == Change::Update) {
            update.forward = match (id(&update.old), id(&update.new)) {
                (Some(old), Some(new)) => history.forward(old, new, &mut steps),
                _ => Forward::Unknown,
            };
        }
        None
    }
}
