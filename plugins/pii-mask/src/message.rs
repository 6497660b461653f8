//! Texts for people, which echo values: `invalid input syntax for type integer: "ann@example.com"`,
//! `Key (email)=(x) already exists.`, `Failing row contains (…)`.
//!
//! Who writes the statement chooses what is echoed, and how. So what the server says of a statement that is about
//! something protected is shown as far as it is one of the server's fixed texts (`template`), and hidden whole where
//! it is not, in whatever language.
//!
//! Of other statements the rest is shown, but nothing between the first and the last quote of a text unless all of it
//! is names the statement contains and words of the server's templates. Inside a value there can be quotes and
//! parentheses too; that is why spans reach to the last one.

use crate::bytes::{at, before, ends_with_folded, is_word, run};
use crate::taint::Analysis;
use crate::template;

/// Replaces this part of a text; all parts are in order and do not overlap.
pub type Part = (usize, usize);

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// the server that ran the statement, or code in it
    Server,
    /// a policy, whose reasons, places and tags quote the statement
    Policy,
}

/// What `strict` hides of `text`. Detection comes on top.
pub fn strict(text: &str, author: Author, analysis: &Analysis) -> Vec<Part> {
    // Code wrote this text, not the server.
    if analysis.runs_code {
        return vec![(0, text.len())];
    }
    if author == Author::Server && analysis.may_echo {
        return match template::hidden(text, analysis.names()) {
            Some(parts) => join(parts),
            None => vec![(0, text.len())],
        };
    }
    likely(text, analysis)
}

/// Where values are likely to stand.
fn likely(text: &str, analysis: &Analysis) -> Vec<Part> {
    let bytes = text.as_bytes();
    let mut parts = Vec::new();
    // From the second line on: excerpts of documents, contexts.
    let first_line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    if first_line < bytes.len() && !is_stack(text.get(first_line..).unwrap_or_default()) {
        parts.push((first_line + 1, bytes.len()));
    }
    // The server's own phrases in front of raw text.
    for phrase in ["JSON data, line ", "for encoding \""] {
        if let Some(found) = text.find(phrase) {
            let colon = run(bytes, found + phrase.len(), |b| b != b':');
            parts.push(((colon + 1).min(bytes.len()), bytes.len()));
        }
    }
    parts.extend(quoted(text, b'"', analysis));
    parts.extend(quoted(text, b'\'', analysis));
    parts.extend(quoted_abroad(text));
    parts.extend(listed(text, analysis));
    if analysis.mentions {
        numbers(bytes, &mut parts);
    }
    join(parts)
}

/// Puts parts in order and joins those that touch.
pub fn join(mut parts: Vec<Part>) -> Vec<Part> {
    parts.retain(|(start, stop)| start < stop);
    parts.sort_unstable();
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for (start, stop) in parts {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(stop),
            _ => joined.push((start, stop)),
        }
    }
    joined
}

/// Lines that only say where in which function something happened.
fn is_stack(rest: &str) -> bool {
    rest.lines().filter(|line| !line.is_empty()).all(|line| {
        ["PL/pgSQL function ", "SQL function ", "SQL statement \"", "COPY "]
            .iter()
            .any(|start| line.starts_with(start))
    })
}

/// From the first quote to the last, the quotes themselves left standing.
fn quoted(text: &str, quote: u8, analysis: &Analysis) -> Option<Part> {
    let bytes = text.as_bytes();
    let quotes: Vec<usize> = memchr::memchr_iter(quote, bytes)
        .filter(|place| quote == b'"' || !is_apostrophe(bytes, *place))
        .collect();
    let (first, last) = (*quotes.first()?, *quotes.last()?);
    if first == last {
        // One quote alone: what follows is a value that was cut.
        return Some((first + 1, bytes.len()));
    }
    (!quotes.len().is_multiple_of(2) || !all_names(text, &quotes, analysis)).then_some((first + 1, last))
}

/// From the first quote of another language to the last, those of the server's translations: `»Ann«`, `« Ann »`.
fn quoted_abroad(text: &str) -> Option<Part> {
    let is_quote = |c: &char| ABROAD.contains(c);
    let (first, quote) = text.char_indices().find(|(_, c)| is_quote(c))?;
    let start = first + quote.len_utf8();
    let last = text.rfind(|c: char| is_quote(&c)).filter(|last| *last > first);
    Some((start, last.unwrap_or(text.len())))
}

const ABROAD: [char; 16] =
    ['«', '»', '‹', '›', '„', '“', '”', '‚', '‘', '「', '」', '『', '』', '《', '》', '＂'];

