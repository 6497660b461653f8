//! The select list of a statement, item by item, when it is a SELECT plain enough to say what each item reads.

use super::relations::{Relation, is, is_distinct_from, is_label, relation_at};
use super::words::Word;
use std::ops::Range;
use weir_sql::Kind;

/// A SELECT at the top of a statement.
#[derive(Debug)]
pub(super) struct Select {
    /// the words of each item
    pub(super) items: Vec<Range<usize>>,
    /// its relations, when it reads nothing but tables and views under their own column names, and holds no
    /// subquery, CTE or set operation
    pub(super) plain: Option<Vec<Relation>>,
}

/// Words that end the select list or a FROM clause, when they stand outside all parentheses.
pub(super) const CLAUSES: &[&str] = &[
    "where",
    "group",
    "having",
    "window",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "into",
];

impl Select {
    /// Reads the words of one statement. None when its result is not that of one SELECT.
    pub(super) fn read(words: &[Word<'_>]) -> Option<Select> {
        let with = words.first()?.is("with");
        let top = |word: &Word<'_>, keywords: &[&str]| word.depth == 0 && word.is_any(keywords);
        if words.iter().any(|word| top(word, &["union", "intersect", "except"])) {
            return None;
        }
        let start = words.iter().position(|word| top(word, &["select"]))?;
        let modifies = words.iter().take(start).any(|word| {
            top(
                word,
                &["insert", "update", "delete", "merge", "create", "copy", "explain", "prepare", "declare"],
            )
        });
        if modifies || (!with && start != 0) {
            return None;
        }
        let list = list_start(words, start + 1)?;
        let (items, end) = items(words, list)?;
        let nested = words.iter().enumerate().any(|(index, word)| {
            index != start && !is_label(words, index) && word.is_any(&["select", "values", "table", "with"])
        });
        let plain = if with || nested { None } else { relations(words, end) };
        Some(Select { items, plain })
    }
}

/// Behind ALL, DISTINCT and DISTINCT ON (…).
fn list_start(words: &[Word<'_>], at: usize) -> Option<usize> {
    let word = words.get(at)?;
    if word.is("all") {
        return Some(at + 1);
    }
    if !word.is("distinct") {
        return Some(at);
    }
    if !(words.get(at + 1)?.is("on") && is(words, at + 2, Kind::LeftParen)) {
        return Some(at + 1);
    }
    let close =
        words.iter().skip(at + 3).position(|word| word.depth == 0 && word.kind == Kind::RightParen)?;
    Some(at + 3 + close + 1)
}

fn items(words: &[Word<'_>], start: usize) -> Option<(Vec<Range<usize>>, usize)> {
    let mut items = Vec::new();
    let mut from = start;
    let mut end = start;
    while let Some(word) = words.get(end) {
        if word.depth == 0 && !is_label(words, end) {
            let distinct_from = word.is("from") && is_distinct_from(words, end);
            if (word.is("from") && !distinct_from) || word.is_any(CLAUSES) {
                break;
            }
            if word.kind == Kind::Semicolon {
                break;
            }
            if word.kind == Kind::Comma {
                items.push(from..end);
                from = end + 1;
            }
        }
        end += 1;
    }
    items.push(from..end);
    items.iter().all(|item| !item.is_empty()).then_some((items, end))
}

/// The relations of a FROM clause of tables and joins at `from`; none when there is anything else in it.
fn relations(words: &[Word<'_>], from: usize) -> Option<Vec<Relation>> {
    let mut found = Vec::new();
    if !words.get(from).is_some_and(|word| word.is("from")) {
        // Without FROM, or with INTO in the way.
        let other = words.iter().any(|word| word.is("from") && word.depth == 0 || word.is("into"));
        return (!other).then_some(found);
    }
    let mut at = from + 1;
    loop {
        let relation = relation_at(words, at)?;
        if relation.renames {
            return None;
        }
        at = relation.last + 1;
        found.push(relation);
        // Conditions, up to the next relation.
        at = match words.get(at) {
            Some(word) if word.is("on") => skip_condition(words, at + 1),
            Some(word) if word.is("using") => {
                let close = words
                    .iter()
                    .skip(at)
                    .position(|word| word.depth == 0 && word.kind == Kind::RightParen)?;
                // JOIN … USING (…) AS alias
                (!words.get(at + close + 1).is_some_and(|word| word.is("as"))).then_some(at + close + 1)?
            }
            _ => at,
        };
        match words.get(at) {
            None => return Some(found),
            Some(word) if word.kind == Kind::Semicolon || word.is_any(CLAUSES) => return Some(found),
            Some(word) if word.kind == Kind::Comma => at += 1,
            Some(word) if word.is_any(JOINS) => {
                while words.get(at).is_some_and(|word| word.is_any(JOINS) && !word.is("join")) {
                    at += 1;
                }
                words.get(at).filter(|word| word.is("join"))?;
                at += 1;
            }
            Some(_) => return None,
        }
    }
}

const JOINS: &[&str] = &["join", "inner", "left", "right", "full", "cross", "natural", "outer"];

fn skip_condition(words: &[Word<'_>], start: usize) -> usize {
    let ends = |(index, word): (usize, &Word<'_>)| {
        let function = is(words, start + index + 1, Kind::LeftParen);
        word.depth == 0
            && !is_label(words, start + index)
            && (matches!(word.kind, Kind::Comma | Kind::Semicolon)
                || word.is_any(CLAUSES)
                || (word.is_any(JOINS) && !function))
    };
    words.iter().skip(start).enumerate().position(ends).map_or(words.len(), |offset| start + offset)
}
