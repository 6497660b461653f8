//! Whole rows and renamed columns in statements nobody has read item by item.

use super::item::takes_rows;
use super::relations::{Relation, everywhere, is, relation_at};
use super::select::CLAUSES;
use super::words::Word;
use weir_sql::Kind;

/// For columns protected in whatever table: whether a statement that does not name them may still use them,
/// through rows as a whole or through columns under another name. `several`: its result is not that of one
/// SELECT, so names on top may come from elsewhere.
pub(super) fn may_use_rows(words: &[Word<'_>], several: bool) -> bool {
    let relations = everywhere(words);
    if relations.iter().any(|relation| relation.renames) {
        return true;
    }
    let sets =
        several && words.iter().any(|word| word.depth == 0 && word.is_any(&["union", "intersect", "except"]));
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let after_dot = before.is_some_and(|word| word.kind == Kind::Dot);
        if word.kind == Kind::Star {
            return (is_select_star(words, at) && (word.depth > 0 || sets)) || is_row_star(words, at);
        }
        let Some(name) = word.name.as_deref() else { return false };
        if word.is("table")
            && before.is_none_or(|word| {
                !word.is_any(&[
                    "create",
                    "alter",
                    "drop",
                    "temp",
                    "temporary",
                    "unlogged",
                    "foreign",
                    "lock",
                    "comment",
                    "on",
                ])
            })
        {
            return true;
        }
        if after_dot && takes_rows(name) {
            return true;
        }
        let row = relations.iter().any(|relation| !relation.system && relation.row_name() == name);
        let declared = relations.iter().any(|relation| relation.is_declared_at(at))
            || is_declaration(&relations, words, at);
        row && !after_dot && !declared && !is(words, at + 1, Kind::Dot) && !is(words, at + 1, Kind::LeftParen)
    })
}

/// The table's own name in front of its alias, or a CTE's name in front of its body.
fn is_declaration(relations: &[Relation], words: &[Word<'_>], at: usize) -> bool {
    let body = words.get(at + 1).is_some_and(|word| word.is("as")) && is(words, at + 2, Kind::LeftParen);
    let aliased = relations.iter().any(|relation| {
        relation.alias.is_some()
            && (relation.last == at + 1
                || (relation.last == at + 2 && words.get(at + 1).is_some_and(|word| word.is("as"))))
    });
    body || aliased
}

/// Whether rows are inserted whose columns the statement does not name: `INSERT INTO t VALUES (…)`, in MERGE too.
pub(super) fn inserts_unnamed(words: &[Word<'_>]) -> bool {
    let unnamed = |(at, word): (usize, &Word<'_>)| {
        if !word.is("insert") {
            return false;
        }
        let behind = match words.get(at + 1) {
            Some(into) if into.is("into") => relation_at(words, at + 2).map(|relation| relation.last + 1),
            _ => Some(at + 1),
        };
        !behind.is_some_and(|behind| is_list_of_names(words, behind))
    };
    words.iter().enumerate().any(unnamed)
}

/// `(id, name)`, and not `(select …)`.
fn is_list_of_names(words: &[Word<'_>], open: usize) -> bool {
    let ends =
        |word: &Word<'_>| matches!(word.kind, Kind::Comma | Kind::RightParen | Kind::Dot | Kind::LeftBracket);
    is(words, open, Kind::LeftParen)
        && words.get(open + 1).is_some_and(|word| word.name.is_some())
        && words.get(open + 2).is_some_and(ends)
}

/// The star of `c.*` within an expression: a row, where as a whole item it stands for columns.
fn is_row_star(words: &[Word<'_>], star: usize) -> bool {
    let mut start = star;
    while let Some(name) = start.checked_sub(2)
        && is(words, start - 1, Kind::Dot)
        && words.get(name).is_some_and(|word| word.name.is_some())
    {
        start = name;
    }
    if start == star {
        return false;
    }
    let before = start.checked_sub(1).and_then(|before| words.get(before));
    let begins = before.is_none_or(|word| {
        matches!(word.kind, Kind::Comma | Kind::LeftParen | Kind::RightParen)
            || word.is_any(&["select", "all", "distinct", "returning"])
    });
    // Behind a whole item stands a clause or nothing; a name would be a label, which a star cannot have.
    let ends = words.get(star + 1).is_none_or(|word| {
        matches!(word.kind, Kind::Comma | Kind::RightParen | Kind::Semicolon)
            || word.is("from")
            || word.is_any(CLAUSES)
    });
    !(begins && ends)
}

/// A star that means all columns: not a product, not `count(*)`.
fn is_select_star(words: &[Word<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).and_then(|before| words.get(before)) else { return true };
    match before.kind {
        Kind::Dot | Kind::Comma => true,
        Kind::LeftParen => {
            at.checked_sub(2).and_then(|at| words.get(at)).is_none_or(|word| word.name.is_none())
        }
        Kind::RightParen => words
            .get(at + 1)
            .is_none_or(|word| word.is("from") || matches!(word.kind, Kind::Comma | Kind::RightParen)),
        _ => before.is_any(&["select", "all", "distinct", "returning"]),
    }
}
