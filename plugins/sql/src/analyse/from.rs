//! What stands after FROM: relations, joins, subqueries, functions.

use super::parser::{Parse, Parser, Stop, Wide};
use crate::keyword::{Category, Keyword};
use crate::lex::Kind;

impl Parser<'_> {
    /// A list of tables and joins; which relations it may return all rows of.
    pub(super) fn table_list(&mut self) -> Parse<Wide> {
        let mut wide = Wide::NONE;
        self.list(|p| {
            wide = wide.and(p.table_ref()?);
            Ok(())
        })?;
        Ok(wide)
    }

    pub(super) fn table_ref(&mut self) -> Parse<Wide> {
        let first = self.table_primary()?;
        self.joins(first)
    }

    fn joins(&mut self, mut wide: Wide) -> Parse<Wide> {
        loop {
            let natural = self.take_word(Keyword::Natural);
            let kind = self.word();
            let cross = match kind {
                Keyword::Cross => {
                    self.skip();
                    true
                }
                Keyword::Inner => {
                    self.skip();
                    false
                }
                Keyword::Left | Keyword::Right | Keyword::Full => {
                    self.skip();
                    self.take_word(Keyword::Outer);
                    false
                }
                Keyword::Join => false,
                _ if natural => return Err(Stop::Unexpected),
                _ => return Ok(wide),
            };
            self.expect_word(Keyword::Join)?;
            let right = self.table_primary()?;
            wide = wide.and(right);
            if cross || natural {
                continue;
            }
            // `a JOIN b JOIN c ON .. ON ..`: the right side may be a join itself
            if !matches!(self.word(), Keyword::On | Keyword::Using) {
                wide = wide.and(self.deeper(|p| p.joins(right))?);
            }
            if self.take_word(Keyword::On) {
                self.expr()?;
            } else {
                self.expect_word(Keyword::Using)?;
                self.expect(Kind::LeftParen)?;
                self.name_list()?;
                self.expect(Kind::RightParen)?;
                if self.take_word(Keyword::As) {
                    self.column_name()?;
                }
            }
            // what comes next may belong to the join around this one
            if matches!(self.word(), Keyword::On | Keyword::Using) {
                return Ok(wide);
            }
        }
    }

    fn table_primary(&mut self) -> Parse<Wide> {
        self.found.tables += 1;
        let lateral = self.take_word(Keyword::Lateral);
        match self.kind() {
            Some(Kind::LeftParen) => return self.parenthesised_table(),
            Some(Kind::Word) => {}
            Some(kind) if kind.is_name() => {}
            _ => return Err(Stop::Unexpected),
        }
        let called = self.kind_at(1) == Some(Kind::LeftParen);
        match self.word() {
            Keyword::Rows if self.word_at(1) == Keyword::From => {
                self.skip();
                self.skip();
                self.expect(Kind::LeftParen)?;
                let before = self.mark();
                self.list(|p| {
                    p.primary()?;
                    if p.take_word(Keyword::As) {
                        p.column_definitions()?;
                    }
                    Ok(())
                })?;
                self.expect(Kind::RightParen)?;
                self.function_tail(&before)
            }
            Keyword::Xmltable | Keyword::JsonTable if called => {
                let before = self.mark();
                self.skip();
                self.table_function_arguments()?;
                self.function_tail(&before)
            }
            Keyword::Only => self.relation_with_alias(),
            word if self.is_call(word) => {
                let before = self.mark();
                // names of columns in the arguments are counted, the function's own name is not
                self.primary()?;
                self.function_tail(&before)
            }
            _ if lateral => Err(Stop::Unexpected),
            _ => self.relation_with_alias(),
        }
    }

    /// Does a function stand here, rather than a relation?
    fn is_call(&self, word: Keyword) -> bool {
        if self.is(Kind::Word)
            && matches!(
                word,
                Keyword::CurrentDate
                    | Keyword::CurrentTime
                    | Keyword::CurrentTimestamp
                    | Keyword::Localtime
                    | Keyword::Localtimestamp
                    | Keyword::CurrentRole
                    | Keyword::CurrentUser
                    | Keyword::SessionUser
                    | Keyword::User
                    | Keyword::CurrentCatalog
                    | Keyword::CurrentSchema
            )
        {
            return true;
        }
        let mut ahead = 1;
        while self.kind_at(ahead) == Some(Kind::Dot) && self.kind_at(ahead + 1).is_some_and(Kind::is_name) {
            ahead += 2;
        }
        self.kind_at(ahead) == Some(Kind::LeftParen)
            || (word == Keyword::Collation && self.word_at(1) == Keyword::For)
    }

    /// `(SELECT ...) alias`, `(a JOIN b ...)`, `((SELECT ...) UNION ...) alias`.
    fn parenthesised_table(&mut self) -> Parse<Wide> {
        let (wide, _) = self.inside_table_parens()?;
        self.alias_after(wide)
    }

    fn alias_after(&mut self, wide: Wide) -> Parse<Wide> {
        if let Some(alias) = self.alias()? {
            self.joined(alias, computed(wide));
        }
        Ok(wide)
    }

    /// What a parenthesis in FROM holds, and whether that is a query.
    fn inside_table_parens(&mut self) -> Parse<(Wide, bool)> {
        self.deeper(|p| {
            p.expect(Kind::LeftParen)?;
            if p.is_query_start() {
                p.found.queries += 1;
                let wide = p.in_query(Self::query)?;
                p.expect(Kind::RightParen)?;
                return Ok((wide, true));
            }
            if !p.is(Kind::LeftParen) {
                let wide = p.table_ref()?;
                p.expect(Kind::RightParen)?;
                return Ok((wide, false));
            }
            let (mut wide, mut is_query) = p.inside_table_parens()?;
            if is_query && p.is_query_tail() {
                wide = p.in_query(|p| p.query_from(wide))?;
            } else if !p.is(Kind::RightParen) {
                wide = p.alias_after(wide)?;
                wide = p.joins(wide)?;
                is_query = false;
            }
            p.expect(Kind::RightParen)?;
            Ok((wide, is_query))
        })
    }

    fn relation_with_alias(&mut self) -> Parse<Wide> {
        let start = self.at;
        let (wide, is_table) = self.table_or_query()?;
        let joined = if is_table { wide } else { computed(wide) };
        let written_end = self.at;
        match self.alias()? {
            Some(alias) => self.joined(alias, joined),
            None if self.others.is_some() || self.outer.is_some() => {
                // without an alias its own last name is the qualifier
                let last = self
                    .tokens
                    .get(start..written_end)
                    .unwrap_or(&[])
                    .iter()
                    .rev()
                    .find(|token| token.kind.is_name())
                    .copied();
                if let Some(token) = last {
                    let name = self.name_of(token).into_owned();
                    self.joined(name, joined);
                }
            }
            None => {}
        }
        if self.take_word(Keyword::Tablesample) {
            let schema = (self.kind_at(1) == Some(Kind::Dot)).then(|| self.peek()).flatten();
            if schema.is_some() {
                self.skip();
                self.skip();
            }
            let method = self.label()?;
            let method = self.name_of(method);
            if !matches!(&*method, "bernoulli" | "system") || schema.is_some() {
                self.called(method.into_owned(), Some(super::Class::FunctionCall));
            }
            self.expect(Kind::LeftParen)?;
            self.expr_list()?;
            self.expect(Kind::RightParen)?;
            if self.take_word(Keyword::Repeatable) {
                self.expect(Kind::LeftParen)?;
                self.expr()?;
                self.expect(Kind::RightParen)?;
            }
        }
        Ok(wide)
    }

    /// `t`, `ONLY t`, `ONLY (t)`, `t *`: written down unless WITH defines it.
    pub(super) fn relation(&mut self, writes: bool) -> Parse<Wide> {
        if !writes {
            return Ok(self.table_or_query()?.0);
        }
        let name = self.relation_name()?;
        let place = self.object(name, writes);
        Ok(Wide::object(place))
    }

    /// The same where it is read, and whether it is a table: not a query that WITH has named.
    fn table_or_query(&mut self) -> Parse<(Wide, bool)> {
        let name = self.relation_name()?;
        if let Some((_, wide)) = self.ctes.iter().rev().find(|(cte, _)| *cte == name) {
            self.found.queries += 1;
            return Ok((*wide, false));
        }
        let place = self.object(name, false);
        Ok((Wide::object(place), true))
    }

    pub(super) fn relation_name(&mut self) -> Parse<String> {
        let only = self.take_word(Keyword::Only);
        let parenthesised = only && self.take(Kind::LeftParen);
        let name = self.qualified_name()?;
        if parenthesised {
            self.expect(Kind::RightParen)?;
        } else if !only {
            self.take(Kind::Star);
        }
        Ok(name)
    }

    /// Remembers what a table in FROM is called, where conditions need to know.
    pub(super) fn joined(&mut self, alias: String, wide: Wide) {
        if self.outer.as_deref() == Some(&*alias) {
            self.found.outer_shadows += 1;
        }
        if let Some(others) = &mut self.others {
            others.push((alias, wide));
        }
    }

    pub(super) fn is_alias(&self) -> bool {
        self.is_column_name() && !(self.is(Kind::Word) && self.word().category() == Category::Reserved)
    }

    /// `[AS] alias [(columns)]`
    fn alias(&mut self) -> Parse<Option<String>> {
        if !self.take_word(Keyword::As) && !self.is_alias() {
            return Ok(None);
        }
        let alias = self.column_name()?;
        let alias = self.name_of(alias).into_owned();
        if self.take(Kind::LeftParen) {
            self.name_list()?;
            self.expect(Kind::RightParen)?;
        }
        Ok(Some(alias))
    }
}

/// What a query returns, as something joined: a column of it may hold one value in every row (`select id, 1 as k`), so to
/// compare that with a value says nothing.
fn computed(wide: Wide) -> Wide {
    if wide == Wide::NONE { wide } else { wide.and(Wide::MANY) }
}
