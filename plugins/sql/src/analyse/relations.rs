//! Relations that a definition names behind the first one, and whether it may change some that it does not name.
//!
//! Asked only of definitions that name a relation: whoever judges relations takes one without any for a change of
//! everything.

use super::parser::Parser;
use crate::functions;
use crate::keyword::{Category, Keyword};
use crate::lex::{Kind, Token};

impl Parser<'_> {
    /// What the token here, in a definition that is not parsed, says of relations. Takes nothing.
    pub(super) fn relations_here(&mut self) {
        if self.found.objects.is_empty() {
            return;
        }
        let place = self.at;
        self.relations_behind_word();
        self.at = place;
        if self.may_run_something() || self.cascades() {
            self.found.flags.unnamed = true;
        }
    }

    fn relations_behind_word(&mut self) {
        if self.before(self.at).is_some_and(|token| token.kind == Kind::Dot) {
            return;
        }
        let writes = match self.word() {
            Keyword::Inherits if self.is_kind_at(1, Kind::LeftParen) => return self.parents(),
            Keyword::Inherit => true,
            Keyword::Like | Keyword::References => false,
            // not PARTITION BY
            Keyword::Partition if self.word_at(1) != Keyword::By => {
                if self.word_at(1) == Keyword::Of {
                    self.skip();
                }
                true
            }
            Keyword::Rename if self.word_at(1) == Keyword::To => {
                self.skip();
                true
            }
            Keyword::Set if self.word_at(1) == Keyword::Schema => return self.new_schema(),
            Keyword::Owned if self.word_at(1) == Keyword::By => return self.owner_of_sequence(),
            _ => return,
        };
        self.skip();
        if let Ok(name) = self.qualified_name() {
            self.object(name, writes);
        }
    }

    /// `INHERITS (a, b)`
    fn parents(&mut self) {
        self.skip();
        self.skip();
        while let Ok(name) = self.qualified_name() {
            self.object(name, true);
            if !self.take(Kind::Comma) {
                break;
            }
        }
    }

    /// `SET SCHEMA s`: it gets a name there.
    fn new_schema(&mut self) {
        self.skip();
        self.skip();
        let last = |name: &str| name.rsplit_once('.').map_or(name, |(_, last)| last).to_owned();
        let relation = self.found.objects.first().map(|object| last(&object.name));
        if let (Ok(schema), Some(relation)) = (self.qualified_name(), relation) {
            // with a dot inside quotes its last part cannot be told from here
            self.found.flags.unnamed |= relation.contains('"');
            self.object(format!("{schema}.{relation}"), true);
        }
    }

    /// `OWNED BY table.column`
    fn owner_of_sequence(&mut self) {
        self.skip();
        self.skip();
        let first = self.at;
        while self.kind_at(1) == Some(Kind::Dot) && self.kind_at(3) == Some(Kind::Dot) {
            self.at += 2;
        }
        // the tokens before the last dot
        let end = self.at + 1;
        if self.kind_at(1) != Some(Kind::Dot) {
            return;
        }
        let parts: Vec<_> = self.tokens.get(first..end).unwrap_or_default().to_vec();
        let parts = parts.into_iter().filter(|token| token.kind.is_name());
        let parts: Vec<_> = parts.map(|token| super::parser::quote_part(self.name_of(token))).collect();
        self.object(parts.join("."), true);
    }

    /// CASCADE, but not that of ON DELETE and ON UPDATE.
    fn cascades(&self) -> bool {
        let before = self.before(self.at).map(|token| token.word);
        self.is_word(Keyword::Cascade) && !matches!(before, Some(Keyword::Delete | Keyword::Update))
    }

    fn before(&self, at: usize) -> Option<Token> {
        at.checked_sub(1).and_then(|at| self.tokens.get(at)).copied()
    }

    /// A call of a function or operator of which nothing is known: a default, a condition or an index may run it for
    /// each row at once.
    fn may_run_something(&self) -> bool {
        let Some(token) = self.peek() else { return false };
        if token.kind == Kind::Operator {
            return !functions::is_harmless_operator(token.span.of(self.text));
        }
        if token.word == Keyword::Operator && self.is_kind_at(1, Kind::LeftParen) {
            return true;
        }
        // once for each name, at its end
        if !token.kind.is_name() || self.is_kind_at(1, Kind::Dot) {
            return false;
        }
        let mut first = self.at;
        while first >= 2 && self.before(first).is_some_and(|token| token.kind == Kind::Dot) {
            first -= 2;
        }
        let qualified = first != self.at;
        let reserved = token.word.category() == Category::Reserved && !qualified;
        if reserved {
            return false;
        }
        let name = self.name_of(token);
        let Some(start) = self.tokens.get(first).copied() else { return false };
        if !start.kind.is_name() {
            // `(x).name`
            return !functions::is_field(&name) && !functions::is_harmless(&name);
        }
        let harmless = functions::is_harmless(&name)
            && (!qualified || first + 2 == self.at && self.name_of(start) == "pg_catalog");
        let of_grammar = !qualified && is_of_grammar(token);
        if harmless || of_grammar || self.is_no_call_behind(first) {
            return false;
        }
        self.is_kind_at(1, Kind::LeftParen) || qualified && self.is_first_relation(&self.name_of(start))
    }

    fn is_kind_at(&self, ahead: usize, kind: Kind) -> bool {
        self.kind_at(ahead) == Some(kind)
    }

    /// `t.name` in a condition on `t` is a function of the row, if there is no such column.
    fn is_first_relation(&self, name: &str) -> bool {
        let first = self.found.objects.first().map(|object| object.name.as_str());
        // one with a quote or a dot in it is not taken apart
        first.is_some_and(|first| {
            first.len() > 200 || first.contains('"') || first.rsplit('.').next() == Some(name)
        })
    }

    /// Does a relation, type, method or class of operators stand where the name begins at `first`?
    fn is_no_call_behind(&self, first: usize) -> bool {
        let Some(before) = self.before(first) else { return true };
        match before.word {
            Keyword::Table
            | Keyword::View
            | Keyword::On
            | Keyword::Only
            | Keyword::References
            | Keyword::Exists
            | Keyword::Of
            | Keyword::Inherit
            | Keyword::Type
            | Keyword::Collate => true,
            // in ALTER COLUMN ... TYPE ... USING comes an expression
            Keyword::Using => {
                let exclude = self.before(first - 1).is_some_and(|token| token.word == Keyword::Exclude);
                exclude || self.tokens.first().is_some_and(|token| token.word == Keyword::Create)
            }
            Keyword::By => self.before(first - 1).is_some_and(|token| token.word == Keyword::Partition),
            // `column geometry(Point)`, `column opclass(option = 1)`: no two names stand side by side in expressions
            Keyword::NotAKeyword => {
                before.kind.is_name() || matches!(before.kind, Kind::Cast | Kind::RightParen)
            }
            _ => false,
        }
    }
}

/// A word of the grammar that may stand before a parenthesis. Names of types among them, COALESCE and its like.
fn is_of_grammar(token: Token) -> bool {
    let words = [
        Keyword::Key,
        Keyword::Include,
        Keyword::Set,
        Keyword::Reset,
        Keyword::Options,
        Keyword::Inherits,
        Keyword::Exclude,
        Keyword::Identity,
        Keyword::Always,
        Keyword::Like,
        Keyword::Ilike,
        Keyword::Is,
    ];
    let is_type = token.word.category() == Category::ColName;
    token.kind == Kind::Word && (is_type || words.contains(&token.word))
}
