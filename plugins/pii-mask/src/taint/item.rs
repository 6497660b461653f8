//! What one item of a select list depends on, told from its own words.

use super::relations::{Relation, is};
use super::words::Word;
use crate::columns::Named;
use weir_sql::Kind;

/// Reads the items of a plain SELECT.
pub(super) struct Judge<'w, 't> {
    words: &'w [Word<'t>],
    columns: &'w [Named],
    /// names that stand for whole rows of protected tables
    rows: Vec<&'w str>,
    /// those of them of tables that patterns name
    named_rows: Vec<&'w str>,
    /// a table is read all of whose columns are protected
    pub(super) whole_table: bool,
}

impl<'w, 't> Judge<'w, 't> {
    pub(super) fn new(words: &'w [Word<'t>], relations: &'w [Relation], columns: &'w [Named]) -> Self {
        let protects = |relation: &Relation, column: &Named| {
            column.may_name_table(&relation.table) || (column.is_any_table() && !relation.system)
        };
        let protected = |relation: &&Relation| columns.iter().any(|column| protects(relation, column));
        let rows = relations
            .iter()
            .filter(protected)
            .flat_map(|relation| [relation.row_name(), &relation.table])
            .collect();
        let named =
            |relation: &&Relation| columns.iter().any(|column| column.may_name_table(&relation.table));
        let named_rows = relations.iter().filter(named).map(Relation::row_name).collect();
        let whole_table = relations.iter().any(|relation| {
            columns.iter().any(|column| column.is_any_column() && protects(relation, column))
        });
        Judge { words, columns, rows, named_rows, whole_table }
    }

    /// What is asked about has no origin. A column of a table has one: `c.x` without is a function of the row `c`.
    pub(super) fn taints(&self, item: std::ops::Range<usize>) -> bool {
        if self.may_be_function_of_row(item.clone()) {
            return true;
        }
        let label = item.end.checked_sub(1).filter(|last| {
            last.checked_sub(1).and_then(|at| self.words.get(at)).is_some_and(|word| word.is("as"))
        });
        let start = item.start;
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
            let named_row = self.rows.contains(&name);
            // `c.id` is a column, `c.*`, `public.customers.*` and `c` are rows.
            if named_row && follows(Kind::Dot) && is(self.words, at + 2, Kind::Star) {
                return true;
            }
            if named_row && !after_dot && !follows(Kind::LeftParen) {
                return !follows(Kind::Dot);
            }
            // Any name can be a column of a table that is protected as a whole.
            let something_else = follows(Kind::LeftParen)
                || follows(Kind::Dot)
                || Some(at) == label
                || (!after_dot && self.is_keyword(at, start));
            self.whole_table && !something_else
        })
    }

    /// `c.x`, `public.customers.x`, with a label or without, of a table that a pattern names. Tables that only
    /// patterns for whatever table protect do not count: columns of temporary tables have no origin either.
    fn may_be_function_of_row(&self, item: std::ops::Range<usize>) -> bool {
        let words = self.words.get(item).unwrap_or_default();
        let path = words.iter().enumerate().take_while(|(at, word)| match at % 2 {
            0 => word.name.is_some(),
            _ => word.kind == Kind::Dot,
        });
        let length = path.count();
        let label = match words.get(length..) {
            Some([] | [_]) => true,
            Some([r#as, _]) => r#as.is("as"),
            _ => false,
        };
        let (Some(row), Some(column)) = (
            length.checked_sub(3).and_then(|at| words.get(at)?.name.as_deref()),
            length.checked_sub(1).and_then(|at| words.get(at)?.name.as_deref()),
        ) else {
            return false;
        };
        label && length % 2 == 1 && self.named_rows.contains(&row) && !SYSTEM_COLUMNS.contains(&column)
    }

    /// A word of an expression that is no column there, in an item that begins at `start`.
    fn is_keyword(&self, at: usize, start: usize) -> bool {
        let Some(word) = self.words.get(at) else { return false };
        if word.is("interval") {
            return self.words.get(at + 1).is_some_and(|word| word.kind.is_text());
        }
        if word.is("between") {
            let before = at.checked_sub(1).filter(|before| *before >= start);
            return before.and_then(|before| self.words.get(before)).is_some_and(ends_operand);
        }
        word.is_any(NEVER_COLUMNS)
    }
}

/// Whether an operand may end here, so that what follows is no column. A name need not be told: it taints by itself.
fn ends_operand(word: &Word<'_>) -> bool {
    let literal = word.kind.is_quoted_literal() || matches!(word.kind, Kind::Integer | Kind::Decimal);
    let closed = matches!(word.kind, Kind::RightParen | Kind::RightBracket | Kind::Param);
    literal || closed || word.is_any(&["null", "true", "false", "end", "current_date", "current_timestamp"])
}

/// What PostgreSQL keeps in every row.
const SYSTEM_COLUMNS: &[&str] = &["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Words in expressions that are no columns: reserved ones, which no column can have as its name without quotes or a
/// dot in front.
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
    "order",
    "asc",
    "desc",
    "where",
    "like",
    "ilike",
    "all",
    "any",
];

/// `*`, `c.*`, `public.customers.*`
pub(super) fn is_plain_star(item: &[Word<'_>]) -> bool {
    let Some((_, path)) = item.split_last() else { return false };
    path.chunks(2).all(|pair| matches!(pair, [name, dot] if name.name.is_some() && dot.kind == Kind::Dot))
}

/// An item that stands for several columns: its last word is a star and no operand follows.
pub(super) fn is_star(item: &[Word<'_>]) -> bool {
    item.last().is_some_and(|word| word.kind == Kind::Star)
}

/// `count(*)`, `count(x)`, with or without a label.
pub(super) fn is_count(item: &[Word<'_>]) -> bool {
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

pub(super) fn takes_rows(name: &str) -> bool {
    TAKE_ROWS.iter().any(|part| crate::hint::has_part(name, part))
        || matches!(name, "min" | "max" | "first_value" | "last_value")
}

/// `c.row_to_json` is `row_to_json(c)`: functions that take any row.
const TAKE_ROWS: &[&str] =
    &["json", "agg", "record", "hstore", "concat", "quote_", "hash_", "any_value", "xml"];
