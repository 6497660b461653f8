//! What a rule about a column's name cannot see: expressions. `full_name || ''`, `row_to_json(c)` and
//! `ascii(max(full_name))` have no origin and any name, and hold the protected value all the same.
//!
//! So the statement's text is asked what its computed columns may depend on. The answer over-approximates: an
//! item of a plain SELECT is clean when its own words name no protected column and no whole row of a protected
//! table; a count is clean; everything else in a statement that names something protected is tainted.
//!
//! What the text does not show, this cannot know: a view that renames a protected column and a function that
//! reads a protected table without being told its name look like any other. Protect them by their own names.

mod relations;
mod select;
mod words;

use crate::columns::Named;
use relations::{Relation, everywhere, is};
use select::Select;
use std::borrow::Cow;
use std::cell::OnceCell;
use weir_sql::Kind;
use words::{Word, words, words_of_string};

/// What a statement's text says about the columns it computes.
#[derive(Debug, Default)]
pub struct Analysis {
    /// it names something protected
    pub mentions: bool,
    computed: Computed,
    text: String,
    /// every name in it, sorted; asked for only when a message comes
    names: OnceCell<Vec<String>>,
    /// its text is SQL
    pub is_sql: bool,
    /// it runs code nobody has read: DO, CALL
    pub runs_code: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Computed {
    #[default]
    Clean,
    All,
    /// for each item of the list
    Items(Vec<Item>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    Column {
        tainted: bool,
    },
    /// any number of columns
    Star {
        tainted: bool,
    },
}

/// Functions that run SQL they are given as text, or show what another statement reads.
const RUN_SQL: &[&str] = &[
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "schema_to_xml",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "crosstab",
    "connectby",
    "xpath_table",
    "lo_get",
    "loread",
    "pg_read_file",
    "pg_read_binary_file",
    "pg_logical_slot_get_changes",
    "pg_logical_slot_peek_changes",
];

/// `c.row_to_json` is `row_to_json(c)`: functions that take any row.
const TAKE_ROWS: &[&str] =
    &["json", "agg", "record", "hstore", "concat", "quote_", "hash_", "any_value", "xml"];

impl Analysis {
    /// Reads an operation's text. Nothing is protected without `columns`.
    pub fn of(kind: &str, text: &str, columns: &[Named]) -> Analysis {
        let is_sql = kind.starts_with("sql.");
        let may_be_sql = !["http.", "mcp.", "git."].iter().any(|other| kind.starts_with(other));
        if columns.is_empty() || !may_be_sql {
            return Analysis { is_sql, ..Analysis::default() };
        }
        let Some((words, strings)) = words(text) else {
            return Analysis { is_sql, ..Analysis::of_unreadable(text, columns) };
        };
        let mentions = mentions(&words, &strings, columns);
        let runs_code = words.first().is_some_and(|word| word.is_any(&["do", "call"]));
        let computed = if words.is_empty() || kind == "sql.call" {
            Computed::All
        } else {
            computed(&words, &strings, mentions, columns)
        };
        Analysis { mentions, computed, text: text.to_owned(), is_sql, runs_code, ..Analysis::default() }
    }

    /// Nobody can say what it does: whatever it computes is tainted.
    fn of_unreadable(text: &str, columns: &[Named]) -> Analysis {
        let lower = text.to_lowercase();
        let named =
            columns.iter().flat_map(Named::fixed_parts).any(|part| lower.contains(&part.to_lowercase()));
        let mentions = named || lower.contains("u&") || lower.contains('\\');
        Analysis { mentions, computed: Computed::All, runs_code: true, ..Analysis::default() }
    }

    /// Whether column `index` of `count`, which has no origin, may hold something protected.
    pub fn taints(&self, index: usize, count: usize) -> bool {
        let items = match &self.computed {
            Computed::Clean => return false,
            Computed::All => return true,
            Computed::Items(items) => items,
        };
        let star = |item: &&Item| matches!(item, Item::Star { .. });
        let stars = items.iter().filter(star).count();
        let fits = if stars == 0 { items.len() == count } else { items.len() - stars <= count };
        if !fits {
            return true;
        }
        let first = items.iter().position(|item| star(&item)).unwrap_or(items.len());
        let last = items.iter().rposition(|item| star(&item)).unwrap_or(items.len());
        let tail = items.len().saturating_sub(last + 1);
        let found = if index < first {
            items.get(index).copied()
        } else if stars > 0 && index >= count.saturating_sub(tail) {
            items.get(items.len().saturating_sub(count - index)).copied()
        } else {
            // One of those between the first star and the last.
            let between = items.get(first..=last.min(items.len().saturating_sub(1))).unwrap_or_default();
            Some(Item::Star { tainted: between.iter().any(|item| item.is_tainted()) })
        };
        found.is_none_or(|item| item.is_tainted())
    }

    /// Whether the statement itself contains this name.
    pub fn names(&self, name: &str) -> bool {
        let names = self.names.get_or_init(|| {
            let words = words(&self.text).map(|(words, _)| words).unwrap_or_default();
            let mut names: Vec<String> =
                words.iter().filter_map(|word| word.name.as_deref()).map(str::to_owned).collect();
            names.sort_unstable();
            names.dedup();
            names
        });
        names.binary_search_by(|known| known.as_str().cmp(name)).is_ok()
    }

    /// A name the server made from one the statement contains: `customers_pkey`.
    pub fn names_prefix_of(&self, name: &str) -> bool {
        name.match_indices('_').any(|(end, _)| name.get(..end).is_some_and(|prefix| self.names(prefix)))
    }
}

impl Item {
    fn is_tainted(&self) -> bool {
        match self {
            Item::Column { tainted } | Item::Star { tainted } => *tainted,
        }
    }
}

/// A protected column or table is named, or text that looks like SQL names one.
fn mentions(words: &[Word<'_>], strings: &[Cow<'_, str>], columns: &[Named]) -> bool {
    let named = |name: &str| columns.iter().any(|column| names_it(column, name));
    words.iter().filter_map(|word| word.name.as_deref()).any(named)
        || strings.iter().any(|string| string_mentions(string, columns))
}

fn names_it(column: &Named, name: &str) -> bool {
    column.may_name_table(name) || (!column.is_any_column() && column.may_name_column(name))
}

/// SQL inside a string. A string that merely is a protected name is a value.
fn string_mentions(string: &str, columns: &[Named]) -> bool {
    let is_sql = || {
        words_of_string(string).any(|word| {
            matches!(word.as_str(), "select" | "table" | "from" | "returning" | "execute" | "copy" | "u")
        })
    };
    is_sql() && words_of_string(string).any(|word| columns.iter().any(|column| names_it(column, &word)))
}

fn computed(words: &[Word<'_>], strings: &[Cow<'_, str>], mentions: bool, columns: &[Named]) -> Computed {
    let calls = |word: &(usize, &Word<'_>)| {
        let name = word.1.name.as_deref().unwrap_or_default();
        is(words, word.0 + 1, Kind::LeftParen) && (RUN_SQL.contains(&name) || name.starts_with("dblink"))
    };
    // Rows of something that was declared or prepared before, or of code.
    let elsewhere = words.first().is_some_and(|word| word.is_any(&["fetch", "execute", "call", "do"]));
    if elsewhere || words.iter().enumerate().any(|word| calls(&word)) {
        return Computed::All;
    }
    if let Some(query) = copied_query(words) {
        return computed(&query, strings, mentions, columns);
    }
    let any_table = columns.iter().any(Named::is_any_table);
    if !mentions && !any_table {
        return Computed::Clean;
    }
    let several = words
        .iter()
        .rev()
        .skip_while(|word| word.kind == Kind::Semicolon)
        .any(|word| word.depth == 0 && word.kind == Kind::Semicolon);
    let select = if several { None } else { Select::read(words) };
    let Some(select) = select else {
        return if mentions || may_use_rows(words, true) { Computed::All } else { Computed::Clean };
    };
    let Some(relations) = &select.plain else {
        if !mentions && !may_use_rows(words, false) {
            return Computed::Clean;
        }
        let items = select.items.iter().map(|item| {
            let words = words.get(item.clone()).unwrap_or_default();
            match is_star(words) {
                true => Item::Star { tainted: true },
                false => Item::Column { tainted: !is_count(words) },
            }
        });
        return Computed::Items(items.collect());
    };
    let sql_in_string = strings.iter().any(|string| string_mentions(string, columns));
    let judge = Judge::new(words, relations, columns);
    let items = select.items.iter().map(|item| {
        let own = words.get(item.clone()).unwrap_or_default();
        if is_star(own) {
            return Item::Star { tainted: !is_plain_star(own) };
        }
        let tainted = !is_count(own)
            && (sql_in_string && own.iter().any(|word| word.kind.is_text()) || judge.taints(item.clone()));
        Item::Column { tainted }
    });
    Computed::Items(items.collect())
}

/// The query of `COPY (query) TO …`, when that is all there is.
fn copied_query<'t>(words: &[Word<'t>]) -> Option<Vec<Word<'t>>> {
    let [copy, open, rest @ ..] = words else { return None };
    let several = words.iter().any(|word| word.kind == Kind::Semicolon);
    if !copy.is("copy") || open.kind != Kind::LeftParen || several {
        return None;
    }
    let close = rest.iter().position(|word| word.depth == 0)?;
    let query = rest.get(..close)?.iter().cloned();
    Some(query.map(|word| Word { depth: word.depth.saturating_sub(1), ..word }).collect())
}

