//! An answer that is a stream of events: each that is all there is taken in and released.

use crate::answer::{self, Gathered};
use crate::memory::{Ask, Exchange, Memory};
use crate::message::{self, Message, Sender, Wrong, code};
use crate::sse::{self, Search};
use crate::tree;
use crate::values::{Mode, Walk};

fn wrong(text: &str) -> Wrong {
    Wrong::new(code::INTERNAL, text)
}

/// Takes in the events of `data`; answers how many bytes they are.
///
/// # Errors
/// When one may not go to the client.
pub fn take(
    memory: &mut Memory,
    exchange: &mut Exchange,
    search: &mut Search,
    data: &[u8],
    end: bool,
    gathered: &mut Gathered,
) -> Result<usize, Wrong> {
    let mut from = 0;
    while let Some(length) = search.event(data.get(from..).unwrap_or_default(), end)? {
        let bytes = data.get(from..from + length).unwrap_or_default();
        one(memory, exchange, bytes, from, gathered)?;
        from += length;
    }
    Ok(from)
}

fn one(
    memory: &mut Memory,
    exchange: &mut Exchange,
    bytes: &[u8],
    from: usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    let event = sse::event(bytes)?;
    if event.name == "endpoint" {
        return Err(wrong("this is the transport of MCP 2024-11-05 (HTTP with SSE), which is not served"));
    }
    let (joined, map) = event.joined(bytes);
    let at = |place: usize| from + map.place(place);
    // What stands between lines of data would come before and behind values of the same message.
    let (first, last) =
        (event.data.first().map_or(0, |line| line.0), event.data.last().map_or(0, |line| line.0));
    if event.other.iter().any(|(start, _)| *start > first && *start < last) {
        return Err(wrong("a comment between the lines of one message"));
    }
    let is_message = matches!(event.name.as_str(), "" | "message");
    let is_empty = joined.iter().all(u8::is_ascii_whitespace);
    let root = if is_empty { Err(String::new()) } else { tree::read(&joined) };
    match &root {
        Err(problem) if is_message && !is_empty => Err(wrong(problem)),
        Err(_) => {
            let lines: Vec<(&str, (usize, usize))> = event
                .other
                .iter()
                .map(|line| ("comment", *line))
                .chain(event.data.iter().map(|line| ("data", *line)))
                .collect();
            lines_of(memory, lines, from, gathered)
        }
        Ok(root) => {
            let messages = match message::messages(root, Sender::Server) {
                Ok((messages, _)) => messages,
                Err(wrong) if is_message => return Err(wrong),
                Err(_) => Vec::new(),
            };
            let asks = messages.iter().any(answer::asks);
            if asks && messages.len() > 1 {
                return Err(wrong("the server asks for something within a batch"));
            }
            let before = |line: &&(usize, usize)| line.0 < first;
            others(memory, event.other.iter().filter(before), from, gathered)?;
            all(memory, exchange, &messages, &at, gathered)?;
            if messages.is_empty() && memory.masking {
                let mut walk = Walk { cells: &mut gathered.cells, at: &at, relation: "", label: None };
                let walked = walk.node(root, None, "", &mut String::new(), Mode::Free);
                walked.map_err(|fault| wrong(&fault.message))?;
            }
            if asks {
                let asked = gathered.asked.take();
                gathered.asks.push(Ask { start: from, stop: from + bytes.len(), asked });
            }
            others(memory, event.other.iter().filter(|line| !before(line)), from, gathered)
        }
    }
}

fn all(
    memory: &mut Memory,
    exchange: &mut Exchange,
    messages: &[Message<'_, '_>],
    at: &dyn Fn(usize) -> usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    messages.iter().try_for_each(|message| answer::take(memory, exchange, message, at, gathered))
}

fn others<'e>(
    memory: &Memory,
    lines: impl Iterator<Item = &'e (usize, usize)>,
    from: usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    lines_of(memory, lines.map(|line| ("comment", *line)).collect(), from, gathered)
}

/// Lines that are no messages may say something all the same.
fn lines_of(
    memory: &Memory,
    mut lines: Vec<(&str, (usize, usize))>,
    from: usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    if !memory.masking {
        return Ok(());
    }
    lines.sort_by_key(|(_, (start, _))| *start);
    let mut walk = Walk { cells: &mut gathered.cells, at: &|at| at, relation: "", label: None };
    lines.into_iter().try_for_each(|(name, (start, stop))| {
        walk.line(name, from + start, from + stop, true).map_err(|fault| wrong(&fault.message))
    })
}