/// Quoted texts are names and what stands between them are words of the server's templates.
fn all_names(text: &str, quotes: &[usize], analysis: &Analysis) -> bool {
    let mut outside = 0;
    quotes.chunks(2).enumerate().all(|(index, pair)| {
        let &[open, close] = pair else { return false };
        let gap = text.get(outside..open).unwrap_or_default();
        outside = close + 1;
        let template = index == 0
            || gap
                .split(|c: char| !c.is_alphanumeric())
                .all(|word| word.is_empty() || TEMPLATE.contains(&word));
        let inside = text.get(open + 1..close).unwrap_or_default();
        template && is_name(inside, gap, analysis)
    })
}

fn is_name(inside: &str, gap: &str, analysis: &Analysis) -> bool {
    // A value is announced by a colon.
    let announced = gap.trim_end().ends_with(':');
    let names = analysis.names();
    let made = gap.ends_with("constraint ") && names.has_prefix_of(inside);
    !announced && (names.has(inside) || made)
}

/// Words between two quoted names.
const TEMPLATE: &[&str] = &[
    "of",
    "relation",
    "column",
    "table",
    "view",
    "constraint",
    "violates",
    "unique",
    "foreign",
    "key",
    "check",
    "not",
    "null",
    "exclusion",
    "on",
    "in",
    "for",
    "from",
    "is",
    "still",
    "referenced",
    "already",
    "exists",
    "does",
    "exist",
    "and",
    "or",
    "clause",
    "to",
    "with",
    "type",
    "the",
    "an",
    "a",
    "must",
    "appear",
    "be",
    "used",
    "aggregate",
    "function",
];

/// Between two letters: `can't`.
fn is_apostrophe(bytes: &[u8], place: usize) -> bool {
    before(bytes, place).is_ascii_alphabetic() && at(bytes, place + 1).is_ascii_alphabetic()
}

/// `=(` or `(` to the last parenthesis, except lists of names and types.
fn listed(text: &str, analysis: &Analysis) -> Option<Part> {
    let bytes = text.as_bytes();
    let last = memchr::memrchr(b')', bytes).unwrap_or(bytes.len());
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'(', bytes.get(from..)?) {
        let open = from + found;
        let close = run(bytes, open + 1, |b| b != b')');
        let inside = text.get(open + 1..close).unwrap_or_default();
        // `Key (a, b)=(1, 2)`: the first list is columns, the second values.
        let head = bytes.get(..open).unwrap_or_default();
        let is_key = ends_with_folded(head, b"key ") && at(bytes, close + 1) == b'=';
        let after_equal = before(bytes, open) == b'=';
        let is_names = inside
            .split([',', ' '])
            .all(|word| word.is_empty() || analysis.names().has(word) || TYPE_WORDS.contains(&word));
        let is_columns = is_key && inside.bytes().all(|b| is_word(b) || matches!(b, b',' | b' ' | b'"'));
        let length = inside.bytes().all(|b| b.is_ascii_digit())
            && inside.len() <= 5
            && text.get(..open).is_some_and(|head| {
                head.ends_with("varying") || head.ends_with("character") || head.ends_with("bit")
            });
        if after_equal || !(is_columns || is_names || length) {
            return Some((open + 1, last.max(open + 1)));
        }
        from = close;
    }
    None
}

/// Types as lists of arguments name them, word by word. Whole types, as the server writes them, are `template::TYPES`.
const TYPE_WORDS: &[&str] = &[
    "integer",
    "bigint",
    "smallint",
    "text",
    "unknown",
    "boolean",
    "numeric",
    "character",
    "varying",
    "date",
    "time",
    "timestamp",
    "without",
    "with",
    "zone",
    "json",
    "jsonb",
    "uuid",
    "bytea",
    "double",
    "precision",
    "real",
    "record",
    "interval",
    "inet",
    "name",
    "anyelement",
    "integer[]",
    "text[]",
];

/// Numbers in a text about something protected, but for places in the statement: `LINE 1`, `$1`.
fn numbers(bytes: &[u8], parts: &mut Vec<Part>) {
    let mut place = 0;
    while place < bytes.len() {
        if !at(bytes, place).is_ascii_digit() || is_word(before(bytes, place)) {
            place += 1;
            continue;
        }
        let stop = run(bytes, place, |b| b.is_ascii_digit() || b == b'.');
        let head = bytes.get(..place).unwrap_or_default();
        let known = PLACES.iter().any(|word| ends_with_folded(head, word.as_bytes()));
        if !known {
            parts.push((place, stop));
        }
        place = stop;
    }
}

/// In front of a number that says where or how long, not what.
const PLACES: &[&str] = &["line ", "character ", "position ", "$", "code ", "varying(", "character(", "bit("];