/// Reads the items of a plain SELECT.
struct Judge<'w, 't> {
    words: &'w [Word<'t>],
    columns: &'w [Named],
    /// names that stand for whole rows of protected tables
    rows: Vec<&'w str>,
    /// a table is read all of whose columns are protected
    whole_table: bool,
}

impl<'w, 't> Judge<'w, 't> {
    fn new(words: &'w [Word<'t>], relations: &'w [Relation], columns: &'w [Named]) -> Self {
        let protects = |relation: &Relation, column: &Named| {
            column.may_name_table(&relation.table) || (column.is_any_table() && !relation.system)
        };
        let protected = |relation: &&Relation| columns.iter().any(|column| protects(relation, column));
        let rows = relations
            .iter()
            .filter(protected)
            .flat_map(|relation| [relation.row_name(), &relation.table])
            .collect();
        let whole_table = relations.iter().any(|relation| {
            columns.iter().any(|column| column.is_any_column() && protects(relation, column))
        });
        Judge { words, columns, rows, whole_table }
    }

    fn taints(&self, item: std::ops::Range<usize>) -> bool {
        let label = item.end.checked_sub(1).filter(|last| {
            last.checked_sub(1).and_then(|at| self.words.get(at)).is_some_and(|word| word.is("as"))
        });
        item.into_iter().any(|at| {
            let Some(word) = self.words.get(at) else { return true };
            let Some(name) = word.name.as_deref() else { return false };
            let follows = |kind: Kind| is(self.words, at + 1, kind);
            let after_dot = at > 0 && is(self.words, at - 1, Kind::Dot);
            if self.columns.iter().any(|column| !column.is_any_column() && column.may_name_column(name)) {
                return true;
            }
            if after_dot && takes_rows(name) {
                return true;
            }
            let is_row = self.rows.contains(&name) && !after_dot && !follows(Kind::LeftParen);
            if is_row {
                // `c.id` is a column, `c.*` and `c` are rows.
                return !follows(Kind::Dot) || is(self.words, at + 2, Kind::Star);
            }
            // Any name can be a column of a table that is protected as a whole.
            let something_else = follows(Kind::LeftParen)
                || follows(Kind::Dot)
                || Some(at) == label
                || word.is_any(NEVER_COLUMNS);
            self.whole_table && !something_else
        })
    }
}

