//! Numbers and parameters. Since version 15 letters right after a number are an error instead of the next
//! token, and since 16 there are hexadecimal, octal and binary integers and `_` between digits. A version
//! that does not know a form refuses it, so knowing all of them misleads nobody.

use super::{Kind, Lexer, Problem, is_name_part, is_name_start};

impl Lexer<'_> {
    /// A number, at a digit or at a dot before a digit.
    pub(super) fn number(&mut self) -> Result<Kind, Problem> {
        let radix: Option<fn(u8) -> bool> = match (self.byte(self.at), self.byte(self.at + 1)) {
            (b'0', b'x' | b'X') => Some(|b| b.is_ascii_hexdigit()),
            (b'0', b'o' | b'O') => Some(|b| matches!(b, b'0'..=b'7')),
            (b'0', b'b' | b'B') => Some(|b| matches!(b, b'0' | b'1')),
            _ => None,
        };
        let mut kind = Kind::Integer;
        if let Some(is_digit) = radix {
            self.at += 2;
            if self.digits(is_digit, true) == 0 {
                return Err(Problem::JunkAfterNumber);
            }
        } else {
            self.decimal_digits();
            if self.byte(self.at) == b'.' && self.byte(self.at + 1) != b'.' {
                self.at += 1;
                self.decimal_digits();
                kind = Kind::Decimal;
            }
            if matches!(self.byte(self.at), b'e' | b'E') {
                kind = Kind::Decimal;
                self.at += 1;
                if matches!(self.byte(self.at), b'+' | b'-') {
                    self.at += 1;
                }
                if self.decimal_digits() == 0 {
                    return Err(Problem::JunkAfterNumber);
                }
            }
        }
        // `0` with a name after it is junk of its own: what follows `0x1` may be no name character at all
        let after = self.byte(self.at);
        if is_name_start(after) || (radix.is_some() && is_name_part(after)) {
            return Err(Problem::JunkAfterNumber);
        }
        Ok(kind)
    }

    /// `$1`, or a dollar-quoted literal.
    pub(super) fn dollar(&mut self) -> Result<Kind, Problem> {
        if !self.byte(self.at + 1).is_ascii_digit() {
            return self.dollar_literal();
        }
        self.at += 1;
        self.skip_while(|b| b.is_ascii_digit());
        if is_name_start(self.byte(self.at)) {
            return Err(Problem::JunkAfterParameter);
        }
        Ok(Kind::Param)
    }

    fn decimal_digits(&mut self) -> usize {
        self.digits(|b| b.is_ascii_digit(), false)
    }

    /// Digits with single underscores between them; how many bytes.
    fn digits(&mut self, is_digit: fn(u8) -> bool, leading_underscore: bool) -> usize {
        let start = self.at;
        loop {
            let here = self.byte(self.at);
            if is_digit(here) {
                self.at += 1;
            } else if here == b'_'
                && (self.at > start || leading_underscore)
                && is_digit(self.byte(self.at + 1))
            {
                self.at += 2;
            } else {
                return self.at - start;
            }
        }
    }
}
