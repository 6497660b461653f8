//! What a masker looks for: values that show none of it are not sent.
//!
//! A masker says with its plan what a value must hold before it can find anything in it, and of which columns that is
//! true. Everything here errs on the side of sending: of a column all values go with one that shows a sign, and a column
//! of a result that has shown one goes from then on, under whatever plan of the same instance. So a masker that learns
//! what a column holds (most of its values are addresses) has learned it from all values since the first sign.
//!
//! A text about an operation is for itself. One that the masker was sent and left as it is is not sent again under the
//! same plan, sign or no sign, if the masker says that this is settled.

use crate::contract::v0_1::judge::exports::weir::plugin::mask;
use crate::edits::{Change, changes};
use crate::limits::{MAX_SIGN_BYTES, MAX_SIGNED_COLUMNS, MAX_SIGNS, MIN_SIGN_BYTES};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use smallvec::SmallVec;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use weir_model::Column;
use weir_session::traffic::{Batch, Masked};

/// Searches a version of a plugin keeps: one, or a few for kinds of operations.
const SEARCHES: usize = 8;

/// So many bytes of words are searched for with the quickest machine, whose memory grows with them.
const QUICK_BYTES: usize = 1024;

/// A look for signs. Made of lists that were checked.
#[derive(Debug)]
pub(crate) struct Search {
    digits: u16,
    bytes: Vec<u8>,
    words: Vec<String>,
    is_byte: [bool; 256],
    machine: Option<AhoCorasick>,
}

impl Search {
    /// # Errors
    /// What breaks the contract.
    fn new(digits: u16, bytes: Vec<u8>, words: Vec<String>) -> Result<Self, &'static str> {
        if digits == 0 && bytes.is_empty() && words.is_empty() {
            return Err("signs without any sign");
        }
        if words.len() > MAX_SIGNS || bytes.len() > MAX_SIGNS {
            return Err("too many signs");
        }
        if words.iter().any(|word| !(MIN_SIGN_BYTES..=MAX_SIGN_BYTES).contains(&word.len())) {
            return Err("a word among the signs that is too short or too long");
        }
        let mut is_byte = [false; 256];
        for byte in &bytes {
            if let Some(flag) = is_byte.get_mut(usize::from(*byte)) {
                *flag = true;
            }
        }
        let quick = words.iter().map(String::len).sum::<usize>() <= QUICK_BYTES;
        let kind = if quick { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let machine = (!words.is_empty())
            .then(|| AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(kind)).build(&words))
            .transpose()
            .map_err(|_| "signs that cannot be searched for")?;
        Ok(Self { digits, bytes, words, is_byte, machine })
    }

    fn is_of(&self, digits: u16, bytes: &[u8], words: &[String]) -> bool {
        self.digits == digits && self.bytes == bytes && self.words == words
    }

    /// Whether a text shows a sign.
    pub(crate) fn shows(&self, text: &[u8]) -> bool {
        let mut digits = 0_usize;
        let mut found = false;
        for byte in text {
            digits += usize::from(byte.is_ascii_digit());
            found |= self.is_byte.get(usize::from(*byte)).copied().unwrap_or(true);
        }
        let enough = self.digits > 0 && digits >= usize::from(self.digits);
        found || enough || self.machine.as_ref().is_some_and(|machine| machine.is_match(text))
    }
}

/// The searches of one version of a plugin, for all its sessions.
#[derive(Debug, Default)]
pub(crate) struct Searches(Mutex<Vec<Arc<Search>>>);

impl Searches {
    fn of(&self, digits: u16, bytes: Vec<u8>, words: Vec<String>) -> Result<Arc<Search>, &'static str> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(search) = known.iter().find(|search| search.is_of(digits, &bytes, &words)) {
            return Ok(Arc::clone(search));
        }
        let search = Arc::new(Search::new(digits, bytes, words)?);
        known.truncate(SEARCHES - 1);
        known.insert(0, Arc::clone(&search));
        Ok(search)
    }
}

/// Which columns of results have shown a sign to an instance, by relation and source.
#[derive(Debug, Default)]
pub(crate) struct Shown(HashMap<(String, String), Arc<AtomicBool>>);

impl Shown {
    /// The flag of a column; one that is set where there are too many to tell apart.
    fn of(&mut self, relation: &str, source: &str) -> Arc<AtomicBool> {
        if source.is_empty() {
            return Arc::default();
        }
        let full = self.0.len() >= MAX_SIGNED_COLUMNS;
        let origin = (relation.to_owned(), source.to_owned());
        match self.0.get(&origin) {
            Some(flag) => Arc::clone(flag),
            None if full => Arc::new(AtomicBool::new(true)),
            None => Arc::clone(self.0.entry(origin).or_default()),
        }
    }
}

