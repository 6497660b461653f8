//! One namespace: what is settled, and over it what is staged.

use super::Weight;
use std::collections::HashMap;
use std::rc::Rc;

/// What a name stands for.
#[derive(Debug)]
pub enum Meaning<T> {
    Known(Rc<T>),
    /// Defined by SQL text, not by the protocol; what it is when that is sure.
    Foreign(Option<Rc<T>>),
    Nothing,
}

/// What became of a staged change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    Yes,
    No,
    /// It was among statements of which one failed.
    Perhaps,
}

impl<T> Clone for Meaning<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Known(value) => Self::Known(Rc::clone(value)),
            Self::Foreign(value) => Self::Foreign(value.clone()),
            Self::Nothing => Self::Nothing,
        }
    }
}

#[derive(Debug)]
pub enum Found<T> {
    Known(Rc<T>),
    Foreign(Option<Rc<T>>),
    Nothing,
    /// It depends on answers to an earlier segment.
    NotYet,
}

#[derive(Debug)]
struct Staged<T> {
    latest: Meaning<T>,
    segment: u64,
    order: u64,
    /// staged changes of this name that are not resolved yet
    open: u32,
}

#[derive(Debug)]
pub struct Table<T> {
    settled: HashMap<Box<[u8]>, Meaning<T>>,
    staged: HashMap<Box<[u8]>, Staged<T>>,
    /// The latest staged change of all names at once.
    clear_segment: u64,
    clear_order: u64,
    open_clears: u32,
    /// open changes that nobody has read: what SQL has defined may be something else after them
    open_doubts: u32,
    order: u64,
    weight_bytes: usize,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self {
            settled: HashMap::new(),
            staged: HashMap::new(),
            clear_segment: 0,
            clear_order: 0,
            open_clears: 0,
            open_doubts: 0,
            order: 0,
            weight_bytes: 0,
        }
    }
}

impl<T: Weight> Table<T> {
    pub fn find(&self, name: &[u8], segment: u64) -> Found<T> {
        let staged = self.staged.get(name).filter(|staged| {
            // A staged clear that came later hides it.
            self.open_clears == 0 || staged.order > self.clear_order
        });
        let meaning = match staged {
            Some(staged) if staged.segment == segment => Some(&staged.latest),
            Some(_) => return Found::NotYet,
            None if self.open_clears > 0 && self.clear_segment == segment => None,
            None if self.open_clears > 0 => return Found::NotYet,
            None => self.settled.get(name),
        };
        match meaning {
            Some(Meaning::Known(value)) => Found::Known(Rc::clone(value)),
            Some(Meaning::Foreign(value)) => Found::Foreign(value.clone().filter(|_| self.open_doubts == 0)),
            Some(Meaning::Nothing) | None => Found::Nothing,
        }
    }

    /// Whether the name could stand for anything, now or after what is staged.
    pub fn may_hold(&self, name: &[u8]) -> bool {
        self.settled.contains_key(name) || self.staged.contains_key(name)
    }

    pub fn stage(&mut self, name: &[u8], meaning: &Meaning<T>, segment: u64) {
        self.order += 1;
        self.weight_bytes += weight(meaning);
        let order = self.order;
        if let Some(staged) = self.staged.get_mut(name) {
            staged.latest = meaning.clone();
            staged.segment = segment;
            staged.order = order;
            staged.open += 1;
        } else {
            let staged = Staged { latest: meaning.clone(), segment, order, open: 1 };
            self.staged.insert(name.into(), staged);
        }
    }

    pub fn resolve(&mut self, name: Box<[u8]>, meaning: Meaning<T>, happened: Happened) {
        if let Some(staged) = self.staged.get_mut(&name) {
            staged.open = staged.open.saturating_sub(1);
            if staged.open == 0 {
                self.staged.remove(&name);
            }
        }
        if happened == Happened::No {
            self.weight_bytes = self.weight_bytes.saturating_sub(weight(&meaning));
            return;
        }
        let meaning = match meaning {
            Meaning::Foreign(Some(value)) if happened == Happened::Perhaps => {
                self.weight_bytes = self.weight_bytes.saturating_sub(value.weight_bytes());
                let same = |known: &&Meaning<T>| matches!(known, Meaning::Foreign(Some(known)) if value.says_the_same(known));
                match self.settled.get(&name).filter(same) {
                    // It has the same meaning either way.
                    Some(_) => return,
                    None => Meaning::Foreign(None),
                }
            }
            meaning => meaning,
        };
        let before = match meaning {
            Meaning::Nothing => self.settled.remove(&name),
            meaning => self.settled.insert(name, meaning),
        };
        self.weight_bytes = self.weight_bytes.saturating_sub(before.as_ref().map_or(0, weight));
    }

    /// The name is gone although nobody asked: a failed Parse of the unnamed statement drops it.
    pub fn drop_settled(&mut self, name: &[u8]) {
        let before = self.settled.remove(name);
        self.weight_bytes = self.weight_bytes.saturating_sub(before.as_ref().map_or(0, weight));
    }

    pub fn stage_clear(&mut self, segment: u64) {
        self.order += 1;
        self.clear_order = self.order;
        self.clear_segment = segment;
        self.open_clears += 1;
    }

    pub fn resolve_clear(&mut self, happened: Happened) {
        self.open_clears = self.open_clears.saturating_sub(1);
        if happened != Happened::No {
            self.clear();
        }
    }

    pub fn stage_doubt(&mut self) {
        self.open_doubts += 1;
    }

