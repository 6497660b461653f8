//! Strings: read from their literals, and written back.

use crate::error::Problem;
use std::borrow::Cow;

/// A string literal that was read.
pub(crate) struct Read<'a> {
    /// bytes, both quotes included
    pub(crate) length: usize,
    pub(crate) text: Cow<'a, str>,
}

/// Reads the literal that begins at `from`, where its first quote stands.
pub(crate) fn read(text: &str, from: usize) -> Result<Read<'_>, (usize, Problem)> {
    let mut decoded: Option<String> = None;
    let mut at = from + 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let plain = plain(rest.as_bytes()).ok_or((text.len(), Problem::End))?;
        let piece = rest.get(..plain).unwrap_or_default();
        at += plain;
        match text.as_bytes().get(at) {
            Some(b'"') => {
                let text = match decoded {
                    None => Cow::Borrowed(piece),
                    Some(mut whole) => {
                        whole.push_str(piece);
                        Cow::Owned(whole)
                    }
                };
                return Ok(Read { length: at + 1 - from, text });
            }
            Some(b'\\') => {
                let whole = decoded.get_or_insert_default();
                whole.push_str(piece);
                let (character, length) = escaped(text.as_bytes(), at).map_err(|problem| (at, problem))?;
                whole.push(character);
                at += length;
            }
            _ => return Err((at, Problem::Control)),
        }
    }
}

/// How many bytes stand for themselves; none when all do. Eight at a time, since most strings are longer.
fn plain(bytes: &[u8]) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        let ends = ends(u64::from_le_bytes(*word));
        if ends != 0 {
            return Some(at + ends.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    end.map(|end| at + end)
}

/// Which of eight bytes end a plain text: the lowest bit that is set is the high one of the first. A byte is less than
/// another where taking that from it borrows, and only bytes behind such a one may be taken for one wrongly.
fn ends(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let less = |word: u64, than: u8| word.wrapping_sub(ONES * u64::from(than)) & !word;
    let is = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    (is(b'"') | is(b'\\') | less(word, 0x20)) & HIGH
}

/// The character an escape stands for, and how many bytes it takes; the backslash is at `at`.
fn escaped(bytes: &[u8], at: usize) -> Result<(char, usize), Problem> {
    let character = match bytes.get(at + 1).ok_or(Problem::End)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(bytes, at),
        _ => return Err(Problem::Escape),
    };
    Ok((character, 2))
}

fn unicode(bytes: &[u8], at: usize) -> Result<(char, usize), Problem> {
    let first = hex(bytes, at + 2)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, 6));
    }
    // A surrogate: only the first half, followed by the second, is a character.
    let has_more = bytes.get(at + 6) == Some(&b'\\') && bytes.get(at + 7) == Some(&b'u');
    if !(0xD800..0xDC00).contains(&first) || !has_more {
        return Err(Problem::Surrogate);
    }
    let second = hex(bytes, at + 8)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(Problem::Surrogate);
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|character| (character, 12)).ok_or(Problem::Surrogate)
}

fn hex(bytes: &[u8], from: usize) -> Result<u32, Problem> {
    let digits = bytes.get(from..from + 4).ok_or(Problem::End)?;
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Problem::Escape)?;
        Ok((value << 4) | digit)
    })
}

/// Appends `text` as it stands inside a string literal, without the quotes. Control characters are escaped, so the
/// result is one line.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// `text` as a string literal, quotes included.
pub fn literal(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    escape(text, &mut out);
    out.push(b'"');
    out
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a test may fail loudly")]
mod tests {
    use super::*;

    fn decoded(literal: &str) -> Result<String, Problem> {
        read(literal, 0).map(|read| read.text.into_owned()).map_err(|(_, problem)| problem)
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(
            decoded(r#""a\"\\\/\b\f\n\r\t\u0040\ud83d\uDE00z""#).unwrap(),
            "a\"\\/\u{8}\u{c}\n\r\t@😀z"
        );
        assert_eq!(decoded(r#""\u0000""#).unwrap(), "\0");
        for (literal, problem) in [
            (r#""\x""#, Problem::Escape),
            (r#""\u12g4""#, Problem::Escape),
            (r#""\u+123""#, Problem::Escape),
            (r#""\u12"#, Problem::End),
            (r#""\ud83d""#, Problem::Surrogate),
            (r#""\ude00\ud83d""#, Problem::Surrogate),
            (r#""\ud83d\ud83d""#, Problem::Surrogate),
            (r#""\ud83dx""#, Problem::Surrogate),
            ("\"a\nb\"", Problem::Control),
            ("\"a", Problem::End),
            ("\"a\\", Problem::End),
        ] {
            assert_eq!(decoded(literal), Err(problem), "{literal}");
        }
    }

    #[test]
    fn what_ends_a_plain_text_is_found_wherever_it_stands() {
        for end in (0..0x20).chain([b'"', b'\\']) {
            for (before, behind) in (0..20).flat_map(|before| (0..10).map(move |behind| (before, behind))) {
                for filling in [b' ', b'!', b'a', 0x7f, 0x80, 0xa2, 0xdc, 0xff] {
                    let mut bytes = vec![filling; before + 1 + behind];
                    assert_eq!(plain(&bytes), None);
                    bytes[before] = end;
                    assert_eq!(plain(&bytes), Some(before), "{bytes:?}");
                }
            }
        }
    }

    #[test]
    fn a_literal_is_one_line_and_reads_back() {
        let text = "\"\\\n\r\t\0\u{1f}\u{7f}\u{2028}é😀";
        let written = String::from_utf8(literal(text)).unwrap();
        assert!(!written.contains(['\n', '\r', '\0']));
        assert_eq!(decoded(&written).unwrap(), text);
    }
}
