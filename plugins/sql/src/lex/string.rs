//! Literals and quoted names: everything that has an end to be found.
//!
//! What follows a closing quote matters: white space that contains a newline, then another quote, continues
//! the same literal (`'DEL'⏎'ETE'` is one), and `--` comments count as white space there while `/* */` do not.

use super::{Kind, Lexer, Problem, is_name_part, is_name_start, is_space};
use crate::decode;

impl Lexer<'_> {
    /// `'...'`: what a backslash means depends on the setting.
    pub(super) fn text_literal(&mut self, prefix: usize) -> Result<Kind, Problem> {
        if self.standard_conforming_strings {
            self.plain_literal(prefix, Kind::Text)
        } else {
            self.escape_literal(prefix)
        }
    }

    /// A literal in which only a doubled quote is special; in bit strings not even that, there `''` ends one
    /// literal and begins another.
    pub(super) fn plain_literal(&mut self, prefix: usize, kind: Kind) -> Result<Kind, Problem> {
        self.at += prefix + 1;
        loop {
            self.skip_while(|b| b != b'\'');
            if self.byte(self.at) == 0 {
                return Err(Problem::UnterminatedText);
            }
            self.at += 1;
            let doubles = !matches!(kind, Kind::Bits | Kind::Hex);
            if doubles && self.byte(self.at) == b'\'' {
                self.at += 1;
            } else if let Some(next) = self.continuation() {
                self.at = next;
            } else {
                return Ok(kind);
            }
        }
    }

    /// A literal in which a backslash takes the next character along.
    pub(super) fn escape_literal(&mut self, prefix: usize) -> Result<Kind, Problem> {
        let start = self.at;
        self.at += prefix + 1;
        let mut escapes = false;
        loop {
            self.skip_while(|b| b != b'\'' && b != b'\\');
            match self.byte(self.at) {
                b'\'' if self.byte(self.at + 1) == b'\'' => self.at += 2,
                b'\'' => {
                    self.at += 1;
                    match self.continuation() {
                        Some(next) => self.at = next,
                        None => break,
                    }
                }
                b'\\' if self.byte(self.at + 1) != 0 => {
                    escapes = true;
                    // a character of several bytes may follow; its further bytes are neither ' nor \
                    self.at += 2;
                }
                _ => return Err(Problem::UnterminatedText),
            }
        }
        if escapes && decode::escape_text(self.text.get(start..self.at).unwrap_or("")).is_none() {
            return Err(Problem::BadEscape);
        }
        Ok(Kind::EscapeText)
    }

    /// `U&'...'`
    pub(super) fn unicode_literal(&mut self) -> Result<Kind, Problem> {
        if !self.standard_conforming_strings {
            return Err(Problem::UnicodeTextNotAllowed);
        }
        let start = self.at;
        self.plain_literal(2, Kind::UnicodeText)?;
        let end = self.at;
        let escape = self.uescape()?;
        match decode::unicode(self.text.get(start..end).unwrap_or(""), escape) {
            Some(_) => Ok(Kind::UnicodeText),
            None => Err(Problem::BadEscape),
        }
    }

    /// `U&"..."`
    pub(super) fn unicode_identifier(&mut self) -> Result<Kind, Problem> {
        let start = self.at;
        self.quoted_identifier(self.at + 3, Kind::UnicodeQuoted)?;
        let end = self.at;
        let escape = self.uescape()?;
        match decode::unicode(self.text.get(start..end).unwrap_or(""), escape) {
            Some(_) => Ok(Kind::UnicodeQuoted),
            None => Err(Problem::BadEscape),
        }
    }

    pub(super) fn quoted_identifier(&mut self, inside: usize, kind: Kind) -> Result<Kind, Problem> {
        self.at = inside;
        loop {
            self.skip_while(|b| b != b'"');
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b'"', b'"') => self.at += 2,
                (b'"', _) if self.at == inside => return Err(Problem::EmptyIdentifier),
                (b'"', _) => return Ok(self.take(1, kind)),
                _ => return Err(Problem::UnterminatedIdentifier),
            }
        }
    }

    /// `$tag$...$tag$`; the tag is a name without `$`, or empty.
    pub(super) fn dollar_literal(&mut self) -> Result<Kind, Problem> {
        let start = self.at;
        self.at += 1;
        if is_name_start(self.byte(self.at)) {
            self.skip_while(|b| is_name_part(b) && b != b'$');
        }
        if self.byte(self.at) != b'$' {
            // PostgreSQL hands the lone `$` to its grammar, which has no use for one
            return Err(Problem::UnexpectedCharacter);
        }
        self.at += 1;
        let tag = self.text.get(start..self.at).unwrap_or("");
        // The tag cannot begin inside itself, so looking at every `$` in turn is linear: a candidate fails
        // before the next `$` or at it.
        loop {
            self.skip_while(|b| b != b'$');
            let rest = self.bytes.get(self.at..).unwrap_or(&[]);
            if rest.is_empty() {
                return Err(Problem::UnterminatedText);
            }
            if rest.starts_with(tag.as_bytes()) {
                return Ok(self.take(tag.len(), Kind::DollarText));
            }
            self.at += 1;
        }
    }

    /// After a closing quote: where the literal goes on, if it does.
    fn continuation(&self) -> Option<usize> {
        let mut at = self.at;
        let mut newline = false;
        loop {
            match self.byte(at) {
                b'\n' | b'\r' => {
                    newline = true;
                    at += 1;
                }
                b if is_space(b) => at += 1,
                b'-' if self.byte(at + 1) == b'-' => {
                    while !matches!(self.byte(at), b'\n' | b'\r' | 0) {
                        at += 1;
                    }
                }
                b'\'' if newline => return Some(at + 1),
                _ => return None,
            }
        }
    }

    /// The escape character of the `U&` token just read: `\`, or what `UESCAPE '...'` says, which then becomes
    /// part of the token.
    fn uescape(&mut self) -> Result<char, Problem> {
        let mut ahead = self.clone();
        if !ahead.skip_trivia()? {
            return Ok('\\');
        }
        let word = ahead.text.get(ahead.at..).unwrap_or("").as_bytes();
        let is_uescape = word.get(..7).is_some_and(|w| w.eq_ignore_ascii_case(b"uescape"))
            && !word.get(7).is_some_and(|b| is_name_part(*b));
        if !is_uescape {
            return Ok('\\');
        }
        ahead.at += 7;
        if !ahead.skip_trivia()? {
            return Err(Problem::BadUnicodeEscapeCharacter);
        }
        let start = ahead.at;
        let kind = match (ahead.byte(start), ahead.byte(start + 1)) {
            (b'\'', _) => ahead.text_literal(0)?,
            (b'e' | b'E', b'\'') => ahead.escape_literal(1)?,
            (b'$', next) if !next.is_ascii_digit() => ahead.dollar_literal()?,
            _ => return Err(Problem::BadUnicodeEscapeCharacter),
        };
        let literal = ahead.text.get(start..ahead.at).unwrap_or("");
        let value = decode::text_of(kind, literal).ok_or(Problem::BadUnicodeEscapeCharacter)?;
        self.at = ahead.at;
        let mut characters = value.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None)
                if c.is_ascii()
                    && !c.is_ascii_hexdigit()
                    && !matches!(c, '+' | '\'' | '"')
                    && !is_space(c as u8) =>
            {
                Ok(c)
            }
            _ => Err(Problem::BadUnicodeEscapeCharacter),
        }
    }

    /// Past white space and comments; false at the end of the text.
    fn skip_trivia(&mut self) -> Result<bool, Problem> {
        loop {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (0, _) => return Ok(false),
                (b, _) if is_space(b) => self.skip_while(is_space),
                (b'-', b'-') => self.skip_while(|b| b != b'\n' && b != b'\r'),
                (b'/', b'*') => self.block_comment()?,
                _ => return Ok(true),
            }
        }
    }
}
