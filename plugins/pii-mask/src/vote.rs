//! The majority of a column: when nearly all of its values are e-mail addresses, the rest are addresses with a
//! mistake in them, and hiding only the well-formed ones would show exactly those.

use crate::kind::Kind;

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
