//! Calls with a syntax of their own: `CAST(x AS t)`, `EXTRACT(year FROM d)`, `CURRENT_DATE`, SQL/XML, SQL/JSON.
//! All of them are PostgreSQL's own and free of effects; what matters is in their arguments.

use super::expr::{Rule, is_operator};
use super::parser::{Parse, Parser};
use super::selective::Expr;
use crate::keyword::{Category, Keyword};
use crate::lex::Kind;

/// Words that stand between the arguments of these calls.
#[rustfmt::skip]
const SEPARATORS: &[Keyword] = {
    use Keyword::*;
    &[
        From, For, Placing, In, Similar, Escape, Both, Leading, Trailing, Passing, By, Ref, Value, Name,
        Document, Content, Preserve, Strip, Whitespace, Version, Standalone, Yes, No, Indent, Format,
        Json, Encoding, On, Absent, Unique, Keys, With, Without, Empty, Error, Wrapper, Conditional,
        Unconditional, Array, Object, Keep, Omit, Quotes, Scalar, String, Null, True, False, Unknown,
        Default, Nfc, Nfd, Nfkc, Nfkd,
    ]
};

impl Parser<'_> {
    /// A call with a syntax of its own, if one begins here.
    pub(super) fn special(&mut self, word: Keyword) -> Parse<Option<Expr>> {
        let called = self.kind_at(1) == Some(Kind::LeftParen);
        match word {
            Keyword::CurrentDate
            | Keyword::CurrentRole
            | Keyword::CurrentUser
            | Keyword::SessionUser
            | Keyword::User
            | Keyword::CurrentCatalog => {
                self.skip();
                Ok(Some(Expr::CONSTANT))
            }
            Keyword::SystemUser if !called => {
                self.skip();
                Ok(Some(Expr::CONSTANT))
            }
            Keyword::CurrentSchema if !called => {
                self.skip();
                Ok(Some(Expr::CONSTANT))
            }
            Keyword::CurrentTime
            | Keyword::CurrentTimestamp
            | Keyword::Localtime
            | Keyword::Localtimestamp => {
                self.skip();
                if self.take(Kind::LeftParen) {
                    self.expect(Kind::Integer)?;
                    self.expect(Kind::RightParen)?;
                }
                Ok(Some(Expr::CONSTANT))
            }
            Keyword::Cast | Keyword::Treat if called => {
                self.skip();
                self.skip();
                let value = self.expr()?;
                self.expect_word(Keyword::As)?;
                self.type_name()?;
                self.expect(Kind::RightParen)?;
                Ok(Some(value.computed()))
            }
            Keyword::Collation if self.word_at(1) == Keyword::For => {
                self.skip();
                self.skip();
                self.expect(Kind::LeftParen)?;
                self.expr()?;
                self.expect(Kind::RightParen)?;
                Ok(Some(Expr::OTHER))
            }
            Keyword::Coalesce | Keyword::Greatest | Keyword::Least | Keyword::Nullif | Keyword::Xmlconcat
                if called =>
            {
                self.skip();
                self.skip();
                let mut all = Expr::CONSTANT;
                loop {
                    all = all.computed_with(self.expr()?);
                    if !self.take(Kind::Comma) {
                        break;
                    }
                }
                self.expect(Kind::RightParen)?;
                Ok(Some(all))
            }
            Keyword::Grouping if called => {
                self.skip();
                self.skip();
                self.expr_list()?;
                self.expect(Kind::RightParen)?;
                Ok(Some(Expr::OTHER))
            }
            Keyword::Extract
            | Keyword::Normalize
            | Keyword::Overlay
            | Keyword::Position
            | Keyword::Substring
            | Keyword::Trim
            | Keyword::MergeAction
            | Keyword::Xmlelement
            | Keyword::Xmlexists
            | Keyword::Xmlforest
            | Keyword::Xmlparse
            | Keyword::Xmlpi
            | Keyword::Xmlroot
            | Keyword::Xmlserialize
            | Keyword::Json
            | Keyword::JsonArray
            | Keyword::JsonArrayagg
            | Keyword::JsonExists
            | Keyword::JsonObject
            | Keyword::JsonObjectagg
            | Keyword::JsonQuery
            | Keyword::JsonScalar
            | Keyword::JsonSerialize
            | Keyword::JsonValue
                if called =>
            {
                self.called(word.text().to_owned(), None);
                self.skip();
                self.loose_arguments().map(Some)
            }
            Keyword::Json if self.kind_at(1).is_some_and(Kind::is_text) => {
                self.skip();
                self.skip();
                Ok(Some(Expr::CONSTANT))
            }
            _ if word.category() == Category::ColName || word == Keyword::Double => {
                Ok(if self.typed_literal()? { Some(Expr::CONSTANT) } else { None })
            }
            _ => Ok(None),
        }
    }

    /// Arguments separated by commas and by words of their own. Each is an expression; the words decide only
    /// which is which, and that does not matter here. The outcome never counts as constant, so a column that
    /// is taken for such a word does no harm.
    pub(super) fn loose_arguments(&mut self) -> Parse<Expr> {
        self.deeper(|p| {
            p.expect(Kind::LeftParen)?;
            p.found.columns += 1;
            while !p.take(Kind::RightParen) {
                if p.take(Kind::Comma) || p.take(Kind::Colon) {
                    continue;
                }
                if p.is_separator() {
                    p.skip();
                } else if p.is_word(Keyword::Xmlattributes) || p.is_word(Keyword::Xmlnamespaces) {
                    p.skip();
                    p.loose_arguments()?;
                } else if p.take_word(Keyword::As) {
                    // a type or a label
                    let start = p.at;
                    if p.type_name().is_err() {
                        p.at = start;
                        p.label()?;
                    }
                } else if p.take_word(Keyword::Returning) {
                    p.type_name()?;
                } else if p.is_word(Keyword::Order) {
                    p.order_by()?;
                } else {
                    p.argument()?;
                }
            }
            p.aggregate_tail()?;
            Ok(Expr::OTHER)
        })
    }

    /// `FILTER (WHERE ...)` and `OVER ...` after an aggregate.
    pub(super) fn aggregate_tail(&mut self) -> Parse<bool> {
        let start = self.at;
        if self.is_word(Keyword::Filter) && self.kind_at(1) == Some(Kind::LeftParen) {
            self.skip();
            self.skip();
            self.expect_word(Keyword::Where)?;
            self.expr()?;
            self.expect(Kind::RightParen)?;
        }
        if self.take_word(Keyword::Over) {
            if self.is(Kind::LeftParen) {
                self.window()?;
            } else {
                self.column_name()?;
            }
        }
        Ok(self.at > start)
    }

    /// An argument up to the next separator: IN ends one in `position(a IN b)`.
    fn argument(&mut self) -> Parse<()> {
        let first = self.expr_with(Rule::Restricted)?;
        let goes_on = [
            Keyword::And,
            Keyword::Or,
            Keyword::Like,
            Keyword::Ilike,
            Keyword::Between,
            Keyword::Not,
            Keyword::At,
            Keyword::Is,
        ];
        if goes_on.contains(&self.word()) {
            self.expr_from(first)?;
        }
        Ok(())
    }

    /// Is the word here one that stands between arguments? One that may also be a column's name is not if it
    /// goes on like an expression.
    fn is_separator(&self) -> bool {
        if !self.is(Kind::Word) || !SEPARATORS.contains(&self.word()) {
            return false;
        }
        if self.is_word(Keyword::Array) {
            return self.kind_at(1) != Some(Kind::LeftBracket) && self.kind_at(1) != Some(Kind::LeftParen);
        }
        if self.word().category() == Category::Reserved || self.is_word(Keyword::Passing) {
            return true;
        }
        !self.kind_at(1).is_some_and(|next| {
            matches!(next, Kind::Dot | Kind::LeftParen | Kind::LeftBracket | Kind::Cast) || is_operator(next)
        })
    }
}
