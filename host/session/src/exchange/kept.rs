//! Shapes of which the inspector has been told once and for all what is wanted, so that it need not stop at them.
//!
//! What is kept is a window of numbers that are never used twice. Each number stands for one plan, which the maskers
//! hold in a slot of its own. Before the inspector is shown any byte, [`Kept::withdraw`] gives the number the window
//! begins with; there is no other way to get one, and whatever is before it is gone here as well. So a shape that the
//! inspector takes for known is either in this table, or it ends the session.

use crate::ports::MaskPlan;
use crate::traffic::WireColumn;
use std::collections::VecDeque;
use tokio::time::Instant;

/// Shapes kept at once; past it the oldest goes. A session that takes turns in more of them pays for it with a call.
const MOST: u32 = 32;
/// Wider shapes are not kept: their rows cost more than the call.
const MOST_COLUMNS: usize = 128;
/// Names and types of their columns, in bytes.
const MOST_BYTES: usize = 4096;
/// The slots of the maskers behind it hold what is kept.
const FIRST_SLOT: u32 = 3;

/// A number and a slot for a shape that is coming.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    number: u32,
    pub(super) slot: u32,
}

pub(super) struct Kept {
    /// the last of them has the number before `next`
    plans: VecDeque<MaskPlan>,
    next: u32,
    /// what the maskers called the time in which these plans were made
    era: u64,
    /// when the first of the names of their columns must be asked anew
    until: Option<Instant>,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self { plans: VecDeque::new(), next: 1, era: 0, until: None }
    }

    fn from(&self) -> u32 {
        self.next.saturating_sub(u32::try_from(self.plans.len()).unwrap_or(u32::MAX))
    }

    /// Lets go of everything that does not hold in this era and at this moment: the number from which on shapes are
    /// kept, for the inspector, and the slots that nobody needs any more.
    pub(super) fn withdraw(&mut self, era: u64) -> (u32, impl Iterator<Item = u32> + use<>) {
        let is_over = era != self.era || self.until.is_some_and(|until| Instant::now() >= until);
        let gone = if is_over { self.from()..self.next } else { self.next..self.next };
        if is_over {
            self.plans.clear();
            (self.era, self.until) = (era, None);
        }
        (self.from(), gone.map(slot_of))
    }

    /// Makes room for a shape with these columns. What is in the way is kept no longer. `None` when it is not to be
    /// kept.
    pub(super) fn place(&mut self, columns: &[WireColumn]) -> Option<Place> {
        let bytes = columns.iter().map(|column| column.name.len() + column.type_name.len()).sum::<usize>();
        if columns.len() > MOST_COLUMNS || bytes > MOST_BYTES || self.next == u32::MAX {
            return None;
        }
        if self.plans.len() >= MOST as usize {
            self.plans.pop_front();
        }
        Some(Place { number: self.next, slot: slot_of(self.next) })
    }

    /// Keeps the plan in the place made last: the number for the inspector.
    pub(super) fn keep(&mut self, place: Place, plan: MaskPlan, until: Option<Instant>) -> u32 {
        self.until = self.until.into_iter().chain(until).min();
        self.plans.push_back(plan);
        self.next = self.next.saturating_add(1);
        place.number
    }

    /// The plan of a shape that the inspector knows by this number, and the slot that holds it.
    pub(super) fn find(&self, number: u32) -> Option<(&MaskPlan, u32)> {
        let index = number.checked_sub(self.from())?;
        self.plans.get(index as usize).map(|plan| (plan, slot_of(number)))
    }

    pub(super) fn has(&self, slot: u32) -> bool {
        (self.from()..self.next).any(|number| slot_of(number) == slot)
    }
}

/// Among those kept at once no two share one.
fn slot_of(number: u32) -> u32 {
    FIRST_SLOT + number % MOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn columns(count: usize, name: &str) -> Vec<WireColumn> {
        let column = WireColumn {
            name: name.into(),
            type_id: 25,
            type_modifier: -1,
            relation_id: 0,
            column_number: 0,
            type_name: "text".into(),
        };
        vec![column; count]
    }

    fn plan(wanted: u16) -> MaskPlan {
        MaskPlan { wanted: [wanted].into(), by: [].into(), reusable: true, beside: vec![] }
    }

    fn keep(kept: &mut Kept, wanted: u16, until: Option<Instant>) -> u32 {
        let place = kept.place(&columns(1, "a")).unwrap();
        kept.keep(place, plan(wanted), until)
    }

    fn from(kept: &mut Kept, era: u64) -> u32 {
        kept.withdraw(era).0
    }

    #[test]
    fn the_oldest_goes_and_no_two_share_a_slot() {
        let mut kept = Kept::new();
        for wanted in 0..100 {
            let number = keep(&mut kept, wanted, None);
            assert_eq!(*kept.find(number).unwrap().0.wanted, [wanted]);
        }
        let first = from(&mut kept, 0);
        assert_eq!((first, kept.find(first - 1).is_none(), kept.find(101).is_none()), (69, true, true));
        let slots: std::collections::BTreeSet<_> =
            (first..101).map(|number| kept.find(number).unwrap().1).collect();
        assert_eq!(slots.len(), 32);
        assert!(slots.iter().all(|slot| kept.has(*slot)));
    }

    #[test]
    fn a_place_takes_the_slot_of_none_that_is_kept() {
        let mut kept = Kept::new();
        for wanted in 0..40 {
            keep(&mut kept, wanted, None);
        }
        let place = kept.place(&columns(1, "a")).unwrap();
        assert!(!kept.has(place.slot));
        assert_eq!(from(&mut kept, 0), 10, "also if nothing is kept there in the end");
    }

    #[test]
    fn another_era_takes_all_back_and_no_number_comes_again() {
        let mut kept = Kept::new();
        let numbers = [keep(&mut kept, 1, None), keep(&mut kept, 2, None)];
        assert_eq!((from(&mut kept, 0), kept.find(numbers[0]).is_some()), (1, true));
        let (first, gone) = kept.withdraw(7);
        assert_eq!((first, gone.collect::<Vec<_>>()), (3, vec![slot_of(1), slot_of(2)]));
        assert!(numbers.iter().all(|number| kept.find(*number).is_none()));
        assert_eq!(keep(&mut kept, 3, None), 3);
        assert_eq!((from(&mut kept, 7), kept.find(3).is_some(), kept.find(0).is_none()), (3, true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn names_that_are_believed_no_longer_take_all_back() {
        let mut kept = Kept::new();
        let soon = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
        for until in [None, soon(30), soon(10)] {
            keep(&mut kept, 1, until);
        }
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(from(&mut kept, 0), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(from(&mut kept, 0), 4);
        // Those that are kept from now on have ends of their own.
        keep(&mut kept, 1, None);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!(from(&mut kept, 0), 4);
    }

    #[test]
    fn wide_shapes_are_not_kept() {
        let mut kept = Kept::new();
        assert!(kept.place(&columns(128, "a")).is_some());
        assert!(kept.place(&columns(129, "a")).is_none());
        assert!(kept.place(&columns(1, &"a".repeat(4092))).is_some());
        assert!(kept.place(&columns(1, &"a".repeat(4093))).is_none());
    }
}
