//! Functions in FROM: what may follow them, and the two that have a language of their own, XMLTABLE and
//! JSON_TABLE.

use super::parser::{Parse, Parser, Stop, Wide};
use super::selective::{is_of_server, keeps_constant};
use crate::keyword::{Category, Keyword};
use crate::lex::{Kind, Token};

/// A place in the statement, and what was found before it.
pub(super) struct Mark {
    at: usize,
    columns: u32,
    inner_queries: u32,
    /// what the server calls the function if the text does not
    own_name: Option<String>,
    /// how many columns had been declared
    declared: usize,
}

/// Functions that make as many rows as a number says.
const COUNT: [&str; 2] = ["generate_series", "generate_subscripts"];

/// Functions that make rows of the elements of what they are given.
const UNFOLD: [&str; 14] = [
    "json_array_elements",
    "json_array_elements_text",
    "json_populate_record",
    "json_populate_recordset",
    "json_to_record",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_populate_record",
    "jsonb_populate_recordset",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "string_to_table",
    "unnest",
];

impl Parser<'_> {
    /// To be asked where the function's name begins.
    pub(super) fn mark(&self) -> Mark {
        Mark {
            at: self.at,
            columns: self.found.columns,
            inner_queries: self.found.inner_queries,
            own_name: self.own_name(),
            declared: self.found.declared.len(),
        }
    }

    /// What the function that begins here is called in FROM without an alias: by its last name. `None` where the server
    /// chooses: it calls `trim` btrim and a cast like its type.
    fn own_name(&self) -> Option<String> {
        let first = self.peek().filter(|token| token.kind.is_name())?;
        let mut last = self.at;
        while self.tokens.get(last + 1).map(|token| token.kind) == Some(Kind::Dot)
            && self.tokens.get(last + 2).is_some_and(|token| token.kind.is_name())
        {
            last += 2;
        }
        let plain = self.tokens.get(last + 1).map(|token| token.kind) == Some(Kind::LeftParen);
        let by_server = last == self.at
            && first.kind == Kind::Word
            && matches!(first.word.category(), Category::ColName | Category::Reserved)
            && !matches!(first.word, Keyword::Xmltable | Keyword::JsonTable);
        if !plain || by_server {
            return None;
        }
        self.tokens.get(last).map(|token| self.name_of(*token).into_owned())
    }

    /// Between there and here stands what may make any number of rows, whatever is read in FROM: a count, or a query in
    /// an expression, which a function may unfold, or what a function makes of less and another unfolds
    /// (`unnest(enum_range(null::t))`).
    pub(super) fn makes_rows_since(&self, mark: &Mark) -> bool {
        let tokens = self.tokens.get(mark.at..self.at).unwrap_or_default();
        let is_one_of = |names: &[&str]| {
            tokens.iter().any(|token| token.kind.is_name() && names.contains(&&*self.name_of(*token)))
        };
        self.found.inner_queries > mark.inner_queries
            || is_one_of(&COUNT)
            || is_one_of(&UNFOLD) && self.has_own_call_since(mark)
    }

    /// Between there and here stands a call whose rows, or elements, are not what it is given.
    fn has_own_call_since(&self, mark: &Mark) -> bool {
        let tokens = self.tokens.get(mark.at..self.at).unwrap_or_default();
        (0..tokens.len()).any(|at| self.is_own_call(tokens, at))
    }

    fn is_own_call(&self, tokens: &[Token], at: usize) -> bool {
        let Some([name, Token { kind: Kind::LeftParen, .. }, ..]) = tokens.get(at..) else { return false };
        if !name.kind.is_name() {
            return false;
        }
        let before = |back: usize| at.checked_sub(back).and_then(|at| tokens.get(at));
        let schema = before(1).filter(|token| token.kind == Kind::Dot).and_then(|_| before(2));
        // Of the grammar: `cast(`, `coalesce(`, `any (`; or a type: `::numeric(9, 2)`.
        let is_syntax =
            name.kind == Kind::Word && matches!(name.word.category(), Category::ColName | Category::Reserved);
        let is_type = before(1).is_some_and(|token| token.kind == Kind::Cast || token.word == Keyword::As);
        if schema.is_none() && (is_syntax || is_type) {
            return false;
        }
        let schema = schema.map(|token| self.name_of(*token));
        let name = self.name_of(*name);
        let unfolds = is_of_server(schema.as_deref()) && UNFOLD.binary_search(&&*name).is_ok();
        !(unfolds || keeps_constant(schema.as_deref(), &name))
    }

    /// What may follow a function in FROM.
    pub(super) fn function_tail(&mut self, before: &Mark) -> Parse<Wide> {
        let has_columns = self.found.columns > before.columns;
        let mut wide = Wide::NONE;
        if has_columns || self.makes_rows_since(before) || self.has_own_call_since(before) {
            wide = Wide::MANY;
        }
        self.take_words(&[Keyword::With, Keyword::Ordinality]);
        let named = self.take_word(Keyword::As);
        let mut alias = before.own_name.clone();
        if named && self.is(Kind::LeftParen) {
            self.column_definitions()?;
        } else if named || self.is_alias() {
            let written = self.column_name()?;
            let written = self.name_of(written).into_owned();
            alias = Some(written.clone());
            self.joined(written, wide);
            if self.is(Kind::LeftParen) {
                self.column_definitions()?;
            }
        }
        let function = self.found.function_aliases.len();
        if before.own_name.as_deref().is_some_and(super::notation::returns_rows_of_any_type) {
            // no column is called like the function: it stands for a row
            self.found.declared.push((Some(function), String::new()));
        }
        for (of, _) in self.found.declared.iter_mut().skip(before.declared) {
            // those of functions in its arguments have theirs
            of.get_or_insert(function);
        }
        self.found.function_aliases.push(alias);
        Ok(if has_columns && self.outer.is_some() { Wide::ALL } else { wide })
    }

    /// `(a, b)` or `(a int, b text COLLATE "C")`.
    pub(super) fn column_definitions(&mut self) -> Parse<()> {
        self.expect(Kind::LeftParen)?;
        self.list(|p| {
            let column = p.column_name()?;
            let name = p.name_of(column).into_owned();
            p.found.declared.push((None, name));
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
            p.found.declared.push((None, name));
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

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_found_by_halves() {
        assert!(super::UNFOLD.is_sorted());
    }
}
