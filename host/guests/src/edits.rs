//! Edits of a masker: checked, applied, chained. Pure functions over bytes.
//!
//! A masker says *where* and *what instead*; the host builds the new text. What the contract promises is
//! checked here, entry by entry, before a byte of it is used:
//!
//! * the lists belong together; cells ascend and exist; spans of one cell ascend, do not overlap, lie inside
//!   the cell and begin and end between characters;
//! * replacements are UTF-8, in order, and together with what remains no longer than the cells were plus the
//!   allowed growth;
//! * rules were announced; a cell is edited or becomes NULL, never both.
//!
//! Invariant: with cells in UTF-8 and edits that pass, every new text is UTF-8.

use crate::contract::v0_1::judge::exports::weir::plugin::mask::Edits;
use std::collections::BTreeMap;
use weir_model::Applied;
use weir_session::traffic::{Batch, Masked, TOP_BIT};

/// What is wrong with a set of edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EditProblem {
    #[error("lists of different length")]
    Ragged,
    #[error("cells do not ascend")]
    CellOrder,
    #[error("a cell that was not given")]
    NoSuchCell,
    #[error("a span that ends before it starts or outside its cell")]
    Span,
    #[error("spans that overlap or do not ascend")]
    Overlap,
    #[error("a span that cuts a character")]
    MidCharacter,
    #[error("ends of replacements that do not ascend or do not fit")]
    Ends,
    #[error("a replacement that is not UTF-8")]
    NotText,
    #[error("more text than may be added")]
    Growth,
    #[error("a rule that was not announced")]
    NoSuchRule,
    #[error("a cell that is edited and becomes NULL")]
    EditedNull,
}

/// Whether the session's own batch is what maskers are promised: ascending ends, whole characters.
pub(crate) fn batch_is_sound(batch: &Batch, columns: usize) -> bool {
    let Ok(text) = std::str::from_utf8(&batch.cells) else { return false };
    let mut before = 0;
    batch.ends.len() == batch.columns.len()
        && batch.ends.last().map_or(0, |end| *end as usize) == text.len()
        && batch.columns.iter().all(|column| usize::from(*column) < columns)
        && batch.ends.iter().all(|end| {
            let end = *end as usize;
            let fine = before <= end && text.is_char_boundary(end);
            before = end;
            fine
        })
}

/// Applies the edits of one masker to the batch it was given.
pub(crate) fn apply(
    batch: &Batch,
    edits: &Edits,
    rules: &[String],
    max_growth: usize,
) -> Result<Masked, EditProblem> {
    let count = edits.cells.len();
    let same = [edits.starts.len(), edits.stops.len(), edits.ends.len(), edits.rules.len()];
    if same != [count; 4] || edits.nulls.len() != edits.null_rules.len() {
        return Err(EditProblem::Ragged);
    }
    if count == 0 && edits.nulls.is_empty() {
        return Ok(Masked::default());
    }
    let mut tally = Tally::new(rules);
    let mut new_texts = NewTexts::new(batch, max_growth);
    let mut nulls = edits.nulls.iter().copied().zip(edits.null_rules.iter().copied()).peekable();
    let entries = edits.cells.iter().zip(&edits.starts).zip(&edits.stops).zip(&edits.ends).zip(&edits.rules);
    let mut replaced = 0;
    for ((((cell, start), stop), end), rule) in entries {
        while let Some((null, null_rule)) = nulls.next_if(|(null, _)| null < cell) {
            tally.count(null_rule, null)?;
            new_texts.null(null)?;
        }
        if nulls.peek().is_some_and(|(null, _)| null == cell) {
            return Err(EditProblem::EditedNull);
        }
        let end = *end as usize;
        let text = edits.replacements.get(replaced..end).ok_or(EditProblem::Ends)?;
        let text = std::str::from_utf8(text).map_err(|_| EditProblem::NotText)?;
        replaced = end;
        tally.count(*rule, *cell)?;
        new_texts.replace(*cell, *start as usize, *stop as usize, text)?;
    }
    if replaced != edits.replacements.len() {
        return Err(EditProblem::Ends);
    }
    for (null, null_rule) in nulls {
        tally.count(null_rule, null)?;
        new_texts.null(null)?;
    }
    let mut masked = new_texts.finish()?;
    masked.applied = tally.applied(rules);
    Ok(masked)
}

/// How many cells each rule changed; several edits by one rule in one cell count once.
struct Tally {
    cells: Vec<u64>,
    /// Last cell each rule changed, plus one.
    last: Vec<u64>,
}

impl Tally {
    fn new(rules: &[String]) -> Self {
        Self { cells: vec![0; rules.len()], last: vec![0; rules.len()] }
    }

    fn count(&mut self, rule: u16, cell: u32) -> Result<(), EditProblem> {
        let rule = usize::from(rule);
        let (Some(cells), Some(last)) = (self.cells.get_mut(rule), self.last.get_mut(rule)) else {
            return Err(EditProblem::NoSuchRule);
        };
        if *last != u64::from(cell) + 1 {
            *last = u64::from(cell) + 1;
            *cells += 1;
        }
        Ok(())
    }

    fn applied(self, rules: &[String]) -> Vec<Applied> {
        let counted = rules.iter().zip(self.cells).filter(|(_, cells)| *cells > 0);
        counted.map(|(rule, cells)| Applied { rule: rule.clone(), cells, beside: None }).collect()
    }
}

/// The changed cells being written, one after the other.
struct NewTexts<'a> {
    batch: &'a Batch,
    max_bytes: usize,
    masked: Masked,
    /// The cell being edited, and how far its old text is used up.
    open: Option<(u32, &'a [u8], usize)>,
    /// The last cell written or open.
    last: Option<u32>,
}

