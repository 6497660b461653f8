//! Does a text name something?
//!
//! A masker that hides the column `ssn` asks this before anything else: a statement in which no name folds to
//! `ssn` cannot have asked for it by name, and one in which it does is looked at closely. Quoted names,
//! escapes and upper case are resolved, so `U&"\0073sn"` mentions `ssn`.

use crate::decode::folded_name;
use crate::lex::{LexError, Span, Token, lex};

/// Whether any name in `text`, folded, is `name`. `Err` if the text is no sequence of tokens.
pub fn mentions(text: &str, standard_conforming_strings: bool, name: &str) -> Result<bool, LexError> {
    for token in lex(text, standard_conforming_strings) {
        if folds_to(text, token?, name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Every place of `text` where a name folds to one of `names`, with which of them, in order of the text.
pub fn all_mentions(
    text: &str,
    standard_conforming_strings: bool,
    names: &[&str],
) -> Result<Vec<(Span, usize)>, LexError> {
    let mut found = Vec::new();
    for token in lex(text, standard_conforming_strings) {
        let token = token?;
        if let Some(which) = names.iter().position(|name| folds_to(text, token, name)) {
            found.push((token.span, which));
        }
    }
    Ok(found)
}

fn folds_to(text: &str, token: Token, name: &str) -> bool {
    token.kind.is_name() && folded_name(text, token).is_some_and(|folded| folded == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, expected: bool) {
        assert_eq!(mentions(text, true, name), Ok(expected), "{text}");
    }

    #[test]
    fn names_are_found_however_they_are_written() {
        check("select ssn from t", "ssn", true);
        check("select SSN from t", "ssn", true);
        check("select \"ssn\" from t", "ssn", true);
        check("select U&\"\\0073sn\" from t", "ssn", true);
        check("select U&\"!0073sn\" uescape '!' from t", "ssn", true);
        check("select t.ssn::text from t", "ssn", true);
        check("select \"SSN\" from t", "ssn", false);
        check("select 'ssn' from t -- ssn", "ssn", false);
        check("select ssn2 from t", "ssn", false);
        assert!(mentions("select 'ssn", true, "ssn").is_err());
    }

    #[test]
    fn all_of_them_are_listed() {
        let text = "select a, B, \"a\" from b";
        let found = all_mentions(text, true, &["a", "b"]).unwrap();
        let words: Vec<_> = found.iter().map(|(span, which)| (span.of(text), *which)).collect();
        assert_eq!(words, [("a", 0), ("B", 1), ("\"a\"", 0), ("b", 1)]);
    }
}
