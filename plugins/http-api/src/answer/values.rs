//! Values of one piece of an answer, as they are found, and how new texts are put back in their places.

use crate::fault;
use std::collections::BTreeMap;
use weir_sdk::http::{Fault, Spans, TOP_BIT, Values};

/// What a value stands in: says how a new text is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// inside the quotes of a JSON string
    String,
    /// the key of a JSON object, likewise; it cannot become `null`
    Key,
    Number,
    Boolean,
    /// a body that is one text
    Text,
    /// one line of several: no line break may come in
    Line,
    /// lines of data of a server-sent event, from the first one's text to the last one's
    Data,
    /// a header
    Header,
    /// a header or a value of a form with percent-encoding in it
    Escaped,
}

/// Where a value stands: bytes `start..stop` of what was given, or for a header its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub start: u32,
    pub stop: u32,
    pub style: Style,
}

/// What becomes of the cells of a call.
#[derive(Debug)]
pub struct Collector<'a> {
    relation: &'a str,
    values: Values,
    places: Vec<Place>,
    /// by name, source and type, with NULs between: `a.b` may be a key, or `b` in `a`
    columns: BTreeMap<String, u32>,
    /// for what is looked up there
    wanted: String,
}

/// Columns of one call. A masker numbers them with 16 bits; no API has a thousand kinds of fields in one answer.
const MAX_COLUMNS: usize = 4096;
/// Values of one call: with what describes them 24 bytes each.
const MAX_CELLS: usize = 1_000_000;

/// For the room at the beginning: bytes of a body per value, so many values at most, and bytes of columns.
const BYTES_OF_VALUE: usize = 16;
const FIRST_CELLS: usize = 4096;
const FIRST_TEXTS: usize = 512;
const FIRST_ENDS: usize = 64;

/// Some state to go back to.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    cells: usize,
    decoded: usize,
}

impl<'a> Collector<'a> {
    /// `relation`: what the values belong to, the operation's text.
    pub fn new(relation: &'a str) -> Self {
        let (values, places, columns, wanted) = Default::default();
        Self { relation, values, places, columns, wanted }
    }

    /// With room for what so many bytes usually hold.
    pub fn of_body(relation: &'a str, bytes: usize) -> Self {
        let count = (bytes / BYTES_OF_VALUE).min(FIRST_CELLS);
        let mut collector = Self::new(relation);
        collector.values.cells.reserve(3 * count);
        collector.places.reserve(count);
        collector.values.columns.texts.reserve(FIRST_TEXTS.min(bytes));
        collector.values.columns.ends.reserve(FIRST_ENDS.min(bytes));
        collector
    }

    pub fn finish(self) -> (Values, Vec<Place>) {
        (self.values, self.places)
    }

    pub fn mark(&self) -> Mark {
        Mark { cells: self.places.len(), decoded: self.values.decoded.len() }
    }

    /// Forgets the values found since. Columns stay; nothing lies in them.
    pub fn back_to(&mut self, mark: Mark) {
        self.places.truncate(mark.cells);
        self.values.cells.truncate(mark.cells * 3);
        self.values.decoded.truncate(mark.decoded);
    }

    /// # Errors
    /// When there are too many.
    pub fn column(
        &mut self,
        name: &str,
        source: &str,
        type_name: &'static str,
        label: Option<&str>,
    ) -> Result<u32, Fault> {
        let next = self.values.columns.len();
        self.wanted.clear();
        [name, "\0", source, "\0", type_name].iter().for_each(|part| self.wanted.push_str(part));
        if let Some(known) = self.columns.get(self.wanted.as_str()) {
            return Ok(*known);
        }
        if next >= MAX_COLUMNS {
            return Err(too_many("more different fields than can be masked"));
        }
        let number = word(next)?;
        self.values.columns.push(name, self.relation, source, type_name, label.as_slice());
        self.columns.insert(self.wanted.clone(), number);
        Ok(number)
    }

    /// A value whose text is what stands there.
    ///
    /// # Errors
    /// When there are too many.
    pub fn plain(&mut self, column: u32, start: usize, stop: usize, style: Style) -> Result<(), Fault> {
        let place = Place { start: word(start)?, stop: word(stop)?, style };
        self.add(column, place.start, place.stop.saturating_sub(place.start), place)
    }

    /// A value whose text is not what stands there.
    ///
    /// # Errors
    /// When there are too many.
    pub fn decoded(
        &mut self,
        column: u32,
        text: &str,
        start: usize,
        stop: usize,
        style: Style,
    ) -> Result<(), Fault> {
        let from = word(self.values.decoded.len())?;
        self.values.decoded.extend_from_slice(text.as_bytes());
        if self.values.decoded.len() >= TOP_BIT as usize {
            return Err(too_many("more text than can be masked"));
        }
        let place = Place { start: word(start)?, stop: word(stop)?, style };
        self.add(column, from | TOP_BIT, word(text.len())?, place)
    }

