//! The last texts of a session with what they say: drivers send the same ones again and again, and so do programs that
//! write the numbers they ask for into the text.

use super::{Copy, Facts, MaySet, Reading, read};
use std::collections::VecDeque;
use std::rc::Rc;

/// Texts kept, and how long they may be.
const TEXTS: usize = 8;
const TEXT_BYTES: usize = 1024;

/// Longest whole number that may be another: all of so many digits are of one type, `integer`.
const DIGITS: usize = 9;

#[derive(Debug, Default)]
pub struct Known {
    /// the newest first
    texts: VecDeque<Text>,
    /// of the text that is read
    shape: Vec<u8>,
}

#[derive(Debug)]
struct Text {
    shape: Box<[u8]>,
    /// numbers may be others
    is_shape: bool,
    reading: Reading,
    open: MaySet,
    facts: Rc<Facts>,
}

impl Known {
    /// As [`read`], which is not asked again about the same text, nor about a query that only has other whole numbers.
    pub fn read(&mut self, text: &[u8], reading: Reading, open: MaySet) -> Rc<Facts> {
        if text.len() > TEXT_BYTES {
            return Rc::new(read(text, reading, open));
        }
        let has_shape = shape(text, &mut self.shape);
        let known = self.texts.iter().find(|known| {
            let same =
                if known.is_shape { has_shape && *known.shape == *self.shape } else { *known.shape == *text };
            same && known.reading == reading && known.open == open
        });
        if let Some(known) = known {
            return Rc::clone(&known.facts);
        }
        let facts = Rc::new(read(text, reading, open));
        let is_shape = has_shape && is_query(text) && only_reads(&facts);
        let shape = if is_shape { self.shape.as_slice() } else { text };
        self.texts.truncate(TEXTS - 1);
        self.texts.push_front(Text {
            shape: shape.into(),
            is_shape,
            reading,
            open,
            facts: Rc::clone(&facts),
        });
        facts
    }
}

/// The text with a `0` for each whole number. False when it could hold digits that are none: in quotes, comments,
/// parameters.
fn shape(text: &[u8], shape: &mut Vec<u8>) -> bool {
    shape.clear();
    let mut rest = text;
    let mut before = b' ';
    while let Some((first, behind)) = rest.split_first() {
        if !first.is_ascii_alphanumeric() && !b" \t\r\n_.,()=<>*;".contains(first) {
            return false;
        }
        let digits = match is_word(before) {
            true => 0,
            false => rest.iter().take_while(|byte| byte.is_ascii_digit()).count(),
        };
        let (number, after) = rest.split_at_checked(digits).unwrap_or_default();
        let ends = after.first().is_none_or(|after| !is_word(*after));
        if (1..=DIGITS).contains(&number.len()) && ends {
            shape.push(b'0');
            (before, rest) = (b'0', after);
        } else {
            shape.push(*first);
            (before, rest) = (*first, behind);
        }
    }
    true
}

/// What a digit belongs to when it stands beside it: a name, or a number that is no whole one.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// In other statements a number may be a word: `EXPLAIN (ANALYZE 1)` runs what `EXPLAIN (ANALYZE 0)` does not.
fn is_query(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let (verb, behind) = text.split_at_checked(6).unwrap_or((text, b""));
    verb.eq_ignore_ascii_case(b"select") && behind.first().is_none_or(|next| !is_word(*next))
}

