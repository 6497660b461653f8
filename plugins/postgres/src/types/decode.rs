//! A binary value as text.

use crate::types::{Type, array, composite, datetime, net, numeric, of, search};
use crate::wire::Reader;

/// Appends the text of `bytes`. `None`, with `out` as it was, when the type has no known text form or the
/// bytes do not fit it.
pub fn to_text(oid: u32, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let start = out.len();
    let done = write(of(oid), bytes, out);
    if done.is_none() {
        out.truncate(start);
    }
    done
}

/// Rows within rows that are followed.
pub const MAX_DEPTH: u8 = 8;

/// The text of a value for maskers, who do without the one the server would print but not without what is in
/// it. A type nobody knows is one of the user's or of an extension: its bytes are a row, an array, `hstore`, or
/// text (an enum, `citext`), or else there is nothing to show. `None` with `out` as it was.
pub fn shown(oid: u32, bytes: &[u8], out: &mut Vec<u8>, depth: u8) -> Option<()> {
    let start = out.len();
    let mut done = |write: &dyn Fn(&mut Vec<u8>) -> Option<()>| {
        let done = write(out);
        if done.is_none() {
            out.truncate(start);
        }
        done
    };
    match of(oid) {
        Type::Record => done(&|out| composite::record_to_text(bytes, out, depth)),
        Type::Array(element) => done(&|out| array::shown(Some(element), bytes, out, depth)),
        Type::Other => done(&|out| composite::record_to_text(bytes, out, depth))
            .or_else(|| done(&|out| array::shown(None, bytes, out, depth)))
            .or_else(|| done(&|out| composite::hstore_to_text(bytes, out)))
            .or_else(|| done(&|out| plain_text(bytes, out))),
        kind => done(&|out| write(kind, bytes, out)),
    }
}

fn plain_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let text = std::str::from_utf8(bytes).ok()?;
    let opaque = |letter: char| letter.is_control() && !matches!(letter, '\t' | '\n' | '\r');
    if text.contains(opaque) {
        return None;
    }
    out.extend_from_slice(bytes);
    Some(())
}

/// True when the binary form of the type is its text, so that it needs no copy.
pub fn is_text_already(oid: u32) -> bool {
    matches!(of(oid), Type::Text | Type::Json)
}

fn write(kind: Type, bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    match kind {
        Type::Text | Type::Json => out.extend_from_slice(bytes),
        Type::Jsonb => {
            let (&version, text) = bytes.split_first()?;
            if version != 1 {
                return None;
            }
            out.extend_from_slice(text);
        }
        Type::Bool => match bytes {
            [0] => out.push(b'f'),
            [1] => out.push(b't'),
            _ => return None,
        },
        Type::Bytea => hex(bytes, out),
        Type::Char => match bytes {
            [0] => {}
            [byte] if byte.is_ascii() => out.push(*byte),
            [byte] => out.extend_from_slice(format!("\\{byte:03o}").as_bytes()),
            _ => return None,
        },
        Type::Int2 => show(whole(bytes, i16::from_be_bytes)?, out),
        Type::Int4 => show(whole(bytes, i32::from_be_bytes)?, out),
        Type::Int8 => show(whole(bytes, i64::from_be_bytes)?, out),
        Type::Oid => show(whole(bytes, u32::from_be_bytes)?, out),
        Type::Float4 => {
            let value = whole(bytes, f32::from_be_bytes)?;
            float(f64::from(value), value, 6, out);
        }
        Type::Float8 => {
            let value = whole(bytes, f64::from_be_bytes)?;
            float(value, value, 15, out);
        }
        Type::Numeric => numeric::to_text(bytes, out)?,
        Type::Uuid => {
            let bytes = <[u8; 16]>::try_from(bytes).ok()?;
            for (index, byte) in bytes.iter().enumerate() {
                if matches!(index, 4 | 6 | 8 | 10) {
                    out.push(b'-');
                }
                put_hex(*byte, out);
            }
        }
        Type::Date => datetime::date_to_text(whole(bytes, i32::from_be_bytes)?, out),
        Type::Time => datetime::time_to_text(clock(whole(bytes, i64::from_be_bytes)?)?, out),
        Type::TimeTz => {
            let us = clock(reader.i64()?)?;
            let west = reader.i32()?;
            if !reader.at_end() {
                return None;
            }
            datetime::time_to_text(us, out);
            datetime::zone_to_text(west, out);
        }
        Type::Timestamp => datetime::timestamp_to_text(whole(bytes, i64::from_be_bytes)?, false, out),
        Type::TimestampTz => datetime::timestamp_to_text(whole(bytes, i64::from_be_bytes)?, true, out),
        Type::Interval => datetime::interval_to_text(bytes, out)?,
        Type::Inet | Type::Cidr => net::inet_to_text(bytes, out)?,
        Type::MacAddr => net::mac_to_text(bytes, out)?,
        Type::Array(element) => array::to_text(element, bytes, out)?,
        Type::Number => show(whole(bytes, u32::from_be_bytes)?, out),
        Type::Range(bound) => composite::range_to_text(bound, bytes, out)?,
        Type::Multirange(bound) => composite::multirange_to_text(bound, bytes, out)?,
        Type::TsVector => search::vector_to_text(bytes, out)?,
        Type::TsQuery => search::query_to_text(bytes, out)?,
        Type::Money => {
            let cents = whole(bytes, i64::from_be_bytes)?;
            let sign = if cents < 0 { "-" } else { "" };
            let cents = cents.unsigned_abs();
            show(format_args!("{sign}{}.{:02}", cents / 100, cents % 100), out);
        }
        Type::Bits => {
            let bits = usize::try_from(reader.i32()?).ok()?;
            if reader.rest().len() != bits.div_ceil(8) {
                return None;
            }
            let digit = |at: usize| {
                let byte = reader.rest().get(at / 8).copied().unwrap_or_default();
                if byte & (0x80 >> (at % 8)) == 0 { b'0' } else { b'1' }
            };
            out.extend((0..bits).map(digit));
        }
        Type::Floats => {
            let (floats, []) = bytes.as_chunks::<8>() else { return None };
            for (index, value) in floats.iter().enumerate() {
                out.push(if index == 0 { b'(' } else { b',' });
                let value = f64::from_be_bytes(*value);
                float(value, value, 15, out);
            }
            out.push(b')');
        }
        Type::Lsn => {
            let place = whole(bytes, u64::from_be_bytes)?;
            show(format_args!("{:X}/{:X}", place >> 32, place & 0xffff_ffff), out);
        }
        Type::JsonPath => {
            let (1, text) = bytes.split_first()? else { return None };
            out.extend_from_slice(text);
        }
        // Their parts may be of types nobody knows: `shown` reads them.
        Type::Record | Type::Other => return None,
    }
    Some(())
}

