//! Server-sent events, one by one. An event is all lines up to an empty one; lines end with CR LF, LF or CR (WHATWG
//! HTML, "Server-sent events").

use super::inside;
use super::json::{self, NoValues, Origin};
use super::values::{Collector, Style};
use crate::fault;
use crate::settings::Malformed;
use weir_sdk::http::Fault;

/// How far a stream has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// where the line begins that has not ended
    line: usize,
    /// no line ends between there and here
    seen: usize,
    /// the stream is past its first event
    begun: bool,
}

/// A line without its end, and where the next one begins.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: usize,
    stop: usize,
    next: usize,
}

impl Reader {
    /// Adds the values of all whole events in `data`, and answers how many bytes they take. `data` begins where the
    /// last answer ended; at the `end` of the stream what is left counts as an event.
    ///
    /// # Errors
    /// When values cannot be masked.
    pub fn read(
        &mut self,
        data: &[u8],
        end: bool,
        malformed: Malformed,
        collector: &mut Collector<'_>,
    ) -> Result<usize, Fault> {
        let mut done = 0;
        while let Some(line) = self.next_line(data, end) {
            self.line = line.next;
            self.seen = line.next;
            if line.start == line.stop {
                self.event(data, done, line.next, malformed, collector)?;
                done = line.next;
            }
        }
        if end && done < data.len() {
            self.event(data, done, data.len(), malformed, collector)?;
            done = data.len();
        }
        self.line = self.line.saturating_sub(done);
        self.seen = self.seen.saturating_sub(done);
        Ok(done)
    }

    fn event(
        &mut self,
        data: &[u8],
        from: usize,
        to: usize,
        malformed: Malformed,
        collector: &mut Collector<'_>,
    ) -> Result<(), Fault> {
        let is_first = !self.begun;
        self.begun = true;
        add(data.get(..to).unwrap_or_default(), from, is_first, malformed, collector)
    }

    fn next_line(&mut self, data: &[u8], end: bool) -> Option<Line> {
        let start = self.line;
        let rest = data.get(self.seen..)?;
        let found = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let stop = match found {
            Some(at) => self.seen + at,
            None => {
                self.seen = data.len();
                return (end && start < data.len()).then_some(Line {
                    start,
                    stop: data.len(),
                    next: data.len(),
                });
            }
        };
        let next = match (data.get(stop), data.get(stop + 1)) {
            (Some(b'\r'), Some(b'\n')) => stop + 2,
            // Is there a LF to come? An empty line need not wait for it: alone it is an empty line again.
            (Some(b'\r'), None) if !end && stop > start => {
                self.seen = stop;
                return None;
            }
            _ => stop + 1,
        };
        Some(Line { start, stop, next })
    }
}

/// The texts of consecutive `data` lines.
#[derive(Debug, Default)]
struct Run {
    pieces: Vec<(usize, usize)>,
}

/// Adds the values of the event that begins at `from` and ends with `data`.
fn add(
    data: &[u8],
    from: usize,
    is_first: bool,
    malformed: Malformed,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let mark = collector.mark();
    let mut lines = Reader { line: from, seen: from, begun: true };
    let mut runs: Vec<Run> = Vec::new();
    let (mut follows, mut pieces) = (false, 0);
    while let Some(mut line) = lines.next_line(data, true) {
        (lines.line, lines.seen) = (line.next, line.next);
        if is_first && line.start == from && data.get(from..).is_some_and(|data| data.starts_with(MARK)) {
            line.start += MARK.len();
        }
        let bytes = data.get(line.start..line.stop).unwrap_or_default();
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Fault::new(fault::ANSWER_TEXT, "an event is not UTF-8, so it cannot be masked"))?;
        let (name, at) = match text.split_once(':') {
            Some((name, value)) => (name, line.stop - value.len() + usize::from(value.starts_with(' '))),
            None => (text, line.stop),
        };
        match name {
            "data" => {
                if !follows {
                    runs.push(Run::default());
                }
                pieces += 1;
                if pieces > MAX_PIECES {
                    return Err(Fault::new(
                        fault::ANSWER_TOO_MANY,
                        "an event has more lines than can be masked",
                    ));
                }
                if let Some(run) = runs.last_mut() {
                    run.pieces.push((at, line.stop));
                }
            }
            "retry" => {}
            _ if at == line.stop => {}
            // Clients pass over fields they do not know; what is in them may be a value all the same.
            _ => {
                let name = match name {
                    "event" => "sse-event",
                    "id" => "sse-id",
                    _ => "sse-comment",
                };
                let column = collector.column(name, name, "text", None)?;
                collector.plain(column, at, line.stop, Style::Line)?;
            }
        }
        follows = name == "data";
    }
    add_data(data, &runs, malformed, collector)?;
    collector.sort_since(mark);
    Ok(())
}

const MARK: &[u8] = b"\xef\xbb\xbf";
/// Lines of data of one event; a large one costs memory for each.
const MAX_PIECES: usize = 100_000;

fn add_data(
    data: &[u8],
    runs: &[Run],
    malformed: Malformed,
    collector: &mut Collector<'_>,
) -> Result<(), Fault> {
    let pieces: Vec<(usize, usize)> = runs.iter().flat_map(|run| run.pieces.iter().copied()).collect();
    let (whole, origins) = joined(data, &pieces);
    if whole.is_empty() {
        return Ok(());
    }
    match json::add(&whole, Origin::Pieces(&origins), collector) {
        Ok(()) => return Ok(()),
        Err(NoValues::Refused(fault)) => return Err(fault),
        Err(NoValues::Malformed(error)) => {
            super::allow_text(&whole, &error, malformed)?;
            let text = std::str::from_utf8(&whole).map_err(|_| inside::not_json(&error))?;
            if let [(start, _)] = *pieces {
                return inside::add(text, start, Style::Data, malformed, collector);
            }
            // In pieces nothing can be put back into it.
            if malformed == Malformed::Refuse && inside::any(text) {
                return Err(inside::not_json(&error));
            }
        }
    }
    for run in runs {
        let (Some(first), Some(last)) = (run.pieces.first(), run.pieces.last()) else { continue };
        let column = collector.column("text", "text", "text", None)?;
        let (text, _) = joined(data, &run.pieces);
        let text = String::from_utf8_lossy(&text);
        match run.pieces.len() {
            1 => collector.plain(column, first.0, last.1, Style::Data)?,
            _ => collector.decoded(column, &text, first.0, last.1, Style::Data)?,
        }
    }
    Ok(())
}

/// Pieces of the body as one text, with a line break between them, and where each stands.
fn joined(data: &[u8], pieces: &[(usize, usize)]) -> (Vec<u8>, Vec<(usize, usize)>) {
    let mut whole = Vec::new();
    let mut origins = Vec::with_capacity(pieces.len());
    for (start, stop) in pieces {
        if !origins.is_empty() {
            whole.push(b'\n');
        }
        origins.push((whole.len(), *start));
        whole.extend_from_slice(data.get(*start..*stop).unwrap_or_default());
    }
    (whole, origins)
}