/// One query that does nothing but read: of what is told of it, nothing is a number's.
fn only_reads(facts: &Facts) -> bool {
    facts.action == "read"
        && facts.class == "read"
        && facts.statements == 1
        && facts.copy == Copy::None
        && facts.names.is_empty()
        && facts.executes.is_empty()
        && facts.fetches.is_empty()
        && facts.claimed.is_empty()
        && facts.may_set == MaySet::Nothing
        && !(facts.unseen || facts.unsafe_reading || facts.not_utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shaped(text: &str) -> Option<String> {
        let mut bytes = Vec::new();
        shape(text.as_bytes(), &mut bytes).then(|| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_whole_numbers_may_be_others() {
        for (text, expected) in [
            ("select a1 from t2 where id = 4711", "select a1 from t2 where id = 0"),
            ("select f(1,22) , 333;", "select f(0,0) , 0;"),
            ("select 1.5, 1e5, 0x1F, 1_000, .5, 5., t.1", "select 1.5, 1e5, 0x1F, 1_000, .5, 5., t.1"),
            ("select 999999999, 1000000000", "select 0, 1000000000"),
            ("1", "0"),
            ("", ""),
        ] {
            assert_eq!(shaped(text).as_deref(), Some(expected));
        }
        for text in [
            "select '1'",
            "select \"1\"",
            "select $1",
            "select $$1$$",
            "select -1",
            "select 1 -- 2",
            "select 1/2",
            "select 1 \\ 2",
            "select é",
            "select a[1]",
            "select 1::text",
            "select 1e+5",
            "select 1\0",
        ] {
            assert_eq!(shaped(text), None, "{text}");
        }
    }

    #[test]
    fn the_same_text_is_read_once_and_a_query_with_other_numbers_too() {
        let mut known = Known::default();
        let reading = Reading::default();
        let mut facts = |text: &str| known.read(text.as_bytes(), reading, MaySet::Nothing);
        let first = facts("select a from t where id = 1");
        assert!(Rc::ptr_eq(&first, &facts("select a from t where id = 22")));
        assert!(!Rc::ptr_eq(&first, &facts("select a from u where id = 22")));
        let quoted = facts("select 'x' from t");
        assert!(Rc::ptr_eq(&quoted, &facts("select 'x' from t")));
        let write = facts("delete from t where id = 1");
        assert!(Rc::ptr_eq(&write, &facts("delete from t where id = 1")));
        assert!(!Rc::ptr_eq(&write, &facts("delete from t where id = 2")));
        for number in 0..20 {
            facts(&format!("select 'x{number}'"));
        }
        assert!(!Rc::ptr_eq(&first, &facts("select a from t where id = 1")), "it is forgotten");
        assert!(known.texts.len() <= TEXTS);
    }

    #[test]
    fn a_number_that_is_a_word_is_read() {
        for what in
            ["delete from t", "with d as (delete from t returning a) select a from d", "select 1 into n"]
        {
            let (harmless, harmful) =
                (format!("explain (analyze 0) {what}"), format!("explain (analyze 1) {what}"));
            let mut known = Known::default();
            let mut class =
                |text: &str| known.read(text.as_bytes(), Reading::default(), MaySet::Nothing).class.clone();
            assert_eq!(class(&harmless), "read");
            assert_ne!(class(&harmful), "read", "{what}");
        }
        for (text, expected) in [
            ("select 1", true),
            ("\n SELECT(1)", true),
            ("select", true),
            ("selects 1", false),
            ("select_1 2", false),
            ("explain (analyze 1) select 1", false),
            ("with x as (select 1) select 2", false),
            ("", false),
        ] {
            assert_eq!(is_query(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn under_other_settings_it_is_read_again() {
        let mut known = Known::default();
        let old = Reading { standard_conforming_strings: false, ..Reading::default() };
        let text = br"select '\'; drop table t; --'";
        let class = |known: &mut Known, reading, open| known.read(text, reading, open).class.clone();
        for _ in 0..2 {
            assert_eq!(class(&mut known, Reading::default(), MaySet::Nothing), "schema-change");
            assert_eq!(class(&mut known, old, MaySet::Nothing), "read");
            assert_eq!(class(&mut known, Reading::default(), MaySet::Something), "unknown");
        }
    }

    /// Pieces of queries, numbers as `#`.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "select",
            "from",
            "where",
            "t",
            "pg_settings",
            "s.t",
            "a",
            "*",
            "#",
            "# ",
            "=",
            "<",
            "and",
            "or",
            "limit",
            "offset",
            "order by",
            "(",
            ")",
            ",",
            ";",
            "join",
            "on",
            "in",
            "between",
            "group by",
            "union",
            "values",
            "with x as",
            "insert into",
            "delete",
            "update t set a =",
            "now()",
            "lo_get",
            "generate_series",
            "pg_sleep",
            "random()",
            "interval",
            "fetch first",
            "rows only",
            "for update",
            "tablesample system",
            "cast",
            "as",
            "integer",
            "numeric",
            "null",
            "is",
            "not",
            "set",
            "begin",
            "#.#",
            "e#",
            "explain",
        ]);
        let verb = prop::sample::select(vec![
            "select",
            "explain (analyze #)",
            "explain (analyze #, verbose #)",
            "explain (buffers #) select",
            "with x as (",
            "values (#)",
            "(select",
            "fetch #",
            "",
        ]);
        (verb, prop::collection::vec(piece, 1..14))
            .prop_map(|(verb, pieces)| format!("{verb} {}", pieces.join(" ")))
    }

    /// Queries as they are written, numbers as `#`.
    fn queries() -> impl Strategy<Value = String> {
        let one_of = |parts: &[&'static str]| prop::sample::select(parts.to_vec());
        let list = one_of(&[
            "#",
            "a",
            "*",
            "count(*)",
            "f(#)",
            "now(), #",
            "a + #",
            "lo_get(#)",
            "a as b, # as c",
            "(select #)",
        ]);
        let from = one_of(&[
            "",
            " from t",
            " from s.t as u",
            " from t, v",
            " from generate_series(#, #)",
            " from pg_settings",
        ]);
        let condition = one_of(&[
            "",
            " where a = #",
            " where # = #",
            " where a in (#, #)",
            " where a between # and # or # < #",
            " where not a > #",
            " where f(#)",
        ]);
        let end = one_of(&[
            "",
            " limit #",
            " limit # offset #",
            " order by #",
            " group by # having count(*) > #",
            " fetch first # rows only",
            " for update",
            ";",
            "; select #",
            " union select #",
            " union all values (#)",
        ]);
        let verb = one_of(&[
            "select",
            "explain (analyze #) select",
            "explain (analyze #) delete from t where a = # and b =",
            "explain (analyze #) with d as (delete from t returning a) select",
            "explain (analyze #) create table n as select",
        ]);
        (verb, list, from, condition, end)
            .prop_map(|(verb, list, from, condition, end)| format!("{verb} {list}{from}{condition}{end}"))
    }

    fn filled(text: &str, numbers: &[u32]) -> String {
        let mut numbers = numbers.iter().cycle();
        let parts: Vec<&str> = text.split('#').collect();
        let mut filled = String::new();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                filled.push_str(&numbers.next().unwrap().to_string());
            }
            filled.push_str(part);
        }
        filled
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn what_is_known_is_what_is_read(
            text in prop_oneof![pieces(), queries()],
            one in prop::collection::vec(prop_oneof![Just(0_u32), Just(1), 0..1_000_000_000_u32], 1..6),
            other in prop::collection::vec(prop_oneof![Just(0_u32), Just(1), 0..1_000_000_000_u32], 1..6),
        ) {
            let mut known = Known::default();
            let (one, other) = (filled(&text, &one), filled(&text, &other));
            let reading = Reading::default();
            for text in [&one, &other] {
                let expected = read(text.as_bytes(), reading, MaySet::Nothing);
                prop_assert_eq!(&*known.read(text.as_bytes(), reading, MaySet::Nothing), &expected, "{}", text);
            }
        }
    }
}
