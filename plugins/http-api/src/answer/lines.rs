//! A JSON text on each line (NDJSON, JSON Lines; JSON sequences, whose separators stay where they are).

use super::inside;
use super::json::{self, NoValues, Origin};
use super::values::{Collector, Style};
use crate::fault;
use crate::request::without_separator;
use crate::settings::Malformed;
use weir_sdk::http::Fault;

/// How far a body has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reader {
    /// no line ends before this byte
    seen: usize,
}

impl Reader {
    /// Adds the values of all whole lines in `data`, and answers how many bytes they take. `data` begins where the last
    /// answer ended; at the `end` of the body what is left counts as a line.
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
        while done < data.len() {
            let rest = data.get(self.seen..).unwrap_or_default();
            let stop = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => self.seen + at,
                None if end => data.len(),
                None => {
                    self.seen = data.len();
                    break;
                }
            };
            add(data.get(done..stop).unwrap_or_default(), done, malformed, collector)?;
            done = data.len().min(stop + 1);
            self.seen = done;
        }
        self.seen = self.seen.saturating_sub(done);
        Ok(done)
    }
}

fn add(line: &[u8], from: usize, malformed: Malformed, collector: &mut Collector<'_>) -> Result<(), Fault> {
    let whole = line;
    let line = without_separator(whole);
    let from = from + (whole.len() - line.len());
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    match json::add(line, Origin::At(from), collector) {
        Ok(()) => return Ok(()),
        Err(NoValues::Refused(fault)) => return Err(fault),
        Err(NoValues::Malformed(error)) if malformed == Malformed::Refuse => {
            return Err(inside::not_json(&error));
        }
        Err(NoValues::Malformed(_)) => {}
    }
    let text = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line))
        .map_err(|_| Fault::new(fault::ANSWER_TEXT, "a line is not UTF-8, so it cannot be masked"))?;
    inside::add(text, from, Style::Line, malformed, collector)
}
