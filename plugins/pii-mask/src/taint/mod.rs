//! What a rule about a column's name cannot see: expressions. `full_name || ''`, `row_to_json(c)` and
//! `ascii(max(full_name))` have no origin and any name, and hold the protected value all the same.
//!
//! So the statement's text is asked what its computed columns may depend on. The answer over-approximates: an
//! item of a plain SELECT is clean when its own words name no protected column and no whole row of a protected
//! table; a count is clean; everything else in a statement that names something protected is tainted.
//!
//! What the text does not show, this cannot know: a view that renames a protected column and a function that
//! reads a protected table without being told its name look like any other. Protect them by their own names.

mod item;
mod names;
mod relations;
mod rows;
mod select;
mod words;

use crate::columns::Named;
use item::{Judge, is_count, is_plain_star, is_star};
use relations::is;
use rows::{inserts_unnamed, may_use_rows};
use select::Select;
use std::borrow::Cow;
use std::cell::OnceCell;
use weir_sql::Kind;
use words::{Word, words, words_of_string};

pub use names::{Names, is_operator};

/// What a statement's text says about the columns it computes.
#[derive(Debug, Default)]
pub struct Analysis {
    /// it names something protected
    pub mentions: bool,
    /// values written in it or bound to it may be of something protected, named or not
    pub holds_values: bool,
    computed: Computed,
    text: String,
    /// asked for only when a message comes
    names: OnceCell<Names>,
    /// its text is SQL
    pub is_sql: bool,
    /// it runs code nobody has read: DO, CALL
    pub runs_code: bool,
    /// What the server says of it may hold something protected: it names such a thing, computes from one, or nobody
    /// can say.
    pub may_echo: bool,
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
    "pg_stat_get_activity",
    "pg_stat_get_backend_activity",
    "pg_stat_statements",
    "pg_prepared_statement",
    "pg_cursor",
];

/// Views that show the texts of statements, of other sessions too: what is computed from those may hold anything.
const SHOW_STATEMENTS: &[&str] =
    &["pg_stat_activity", "pg_stat_statements", "pg_prepared_statements", "pg_cursors"];

/// Statements whose errors tell of rows they do not name.
const WRITES: &[&str] = &["insert", "update", "delete", "merge", "copy"];

/// Kinds of operations whose text is no SQL, and is not read.
pub fn is_spoken_over_http(kind: &str) -> bool {
    ["http.", "mcp.", "git."].iter().any(|spoken| kind.starts_with(spoken))
}

impl Analysis {
    /// Reads an operation's text. Nothing is protected without `columns`.
    pub fn of(kind: &str, text: &str, columns: &[Named]) -> Analysis {
        let is_sql = kind.starts_with("sql.");
        if columns.is_empty() || is_spoken_over_http(kind) {
            return Analysis { is_sql, ..Analysis::default() };
        }
        let Some((words, strings)) = words(text) else {
            return Analysis { is_sql, ..Analysis::of_unreadable(text, columns) };
        };
        let mentions = runs_the_unseen(&words) || mentions(&words, &strings, columns);
        let runs_code = words.first().is_some_and(|word| word.is_any(&["do", "call"]));
        let computed = if words.is_empty() || kind == "sql.call" {
            Computed::All
        } else {
            computed(&words, &strings, mentions, columns)
        };
        // For columns of whatever table: rows as a whole, and what is written into a table.
        let any_table = columns.iter().any(Named::is_any_table);
        let rows = any_table && may_use_rows(&words, true);
        let writes = any_table && words.first().is_some_and(|word| word.is_any(WRITES));
        let holds_values = mentions || rows || (any_table && inserts_unnamed(&words));
        let may_echo = mentions || runs_code || rows || writes || computed.is_any_tainted();
        let names = OnceCell::new();
        Analysis {
            mentions,
            holds_values,
            computed,
            text: text.to_owned(),
            names,
            is_sql,
            runs_code,
            may_echo,
        }
    }

