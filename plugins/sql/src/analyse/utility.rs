//! From a statement's first word to the part of the parser that knows it.

use super::Head;
use super::class::{Class, Classes};
use super::parser::{Parse, Parser, Stop};
use super::statement::{Copy, Verb};
use crate::keyword::Keyword;
use crate::lex::Kind;

impl Parser<'_> {
    /// One whole statement. What it does is in `found`.
    pub(super) fn statement(&mut self) -> Parse<(Head, Option<Copy>)> {
        if self.is_word(Keyword::Copy) {
            return self.copy().map(|(head, copy)| (head, Some(copy)));
        }
        let head = self.statement_without_copy()?;
        self.expect_end()?;
        Ok((head, None))
    }

    fn statement_without_copy(&mut self) -> Parse<Head> {
        match self.word() {
            Keyword::Select
            | Keyword::With
            | Keyword::Values
            | Keyword::Table
            | Keyword::Insert
            | Keyword::Update
            | Keyword::Delete
            | Keyword::Merge => {
                self.wants_items = self.is_word(Keyword::Select);
                self.preparable_verb().map(|(verb, _)| Head::of(verb))
            }
            Keyword::Begin | Keyword::Start => self.begin(),
            Keyword::Commit | Keyword::End | Keyword::Rollback | Keyword::Abort => self.end_of_transaction(),
            Keyword::Savepoint | Keyword::Release => self.savepoint(),
            Keyword::Set => self.set(),
            Keyword::Reset => self.reset(),
            Keyword::Show => self.show(),
            Keyword::Prepare => self.prepare(),
            Keyword::Execute => self.execute(),
            Keyword::Deallocate => self.deallocate(),
            Keyword::Discard => self.discard(),
            Keyword::Declare => self.declare(),
            Keyword::Fetch | Keyword::Move => self.fetch(),
            Keyword::Close => self.close(),
            Keyword::Listen | Keyword::Unlisten | Keyword::Notify => self.listen(),
            Keyword::Explain => self.explain(),
            Keyword::Create => self.create(),
            Keyword::Alter => self.alter(),
            Keyword::Drop => self.drop_statement(),
            Keyword::Comment => self.defines(Class::SchemaChange, Verb::Define),
            Keyword::Security | Keyword::Reassign => self.defines(Class::PrivilegeChange, Verb::Define),
            Keyword::Import => self.defines(Class::FileOrNetwork, Verb::Define),
            Keyword::Grant | Keyword::Revoke => self.defines(Class::PrivilegeChange, Verb::Grant),
            Keyword::Do => self.defines(Class::CodeExecution, Verb::Do),
            Keyword::Call => self.defines(Class::CodeExecution, Verb::Call),
            Keyword::Load => self.defines(Class::CodeExecution, Verb::Load),
            Keyword::Truncate => self.truncate(),
            Keyword::Refresh => self.refresh(),
            Keyword::Lock => self.lock(),
            Keyword::Vacuum
            | Keyword::Analyze
            | Keyword::Analyse
            | Keyword::Reindex
            | Keyword::Cluster
            | Keyword::Checkpoint => self.maintenance(),
            _ if self.is(Kind::LeftParen) => self.preparable_verb().map(|(verb, _)| Head::of(verb)),
            _ => Err(Stop::Unexpected),
        }
    }

    fn truncate(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::BulkWrite);
        self.take_word(Keyword::Table);
        self.list(|p| p.relation(true).map(|_| ()))?;
        if self.take_any(&[Keyword::Restart, Keyword::Continue]) {
            self.expect_word(Keyword::Identity)?;
        }
        // whatever refers to them is emptied too
        self.found.flags.unnamed = self.is_word(Keyword::Cascade);
        self.take_any(&[Keyword::Cascade, Keyword::Restrict]);
        Ok(Head::of(Verb::Truncate))
    }

    /// REFRESH MATERIALIZED VIEW replaces every row by running the view's query.
    fn refresh(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::BulkWrite);
        self.expect_word(Keyword::Materialized)?;
        self.expect_word(Keyword::View)?;
        self.take_word(Keyword::Concurrently);
        self.relation(true)?;
        if self.take_word(Keyword::With) {
            self.take_word(Keyword::No);
            self.expect_word(Keyword::Data)?;
        }
        Ok(Head::of(Verb::Refresh))
    }

    fn lock(&mut self) -> Parse<Head> {
        self.skip();
        self.class(Class::Lock);
        self.take_word(Keyword::Table);
        self.list(|p| p.relation(false).map(|_| ()))?;
        if self.take_word(Keyword::In) {
            let modes = [Keyword::Access, Keyword::Row, Keyword::Share, Keyword::Update, Keyword::Exclusive];
            while self.take_any(&modes) {}
            self.expect_word(Keyword::Mode)?;
        }
        self.take_word(Keyword::Nowait);
        Ok(Head::of(Verb::Lock))
    }

    fn maintenance(&mut self) -> Parse<Head> {
        let verb = match self.word() {
            Keyword::Cluster => Verb::Cluster,
            Keyword::Checkpoint => Verb::Checkpoint,
            _ => Verb::Vacuum,
        };
        self.skip();
        self.class(Class::Maintenance);
        self.rest_of_words()?;
        Ok(Head::of(verb))
    }

    /// EXPLAIN runs its statement only with ANALYZE. Without, planning it may still call its functions, so
    /// what they do counts; that it writes or defines does not.
    fn explain(&mut self) -> Parse<Head> {
        self.skip();
        let mut analyze = false;
        let has_options = self.is(Kind::LeftParen)
            && !self.is_query_start_at(1)
            && self.kind_at(1) != Some(Kind::LeftParen);
        if has_options {
            self.skip();
            self.list(|p| {
                let token = p.label()?;
                let is_analyze = matches!(&*p.name_of(token), "analyze" | "analyse");
                let mut off = false;
                while !matches!(p.kind(), None | Some(Kind::Comma | Kind::RightParen)) {
                    off = p.peek().is_some_and(|token| {
                        let word = token.span.of(p.text).trim_matches('\'');
                        ["off", "false", "0"].iter().any(|no| word.eq_ignore_ascii_case(no))
                    });
                    p.skip();
                }
                analyze |= is_analyze && !off;
                Ok(())
            })?;
            self.expect(Kind::RightParen)?;
        } else {
            analyze = self.take_any(&[Keyword::Analyze, Keyword::Analyse]);
            self.take_word(Keyword::Verbose);
        }
        self.found.flags.analyze = analyze;
        let mut name = None;
        match self.word() {
            Keyword::Execute => name = self.execute()?.name,
            Keyword::Declare => {
                self.declare()?;
            }
            Keyword::Create => {
                self.create()?;
            }
            Keyword::Refresh => {
                self.refresh()?;
            }
            _ => {
                self.preparable()?;
            }
        }
        if !analyze {
            let mut planned = Classes::NONE;
            planned.insert(Class::Read);
            for class in self.found.functions.iter().filter_map(|function| function.class) {
                planned.insert(class);
            }
            if self.found.classes.contains(Class::Prepared) {
                // its body may call anything
                planned.insert(Class::Prepared);
            }
            self.found.classes = planned;
        }
        Ok(Head { verb: Verb::Explain, name })
    }
}