    /// A header, by its index.
    ///
    /// # Errors
    /// When there are too many.
    pub fn header(&mut self, column: u32, index: usize) -> Result<(), Fault> {
        let start = word(index)?;
        self.add(column, start, 0, Place { start, stop: start, style: Style::Header })
    }

    /// A header whose text is not what stands there.
    ///
    /// # Errors
    /// When there are too many.
    pub fn escaped_header(&mut self, column: u32, text: &str, index: usize) -> Result<(), Fault> {
        self.decoded(column, text, index, index, Style::Escaped)
    }

    fn add(&mut self, column: u32, start: u32, length: u32, place: Place) -> Result<(), Fault> {
        if self.places.len() >= MAX_CELLS {
            return Err(too_many("more values than can be masked"));
        }
        self.values.cells.extend([column, start, length]);
        self.places.push(place);
        Ok(())
    }

    /// Brings the values found since `mark` into the order in which they stand in the body.
    pub fn sort_since(&mut self, mark: Mark) {
        let places = self.places.get_mut(mark.cells..).unwrap_or_default();
        if places.is_sorted_by_key(|place| place.start) {
            return;
        }
        let cells = self.values.cells.get_mut(mark.cells * 3..).unwrap_or_default();
        let (triples, _) = cells.as_chunks_mut::<3>();
        let mut both: Vec<(Place, [u32; 3])> = places.iter().copied().zip(triples.iter().copied()).collect();
        both.sort_by_key(|(place, _)| place.start);
        for ((place, triple), (new_place, new_triple)) in places.iter_mut().zip(triples).zip(both) {
            (*place, *triple) = (new_place, new_triple);
        }
    }
}

fn word(number: usize) -> Result<u32, Fault> {
    u32::try_from(number).map_err(|_| too_many("the answer is too large"))
}

fn too_many(what: &str) -> Fault {
    Fault::new(fault::ANSWER_TOO_MANY, format!("the answer cannot be masked: {what}"))
}

/// Writes new texts in the places of cells. See `encode` of the contract for what the lists say.
///
/// # Errors
/// When a cell is asked for that there is not.
pub fn encode(places: &[Place], cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
    let wrong = || Fault::new("order", "a cell that there is not, or texts that do not belong to the cells");
    if cells.len() != ends.len() {
        return Err(wrong());
    }
    let mut spans = Spans::default();
    let mut written = Vec::new();
    let mut from = 0;
    for (cell, end) in cells.iter().zip(ends) {
        let place = places.get((cell & !TOP_BIT) as usize).ok_or_else(wrong)?;
        let text = texts.get(from..*end as usize).ok_or_else(wrong)?;
        from = *end as usize;
        let text = (cell & TOP_BIT == 0).then(|| String::from_utf8_lossy(text));
        written.clear();
        let (start, stop) = write(*place, text.as_deref(), &mut written);
        spans.push(start, stop, &written)?;
    }
    Ok(spans)
}

/// Writes one text (none: nothing, `null`) and answers which bytes it takes the place of.
fn write(place: Place, text: Option<&str>, out: &mut Vec<u8>) -> (u32, u32) {
    let Place { start, stop, style } = place;
    match (style, text) {
        (Style::String, None) => {
            out.extend_from_slice(b"null");
            return (start.saturating_sub(1), stop.saturating_add(1));
        }
        (Style::Number | Style::Boolean, None) => out.extend_from_slice(b"null"),
        (Style::String | Style::Key, Some(text)) => weir_json::escape(text, out),
        (Style::Number, Some(text)) if weir_json::is_number(text) => out.extend_from_slice(text.as_bytes()),
        (Style::Boolean, Some(text @ ("true" | "false"))) => out.extend_from_slice(text.as_bytes()),
        (Style::Number | Style::Boolean, Some(text)) => out.extend(weir_json::literal(text)),
        (Style::Text, Some(text)) => out.extend_from_slice(text.as_bytes()),
        (Style::Data, Some(text)) => {
            let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\ndata: ");
            out.extend_from_slice(text.as_bytes());
        }
        (Style::Line | Style::Header, Some(text)) => {
            out.extend_from_slice(text.replace(|c: char| c.is_control() && c != '\t', " ").as_bytes());
        }
        (Style::Escaped, Some(text)) => crate::percent::encode_text(text, out),
        (Style::Key | Style::Text | Style::Data | Style::Line | Style::Header | Style::Escaped, None) => {}
    }
    (start, stop)
}