/// `\x` and hexadecimal digits, as `bytea` is printed; also how values of unknown types are shown.
pub fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(2 + bytes.len() * 2);
    out.extend_from_slice(b"\\x");
    for byte in bytes {
        put_hex(*byte, out);
    }
}

fn put_hex(byte: u8, out: &mut Vec<u8>) {
    for nibble in [byte >> 4, byte & 15] {
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

fn whole<const N: usize, T>(bytes: &[u8], read: impl FnOnce([u8; N]) -> T) -> Option<T> {
    <[u8; N]>::try_from(bytes).ok().map(read)
}

fn clock(us: i64) -> Option<i64> {
    (0..=86_400_000_000).contains(&us).then_some(us)
}

fn show(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

/// The shortest text that reads back as the same number; with an exponent below -4 and from `large_exponent` on,
/// as the server does it.
fn float(
    value: f64,
    shortest: impl std::fmt::Display + std::fmt::LowerExp,
    large_exponent: i32,
    out: &mut Vec<u8>,
) {
    if value.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if value.is_infinite() {
        return out.extend_from_slice(if value > 0.0 { b"Infinity".as_slice() } else { b"-Infinity" });
    }
    let text = format!("{shortest:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let size: i32 = exponent.parse().unwrap_or(0);
    if (-4..large_exponent).contains(&size) {
        return out.extend_from_slice(shortest.to_string().as_bytes());
    }
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
    out.extend_from_slice(format!("{digits}e{sign}{exponent:0>2}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(oid: u32, bytes: &[u8]) -> Option<String> {
        let mut out = Vec::new();
        to_text(oid, bytes, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_as_the_server_prints_them() {
        let cases: [(u32, &[u8], &str); 21] = [
            (16, b"\x01", "t"),
            (21, b"\xff\xfe", "-2"),
            (23, b"\0\0\0\x2a", "42"),
            (20, b"\0\0\0\0\0\0\x01\0", "256"),
            (26, b"\xff\xff\xff\xff", "4294967295"),
            (700, &1.5f32.to_be_bytes(), "1.5"),
            (700, &1e20f32.to_be_bytes(), "1e+20"),
            (700, &1e6f32.to_be_bytes(), "1e+06"),
            (700, &123_456.7f32.to_be_bytes(), "123456.7"),
            (701, &1e14f64.to_be_bytes(), "100000000000000"),
            (701, &1e15f64.to_be_bytes(), "1e+15"),
            (701, &0.1f64.to_be_bytes(), "0.1"),
            (701, &1e-7f64.to_be_bytes(), "1e-07"),
            (701, &1.5e300f64.to_be_bytes(), "1.5e+300"),
            (701, &f64::NAN.to_be_bytes(), "NaN"),
            (17, b"\x00\xff", "\\x00ff"),
            (3802, b"\x01{\"a\": 1}", "{\"a\": 1}"),
            (
                2950,
                b"\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0",
                "12345678-9abc-def0-1234-56789abcdef0",
            ),
            (1083, b"\0\0\0\0\0\x0f\x42\x40", "00:00:01"),
            (1266, b"\0\0\0\0\0\x0f\x42\x40\xff\xff\xf1\xf0", "00:00:01+01"),
            (829, b"\x08\0\x2b\x01\x02\x03", "08:00:2b:01:02:03"),
        ];
        for (oid, bytes, expected) in cases {
            assert_eq!(text(oid, bytes).as_deref(), Some(expected), "type {oid}");
        }
    }

    #[test]
    fn wrong_lengths_and_unknown_types_have_no_text() {
        for oid in
            [16, 18, 20, 21, 23, 26, 700, 701, 1082, 1083, 1114, 1184, 1186, 1266, 1700, 2950, 869, 829, 1007]
        {
            assert_eq!(text(oid, b"\x01\x02\x03"), None, "type {oid}");
        }
        assert_eq!(text(99_999, b"x"), None);
        assert_eq!(text(3802, b"\x02{}"), None);
    }
}
