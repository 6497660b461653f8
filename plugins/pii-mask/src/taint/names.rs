//! The names a statement contains, as the server repeats them in its texts.
//!
//! A client chooses some of them: labels, aliases. So a name counts only whole, as it is written: `a.b` is one only
//! when the statement has `a.b`, and nothing is put together of several but what the server itself puts together, the
//! names of constraints, and that of few parts. Then a text tells no more than which of the client's own words it
//! holds.

use super::words::{Word, words};
use weir_sql::Kind;

#[derive(Debug, Default)]
pub struct Names {
    /// as folded, qualified ones with their dots; sorted
    whole: Vec<String>,
    /// the statement, to look for operators and parameters
    text: String,
}

/// Different names of one statement.
const MANY: usize = 1000;
/// `database.schema.table.column`.
const MAX_QUALIFIED: usize = 4;
/// Names between a table's name and the end of a constraint's.
const MAX_MIDDLE: usize = 3;
/// Shorter names could spell a value.
const MIN_PART_BYTES: usize = 2;
/// Ends of the names the server makes, without the number behind some.
const MADE_ENDS: &[&str] =
    &["pkey", "key", "fkey", "check", "excl", "exclude", "idx", "seq", "not_null", "index", "unique"];

impl Names {
    pub(super) fn of(text: &str) -> Names {
        let (words, _) = words(text).unwrap_or_default();
        let mut whole = Vec::with_capacity(words.len());
        for start in 0..words.len() {
            let mut name = String::new();
            for count in 0..MAX_QUALIFIED {
                let at = start + 2 * count;
                let dotted = count == 0 || words.get(at - 1).is_some_and(|word| word.kind == Kind::Dot);
                let part = words.get(at).filter(|_| dotted);
                let Some(part) = part.and_then(|word: &Word<'_>| word.name.as_deref()) else { break };
                if count > 0 {
                    name.push('.');
                }
                name.push_str(part);
                whole.push(name.clone());
            }
        }
        whole.sort_unstable();
        whole.dedup();
        Names { whole, text: text.to_owned() }
    }

    /// More than people write: a list of values, perhaps, to see which of them an error repeats.
    pub fn are_many(&self) -> bool {
        self.whole.len() > MANY
    }

    pub fn has(&self, name: &str) -> bool {
        self.whole.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// A name the server made of names of the statement: `customers_pkey`, `customers_full_name_key1`.
    pub fn has_made(&self, name: &str) -> bool {
        let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
        // `t_key12`: the number tells apart what is named alike.
        if name.len() - numbered.len() > 1 {
            return false;
        }
        MADE_ENDS.iter().any(|end| {
            let made = numbered.strip_suffix(end).and_then(|rest| rest.strip_suffix('_'));
            made.is_some_and(|made| self.joined(made, MAX_MIDDLE + 1))
        })
    }

    /// Whether `text` is at most `parts` names with `_` between.
    fn joined(&self, text: &str, parts: usize) -> bool {
        let is_part = |part: &str| part.len() >= MIN_PART_BYTES && self.has(part);
        is_part(text)
            || (parts > 1
                && text.match_indices('_').any(|(end, _)| {
                    let (head, tail) = text.split_at_checked(end).unwrap_or_default();
                    is_part(head) && self.joined(tail.get(1..).unwrap_or_default(), parts - 1)
                }))
    }

    /// A name that begins with one of the statement's, for texts about nothing protected.
    pub fn has_prefix_of(&self, name: &str) -> bool {
        name.match_indices('_').any(|(end, _)| name.get(..end).is_some_and(|prefix| self.has(prefix)))
    }

    /// Whether the statement has this very piece of text, with nothing beside it that would make it another.
    pub fn has_piece(&self, piece: &str) -> bool {
        let same = |c: Option<char>| {
            c.is_some_and(|c| c.is_ascii_digit() || piece.chars().all(is_operator) && is_operator(c))
        };
        !piece.is_empty()
            && self.text.match_indices(piece).any(|(start, _)| {
                let (head, tail) = self.text.split_at_checked(start).unwrap_or_default();
                !same(head.chars().next_back())
                    && !same(tail.get(piece.len()..).and_then(|rest| rest.chars().next()))
            })
    }
}

/// A character that operators are made of.
pub fn is_operator(c: char) -> bool {
    "+-*/<>=~!@#%^&|`?".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_whole() {
        let names =
            Names::of("select c.\"Full Name\", 1 as \"a\", 1 as \"b\" from Public.customers c where x<=$1");
        for name in
            ["c", "c.Full Name", "Full Name", "public.customers", "customers", "public", "a", "select"]
        {
            assert!(names.has(name), "{name}");
        }
        for name in ["a.b", "b.a", "ab", "Public", "full", "customers.Full Name", "", "1", "$1"] {
            assert!(!names.has(name), "{name}");
        }
        for piece in ["<=", "$1"] {
            assert!(names.has_piece(piece), "{piece}");
        }
        for piece in ["<", "=", "$", "", ">"] {
            assert!(!names.has_piece(piece), "{piece}");
        }
    }

    #[test]
    fn names_the_server_makes() {
        let names = Names::of("insert into customers (full_name, email, a, b, c) select 1");
        for name in
            ["customers_pkey", "customers_email_key", "customers_full_name_email_idx1", "full_name_check"]
        {
            assert!(names.has_made(name), "{name}");
        }
        for name in [
            "customers_ann_key",
            "customers_a_key",
            "customers_a_b_c_key",
            "customers_email_full_name_email_email_key",
            "customers_email_key77",
            "customers_email",
            "customers",
            "customers_",
            "_key",
            "pkey",
        ] {
            assert!(!names.has_made(name), "{name}");
        }
    }
}
