//! PostgreSQL's lexical rules, exactly: what its scanner (`scan.l`, versions 15 to 18) calls one token is one
//! token here, and what it refuses is an error here.
//!
//! A lexer that differs in one byte is a bypass: text we believe to be inside a string runs as a command.
//! So nothing is guessed. An unterminated anything, a NUL byte, junk after a number, an escape that does not
//! decode and a character no rule knows are errors. PostgreSQL lexes and parses the whole message before it
//! runs any of it, so refusing the whole text for one bad token refuses nothing that would have run.
//!
//! Invariants: tokens are in order, do not overlap, and together with `Space` and `Comment` tokens cover the
//! text without gaps; every span lies on character boundaries. Time is linear in the text, memory is the
//! tokens. Tokens carry no text: `Span::of` gives it.
//!
//! Two tokens are wider than in PostgreSQL's scanner: `U&"..." UESCAPE '!'` is one token, because its meaning
//! is one, and so are adjacent string parts separated by white space with a newline.

mod number;
mod operator;
mod string;

use crate::keyword::Keyword;

/// A piece of the text, in bytes: `start <= end <= text.len()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The text it covers.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// white space
    Space,
    /// `-- ...` or `/* ... */`
    Comment,
    /// an unquoted word; `Token::word` says which keyword, if it is one
    Word,
    /// `"..."`
    Quoted,
    /// `U&"..."`, with its UESCAPE
    UnicodeQuoted,
    /// `'...'` under the rules of standard_conforming_strings
    Text,
    /// `E'...'`, and `'...'` when standard_conforming_strings is off
    EscapeText,
    /// `U&'...'`, with its UESCAPE
    UnicodeText,
    /// `$tag$...$tag$`
    DollarText,
    /// `B'...'`
    Bits,
    /// `X'...'`
    Hex,
    /// `42`, `0x2a`, `1_000`
    Integer,
    /// `4.2`, `1e9`
    Decimal,
    /// `$1`
    Param,
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Semicolon,
    Dot,
    /// `..`
    DotDot,
    Colon,
    /// `::`
    Cast,
    /// `:=`
    Assign,
    /// `=>`
    Arrow,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Caret,
    Less,
    Greater,
    Equal,
    LessEqual,
    GreaterEqual,
    /// `<>` or `!=`
    NotEqual,
    /// any other operator
    Operator,
}

impl Kind {
    /// White space or a comment.
    pub fn is_trivia(self) -> bool {
        matches!(self, Kind::Space | Kind::Comment)
    }

    /// A literal with quotes of some kind.
    pub fn is_quoted_literal(self) -> bool {
        self.is_text() || matches!(self, Kind::Bits | Kind::Hex)
    }

    /// A character string in any notation.
    pub fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::EscapeText | Kind::UnicodeText | Kind::DollarText)
    }

    /// A name, or a word that may be one.
    pub fn is_name(self) -> bool {
        matches!(self, Kind::Word | Kind::Quoted | Kind::UnicodeQuoted)
    }
}

/// One token: what it is and where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    pub kind: Kind,
    /// the keyword an unquoted word spells; `NotAKeyword` for everything else
    pub word: Keyword,
    pub span: Span,
}

/// Why a text is no sequence of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LexError {
    pub problem: Problem,
    /// where the offending token starts, in bytes
    pub at: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    BadEscape,
    BadUnicodeEscapeCharacter,
    EmptyIdentifier,
    JunkAfterNumber,
    JunkAfterParameter,
    NulByte,
    OperatorTooLong,
    TextTooLong,
    UnexpectedCharacter,
    UnicodeTextNotAllowed,
    UnterminatedComment,
    UnterminatedIdentifier,
    UnterminatedText,
}

impl core::fmt::Display for LexError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let what = match self.problem {
            Problem::BadEscape => "an escape that does not decode",
            Problem::BadUnicodeEscapeCharacter => "an escape character UESCAPE may not name",
            Problem::EmptyIdentifier => "a quoted name without a character",
            Problem::JunkAfterNumber => "letters right after a number",
            Problem::JunkAfterParameter => "letters right after a parameter",
            Problem::NulByte => "a NUL byte",
            Problem::OperatorTooLong => "an operator of more than 63 characters",
            Problem::TextTooLong => "more than 4 GiB of text",
            Problem::UnexpectedCharacter => "a character that begins no token",
            Problem::UnicodeTextNotAllowed => "U&'' while standard_conforming_strings is off",
            Problem::UnterminatedComment => "a comment without an end",
            Problem::UnterminatedIdentifier => "a quoted name without an end",
            Problem::UnterminatedText => "a literal without an end",
        };
        write!(f, "{what} at byte {}", self.at)
    }
}

impl core::error::Error for LexError {}