    pub fn resolve_doubt(&mut self, happened: Happened) {
        self.open_doubts = self.open_doubts.saturating_sub(1);
        if happened == Happened::No {
            return;
        }
        for meaning in self.settled.values_mut() {
            if let Meaning::Foreign(value) = meaning {
                let gone = value.take().map_or(0, |value| value.weight_bytes());
                self.weight_bytes = self.weight_bytes.saturating_sub(gone);
            }
        }
    }

    /// Everything settled is gone: portals at the end of a transaction.
    pub fn clear(&mut self) {
        let gone: usize = self.settled.values().map(weight).sum();
        self.weight_bytes = self.weight_bytes.saturating_sub(gone);
        self.settled.clear();
    }

    pub fn count(&self) -> usize {
        self.settled.len() + self.staged.len()
    }

    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }
}

fn weight<T: Weight>(meaning: &Meaning<T>) -> usize {
    match meaning {
        Meaning::Known(value) | Meaning::Foreign(Some(value)) => value.weight_bytes(),
        Meaning::Foreign(None) | Meaning::Nothing => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Text(&'static str);

    impl Weight for Text {
        fn weight_bytes(&self) -> usize {
            self.0.len()
        }

        fn says_the_same(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    fn known(text: &'static str) -> Meaning<Text> {
        Meaning::Known(Rc::new(Text(text)))
    }

    fn show(found: Found<Text>) -> &'static str {
        match found {
            Found::Known(value) => value.0,
            Found::Foreign(None) => "foreign",
            Found::Foreign(Some(value)) => value.0,
            Found::Nothing => "nothing",
            Found::NotYet => "not yet",
        }
    }

    #[test]
    fn the_same_segment_sees_what_is_staged_and_a_later_one_waits() {
        let mut table = Table::default();
        table.stage(b"s", &known("one"), 1);
        assert_eq!(show(table.find(b"s", 1)), "one");
        assert_eq!(show(table.find(b"s", 2)), "not yet");
        assert_eq!(show(table.find(b"t", 2)), "nothing");
        table.resolve(b"s"[..].into(), known("one"), Happened::Yes);
        assert_eq!(show(table.find(b"s", 2)), "one");
    }

    #[test]
    fn what_failed_leaves_what_was_there() {
        let mut table = Table::default();
        table.stage(b"s", &known("one"), 1);
        table.resolve(b"s"[..].into(), known("one"), Happened::Yes);
        table.stage(b"s", &known("two"), 2);
        assert_eq!(show(table.find(b"s", 2)), "two");
        table.resolve(b"s"[..].into(), known("two"), Happened::No);
        assert_eq!(show(table.find(b"s", 3)), "one");
        assert_eq!(table.weight_bytes(), 3);
    }

    #[test]
    fn a_definition_behind_a_pending_clear_survives_it() {
        let mut table = Table::default();
        table.stage(b"s", &known("old"), 1);
        table.resolve(b"s"[..].into(), known("old"), Happened::Yes);
        table.stage_clear(2);
        assert_eq!(show(table.find(b"s", 2)), "nothing");
        assert_eq!(show(table.find(b"s", 3)), "not yet");
        table.stage(b"s", &known("new"), 3);
        assert_eq!(show(table.find(b"s", 3)), "new");
        table.resolve_clear(Happened::Yes);
        assert_eq!(show(table.find(b"s", 3)), "new");
        table.resolve(b"s"[..].into(), known("new"), Happened::Yes);
        assert_eq!(show(table.find(b"s", 4)), "new");
        assert_eq!(table.weight_bytes(), 3);
    }

    #[test]
    fn names_given_by_sql_are_foreign() {
        let mut table = Table::default();
        table.stage(b"s", &known("one"), 1);
        table.resolve(b"s"[..].into(), known("one"), Happened::Yes);
        table.stage(b"s", &Meaning::Foreign(None), 2);
        assert_eq!(show(table.find(b"s", 2)), "foreign");
        table.resolve(b"s"[..].into(), Meaning::Foreign(None), Happened::Yes);
        assert_eq!(show(table.find(b"s", 3)), "foreign");
    }

    fn sql(text: &'static str) -> Meaning<Text> {
        Meaning::Foreign(Some(Rc::new(Text(text))))
    }

    fn settle(table: &mut Table<Text>, meaning: Meaning<Text>, happened: Happened) {
        table.stage(b"s", &meaning, 1);
        table.resolve(b"s"[..].into(), meaning, happened);
    }

    #[test]
    fn what_sql_defines_is_known_only_when_it_is_sure() {
        let mut table = Table::default();
        settle(&mut table, sql("one"), Happened::Yes);
        assert_eq!(show(table.find(b"s", 2)), "one");
        settle(&mut table, sql("two"), Happened::No);
        settle(&mut table, sql("one"), Happened::Perhaps);
        assert_eq!(show(table.find(b"s", 2)), "one");
        settle(&mut table, sql("two"), Happened::Perhaps);
        assert_eq!((show(table.find(b"s", 2)), table.weight_bytes()), ("foreign", 0));
        settle(&mut table, sql("two"), Happened::Yes);
        assert_eq!((show(table.find(b"s", 2)), table.weight_bytes()), ("two", 3));
    }

    #[test]
    fn what_nobody_has_read_makes_it_unsure() {
        let mut table = Table::default();
        settle(&mut table, sql("one"), Happened::Yes);
        table.stage_doubt();
        assert_eq!(show(table.find(b"s", 2)), "foreign");
        table.resolve_doubt(Happened::No);
        assert_eq!(show(table.find(b"s", 2)), "one");
        table.stage_doubt();
        table.resolve_doubt(Happened::Perhaps);
        assert_eq!((show(table.find(b"s", 2)), table.weight_bytes()), ("foreign", 0));
    }
}
