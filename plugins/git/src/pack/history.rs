//! Which commit has which parents, as far as the pushes of a session told, and what follows from it.

use std::collections::{HashMap, HashSet, VecDeque};

/// Commits and parents that are kept; the oldest go. Some 2 MB.
pub const MAX_LINKS: usize = 20_000;
/// All questions of one push together may take so many steps.
pub const MAX_STEPS: usize = 500_000;

/// The name of an object. A SHA-1 is followed by zeros: nobody finds a SHA-256 that ends so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id([u8; 32]);

impl Id {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut id = [0; 32];
        for (to, from) in id.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(id)
    }

    /// From 40 or 64 hexadecimal digits.
    pub fn read(digits: &[u8]) -> Option<Self> {
        if !matches!(digits.len(), 40 | 64) {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let mut id = [0; 32];
        for (to, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *to = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(id))
    }
}

/// Whether a ref only moves forward: from a commit to one that has it among its ancestors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forward {
    Yes,
    No,
    /// what is known proves neither
    #[default]
    Unknown,
}

impl Forward {
    pub fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

/// Commits without parents that are kept of pushes; with more of them nothing is proven any more. 2 MB.
const MAX_CUT: usize = 50_000;

/// Facts that never change: ids are hashes of what is told here. And what servers may have been told to forget: a
/// server that takes `shallow` of one push has no parents of that commit from then on.
#[derive(Debug, Default)]
pub struct History {
    cut: HashSet<Id>,
    /// more were cut than are kept
    all_cut: bool,
    parents: HashMap<Id, Vec<Id>>,
    order: VecDeque<Id>,
    links: usize,
}

impl History {
    pub(super) fn learn(&mut self, commit: Id, parents: Vec<Id>) {
        if self.parents.contains_key(&commit) {
            return;
        }
        self.links += 1 + parents.len();
        self.parents.insert(commit, parents);
        self.order.push_back(commit);
        while self.links > MAX_LINKS {
            let Some(oldest) = self.order.pop_front() else { return };
            let forgotten = self.parents.remove(&oldest).map_or(0, |parents| 1 + parents.len());
            self.links = self.links.saturating_sub(forgotten);
        }
    }

    /// The parents of `commits` do not count from now on, because a server is told that they are not there.
    pub fn cut(&mut self, commits: impl IntoIterator<Item = Id>) {
        self.cut.extend(commits);
        if self.cut.len() > MAX_CUT {
            self.cut = HashSet::new();
            self.all_cut = true;
        }
    }

    /// `steps`: what is left of [`MAX_STEPS`].
    pub fn forward(&self, old: Id, new: Id, steps: &mut usize) -> Forward {
        if self.all_cut {
            return Forward::Unknown;
        }
        // A commit cannot have itself among its ancestors: what is behind `old` need not be looked at.
        let Some(behind) = self.ancestors(old, steps) else { return Forward::Unknown };
        let (mut seen, mut next) = (HashSet::from([new]), vec![new]);
        let mut all_known = true;
        while let Some(commit) = next.pop() {
            if commit == old {
                return Forward::Yes;
            }
            if behind.contains(&commit) {
                continue;
            }
            let Some(parents) = self.parents.get(&commit).filter(|_| !self.cut.contains(&commit)) else {
                all_known = false;
                continue;
            };
            for parent in parents {
                let Some(left) = steps.checked_sub(1) else { return Forward::Unknown };
                *steps = left;
                if seen.insert(*parent) {
                    next.push(*parent);
                }
            }
        }
        if all_known { Forward::No } else { Forward::Unknown }
    }

