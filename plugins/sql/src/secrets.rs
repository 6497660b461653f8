//! Literals that carry credentials, so that they can be blacked out before a statement is written down.
//!
//! Found by the words before them, not by parsing: the record of a statement that PostgreSQL would refuse
//! must not hold the password either. A literal counts as secret if
//!
//! - the word before it is PASSWORD, or PASSWORD and a sign or type (`PASSWORD = '...'`);
//! - it is the value of an option or setting whose name contains `password`, `passwd`, `secret`, `token`,
//!   `credential`, `private_key`, `api_key`, or is `primary_conninfo`; this covers `OPTIONS (password '...')`,
//!   `SET app.api_token = '...'` and `set_config('app.secret', '...')`;
//! - it follows CONNECTION in a statement about subscriptions;
//! - it stands in a call of dblink's functions, or in OPTIONS of a server or user mapping;
//! - it looks like a connection string with a password (`password=...`, `user:...@host`), anywhere.
//!
//! When in doubt it is a secret: this decides what a record shows, not what runs.

use crate::decode::{folded_name, literal_text};
use crate::keyword::Keyword;
use crate::lex::{Kind, LexError, Span, Token, lex};
use crate::split::{next_statement, significant};

/// Parts of names whose values are secrets.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "private_key",
    "privatekey",
    "api_key",
    "apikey",
    "conninfo",
];

/// The spans of the secrets in `text`, in order. `None` if the text is no sequence of tokens: then nothing of
/// it should be shown.
pub fn redact_secrets(text: &str, standard_conforming_strings: bool) -> Option<Vec<Span>> {
    let tokens = significant(text, standard_conforming_strings).ok()?;
    let mut spans = Vec::new();
    let mut rest: &[Token] = &tokens;
    while !rest.is_empty() {
        let (statement, after) = next_statement(rest);
        in_statement(text, statement, &mut spans);
        rest = after;
    }
    Some(spans)
}

/// The spans of all literals of `text`: strings in every notation, bit strings, numbers.
pub fn literals(
    text: &str,
    standard_conforming_strings: bool,
) -> impl Iterator<Item = Result<Span, LexError>> + '_ {
    lex(text, standard_conforming_strings).filter_map(|token| match token {
        Ok(token) => is_literal(token.kind).then_some(Ok(token.span)),
        Err(error) => Some(Err(error)),
    })
}

fn is_literal(kind: Kind) -> bool {
    kind.is_quoted_literal() || matches!(kind, Kind::Integer | Kind::Decimal)
}

/// What the name before a value makes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expecting {
    Nothing,
    /// the next literal is the value of something secret
    Secret,
    /// likewise, but a comma comes first: `set_config('app.token', '...')`
    SecretAfterComma,
}

fn in_statement(text: &str, tokens: &[Token], spans: &mut Vec<Span>) {
    let has = |word: Keyword| tokens.iter().any(|token| token.word == word);
    let subscribes = has(Keyword::Subscription);
    let maps = has(Keyword::Mapping) || has(Keyword::Server);
    let mut expecting = Expecting::Nothing;
    // open parentheses since a call of dblink or OPTIONS of a server: all literals inside are secrets
    let mut inside = 0u32;
    let mut begins_inside = false;
    for token in tokens {
        match token.kind {
            Kind::LeftParen => {
                inside += u32::from(inside > 0 || begins_inside);
                begins_inside = false;
            }
            Kind::RightParen => {
                inside = inside.saturating_sub(1);
                expecting = Expecting::Nothing;
            }
            Kind::Comma => {
                expecting = match expecting {
                    Expecting::SecretAfterComma => Expecting::Secret,
                    _ => Expecting::Nothing,
                }
            }
            kind if is_literal(kind) => {
                let value = literal_text(text, *token);
                let value = value.as_deref().unwrap_or("");
                if inside > 0 || expecting == Expecting::Secret || looks_like_connection(value) {
                    spans.push(token.span);
                } else if is_secret_name(value) {
                    // a literal that names a setting: the one after the comma is its value
                    expecting = Expecting::SecretAfterComma;
                    continue;
                }
                // a value may have several literals only with a type between them
                if expecting == Expecting::Secret {
                    expecting = Expecting::Nothing;
                }
            }
            kind if kind.is_name() => {
                let name = folded_name(text, *token);
                let name = name.as_deref().unwrap_or("");
                begins_inside = name.starts_with("dblink") || (maps && token.word == Keyword::Options);
                if is_secret_name(name) || (subscribes && token.word == Keyword::Connection) {
                    expecting = Expecting::Secret;
                }
            }
            Kind::Equal | Kind::Dot | Kind::Arrow | Kind::Assign | Kind::Cast => {}
            _ => expecting = Expecting::Nothing,
        }
    }
}