    /// Nobody can say what it does: whatever it computes is tainted.
    fn of_unreadable(text: &str, columns: &[Named]) -> Analysis {
        let lower = text.to_lowercase();
        let named =
            columns.iter().flat_map(Named::fixed_parts).any(|part| lower.contains(&part.to_lowercase()));
        let mentions = named || lower.contains("u&") || lower.contains('\\');
        let computed = Computed::All;
        Analysis {
            mentions,
            holds_values: mentions,
            computed,
            runs_code: true,
            may_echo: true,
            ..Analysis::default()
        }
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

    /// The names the statement itself contains.
    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| Names::of(&self.text))
    }
}

impl Computed {
    fn is_any_tainted(&self) -> bool {
        match self {
            Computed::Clean => false,
            Computed::All => true,
            Computed::Items(items) => items.iter().any(|item| item.is_tainted()),
        }
    }
}

impl Item {
    fn is_tainted(&self) -> bool {
        match self {
            Item::Column { tainted } | Item::Star { tainted } => *tainted,
        }
    }
}

/// What it runs was written elsewhere, and may be about anything: EXECUTE, in whatever statement; FETCH, MOVE, CALL, DO;
/// the end of a transaction, which runs cursors WITH HOLD and what was deferred.
fn runs_the_unseen(words: &[Word<'_>]) -> bool {
    let starts = |at: usize| at == 0 || is(words, at - 1, Kind::Semicolon);
    words.iter().enumerate().any(|(at, word)| {
        word.is("execute") || (word.is_any(&["fetch", "move", "call", "do", "commit", "end"]) && starts(at))
    })
}

/// A protected column or table is named, or text that looks like SQL names one.
fn mentions(words: &[Word<'_>], strings: &[Cow<'_, str>], columns: &[Named]) -> bool {
    let named =
        |name: &str| SHOW_STATEMENTS.contains(&name) || columns.iter().any(|column| names_it(column, name));
    words.iter().filter_map(|word| word.name.as_deref()).any(named)
        || strings.iter().any(|string| string_mentions(string, columns))
}

fn names_it(column: &Named, name: &str) -> bool {
    let everything = column.is_any_column() && column.is_any_table();
    everything || column.may_name_table(name) || (!column.is_any_column() && column.may_name_column(name))
}

/// SQL inside a string. A string that merely is a protected name is a value.
fn string_mentions(string: &str, columns: &[Named]) -> bool {
    let is_sql = || {
        words_of_string(string).any(|word| {
            matches!(word.as_str(), "select" | "table" | "from" | "returning" | "execute" | "copy" | "u")
        })
    };
    let named =
        |word: &str| SHOW_STATEMENTS.contains(&word) || columns.iter().any(|column| names_it(column, word));
    is_sql() && words_of_string(string).any(|word| named(&word))
}

fn computed(words: &[Word<'_>], strings: &[Cow<'_, str>], mentions: bool, columns: &[Named]) -> Computed {
    let calls = |word: &(usize, &Word<'_>)| {
        let (at, name) = (word.0, word.1.name.as_deref().unwrap_or_default());
        // `x.lo_get` is `lo_get(x)`; but `public.pg_stat_statements` is a view.
        let before = |count: usize| at.checked_sub(count).and_then(|at| words.get(at));
        let behind_dot = before(1).is_some_and(|word| word.kind == Kind::Dot)
            && (!SHOW_STATEMENTS.contains(&name) || before(2).is_some_and(|word| word.name.is_none()));
        (behind_dot || is(words, at + 1, Kind::LeftParen))
            && (RUN_SQL.contains(&name) || name.starts_with("dblink"))
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
    let shows_statements =
        relations.iter().any(|relation| SHOW_STATEMENTS.contains(&relation.table.as_str()));
    let items = select.items.iter().map(|item| {
        let own = words.get(item.clone()).unwrap_or_default();
        if shows_statements && !is_plain_star(own) {
            return match is_star(own) {
                true => Item::Star { tainted: true },
                false => Item::Column { tainted: !is_count(own) },
            };
        }
        if is_star(own) {
            // What a join merges has no origin either, but its name.
            return Item::Star { tainted: !is_plain_star(own) || judge.whole_table };
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
