//! A session's masker: plans shapes, and turns batches into edits.

use crate::bytes::trimmed;
use crate::cell::{Cell, Writer};
use crate::form::Form;
use crate::hint::Hint;
use crate::kind::Kind;
use crate::method::{Method, Subject};
use crate::scan::{Hit, Scanner};
use crate::settings::Rules;
use crate::shape::{Shape, Treatment};
use crate::structure::{Scratch, each_element, each_json};
use crate::taint::Analysis;
use crate::vote::Ballots;
use crate::{message, statement};
use std::collections::VecDeque;
use std::rc::Rc;
use weir_sdk::Fault;
use weir_sdk::masker::{Batch, Column, Edits, MaskingPlan, Operation};

#[derive(Debug)]
pub struct PiiMask {
    rules: Rules,
    scanner: Scanner,
    shapes: Vec<(u32, Shape)>,
    /// The last statements read: each is planned for the trail first and for its rows later, and one that was
    /// prepared comes again.
    read: VecDeque<Read>,
    ballots: Ballots,
    memory: Memory,
}

/// A statement that was read.
#[derive(Debug)]
struct Read {
    kind: String,
    text: String,
    analysis: Rc<Analysis>,
}

/// Statements remembered, and how long they may be but for the last.
const MAX_READ: usize = 16;
const MAX_READ_BYTES: usize = 16 << 10;

/// Buffers used again and again.
#[derive(Debug, Default)]
struct Memory {
    hits: Vec<Hit>,
    found: Vec<Found>,
    scratch: Scratch,
}

/// A hit in a cell of the batch.
#[derive(Debug, Clone, Copy)]
struct Found {
    cell: u32,
    hit: Hit,
    /// it is a JSON number: its replacement needs quotes
    quotes: bool,
    /// it is the whole cell, but for white space
    whole: bool,
}

impl PiiMask {
    pub fn new(rules: Rules) -> Self {
        let scanner = Scanner::new(rules.on);
        let (ballots, memory) = (Ballots::default(), Memory::default());
        Self { rules, scanner, shapes: Vec::new(), read: VecDeque::new(), ballots, memory }
    }

    pub fn plan_shape(&mut self, shape: u32, columns: &[Column], operation: &Operation) -> MaskingPlan {
        let analysis = self.analysis(operation);
        self.forget_shape(shape);
        let (planned, plan) = Shape::plan(&self.rules, columns, operation, analysis, &mut self.ballots);
        if !plan.wanted.is_empty() {
            self.shapes.push((shape, planned));
        }
        plan
    }

    fn analysis(&mut self, operation: &Operation) -> Rc<Analysis> {
        let same = |read: &&Read| read.kind == operation.kind && read.text == operation.text;
        if let Some(read) = self.read.iter().find(same) {
            return read.analysis.clone();
        }
        let analysis = Rc::new(Analysis::of(&operation.kind, &operation.text, &self.rules.columns));
        // Without columns there is nothing to read.
        if !self.rules.columns.is_empty() {
            // A long one is remembered too, until the next comes.
            self.read.retain(|read| read.text.len() <= MAX_READ_BYTES);
            if self.read.len() >= MAX_READ {
                self.read.pop_front();
            }
            self.read.push_back(Read {
                kind: operation.kind.clone(),
                text: operation.text.clone(),
                analysis: analysis.clone(),
            });
        }
        analysis
    }

    pub fn forget_shape(&mut self, shape: u32) {
        self.shapes.retain(|(number, _)| *number != shape);
    }

    /// # Errors
    /// When the shape was not planned with wanted columns.
    pub fn mask_shape(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault> {
        let planned = self.shapes.iter_mut().find(|(number, _)| *number == shape);
        let Some((_, shape)) = planned else {
            return Err(Fault::new("order", "mask of a shape that was not planned"));
        };
        let mut work = Work { rules: &self.rules, scanner: &mut self.scanner, memory: &mut self.memory };
        work.detect(shape, values);
        Ok(work.edit(shape, values))
    }
}

struct Work<'w> {
    rules: &'w Rules,
    scanner: &'w mut Scanner,
    memory: &'w mut Memory,
}

