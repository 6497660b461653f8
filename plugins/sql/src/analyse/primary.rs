//! What stands between operators: literals, parameters, columns, calls, parentheses.

use super::Class;
use super::arguments::class_of_computed;
use super::expr::Rule;
use super::parser::{Parse, Parser, Stop, Wide};
use super::selective::{Expr, Shape, keeps_constant};
use crate::functions;
use crate::keyword::{Category, Keyword};
use crate::lex::Kind;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parse<Expr> {
        let token = self.peek().ok_or(Stop::Unexpected)?;
        let expr = match token.kind {
            kind if kind.is_text() => {
                self.skip();
                Expr::of(Shape::Literal(self.at - 1))
            }
            Kind::Integer | Kind::Decimal | Kind::Bits | Kind::Hex => {
                self.skip();
                Expr::CONSTANT
            }
            Kind::Param => {
                self.skip();
                self.indirection(Expr::CONSTANT)?
            }
            Kind::LeftParen => {
                let open = self.at;
                let inside = self.parenthesised()?;
                self.call_behind(open);
                self.indirection(inside)?
            }
            Kind::Quoted | Kind::UnicodeQuoted => self.name()?,
            Kind::Word => self.word_primary(token.word)?,
            _ => return Err(Stop::Unexpected),
        };
        self.casts(expr)
    }

    /// `::type`, any number of times, and the subscripts that may follow.
    pub(super) fn casts(&mut self, mut expr: Expr) -> Parse<Expr> {
        while self.take(Kind::Cast) {
            self.type_name()?;
            expr = expr.computed();
        }
        Ok(expr)
    }

    /// `[1]`, `[1:2]`, `.field`, `.*` after an operand.
    fn indirection(&mut self, mut expr: Expr) -> Parse<Expr> {
        loop {
            if self.take(Kind::LeftBracket) {
                expr = expr.computed();
                if !self.is(Kind::Colon) {
                    expr = expr.computed_with(self.expr()?);
                }
                if self.take(Kind::Colon) && !self.is(Kind::RightBracket) {
                    expr = expr.computed_with(self.expr()?);
                }
                self.expect(Kind::RightBracket)?;
            } else if self.take(Kind::Dot) {
                if !self.take(Kind::Star) {
                    let field = self.label()?;
                    let name = self.name_of(field);
                    self.field_or_call(&name);
                }
                expr = expr.computed();
            } else {
                return Ok(expr);
            }
        }
    }

    /// `(x).name` calls the function `name` if `x` has no such field: see `functions::fields`.
    pub(super) fn field_or_call(&mut self, name: &str) {
        if !functions::is_field(name) && !functions::is_harmless(name) {
            let class = class_of_computed(name).or_else(|| functions::known_class(name));
            let class = class.unwrap_or(Class::FunctionCall);
            self.called(name.to_owned(), Some(class));
        }
    }

    /// `(...)`: a query, an expression, or a row. An expression keeps its shape: parentheses change nothing.
    pub(super) fn parenthesised(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            p.expect(Kind::LeftParen)?;
            let first = if p.is_query_start() {
                p.found.inner_queries += 1;
                let wide = p.in_query(Self::query)?;
                p.expect(Kind::RightParen)?;
                return Ok(Expr::of(Shape::Query(wide)));
            } else if p.is(Kind::LeftParen) {
                let open = p.at;
                let inside = p.parenthesised()?;
                p.call_behind(open);
                if let (Shape::Query(wide), true) = (inside.shape, p.is_query_tail()) {
                    let wide = p.in_query(|p| p.query_from(wide))?;
                    p.expect(Kind::RightParen)?;
                    return Ok(Expr::of(Shape::Query(wide)));
                }
                let first = p.indirection(inside)?;
                let first = p.casts(first)?;
                p.expr_from(first)?
            } else {
                p.expr()?
            };
            if p.take(Kind::RightParen) {
                return Ok(first);
            }
            p.expect(Kind::Comma)?;
            let row = p.row_after(first)?;
            p.expect(Kind::RightParen)?;
            Ok(row)
        })
    }

    /// The rest of a row.
    fn row_after(&mut self, first: Expr) -> Parse<Expr> {
        let mut constant = first.is_constant();
        let mut has_column = self.is_own_column(first) || first.shape == Shape::Row;
        let mut plain = constant || has_column;
        loop {
            let next = self.expr()?;
            let column = self.is_own_column(next) || next.shape == Shape::Row;
            constant &= next.is_constant();
            has_column |= column;
            plain &= next.is_constant() || column;
            if !self.take(Kind::Comma) {
                break;
            }
        }
        Ok(match (constant, plain && has_column) {
            (true, _) => Expr::CONSTANT,
            (false, true) => Expr::of(Shape::Row),
            (false, false) => Expr::OTHER,
        })
    }

    fn word_primary(&mut self, word: Keyword) -> Parse<Expr> {
        match word {
            Keyword::NotAKeyword => self.name(),
            Keyword::Null | Keyword::True | Keyword::False | Keyword::Default => {
                self.skip();
                Ok(Expr::CONSTANT)
            }
            Keyword::Case => self.case(),
            Keyword::Exists if self.kind_at(1) == Some(Kind::LeftParen) => {
                self.skip();
                match self.parenthesised()?.shape {
                    Shape::Query(_) => Ok(Expr::OTHER),
                    _ => Err(Stop::Unexpected),
                }
            }
            Keyword::Array => {
                self.skip();
                if self.is(Kind::LeftParen) { self.parenthesised() } else { self.array() }
            }
            Keyword::Row if self.kind_at(1) == Some(Kind::LeftParen) => {
                self.skip();
                if self.kind_at(1) == Some(Kind::RightParen) {
                    self.skip();
                    self.skip();
                    return Ok(Expr::CONSTANT);
                }
                self.skip();
                let first = self.expr()?;
                let row = if self.take(Kind::Comma) { self.row_after(first)? } else { first.computed() };
                self.expect(Kind::RightParen)?;
                self.indirection(row)
            }
            _ => match self.special(word)? {
                Some(expr) => Ok(expr),
                None => self.name(),
            },
        }
    }

    fn array(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            p.expect(Kind::LeftBracket)?;
            let mut all = Expr::CONSTANT;
            if p.take(Kind::RightBracket) {
                return Ok(all);
            }
            loop {
                let element = if p.is(Kind::LeftBracket) { p.array()? } else { p.expr()? };
                all = all.computed_with(element);
                if !p.take(Kind::Comma) {
                    break;
                }
            }
            p.expect(Kind::RightBracket)?;
            Ok(all)
        })
    }

    fn case(&mut self) -> Parse<Expr> {
        self.skip();
        let mut all = Expr::CONSTANT;
        if !self.is_word(Keyword::When) {
            all = all.computed_with(self.expr()?);
        }
        while self.take_word(Keyword::When) {
            all = all.computed_with(self.expr()?);
            self.expect_word(Keyword::Then)?;
            all = all.computed_with(self.expr()?);
        }
        if self.take_word(Keyword::Else) {
            all = all.computed_with(self.expr()?);
        }
        self.expect_word(Keyword::End)?;
        Ok(all)
    }

    /// A column, a call, or a literal with its type in front: all begin with a name.
    fn name(&mut self) -> Parse<Expr> {
        let first = self.at;
        let category = if self.is(Kind::Word) { self.word().category() } else { Category::Unreserved };
        if category == Category::Reserved {
            return Err(Stop::Unexpected);
        }
        self.skip();
        while self.is(Kind::Dot) {
            if self.kind_at(1) == Some(Kind::Star) {
                self.skip();
                self.skip();
                self.found.columns += 1;
                return Ok(Expr::OTHER);
            }
            self.skip();
            self.label()?;
        }
        let last = self.at - 1;
        match self.kind() {
            Some(Kind::LeftParen) if first != last || category != Category::ColName => {
                return self.call(first, last);
            }
            Some(kind) if kind.is_text() && (first != last || category != Category::ColName) => {
                self.skip();
                return Ok(Expr::CONSTANT);
            }
            _ => {}
        }
        if category == Category::TypeFunc {
            return Err(Stop::Unexpected);
        }
        self.found.columns += 1;
        if first != last {
            self.qualified_column(last);
        }
        self.indirection(Expr::of(Shape::Column { first, last }))
    }

    /// Writes down a column with a qualifier, which may be a call in disguise: see `functions::fields`.
    fn qualified_column(&mut self, last: usize) {
        self.found.qualified.push(last);
        let Some(outer) = &self.outer else { return };
        let qualifier =
            last.checked_sub(2).and_then(|at| self.tokens.get(at)).map(|token| self.name_of(*token));
        if qualifier.is_some_and(|qualifier| *outer == *qualifier) {
            self.found.outer_columns += 1;
        }
    }

    /// `name(...)` and what may follow it. The name has been read.
    fn call(&mut self, first: usize, last: usize) -> Parse<Expr> {
        let name = self.tokens.get(last).map(|token| self.name_of(*token)).ok_or(Stop::Unexpected)?;
        let schema = if first == last {
            None
        } else {
            last.checked_sub(2).and_then(|at| self.tokens.get(at)).map(|token| self.name_of(*token))
        };
        if name == "set_config" {
            self.set_config();
        } else if last - first > 2 {
            // database.schema.name
            self.called(name.clone().into_owned(), Some(Class::FunctionCall));
        } else {
            self.function(schema.as_deref(), &name);
            let is_written =
                || self.are_arguments_written() || name == "pg_notify" && self.is_first_argument_written();
            if let Some(class) = class_of_computed(&name).filter(|_| !is_written()) {
                self.called(name.clone().into_owned(), Some(class));
            }
        }
        let mut all = self.deeper(Self::arguments)?;
        // a type with modifiers before a literal: `numeric(10, 2) '1.5'`
        if self.kind().is_some_and(Kind::is_text) {
            self.skip();
            return Ok(Expr::CONSTANT);
        }
        if self.take_words(&[Keyword::Within, Keyword::Group]) {
            self.expect(Kind::LeftParen)?;
            self.order_by()?;
            self.expect(Kind::RightParen)?;
            all = Expr::OTHER;
        }
        if self.aggregate_tail()? || last - first > 2 || !keeps_constant(schema.as_deref(), &name) {
            all = Expr::OTHER;
        }
        Ok(all)
    }

    /// The arguments of a call, parentheses included.
    fn arguments(&mut self) -> Parse<Expr> {
        self.expect(Kind::LeftParen)?;
        let mut all = Expr::CONSTANT;
        if self.take(Kind::RightParen) {
            return Ok(all);
        }
        if self.take(Kind::Star) {
            self.expect(Kind::RightParen)?;
            return Ok(Expr::OTHER);
        }
        if self.take_any(&[Keyword::All, Keyword::Distinct]) {
            all = Expr::OTHER;
        }
        loop {
            self.take_word(Keyword::Variadic);
            if self.kind().is_some_and(Kind::is_name)
                && matches!(self.kind_at(1), Some(Kind::Assign | Kind::Arrow))
            {
                self.skip();
                self.skip();
            }
            all = all.computed_with(self.expr()?);
            if !self.take(Kind::Comma) {
                break;
            }
        }
        self.order_by()?;
        self.expect(Kind::RightParen)?;
        Ok(all)
    }

    /// `OVER (...)`, and the definitions after WINDOW.
    pub(super) fn window(&mut self) -> Parse<()> {
        self.deeper(|p| {
            p.expect(Kind::LeftParen)?;
            let frame = [Keyword::Partition, Keyword::Range, Keyword::Rows, Keyword::Groups];
            if p.is_column_name() && !frame.contains(&p.word()) {
                p.skip();
            }
            if p.take_words(&[Keyword::Partition, Keyword::By]) {
                p.expr_list()?;
            }
            p.order_by()?;
            if p.take_any(&[Keyword::Range, Keyword::Rows, Keyword::Groups]) {
                if p.take_word(Keyword::Between) {
                    p.frame_bound()?;
                    p.expect_word(Keyword::And)?;
                }
                p.frame_bound()?;
                if p.take_word(Keyword::Exclude) {
                    let whole = p.take_words(&[Keyword::Current, Keyword::Row])
                        || p.take_words(&[Keyword::No, Keyword::Others])
                        || p.take_any(&[Keyword::Group, Keyword::Ties]);
                    if !whole {
                        return Err(Stop::Unexpected);
                    }
                }
            }
            p.expect(Kind::RightParen)
        })
    }

    fn frame_bound(&mut self) -> Parse<()> {
        if self.take_words(&[Keyword::Current, Keyword::Row]) {
            return Ok(());
        }
        if !self.take_word(Keyword::Unbounded) {
            // AND ends the bound of a BETWEEN frame
            self.expr_with(Rule::Restricted)?;
        }
        if self.take_any(&[Keyword::Preceding, Keyword::Following]) { Ok(()) } else { Err(Stop::Unexpected) }
    }

    /// A query that stands by itself: names it defines and the condition around it do not reach across.
    pub(super) fn in_query(&mut self, inside: impl FnOnce(&mut Self) -> Parse<Wide>) -> Parse<Wide> {
        let ctes = self.ctes.len();
        let target = self.target.take();
        let others = self.others.take();
        let outer = self.outer.take();
        let wants_items = core::mem::replace(&mut self.wants_items, false);
        self.outer = target.as_ref().map(|target| target.alias.clone()).or_else(|| outer.clone());
        let result = self.deeper(inside);
        self.ctes.truncate(ctes);
        self.target = target;
        self.others = others;
        self.outer = outer;
        self.wants_items = wants_items;
        result
    }
}
