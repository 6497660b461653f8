//! Does a condition pick rows, or does it let every row through?
//!
//! `DELETE FROM t WHERE true` is a `DELETE` without a `WHERE`, and so is `WHERE id = id`. A condition counts
//! as selective only if it can be proved to depend on the row by its form: at least one of its AND-ed parts,
//! in every OR-ed arm, must hold a plain column of the target equal to something that does not come from the
//! same row (a literal, a parameter, one of a list of them), to NULL, or to the beginning of a text. Whatever is not of such a form is not selective; the price of a wrong "no" is a question to a
//! person, the price of a wrong "yes" a table.
//!
//! A range (`id > -1`, `id between 0 and 1000000`) and a column that is one of a query's (`id in (select ...)`)
//! do not count: both may match everything, and text cannot tell. Known to count although they may: `is null`,
//! and an equality with a column of another table that is joined.

use super::parser::{Parser, Wide};
use crate::lex::Kind;

/// The relation an UPDATE, DELETE or MERGE changes, and what it is joined with.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// the name its columns are qualified with
    pub(super) alias: String,
    /// the last part of its own name
    pub(super) relation: String,
    /// joined relations by alias, with what they may return all of
    pub(super) others: Vec<(String, Wide)>,
}

/// An expression, as far as conditions need to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expr {
    pub(super) shape: Shape,
    /// as a condition, it is proved to pick rows
    pub(super) selective: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// a column by its name alone; the places of its first and last token
    Column {
        first: usize,
        last: usize,
    },
    /// one character literal; the place of its token
    Literal(usize),
    /// no column in it
    Constant,
    /// `(SELECT ...)`
    Query(Wide),
    /// `(a, b)`, of plain columns and constants, with at least one column of the target
    Row,
    Other,
}

impl Expr {
    pub(super) const OTHER: Expr = Expr { shape: Shape::Other, selective: false };
    pub(super) const CONSTANT: Expr = Expr { shape: Shape::Constant, selective: false };

    pub(super) fn of(shape: Shape) -> Expr {
        Expr { shape, selective: false }
    }

    pub(super) fn condition(selective: bool) -> Expr {
        Expr { shape: Shape::Other, selective }
    }

    pub(super) fn is_constant(self) -> bool {
        matches!(self.shape, Shape::Literal(_) | Shape::Constant)
    }

    /// What remains of it once something is done to it: a constant stays one, nothing else is plain any more.
    pub(super) fn computed(self) -> Expr {
        if self.is_constant() { Expr::CONSTANT } else { Expr::OTHER }
    }

    pub(super) fn computed_with(self, other: Expr) -> Expr {
        if self.is_constant() { other.computed() } else { Expr::OTHER }
    }
}

/// Columns every row has, with values that may be the same in all of them.
const SYSTEM_COLUMNS: [&str; 5] = ["tableoid", "xmin", "xmax", "cmin", "cmax"];

impl Parser<'_> {
    /// `left = right`
    pub(super) fn equality_selects(&self, left: Expr, right: Expr) -> bool {
        self.column_against(left, right)
            || self.column_against(right, left)
            || (left.shape == Shape::Row && right.is_constant())
            || (right.shape == Shape::Row && left.is_constant())
    }

    /// `left IN (...)`, with what is known of all elements
    pub(super) fn membership_selects(&self, left: Expr, elements: Expr) -> bool {
        elements.is_constant() && (self.is_own_column(left) || left.shape == Shape::Row)
    }

    /// `left LIKE pattern`: the pattern must be one literal that begins with an ordinary character.
    pub(super) fn pattern_selects(&self, left: Expr, pattern: Expr) -> bool {
        let Shape::Literal(at) = pattern.shape else { return false };
        let Some(token) = self.tokens.get(at) else { return false };
        token.kind == Kind::Text
            && self.is_own_column(left)
            && token.span.of(self.text).chars().nth(1).is_some_and(char::is_alphanumeric)
    }

    fn column_against(&self, column: Expr, value: Expr) -> bool {
        self.is_own_column(column)
            && match value.shape {
                Shape::Literal(_) | Shape::Constant => true,
                Shape::Query(wide) => self.is_narrow(wide),
                Shape::Column { .. } => self.is_joined_column(value),
                Shape::Row | Shape::Other => false,
            }
    }

    /// A plain column that is, without doubt, the target's. Without a target (inside a subquery): any.
    pub(super) fn is_own_column(&self, expr: Expr) -> bool {
        let Shape::Column { first, last } = expr.shape else { return false };
        let Some(name) = self.tokens.get(last).map(|token| self.name_of(*token)) else { return false };
        if SYSTEM_COLUMNS.contains(&&*name) {
            return false;
        }
        let Some(target) = &self.target else { return true };
        if first == last {
            return target.others.is_empty();
        }
        self.qualifier(first, last).is_some_and(|alias| alias == target.alias)
    }

    /// A plain column of a joined relation that does not return every row of the target.
    fn is_joined_column(&self, expr: Expr) -> bool {
        let (Shape::Column { first, last }, Some(target)) = (expr.shape, &self.target) else { return false };
        let Some(alias) = self.qualifier(first, last) else { return false };
        alias != target.alias
            && target.others.iter().any(|(name, wide)| *name == alias && self.is_narrow(*wide))
    }

    /// The name right before a column's own.
    fn qualifier(&self, first: usize, last: usize) -> Option<String> {
        let before = last.checked_sub(2).filter(|before| *before >= first)?;
        self.tokens.get(before).map(|token| self.name_of(*token).into_owned())
    }

    fn is_narrow(&self, wide: Wide) -> bool {
        self.target.as_ref().is_none_or(|target| !self.is_wide_on(wide, &target.relation))
    }
}
