//! The majority of a column: when nearly all of its values are e-mail addresses, the rest are addresses with a
//! mistake in them, and hiding only the well-formed ones would show exactly those.

use crate::kind::Kind;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
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

/// Where the values of a column are counted. Clones count together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally(Option<Rc<RefCell<Votes>>>);

impl Tally {
    /// For places that hold one value at a time, each of another operation: they have no majority.
    pub const NONE: Tally = Tally(None);

    pub fn of(votes: Votes) -> Self {
        Tally(Some(Rc::new(RefCell::new(votes))))
    }

    pub fn count(&self, kind: Option<Kind>) {
        if let Some(votes) = &self.0 {
            votes.borrow_mut().count(kind);
        }
    }

    pub fn decide(&self) {
        if let Some(votes) = &self.0 {
            votes.borrow_mut().decide();
        }
    }

    pub fn decided(&self) -> Option<Kind> {
        self.0.as_ref().and_then(|votes| votes.borrow().decided())
    }
}

/// The votes of columns seen in this session: clients that fetch one row at a time have majorities too, and so have
/// columns that come in several shapes.
#[derive(Debug, Default)]
pub struct Ballots(HashMap<Origin, Tally>);

/// Columns remembered; those that come later vote anew for each shape.
const MAX_COLUMNS: usize = 512;

impl Ballots {
    /// Votes of its own that begin with what is known of this column.
    pub fn copy(&self, origin: &Origin) -> Tally {
        let known = self.0.get(origin).and_then(|tally| tally.0.as_ref());
        Tally::of(known.map(|votes| votes.borrow().clone()).unwrap_or_default())
    }

    /// The votes of this column, wherever it comes.
    pub fn shared(&mut self, origin: &Origin) -> Tally {
        if let Some(known) = self.0.get(origin) {
            return known.clone();
        }
        let tally = Tally::of(Votes::default());
        if self.0.len() < MAX_COLUMNS {
            self.0.insert(origin.clone(), tally.clone());
        }
        tally
    }
}
