//! Values made of values of other types, in binary: rows, ranges, multiranges, `hstore`.

use crate::types::decode;
use crate::wire::Reader;

/// `(a,"b c",)`, as the server prints a row.
pub fn record_to_text(bytes: &[u8], out: &mut Vec<u8>, depth: u8) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let fields = usize::try_from(reader.i32()?).ok()?;
    // Each takes eight bytes at least.
    if fields > reader.rest().len() / 8 {
        return None;
    }
    out.push(b'(');
    for index in 0..fields {
        if index > 0 {
            out.push(b',');
        }
        let oid = reader.u32()?;
        if let Some(value) = reader.value()? {
            let mut text = Vec::new();
            decode::shown(oid, value, &mut text, depth.checked_sub(1)?)?;
            quote(&text, b"(),\"\\", out);
        }
    }
    out.push(b')');
    reader.at_end().then_some(())
}

const EMPTY: u8 = 0x01;
const LOWER_INCLUDED: u8 = 0x02;
const UPPER_INCLUDED: u8 = 0x04;
const LOWER_INFINITE: u8 = 0x08;
const UPPER_INFINITE: u8 = 0x10;

/// `[1,5)`
pub fn range_to_text(bound: u32, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let flags = reader.byte()?;
    if flags & EMPTY != 0 {
        out.extend_from_slice(b"empty");
        return reader.at_end().then_some(());
    }
    out.push(if flags & LOWER_INCLUDED != 0 { b'[' } else { b'(' });
    if flags & LOWER_INFINITE == 0 {
        bound_to_text(bound, &mut reader, out)?;
    }
    out.push(b',');
    if flags & UPPER_INFINITE == 0 {
        bound_to_text(bound, &mut reader, out)?;
    }
    out.push(if flags & UPPER_INCLUDED != 0 { b']' } else { b')' });
    reader.at_end().then_some(())
}

fn bound_to_text(bound: u32, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut text = Vec::new();
    decode::to_text(bound, reader.value()??, &mut text)?;
    quote(&text, b"()[],\"\\", out);
    Some(())
}

/// `{[1,5),[7,9)}`
pub fn multirange_to_text(bound: u32, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let ranges = reader.u32()?;
    out.push(b'{');
    for index in 0..ranges {
        if index > 0 {
            out.push(b',');
        }
        range_to_text(bound, reader.value()??, out)?;
    }
    out.push(b'}');
    reader.at_end().then_some(())
}

/// `"a"=>"1", "b"=>NULL`
pub fn hstore_to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let pairs = usize::try_from(reader.i32()?).ok()?;
    if pairs == 0 || pairs > reader.rest().len() / 8 {
        return None;
    }
    for index in 0..pairs {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        always_quoted(reader.value()??, out)?;
        out.extend_from_slice(b"=>");
        match reader.value()? {
            Some(value) => always_quoted(value, out)?,
            None => out.extend_from_slice(b"NULL"),
        }
    }
    reader.at_end().then_some(())
}

fn always_quoted(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    Some(())
}

/// Quotes as rows and ranges have them: doubled inside.
fn quote(text: &[u8], special: &[u8], out: &mut Vec<u8>) {
    let needs = |byte: &u8| special.contains(byte) || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !text.is_empty() && !text.iter().any(needs) {
        return out.extend_from_slice(text);
    }
    quoted(text, b'"', out);
}

/// Between two marks; marks and backslashes inside are doubled.
pub(super) fn quoted(text: &[u8], mark: u8, out: &mut Vec<u8>) {
    out.push(mark);
    for byte in text {
        if *byte == mark || *byte == b'\\' {
            out.push(*byte);
        }
        out.push(*byte);
    }
    out.push(mark);
}

#[cfg(test)]
mod tests {
    use crate::types::decode;

    fn text(oid: u32, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        decode::shown(oid, bytes, &mut out, decode::MAX_DEPTH).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn rows_carry_the_types_of_their_fields() {
        let row = b"\0\0\0\x04\0\0\0\x19\0\0\0\x05a@b c\0\0\0\x17\0\0\0\x04\0\0\0\x2a\0\0\0\x19\xff\xff\xff\xff\0\0\0\x19\0\0\0\0";
        assert_eq!(text(2249, row).as_deref(), Some(r#"("a@b c",42,,"")"#));
        assert_eq!(
            text(16_999, row).as_deref(),
            Some(r#"("a@b c",42,,"")"#),
            "a composite type of the user's"
        );
        let mut nested = b"\0\0\0\x01\0\0\x40\x01\0\0\0".to_vec();
        nested.push(row.len() as u8);
        nested.extend_from_slice(row);
        assert_eq!(text(2249, &nested).as_deref(), Some(r#"("(""a@b c"",42,,"""")")"#));
        assert_eq!(text(2249, b"\0\0\0\x01\0\0\x40\x01\0\0\0\x02\x01\x02"), None, "a field nobody can read");
        assert_eq!(text(2249, b"\x7f\xff\xff\xff"), None);
    }

    #[test]
    fn a_row_in_a_row_in_a_row_is_not_followed_for_ever() {
        let mut row = b"\0\0\0\0".to_vec();
        for _ in 0..100 {
            let mut outer = b"\0\0\0\x01\0\0\x08\xc9".to_vec();
            outer.extend_from_slice(&(row.len() as u32).to_be_bytes());
            outer.extend_from_slice(&row);
            row = outer;
        }
        assert_eq!(text(2249, &row), None);
    }

    #[test]
    fn ranges() {
        for (oid, bytes, expected) in [
            (3904, &b"\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\0\0\0\x05"[..], "[1,5)"),
            (3904, b"\x12\0\0\0\x04\0\0\0\x01", "[1,)"),
            (3904, b"\x01", "empty"),
            (4451, b"\0\0\0\x01\0\0\0\x01\x01", "{empty}"),
        ] {
            assert_eq!(text(oid, bytes).as_deref(), Some(expected));
        }
        assert_eq!(text(3904, b"\x02\0\0\0\x04\0\0\0\x01"), None);
    }

    #[test]
    fn types_of_extensions() {
        assert_eq!(
            text(16_999, b"\0\0\0\x02\0\0\0\x01a\0\0\0\x03x\"y\0\0\0\x01b\xff\xff\xff\xff").as_deref(),
            Some(r#""a"=>"x\"y", "b"=>NULL"#)
        );
        assert_eq!(text(16_999, b"happy").as_deref(), Some("happy"), "an enum, citext");
        let enums = b"\0\0\0\x01\0\0\0\0\0\0\x40\x01\0\0\0\x02\0\0\0\x01\0\0\0\x01a\0\0\0\x02bc";
        assert_eq!(text(16_999, enums).as_deref(), Some("{a,bc}"));
        for bytes in [&b"\x01\x02"[..], b"\0\x01\0\0\x3f\x80\0\0", b"\xff"] {
            assert_eq!(text(16_999, bytes), None);
        }
    }
}