    /// Those that are known, with `commit` itself.
    fn ancestors(&self, commit: Id, steps: &mut usize) -> Option<HashSet<Id>> {
        let (mut seen, mut next) = (HashSet::from([commit]), vec![commit]);
        while let Some(commit) = next.pop() {
            for parent in self.parents.get(&commit).into_iter().flatten() {
                *steps = steps.checked_sub(1)?;
                if seen.insert(*parent) {
                    next.push(*parent);
                }
            }
        }
        Some(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: u8) -> Id {
        Id::of(&[number])
    }

    fn history(commits: &[(u8, &[u8])]) -> History {
        let mut history = History::default();
        for (commit, parents) in commits {
            history.learn(id(*commit), parents.iter().map(|parent| id(*parent)).collect());
        }
        history
    }

    fn forward(history: &History, old: u8, new: u8) -> Forward {
        history.forward(id(old), id(new), &mut { MAX_STEPS })
    }

    #[test]
    fn a_chain_of_parents_is_forward() {
        let known = history(&[(5, &[4, 9]), (4, &[3]), (3, &[2])]);
        assert_eq!(forward(&known, 2, 5), Forward::Yes);
        assert_eq!(forward(&known, 9, 5), Forward::Yes);
        assert_eq!(forward(&known, 7, 7), Forward::Yes);
        assert_eq!(forward(&known, 1, 5), Forward::Unknown, "2 and 9 may have it");
        assert_eq!(forward(&known, 2, 6), Forward::Unknown, "nothing is known of 6");
    }

    #[test]
    fn roots_without_it_are_no_way_forward() {
        let known = history(&[(5, &[4]), (4, &[3, 2]), (3, &[]), (2, &[])]);
        assert_eq!(forward(&known, 1, 5), Forward::No);
        assert_eq!(forward(&known, 2, 5), Forward::Yes);
    }

    #[test]
    fn what_is_behind_the_old_commit_does_not_lead_to_it() {
        // 4 and 5 were both made on 3.
        let known = history(&[(4, &[3]), (5, &[3])]);
        assert_eq!(forward(&known, 4, 5), Forward::No);
        // Back to where it was before.
        assert_eq!(forward(&known, 4, 3), Forward::No);
        // A merge brings something of which nothing is known.
        let known = history(&[(4, &[3]), (5, &[3, 8])]);
        assert_eq!(forward(&known, 4, 5), Forward::Unknown);
    }

    #[test]
    fn cut_commits_lead_nowhere() {
        let mut known = history(&[(5, &[4]), (4, &[3])]);
        known.cut([id(4)]);
        assert_eq!(forward(&known, 3, 5), Forward::Unknown);
        assert_eq!(forward(&known, 4, 5), Forward::Yes);
        known.cut((0..=MAX_CUT).map(|number| Id::of(&number.to_be_bytes())));
        assert_eq!(forward(&known, 4, 5), Forward::Unknown, "too many are cut");
        assert!(known.cut.len() <= MAX_CUT);
    }

    #[test]
    fn there_are_limits() {
        let mut known = history(&[(2, &[1])]);
        for number in 0..MAX_LINKS {
            known.learn(Id::of(&number.to_be_bytes()), vec![]);
        }
        assert!(known.links <= MAX_LINKS && known.order.len() == known.parents.len());
        assert_eq!(forward(&known, 1, 2), Forward::Unknown, "it is forgotten");
        let known = history(&[(3, &[2]), (2, &[1])]);
        assert_eq!(known.forward(id(1), id(3), &mut 1), Forward::Unknown);
        assert_eq!(known.forward(id(1), id(3), &mut 2), Forward::Yes);
    }

    #[test]
    fn ids_are_read_from_digits() {
        let digits = "49744de5ddacb1293d38a9960f0811efe2ba64b3";
        let read = |text: &str| Id::read(text.as_bytes());
        assert_eq!(read(digits), read(&digits.to_uppercase()));
        assert!(read(digits).is_some() && read(&"0a".repeat(32)).is_some());
        for wrong in ["", &digits[1..], &"+1".repeat(20), &"ä".repeat(20)] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// Against what is so when everything is known; with part of it known, never the opposite.
        #[test]
        fn what_is_proven_is_so(
            edges in prop::collection::vec(prop::collection::vec(0_u8..12, 0..3), 12),
            known in prop::collection::vec(any::<bool>(), 12),
            old in 0_u8..12,
            new in 0_u8..12,
        ) {
            let older = |commit: u8| {
                let parents = edges[usize::from(commit)].iter().copied();
                parents.filter(move |parent| *parent < commit).collect::<Vec<_>>()
            };
            let (mut next, mut leads) = (vec![new], false);
            while let Some(commit) = next.pop() {
                leads |= commit == old;
                next.extend(older(commit));
            }
            let (mut part, mut whole) = (History::default(), History::default());
            for commit in 0..12 {
                let parents: Vec<_> = older(commit).into_iter().map(id).collect();
                whole.learn(id(commit), parents.clone());
                if known[usize::from(commit)] {
                    part.learn(id(commit), parents);
                }
            }
            let truth = if leads { Forward::Yes } else { Forward::No };
            prop_assert_eq!(forward(&whole, old, new), truth);
            let said = forward(&part, old, new);
            prop_assert!(said == truth || said == Forward::Unknown);
        }
    }
}
