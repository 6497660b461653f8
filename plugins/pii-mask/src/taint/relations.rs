//! Which relations a statement reads, and under which names their rows can be meant as a whole.

use super::words::Word;
use weir_sql::Kind;

/// A relation in FROM, JOIN, UPDATE, INTO or USING.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    /// its own name, without a schema
    pub(super) table: String,
    pub(super) alias: Option<String>,
    /// it belongs to the system's catalog
    pub(super) system: bool,
    /// its alias renames columns: `c(a, b)`
    pub(super) renames: bool,
    /// index of its last word
    pub(super) last: usize,
}

impl Relation {
    /// The name that stands for a whole row of it.
    pub(super) fn row_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.table)
    }
}

/// Words that end a relation and are never its alias.
const AFTER: &[&str] = &[
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
    "join",
    "inner",
    "left",
    "right",
    "full",
    "cross",
    "natural",
    "on",
    "using",
    "set",
    "values",
    "select",
    "returning",
    "when",
    "tablesample",
    "with",
    "default",
    "overriding",
    "from",
    "as",
];

/// Reads a relation that starts at `start`: none if something else stands there (a subquery, a function, …).
pub(super) fn relation_at(words: &[Word<'_>], start: usize) -> Option<Relation> {
    let mut at = start;
    if words.get(at)?.is("only") {
        at += 1;
    }
    let (mut table, mut schema) = (name_at(words, at)?, None);
    while is(words, at + 1, Kind::Dot) {
        schema = Some(table);
        table = name_at(words, at + 2)?;
        at += 2;
    }
    if is(words, at + 1, Kind::LeftParen) {
        return None;
    }
    if is(words, at + 1, Kind::Star) {
        at += 1;
    }
    let explicit = words.get(at + 1).is_some_and(|word| word.is("as"));
    let alias_at = at + 1 + usize::from(explicit);
    let alias = words.get(alias_at).filter(|word| word.kind.is_name() && (explicit || !word.is_any(AFTER)));
    let alias = alias.and_then(|word| word.name.as_deref()).map(str::to_owned);
    if alias.is_some() {
        at = alias_at;
    }
    let system = match &schema {
        Some(schema) => schema == "pg_catalog" || schema == "information_schema",
        None => table.starts_with("pg_"),
    };
    let renames = alias.is_some() && is(words, at + 1, Kind::LeftParen);
    Some(Relation { table, alias, system, renames, last: at })
}

/// Every relation anywhere in the statement. Where a word could start a relation or not, it does.
pub(super) fn everywhere(words: &[Word<'_>]) -> Vec<Relation> {
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if !word.is_any(&["from", "join", "update", "into", "using", "table", "copy", "merge"]) {
            continue;
        }
        if word.is("from") && is_from_of_expression(words, index) {
            continue;
        }
        let mut at = index + 1;
        while let Some(relation) = relation_at(words, at) {
            at = relation.last + 1;
            found.push(relation);
            if !is(words, at, Kind::Comma) {
                break;
            }
            at += 1;
        }
        // Behind a list that begins with something else there can be more.
        let depth = word.depth;
        let rest = words.get(at..).unwrap_or_default();
        for (offset, next) in rest.iter().enumerate() {
            if next.depth < depth
                || (next.depth == depth && next.is_any(&["where", "select", "group", "order", "set"]))
            {
                break;
            }
            if next.depth == depth
                && next.kind == Kind::Comma
                && let Some(relation) = relation_at(words, at + offset + 1)
            {
                found.push(relation);
            }
            // (SELECT …) AS x
            if next.kind == Kind::RightParen && next.depth == depth {
                found.extend(alias_of_parenthesis(words, at + offset));
            }
        }
    }
    found
}

/// The alias behind a subquery or a function.
fn alias_of_parenthesis(words: &[Word<'_>], close: usize) -> Option<Relation> {
    let explicit = words.get(close + 1)?.is("as");
    let at = close + 1 + usize::from(explicit);
    let alias = words.get(at).filter(|word| word.kind.is_name() && (explicit || !word.is_any(AFTER)))?;
    let alias = alias.name.as_deref()?.to_owned();
    let renames = is(words, at + 1, Kind::LeftParen);
    Some(Relation { table: alias.clone(), alias: Some(alias), system: false, renames, last: at })
}

/// `IS DISTINCT FROM`, `extract(year FROM x)` and its like.
fn is_from_of_expression(words: &[Word<'_>], from: usize) -> bool {
    let Some(before) = from.checked_sub(1) else { return false };
    if words.get(before).is_some_and(|word| word.is("distinct")) {
        return true;
    }
    let depth = words.get(from).map_or(0, |word| word.depth);
    let head = words.get(..from).unwrap_or_default();
    let open = head.iter().rposition(|word| word.kind == Kind::LeftParen && word.depth + 1 == depth);
    let function = open.and_then(|open| open.checked_sub(1)).and_then(|at| words.get(at));
    function.is_some_and(|word| word.is_any(&["extract", "substring", "trim", "overlay", "position"]))
}

fn name_at(words: &[Word<'_>], at: usize) -> Option<String> {
    let word = words.get(at)?;
    let reserved =
        word.is_any(&["select", "lateral", "rows", "values", "with", "only", "stdin", "stdout", "program"]);
    word.name.as_deref().filter(|_| !reserved).map(str::to_owned)
}

pub(super) fn is(words: &[Word<'_>], at: usize, kind: Kind) -> bool {
    words.get(at).is_some_and(|word| word.kind == kind)
}
