//! INSERT, UPDATE, DELETE and MERGE.

use super::class::Class;
use super::parser::{Parse, Parser, Stop, Wide};
use super::selective::Target;
use super::statement::Verb;
use crate::keyword::Keyword;
use crate::lex::Kind;

impl Parser<'_> {
    /// What PREPARE, EXPLAIN and WITH accept: a query or a change of rows.
    pub(super) fn preparable(&mut self) -> Parse<Wide> {
        self.preparable_verb().map(|(_, wide)| wide)
    }

    pub(super) fn preparable_verb(&mut self) -> Parse<(Verb, Wide)> {
        if self.is_word(Keyword::With) {
            self.wants_items = false;
            self.with_clause()?;
        }
        Ok(match self.word() {
            Keyword::Insert => (Verb::Insert, self.insert()?),
            Keyword::Update => (Verb::Update, self.update()?),
            Keyword::Delete => (Verb::Delete, self.delete()?),
            Keyword::Merge => (Verb::Merge, self.merge()?),
            Keyword::With => return Err(Stop::Unexpected),
            _ => {
                let wide = self.query()?;
                self.class(Class::Read);
                (Verb::Select, wide)
            }
        })
    }

    fn insert(&mut self) -> Parse<Wide> {
        self.skip();
        self.expect_word(Keyword::Into)?;
        let name = self.qualified_name()?;
        self.object(name, true);
        if self.take_word(Keyword::As) {
            self.column_name()?;
        }
        if self.is(Kind::LeftParen)
            && !(self.is_query_start_at(1) || self.kind_at(1) == Some(Kind::LeftParen))
        {
            self.skip();
            self.list(Self::assignment_target)?;
            self.expect(Kind::RightParen)?;
        }
        if self.take_word(Keyword::Overriding) {
            if !self.take_any(&[Keyword::User, Keyword::System]) {
                return Err(Stop::Unexpected);
            }
            self.expect_word(Keyword::Value)?;
        }
        self.class(Class::Write);
        let mut source = Wide::NONE;
        if !self.take_words(&[Keyword::Default, Keyword::Values]) {
            source = self.in_query(Self::query)?;
        }
        if self.take_words(&[Keyword::On, Keyword::Conflict]) {
            self.on_conflict(source)?;
        }
        self.returning()?;
        Ok(if source == Wide::NONE { Wide::NONE } else { Wide::MANY })
    }

    fn on_conflict(&mut self, source: Wide) -> Parse<()> {
        if self.take_words(&[Keyword::On, Keyword::Constraint]) {
            self.column_name()?;
        } else if self.take(Kind::LeftParen) {
            self.list(|p| {
                p.expr()?;
                if p.is_column_name() {
                    // an operator class
                    p.any_name()?;
                }
                p.take_any(&[Keyword::Asc, Keyword::Desc]);
                if p.take_word(Keyword::Nulls) && !p.take_any(&[Keyword::First, Keyword::Last]) {
                    return Err(Stop::Unexpected);
                }
                Ok(())
            })?;
            self.expect(Kind::RightParen)?;
            if self.take_word(Keyword::Where) {
                self.expr()?;
            }
        }
        self.expect_word(Keyword::Do)?;
        if self.take_word(Keyword::Nothing) {
            return Ok(());
        }
        self.expect_word(Keyword::Update)?;
        self.expect_word(Keyword::Set)?;
        self.assignments()?;
        // as many rows may be there already as the query makes
        if source != Wide::NONE {
            self.class(Class::BulkWrite);
        }
        if self.take_word(Keyword::Where) {
            self.expr()?;
        }
        Ok(())
    }

    fn update(&mut self) -> Parse<Wide> {
        self.skip();
        let (mut target, all) = self.target_relation(Keyword::Set)?;
        self.expect_word(Keyword::Set)?;
        self.assignments()?;
        if self.take_word(Keyword::From) {
            target.others = self.other_tables()?;
        }
        self.changes_rows(target, all)
    }

    fn delete(&mut self) -> Parse<Wide> {
        self.skip();
        self.expect_word(Keyword::From)?;
        let (mut target, all) = self.target_relation(Keyword::Using)?;
        if self.take_word(Keyword::Using) {
            target.others = self.other_tables()?;
        }
        self.changes_rows(target, all)
    }

    /// The relation an UPDATE, DELETE or MERGE changes. `not_alias` is the word that cannot be its alias.
    fn target_relation(&mut self, not_alias: Keyword) -> Parse<(Target, Wide)> {
        let name = self.relation_name()?;
        // its own last name is its alias, without the quotes the list of objects may have it in
        let own = self.tokens.get(..self.at).and_then(|read| read.iter().rev().find(|t| t.kind.is_name()));
        let mut alias = own.map(|token| self.name_of(*token).into_owned()).ok_or(Stop::Unexpected)?;
        let all = Wide::object(self.object(name, true));
        let named = self.take_word(Keyword::As);
        let is_alias = self.is_column_name() && (self.word() != not_alias || !self.is(Kind::Word));
        if named || is_alias {
            let token = self.column_name()?;
            alias = self.name_of(token).into_owned();
        }
        Ok((Target { alias, others: Vec::new() }, all))
    }

    /// What the target is joined with, by alias.
    fn other_tables(&mut self) -> Parse<Vec<(String, Wide)>> {
        let around = self.others.replace(Vec::new());
        self.table_list()?;
        let mut others = core::mem::replace(&mut self.others, around).unwrap_or_default();
        if others.is_empty() || others.len() > MAX_JOINED {
            // unqualified columns may be anyone's
            others.truncate(MAX_JOINED);
            others.push((String::new(), Wide::ALL));
        }
        Ok(others)
    }

    /// WHERE and RETURNING, and what they make of the change.
    fn changes_rows(&mut self, target: Target, all: Wide) -> Parse<Wide> {
        let mut selective = false;
        if self.take_word(Keyword::Where) {
            if self.is_word(Keyword::Current) && self.word_at(1) == Keyword::Of {
                self.skip();
                self.skip();
                self.column_name()?;
                selective = true;
            } else {
                selective = self.condition(target)?;
            }
        }
        self.class(if selective { Class::Write } else { Class::BulkWrite });
        self.returning()?;
        Ok(if selective { Wide::NONE } else { all })
    }

    /// A condition on the rows of `target`.
    fn condition(&mut self, target: Target) -> Parse<bool> {
        let around = self.target.replace(target);
        let condition = self.expr();
        self.target = around;
        Ok(condition?.selective)
    }

    fn assignments(&mut self) -> Parse<()> {
        self.list(|p| {
            if p.take(Kind::LeftParen) {
                p.list(Self::assignment_target)?;
                p.expect(Kind::RightParen)?;
            } else {
                p.assignment_target()?;
            }
            p.expect(Kind::Equal)?;
            p.expr().map(|_| ())
        })
    }

    /// `column`, `column.field`, `column[1]`
    fn assignment_target(&mut self) -> Parse<()> {
        self.column_name()?;
        loop {
            if self.take(Kind::Dot) {
                self.label()?;
            } else if self.take(Kind::LeftBracket) {
                if !self.is(Kind::Colon) {
                    self.expr()?;
                }
                if self.take(Kind::Colon) && !self.is(Kind::RightBracket) {
                    self.expr()?;
                }
                self.expect(Kind::RightBracket)?;
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn returning(&mut self) -> Parse<()> {
        if !self.take_word(Keyword::Returning) {
            return Ok(());
        }
        if self.is_word(Keyword::With) {
            self.skip();
            self.expect(Kind::LeftParen)?;
            self.list(|p| {
                p.label()?;
                p.expect_word(Keyword::As)?;
                p.column_name().map(|_| ())
            })?;
            self.expect(Kind::RightParen)?;
        }
        self.select_list(&mut None)
    }

    fn merge(&mut self) -> Parse<Wide> {
        self.skip();
        self.expect_word(Keyword::Into)?;
        let (mut target, all) = self.target_relation(Keyword::Using)?;
        self.expect_word(Keyword::Using)?;
        target.others = self.other_tables()?;
        self.expect_word(Keyword::On)?;
        let joined = self.condition(target.clone())?;
        let mut bulk = false;
        let mut actions = 0u32;
        while self.take_word(Keyword::When) {
            actions += 1;
            let not = self.take_word(Keyword::Not);
            self.expect_word(Keyword::Matched)?;
            let mut by_source = false;
            if self.take_word(Keyword::By) {
                by_source = self.take_word(Keyword::Source);
                if !by_source {
                    self.expect_word(Keyword::Target)?;
                }
            }
            let mut selective = joined && !(not && by_source);
            if self.take_word(Keyword::And) {
                selective |= self.condition(target.clone())?;
            }
            self.expect_word(Keyword::Then)?;
            bulk |= self.merge_action()? && !selective;
        }
        if actions == 0 {
            return Err(Stop::Unexpected);
        }
        self.class(if bulk { Class::BulkWrite } else { Class::Write });
        self.returning()?;
        Ok(if bulk { all } else { Wide::NONE })
    }

    /// One action; whether it changes rows that are there.
    fn merge_action(&mut self) -> Parse<bool> {
        match self.word() {
            Keyword::Update => {
                self.skip();
                self.expect_word(Keyword::Set)?;
                self.assignments()?;
                Ok(true)
            }
            Keyword::Delete => {
                self.skip();
                Ok(true)
            }
            Keyword::Insert => {
                self.skip();
                if self.take(Kind::LeftParen) {
                    self.list(Self::assignment_target)?;
                    self.expect(Kind::RightParen)?;
                }
                if self.take_word(Keyword::Overriding) {
                    self.take_any(&[Keyword::User, Keyword::System]);
                    self.expect_word(Keyword::Value)?;
                }
                if !self.take_words(&[Keyword::Default, Keyword::Values]) {
                    self.expect_word(Keyword::Values)?;
                    self.expect(Kind::LeftParen)?;
                    self.expr_list()?;
                    self.expect(Kind::RightParen)?;
                }
                Ok(false)
            }
            Keyword::Do => {
                self.skip();
                self.expect_word(Keyword::Nothing)?;
                Ok(false)
            }
            _ => Err(Stop::Unexpected),
        }
    }
}

/// More joined tables than this are not told apart: each comparison looks through them.
const MAX_JOINED: usize = 50;
