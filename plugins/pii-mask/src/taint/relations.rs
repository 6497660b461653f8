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
    /// index of its own name
    named: usize,
}

impl Relation {
    /// The name that stands for a whole row of it.
    pub(super) fn row_name(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.table)
    }

    /// Whether the word at `at` gives its name, and uses nothing.
    pub(super) fn is_declared_at(&self, at: usize) -> bool {
        self.last == at || self.named == at
    }

    /// The same, read at a place that may be a use of its name as well.
    fn unsure(self) -> Relation {
        Relation { last: usize::MAX, named: usize::MAX, ..self }
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
    "select",
    "returning",
    "when",
    "tablesample",
    "with",
    "default",
    "from",
    "as",
];

/// Reads a relation that starts at `start`: none if something else stands there (a subquery, a function, …).
pub(super) fn relation_at(words: &[Word<'_>], start: usize) -> Option<Relation> {
    let before = |count: usize| start.checked_sub(count).and_then(|at| words.get(at));
    let is_before = |count: usize, keyword: &str| before(count).is_some_and(|word| word.is(keyword));
    // Behind INSERT INTO a parenthesis opens a list of columns, and an alias needs AS. Behind UPDATE `set` is none.
    let is_insert = is_before(1, "into") && is_before(2, "insert");
    let is_update = is_before(1, "update");
    let mut at = start;
    let only = words.get(at)?.is("only");
    if only {
        at += 1;
    }
    // ONLY (customers)
    let parenthesis = only && is(words, at, Kind::LeftParen);
    if parenthesis {
        at += 1;
    }
    let (mut table, mut schema) = (name_at(words, at)?, None);
    while is(words, at + 1, Kind::Dot) {
        schema = Some(table);
        table = name_at(words, at + 2)?;
        at += 2;
    }
    let named = at;
    if parenthesis {
        at = Some(at + 1).filter(|close| is(words, *close, Kind::RightParen))?;
    }
    if is(words, at + 1, Kind::LeftParen) && !is_insert {
        return None;
    }
    if is(words, at + 1, Kind::Star) {
        at += 1;
    }
    let explicit = words.get(at + 1).is_some_and(|word| word.is("as"));
    let alias_at = at + 1 + usize::from(explicit);
    let may_be_alias = |word: &&Word<'_>| {
        let implicit = !(is_insert || word.is_any(AFTER) || is_update && word.is("set"));
        word.kind.is_name() && (explicit || implicit)
    };
    let alias = words.get(alias_at).filter(may_be_alias);
    let alias = alias.and_then(|word| word.name.as_deref()).map(str::to_owned);
    if alias.is_some() {
        at = alias_at;
    }
    let system = match &schema {
        Some(schema) => schema == "pg_catalog" || schema == "information_schema",
        None => table.starts_with("pg_"),
    };
    let renames = alias.is_some() && !is_insert && is(words, at + 1, Kind::LeftParen);
    Some(Relation { table, alias, system, renames, last: at, named })
}

/// Every relation anywhere in the statement. Where a word could start a relation or not, it does.
pub(super) fn everywhere(words: &[Word<'_>]) -> Vec<Relation> {
    let mut found = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if !word.is_any(STARTS) || is_label(words, index) || is_from_of_expression(words, index) {
            continue;
        }
        // Only behind FROM is it sure that a list goes on with relations. Elsewhere the place may be a use, so
        // it does not count as the place where the name is given.
        let sure = word.is("from");
        let mut at = behind_parentheses(words, index + 1);
        while let Some(relation) = relation_at(words, at) {
            at = relation.last + 1;
            found.push(relation);
            if !sure || !is(words, at, Kind::Comma) {
                break;
            }
            at = behind_parentheses(words, at + 1);
        }
        // Behind a list that begins with something else, or a condition, there can be more.
        let depth = word.depth;
        let rest = words.get(at..).unwrap_or_default();
        for (offset, next) in rest.iter().enumerate() {
            let end = next.is_any(ENDS) && !is_label(words, at + offset);
            if next.depth < depth || (next.depth == depth && end) {
                break;
            }
            if next.depth == depth
                && next.kind == Kind::Comma
                && let Some(relation) = relation_at(words, behind_parentheses(words, at + offset + 1))
            {
                found.push(if sure { relation } else { relation.unsure() });
            }
            // (SELECT …) AS x
            if next.kind == Kind::RightParen && next.depth == depth {
                found.extend(alias_of_parenthesis(words, at + offset));
            }
        }
    }
    found
}