/// What is known of a column with signs.
#[derive(Debug)]
enum Signed {
    /// a text about an operation: each batch for itself
    Text,
    /// a column of a result: whether it has shown one
    Result(Arc<AtomicBool>),
}

/// Which columns are sent: a flag for each.
pub(crate) type Sent = SmallVec<[bool; 64]>;

/// A masker's signs for the columns of one plan.
#[derive(Debug)]
pub(crate) struct Signs {
    search: Arc<Search>,
    /// one entry per column; none: its values are always sent
    columns: Vec<Option<Signed>>,
    /// none: what was left once may be changed later
    left: Option<Left>,
}

/// Texts about operations that the masker was sent under this plan and left as they are, by their column: what comes with
/// every operation (the upstream's name, a statement's text) need not be asked about each time.
#[derive(Debug, Default)]
struct Left {
    /// the newest first
    texts: Vec<(u16, Box<[u8]>)>,
}

/// Texts kept, and their length at most.
const LEFT: usize = 8;
const LEFT_BYTES: usize = 512;

impl Left {
    fn has(&self, column: usize, text: &[u8]) -> bool {
        self.texts.iter().any(|(of, known)| usize::from(*of) == column && **known == *text)
    }

    fn add(&mut self, column: u16, text: &[u8]) {
        if text.len() > LEFT_BYTES || self.has(usize::from(column), text) {
            return;
        }
        self.texts.truncate(LEFT - 1);
        self.texts.insert(0, (column, Box::from(text)));
    }
}

