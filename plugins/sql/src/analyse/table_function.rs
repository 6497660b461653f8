//! Functions in FROM: what may follow them, and the two that have a language of their own, XMLTABLE and
//! JSON_TABLE.

use super::parser::{Parse, Parser, Stop, Wide};
use crate::keyword::Keyword;
use crate::lex::{Kind, Token};

/// A place in the statement, and what was found before it.
pub(super) struct Mark {
    at: usize,
    columns: u32,
    inner_queries: u32,
}

/// Functions that make as many rows as a number says.
const COUNT: [&str; 2] = ["generate_series", "generate_subscripts"];

impl Parser<'_> {
    pub(super) fn mark(&self) -> Mark {
        Mark { at: self.at, columns: self.found.columns, inner_queries: self.found.inner_queries }
    }

    /// Between there and here stands what may make any number of rows, whatever is read in FROM: a count, or a query
    /// in an expression, which a function may unfold.
    pub(super) fn makes_rows_since(&self, mark: &Mark) -> bool {
        let tokens = self.tokens.get(mark.at..self.at).unwrap_or_default();
        let counts = |token: &Token| token.kind.is_name() && COUNT.contains(&&*self.name_of(*token));
        self.found.inner_queries > mark.inner_queries || tokens.iter().any(counts)
    }

    /// What may follow a function in FROM.
    pub(super) fn function_tail(&mut self, before: &Mark) -> Parse<Wide> {
        let has_columns = self.found.columns > before.columns;
        let mut wide = Wide::NONE;
        if has_columns || self.makes_rows_since(before) {
            wide = Wide::MANY;
        }
        self.take_words(&[Keyword::With, Keyword::Ordinality]);
        let named = self.take_word(Keyword::As);
        if named && self.is(Kind::LeftParen) {
            self.column_definitions()?;
        } else {
            if named || self.is_alias() {
                let alias = self.column_name()?;
                let alias = self.name_of(alias).into_owned();
                self.found.function_aliases.push(alias.clone());
                self.joined(alias, wide);
                if self.is(Kind::LeftParen) {
                    self.column_definitions()?;
                }
            }
        }
        Ok(if has_columns && self.outer.is_some() { Wide::ALL } else { wide })
    }

    /// `(a, b)` or `(a int, b text COLLATE "C")`.
    pub(super) fn column_definitions(&mut self) -> Parse<()> {
        self.expect(Kind::LeftParen)?;
        self.list(|p| {
            let column = p.column_name()?;
            let name = p.name_of(column).into_owned();
            p.found.declared.push(name);
            if !matches!(p.kind(), Some(Kind::Comma | Kind::RightParen)) {
                p.type_name()?;
                if p.take_word(Keyword::Collate) {
                    p.any_name()?;
                }
            }
            Ok(())
        })?;
        self.expect(Kind::RightParen)
    }

    /// XMLTABLE and JSON_TABLE: expressions, types and words of their own, in parentheses.
    pub(super) fn table_function_arguments(&mut self) -> Parse<()> {
        self.deeper(|p| {
            p.expect(Kind::LeftParen)?;
            while !p.take(Kind::RightParen) {
                match p.word() {
                    Keyword::Columns => {
                        p.skip();
                        let parenthesised = p.take(Kind::LeftParen);
                        p.list(Self::table_function_column)?;
                        if parenthesised {
                            p.expect(Kind::RightParen)?;
                        }
                    }
                    Keyword::Xmlnamespaces => {
                        p.skip();
                        p.loose_arguments()?;
                    }
                    Keyword::Passing
                    | Keyword::By
                    | Keyword::Ref
                    | Keyword::Value
                    | Keyword::Error
                    | Keyword::Empty
                    | Keyword::On
                    | Keyword::Format
                    | Keyword::Json
                    | Keyword::Null => p.skip(),
                    Keyword::As => {
                        p.skip();
                        p.label()?;
                    }
                    _ if p.take(Kind::Comma) => {}
                    _ => {
                        p.expr()?;
                    }
                }
            }
            Ok(())
        })
    }

    fn table_function_column(&mut self) -> Parse<()> {
        self.deeper(|p| {
            if p.is_word(Keyword::Nested) {
                p.skip();
                p.take_word(Keyword::Path);
                p.primary()?;
                if p.take_word(Keyword::As) {
                    p.column_name()?;
                }
                p.expect_word(Keyword::Columns)?;
                p.expect(Kind::LeftParen)?;
                p.list(Self::table_function_column)?;
                return p.expect(Kind::RightParen);
            }
            let column = p.column_name()?;
            let name = p.name_of(column).into_owned();
            p.found.declared.push(name);
            if p.take_words(&[Keyword::For, Keyword::Ordinality]) {
                return Ok(());
            }
            p.type_name()?;
            while !matches!(p.kind(), None | Some(Kind::Comma | Kind::RightParen)) {
                match p.word() {
                    Keyword::Path | Keyword::Default => {
                        p.skip();
                        p.restricted_expr()?;
                    }
                    Keyword::Not
                    | Keyword::Null
                    | Keyword::Exists
                    | Keyword::Format
                    | Keyword::Json
                    | Keyword::Encoding
                    | Keyword::On
                    | Keyword::Empty
                    | Keyword::Error
                    | Keyword::With
                    | Keyword::Without
                    | Keyword::Wrapper
                    | Keyword::Conditional
                    | Keyword::Unconditional
                    | Keyword::Array
                    | Keyword::Object
                    | Keyword::Keep
                    | Keyword::Omit
                    | Keyword::Quotes
                    | Keyword::Scalar
                    | Keyword::String
                    | Keyword::True
                    | Keyword::False
                    | Keyword::Unknown => {
                        p.skip();
                    }
                    _ => return Err(Stop::Unexpected),
                }
            }
            Ok(())
        })
    }
}
