//! Operators. A run of operator characters is one operator, with three exceptions that keep SQL readable:
//! it ends where a comment begins; it may not end in `+` or `-` unless it contains a character that no
//! standard operator has (so `=-1` is `=` and `-1`, but `@-` is one operator); and a few of one or two
//! characters have a meaning of their own.

use super::{Kind, Lexer, Problem};

/// PostgreSQL's NAMEDATALEN less one: longer operators are errors, longer names are cut.
const LONGEST_OPERATOR: usize = 63;

pub(super) fn is_operator_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

/// Characters that allow an operator to end in `+` or `-`.
fn allows_trailing_sign(byte: u8) -> bool {
    matches!(byte, b'~' | b'!' | b'@' | b'#' | b'^' | b'&' | b'|' | b'`' | b'?' | b'%')
}

fn is_sign(byte: u8) -> bool {
    matches!(byte, b'+' | b'-')
}

impl Lexer<'_> {
    pub(super) fn operator(&mut self) -> Result<Kind, Problem> {
        // A run such as `+-+-+-...` is cut into single signs; remembering where it ends keeps this linear.
        if self.at < self.signs_until {
            let kind = if self.byte(self.at) == b'+' { Kind::Plus } else { Kind::Minus };
            return Ok(self.take(1, kind));
        }
        let mut len = 0;
        while is_operator_byte(self.byte(self.at + len)) {
            let pair = (self.byte(self.at + len), self.byte(self.at + len + 1));
            if len > 0 && matches!(pair, (b'/', b'*') | (b'-', b'-')) {
                break;
            }
            len += 1;
        }
        let run = self.bytes.get(self.at..self.at + len).unwrap_or(&[]);
        let signs = run.iter().rev().take_while(|b| is_sign(**b)).count();
        if len > 1 && signs > 0 {
            let before_last = run.get(..len - 1).unwrap_or(&[]);
            if !before_last.iter().any(|b| allows_trailing_sign(*b)) {
                self.signs_until = self.at + len;
                len = (len - signs).max(1);
            }
        }
        let kind = match run.get(..len).unwrap_or(&[]) {
            b"+" => Kind::Plus,
            b"-" => Kind::Minus,
            b"*" => Kind::Star,
            b"/" => Kind::Slash,
            b"%" => Kind::Percent,
            b"^" => Kind::Caret,
            b"<" => Kind::Less,
            b">" => Kind::Greater,
            b"=" => Kind::Equal,
            b"=>" => Kind::Arrow,
            b"<=" => Kind::LessEqual,
            b">=" => Kind::GreaterEqual,
            b"<>" | b"!=" => Kind::NotEqual,
            _ if len > LONGEST_OPERATOR => return Err(Problem::OperatorTooLong),
            _ => Kind::Operator,
        };
        Ok(self.take(len, kind))
    }
}
