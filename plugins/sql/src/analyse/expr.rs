//! Expressions: PostgreSQL's `a_expr`, by precedence.
//!
//! Precedence matters only as far as AND, OR, NOT and comparisons decide whether a condition is selective;
//! for everything else it is enough that each operand and operator is recognised and each call written down.

use super::parser::{Parse, Parser, Stop};
use super::selective::{Expr, is_of_server};
use crate::keyword::Keyword;
use crate::lex::Kind;

/// How tightly operators bind, loosest first.
mod binds {
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const IS: u8 = 4;
    pub(super) const COMPARISON: u8 = 5;
    pub(super) const MEMBERSHIP: u8 = 6;
    pub(super) const OPERATOR: u8 = 8;
    pub(super) const SUM: u8 = 9;
    pub(super) const PRODUCT: u8 = 10;
    pub(super) const POWER: u8 = 11;
    pub(super) const AT: u8 = 12;
    pub(super) const COLLATE: u8 = 13;
}

/// Which of PostgreSQL's two kinds of expression.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// `a_expr`: everything
    Any,
    /// `b_expr`: without AND, OR, NOT, IN, LIKE, BETWEEN, where those would end the expression
    Restricted,
}

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parse<Expr> {
        self.expr_above(0, Rule::Any)
    }

    pub(super) fn expr_with(&mut self, rule: Rule) -> Parse<Expr> {
        match rule {
            Rule::Any => self.expr(),
            Rule::Restricted => self.restricted_expr(),
        }
    }

    pub(super) fn restricted_expr(&mut self) -> Parse<Expr> {
        self.expr_above(binds::IS, Rule::Restricted)
    }

    pub(super) fn expr_list(&mut self) -> Parse<()> {
        self.list(|p| p.expr().map(|_| ()))
    }

    fn expr_above(&mut self, least: u8, rule: Rule) -> Parse<Expr> {
        self.deeper(|p| {
            let first = p.operand(rule)?;
            p.infix(first, least, rule)
        })
    }

    /// Goes on with an expression whose first operand has been read.
    pub(super) fn expr_from(&mut self, first: Expr) -> Parse<Expr> {
        self.deeper(|p| p.infix(first, 0, Rule::Any))
    }

    /// Prefixes and what they stand before. Prefixes repeat without recursion.
    fn operand(&mut self, rule: Rule) -> Parse<Expr> {
        let (mut negated, mut signed) = (false, false);
        loop {
            match self.kind() {
                Some(Kind::Plus | Kind::Minus | Kind::Operator) => {
                    if let Some(token) = self.peek() {
                        self.operator(token);
                    }
                    self.skip();
                    signed = true;
                }
                Some(Kind::Word) if self.is_word(Keyword::Not) && rule == Rule::Any => {
                    self.skip();
                    negated = true;
                }
                Some(Kind::Word)
                    if self.is_word(Keyword::Operator) && self.kind_at(1) == Some(Kind::LeftParen) =>
                {
                    self.spelled_operator()?;
                    signed = true;
                }
                _ => break,
            }
        }
        let operand = self.primary()?;
        if negated {
            return Ok(self.infix(operand, binds::NOT, rule)?.computed());
        }
        Ok(if signed { operand.computed() } else { operand })
    }

    fn infix(&mut self, mut left: Expr, least: u8, rule: Rule) -> Parse<Expr> {
        while let Some(token) = self.peek() {
            let next = match token.kind {
                Kind::Word => self.infix_word(left, least, rule)?,
                Kind::Equal
                | Kind::Less
                | Kind::Greater
                | Kind::LessEqual
                | Kind::GreaterEqual
                | Kind::NotEqual => self.comparison(left, least, rule, token.kind)?,
                Kind::Plus | Kind::Minus => self.binary(left, least, binds::SUM, rule)?,
                Kind::Star | Kind::Slash | Kind::Percent => self.binary(left, least, binds::PRODUCT, rule)?,
                Kind::Caret => self.binary(left, least, binds::POWER, rule)?,
                Kind::Operator => {
                    self.operator(token);
                    self.binary(left, least, binds::OPERATOR, rule)?
                }
                _ => None,
            };
            match next {
                Some(expr) => left = expr,
                None => break,
            }
        }
        Ok(left)
    }

    /// An operator without a meaning for conditions, and its right side.
    fn binary(&mut self, left: Expr, least: u8, binding: u8, rule: Rule) -> Parse<Option<Expr>> {
        if binding < least {
            return Ok(None);
        }
        self.skip();
        if let Some(quantified) = self.quantified(rule)? {
            return Ok(Some(left.computed_with(quantified)));
        }
        let right = self.expr_above(binding + 1, rule)?;
        Ok(Some(left.computed_with(right)))
    }

    fn comparison(&mut self, left: Expr, least: u8, rule: Rule, kind: Kind) -> Parse<Option<Expr>> {
        if binds::COMPARISON < least {
            return Ok(None);
        }
        self.skip();
        let any = self.is_word(Keyword::Any) || self.is_word(Keyword::Some);
        if let Some(elements) = self.quantified(rule)? {
            let equal = any && kind == Kind::Equal;
            return Ok(Some(if equal { self.membership_in(left, elements) } else { Expr::OTHER }));
        }
        let right = self.expr_above(binds::COMPARISON + 1, rule)?;
        if left.is_constant() && right.is_constant() {
            return Ok(Some(Expr::CONSTANT));
        }
        Ok(Some(if kind == Kind::Equal { self.equality(left, right) } else { Expr::OTHER }))
    }

    /// `ANY (...)`, `SOME (...)`, `ALL (...)` after an operator.
    fn quantified(&mut self, rule: Rule) -> Parse<Option<Expr>> {
        if rule == Rule::Restricted || !self.take_any(&[Keyword::Any, Keyword::Some, Keyword::All]) {
            return Ok(None);
        }
        if !self.is(Kind::LeftParen) {
            return Err(Stop::Unexpected);
        }
        self.parenthesised().map(Some)
    }

    /// Operators that are words, and words that begin one.
    fn infix_word(&mut self, left: Expr, least: u8, rule: Rule) -> Parse<Option<Expr>> {
        match self.word() {
            Keyword::And | Keyword::Or if rule == Rule::Restricted => Ok(None),
            Keyword::And => {
                if binds::AND < least {
                    return Ok(None);
                }
                self.skip();
                let right = self.expr_above(binds::AND + 1, rule)?;
                if left.is_constant() && right.is_constant() {
                    return Ok(Some(Expr::CONSTANT));
                }
                Ok(Some(left.both(right)))
            }
            Keyword::Or => {
                if binds::OR < least {
                    return Ok(None);
                }
                self.skip();
                let right = self.expr_above(binds::OR + 1, rule)?;
                if left.is_constant() && right.is_constant() {
                    return Ok(Some(Expr::CONSTANT));
                }
                Ok(Some(left.either(right)))
            }
            Keyword::Is => self.is_test(left, least, rule),
            Keyword::Isnull | Keyword::Notnull if rule == Rule::Any && binds::IS >= least => {
                let selective = self.is_word(Keyword::Isnull) && self.is_own_column(left);
                self.skip();
                Ok(Some(Expr::condition(selective)))
            }
            Keyword::Not => {
                let follows = matches!(
                    self.word_at(1),
                    Keyword::Between | Keyword::In | Keyword::Like | Keyword::Ilike | Keyword::Similar
                );
                if !follows || rule == Rule::Restricted || binds::MEMBERSHIP < least {
                    return Ok(None);
                }
                self.skip();
                self.membership(left).map(|expr| Some(expr.computed()))
            }
            Keyword::Between | Keyword::In | Keyword::Like | Keyword::Ilike | Keyword::Similar
                if rule == Rule::Any && binds::MEMBERSHIP >= least =>
            {
                self.membership(left).map(Some)
            }
            Keyword::Overlaps if rule == Rule::Any && binds::IS >= least => {
                self.skip();
                self.expr_above(binds::IS + 1, rule)?;
                Ok(Some(Expr::OTHER))
            }
            Keyword::Operator if self.kind_at(1) == Some(Kind::LeftParen) && binds::OPERATOR >= least => {
                self.spelled_operator()?;
                if self.quantified(rule)?.is_none() {
                    self.expr_above(binds::OPERATOR + 1, rule)?;
                }
                Ok(Some(Expr::OTHER))
            }
            Keyword::At if binds::AT >= least && rule == Rule::Any => {
                if self.take_words(&[Keyword::At, Keyword::Local]) {
                    return Ok(Some(left.computed()));
                }
                if !self.take_words(&[Keyword::At, Keyword::Time, Keyword::Zone]) {
                    return Ok(None);
                }
                let zone = self.expr_above(binds::AT + 1, rule)?;
                Ok(Some(left.computed_with(zone)))
            }
            Keyword::Collate if binds::COLLATE >= least => {
                self.skip();
                self.any_name()?;
                Ok(Some(left.computed()))
            }
            _ => Ok(None),
        }
    }

    /// `IS ...`
    fn is_test(&mut self, left: Expr, least: u8, rule: Rule) -> Parse<Option<Expr>> {
        if binds::IS < least {
            return Ok(None);
        }
        self.skip();
        let negated = self.take_word(Keyword::Not);
        if self.take_words(&[Keyword::Distinct, Keyword::From]) {
            let right = self.expr_above(binds::IS + 1, rule)?;
            return Ok(Some(if negated { self.equality(left, right) } else { Expr::OTHER }));
        }
        if self.take_word(Keyword::Null) {
            return Ok(Some(Expr::condition(!negated && self.is_own_column(left))));
        }
        if self.take_word(Keyword::Json) {
            self.take_any(&[Keyword::Value, Keyword::Array, Keyword::Object, Keyword::Scalar]);
            if self.take_any(&[Keyword::With, Keyword::Without]) {
                self.expect_word(Keyword::Unique)?;
                self.take_word(Keyword::Keys);
            }
            return Ok(Some(Expr::OTHER));
        }
        self.take_any(&[Keyword::Nfc, Keyword::Nfd, Keyword::Nfkc, Keyword::Nfkd]);
        let known = [Keyword::True, Keyword::False, Keyword::Unknown, Keyword::Document, Keyword::Normalized];
        if self.take_any(&known) { Ok(Some(left.computed())) } else { Err(Stop::Unexpected) }
    }

    /// BETWEEN, IN, LIKE, ILIKE, SIMILAR TO, after a NOT or without.
    fn membership(&mut self, left: Expr) -> Parse<Expr> {
        let word = self.word();
        self.skip();
        match word {
            Keyword::Between => {
                let symmetric = self.take_word(Keyword::Symmetric);
                if !symmetric {
                    self.take_word(Keyword::Asymmetric);
                }
                let low = self.restricted_expr()?;
                self.expect_word(Keyword::And)?;
                let high = self.expr_above(binds::MEMBERSHIP + 1, Rule::Any)?;
                let constant = low.is_constant() && high.is_constant() && left.is_constant();
                Ok(if constant { Expr::CONSTANT } else { Expr::OTHER })
            }
            Keyword::In => {
                if !self.is(Kind::LeftParen) {
                    return Err(Stop::Unexpected);
                }
                let elements = self.parenthesised()?;
                if left.is_constant() && elements.is_constant() {
                    return Ok(Expr::CONSTANT);
                }
                Ok(self.membership_in(left, elements))
            }
            Keyword::Similar => {
                self.expect_word(Keyword::To)?;
                self.expr_above(binds::MEMBERSHIP + 1, Rule::Any)?;
                self.escape_clause()?;
                Ok(Expr::OTHER)
            }
            _ => {
                if let Some(elements) = self.quantified(Rule::Any)? {
                    return Ok(left.computed_with(elements));
                }
                let pattern = self.expr_above(binds::MEMBERSHIP + 1, Rule::Any)?;
                let escaped = self.escape_clause()?;
                if left.is_constant() && pattern.is_constant() {
                    return Ok(Expr::CONSTANT);
                }
                Ok(Expr::condition(!escaped && self.pattern_selects(left, pattern)))
            }
        }
    }

    fn escape_clause(&mut self) -> Parse<bool> {
        if !self.take_word(Keyword::Escape) {
            return Ok(false);
        }
        self.expr_above(binds::MEMBERSHIP + 1, Rule::Any)?;
        Ok(true)
    }

    /// `OPERATOR(schema.+)`
    pub(super) fn spelled_operator(&mut self) -> Parse<()> {
        self.skip();
        self.expect(Kind::LeftParen)?;
        let mut schema = None;
        let first = self.at;
        while self.kind().is_some_and(Kind::is_name) {
            schema = self.peek().map(|token| self.name_of(token));
            self.skip();
            self.expect(Kind::Dot)?;
        }
        let symbol = self.peek().ok_or(Stop::Unexpected)?;
        if !is_operator(symbol.kind) {
            return Err(Stop::Unexpected);
        }
        self.skip();
        if is_of_server(schema.as_deref()) {
            self.operator(symbol);
        } else {
            let written = self.span_from(first).of(self.text).to_owned();
            self.called(written, Some(super::Class::FunctionCall));
        }
        self.expect(Kind::RightParen)
    }
}

pub(super) fn is_operator(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Operator
            | Kind::Plus
            | Kind::Minus
            | Kind::Star
            | Kind::Slash
            | Kind::Percent
            | Kind::Caret
            | Kind::Less
            | Kind::Greater
            | Kind::Equal
            | Kind::LessEqual
            | Kind::GreaterEqual
            | Kind::NotEqual
    )
}