fn is_secret_name(name: &str) -> bool {
    // settings are short; a long text is no name
    name.len() <= 128
        && SECRET_NAMES.iter().any(|secret| has_part(name, secret))
        && !name.eq_ignore_ascii_case("password_encryption")
}

/// Asked for each name of a statement and a dozen short parts: what searches need to prepare would cost more than they do.
fn has_part(name: &str, part: &str) -> bool {
    let part = part.as_bytes();
    name.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// `host=h password=p`, `postgresql://user:p@host/db`
fn looks_like_connection(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let keyword = lower.match_indices("password").any(|(at, word)| {
        lower.get(at + word.len()..).is_some_and(|rest| rest.trim_start().starts_with('='))
    });
    let address = lower.find("://").and_then(|at| lower.get(at + 3..)).is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#', ' ']).next().unwrap_or("");
        authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
    });
    keyword || address
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each secret in the text is written `'***'`-like: it contains the word HIDDEN; nothing else does.
    #[track_caller]
    fn check(text: &str) {
        let spans = redact_secrets(text, true).unwrap();
        let expected: Vec<usize> = text.match_indices("HIDDEN").map(|(at, _)| at).collect();
        for at in &expected {
            let covered = spans.iter().any(|span| (span.start as usize) <= *at && *at < span.end as usize);
            assert!(covered, "{text}: not covered at {at}");
        }
        for span in &spans {
            assert!(span.of(text).contains("HIDDEN"), "{text}: {} is no secret", span.of(text));
        }
    }

    #[test]
    fn secrets_are_found() {
        check("create role r login password 'HIDDEN' valid until '2030-01-01'");
        check("ALTER USER u WITH ENCRYPTED PASSWORD 'HIDDEN'");
        check("alter role r password E'HIDDEN\\n'");
        check("alter role r password $$HIDDEN$$; select 'x'");
        check("alter role r password 'HID' \n'HIDDEN'");
        check("alter role r password U&'HIDDEN!0041' uescape '!'");
        check("create user mapping for u server s options (user 'HIDDEN', password 'HIDDEN')");
        check("create server s foreign data wrapper w options (host 'HIDDEN', \"password\" 'HIDDEN')");
        check("create subscription s connection 'host=h HIDDEN' publication p");
        check("alter subscription s connection 'HIDDEN'");
        check("select dblink_connect('c', 'HIDDEN dbname=x')".replace("'c'", "'HIDDEN'").as_str());
        check("select * from dblink('HIDDEN', 'select HIDDEN') as t(a int)");
        check("set app.api_token = 'HIDDEN'");
        check("set app.secret to 'HIDDEN'");
        check("select set_config('app.secret_key', 'HIDDEN', false)");
        check("alter system set primary_conninfo = 'HIDDEN'");
        check("alter database d set my.password to 'HIDDEN'");
        check("select 'host=h password = HIDDEN', 'public'");
        check("select 'postgresql://u:HIDDEN@h/db'");
        check("select crypt from t where password = 'HIDDEN'");
        check("insert into t values ('a', 1)");
        check("set password_encryption = 'scram-sha-256'");
        check("select password, 'x' from t");
        check("create role r passwor 'x'");
    }

    #[test]
    fn a_text_that_is_no_sequence_of_tokens_shows_nothing() {
        assert_eq!(redact_secrets("alter role r password 'x", true), None);
    }

    #[test]
    fn literals_are_all_found() {
        let text = "select 'a', 1.5, $$b$$, x'ff', E'c', U&'d' , \"no\", $1 /* 'no' */";
        let found: Vec<&str> = literals(text, true).map(|span| span.unwrap().of(text)).collect();
        assert_eq!(found, ["'a'", "1.5", "$$b$$", "x'ff'", "E'c'", "U&'d'"]);
    }
}
