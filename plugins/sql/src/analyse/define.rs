//! Statements that define things: CREATE, ALTER, DROP, GRANT and their like, told by their first words.
//!
//! Their bodies are not parsed, except the queries of CREATE TABLE AS and CREATE VIEW. That is enough: no
//! ending makes a CREATE harmless. What may make one worse is looked for in all of its tokens: OWNER TO, row
//! security, and calls of functions known to do something.

use super::Head;
use super::class::Class;
use super::parser::{Parse, Parser, Stop};
use super::statement::Verb;
use crate::functions;
use crate::keyword::Keyword;
use crate::lex::Kind;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parse<Head> {
        self.skip();
        self.take_words(&[Keyword::Or, Keyword::Replace]);
        let modifiers = [
            Keyword::Global,
            Keyword::Local,
            Keyword::Temp,
            Keyword::Temporary,
            Keyword::Unlogged,
            Keyword::Recursive,
            Keyword::Unique,
            Keyword::Trusted,
            Keyword::Procedural,
            Keyword::Default,
        ];
        while self.take_any(&modifiers) {}
        let class = match self.word() {
            Keyword::Table => return self.create_table(),
            Keyword::View => return self.create_view(),
            Keyword::Materialized if self.word_at(1) == Keyword::View => {
                self.skip();
                return self.create_table();
            }
            Keyword::Role | Keyword::Group | Keyword::Policy => Class::PrivilegeChange,
            Keyword::User if self.word_at(1) == Keyword::Mapping => Class::FileOrNetwork,
            Keyword::User => Class::PrivilegeChange,
            Keyword::Server | Keyword::Subscription | Keyword::Foreign | Keyword::Tablespace => {
                Class::FileOrNetwork
            }
            Keyword::Function
            | Keyword::Procedure
            | Keyword::Trigger
            | Keyword::Constraint
            | Keyword::Event
            | Keyword::Rule
            | Keyword::Language
            | Keyword::Extension
            | Keyword::Operator
            | Keyword::Cast
            | Keyword::Aggregate
            | Keyword::Conversion
            | Keyword::Transform
            | Keyword::Access => Class::CodeExecution,
            // `CREATE TYPE t (INPUT = f)` names functions, `CREATE TYPE t AS ...` does not
            Keyword::Type if self.is_base_type() => Class::CodeExecution,
            Keyword::Text if matches!(self.word_at(2), Keyword::Template | Keyword::Parser) => {
                Class::CodeExecution
            }
            Keyword::Schema => {
                // it may hold grants, triggers and policies of its own
                if self.tokens.iter().any(|t| t.word == Keyword::Trigger) {
                    self.class(Class::CodeExecution);
                }
                let grants =
                    self.tokens.iter().any(|t| matches!(t.word, Keyword::Grant | Keyword::Authorization));
                if grants { Class::PrivilegeChange } else { Class::SchemaChange }
            }
            Keyword::Index
            | Keyword::Sequence
            | Keyword::Database
            | Keyword::Type
            | Keyword::Domain
            | Keyword::Statistics
            | Keyword::Publication
            | Keyword::Collation
            | Keyword::Text
            | Keyword::Assertion => Class::SchemaChange,
            _ => return Err(Stop::Unexpected),
        };
        if self.is_word(Keyword::Index) {
            self.index_table();
        }
        self.class(class);
        self.skim()?;
        Ok(Head::of(Verb::Define))
    }

    fn is_base_type(&self) -> bool {
        let mut ahead = 2;
        while self.kind_at(ahead) == Some(Kind::Dot) {
            ahead += 2;
        }
        self.kind_at(ahead) == Some(Kind::LeftParen)
    }

    /// CREATE TABLE and CREATE MATERIALIZED VIEW: a query may follow AS, or the name of a prepared one.
    fn create_table(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::SchemaChange);
        self.if_not_exists();
        let name = self.qualified_name()?;
        self.object(name, true);
        let Some(place) = self.find_query() else {
            self.skim()?;
            return Ok(Head::of(Verb::Define));
        };
        self.skim_until(place);
        if self.take_word(Keyword::Execute) {
            let name = self.named()?;
            self.class(Class::Prepared);
            if self.take(Kind::LeftParen) {
                self.expr_list()?;
                self.expect(Kind::RightParen)?;
            }
            self.with_data()?;
            return Ok(Head { verb: Verb::Define, name });
        }
        self.query()?;
        self.with_data()?;
        Ok(Head::of(Verb::Define))
    }

    fn with_data(&mut self) -> Parse<()> {
        if self.take_word(Keyword::With) {
            self.take_word(Keyword::No);
            self.expect_word(Keyword::Data)?;
        }
        Ok(())
    }

    fn create_view(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::SchemaChange);
        self.if_not_exists();
        let name = self.qualified_name()?;
        self.object(name, true);
        let place = self.find_query().ok_or(Stop::Unexpected)?;
        self.skim_until(place);
        for token in self.tokens.iter().filter(|token| token.kind.is_name()) {
            self.mentions_system(&self.name_of(*token));
        }
        self.query()?;
        if self.take_word(Keyword::With) {
            self.take_any(&[Keyword::Cascaded, Keyword::Local]);
            self.expect_word(Keyword::Check)?;
            self.expect_word(Keyword::Option)?;
        }
        Ok(Head::of(Verb::Define))
    }

    fn if_not_exists(&mut self) {
        self.take_words(&[Keyword::If, Keyword::Not, Keyword::Exists]);
    }

    /// Where the query (or EXECUTE) after an AS outside parentheses begins.
    fn find_query(&self) -> Option<usize> {
        let mut open = 0u32;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                Kind::LeftParen => open += 1,
                Kind::RightParen => open = open.saturating_sub(1),
                Kind::Word if open == 0 && token.word == Keyword::As => {
                    let next = self.tokens.get(at + 1)?;
                    let begins = next.kind == Kind::LeftParen
                        || matches!(
                            next.word,
                            Keyword::Select
                                | Keyword::With
                                | Keyword::Values
                                | Keyword::Table
                                | Keyword::Execute
                        );
                    if begins {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// `CREATE INDEX ... ON t`
    fn index_table(&mut self) {
        let on = self.tokens.iter().position(|token| token.word == Keyword::On);
        let Some(on) = on else { return };
        let back = self.at;
        self.at = on + 1;
        self.take_word(Keyword::Only);
        if let Ok(name) = self.qualified_name() {
            self.object(name, true);
        }
        self.at = back;
    }

    pub(super) fn alter(&mut self) -> Parse<Head> {
        self.skip();
        let has = |p: &Self, words: [Keyword; 2]| {
            p.tokens.windows(2).any(|pair| matches!(pair, [a, b] if a.word == words[0] && b.word == words[1]))
        };
        let class = match self.word() {
            Keyword::System => Class::ParsingSetting,
            Keyword::User if self.word_at(1) == Keyword::Mapping => Class::FileOrNetwork,
            Keyword::Role | Keyword::User if self.sets_something() => Class::ParsingSetting,
            Keyword::Database if self.sets_something() => Class::ParsingSetting,
            Keyword::Role | Keyword::User | Keyword::Group | Keyword::Policy | Keyword::Large => {
                Class::PrivilegeChange
            }
            Keyword::Default if self.word_at(1) == Keyword::Privileges => Class::PrivilegeChange,
            Keyword::Server | Keyword::Subscription | Keyword::Foreign => Class::FileOrNetwork,
            Keyword::Function
            | Keyword::Procedure
            | Keyword::Routine
            | Keyword::Extension
            | Keyword::Event
            | Keyword::Operator
            | Keyword::Aggregate
            | Keyword::Conversion => Class::CodeExecution,
            Keyword::Table
            | Keyword::View
            | Keyword::Materialized
            | Keyword::Index
            | Keyword::Sequence
            | Keyword::Schema
            | Keyword::Database
            | Keyword::Type
            | Keyword::Domain
            | Keyword::Statistics
            | Keyword::Publication
            | Keyword::Collation
            | Keyword::Text
            | Keyword::Trigger
            | Keyword::Rule
            | Keyword::Constraint
            | Keyword::Language
            | Keyword::Procedural
            | Keyword::Tablespace => Class::SchemaChange,
            _ => return Err(Stop::Unexpected),
        };
        self.class(class);
        let rights = has(self, [Keyword::Owner, Keyword::To])
            || has(self, [Keyword::Row, Keyword::Level])
            || has(self, [Keyword::Security, Keyword::Definer]);
        if rights {
            self.class(Class::PrivilegeChange);
        }
        self.altered_object();
        self.skim()?;
        Ok(Head::of(Verb::Define))
    }

    /// `ALTER ROLE r SET x`, `ALTER DATABASE d RESET ALL`.
    fn sets_something(&self) -> bool {
        self.tokens.iter().any(|token| matches!(token.word, Keyword::Set | Keyword::Reset))
    }

    /// `ALTER TABLE IF EXISTS ONLY name`, and DROP's list of names.
    fn altered_object(&mut self) {
        let back = self.at;
        let is_relation = matches!(
            self.word(),
            Keyword::Table
                | Keyword::View
                | Keyword::Materialized
                | Keyword::Index
                | Keyword::Sequence
                | Keyword::Foreign
        );
        if is_relation {
            // nobody can tell whose index it is
            self.found.flags.unnamed |= self.is_word(Keyword::Index);
            self.skip();
            self.take_any(&[Keyword::View, Keyword::Table, Keyword::Concurrently]);
            self.take_words(&[Keyword::If, Keyword::Exists]);
            self.take_word(Keyword::Only);
            while let Ok(name) = self.qualified_name() {
                self.object(name, true);
                self.take(Kind::Star);
                if !self.take(Kind::Comma) {
                    break;
                }
            }
        }
        self.at = back;
    }

    pub(super) fn drop_statement(&mut self) -> Parse<Head> {
        self.skip();
        let class = match self.word() {
            Keyword::User if self.word_at(1) == Keyword::Mapping => Class::FileOrNetwork,
            Keyword::Role | Keyword::User | Keyword::Group | Keyword::Policy | Keyword::Owned => {
                Class::PrivilegeChange
            }
            Keyword::Server | Keyword::Subscription | Keyword::Foreign => Class::FileOrNetwork,
            Keyword::NotAKeyword => return Err(Stop::Unexpected),
            _ => Class::SchemaChange,
        };
        self.class(class);
        self.altered_object();
        self.skim()?;
        Ok(Head::of(Verb::Define))
    }

    /// A statement of which nothing but its class matters.
    pub(super) fn defines(&mut self, class: Class, verb: Verb) -> Parse<Head> {
        self.class(class);
        self.skim()?;
        Ok(Head::of(verb))
    }

    /// Goes through the rest and looks for calls of functions known to do something.
    pub(super) fn skim(&mut self) -> Parse<()> {
        self.skim_until(self.tokens.len());
        Ok(())
    }

    fn skim_until(&mut self, end: usize) {
        while self.at < end {
            self.relations_here();
            if let Some(token) = self.peek().filter(|token| token.kind.is_name()) {
                let name = self.name_of(token);
                self.mentions_system(&name);
                let is_field = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map(|t| t.kind);
                let called = self.kind_at(1) == Some(Kind::LeftParen) || is_field == Some(Kind::Dot);
                if let (true, Some(class)) = (called, functions::known_class(&name)) {
                    self.called(name.into_owned(), Some(class));
                }
            }
            self.skip();
        }
    }
}
