//! The commands of a push, as they come.
//!
//! What is read here must be what `git receive-pack` reads. It is more lenient: it takes capabilities from any line,
//! ends the commands at any mark or at the end of the stream, and cuts lines at a NUL. All of that is refused.

use crate::names::{Capabilities, is_object_id, is_ref, is_zero};
use crate::pack::Forward;
use crate::pkt::{self, Next, Packet, malformed};
use std::collections::HashSet;
use weir_sdk::Fault;

/// Refs of one push. Each is an operation of its own: judged, recorded, perhaps held.
pub const MAX_UPDATES: usize = 1000;
/// Push options of one push.
const MAX_OPTIONS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Create,
    Update,
    Delete,
}

impl Change {
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    pub old: String,
    pub new: String,
    pub name: String,
    pub change: Change,
    /// what the pack tells of an update
    pub forward: Forward,
}

/// Everything in front of the pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Commands {
    pub updates: Vec<Update>,
    /// commits whose parents the client does not have
    pub shallow: Vec<String>,
    pub capabilities: Capabilities,
    pub options: Vec<String>,
}

/// Reads a body of which more and more is there.
#[derive(Debug, Default)]
pub struct Reader {
    pub commands: Commands,
    seen: HashSet<String>,
    /// bytes from the start of the body that are read
    pub at: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Commands,
    Options,
    /// nothing was asked for: nothing may follow
    Nothing,
    Pack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask again when this many bytes of the body are there.
    More(usize),
    /// All commands are read; what follows is the pack.
    Commands,
    /// The body is whole and asks for nothing: git's way to see whether it may push at all.
    Probe,
}

impl Reader {
    /// `body`: all of it that is there, from its first byte on, and each time the same with more behind. `limit`:
    /// bytes the commands may take.
    ///
    /// # Errors
    /// When it is no push, or one that cannot be judged.
    pub fn read(&mut self, body: &[u8], end: bool, limit: usize) -> Result<Step, Fault> {
        while matches!(self.stage, Stage::Commands | Stage::Options) {
            match pkt::next(body.get(self.at..).unwrap_or_default())? {
                Next::Packet(packet, taken) => {
                    self.at += taken;
                    self.packet(packet)?;
                }
                Next::Needs(_) if end => return Err(malformed("the push ends within its commands")),
                Next::Needs(more) if self.at + more > limit => {
                    return Err(Fault::new("git-too-large", "the commands of this push are too large"));
                }
                Next::Needs(more) => return Ok(Step::More(self.at + more)),
            }
        }
        match self.stage {
            Stage::Nothing if body.len() > self.at => Err(malformed("a pack, but no ref to put it on")),
            Stage::Nothing if end => Ok(Step::Probe),
            Stage::Nothing => Ok(Step::More(self.at + 1)),
            _ => Ok(Step::Commands),
        }
    }

    fn packet(&mut self, packet: Packet<'_>) -> Result<(), Fault> {
        match (packet, self.stage) {
            (Packet::Line(line), Stage::Commands) => self.command(line),
            (Packet::Line(line), _) => {
                if self.commands.options.len() == MAX_OPTIONS {
                    return Err(Fault::new("git-too-many", "too many push options"));
                }
                self.commands.options.push(pkt::text(line)?.to_owned());
                Ok(())
            }
            (Packet::Flush, Stage::Commands) => {
                if !self.commands.shallow.iter().all(|id| self.commands.capabilities.fits(id)) {
                    return Err(other_ids());
                }
                self.stage = match (
                    self.commands.updates.is_empty(),
                    self.commands.capabilities.has("push-options"),
                ) {
                    (true, _) => Stage::Nothing,
                    (false, true) => Stage::Options,
                    (false, false) => Stage::Pack,
                };
                Ok(())
            }
            (Packet::Flush, _) => {
                self.stage = Stage::Pack;
                Ok(())
            }
            (Packet::Delimiter | Packet::End, _) => Err(malformed("a push has no such packet line")),
        }
    }

    fn command(&mut self, line: &[u8]) -> Result<(), Fault> {
        let first = self.commands.updates.is_empty();
        if first && line.starts_with(b"shallow ") {
            let id = pkt::text(line)?.strip_prefix("shallow ").unwrap_or_default();
            if !is_object_id(id) {
                return Err(malformed("'shallow' without an object id"));
            }
            self.commands.shallow.push(id.to_ascii_lowercase());
            return Ok(());
        }
        let mut parts = line.splitn(2, |byte| *byte == 0);
        let command = parts.next().unwrap_or_default();
        match parts.next() {
            // git takes a line feed in front of the capabilities for a part of the name.
            Some(_) if command.ends_with(b"\n") => return Err(malformed("a line feed within a command")),
            Some(list) if first => self.commands.capabilities = Capabilities::read(plain(list)?)?,
            Some(_) => return Err(malformed("capabilities belong to the first command")),
            None => {}
        }
        if command.starts_with(b"push-cert") {
            let message = "a signed push cannot be judged: push with --no-signed";
            return Err(Fault::new("git-signed-push", message));
        }
        let update = update(plain(command)?)?;
        if ![&update.old, &update.new].into_iter().all(|id| self.commands.capabilities.fits(id)) {
            return Err(other_ids());
        }
        if self.commands.updates.len() == MAX_UPDATES {
            let message = format!("more than {MAX_UPDATES} refs in one push: push them in parts");
            return Err(Fault::new("git-too-many", message));
        }
        if !self.seen.insert(update.name.clone()) {
            return Err(malformed("one ref twice in one push"));
        }
        self.commands.updates.push(update);
        Ok(())
    }
}

fn other_ids() -> Fault {
    malformed("object ids of another kind than the client announces")
}

/// Capabilities may be empty, a line may not.
fn plain(line: &[u8]) -> Result<&str, Fault> {
    if line.strip_suffix(b"\n").unwrap_or(line).is_empty() { Ok("") } else { pkt::text(line) }
}

/// `OLD NEW NAME`
fn update(line: &str) -> Result<Update, Fault> {
    let mut parts = line.splitn(3, ' ');
    let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(malformed("a command of a push is old id, new id and ref"));
    };
    if !is_object_id(old) || !is_object_id(new) {
        return Err(malformed("a command of a push without object ids"));
    }
    if !is_ref(name) {
        return Err(Fault::new("git-ref-name", "this name of a ref is not allowed"));
    }
    let change = match (is_zero(old), is_zero(new)) {
        (true, false) => Change::Create,
        (false, false) => Change::Update,
        (false, true) => Change::Delete,
        (true, true) => return Err(malformed("a command of a push from nothing to nothing")),
    };
    let lower = |id: &str| id.to_ascii_lowercase();
    Ok(Update { old: lower(old), new: lower(new), name: name.to_owned(), change, forward: Forward::Unknown })
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
