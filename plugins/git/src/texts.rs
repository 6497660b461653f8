//! Texts for people in an answer, found and put back when values are masked: what hooks and servers say while they work
//! (channel 2 of the side band), last words (channel 3), `ERR` lines, and the reasons in the report of a push.
//!
//! Names of refs and packs are not looked at: they are what was asked for. A text may come in several packets, cut
//! anywhere, so it is kept until its line ends.

use crate::pkt::{self, Next, Packet};
use weir_sdk::Fault;
use weir_sdk::http::{Spans, TOP_BIT, Values};

/// A line that has not ended after this many bytes is taken as it is.
const MAX_LINE: usize = 64 << 10;
const NOT_SHOWN: &[u8] = b"[not shown: no plain text]\n";

/// Columns of the values.
const NOTICE: u32 = 0;
const ERROR: u32 = 1;

/// Packets that become one when a text in them changes.
#[derive(Debug, Default)]
struct Unit {
    /// where its packets are, in the bytes given
    places: Vec<(usize, usize)>,
    /// of the side band; none when the lines stand in the answer as they are
    channel: Option<u8>,
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    before: Vec<u8>,
    /// what the masker sees, if there is anything to see
    text: Option<(u32, String)>,
    after: Vec<u8>,
    /// a packet line of its own
    framed: bool,
}

/// Packets of one channel whose text has not ended.
struct Open {
    channel: u8,
    places: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl Open {
    fn start(&self) -> usize {
        self.places.first().map_or(0, |(start, _)| *start)
    }
}

/// What was found in the bytes of one call.
#[derive(Debug, Default)]
pub struct Found {
    units: Vec<Unit>,
    /// bytes that may go on
    pub release: usize,
    /// bytes that should be there for the next call
    pub need: usize,
    /// the rest is no packet lines: nothing to look for
    pub over: bool,
    /// texts that cannot be shown to anybody
    pub changes: Spans,
}

/// `report`: channel 1, or the answer itself when it is not `banded`, is the report of a push.
///
/// # Errors
/// When the answer is not what such an answer must be: then nobody could say where its texts are.
pub fn find(data: &[u8], end: bool, banded: bool, report: bool) -> Result<Found, Fault> {
    let mut found = Found::default();
    let mut open: Option<Open> = None;
    let mut at = 0;
    loop {
        let (packet, taken) = match pkt::next(data.get(at..).unwrap_or_default()) {
            Ok(Next::Packet(packet, taken)) => (packet, taken),
            Ok(Next::Needs(_)) if end && at < data.len() => {
                return Err(Fault::new("git-cut-off", "the server's answer ends within a packet line"));
            }
            Ok(Next::Needs(more)) => {
                found.need = at + more;
                break;
            }
            // Without a side band the pack comes as it is.
            Err(_) if !report && data.get(at..).is_some_and(|rest| rest.starts_with(b"PACK")) => {
                found.over = true;
                break;
            }
            Err(why) => return Err(why),
        };
        let place = (at, at + taken);
        at += taken;
        match packet {
            Packet::Line([channel @ 1..=3, rest @ ..]) if banded && (*channel > 1 || report) => {
                if open.as_ref().is_some_and(|open| open.channel != *channel) {
                    close(&mut found, open.take())?;
                }
                if rest.is_empty() {
                    continue;
                }
                let text =
                    open.get_or_insert_with(|| Open { channel: *channel, places: vec![], bytes: vec![] });
                text.places.push(place);
                text.bytes.extend_from_slice(rest);
                let ended = match channel {
                    1 => text.bytes.ends_with(pkt::FLUSH),
                    2 => matches!(rest.last(), Some(b'\n' | b'\r')),
                    _ => true,
                };
                if ended || text.bytes.len() > MAX_LINE {
                    close(&mut found, open.take())?;
                }
            }
            Packet::Line(_) if banded && report => {
                return Err(pkt::malformed("the server's answer has a channel that is not known"));
            }
            Packet::Line(line) => {
                let framed = match line.strip_prefix(b"ERR ") {
                    Some(text) => Some(whole(b"ERR ", text, ERROR)),
                    None if report && !banded => Some(reason(line)),
                    None => None,
                };
                if let Some(line) = framed {
                    push(&mut found, Unit { places: vec![place], channel: None, lines: vec![line] })?;
                }
            }
            _ => close(&mut found, open.take())?,
        }
    }
    let is_waited_for_in_vain = |open: &Open| data.len() - open.start() > 4 * MAX_LINE;
    if end || found.over || open.as_ref().is_some_and(is_waited_for_in_vain) {
        close(&mut found, open.take())?;
    }
    found.release = match &open {
        _ if end || found.over => data.len(),
        Some(open) => open.start(),
        None => at,
    };
    found.need = found.need.saturating_sub(found.release);
    Ok(found)
}

/// An answer that is no git's, as one text.
///
/// # Errors
/// When it is no text.
pub fn plain(data: &[u8]) -> Result<Found, Fault> {
    let text = std::str::from_utf8(data)
        .map_err(|_| Fault::new("git-no-text", "the server's answer is not git's, and cannot be masked"))?;
    let mut found = Found { release: data.len(), ..Found::default() };
    let line = Line { before: vec![], text: Some((ERROR, text.to_owned())), after: vec![], framed: false };
    if !data.is_empty() {
        found.units.push(Unit { places: vec![(0, data.len())], channel: None, lines: vec![line] });
    }
    Ok(found)
}

fn close(found: &mut Found, open: Option<Open>) -> Result<(), Fault> {
    let Some(Open { channel, places, bytes }) = open else { return Ok(()) };
    let lines = match channel {
        1 => report_lines(&bytes),
        2 => vec![Line { framed: false, ..whole(b"", &bytes, NOTICE) }],
        _ => vec![Line { framed: false, ..whole(b"", &bytes, ERROR) }],
    };
    push(found, Unit { places, channel: Some(channel), lines })
}

/// The lines inside channel 1. What is no packet line stays what it is.
fn report_lines(mut bytes: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    while let Ok(Next::Packet(packet, taken)) = pkt::next(bytes) {
        let (this, rest) = bytes.split_at_checked(taken).unwrap_or((bytes, &[]));
        lines.push(match packet {
            Packet::Line(line) => reason(line),
            _ => Line { before: this.to_vec(), text: None, after: vec![], framed: false },
        });
        bytes = rest;
    }
    lines.push(Line { before: bytes.to_vec(), text: None, after: vec![], framed: false });
    lines
}

/// `ng REF REASON` and `unpack REASON`
fn reason(line: &[u8]) -> Line {
    let words = match line.split(|byte| *byte == b' ').next() {
        Some(b"ng") => 2,
        Some(b"unpack") if line.strip_suffix(b"\n").unwrap_or(line) != b"unpack ok" => 1,
        _ => return Line { before: line.to_vec(), text: None, after: vec![], framed: true },
    };
    let mut at = 0;
    for word in line.split_inclusive(|byte| *byte == b' ').take(words) {
        at += word.len();
    }
    let (before, text) = line.split_at_checked(at).unwrap_or((line, &[]));
    whole(before, text, ERROR)
}

fn whole(before: &[u8], text: &[u8], column: u32) -> Line {
    let (text, after) = match text.strip_suffix(b"\n") {
        Some(text) => (text, b"\n".to_vec()),
        None => (text, vec![]),
    };
    Line { before: before.to_vec(), text: Some((column, shown(text))), after, framed: true }
}

/// Nothing that is no text gets here unseen: see `push`.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn push(found: &mut Found, unit: Unit) -> Result<(), Fault> {
    let replaced = |line: &Line| line.text.as_ref().is_some_and(|(_, text)| text.contains('\u{fffd}'));
    if unit.lines.iter().any(replaced) {
        // A masker would see something else than the client.
        let hidden = unit.rebuilt(|line| line.text.as_ref().map(|_| NOT_SHOWN.trim_ascii_end().to_vec()));
        return unit.change(&hidden, &mut found.changes);
    }
    if unit.lines.iter().any(|line| line.text.as_ref().is_some_and(|(_, text)| !text.is_empty())) {
        found.units.push(unit);
    }
    Ok(())
}

