//! From notation to meaning: what a literal's text is once escapes, doubled quotes and continuations are
//! resolved, and what name a name token stands for.
//!
//! Everything here works on the text of one token, as the lexer cut it, and answers `None` where PostgreSQL
//! would refuse. The escapes of `E''` can make bytes; a result that is not UTF-8 is `None` too, which is
//! PostgreSQL's answer when the database speaks UTF-8 and the careful one when it does not.

use std::borrow::Cow;

use crate::lex::{Kind, Token, is_space};

/// PostgreSQL keeps this many bytes of a name (NAMEDATALEN less one).
const LONGEST_NAME: usize = 63;

/// The value of a character literal; `None` if `kind` is not one.
pub(crate) fn text_of(kind: Kind, literal: &str) -> Option<Cow<'_, str>> {
    match kind {
        Kind::Text => Some(plain_text(literal)),
        Kind::EscapeText => escape_text(literal).map(Cow::Owned),
        Kind::UnicodeText => {
            let (body, escape) = split_uescape(literal)?;
            unicode(body, escape).map(Cow::Owned)
        }
        Kind::DollarText => {
            let tag = literal.find('$').and_then(|first| literal.get(first + 1..)?.find('$'))? + 2;
            literal.get(tag..literal.len().checked_sub(tag)?).map(Cow::Borrowed)
        }
        _ => None,
    }
}

/// The value of a literal token: the text of a string, the digits of a bit string. `None` for other tokens.
pub fn literal_text(text: &str, token: Token) -> Option<Cow<'_, str>> {
    text_of(token.kind, token.span.of(text))
}

/// The name a token stands for: folded to lower case (ASCII only, as in a UTF-8 database) unless quoted,
/// escapes decoded, cut to 63 bytes at a character. `None` for tokens that are no names.
pub fn folded_name(text: &str, token: Token) -> Option<Cow<'_, str>> {
    let written = token.span.of(text);
    let name = match token.kind {
        Kind::Word if written.bytes().any(|b| b.is_ascii_uppercase()) => {
            Cow::Owned(written.to_ascii_lowercase())
        }
        Kind::Word => Cow::Borrowed(written),
        Kind::Quoted => {
            let inside = written.get(1..written.len().checked_sub(1)?)?;
            if inside.contains('"') {
                Cow::Owned(inside.replace("\"\"", "\""))
            } else {
                Cow::Borrowed(inside)
            }
        }
        Kind::UnicodeQuoted => {
            let (body, escape) = split_uescape(written)?;
            Cow::Owned(unicode(body, escape)?)
        }
        _ => return None,
    };
    Some(cut(name))
}

fn cut(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let mut end = LONGEST_NAME;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    match name {
        Cow::Borrowed(name) => Cow::Borrowed(name.get(..end).unwrap_or(name)),
        Cow::Owned(mut name) => {
            name.truncate(end);
            Cow::Owned(name)
        }
    }
}

/// The pieces between the quotes of a literal that may be continued on other lines, still escaped.
fn pieces(literal: &str, backslash: bool) -> impl Iterator<Item = &str> {
    let bytes = literal.as_bytes();
    let mut at = literal.find('\'').map_or(bytes.len(), |quote| quote + 1);
    core::iter::from_fn(move || {
        let start = at;
        loop {
            match (bytes.get(at)?, bytes.get(at + 1)) {
                (b'\\', Some(_)) if backslash => at += 2,
                (b'\'', Some(b'\'')) => at += 2,
                (b'\'', _) => break,
                _ => at += 1,
            }
        }
        let piece = literal.get(start..at);
        at += 1;
        // to the next opening quote, past comments that may hold quotes themselves
        loop {
            match bytes.get(at) {
                Some(b'\'') => {
                    at += 1;
                    break;
                }
                Some(b'-') => {
                    while bytes.get(at).is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                        at += 1;
                    }
                }
                Some(b) if is_space(*b) => at += 1,
                _ => {
                    at = bytes.len();
                    break;
                }
            }
        }
        piece
    })
}

fn plain_text(literal: &str) -> Cow<'_, str> {
    let mut parts = pieces(literal, false);
    match (parts.next(), parts.next()) {
        (Some(only), None) if !only.contains('\'') => Cow::Borrowed(only),
        (first, second) => {
            let joined: String = first.into_iter().chain(second).chain(parts).collect();
            Cow::Owned(joined.replace("''", "'"))
        }
    }
}