/// The tokens of `text`, white space and comments included. After an error it yields nothing more.
pub fn lex(text: &str, standard_conforming_strings: bool) -> Lexer<'_> {
    Lexer {
        text,
        bytes: text.as_bytes(),
        at: 0,
        standard_conforming_strings,
        signs_until: 0,
        checked: false,
        stopped: false,
    }
}

/// See [`lex`].
#[derive(Clone, Debug)]
pub struct Lexer<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    standard_conforming_strings: bool,
    /// up to here the text is known to be `+` and `-` that are tokens by themselves
    signs_until: usize,
    checked: bool,
    stopped: bool,
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, LexError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stopped {
            return None;
        }
        if !self.checked {
            self.checked = true;
            let problem = if u32::try_from(self.bytes.len()).is_err() {
                Some((Problem::TextTooLong, 0))
            } else {
                self.bytes.iter().position(|b| *b == 0).map(|at| (Problem::NulByte, at))
            };
            if let Some((problem, at)) = problem {
                self.stopped = true;
                return Some(Err(LexError { problem, at: at as u32 }));
            }
        }
        if self.at >= self.bytes.len() {
            return None;
        }
        let start = self.at;
        Some(match self.token() {
            Ok((kind, word)) => {
                Ok(Token { kind, word, span: Span { start: start as u32, end: self.at as u32 } })
            }
            Err(problem) => {
                self.stopped = true;
                Err(LexError { problem, at: start as u32 })
            }
        })
    }
}

impl Lexer<'_> {
    /// The byte at `at`; 0 beyond the end, which no byte of a checked text is.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// Moves past one token.
    fn token(&mut self) -> Result<(Kind, Keyword), Problem> {
        let (here, next) = (self.byte(self.at), self.byte(self.at + 1));
        let kind = match here {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => {
                self.skip_while(is_space);
                Kind::Space
            }
            b'-' if next == b'-' => {
                self.skip_while(|b| b != b'\n' && b != b'\r');
                Kind::Comment
            }
            b'/' if next == b'*' => {
                self.block_comment()?;
                Kind::Comment
            }
            b'\'' => self.text_literal(0)?,
            b'e' | b'E' if next == b'\'' => self.escape_literal(1)?,
            b'b' | b'B' if next == b'\'' => self.plain_literal(1, Kind::Bits)?,
            b'x' | b'X' if next == b'\'' => self.plain_literal(1, Kind::Hex)?,
            b'n' | b'N' if next == b'\'' => {
                self.at += 1;
                return Ok((Kind::Word, Keyword::Nchar));
            }
            b'u' | b'U' if next == b'&' && self.byte(self.at + 2) == b'\'' => self.unicode_literal()?,
            b'u' | b'U' if next == b'&' && self.byte(self.at + 2) == b'"' => self.unicode_identifier()?,
            b'"' => self.quoted_identifier(self.at + 1, Kind::Quoted)?,
            b'$' => self.dollar()?,
            b'0'..=b'9' => self.number()?,
            b'.' if next.is_ascii_digit() => self.number()?,
            b'.' if next == b'.' => self.take(2, Kind::DotDot),
            b'.' => self.take(1, Kind::Dot),
            b':' if next == b':' => self.take(2, Kind::Cast),
            b':' if next == b'=' => self.take(2, Kind::Assign),
            b':' => self.take(1, Kind::Colon),
            b'(' => self.take(1, Kind::LeftParen),
            b')' => self.take(1, Kind::RightParen),
            b'[' => self.take(1, Kind::LeftBracket),
            b']' => self.take(1, Kind::RightBracket),
            b',' => self.take(1, Kind::Comma),
            b';' => self.take(1, Kind::Semicolon),
            b if is_name_start(b) => {
                let start = self.at;
                self.skip_while(is_name_part);
                let word = Keyword::of(self.text.get(start..self.at).unwrap_or(""));
                return Ok((Kind::Word, word));
            }
            b if operator::is_operator_byte(b) => self.operator()?,
            _ => return Err(Problem::UnexpectedCharacter),
        };
        Ok((kind, Keyword::NotAKeyword))
    }

    fn take(&mut self, len: usize, kind: Kind) -> Kind {
        self.at += len;
        kind
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        let rest = self.bytes.get(self.at..).unwrap_or(&[]);
        self.at += rest.iter().position(|b| !wanted(*b)).unwrap_or(rest.len());
    }

    /// Comments nest, unlike the standard's.
    fn block_comment(&mut self) -> Result<(), Problem> {
        let mut depth = 0u32;
        loop {
            match (self.byte(self.at), self.byte(self.at + 1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (0, _) => return Err(Problem::UnterminatedComment),
                _ => self.at += 1,
            }
        }
    }
}

/// White space. The vertical tab became white space in version 16; 15 refuses it, so it cannot mislead.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_name_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_name_part(byte: u8) -> bool {
    is_name_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

#[cfg(test)]
mod tests;
