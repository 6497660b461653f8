//! Names of types, in casts and column definitions.

use super::parser::{Parse, Parser, Stop};
use crate::keyword::{Category, Keyword};
use crate::lex::Kind;

impl Parser<'_> {
    /// `Typename`: with SETOF, modifiers, array bounds.
    pub(super) fn type_name(&mut self) -> Parse<()> {
        self.take_word(Keyword::Setof);
        if !self.built_in_type()? {
            if !(self.is_function_name() || self.is_word(Keyword::Json)) {
                return Err(Stop::Unexpected);
            }
            self.any_name()?;
            if self.is(Kind::LeftParen) {
                self.modifiers()?;
            }
        }
        if self.take_word(Keyword::Array) {
            if self.take(Kind::LeftBracket) {
                self.expect(Kind::Integer)?;
                self.expect(Kind::RightBracket)?;
            }
            return Ok(());
        }
        while self.take(Kind::LeftBracket) {
            self.take(Kind::Integer);
            self.expect(Kind::RightBracket)?;
        }
        Ok(())
    }

    /// The types with a syntax of their own; false if none begins here.
    pub(super) fn built_in_type(&mut self) -> Parse<bool> {
        match self.word() {
            Keyword::Int
            | Keyword::Integer
            | Keyword::Smallint
            | Keyword::Bigint
            | Keyword::Real
            | Keyword::Boolean => {
                self.skip();
            }
            Keyword::Double if self.word_at(1) == Keyword::Precision => {
                self.skip();
                self.skip();
            }
            Keyword::Float | Keyword::Decimal | Keyword::Dec | Keyword::Numeric => {
                self.skip();
                self.optional_modifiers()?;
            }
            Keyword::Bit | Keyword::Character | Keyword::Char | Keyword::Nchar | Keyword::Varchar => {
                self.skip();
                self.take_word(Keyword::Varying);
                self.optional_modifiers()?;
            }
            Keyword::National => {
                self.skip();
                if !self.take_any(&[Keyword::Character, Keyword::Char]) {
                    return Err(Stop::Unexpected);
                }
                self.take_word(Keyword::Varying);
                self.optional_modifiers()?;
            }
            Keyword::Time | Keyword::Timestamp => {
                self.skip();
                self.optional_modifiers()?;
                if self.take_words(&[Keyword::With, Keyword::Time, Keyword::Zone])
                    || self.take_words(&[Keyword::Without, Keyword::Time, Keyword::Zone])
                {}
            }
            Keyword::Interval => {
                self.skip();
                self.optional_modifiers()?;
                self.interval_fields()?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// `YEAR TO MONTH`, `SECOND(3)`
    pub(super) fn interval_fields(&mut self) -> Parse<()> {
        let fields =
            [Keyword::Year, Keyword::Month, Keyword::Day, Keyword::Hour, Keyword::Minute, Keyword::Second];
        if !self.take_any(&fields) {
            return Ok(());
        }
        if self.is(Kind::LeftParen) {
            self.modifiers()?;
        } else if self.take_word(Keyword::To) {
            if !self.take_any(&fields) {
                return Err(Stop::Unexpected);
            }
            self.optional_modifiers()?;
        }
        Ok(())
    }

    fn optional_modifiers(&mut self) -> Parse<()> {
        if self.is(Kind::LeftParen) { self.modifiers() } else { Ok(()) }
    }

    /// `(10, 2)`: PostgreSQL takes any expression here and then accepts constants and names only.
    fn modifiers(&mut self) -> Parse<()> {
        self.expect(Kind::LeftParen)?;
        self.list(|p| {
            p.take(Kind::Minus);
            let constant =
                p.kind().is_some_and(|k| k.is_quoted_literal() || k.is_name() || k == Kind::Integer);
            p.skip();
            if constant { Ok(()) } else { Err(Stop::Unexpected) }
        })?;
        self.expect(Kind::RightParen)
    }

    /// A type of the language itself followed by a literal: `interval '1' day`, `timestamp '...'`.
    pub(super) fn typed_literal(&mut self) -> Parse<bool> {
        let start = self.at;
        let is_interval = self.is_word(Keyword::Interval);
        if self.word().category() == Category::Reserved || !self.built_in_type()? {
            return Ok(false);
        }
        if !self.kind().is_some_and(Kind::is_text) {
            // a column with such a name, perhaps
            self.at = start;
            return Ok(false);
        }
        self.skip();
        if is_interval {
            self.interval_fields()?;
        }
        Ok(true)
    }
}