/// `(a cross join b)`: joins can stand in parentheses.
fn behind_parentheses(words: &[Word<'_>], at: usize) -> usize {
    let open = words.iter().skip(at).take_while(|word| word.kind == Kind::LeftParen).count();
    at + open
}

/// Words behind which a relation stands. Most of them may be names too.
const STARTS: &[&str] = &["from", "join", "update", "into", "using", "table", "copy", "merge"];

/// Words that end a list of relations.
const ENDS: &[&str] = &[
    "where",
    "select",
    "group",
    "order",
    "set",
    "returning",
    "having",
    "window",
    "limit",
    "offset",
    "fetch",
    "for",
    "union",
    "intersect",
    "except",
    "from",
    "values",
    "when",
];

/// A keyword behind a dot or `AS` is a name, `as` itself too: in `1 as as from` only `from` is what it seems.
pub(super) fn is_label(words: &[Word<'_>], at: usize) -> bool {
    let Some(before) = at.checked_sub(1) else { return false };
    is(words, before, Kind::Dot)
        || (words.get(before).is_some_and(|word| word.is("as")) && !is_label(words, before))
}

/// The alias behind a subquery, a function or a list of values. Of the latter two nothing protected comes that is
/// not named inside the parentheses.
fn alias_of_parenthesis(words: &[Word<'_>], close: usize) -> Option<Relation> {
    let explicit = words.get(close + 1)?.is("as");
    let at = close + 1 + usize::from(explicit);
    let alias = words.get(at).filter(|word| word.kind.is_name() && (explicit || !word.is_any(AFTER)))?;
    let alias = alias.name.as_deref()?.to_owned();
    let named_inside = is_call_or_values(words, close);
    let renames = !named_inside && is(words, at + 1, Kind::LeftParen);
    let table = alias.clone();
    Some(Relation { table, alias: Some(alias), system: named_inside, renames, last: at, named: at })
}

fn is_call_or_values(words: &[Word<'_>], close: usize) -> bool {
    let depth = words.get(close).map_or(0, |word| word.depth);
    let head = words.get(..close).unwrap_or_default();
    let Some(open) = head.iter().rposition(|word| word.depth == depth && word.kind == Kind::LeftParen) else {
        return false;
    };
    let function = open.checked_sub(1).and_then(|at| words.get(at));
    let call = function.is_some_and(|word| word.name.is_some() && !word.is_any(BEFORE_PARENTHESES));
    call || words.get(open + 1).is_some_and(|word| word.is("values"))
}

/// Words before a parenthesis that are no functions.
const BEFORE_PARENTHESES: &[&str] = &[
    "from",
    "join",
    "lateral",
    "only",
    "as",
    "materialized",
    "on",
    "using",
    "in",
    "exists",
    "any",
    "all",
    "some",
    "not",
    "where",
    "and",
    "or",
    "select",
    "table",
    "update",
    "into",
    "union",
    "intersect",
    "except",
    "distinct",
    "returning",
];

/// `IS DISTINCT FROM`, `extract(year FROM x)` and its like.
fn is_from_of_expression(words: &[Word<'_>], from: usize) -> bool {
    if !words.get(from).is_some_and(|word| word.is("from")) {
        return false;
    }
    if is_distinct_from(words, from) {
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

/// The `from` of `IS [NOT] DISTINCT FROM`. In `1 distinct from t` it is what it seems, and `distinct` a label.
pub(super) fn is_distinct_from(words: &[Word<'_>], from: usize) -> bool {
    let before = |count: usize| from.checked_sub(count).and_then(|at| words.get(at));
    let is = |count: usize, keyword: &str| before(count).is_some_and(|word| word.is(keyword));
    is(1, "distinct") && (is(2, "is") || (is(2, "not") && is(3, "is")))
}