/// Words in expressions that are no columns.
const NEVER_COLUMNS: &[&str] = &[
    "as",
    "and",
    "or",
    "not",
    "null",
    "true",
    "false",
    "is",
    "in",
    "case",
    "when",
    "then",
    "else",
    "end",
    "distinct",
    "current_date",
    "current_timestamp",
    "current_time",
    "current_user",
    "session_user",
    "over",
    "partition",
    "by",
    "order",
    "asc",
    "desc",
    "filter",
    "where",
    "between",
    "like",
    "ilike",
    "interval",
    "all",
    "any",
];

/// `*`, `c.*`, `public.customers.*`
fn is_plain_star(item: &[Word<'_>]) -> bool {
    let Some((_, path)) = item.split_last() else { return false };
    path.chunks(2).all(|pair| matches!(pair, [name, dot] if name.name.is_some() && dot.kind == Kind::Dot))
}

/// An item that stands for several columns: its last word is a star and no operand follows.
fn is_star(item: &[Word<'_>]) -> bool {
    item.last().is_some_and(|word| word.kind == Kind::Star)
}

/// `count(*)`, `count(x)`, with or without a label.
fn is_count(item: &[Word<'_>]) -> bool {
    let item = match item {
        [counted @ .., r#as, label] if r#as.is("as") && label.name.is_some() => counted,
        [counted @ .., close, label] if close.kind == Kind::RightParen && label.name.is_some() => {
            counted.len().checked_add(1).and_then(|end| item.get(..end)).unwrap_or_default()
        }
        _ => item,
    };
    let item = match item {
        [schema, dot, rest @ ..] if schema.is("pg_catalog") && dot.kind == Kind::Dot => rest,
        _ => item,
    };
    let (Some(first), Some(last)) = (item.first(), item.last()) else { return false };
    let closes =
        item.iter().skip(2).filter(|word| word.kind == Kind::RightParen && word.depth == first.depth).count();
    first.is("count") && is(item, 1, Kind::LeftParen) && last.kind == Kind::RightParen && closes == 1
}

fn takes_rows(name: &str) -> bool {
    TAKE_ROWS.iter().any(|part| name.contains(part))
        || matches!(name, "min" | "max" | "first_value" | "last_value")
}

/// For columns protected in whatever table: whether a statement that does not name them may still use them,
/// through rows as a whole or through columns under another name. `several`: its result is not that of one
/// SELECT, so names on top may come from elsewhere.
fn may_use_rows(words: &[Word<'_>], several: bool) -> bool {
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
            return is_select_star(words, at) && (word.depth > 0 || sets);
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
        let declared =
            relations.iter().any(|relation| relation.last == at) || is_declaration(&relations, words, at);
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
