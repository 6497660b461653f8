//! Function calls written like fields: `(x).name`.
//!
//! What is a literal, the result of an operator or a cast to a type of the server has no fields: then it is a call,
//! however usual the name is for a column.

use super::class::Class;
use super::parser::Parser;
use crate::functions;
use crate::keyword::{Category, Keyword};
use crate::lex::{Kind, Token};

/// Types of the server without fields whose names are no words of the grammar.
const PLAIN_TYPES: [&str; 27] = [
    "bool",
    "box",
    "bpchar",
    "bytea",
    "cidr",
    "citext",
    "date",
    "float4",
    "float8",
    "hstore",
    "inet",
    "int2",
    "int4",
    "int8",
    "json",
    "jsonb",
    "jsonpath",
    "money",
    "name",
    "oid",
    "regclass",
    "text",
    "timestamptz",
    "tsvector",
    "uuid",
    "varbit",
    "xml",
];

/// Functions that return rows of whatever type they are given.
const ROWS_OF_ANY_TYPE: [&str; 4] =
    ["json_populate_record", "json_populate_recordset", "jsonb_populate_record", "jsonb_populate_recordset"];

pub(super) fn returns_rows_of_any_type(function: &str) -> bool {
    ROWS_OF_ANY_TYPE.contains(&function)
}

impl Parser<'_> {
    /// The parenthesis that begins at `open` has just been read. Is what comes next `.name`, and a call for sure?
    pub(super) fn call_behind(&mut self, open: usize) {
        let name = self.tokens.get(self.at + 1).filter(|_| self.is(Kind::Dot)).copied();
        let Some(name) = name.filter(|token| token.kind.is_name()) else { return };
        let name = self.name_of(name);
        let inside = self.at.checked_sub(1).and_then(|close| self.tokens.get(open + 1..close));
        let has_fields = inside.is_none_or(|inside| self.may_have_fields(inside));
        if !has_fields && !functions::is_harmless(&name) {
            let class = functions::known_class(&name).unwrap_or(Class::FunctionCall);
            self.called(name.into_owned(), Some(class));
        }
    }

    fn may_have_fields(&self, mut inside: &[Token]) -> bool {
        while let [Token { kind: Kind::LeftParen, .. }, between @ .., Token { kind: Kind::RightParen, .. }] =
            inside
            && is_one_group(between)
        {
            inside = between;
        }
        let (Some(first), Some(last)) = (inside.first(), inside.last()) else { return true };
        if matches!(
            first.word,
            Keyword::Select | Keyword::With | Keyword::Values | Keyword::Table | Keyword::Case
        ) {
            return true;
        }
        if let [Token { word: Keyword::Cast, .. }, Token { kind: Kind::LeftParen, .. }, between @ .., _] =
            inside
            && is_one_group(between)
        {
            let place = between.iter().rposition(|token| token.word == Keyword::As);
            let name = place.and_then(|place| between.get(place + 1..));
            return !name.is_some_and(|name| self.is_plain_type(name));
        }
        let number = matches!(last.kind, Kind::Integer | Kind::Decimal | Kind::Bits | Kind::Hex);
        if number || last.kind.is_text() {
            return false;
        }
        let mut open = 0u32;
        let mut before = Kind::LeftParen;
        let mut cast_to = None;
        for (at, token) in inside.iter().enumerate() {
            match token.kind {
                Kind::LeftParen | Kind::LeftBracket => open += 1,
                Kind::RightParen | Kind::RightBracket => open = open.saturating_sub(1),
                _ if open > 0 => {}
                // `t.*`
                Kind::Star if before == Kind::Dot => {}
                Kind::Cast => cast_to = inside.get(at + 1..),
                kind if super::expr::is_operator(kind) => return false,
                Kind::Word if is_of_operator(token.word) => return false,
                _ => {}
            }
            before = token.kind;
        }
        !cast_to.is_some_and(|name| self.is_plain_type(name))
    }

    /// Does the name of a type of the server without fields stand at the beginning?
    fn is_plain_type(&self, name: &[Token]) -> bool {
        let token = match name {
            [schema, dot, token, ..] if dot.kind == Kind::Dot && self.name_of(*schema) == "pg_catalog" => {
                token
            }
            [_, dot, ..] if dot.kind == Kind::Dot => return false,
            [token, ..] => token,
            [] => return false,
        };
        let of_grammar = token.kind == Kind::Word && token.word.category() == Category::ColName;
        of_grammar || token.kind.is_name() && PLAIN_TYPES.binary_search(&&*self.name_of(*token)).is_ok()
    }
}

/// Do these tokens, between parentheses, close none that was opened before them?
fn is_one_group(between: &[Token]) -> bool {
    let mut open = 0u32;
    for token in between {
        match token.kind {
            Kind::LeftParen => open += 1,
            Kind::RightParen if open == 0 => return false,
            Kind::RightParen => open -= 1,
            _ => {}
        }
    }
    true
}

fn is_of_operator(word: Keyword) -> bool {
    let words = [
        Keyword::And,
        Keyword::Or,
        Keyword::Not,
        Keyword::Is,
        Keyword::In,
        Keyword::Between,
        Keyword::Like,
        Keyword::Ilike,
        Keyword::Collate,
        Keyword::Zone,
    ];
    words.contains(&word)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sorted() {
        assert!(super::PLAIN_TYPES.is_sorted_by(|a, b| a < b));
    }
}
