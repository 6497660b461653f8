//! The majority of a column: when nearly all of its values are e-mail addresses, the rest are addresses with a
//! mistake in them, and hiding only the well-formed ones would show exactly those.

use crate::kind::Kind;
use std::collections::HashMap;
use weir_sdk::masker::Column;

/// Fewest values that can decide.
const MIN_VALUES: u32 = 8;

/// Share of one kind that decides, in percent.
const MAJORITY_PERCENT: u32 = 70;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Votes {
    values: u32,
    by_kind: [u32; 7],
    decided: Option<Kind>,
}

impl Votes {
    /// One value: `kind` when the whole of it is one.
    pub fn count(&mut self, kind: Option<Kind>) {
        self.values = self.values.saturating_add(1);
        if let Some(place) = kind.and_then(|kind| self.by_kind.get_mut(kind as usize)) {
            *place = place.saturating_add(1);
        }
    }

    /// What the column holds. Once decided it stays so.
    pub fn decide(&mut self) -> Option<Kind> {
        if self.decided.is_none() && self.values >= MIN_VALUES {
            self.decided = Kind::ALL.into_iter().zip(self.by_kind).find_map(|(kind, count)| {
                (u64::from(count) * 100 >= u64::from(self.values) * u64::from(MAJORITY_PERCENT))
                    .then_some(kind)
            });
        }
        self.decided
    }

    pub fn decided(&self) -> Option<Kind> {
        self.decided
    }
}

/// What a column is in truth: relation and source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String, String);

impl Origin {
    pub fn of(column: &Column) -> Option<Origin> {
        (!column.source.is_empty()).then(|| Origin(column.relation.clone(), column.source.clone()))
    }
}

/// The votes of columns seen in this session: clients that fetch one row at a time have majorities too.
#[derive(Debug, Default)]
pub struct Ballots(HashMap<Origin, Votes>);

/// Columns remembered; those that come later vote anew for each shape.
const MAX_COLUMNS: usize = 512;

impl Ballots {
    pub fn get(&self, origin: &Origin) -> Option<&Votes> {
        self.0.get(origin)
    }

    pub fn keep(&mut self, origin: Origin, votes: Votes) {
        if self.0.len() < MAX_COLUMNS || self.0.contains_key(&origin) {
            self.0.insert(origin, votes);
        }
    }
}