impl Work<'_> {
    /// First pass: what is in the cells of columns nobody has decided about, and what that says of the columns.
    fn detect(&mut self, shape: &mut Shape, values: &Batch) {
        self.memory.found.clear();
        for (index, (column, text)) in values.iter().enumerate() {
            let Some(Treatment::Detect { hint, form, votes, .. }) =
                shape.treatments.get_mut(usize::from(column))
            else {
                continue;
            };
            if text.is_empty() || votes.decided().is_some() {
                continue;
            }
            let before = self.memory.found.len();
            self.find(index as u32, text, *hint, *form);
            let whole = self.memory.found.get(before).filter(|found| found.whole).map(|found| found.hit.kind);
            votes.count(whole);
        }
        for treatment in &mut shape.treatments {
            if let Treatment::Detect { votes, form: Form::Text, .. } = treatment {
                votes.decide();
            }
        }
    }

    fn find(&mut self, cell: u32, text: &str, hint: Hint, form: Form) {
        let Memory { hits, found, scratch } = &mut *self.memory;
        let scanner = &mut *self.scanner;
        let piece = |piece: &crate::structure::Piece<'_>| {
            let hint = match piece.key {
                Some(key) => hint.or(Hint::of_name(key)),
                None => hint,
            };
            scanner.scan(piece.text, hint, hits);
            if piece.is_number {
                // A number goes whole or not at all.
                if let Some(first) = hits.first() {
                    let (start, stop) = piece.place(0, piece.text.len() as u32);
                    let secret_number = first.kind == Kind::Secret && piece.text.len() < 7;
                    if !secret_number {
                        found.push(Found {
                            cell,
                            hit: Hit { start, stop, kind: first.kind },
                            quotes: true,
                            whole: false,
                        });
                    }
                }
                return;
            }
            for hit in &*hits {
                let (start, stop) = piece.place(hit.start, hit.stop);
                found.push(Found {
                    cell,
                    hit: Hit { start, stop, kind: hit.kind },
                    quotes: false,
                    whole: false,
                });
            }
        };
        match form {
            Form::Json => each_json(text, scratch, piece),
            Form::Array => each_element(text, scratch, piece),
            Form::Text if is_json(text) => each_json(text, scratch, piece),
            Form::Text => {
                scanner.scan(text, hint, hits);
                let (start, value) = match hits.len() {
                    1 => trimmed(text),
                    _ => (0, text),
                };
                let all = (start as u32, (start + value.len()) as u32);
                found.extend(hits.iter().map(|hit| Found {
                    cell,
                    hit: *hit,
                    quotes: false,
                    whole: (hit.start, hit.stop) == all,
                }));
            }
        }
    }

    /// Second pass: the edits.
    fn edit(&mut self, shape: &Shape, values: &Batch) -> Edits {
        let whole = shape.treatments.iter().any(Treatment::hides_all);
        let room = if whole { values.ends.len() } else { self.memory.found.len() };
        let mut writer = Writer::new(&self.rules.methods, room);
        let found = std::mem::take(&mut self.memory.found);
        let mut rest = found.as_slice();
        for (index, (column, text)) in values.iter().enumerate() {
            let index = index as u32;
            let cell = Cell { index, text };
            let own = rest.iter().take_while(|found| found.cell == index).count();
            let (own, others) = rest.split_at_checked(own).unwrap_or_default();
            rest = others;
            match shape.treatments.get(usize::from(column)) {
                None | Some(Treatment::Pass) => {}
                // Every text of a column that is hidden: an empty one too.
                Some(Treatment::Whole { rule, method, form }) => {
                    let subject = self.subject(text, *method);
                    writer.whole(cell, *rule, *method, subject, *form);
                }
                Some(Treatment::Detect { hint, votes, form, .. }) => match votes.decided() {
                    Some(kind) if !text.is_empty() => {
                        let method = self.rules.methods.of(kind);
                        writer.whole(cell, shape.rule(kind), method, Subject::Found(kind), Form::Text);
                    }
                    Some(_) => {}
                    None => self.spans(&mut writer, shape, cell, own, *hint, *form),
                },
                Some(Treatment::Number) => {
                    if statement::tells(text) {
                        writer.whole(cell, shape.computed, Method::Redact, Subject::Column, Form::Text);
                    }
                }
                Some(Treatment::Statement) => {
                    let parts = match shape.over_http {
                        true => statement::of_query(text, &self.rules.columns),
                        false => statement::values(text, &shape.analysis),
                    };
                    self.parts(&mut writer, shape, cell, &parts, shape.computed);
                }
                Some(Treatment::KeptStatement) => {
                    let analysis = Analysis::of("sql.query", text, &self.rules.columns);
                    let parts = statement::values(text, &analysis);
                    self.parts(&mut writer, shape, cell, &parts, shape.computed);
                }
                Some(Treatment::Message { strict }) => {
                    let strict = strict.map(|author| message::strict(text, author, &shape.analysis));
                    let parts = strict.unwrap_or_default();
                    self.parts(&mut writer, shape, cell, &parts, shape.message);
                }
            }
        }
        self.memory.found = found;
        writer.finish()
    }

    /// A named value that is one detected thing hashes like that thing, so that it joins with it.
    fn subject(&mut self, text: &str, method: Method) -> Subject {
        if !matches!(method, Method::Hash | Method::Partial) {
            return Subject::Column;
        }
        self.scanner.scan(text, Hint::NONE, &mut self.memory.hits);
        let (start, value) = trimmed(text);
        match self.memory.hits.as_slice() {
            [hit] if (hit.start as usize, hit.stop as usize) == (start, start + value.len()) => {
                Subject::Found(hit.kind)
            }
            _ => Subject::Column,
        }
    }

    fn spans(
        &mut self,
        writer: &mut Writer<'_>,
        shape: &Shape,
        cell: Cell<'_>,
        own: &[Found],
        hint: Hint,
        form: Form,
    ) {
        let Some(first) = own.first() else { return };
        let kind = first.hit.kind;
        if first.whole {
            return writer.whole(
                cell,
                shape.rule(kind),
                self.rules.methods.of(kind),
                Subject::Found(kind),
                Form::Text,
            );
        }
        let mark = writer.mark();
        for found in own {
            let (kind, method) = (found.hit.kind, self.rules.methods.of(found.hit.kind));
            writer.span(
                cell,
                found.hit.start,
                found.hit.stop,
                shape.rule(kind),
                method,
                Subject::Found(kind),
                found.quotes,
            );
        }
        // What stands beside a replacement may look different now.
        let masked = writer.applied(&mark, cell);
        let before = self.memory.found.len();
        self.find(cell.index, &masked, hint, form);
        let left = self.memory.found.len() > before;
        self.memory.found.truncate(before);
        if left {
            writer.back_to(&mark);
            writer.whole(cell, shape.rule(kind), Method::Redact, Subject::Found(kind), form);
        }
    }

    /// Parts that are hidden anyway, and what detectors find in the rest.
    fn parts(
        &mut self,
        writer: &mut Writer<'_>,
        shape: &Shape,
        cell: Cell<'_>,
        parts: &[message::Part],
        rule: u16,
    ) {
        self.scanner.scan(cell.text, Hint::NONE, &mut self.memory.hits);
        let mark = writer.mark();
        let mut hits = self.memory.hits.iter().peekable();
        let mut place = 0;
        let mut parts = parts.iter().peekable();
        loop {
            // Whichever begins first; what overlaps a part becomes part of it.
            let next_hit = hits.peek().map_or(usize::MAX, |hit| hit.start as usize);
            let next_part = parts.peek().map_or(usize::MAX, |part| part.0);
            if next_hit == usize::MAX && next_part == usize::MAX {
                break;
            }
            let (start, mut stop, kind) = match (hits.peek(), parts.peek()) {
                (Some(hit), _) if next_hit < next_part => {
                    let found = (hit.start as usize, hit.stop as usize, Some(hit.kind));
                    hits.next();
                    found
                }
                (_, Some(part)) => {
                    let found = (part.0, part.1, None);
                    parts.next();
                    found
                }
                _ => break,
            };
            let mut merged = false;
            loop {
                if let Some(hit) = hits.next_if(|hit| (hit.start as usize) < stop) {
                    merged |= (hit.stop as usize) > stop;
                    stop = stop.max(hit.stop as usize);
                } else if let Some(part) = parts.next_if(|part| part.0 < stop) {
                    merged = true;
                    stop = stop.max(part.1);
                } else {
                    break;
                }
            }
            let start = start.max(place);
            place = stop;
            match kind.filter(|_| !merged) {
                Some(kind) => {
                    let method = self.rules.methods.of(kind);
                    writer.span(
                        cell,
                        start as u32,
                        stop as u32,
                        shape.rule(kind),
                        method,
                        Subject::Found(kind),
                        false,
                    );
                }
                None => {
                    writer.span(cell, start as u32, stop as u32, rule, Method::Redact, Subject::Column, false)
                }
            }
        }
        if writer.is_at(&mark) {
            return;
        }
        let masked = writer.applied(&mark, cell);
        self.scanner.scan(&masked, Hint::NONE, &mut self.memory.hits);
        if !self.memory.hits.is_empty() {
            writer.back_to(&mark);
            writer.whole(cell, rule, Method::Redact, Subject::Column, Form::Text);
        }
    }
}

