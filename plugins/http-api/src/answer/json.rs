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
    let mut leaves = Leaves { collector, origin, columns: Vec::new(), fault: None };
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
    /// of each place of the document, for strings, numbers and booleans
    columns: Vec<[Option<u32>; 3]>,
    fault: Option<Fault>,
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
        let node = place.node() as usize;
        if let Some(known) = self.columns.get(node).and_then(|columns| columns.get(kind)).copied().flatten() {
            return Ok(known);
        }
        let column = self.collector.column(named(place.name()), source(place), type_name, None)?;
        if self.columns.len() <= node {
            self.columns.resize(node + 1, [None; 3]);
        }
        if let Some(known) = self.columns.get_mut(node).and_then(|columns| columns.get_mut(kind)) {
            *known = Some(column);
        }
        Ok(column)
    }

    fn value(&mut self, column: u32, leaf: &Leaf<'_>, style: Style) -> Result<(), Fault> {
        let (start, stop) = leaf.inside();
        let place = self.origin.place(start);
        let stop = place + (stop - start);
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
        if !is_value(&key.text) {
            return Ok(());
        }
        let column = self.collector.column("key", source(place), "key", None);
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
fn source(place: &Place<'_>) -> String {
    let mut path = String::new();
    let mut end = 0;
    for step in place.steps() {
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
    path.truncate(end);
    path
}
