//! A statement as a row of words and marks: what the reader of taint needs, and nothing of values.

use std::borrow::Cow;
use weir_sql::{Kind, Token, folded_name, lex, literal_text};

/// A token that is neither white space nor comment.
#[derive(Debug, Clone)]
pub(super) struct Word<'t> {
    pub(super) kind: Kind,
    /// the name it stands for, folded as the server folds it; for an unquoted keyword too
    pub(super) name: Option<Cow<'t, str>>,
    /// it is written without quotes
    pub(super) bare: bool,
    /// parentheses and brackets open before it
    pub(super) depth: u32,
}

impl Word<'_> {
    /// An unquoted `keyword` (given in lower case).
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.bare && self.name.as_deref() == Some(keyword)
    }

    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        self.bare && self.name.as_deref().is_some_and(|name| keywords.contains(&name))
    }
}

/// The words of `text`, and the strings in it; none if it cannot be lexed, or reads differently under the other
/// setting of `standard_conforming_strings`.
pub(super) fn words(text: &str) -> Option<(Vec<Word<'_>>, Vec<Cow<'_, str>>)> {
    let tokens: Vec<Token> = lex(text, true).collect::<Result<_, _>>().ok()?;
    if text.contains('\\') && !reads_the_same(text, &tokens) {
        return None;
    }
    let mut words = Vec::with_capacity(tokens.len());
    let mut strings = Vec::new();
    let mut depth = 0u32;
    for token in tokens {
        if token.kind.is_trivia() {
            continue;
        }
        if token.kind.is_text()
            && let Some(string) = literal_text(text, token)
        {
            strings.push(string);
        }
        if matches!(token.kind, Kind::RightParen | Kind::RightBracket) {
            depth = depth.saturating_sub(1);
        }
        let name = folded_name(text, token);
        // A quoted name that does not decode is no name anybody can check.
        if token.kind.is_name() && name.is_none() {
            return None;
        }
        words.push(Word { kind: token.kind, name, bare: token.kind == Kind::Word, depth });
        if matches!(token.kind, Kind::LeftParen | Kind::LeftBracket) {
            depth += 1;
        }
    }
    Some((words, strings))
}

fn reads_the_same(text: &str, tokens: &[Token]) -> bool {
    let mut others = lex(text, false);
    let same =
        tokens.iter().all(|token| matches!(others.next(), Some(Ok(other)) if other.span == token.span));
    same && others.next().is_none()
}

/// The words of a string: letters, digits, `_` and `$`, in lower case.
pub(super) fn words_of_string(string: &str) -> impl Iterator<Item = String> + '_ {
    string
        .split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$')))
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}
