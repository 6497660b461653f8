//! Arrays: dimensions, then elements; as text `{a,"b c",NULL}` with bounds in front when they do not start at 1.

use crate::types::{Type, decode, of};
use crate::wire::Reader;

/// The server's own limit.
const MAX_DIMENSIONS: usize = 6;

pub fn to_text(element: u32, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    write(Some(element), bytes, out, decode::to_text)
}

/// As `decode::shown` does it; of elements of whatever type when none is expected.
pub fn shown(element: Option<u32>, bytes: &[u8], out: &mut Vec<u8>, depth: u8) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    write(element, bytes, out, |oid, bytes, out| decode::shown(oid, bytes, out, depth))
}

fn write(
    element: Option<u32>,
    bytes: &[u8],
    out: &mut Vec<u8>,
    put: impl Fn(u32, &[u8], &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let dimensions = usize::try_from(reader.i32()?).ok()?;
    reader.i32()?;
    let stated = reader.u32()?;
    let element = element.unwrap_or(stated);
    if stated != element || dimensions > MAX_DIMENSIONS || matches!(of(element), Type::Array(_)) {
        return None;
    }
    let mut lengths = Vec::with_capacity(dimensions);
    let mut lower_bounds = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(usize::try_from(reader.i32()?).ok()?);
        lower_bounds.push(reader.i32()?);
    }
    // Each element takes four bytes at least; a count that promises more is a lie, and is not looped over.
    let elements = lengths.iter().try_fold(1usize, |all, length| all.checked_mul(*length))?;
    if dimensions > 0 && (elements == 0 || elements > reader.rest().len() / 4) {
        return None;
    }
    if lower_bounds.iter().any(|bound| *bound != 1) {
        for (length, bound) in lengths.iter().zip(&lower_bounds) {
            let last = i64::from(*bound) + i64::try_from(*length).ok()? - 1;
            out.extend_from_slice(format!("[{bound}:{last}]").as_bytes());
        }
        out.push(b'=');
    }
    if dimensions == 0 {
        out.extend_from_slice(b"{}");
    } else {
        nested(&|bytes, out| put(element, bytes, out), &lengths, &mut reader, out)?;
    }
    reader.at_end().then_some(())
}

fn nested(
    put: &impl Fn(&[u8], &mut Vec<u8>) -> Option<()>,
    lengths: &[usize],
    reader: &mut Reader<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let (&length, inner) = lengths.split_first()?;
    out.push(b'{');
    for index in 0..length {
        if index > 0 {
            out.push(b',');
        }
        if !inner.is_empty() {
            nested(put, inner, reader, out)?;
            continue;
        }
        match reader.value()? {
            None => out.extend_from_slice(b"NULL"),
            Some(value) => {
                let mut text = Vec::new();
                put(value, &mut text)?;
                quote(&text, out);
            }
        }
    }
    out.push(b'}');
    Some(())
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    let special = |byte: &u8| {
        matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace() || *byte == 0x0b
    };
    let plain = !text.is_empty() && !text.iter().any(special) && !text.eq_ignore_ascii_case(b"null");
    if plain {
        return out.extend_from_slice(text);
    }
    out.push(b'"');
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

/// Elements of the text of a one-dimensional array without bounds; `None` when it is no such text.
pub fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let mut found = Vec::new();
    if inner.is_empty() {
        return Some(found);
    }
    let mut chars = inner.chars().peekable();
    loop {
        let mut value = String::new();
        if chars.next_if_eq(&'"').is_some() {
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => value.push(chars.next()?),
                    other => value.push(other),
                }
            }
            found.push(Some(value));
        } else {
            while let Some(next) = chars.next_if(|next| *next != ',') {
                if matches!(next, '{' | '}' | '"') {
                    return None;
                }
                value.push(if next == '\\' { chars.next()? } else { next });
            }
            let trimmed = value.trim();
            if trimmed.is_empty() {
                return None;
            }
            found.push((!trimmed.eq_ignore_ascii_case("null")).then(|| trimmed.to_owned()));
        }
        match chars.next() {
            None => return Some(found),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_server_prints_them() {
        let bytes = b"\0\0\0\x01\0\0\0\x01\0\0\0\x19\0\0\0\x04\0\0\0\x01\0\0\0\x01a\0\0\0\x03b c\xff\xff\xff\xff\0\0\0\x01\"";
        let mut out = Vec::new();
        to_text(25, bytes, &mut out).unwrap();
        assert_eq!(out, br#"{a,"b c",NULL,"\""}"#);
        let bytes = b"\0\0\0\x02\0\0\0\0\0\0\0\x17\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x04\0\0\0\x07\0\0\0\x04\0\0\0\x08";
        out.clear();
        to_text(23, bytes, &mut out).unwrap();
        assert_eq!(out, b"[0:1][1:1]={{7},{8}}");
        out.clear();
        to_text(23, b"\0\0\0\0\0\0\0\0\0\0\0\x17", &mut out).unwrap();
        assert_eq!(out, b"{}");
    }

    #[test]
    fn a_length_that_lies_is_not_followed() {
        let bytes = b"\0\0\0\x01\0\0\0\0\0\0\0\x17\x7f\xff\xff\xff\0\0\0\x01";
        assert_eq!(to_text(23, bytes, &mut Vec::new()), None);
    }

    #[test]
    fn elements_of_the_text() {
        let found = elements(r#"{a,"b,\"c",NULL,"NULL"}"#).unwrap();
        assert_eq!(found, [Some("a".into()), Some("b,\"c".into()), None, Some("NULL".into())]);
        assert_eq!(elements("{}"), Some(vec![]));
        for text in ["", "{", "{a", "{a,}", "{{a}}", "{a}b}", r#"{"a"b}"#, r#"{"a}"#] {
            assert_eq!(elements(text), None, "{text}");
        }
    }
}