impl Unit {
    /// Its bytes, with other texts.
    fn rebuilt(&self, mut text_of: impl FnMut(&Line) -> Option<Vec<u8>>) -> Vec<u8> {
        let mut inner = Vec::new();
        for line in &self.lines {
            let text = text_of(line).unwrap_or_default();
            let bytes = [line.before.as_slice(), &text, &line.after].concat();
            if line.framed {
                pkt::write(&mut inner, &bytes);
            } else {
                inner.extend_from_slice(&bytes);
            }
        }
        let Some(channel) = self.channel else { return inner };
        let mut out = Vec::new();
        pkt::write_band(&mut out, channel, &inner);
        out
    }

    /// The first packet becomes all of it, the others nothing.
    fn change(&self, bytes: &[u8], spans: &mut Spans) -> Result<(), Fault> {
        for (index, (start, stop)) in self.places.iter().enumerate() {
            spans.push(word(*start), word(*stop), if index == 0 { bytes } else { b"" })?;
        }
        Ok(())
    }
}

impl Found {
    /// Nobody looks.
    pub fn nothing(release: usize) -> Self {
        Self { release, over: true, ..Self::default() }
    }

    /// Every text is a value in `decoded`, in the order of the answer.
    pub fn values(&self) -> Values {
        let mut values = Values::default();
        for (column, text) in self.texts() {
            values.cells.extend([*column, TOP_BIT | word(values.decoded.len()), word(text.len())]);
            values.decoded.extend_from_slice(text.as_bytes());
        }
        if !values.cells.is_empty() {
            for label in ["notice", "error"] {
                values.columns.push("message", "", "", "text", &[label]);
            }
        }
        values
    }

    fn texts(&self) -> impl Iterator<Item = &(u32, String)> {
        self.units.iter().flat_map(|unit| &unit.lines).filter_map(|line| line.text.as_ref())
    }

    /// `cells`, `texts` and `ends` as in the contract's `encode`.
    ///
    /// # Errors
    /// When they do not fit together.
    pub fn encode(&self, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        let wrong = || Fault::new("git-cells", "these values were not given");
        if cells.len() != ends.len() {
            return Err(wrong());
        }
        let mut new: Vec<Option<&[u8]>> = self.texts().map(|_| None).collect();
        let mut from = 0;
        for (cell, end) in cells.iter().zip(ends) {
            let end = usize::try_from(*end).unwrap_or(usize::MAX);
            let text = texts.get(from..end).ok_or_else(wrong)?;
            from = end;
            let index = usize::try_from(cell & !TOP_BIT).unwrap_or(usize::MAX);
            *new.get_mut(index).ok_or_else(wrong)? = Some(if cell & TOP_BIT == 0 { text } else { b"" });
        }
        let mut spans = Spans::default();
        let mut new = new.into_iter();
        for unit in &self.units {
            let mut changed = false;
            let bytes = unit.rebuilt(|line| {
                let (_, old) = line.text.as_ref()?;
                let Some(text) = new.next().flatten() else { return Some(old.as_bytes().to_vec()) };
                changed = true;
                Some(if line.framed { one_line(text) } else { text.to_vec() })
            });
            if changed {
                unit.change(&bytes, &mut spans)?;
            }
        }
        Ok(spans)
    }
}

/// A line of a report must stay one.
fn one_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect()
}

fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
