//! Prepared statements and cursors: what is named now and runs later.
//!
//! PREPARE and DECLARE carry the class of their body; EXECUTE and FETCH carry a name, and only who has seen
//! the body can tell what they do.

use super::Head;
use super::class::Class;
use super::parser::{Parse, Parser, Stop};
use super::statement::Verb;
use crate::keyword::Keyword;
use crate::lex::Kind;

impl Parser<'_> {
    pub(super) fn prepare(&mut self) -> Parse<Head> {
        self.skip();
        if self.is_word(Keyword::Transaction) && self.kind_at(1).is_some_and(Kind::is_text) {
            self.skip();
            self.text_value()?;
            self.found.flags.two_phase = true;
            self.class(Class::Transaction);
            return Ok(Head::of(Verb::PrepareTransaction));
        }
        let name = self.named()?;
        if self.take(Kind::LeftParen) {
            self.list(Self::type_name)?;
            self.expect(Kind::RightParen)?;
        }
        self.expect_word(Keyword::As)?;
        self.preparable()?;
        Ok(Head { verb: Verb::Prepare, name })
    }

    pub(super) fn execute(&mut self) -> Parse<Head> {
        self.skip();
        let name = self.named()?;
        if self.take(Kind::LeftParen) {
            self.expr_list()?;
            self.expect(Kind::RightParen)?;
        }
        self.class(Class::Prepared);
        Ok(Head { verb: Verb::Execute, name })
    }

    pub(super) fn deallocate(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::Prepared);
        if self.is_word(Keyword::Prepare) && self.kind_at(1).is_some() {
            self.skip();
        }
        let name = if self.take_word(Keyword::All) {
            self.found.flags.all = true;
            None
        } else {
            self.named()?
        };
        Ok(Head { verb: Verb::Deallocate, name })
    }

    pub(super) fn discard(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::Prepared);
        self.found.flags.all = self.is_word(Keyword::All);
        if self.found.flags.all {
            // it is RESET ALL, among others
            self.class(Class::ParsingSetting);
        }
        let known = [Keyword::All, Keyword::Plans, Keyword::Sequences, Keyword::Temp, Keyword::Temporary];
        if self.take_any(&known) { Ok(Head::of(Verb::Discard)) } else { Err(Stop::Unexpected) }
    }

    pub(super) fn declare(&mut self) -> Parse<Head> {
        self.skip();
        let name = self.named()?;
        let options =
            [Keyword::No, Keyword::Scroll, Keyword::Binary, Keyword::Asensitive, Keyword::Insensitive];
        while self.take_any(&options) {}
        self.expect_word(Keyword::Cursor)?;
        if self.take_any(&[Keyword::With, Keyword::Without]) {
            self.expect_word(Keyword::Hold)?;
        }
        self.expect_word(Keyword::For)?;
        self.query()?;
        self.class(Class::Read);
        Ok(Head { verb: Verb::Declare, name })
    }

    pub(super) fn fetch(&mut self) -> Parse<Head> {
        let verb = if self.is_word(Keyword::Fetch) { Verb::Fetch } else { Verb::Move };
        self.skip();
        self.class(Class::Cursor);
        // the cursor's name comes last
        let last =
            self.tokens.last().copied().filter(|token| token.kind.is_name()).ok_or(Stop::Unexpected)?;
        let name = Some(self.name_of(last).into_owned());
        let directions = [
            Keyword::Next,
            Keyword::Prior,
            Keyword::First,
            Keyword::Last,
            Keyword::Absolute,
            Keyword::Relative,
            Keyword::All,
            Keyword::Forward,
            Keyword::Backward,
            Keyword::From,
            Keyword::In,
        ];
        while self.at + 1 < self.tokens.len() {
            let known = self.take_any(&directions)
                || self.take(Kind::Integer)
                || self.take(Kind::Plus)
                || self.take(Kind::Minus);
            if !known {
                return Err(Stop::Unexpected);
            }
        }
        self.column_name()?;
        Ok(Head { verb, name })
    }

    pub(super) fn close(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::Cursor);
        let name = if self.take_word(Keyword::All) {
            self.found.flags.all = true;
            None
        } else {
            self.named()?
        };
        Ok(Head { verb: Verb::Close, name })
    }
}