impl Signs {
    /// `wanted`: one flag per column.
    ///
    /// # Errors
    /// What breaks the contract.
    pub(crate) fn read(
        said: mask::Signs,
        columns: &[Column],
        wanted: &[bool],
        shown: &mut Shown,
        searches: &Searches,
    ) -> Result<Self, &'static str> {
        let search = searches.of(said.digits, said.bytes, said.words)?;
        let mut signed: Vec<Option<Signed>> = columns.iter().map(|_| None).collect();
        for index in said.columns.into_iter().map(usize::from) {
            let (Some(column), Some(place), Some(true)) =
                (columns.get(index), signed.get_mut(index), wanted.get(index))
            else {
                return Err("signs of a column that is not wanted");
            };
            *place = Some(match column.labels.is_empty() {
                true => Signed::Result(shown.of(&column.relation, &column.source)),
                false => Signed::Text,
            });
        }
        Ok(Self { search, columns: signed, left: said.settled.then(Left::default) })
    }

    /// Which of the columns `wanted` are sent of this batch, as the maskers before have left it. None: no value is.
    pub(crate) fn sent(&self, batch: &Batch, so_far: Option<&Masked>, wanted: &[bool]) -> Option<Sent> {
        let mut sent = Sent::from_slice(wanted);
        let mut is_open = false;
        for (index, signed) in self.columns.iter().enumerate() {
            let is_sent = match signed {
                Some(Signed::Result(shown)) => shown.load(Ordering::Relaxed),
                Some(Signed::Text) => false,
                None => continue,
            };
            if !is_sent && let Some(flag) = sent.get_mut(index) {
                *flag = false;
                is_open = true;
            }
        }
        if is_open {
            self.look(batch, so_far, &mut sent);
        }
        let is_sent = |column: &u16| sent.get(usize::from(*column)) == Some(&true);
        batch.columns.iter().any(is_sent).then_some(sent)
    }

    /// Whether the text was left as it is and will be.
    fn knows(&self, column: usize, text: &[u8]) -> bool {
        self.left.as_ref().is_some_and(|left| left.has(column, text))
    }

    /// The masker was sent these values and left all of them as they are.
    pub(crate) fn left(&mut self, given: &Batch) {
        let Some(left) = &mut self.left else { return };
        let mut start = 0;
        for (end, column) in given.ends.iter().zip(&given.columns) {
            let text = given.cells.get(start..*end as usize);
            start = *end as usize;
            if let (Some(Some(Signed::Text)), Some(text)) = (self.columns.get(usize::from(*column)), text) {
                left.add(*column, text);
            }
        }
    }

    /// Opens the columns that show a sign.
    fn look(&self, batch: &Batch, so_far: Option<&Masked>, open: &mut [bool]) {
        let mut changed = so_far.map(changes).into_iter().flatten().peekable();
        let mut start = 0;
        for (index, (end, column)) in (0..).zip(batch.ends.iter().zip(&batch.columns)) {
            let old = batch.cells.get(start..*end as usize);
            start = *end as usize;
            let text = match changed.next_if(|(cell, _)| *cell == index) {
                Some((_, Change::Text(text))) => Some(text),
                Some((_, Change::Null)) => continue,
                None => old,
            };
            let column = usize::from(*column);
            let (Some(Some(signed)), Some(flag)) = (self.columns.get(column), open.get_mut(column)) else {
                continue;
            };
            // What cannot be read is sent, and refused there.
            if *flag || text.is_some_and(|text| !self.search.shows(text)) {
                continue;
            }
            match signed {
                Signed::Text if text.is_some_and(|text| self.knows(column, text)) => continue,
                Signed::Text => {}
                Signed::Result(shown) => shown.store(true, Ordering::Relaxed),
            }
            *flag = true;
        }
        // The same column may be there twice.
        for (signed, flag) in self.columns.iter().zip(open) {
            if let Some(Signed::Result(shown)) = signed {
                *flag |= shown.load(Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(digits: u16, bytes: &[u8], words: &[&str]) -> Result<Search, &'static str> {
        Search::new(digits, bytes.to_vec(), words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_text_shows_a_sign_of_any_kind() {
        let search = search(3, b"@\xc3", &["key", "//"]).unwrap();
        for text in ["1a2b3", "a@b", "\u{e9}", "a://b", "Monkey", "KEY", "123"] {
            assert!(search.shows(text.as_bytes()), "{text}");
        }
        for text in ["", "1a2b", "ke y", "/ /", "\u{20ac}", "\u{ff11}\u{ff12}\u{ff13}"] {
            assert!(!search.shows(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn digits_count_only_where_they_are_a_sign() {
        assert!(!search(0, b"@", &[]).unwrap().shows(b"123456789"));
        assert!(!search(u16::MAX, b"", &[]).unwrap().shows(&[b'1'; 65_534]));
        assert!(search(u16::MAX, b"", &[]).unwrap().shows(&[b'1'; 65_535]));
    }

    #[test]
    fn signs_are_bounded() {
        let long = "x".repeat(MAX_SIGN_BYTES);
        assert!(search(0, b"", &vec![long.as_str(); MAX_SIGNS]).is_ok());
        assert!(search(0, b"", &vec!["ab"; MAX_SIGNS + 1]).is_err());
        assert!(search(0, &[0; MAX_SIGNS + 1], &[]).is_err());
        assert!(search(0, b"", &["a"]).is_err() && search(0, b"", &[&format!("{long}x")]).is_err());
        assert!(search(0, b"", &[]).is_err());
    }

    #[test]
    fn the_last_texts_that_were_left_are_known_by_their_column() {
        let mut left = Left::default();
        left.add(3, b"a");
        left.add(3, b"a");
        assert!(left.has(3, b"a") && !left.has(2, b"a") && !left.has(3, b"b"));
        left.add(3, &[b'x'; LEFT_BYTES + 1]);
        assert_eq!(left.texts.len(), 1);
        (0..LEFT).for_each(|number| left.add(1, number.to_string().as_bytes()));
        assert!(!left.has(3, b"a") && left.has(1, b"0") && left.has(1, b"7"));
        left.add(1, b"8");
        assert!(!left.has(1, b"0") && left.has(1, b"1") && left.has(1, b"8"));
        assert_eq!(left.texts.len(), LEFT);
    }

    #[test]
    fn of_too_many_columns_all_values_are_sent() {
        let mut shown = Shown::default();
        let is_set = |flag: Arc<AtomicBool>| flag.load(Ordering::Relaxed);
        for number in 0..MAX_SIGNED_COLUMNS {
            assert!(!is_set(shown.of("t", &number.to_string())));
        }
        assert!(
            is_set(shown.of("t", "one more")) && !is_set(shown.of("t", "0")) && !is_set(shown.of("t", ""))
        );
    }

    #[test]
    fn few_searches_are_kept_and_each_is_made_once() {
        let searches = Searches::default();
        let of = |digits| searches.of(digits, vec![], vec![]).unwrap();
        assert!(Arc::ptr_eq(&of(1), &of(1)) && !Arc::ptr_eq(&of(1), &of(2)));
        (1..100).for_each(|digits| drop(of(digits)));
        assert!(searches.0.lock().unwrap().len() <= SEARCHES);
    }
}
