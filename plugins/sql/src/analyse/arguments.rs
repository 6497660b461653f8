//! Calls whose arguments are shown elsewhere.
//!
//! A setting is told to the client and shown by SHOW, the key of a lock stands in `pg_locks`, a sequence's
//! value in the sequence, a seed in what `random()` says next, a channel in who is notified, a time slept in the clock,
//! a large object in its number. Whoever hides the columns of results never sees a value that leaves that way.

use super::class::Class;
use super::parser::Parser;
use crate::keyword::Keyword;
use crate::lex::Kind;

/// Is this a function (by its folded name) whose arguments others, or the session, can read back?
fn shows_arguments(name: &str) -> bool {
    const NAMES: [&str; 7] =
        ["setval", "setseed", "pg_notify", "lo_creat", "lo_create", "lo_from_bytea", "lo_put"];
    const PREFIXES: [&str; 3] = ["pg_advisory_", "pg_try_advisory_", "pg_sleep"];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// What a call with an argument that was computed does, beside what the function does.
pub(super) fn class_of_computed(name: &str) -> Option<Class> {
    shows_arguments(name).then_some(Class::FunctionCall)
}

impl Parser<'_> {
    /// `set_config(name, ...)`: what it does depends on the name, if that is one literal. A value from a row
    /// would be shown where nobody hides it.
    pub(super) fn set_config(&mut self) {
        let first = self.tokens.get(self.at + 1).copied();
        let alone = self.kind_at(2) == Some(Kind::Comma);
        let setting = first.filter(|_| alone).and_then(|token| crate::decode::literal_text(self.text, token));
        let class = match setting.filter(|_| self.are_arguments_written()) {
            Some(setting) => super::settings::class_of(&setting),
            None => Class::ParsingSetting,
        };
        self.called("set_config".to_owned(), Some(class));
    }

    /// Is the first of several a literal or parameter alone? Who is notified tells something, what they are told is masked.
    pub(super) fn is_first_argument_written(&self) -> bool {
        let is_value = self.kind_at(1).is_some_and(|kind| kind.is_text() || kind == Kind::Param);
        is_value && self.kind_at(2) == Some(Kind::Comma)
    }

    /// Are the arguments of the call whose parenthesis comes here made of nothing but literals, parameters,
    /// operators and casts? Names of anything else, functions included, may bring a value from a row.
    pub(super) fn are_arguments_written(&self) -> bool {
        let mut open = 0u32;
        let mut at = self.at;
        while let Some(token) = self.tokens.get(at) {
            at += 1;
            match token.kind {
                Kind::LeftParen => open += 1,
                Kind::RightParen if open <= 1 => return open == 1,
                Kind::RightParen => open -= 1,
                Kind::Cast => {
                    while self.tokens.get(at).is_some_and(|token| token.kind.is_name()) {
                        at += 1;
                        if self.tokens.get(at).is_some_and(|token| token.kind == Kind::Dot) {
                            at += 1;
                        } else {
                            break;
                        }
                    }
                }
                Kind::Word if matches!(token.word, Keyword::Null | Keyword::True | Keyword::False) => {}
                kind if kind.is_text() || super::expr::is_operator(kind) => {}
                Kind::Integer | Kind::Decimal | Kind::Bits | Kind::Hex | Kind::Param | Kind::Comma => {}
                _ => return false,
            }
        }
        false
    }
}
