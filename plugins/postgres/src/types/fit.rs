//! A masked text as a value its column can hold, or the type's neutral value.

use crate::messages::bind::Format;
use crate::messages::row_description::Column;
use crate::types::{Type, encode, json, of, oid};

/// Identifiers the server makes are no longer.
const MAX_NAME_BYTES: usize = 63;
/// A type modifier of a character type counts this in.
const MODIFIER_OFFSET: i32 = 4;

/// Appends the value in the given format; `None` (with `out` as it was) when only NULL is safe.
pub fn put(column: &Column, format: Format, text: &str, out: &mut Vec<u8>) -> Option<()> {
    let text = valid(column, text)?;
    match format {
        Format::Text => out.extend_from_slice(text.as_bytes()),
        Format::Binary => {
            let start = out.len();
            if encode::from_text(column.type_oid, &text, out).is_none() {
                out.truncate(start);
                return None;
            }
        }
    }
    Some(())
}

/// Text of any length fits unless a type modifier says otherwise.
pub fn takes_any_text(type_oid: u32) -> bool {
    of(type_oid) == Type::Text && type_oid != oid::NAME
}

/// The text itself where it is a value of the type, else a neutral one.
fn valid(column: &Column, text: &str) -> Option<String> {
    let type_oid = column.type_oid;
    let kept = |neutral: &str| {
        let fits = encode::from_text(type_oid, text, &mut Vec::new()).is_some();
        Some(if fits { text.to_owned() } else { neutral.to_owned() })
    };
    match of(type_oid) {
        Type::Text => Some(cut(column, text)),
        Type::Json | Type::Jsonb if json::is_valid(text) => Some(text.to_owned()),
        Type::Json | Type::Jsonb => Some(json::string(text)),
        Type::Bool => kept("f"),
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Oid | Type::Float4 | Type::Float8 | Type::Numeric => {
            kept("0")
        }
        Type::Date => kept("2000-01-01"),
        Type::Time => kept("00:00:00"),
        Type::TimeTz => kept("00:00:00+00"),
        Type::Timestamp => kept("2000-01-01 00:00:00"),
        Type::TimestampTz => kept("2000-01-01 00:00:00+00"),
        Type::Interval => kept("00:00:00"),
        Type::Uuid => kept("00000000-0000-0000-0000-000000000000"),
        Type::Inet => kept("0.0.0.0"),
        Type::Cidr => kept("0.0.0.0/32"),
        Type::MacAddr => kept("00:00:00:00:00:00"),
        Type::Bytea => kept("\\x"),
        Type::Char => kept(""),
        // One dimension whose elements are still values of their type.
        Type::Array(_) => kept("{}"),
        _ => None,
    }
}

/// Never longer than the column allows, never with NUL.
fn cut(column: &Column, text: &str) -> String {
    let text = text.chars().filter(|letter| *letter != '\0');
    let limit = usize::try_from(column.modifier.saturating_sub(MODIFIER_OFFSET)).ok();
    match (column.type_oid, limit) {
        (oid::VARCHAR, Some(limit)) => text.take(limit).collect(),
        (oid::BPCHAR, Some(limit)) => {
            let cut: String = text.take(limit).collect();
            let missing = limit.saturating_sub(cut.chars().count());
            cut + &" ".repeat(missing)
        }
        (oid::NAME, _) => {
            let mut bytes = 0;
            text.take_while(|letter| {
                bytes += letter.len_utf8();
                bytes <= MAX_NAME_BYTES
            })
            .collect()
        }
        _ => text.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(type_oid: u32, modifier: i32, format: Format, text: &str) -> Option<Vec<u8>> {
        let column = Column { name: String::new(), relation: 0, number: 0, type_oid, modifier, format };
        let mut out = vec![];
        put(&column, format, text, &mut out).map(|()| out)
    }

    fn text(type_oid: u32, modifier: i32, value: &str) -> Option<String> {
        fit(type_oid, modifier, Format::Text, value).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn the_text_where_it_fits_else_something_neutral() {
        for (type_oid, modifier, value, expected) in [
            (25, -1, "[EMAIL]", "[EMAIL]"),
            (25, -1, "a\0b", "ab"),
            (1043, 9, "[EMAIL]", "[EMAI"),
            (1043, -1, "[EMAIL]", "[EMAIL]"),
            (1042, 9, "ab", "ab   "),
            (23, -1, "12", "12"),
            (23, -1, "[NUMBER]", "0"),
            (21, -1, "70000", "0"),
            (1700, -1, "x", "0"),
            (701, -1, "1.5", "1.5"),
            (16, -1, "x", "f"),
            (1082, -1, "1970-01-01", "1970-01-01"),
            (1082, -1, "****-**-**", "2000-01-01"),
            (1184, -1, "x", "2000-01-01 00:00:00+00"),
            (2950, -1, "x", "00000000-0000-0000-0000-000000000000"),
            (3802, -1, "{\"mail\": \"[EMAIL]\"}", "{\"mail\": \"[EMAIL]\"}"),
            (114, -1, "[EMAIL]", "\"[EMAIL]\""),
            (869, -1, "x", "0.0.0.0"),
            (17, -1, "x", "\\x"),
            (1009, -1, "{[EMAIL],b}", "{[EMAIL],b}"),
            (1009, -1, "{broken", "{}"),
            (1007, -1, "{x}", "{}"),
            (1007, -1, "{0,NULL}", "{0,NULL}"),
        ] {
            assert_eq!(text(type_oid, modifier, value).as_deref(), Some(expected), "type {type_oid} {value}");
        }
        assert_eq!(text(16_999, -1, "x"), None, "nobody knows the type");
        assert_eq!(text(790, -1, "x"), None);
    }

    #[test]
    fn binary_where_the_client_asked_for_it() {
        assert_eq!(fit(23, -1, Format::Binary, "x").unwrap(), [0; 4]);
        assert_eq!(fit(1082, -1, Format::Binary, "x").unwrap(), [0; 4]);
        assert_eq!(fit(3802, -1, Format::Binary, "x").unwrap(), b"\x01\"x\"");
        assert_eq!(fit(1007, -1, Format::Binary, "x").unwrap(), b"\0\0\0\0\0\0\0\0\0\0\0\x17");
        assert_eq!(fit(99_999, -1, Format::Binary, "x"), None);
    }

    #[test]
    fn every_neutral_value_has_a_binary_form() {
        for type_oid in [
            16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 142, 650, 700, 701, 829, 869, 1042, 1043, 1082, 1083,
            1114, 1184, 1186, 1266, 1700, 2950, 3802, 1000, 1009,
        ] {
            assert!(fit(type_oid, -1, Format::Binary, "*masked*").is_some(), "type {type_oid}");
        }
    }
}
