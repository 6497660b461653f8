//! Values of a JSON text.

use super::values::{Collector, Style};
use crate::fault;
use weir_json::{Kind, Leaf, Limits, Place, Step, Stop, Visitor};
use weir_sdk::http::Fault;

/// Where a text stands in the body it was taken from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin<'a> {
    /// from this byte on
    At(usize),
    /// in pieces: where each begins in the text, and where in the body. A value lies in one piece.
    Pieces(&'a [(usize, usize)]),
}

impl Origin<'_> {
    fn place(self, at: usize) -> usize {
        match self {
            Origin::At(offset) => offset + at,
            Origin::Pieces(pieces) => {
                let piece = pieces.partition_point(|(begin, _)| *begin <= at);
                let piece = piece.checked_sub(1).and_then(|last| pieces.get(last));
                piece.map_or(at, |(begin, body)| at - begin + body)
            }
        }
    }
}

/// Room for the places of most documents.
const FIRST_PLACES: usize = 16;

/// Why there are no values.
#[derive(Debug)]
pub(super) enum NoValues {
    /// it is no JSON
    Malformed(weir_json::Error),
    /// it is, but cannot be masked
    Refused(Fault),
}

/// Adds the values of `data`. When that fails, none are.
///
/// # Errors
/// When it is not JSON, or there are too many.
pub(super) fn add(data: &[u8], origin: Origin<'_>, collector: &mut Collector<'_>) -> Result<(), NoValues> {
    let mark = collector.mark();
    let known = Vec::with_capacity(FIRST_PLACES);
    let mut leaves = Leaves { collector, origin, known, source: Source::default(), fault: None };
    let walked = weir_json::walk(data, Limits::default(), &mut leaves);
    let fault = leaves.fault.take();
    walked.map_err(|error| {
        collector.back_to(mark);
        match fault {
            Some(fault) => NoValues::Refused(fault),
            None if error.problem.is_limit() => NoValues::Refused(Fault::new(
                fault::ANSWER_TOO_MANY,
                format!("the answer cannot be masked: {error}"),
            )),
            None => NoValues::Malformed(error),
        }
    })
}

struct Leaves<'c, 'a, 'o> {
    collector: &'c mut Collector<'a>,
    origin: Origin<'o>,
    /// of each place of the document
    known: Vec<Known>,
    source: Source,
    fault: Option<Fault>,
}

/// What is known of a place.
#[derive(Clone, Copy, Default)]
struct Known {
    /// for strings, numbers and booleans
    columns: [Option<u32>; 3],
    /// it is behind a key that is no value
    is_field: bool,
}

impl Leaves<'_, '_, '_> {
    fn add(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Fault> {
        let (kind, style, type_name) = match leaf.kind {
            Kind::String => (0, Style::String, "string"),
            Kind::Number => (1, Style::Number, "number"),
            Kind::Boolean => (2, Style::Boolean, "boolean"),
            Kind::Null | Kind::EmptyObject | Kind::EmptyArray => return Ok(()),
        };
        let column = self.column(place, kind, type_name)?;
        self.value(column, leaf, style)
    }

    fn column(&mut self, place: &Place<'_>, kind: usize, type_name: &'static str) -> Result<u32, Fault> {
        let known = self.known.get(place.node() as usize).and_then(|known| known.columns.get(kind));
        if let Some(known) = known.copied().flatten() {
            return Ok(known);
        }
        let column = self.collector.column(named(place.name()), self.source.of(place), type_name, None)?;
        if let Some(known) = self.known_of(place).and_then(|known| known.columns.get_mut(kind)) {
            *known = Some(column);
        }
        Ok(column)
    }

    fn known_of(&mut self, place: &Place<'_>) -> Option<&mut Known> {
        let node = place.node() as usize;
        if self.known.len() <= node {
            self.known.resize(node + 1, Known::default());
        }
        self.known.get_mut(node)
    }

    fn value(&mut self, column: u32, leaf: &Leaf<'_>, style: Style) -> Result<(), Fault> {
        let (start, stop) = leaf.inside();
        let place = self.origin.place(start);
        let stop = place + (stop - start);
        // Whoever looks for a card looks for its digits.
        if style == Style::Number
            && let Some(plain) = weir_json::without_exponent(&leaf.text)
        {
            return self.collector.decoded(column, &plain, place, stop, style);
        }
        match leaf.is_escaped() {
            true => self.collector.decoded(column, &leaf.text, place, stop, style),
            false => self.collector.plain(column, place, stop, style),
        }
    }
}

impl Visitor for Leaves<'_, '_, '_> {
    fn leaf(&mut self, place: &Place<'_>, leaf: &Leaf<'_>) -> Result<(), Stop> {
        self.add(place, leaf).map_err(|fault| {
            self.fault = Some(fault);
            Stop
        })
    }

    fn key(&mut self, place: &Place<'_>, key: &Leaf<'_>) -> Result<(), Stop> {
        if self.known.get(place.node() as usize).is_some_and(|known| known.is_field) {
            return Ok(());
        }
        if !is_value(&key.text) {
            if let Some(known) = self.known_of(place) {
                known.is_field = true;
            }
            return Ok(());
        }
        let column = self.collector.column("key", self.source.of(place), "key", None);
        let added = column.and_then(|column| self.value(column, key, Style::Key));
        added.map_err(|fault| {
            self.fault = Some(fault);
            Stop
        })
    }
}

/// A key that is no name of a field but a value: an address, a number. It is masked as one, and does not become part
/// of a column's name.
fn is_value(key: &str) -> bool {
    const DIGITS: usize = 7;
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    key.contains('@') || digits >= DIGITS || (digits > 0 && digits == key.len())
}

/// What stands for such a key.
fn named(key: &str) -> &str {
    if is_value(key) { "{id}" } else { key }
}

/// `items[].email`. A list of values is one with a single value: `emails` for both, so that naming the field protects
/// both.
#[derive(Default)]
struct Source {
    /// the object of which a member was asked for last, and what leads to it
    object: Option<(u32, String)>,
    path: String,
}

impl Source {
    fn of(&mut self, place: &Place<'_>) -> &str {
        let Self { object, path } = self;
        path.clear();
        let Some((number, key)) = place.member() else {
            let end = write(&place.steps(), path);
            path.truncate(end);
            return path;
        };
        match object {
            Some((known, leading)) if *known == number => path.push_str(leading),
            _ => {
                let steps = place.steps();
                write(steps.split_last().map_or(&[], |(_, before)| before), path);
                *object = Some((number, path.clone()));
            }
        }
        write(&[Step::Key(key)], path);
        path
    }
}

/// Appends steps; where the last key of them ends.
fn write(steps: &[Step<'_>], path: &mut String) -> usize {
    let mut end = 0;
    for step in steps {
        match step {
            Step::Index(_) => path.push_str("[]"),
            Step::Key(key) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(named(key));
                end = path.len();
            }
        }
    }
    end
}
