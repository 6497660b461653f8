//! Where one statement ends and the next begins.
//!
//! A semicolon ends a statement, except inside parentheses (`CREATE RULE ... DO (a; b)`) and inside the body
//! of an SQL-standard routine (`CREATE FUNCTION ... BEGIN ATOMIC a; b; END`). PostgreSQL leaves this to its
//! grammar; the two rules below follow from it:
//!
//! - `BEGIN ATOMIC` opens a body only in `CREATE [OR REPLACE] FUNCTION|PROCEDURE` and outside parentheses.
//!   Elsewhere both are ordinary names: `SELECT begin atomic FROM t; DROP TABLE t` is two statements.
//! - `END` closes a body only where a statement could begin, that is after `;` or `ATOMIC`. Anywhere else it
//!   belongs to a `CASE` or is a label.
//!
//! Too few boundaries would hide a statement behind another; where parentheses do not match we may find too
//! few, but then PostgreSQL refuses the whole text, and the analyser calls it unknown.

use crate::keyword::Keyword;
use crate::lex::{Kind, LexError, Span, Token, lex};

/// The spans of the statements of `text`, without their semicolons and outer white space. Empty ones are
/// left out.
pub fn split(text: &str, standard_conforming_strings: bool) -> Result<Vec<Span>, LexError> {
    let tokens = significant(text, standard_conforming_strings)?;
    let mut spans = Vec::new();
    let mut rest: &[Token] = &tokens;
    while !rest.is_empty() {
        let (statement, after) = next_statement(rest);
        if let (Some(first), Some(last)) = (statement.first(), statement.last()) {
            spans.push(Span { start: first.span.start, end: last.span.end });
        }
        rest = after;
    }
    Ok(spans)
}

/// The tokens of `text` without white space and comments.
pub(crate) fn significant(text: &str, standard_conforming_strings: bool) -> Result<Vec<Token>, LexError> {
    // a token with the space around it is about 4 bytes long
    let mut tokens = Vec::with_capacity(text.len() / 4 + 4);
    for token in lex(text, standard_conforming_strings) {
        let token = token?;
        if !token.kind.is_trivia() {
            tokens.push(token);
        }
    }
    Ok(tokens)
}

/// Cuts the first statement off; its semicolon belongs to neither part.
pub(crate) fn next_statement(tokens: &[Token]) -> (&[Token], &[Token]) {
    let mut open_parens = 0u32;
    let mut open_bodies = 0u32;
    let mut in_routine = is_routine(tokens);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::LeftParen => open_parens += 1,
            Kind::RightParen => open_parens = open_parens.saturating_sub(1),
            Kind::Semicolon if open_parens == 0 => {
                if open_bodies == 0 {
                    let (statement, rest) = tokens.split_at_checked(at).unwrap_or((tokens, &[]));
                    return (statement, rest.get(1..).unwrap_or(&[]));
                }
                at += body_statement(tokens, at + 1, &mut in_routine, &mut open_bodies);
            }
            Kind::Word
                if token.word == Keyword::Begin
                    && in_routine
                    && open_parens == 0
                    && tokens.get(at + 1).is_some_and(|t| t.word == Keyword::Atomic) =>
            {
                open_bodies += 1;
                at += 1 + body_statement(tokens, at + 2, &mut in_routine, &mut open_bodies);
            }
            _ => {}
        }
        at += 1;
    }
    (tokens, &[])
}

/// At a place inside a body where a statement may begin; answers how many tokens it has used up.
fn body_statement(tokens: &[Token], at: usize, in_routine: &mut bool, open_bodies: &mut u32) -> usize {
    if tokens.get(at).is_some_and(|t| t.word == Keyword::End) {
        *open_bodies -= 1;
        *in_routine = false;
        return 1;
    }
    *in_routine = is_routine(tokens.get(at..).unwrap_or(&[]));
    0
}

fn is_routine(tokens: &[Token]) -> bool {
    let word = |at: usize| tokens.get(at).map_or(Keyword::NotAKeyword, |t| t.word);
    let kind = match (word(0), word(1), word(2)) {
        (Keyword::Create, Keyword::Or, Keyword::Replace) => word(3),
        (Keyword::Create, kind, _) => kind,
        _ => return false,
    };
    matches!(kind, Keyword::Function | Keyword::Procedure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let spans = split(text, true).unwrap();
        let found: Vec<&str> = spans.iter().map(|span| span.of(text)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn statements_end_at_semicolons_outside_parentheses_and_bodies() {
        check("", &[]);
        check(" ; ;; -- nothing\n", &[]);
        check("select 1", &["select 1"]);
        check("select 1;select 2 ; ", &["select 1", "select 2"]);
        check(
            "select ';' ; select $$;$$ /* ; */; select \";\"",
            &["select ';'", "select $$;$$", "select \";\""],
        );
        check(
            "create rule r as on insert to t do (delete from a; delete from b); select 1",
            &["create rule r as on insert to t do (delete from a; delete from b)", "select 1"],
        );
    }

    #[test]
    fn routine_bodies_hold_their_statements() {
        check(
            "create function f() returns int begin atomic select 1 end; select case when a then 1 end; end; drop table t",
            &[
                "create function f() returns int begin atomic select 1 end; select case when a then 1 end; end",
                "drop table t",
            ],
        );
        check(
            "CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END; SELECT 1",
            &["CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC END", "SELECT 1"],
        );
        check(
            "create function f() begin atomic create function g() begin atomic select 1; end; end; select 2",
            &[
                "create function f() begin atomic create function g() begin atomic select 1; end; end",
                "select 2",
            ],
        );
    }

    #[test]
    fn begin_atomic_elsewhere_is_two_names() {
        check("select begin atomic from t; drop table t", &["select begin atomic from t", "drop table t"]);
        check(
            "create function f(begin atomic) returns int language sql as 'x'; drop table t",
            &["create function f(begin atomic) returns int language sql as 'x'", "drop table t"],
        );
        check("create table begin atomic; drop table t", &["create table begin atomic", "drop table t"]);
        check("begin; end; select 1", &["begin", "end", "select 1"]);
    }
}