/// A text that is a JSON object, or a list of objects or strings: its names say something about its values.
fn is_json(text: &str) -> bool {
    let start = text.trim_start();
    let looks = start.starts_with('{') && start.contains("\":")
        || start.starts_with("[{")
        || start.starts_with("[\"");
    looks && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn statements_are_read_once_and_little_is_kept() {
        let settings: Settings = serde_json::from_str(r#"{"columns": ["customers.full_name"]}"#).unwrap();
        let mut masker = PiiMask::new(settings.rules().unwrap());
        let operation = |text: String| Operation {
            kind: "sql.query".into(),
            action: "read".into(),
            text,
            objects: vec![],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        };
        let first = masker.analysis(&operation("select 1".into()));
        for number in 0..100 {
            let long = "x".repeat(if number % 2 == 0 { MAX_READ_BYTES } else { 1 });
            let text = format!("select {number}, '{long}'");
            let read = masker.analysis(&operation(text.clone()));
            assert!(Rc::ptr_eq(&read, &masker.analysis(&operation(text))));
            let kept: usize = masker.read.iter().map(|read| read.text.len()).sum();
            assert!(masker.read.len() <= MAX_READ && kept < (MAX_READ + 2) * MAX_READ_BYTES);
            assert!(masker.read.iter().filter(|read| read.text.len() > MAX_READ_BYTES).count() <= 1);
        }
        assert!(!Rc::ptr_eq(&first, &masker.analysis(&operation("select 1".into()))));
    }
}