impl<'a> NewTexts<'a> {
    fn new(batch: &'a Batch, max_growth: usize) -> Self {
        let max_bytes = batch.cells.len().saturating_add(max_growth).min(u32::MAX as usize);
        Self { batch, max_bytes, masked: Masked::default(), open: None, last: None }
    }

    fn replace(&mut self, cell: u32, start: usize, stop: usize, text: &str) -> Result<(), EditProblem> {
        let (old, used) = match self.open {
            Some((open, old, used)) if open == cell => (old, used),
            _ => {
                self.advance(cell)?;
                (self.batch.cell(cell as usize).ok_or(EditProblem::NoSuchCell)?, 0)
            }
        };
        if start > stop || stop > old.len() {
            return Err(EditProblem::Span);
        }
        let kept = old.get(used..start).ok_or(EditProblem::Overlap)?;
        if !is_boundary(old, start) || !is_boundary(old, stop) {
            return Err(EditProblem::MidCharacter);
        }
        self.push(kept)?;
        self.push(text.as_bytes())?;
        self.open = Some((cell, old, stop));
        Ok(())
    }

    fn null(&mut self, cell: u32) -> Result<(), EditProblem> {
        self.advance(cell)?;
        self.batch.cell(cell as usize).ok_or(EditProblem::NoSuchCell)?;
        // Cells have an end each in a list of `u32`, but the top bit is needed for the mark.
        if cell & TOP_BIT != 0 {
            return Err(EditProblem::NoSuchCell);
        }
        self.end_cell(cell | TOP_BIT)
    }

    /// Ends the open cell; the next one must come behind it.
    fn advance(&mut self, cell: u32) -> Result<(), EditProblem> {
        if self.last.is_some_and(|last| cell <= last) {
            return Err(EditProblem::CellOrder);
        }
        self.close()?;
        self.last = Some(cell);
        Ok(())
    }

    fn close(&mut self) -> Result<(), EditProblem> {
        if let Some((cell, old, used)) = self.open.take() {
            self.push(old.get(used..).ok_or(EditProblem::Span)?)?;
            self.end_cell(cell)?;
        }
        Ok(())
    }

    fn end_cell(&mut self, cell: u32) -> Result<(), EditProblem> {
        self.masked.cells.push(cell);
        self.masked.ends.push(u32::try_from(self.masked.texts.len()).map_err(|_| EditProblem::Growth)?);
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), EditProblem> {
        if self.masked.texts.len().saturating_add(bytes.len()) > self.max_bytes {
            return Err(EditProblem::Growth);
        }
        self.masked.texts.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(mut self) -> Result<Masked, EditProblem> {
        self.close()?;
        Ok(self.masked)
    }
}

/// Whether a character begins (or the text ends) at this byte of a valid text.
fn is_boundary(text: &[u8], at: usize) -> bool {
    text.get(at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000)
}

/// New text of a cell, or that it became NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change<'a> {
    Text(&'a [u8]),
    Null,
}

/// The changed cells, ascending.
pub(crate) fn changes(masked: &Masked) -> impl Iterator<Item = (u32, Change<'_>)> {
    let mut start = 0;
    masked.cells.iter().zip(&masked.ends).map(move |(cell, end)| {
        let text = masked.texts.get(start..*end as usize).unwrap_or_default();
        start = *end as usize;
        match cell & TOP_BIT {
            0 => (*cell, Change::Text(text)),
            _ => (cell & !TOP_BIT, Change::Null),
        }
    })
}

/// What a masker of the chain is given: the cells of columns it wants, as the maskers before it left them, and
/// for each its index in the whole batch. Cells that became NULL are not sent.
///
/// `None` when the result would be too large for offsets of 32 bits.
pub(crate) fn narrow(batch: &Batch, so_far: &Masked, wanted: &[bool]) -> Option<(Batch, Vec<u32>)> {
    let mut narrowed = Batch::default();
    let mut indices = Vec::new();
    let mut changed = changes(so_far).peekable();
    let mut start = 0;
    for (index, (end, column)) in (0..).zip(batch.ends.iter().zip(&batch.columns)) {
        let old = batch.cells.get(start..*end as usize)?;
        start = *end as usize;
        let text = match changed.next_if(|(cell, _)| *cell == index) {
            Some((_, Change::Text(text))) => text,
            Some((_, Change::Null)) => continue,
            None => old,
        };
        if wanted.get(usize::from(*column)).copied().unwrap_or(false) {
            narrowed.push(text, *column).ok()?;
            indices.push(index);
        }
    }
    Some((narrowed, indices))
}

/// Two steps as one: what `second` changed (its cells counted by `indices`) over what `first` had changed.
///
/// `None` when the result would be too large for offsets of 32 bits.
pub(crate) fn compose(first: &Masked, second: &Masked, indices: &[u32]) -> Option<Masked> {
    let mut all: BTreeMap<u32, Change<'_>> = changes(first).collect();
    for (cell, change) in changes(second) {
        all.insert(*indices.get(cell as usize)?, change);
    }
    let mut composed = Masked::default();
    for (cell, change) in all {
        match change {
            Change::Text(text) => {
                composed.texts.extend_from_slice(text);
                composed.cells.push(cell);
            }
            Change::Null => composed.cells.push(cell | TOP_BIT),
        }
        composed.ends.push(u32::try_from(composed.texts.len()).ok()?);
    }
    composed.applied = first.applied.clone();
    for each in &second.applied {
        match composed.applied.iter_mut().find(|known| known.rule == each.rule) {
            Some(known) => known.cells += each.cells,
            None => composed.applied.push(each.clone()),
        }
    }
    Some(composed)
}

#[cfg(test)]
#[path = "edits_tests.rs"]
mod tests;
