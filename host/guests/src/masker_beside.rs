//! Maskers that are tried as shadows.
//!
//! A shadow gets the values its active one gets, as far as it wants them, and what it makes of them is compared and
//! thrown away. Nothing here can fail: whatever a shadow does is one more line for the record. It turns nothing on
//! either: a column that nobody else wants is not pointed out for it, so that is told, and not what it holds.
//!
//! What is told is columns, rules and counts, never a value.

use crate::edits::{self, Change, changes};
use crate::load::Loaded;
use crate::metrics::count;
use std::collections::BTreeMap;
use weir_model::{Applied, Column, Fault, Operation};
use weir_session::traffic::{Batch, Masked};

/// Longest name of a column that is told, and most digits in it: longer, it may be a value.
const MAX_NAME_BYTES: usize = 64;
const MAX_NAME_DIGITS: usize = 4;

/// What a shadow made of the cells it was given, and the first rule it used on each.
pub(crate) struct Said {
    pub(crate) masked: Masked,
    pub(crate) rules: Vec<(u32, u16)>,
}

/// A shadow's part in a slot's plan.
pub(crate) struct ShadowPart {
    pub(crate) member: usize,
    pub(crate) resident: u64,
    pub(crate) wanted: Vec<bool>,
    pub(crate) rules: Vec<String>,
    /// any operation gets the same answer for the same columns
    pub(crate) reusable: bool,
    /// what the columns are called in the record
    pub(crate) names: Vec<String>,
}

/// A line for the record. `cells`: how many.
fn line(shadow: &Loaded, answer: &'static str, what: String, cells: u64) -> Applied {
    Applied { rule: what, cells, beside: Some(shadow.judged_by(answer)) }
}

/// That it failed.
pub(crate) fn failed(shadow: &Loaded, fault: &Fault) -> Applied {
    count(&shadow.bounds.metrics.differences);
    line(shadow, "shadow-failed", fault.code.clone(), 0)
}

impl ShadowPart {
    /// Columns it would look at, and that no masker wants. `wanted`: what they want, ascending.
    pub(crate) fn unseen(&self, shadow: &Loaded, wanted: &[u16]) -> Vec<Applied> {
        let columns = (0..=u16::MAX).zip(&self.wanted).zip(&self.names);
        let only_own = columns.filter(|((index, own), _)| **own && wanted.binary_search(index).is_err());
        let told: Vec<_> = only_own.map(|(_, name)| line(shadow, "shadow-unseen", name.clone(), 0)).collect();
        if !told.is_empty() {
            count(&shadow.bounds.metrics.differences);
        }
        told
    }

    /// Where it came to something else than the active masker, which made `after` of `before`. `indices`: which cells
    /// of the batch it was given.
    pub(crate) fn differences(
        &self,
        shadow: &Loaded,
        batch: &Batch,
        (before, after): (&Masked, &Masked),
        said: &Said,
        indices: &[u32],
    ) -> Vec<Applied> {
        let mut told: BTreeMap<(u16, &'static str, Option<u16>), u64> = BTreeMap::new();
        let mut tell = |cell: u32, answer, rule| {
            if let Some(column) = batch.columns.get(cell as usize) {
                *told.entry((*column, answer, rule)).or_default() += 1;
            }
        };
        let earlier: BTreeMap<u32, Change<'_>> = changes(before).collect();
        let mut active: BTreeMap<u32, Change<'_>> =
            changes(after).filter(|(cell, change)| earlier.get(cell) != Some(change)).collect();
        let rules: BTreeMap<u32, u16> = said.rules.iter().rev().copied().collect();
        for (own, change) in changes(&said.masked) {
            let Some(cell) = indices.get(own as usize) else { continue };
            match active.remove(cell) {
                Some(other) if other == change => {}
                Some(_) => tell(*cell, "shadow-otherwise", rules.get(&own).copied()),
                None => tell(*cell, "shadow-masks", rules.get(&own).copied()),
            }
        }
        active.keys().for_each(|cell| tell(*cell, "shadow-leaves", None));
        if !told.is_empty() {
            count(&shadow.bounds.metrics.differences);
        }
        let lines = told.into_iter().map(|((column, answer, rule), cells)| {
            let name = self.names.get(usize::from(column)).map_or("", String::as_str);
            let rule = rule.and_then(|rule| self.rules.get(usize::from(rule)));
            line(shadow, answer, rule.map_or(name.to_owned(), |rule| format!("{name}: {rule}")), cells)
        });
        lines.collect()
    }
}

/// The cells that a shadow is given: as `before` left them, and only those of columns it wants.
pub(crate) fn given(batch: &Batch, before: &Masked, part: &ShadowPart) -> Option<(Batch, Vec<u32>)> {
    edits::narrow(batch, before, &part.wanted)
}

/// What columns are called in a record. Those of a database have names that somebody has given them; the keys of an
/// answer may be values.
pub(crate) fn names(columns: &[Column], operation: &Operation) -> Vec<String> {
    let is_database = operation.kind.starts_with("sql.");
    let name = |(index, column)| if is_database { name(index, column) } else { number(index) };
    columns.iter().enumerate().map(name).collect()
}

fn number(index: usize) -> String {
    format!("column {}", index + 1)
}

fn name(index: usize, column: &Column) -> String {
    let own = if column.source.is_empty() { &column.name } else { &column.source };
    match (is_name(&column.relation), is_name(own)) {
        (true, true) => format!("{}.{own}", column.relation),
        (false, true) => own.clone(),
        // It may be a value: an alias, or a key of a JSON object.
        _ => number(index),
    }
}

fn is_name(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let fits = !text.is_empty() && text.len() <= MAX_NAME_BYTES && digits <= MAX_NAME_DIGITS;
    fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:$[]".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_called_what_cannot_be_a_value() {
        let column = |name: &str, relation: &str, source: &str| Column {
            name: name.into(),
            relation: relation.into(),
            source: source.into(),
            ..Column::default()
        };
        for (column, told) in [
            (column("a", "public.customers", "email"), "public.customers.email"),
            (column("total", "", ""), "total"),
            (column("body.items[].email", "GET /v1/customers/{id}", ""), "body.items[].email"),
            (column("ann@leak.example", "", ""), "column 3"),
            (column("15551234567", "", ""), "column 3"),
            (column("", "", ""), "column 3"),
        ] {
            assert_eq!(name(2, &column), told);
        }
    }
}
