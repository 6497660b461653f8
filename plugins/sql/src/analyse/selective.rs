//! Does a condition pick rows, or does it let every row through?
//!
//! `DELETE FROM t WHERE true` is a `DELETE` without a `WHERE`, and so is `WHERE id = id`. A condition counts
//! as selective only if it can be proved to depend on the row by its form: at least one of its AND-ed parts,
//! in every OR-ed arm, must hold a plain column of the target equal to something that does not come from the
//! same row (a literal, a parameter, one of a list of them, what a few functions make of them), to NULL, or to the beginning of a
//! text. A call of any other function does not count: `id = nextval('s')` walks a table, and
//! `id = any(array_positions(...))` is a range. Whatever is not of
//! such a form is not selective; the price of a wrong "no" is a question to a person, the price of a wrong "yes" a
//! table.
//!
//! A range (`id > -1`, `id between 0 and 1000000`) and a column that is what a query returns (`id in (select ...)`,
//! `id = (select id)`, which may be the row's own) do not count: both may match everything, and text cannot tell.
//! So it is with a joined relation, unless what is joined are values that are written down (`FROM (VALUES ...) v`,
//! `FROM unnest($1) v(id)`), few rows by a LIMIT, or rows of a table with a column that is equal to such a value. Known to count
//! although it may match everything: `is null`, and all values that a column can have (`flag in (true, false)`).

use super::parser::{Parser, Wide};
use crate::lex::Kind;

/// The relation an UPDATE, DELETE or MERGE changes, and what it is joined with.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// the name its columns are qualified with
    pub(super) alias: String,
    /// joined relations by alias, with what they may return all of; at most 64 of them
    pub(super) others: Vec<(String, Wide)>,
}

/// An expression, as far as conditions need to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expr {
    pub(super) shape: Shape,
    /// as a condition, it is proved to pick rows
    pub(super) selective: bool,
    /// joined relations with a column that must be equal to one of the target
    linked: Joined,
    /// joined tables with a column that must be equal to a value
    fixed: Joined,
}

/// A bit for each of `Target::others`.
type Joined = u64;

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
    pub(super) const OTHER: Expr = Expr::of(Shape::Other);
    pub(super) const CONSTANT: Expr = Expr::of(Shape::Constant);

    pub(super) const fn of(shape: Shape) -> Expr {
        Expr { shape, selective: false, linked: 0, fixed: 0 }
    }

    pub(super) fn condition(selective: bool) -> Expr {
        Expr { selective, ..Expr::OTHER }
    }

    /// What is joined by one and told apart by the other is as good as a value.
    fn with_joined(self, linked: Joined, fixed: Joined) -> Expr {
        Expr { selective: self.selective || linked & fixed != 0, linked, fixed, ..Expr::OTHER }
    }

    /// `self AND other`
    pub(super) fn both(self, other: Expr) -> Expr {
        let selective = self.selective || other.selective;
        Expr::condition(selective).with_joined(self.linked | other.linked, self.fixed | other.fixed)
    }

    /// `self OR other`
    pub(super) fn either(self, other: Expr) -> Expr {
        let selective = self.selective && other.selective;
        Expr::condition(selective).with_joined(self.linked & other.linked, self.fixed & other.fixed)
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

/// Functions that make one value of one value, the same for every row of a statement.
const OF_VALUES: [&str; 36] = [
    "abs",
    "btrim",
    "ceil",
    "ceiling",
    "concat",
    "convert_from",
    "convert_to",
    "date",
    "date_trunc",
    "decode",
    "encode",
    "floor",
    "left",
    "length",
    "lower",
    "ltrim",
    "make_date",
    "make_timestamp",
    "make_timestamptz",
    "md5",
    "now",
    "replace",
    "right",
    "round",
    "rtrim",
    "sha256",
    "statement_timestamp",
    "substr",
    "to_char",
    "to_date",
    "to_hex",
    "to_number",
    "to_timestamp",
    "transaction_timestamp",
    "trunc",
    "upper",
];

/// Is the call of this function (by its folded name) with constants as good as a constant?
pub(super) fn keeps_constant(schema: Option<&str>, name: &str) -> bool {
    is_of_server(schema) && OF_VALUES.binary_search(&name).is_ok()
}

/// Is a name with this schema taken for one of the server's?
pub(super) fn is_of_server(schema: Option<&str>) -> bool {
    matches!(schema, None | Some("pg_catalog"))
}

impl Parser<'_> {
    /// `left = right`
    pub(super) fn equality(&self, left: Expr, right: Expr) -> Expr {
        self.column_against(left, right).both(self.column_against(right, left))
    }

    /// `left IN (...)`, with what is known of all elements
    pub(super) fn membership_in(&self, left: Expr, elements: Expr) -> Expr {
        match elements.is_constant() {
            true => self.column_against(left, elements),
            false => Expr::OTHER,
        }
    }

    /// `left LIKE pattern`: the pattern must be one literal that begins with an ordinary character.
    pub(super) fn pattern_selects(&self, left: Expr, pattern: Expr) -> bool {
        let Shape::Literal(at) = pattern.shape else { return false };
        let Some(token) = self.tokens.get(at) else { return false };
        token.kind == Kind::Text
            && self.is_own_column(left)
            && token.span.of(self.text).chars().nth(1).is_some_and(char::is_alphanumeric)
    }

    fn column_against(&self, column: Expr, value: Expr) -> Expr {
        if value.is_constant() {
            let own = self.is_own_column(column) || column.shape == Shape::Row;
            let table = self.joined_relation(column).filter(|(_, wide)| !wide.has(Wide::MANY));
            let fixed = table.map_or(0, |(bit, _)| bit);
            return Expr::condition(own).with_joined(0, fixed);
        }
        match self.joined_relation(value).filter(|_| self.is_own_column(column)) {
            Some((bit, wide)) => Expr::condition(wide == Wide::NONE).with_joined(bit, 0),
            None => Expr::OTHER,
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

    /// The joined relation that a plain column is of, and what that may return all of.
    fn joined_relation(&self, expr: Expr) -> Option<(Joined, Wide)> {
        let (Shape::Column { first, last }, Some(target)) = (expr.shape, &self.target) else { return None };
        let name = self.tokens.get(last).map(|token| self.name_of(*token))?;
        let alias = self.qualifier(first, last)?;
        if alias == target.alias || SYSTEM_COLUMNS.contains(&&*name) {
            return None;
        }
        let at = target.others.iter().position(|(name, _)| *name == alias)?;
        let bit = 1u64.checked_shl(u32::try_from(at).ok()?)?;
        target.others.get(at).map(|(_, wide)| (bit, *wide))
    }

    /// The name right before a column's own.
    fn qualifier(&self, first: usize, last: usize) -> Option<String> {
        let before = last.checked_sub(2).filter(|before| *before >= first)?;
        self.tokens.get(before).map(|token| self.name_of(*token).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_halves() {
        assert!(OF_VALUES.is_sorted());
        assert!(keeps_constant(None, "lower") && keeps_constant(Some("pg_catalog"), "now"));
        assert!(!keeps_constant(Some("app"), "lower") && !keeps_constant(None, "nextval"));
    }
}
