//! Queries: WITH, SELECT, VALUES, TABLE, set operations, and the clauses after them.

use super::class::Class;
use super::expr::is_operator;
use super::parser::{Parse, Parser, Stop, Wide};
use super::selective::Shape;
use super::statement::{ItemForm, OutputItem};
use crate::keyword::Keyword;
use crate::lex::Kind;

/// More names than this in WITH are not followed: each relation is looked up among them.
const MAX_CTES: usize = 500;

/// `LIMIT n` makes a query narrow only up to this many rows: beyond, a batch is a bulk.
const NARROW_LIMIT: u32 = 10_000;

impl Parser<'_> {
    /// A query with everything that may belong to it; which relations it may return all rows of.
    pub(super) fn query(&mut self) -> Parse<Wide> {
        if self.is_word(Keyword::With) {
            self.wants_items = false;
            self.items = None;
            self.with_clause()?;
        }
        let wide = self.query_term()?;
        self.query_from(wide)
    }

    /// Goes on with a query whose first term has been read.
    pub(super) fn query_from(&mut self, mut wide: Wide) -> Parse<Wide> {
        while self.take_any(&[Keyword::Union, Keyword::Intersect, Keyword::Except]) {
            self.items = None;
            self.wants_items = false;
            self.take_any(&[Keyword::All, Keyword::Distinct]);
            wide = wide.and(self.query_term()?);
        }
        self.order_by()?;
        loop {
            match self.word() {
                Keyword::Limit => {
                    self.skip();
                    let first = self.peek();
                    if !self.take_word(Keyword::All) {
                        self.expr()?;
                        let rows = first
                            .filter(|token| token.kind == Kind::Integer)
                            .and_then(|token| token.span.of(self.text).parse::<u32>().ok());
                        if rows.is_some_and(|rows| rows <= NARROW_LIMIT) && self.is_single(first) {
                            wide = Wide::NONE;
                        }
                    }
                }
                Keyword::Offset => {
                    self.skip();
                    self.expr()?;
                    self.take_any(&[Keyword::Row, Keyword::Rows]);
                }
                Keyword::Fetch => self.fetch_clause()?,
                Keyword::For => self.locking_clause()?,
                _ => return Ok(wide),
            }
        }
    }

    /// Is what was just read this one token?
    fn is_single(&self, token: Option<crate::lex::Token>) -> bool {
        token.is_some() && self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).copied() == token
    }

    /// Does a query go on here, after one of its terms in parentheses?
    pub(super) fn is_query_tail(&self) -> bool {
        matches!(
            self.word(),
            Keyword::Union
                | Keyword::Intersect
                | Keyword::Except
                | Keyword::Order
                | Keyword::Limit
                | Keyword::Offset
                | Keyword::Fetch
                | Keyword::For
        )
    }

    fn query_term(&mut self) -> Parse<Wide> {
        match self.word() {
            Keyword::Select => self.select(),
            Keyword::Values => self.values(),
            Keyword::Table => {
                self.skip();
                self.wants_items = false;
                self.relation(false)
            }
            _ if self.is(Kind::LeftParen) => {
                self.skip();
                self.wants_items = false;
                let wide = self.in_query(Self::query)?;
                self.expect(Kind::RightParen)?;
                Ok(wide)
            }
            _ => Err(Stop::Unexpected),
        }
    }

    fn values(&mut self) -> Parse<Wide> {
        self.skip();
        self.wants_items = false;
        let columns = self.found.columns;
        self.list(|p| {
            p.expect(Kind::LeftParen)?;
            p.expr_list()?;
            p.expect(Kind::RightParen)
        })?;
        Ok(if self.found.columns > columns { Wide::ALL } else { Wide::NONE })
    }

    fn select(&mut self) -> Parse<Wide> {
        self.skip();
        let mut items = core::mem::replace(&mut self.wants_items, false).then(Vec::new);
        let (columns, outer_columns, outer_shadows) =
            (self.found.columns, self.found.outer_columns, self.found.outer_shadows);
        let (before, tables) = (self.mark(), self.found.tables);
        if self.take_word(Keyword::Distinct) {
            if self.is_list_end() {
                return Err(Stop::Unexpected);
            }
            if self.take_word(Keyword::On) {
                self.expect(Kind::LeftParen)?;
                self.expr_list()?;
                self.expect(Kind::RightParen)?;
            }
        } else {
            self.take_word(Keyword::All);
        }
        self.select_list(&mut items)?;
        if self.is_word(Keyword::Into) {
            self.select_into()?;
        }
        let mut wide = Wide::NONE;
        let mut is_of_tables = true;
        if self.take_word(Keyword::From) {
            let queries = self.found.queries;
            wide = self.table_list()?;
            is_of_tables = self.found.queries == queries && !wide.has(Wide::MANY);
            if self.found.queries != queries {
                items = None;
            }
        } else if self.found.columns > columns {
            // without FROM a column can only be one of the query around it
            wide = Wide::ALL;
        }
        if self.found.outer_columns > outer_columns && self.found.outer_shadows == outer_shadows {
            wide = Wide::ALL;
        }
        let makes_rows = self.makes_rows_since(&before);
        let joins = self.found.tables > tables + 1;
        // A column of a query may hold one value in every row.
        if self.take_word(Keyword::Where)
            && self.expr()?.selective
            && is_of_tables
            && ![Wide::ALL, Wide::NONE].contains(&wide)
        {
            // Of several relations it may pick rows of one only.
            wide = if joins { Wide::MANY } else { Wide::NONE };
        }
        if makes_rows {
            wide = wide.and(Wide::MANY);
        }
        if self.take_words(&[Keyword::Group, Keyword::By]) {
            self.take_any(&[Keyword::All, Keyword::Distinct]);
            self.list(Self::group_item)?;
        }
        if self.take_word(Keyword::Having) {
            self.expr()?;
        }
        if self.take_word(Keyword::Window) {
            self.list(|p| {
                p.column_name()?;
                p.expect_word(Keyword::As)?;
                p.window()
            })?;
        }
        if items.is_some() {
            self.items = items;
        }
        Ok(wide)
    }

    /// Does the select list (which may be empty) or a clause like it end here?
    fn is_list_end(&self) -> bool {
        match self.kind() {
            None | Some(Kind::RightParen) => true,
            Some(Kind::Word) => {
                self.is_query_tail()
                    || matches!(
                        self.word(),
                        Keyword::Into
                            | Keyword::From
                            | Keyword::Where
                            | Keyword::Group
                            | Keyword::Having
                            | Keyword::Window
                    )
            }
            _ => false,
        }
    }

    /// The list after SELECT or RETURNING.
    pub(super) fn select_list(&mut self, items: &mut Option<Vec<OutputItem>>) -> Parse<()> {
        if self.is_list_end() {
            return Ok(());
        }
        loop {
            let first = self.at;
            let (form, ends_in_star) = if self.take(Kind::Star) {
                (ItemForm::Star, true)
            } else {
                let expr = self.expr()?;
                let last = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
                let star = last.is_some_and(|token| token.kind == Kind::Star);
                match expr.shape {
                    Shape::Column { .. } => (ItemForm::Column, false),
                    _ if star => (ItemForm::Star, true),
                    _ => (ItemForm::Expression, false),
                }
            };
            let span = self.span_from(first);
            let named = self.take_word(Keyword::As) || (!ends_in_star && self.is_bare_label());
            let alias = if named { Some(self.label()?) } else { None };
            if let Some(items) = items {
                let alias = alias.map(|token| self.name_of(token).into_owned());
                items.push(OutputItem { span, alias, form });
            }
            if !self.take(Kind::Comma) {
                return Ok(());
            }
        }
    }

    /// `INTO [TEMP] [TABLE] name` makes a table of the result.
    fn select_into(&mut self) -> Parse<()> {
        self.skip();
        let modifiers = [
            Keyword::Local,
            Keyword::Global,
            Keyword::Temporary,
            Keyword::Temp,
            Keyword::Unlogged,
            Keyword::Table,
        ];
        while modifiers.contains(&self.word()) && self.kind_at(1).is_some_and(Kind::is_name) {
            // `INTO temp FROM t` makes a table called temp
            if matches!(self.word_at(1), Keyword::From | Keyword::Where) {
                break;
            }
            self.skip();
        }
        let name = self.qualified_name()?;
        self.object(name, true);
        self.class(Class::SchemaChange);
        Ok(())
    }

    fn group_item(&mut self) -> Parse<()> {
        self.deeper(|p| {
            if p.is(Kind::LeftParen) && p.kind_at(1) == Some(Kind::RightParen) {
                p.skip();
                p.skip();
                return Ok(());
            }
            if matches!(p.word(), Keyword::Rollup | Keyword::Cube) && p.kind_at(1) == Some(Kind::LeftParen) {
                p.skip();
                p.skip();
                p.expr_list()?;
                return p.expect(Kind::RightParen);
            }
            if p.take_words(&[Keyword::Grouping, Keyword::Sets]) {
                p.expect(Kind::LeftParen)?;
                p.list(Self::group_item)?;
                return p.expect(Kind::RightParen);
            }
            p.expr().map(|_| ())
        })
    }

    /// `ORDER BY ...`, if it is there.
    pub(super) fn order_by(&mut self) -> Parse<()> {
        if !self.take_words(&[Keyword::Order, Keyword::By]) {
            return Ok(());
        }
        self.list(|p| {
            p.expr()?;
            if p.take_word(Keyword::Using) {
                if p.is_word(Keyword::Operator) {
                    p.spelled_operator()?;
                } else {
                    let token = p.peek().filter(|token| is_operator(token.kind)).ok_or(Stop::Unexpected)?;
                    p.operator(token);
                    p.skip();
                }
            } else {
                p.take_any(&[Keyword::Asc, Keyword::Desc]);
            }
            if p.take_word(Keyword::Nulls) && !p.take_any(&[Keyword::First, Keyword::Last]) {
                return Err(Stop::Unexpected);
            }
            Ok(())
        })
    }

    fn fetch_clause(&mut self) -> Parse<()> {
        self.skip();
        if !self.take_any(&[Keyword::First, Keyword::Next]) {
            return Err(Stop::Unexpected);
        }
        if !matches!(self.word(), Keyword::Row | Keyword::Rows) {
            if !self.take(Kind::Plus) {
                self.take(Kind::Minus);
            }
            self.primary()?;
        }
        if !self.take_any(&[Keyword::Row, Keyword::Rows]) {
            return Err(Stop::Unexpected);
        }
        if self.take_word(Keyword::Only) || self.take_words(&[Keyword::With, Keyword::Ties]) {
            Ok(())
        } else {
            Err(Stop::Unexpected)
        }
    }

    fn locking_clause(&mut self) -> Parse<()> {
        self.skip();
        if self.take_words(&[Keyword::Read, Keyword::Only]) {
            return Ok(());
        }
        let strength = self.take_word(Keyword::Update)
            || self.take_words(&[Keyword::No, Keyword::Key, Keyword::Update])
            || self.take_word(Keyword::Share)
            || self.take_words(&[Keyword::Key, Keyword::Share]);
        if !strength {
            return Err(Stop::Unexpected);
        }
        self.found.flags.locks = true;
        if self.take_word(Keyword::Of) {
            self.list(|p| p.qualified_name().map(|_| ()))?;
        }
        if !self.take_word(Keyword::Nowait) {
            self.take_words(&[Keyword::Skip, Keyword::Locked]);
        }
        Ok(())
    }

    /// `WITH a AS (...), b AS (...)`: the names stay in scope until the query around it ends.
    pub(super) fn with_clause(&mut self) -> Parse<()> {
        self.expect_word(Keyword::With)?;
        let recursive = self.take_word(Keyword::Recursive);
        loop {
            if self.ctes.len() >= MAX_CTES {
                return Err(Stop::TooDeep);
            }
            let name = self.column_name().map(|token| self.name_of(token).into_owned())?;
            if self.take(Kind::LeftParen) {
                self.name_list()?;
                self.expect(Kind::RightParen)?;
            }
            self.expect_word(Keyword::As)?;
            if !self.take_words(&[Keyword::Not, Keyword::Materialized]) {
                self.take_word(Keyword::Materialized);
            }
            self.expect(Kind::LeftParen)?;
            let scope = self.ctes.len();
            if recursive {
                // what it adds to itself has no end that can be read
                self.ctes.push((name.clone(), Wide::MANY));
            }
            let wide = self.in_query(Self::preparable)?;
            self.expect(Kind::RightParen)?;
            self.ctes.truncate(scope);
            self.ctes.push((name, wide));
            if self.take_word(Keyword::Search) {
                if !self.take_any(&[Keyword::Depth, Keyword::Breadth]) {
                    return Err(Stop::Unexpected);
                }
                self.expect_word(Keyword::First)?;
                self.expect_word(Keyword::By)?;
                self.name_list()?;
                self.expect_word(Keyword::Set)?;
                self.column_name()?;
            }
            if self.take_word(Keyword::Cycle) {
                self.name_list()?;
                self.expect_word(Keyword::Set)?;
                self.column_name()?;
                if self.take_word(Keyword::To) {
                    self.primary()?;
                    self.expect_word(Keyword::Default)?;
                    self.primary()?;
                }
                self.expect_word(Keyword::Using)?;
                self.column_name()?;
            }
            if !self.take(Kind::Comma) {
                return Ok(());
            }
        }
    }
}
