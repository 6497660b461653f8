//! Statements about the session and its transactions: BEGIN and its like, SET, SHOW, LISTEN.

use super::Head;
use super::class::Class;
use super::parser::{Parse, Parser, Stop};
use super::settings;
use super::statement::Verb;
use crate::keyword::Keyword;
use crate::lex::Kind;

impl Parser<'_> {
    // --- transactions

    pub(super) fn begin(&mut self) -> Parse<Head> {
        if self.take_word(Keyword::Start) {
            self.expect_word(Keyword::Transaction)?;
        } else {
            self.skip();
            self.take_any(&[Keyword::Work, Keyword::Transaction]);
        }
        self.transaction_modes()?;
        self.class(Class::Transaction);
        Ok(Head::of(Verb::Begin))
    }

    fn transaction_modes(&mut self) -> Parse<()> {
        while !self.at_end() {
            self.take(Kind::Comma);
            if self.take_words(&[Keyword::Read, Keyword::Write]) {
                self.found.flags.read_write = true;
                // it is `SET transaction_read_only = off` in other words
                self.class(Class::ParsingSetting);
            } else if self.take_words(&[Keyword::Isolation, Keyword::Level]) {
                let level = self.take_word(Keyword::Serializable)
                    || self.take_words(&[Keyword::Repeatable, Keyword::Read])
                    || self.take_words(&[Keyword::Read, Keyword::Committed])
                    || self.take_words(&[Keyword::Read, Keyword::Uncommitted]);
                if !level {
                    return Err(Stop::Unexpected);
                }
            } else if !self.take_words(&[Keyword::Read, Keyword::Only])
                && !self.take_words(&[Keyword::Not, Keyword::Deferrable])
                && !self.take_word(Keyword::Deferrable)
            {
                return Err(Stop::Unexpected);
            }
        }
        Ok(())
    }

    /// COMMIT, END, ROLLBACK, ABORT, with what may follow.
    pub(super) fn end_of_transaction(&mut self) -> Parse<Head> {
        let verb = match self.word() {
            Keyword::Commit | Keyword::End => Verb::Commit,
            _ => Verb::Rollback,
        };
        self.skip();
        self.class(Class::Transaction);
        if self.take_word(Keyword::Prepared) {
            self.found.flags.two_phase = true;
            self.text_value()?;
            return Ok(Head::of(verb));
        }
        self.take_any(&[Keyword::Work, Keyword::Transaction]);
        if verb == Verb::Rollback && self.take_word(Keyword::To) {
            self.take_word(Keyword::Savepoint);
            let name = self.named()?;
            return Ok(Head { verb: Verb::Savepoint, name });
        }
        if self.take_word(Keyword::And) {
            self.take_word(Keyword::No);
            self.expect_word(Keyword::Chain)?;
        }
        Ok(Head::of(verb))
    }

    pub(super) fn savepoint(&mut self) -> Parse<Head> {
        self.take_word(Keyword::Release);
        self.take_word(Keyword::Savepoint);
        self.class(Class::Transaction);
        Ok(Head { verb: Verb::Savepoint, name: self.named()? })
    }

    // --- settings

    pub(super) fn set(&mut self) -> Parse<Head> {
        self.skip();
        if self.take_word(Keyword::Constraints) {
            self.class(Class::Transaction);
            self.rest_of_words()?;
            return Ok(Head::of(Verb::SetConstraints));
        }
        if self.is_word(Keyword::Transaction) || self.take_words(&[Keyword::Local, Keyword::Transaction]) {
            self.take_word(Keyword::Transaction);
            return self.set_transaction();
        }
        if self.take_words(&[Keyword::Session, Keyword::Characteristics]) {
            self.expect_word(Keyword::As)?;
            self.expect_word(Keyword::Transaction)?;
            self.transaction_modes()?;
            self.class(Class::SessionSetting);
            return Ok(Head::of(Verb::SetTransaction));
        }
        if !matches!(self.word_at(1), Keyword::To) && self.kind_at(1) != Some(Kind::Equal) {
            self.take_any(&[Keyword::Session, Keyword::Local]);
        }
        let (name, class) = self.set_what()?;
        self.class(class);
        Ok(Head { verb: Verb::Set, name: Some(name) })
    }

    fn set_transaction(&mut self) -> Parse<Head> {
        self.class(Class::Transaction);
        if self.take_word(Keyword::Snapshot) {
            self.text_value()?;
        } else {
            self.transaction_modes()?;
        }
        Ok(Head::of(Verb::SetTransaction))
    }

    /// The name and value of a SET, in all their forms, and what changing it does.
    fn set_what(&mut self) -> Parse<(String, Class)> {
        let assigns = self.word_at(1) == Keyword::To || self.kind_at(1) == Some(Kind::Equal);
        let special = match self.word() {
            _ if assigns => None,
            Keyword::Time if self.word_at(1) == Keyword::Zone => Some(("timezone", 2)),
            Keyword::Names => Some(("client_encoding", 1)),
            Keyword::Schema => Some(("search_path", 1)),
            Keyword::Catalog => Some(("catalog", 1)),
            Keyword::Role => Some(("role", 1)),
            Keyword::Authorization => Some(("session_authorization", 1)),
            Keyword::Session if self.word_at(1) == Keyword::Authorization => {
                Some(("session_authorization", 2))
            }
            Keyword::Xml if self.word_at(1) == Keyword::Option => Some(("xmloption", 2)),
            _ => None,
        };
        if let Some((name, words)) = special {
            self.at += words;
            if !self.at_end() {
                self.setting_value()?;
            }
            return Ok((name.to_owned(), settings::class_of(name)));
        }
        let name = self.setting_name()?;
        if self.take_words(&[Keyword::From, Keyword::Current]) {
            return Ok((name.clone(), settings::class_of(&name)));
        }
        if !self.take(Kind::Equal) {
            self.expect_word(Keyword::To)?;
        }
        self.list(Self::setting_value)?;
        let class = settings::class_of(&name);
        Ok((name, class))
    }

    /// One value: literals, names, numbers, and INTERVAL for time zones.
    fn setting_value(&mut self) -> Parse<()> {
        if self.take_word(Keyword::Interval) {
            if self.take(Kind::LeftParen) {
                self.expect(Kind::Integer)?;
                self.expect(Kind::RightParen)?;
            }
            self.text_value()?;
            return self.interval_fields();
        }
        if !self.take(Kind::Plus) {
            self.take(Kind::Minus);
        }
        let value = self.kind().is_some_and(|kind| {
            kind.is_quoted_literal() || kind.is_name() || matches!(kind, Kind::Integer | Kind::Decimal)
        });
        self.skip();
        if value { Ok(()) } else { Err(Stop::Unexpected) }
    }

    fn setting_name(&mut self) -> Parse<String> {
        let first = self.column_name()?;
        let mut name = self.name_of(first).to_ascii_lowercase();
        while self.take(Kind::Dot) {
            let part = self.column_name()?;
            name.push('.');
            name.push_str(&self.name_of(part).to_ascii_lowercase());
        }
        Ok(name)
    }

    pub(super) fn reset(&mut self) -> Parse<Head> {
        self.skip();
        if self.take_word(Keyword::All) {
            self.found.flags.all = true;
            self.class(Class::ParsingSetting);
            return Ok(Head::of(Verb::Reset));
        }
        let name = if self.take_words(&[Keyword::Session, Keyword::Authorization]) {
            "session_authorization".to_owned()
        } else if self.take_words(&[Keyword::Time, Keyword::Zone]) {
            "timezone".to_owned()
        } else if self.take_words(&[Keyword::Transaction, Keyword::Isolation, Keyword::Level]) {
            "transaction_isolation".to_owned()
        } else {
            self.setting_name()?
        };
        self.class(settings::class_of(&name));
        Ok(Head { verb: Verb::Reset, name: Some(name) })
    }

    pub(super) fn show(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::SessionSetting);
        let special = self.take_word(Keyword::All)
            || self.take_words(&[Keyword::Session, Keyword::Authorization])
            || self.take_words(&[Keyword::Time, Keyword::Zone])
            || self.take_words(&[Keyword::Transaction, Keyword::Isolation, Keyword::Level]);
        let name = if special { None } else { Some(self.setting_name()?) };
        Ok(Head { verb: Verb::Show, name })
    }

    // --- names of things

    /// The folded name that comes here.
    pub(super) fn named(&mut self) -> Parse<Option<String>> {
        let token = self.column_name()?;
        Ok(Some(self.name_of(token).into_owned()))
    }

    pub(super) fn text_value(&mut self) -> Parse<()> {
        let text = self.kind().is_some_and(Kind::is_text);
        self.skip();
        if text { Ok(()) } else { Err(Stop::Unexpected) }
    }

    /// The rest of a statement that cannot hold anything but names, literals and lists of them.
    pub(super) fn rest_of_words(&mut self) -> Parse<()> {
        while let Some(token) = self.peek() {
            let plain = token.kind.is_quoted_literal()
                || matches!(
                    token.kind,
                    Kind::Quoted
                        | Kind::UnicodeQuoted
                        | Kind::Integer
                        | Kind::Decimal
                        | Kind::Comma
                        | Kind::Dot
                        | Kind::Star
                        | Kind::Minus
                        | Kind::Plus
                        | Kind::LeftParen
                        | Kind::RightParen
                );
            let word = token.kind == Kind::Word
                && !matches!(
                    token.word,
                    Keyword::Select | Keyword::Insert | Keyword::Update | Keyword::Delete
                );
            if !plain && !word {
                return Err(Stop::Unexpected);
            }
            self.skip();
        }
        Ok(())
    }

    // --- notifications

    pub(super) fn listen(&mut self) -> Parse<Head> {
        let verb = match self.word() {
            Keyword::Listen => Verb::Listen,
            Keyword::Unlisten => Verb::Unlisten,
            _ => Verb::Notify,
        };
        self.skip();
        self.class(Class::Listen);
        if verb == Verb::Unlisten && self.take(Kind::Star) {
            self.found.flags.all = true;
            return Ok(Head::of(verb));
        }
        let name = self.named()?;
        if verb == Verb::Notify && self.take(Kind::Comma) {
            self.text_value()?;
        }
        Ok(Head { verb, name })
    }
}
