//! What is asked of `git-upload-pack`: everything here only reads.

mod version0;
mod version2;

use crate::names::is_object_id;
use crate::pkt::{self, Packet, malformed};
use weir_sdk::Fault;

/// One request. Words of `read` that are not known are refused, not skipped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub command: Command,
    /// `0` also stands for version 1: only the advertisement differs
    pub version: u8,
    pub wants: Vec<String>,
    pub haves: Vec<String>,
    /// what the client has only in part
    pub shallow: Vec<String>,
    /// what of it has a name of its own, in order: `depth`, `filter`, `want-ref`, `ref-prefix`, …
    pub named: Vec<(&'static str, String)>,
    /// refs that are wanted by name
    pub want_refs: Vec<String>,
    pub agent: Option<String>,
    pub session_id: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Command {
    /// nothing is asked for: git's way to see whether it may
    #[default]
    Probe,
    ListRefs,
    Fetch,
    ObjectInfo,
    BundleUri,
}

/// A whole request.
///
/// # Errors
/// When it is malformed or asks for something unknown.
pub fn read(body: &[u8]) -> Result<Asked, Fault> {
    let packets = pkt::all(body)?;
    match packets.as_slice() {
        [Packet::Flush] => Ok(Asked::default()),
        [Packet::Line(line), ..] if line.starts_with(b"want ") => version0::read(&packets),
        [Packet::Line(_), ..] => version2::read(&packets),
        _ => Err(malformed("this request asks for nothing")),
    }
}

/// Things that are named one by one must all be seen.
const MAX_NAMED: usize = 1000;

impl Asked {
    fn name(&mut self, name: &'static str, value: &str) -> Result<(), Fault> {
        if self.named.len() == MAX_NAMED {
            return Err(Fault::new("git-too-many", "this request names too many things"));
        }
        self.named.push((name, value.to_owned()));
        Ok(())
    }

    /// Lines that mean the same in all versions. Answers whether it was one.
    fn common(&mut self, word: &str, rest: Option<&str>) -> Result<bool, Fault> {
        match (word, rest) {
            ("shallow", Some(id)) => self.shallow.push(object_id(id)?),
            ("have", Some(id)) => self.haves.push(object_id(id)?),
            ("deepen", Some(depth)) => self.name("depth", number(depth)?)?,
            ("deepen-since", Some(time)) => self.name("deepen-since", number(time)?)?,
            ("deepen-not", Some(name)) => self.name("deepen-not", name)?,
            ("filter", Some(filter)) => self.name("filter", filter)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn object_id(text: &str) -> Result<String, Fault> {
    match is_object_id(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(malformed("an object id is expected")),
    }
}

fn number(text: &str) -> Result<&str, Fault> {
    match !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text),
        false => Err(malformed("a number is expected")),
    }
}

/// `word rest`
fn split(line: &str) -> (&str, Option<&str>) {
    match line.split_once(' ') {
        Some((word, rest)) => (word, Some(rest)),
        None => (line, None),
    }
}

#[cfg(test)]
mod tests;