/// `E'...'`, prefix included or not.
pub(crate) fn escape_text(literal: &str) -> Option<String> {
    let mut out = Vec::with_capacity(literal.len());
    // the high half of a surrogate pair waiting for the other
    let mut high = None;
    for piece in pieces(literal, true) {
        let mut rest = piece.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            if high.is_some() && !(first == b'\\' && matches!(after.first(), Some(b'u' | b'U'))) {
                return None;
            }
            if first == b'\'' {
                out.push(b'\'');
                rest = after.get(1..).unwrap_or(&[]);
                continue;
            }
            let (b'\\', Some((&escaped, after))) = (first, after.split_first()) else {
                out.push(first);
                rest = after;
                continue;
            };
            rest = after;
            match escaped {
                b'b' => out.push(8),
                b'f' => out.push(12),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'0'..=b'7' => {
                    let more = rest.iter().take(2).take_while(|b| matches!(b, b'0'..=b'7')).count();
                    let digits = rest.get(..more)?;
                    let value = digits
                        .iter()
                        .fold(u32::from(escaped - b'0'), |value, digit| value * 8 + u32::from(digit - b'0'));
                    out.push((value & 0xff) as u8);
                    rest = rest.get(more..)?;
                }
                b'x' if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
                    let digits = rest.iter().take(2).take_while(|b| b.is_ascii_hexdigit()).count();
                    out.push(hex(rest.get(..digits)?)? as u8);
                    rest = rest.get(digits..)?;
                }
                b'u' | b'U' => {
                    let digits = if escaped == b'u' { 4 } else { 8 };
                    let unit = hex(rest.get(..digits)?)?;
                    rest = rest.get(digits..)?;
                    push_unit(&mut out, unit, &mut high)?;
                }
                other => out.push(other),
            }
        }
        if high.is_some() {
            return None;
        }
    }
    if out.contains(&0) {
        return None;
    }
    String::from_utf8(out).ok()
}

/// `U&'...'` or `U&"..."` without its UESCAPE.
pub(crate) fn unicode(written: &str, escape: char) -> Option<String> {
    let unquoted: Cow<'_, str> = if written.get(2..3)? == "\"" {
        Cow::Owned(written.get(3..written.len().checked_sub(1)?)?.replace("\"\"", "\""))
    } else {
        plain_text(written)
    };
    let escape = u8::try_from(escape).ok()?;
    let mut out = Vec::with_capacity(unquoted.len());
    let mut high = None;
    let mut rest = unquoted.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != escape {
            if high.is_some() {
                return None;
            }
            out.push(first);
            rest = after;
        } else if after.first() == Some(&escape) {
            if high.is_some() {
                return None;
            }
            out.push(escape);
            rest = after.get(1..)?;
        } else {
            let (digits, from) = if after.first() == Some(&b'+') { (6, 1) } else { (4, 0) };
            let unit = hex(after.get(from..from + digits)?)?;
            push_unit(&mut out, unit, &mut high)?;
            rest = after.get(from + digits..)?;
        }
    }
    if high.is_some() { None } else { String::from_utf8(out).ok() }
}

/// Parts a `U&` token from its UESCAPE clause.
fn split_uescape(written: &str) -> Option<(&str, char)> {
    let bytes = written.as_bytes();
    let quote = *bytes.get(2)?;
    let mut at = 3;
    // the end of the quoted part: the last closing quote before UESCAPE
    let end = loop {
        match (*bytes.get(at)?, bytes.get(at + 1)) {
            (b, Some(next)) if b == quote && *next == quote => at += 2,
            (b, _) if b == quote => {
                let after = continued(bytes, at + 1, quote);
                match after {
                    Some(next) => at = next,
                    None => break at + 1,
                }
            }
            _ => at += 1,
        }
    };
    let rest = written.get(end..)?;
    if rest.is_empty() {
        return Some((written, '\\'));
    }
    // the clause ends in a literal of exactly one character; its notation decides how to find it
    let mut tokens = crate::lex::lex(rest, true).filter_map(Result::ok).filter(|t| !t.kind.is_trivia());
    let (_word, literal) = (tokens.next()?, tokens.next()?);
    let value = text_of(literal.kind, literal.span.of(rest))?;
    Some((written.get(..end)?, value.chars().next()?))
}

fn continued(bytes: &[u8], mut at: usize, quote: u8) -> Option<usize> {
    if quote != b'\'' {
        return None;
    }
    let mut newline = false;
    loop {
        match bytes.get(at)? {
            b'\n' | b'\r' => {
                newline = true;
                at += 1;
            }
            b if is_space(*b) => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                while bytes.get(at).is_some_and(|b| !matches!(b, b'\n' | b'\r')) {
                    at += 1;
                }
            }
            b'\'' if newline => return Some(at + 1),
            _ => return None,
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()
}

/// Appends a code point, or one half of a surrogate pair once the other half is there.
fn push_unit(out: &mut Vec<u8>, unit: u32, high: &mut Option<u32>) -> Option<()> {
    let point = match (high.take(), unit) {
        (None, 0xd800..=0xdbff) => {
            *high = Some(unit);
            return Some(());
        }
        (Some(first), 0xdc00..=0xdfff) => 0x10000 + ((first - 0xd800) << 10) + (unit - 0xdc00),
        (Some(_), _) | (None, 0) => return None,
        (None, unit) => unit,
    };
    let character = char::from_u32(point)?;
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}
