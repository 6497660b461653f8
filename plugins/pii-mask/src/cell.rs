//! Writing edits so that they obey the contract: in order, not overlapping, on character boundaries.

use crate::form::Form;
use crate::method::{Method, Methods, Subject};
use weir_sdk::masker::Edits;

/// A cell of the batch at hand.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'b> {
    pub index: u32,
    pub text: &'b str,
}

/// Collects the edits of a batch. Cells come in order, spans of a cell too.
pub struct Writer<'m> {
    methods: &'m Methods,
    edits: Edits,
}

/// A place to go back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    edits: usize,
    bytes: usize,
    nulls: usize,
}

impl<'m> Writer<'m> {
    /// With room for `count` edits.
    pub fn new(methods: &'m Methods, count: usize) -> Self {
        Self { methods, edits: Edits::with_room_for(count) }
    }

    pub fn finish(self) -> Edits {
        self.edits
    }

    /// Hides a whole cell.
    pub fn whole(&mut self, cell: Cell<'_>, rule: u16, method: Method, subject: Subject, form: Form) {
        if method == Method::Null {
            return self.edits.null(cell.index, rule);
        }
        let out = &mut self.edits.replacements;
        let frame = match form {
            Form::Text => ("", ""),
            Form::Json => ("\"", "\""),
            Form::Array => ("{", "}"),
        };
        out.extend_from_slice(frame.0.as_bytes());
        // Parts of a structured value would not be parts of its text.
        let method = if form == Form::Text || method == Method::Hash { method } else { Method::Redact };
        self.methods.write(method, subject, cell.text, out);
        out.extend_from_slice(frame.1.as_bytes());
        self.entry(cell, 0, cell.text.len() as u32, rule);
    }

    /// Hides `start..stop` of a cell.
    #[allow(clippy::too_many_arguments, reason = "an edit has that many sides")]
    pub fn span(
        &mut self,
        cell: Cell<'_>,
        start: u32,
        stop: u32,
        rule: u16,
        method: Method,
        subject: Subject,
        quotes: bool,
    ) {
        let value = cell.text.get(start as usize..stop as usize).unwrap_or_default();
        let out = &mut self.edits.replacements;
        if quotes {
            out.push(b'"');
        }
        self.methods.write(method, subject, value, out);
        if quotes {
            out.push(b'"');
        }
        self.entry(cell, start, stop, rule);
    }

    fn entry(&mut self, cell: Cell<'_>, start: u32, stop: u32, rule: u16) {
        self.edits.cells.push(cell.index);
        self.edits.starts.push(start);
        self.edits.stops.push(stop);
        self.edits.ends.push(self.edits.replacements.len() as u32);
        self.edits.rules.push(rule);
    }

    pub fn mark(&self) -> Mark {
        Mark {
            edits: self.edits.cells.len(),
            bytes: self.edits.replacements.len(),
            nulls: self.edits.nulls.len(),
        }
    }

    pub fn is_at(&self, mark: &Mark) -> bool {
        self.edits.cells.len() == mark.edits
    }

    pub fn back_to(&mut self, mark: &Mark) {
        self.edits.cells.truncate(mark.edits);
        self.edits.starts.truncate(mark.edits);
        self.edits.stops.truncate(mark.edits);
        self.edits.ends.truncate(mark.edits);
        self.edits.rules.truncate(mark.edits);
        self.edits.replacements.truncate(mark.bytes);
        self.edits.nulls.truncate(mark.nulls);
        self.edits.null_rules.truncate(mark.nulls);
    }

    /// The cell with the edits since `mark`, which are all its own.
    pub fn applied(&self, mark: &Mark, cell: Cell<'_>) -> String {
        let mut masked = String::with_capacity(cell.text.len());
        let (mut place, mut written) = (0, mark.bytes);
        let edits = self.edits.starts.iter().zip(&self.edits.stops).zip(&self.edits.ends).skip(mark.edits);
        for ((start, stop), end) in edits {
            masked.push_str(cell.text.get(place..*start as usize).unwrap_or_default());
            let replacement = self.edits.replacements.get(written..*end as usize).unwrap_or_default();
            masked.push_str(std::str::from_utf8(replacement).unwrap_or_default());
            (place, written) = (*stop as usize, *end as usize);
        }
        masked.push_str(cell.text.get(place..).unwrap_or_default());
        masked
    }
}
