//! Text as the binary value of a type.

use crate::types::{Type, array, datetime, net, numeric, of};

/// Appends the binary form. `None` (with `out` possibly longer) when the text is no value of the type.
pub fn from_text(oid: u32, text: &str, out: &mut Vec<u8>) -> Option<()> {
    match of(oid) {
        Type::Text | Type::Json => out.extend_from_slice(text.as_bytes()),
        Type::Jsonb => {
            out.push(1);
            out.extend_from_slice(text.as_bytes());
        }
        Type::Bool => out.push(u8::from(boolean(text)?)),
        Type::Bytea => out.extend_from_slice(&bytes_of_hex(text)?),
        Type::Char => match text.as_bytes() {
            [] => out.push(0),
            [byte] => out.push(*byte),
            _ => return None,
        },
        Type::Int2 => out.extend_from_slice(&text.parse::<i16>().ok()?.to_be_bytes()),
        Type::Int4 => out.extend_from_slice(&text.parse::<i32>().ok()?.to_be_bytes()),
        Type::Int8 => out.extend_from_slice(&text.parse::<i64>().ok()?.to_be_bytes()),
        Type::Oid => out.extend_from_slice(&text.parse::<u32>().ok()?.to_be_bytes()),
        Type::Float4 => out.extend_from_slice(&text.parse::<f32>().ok()?.to_be_bytes()),
        Type::Float8 => out.extend_from_slice(&text.parse::<f64>().ok()?.to_be_bytes()),
        Type::Numeric => numeric::from_text(text, out)?,
        Type::Uuid => out.extend_from_slice(&uuid(text)?),
        Type::Date => out.extend_from_slice(&datetime::date_from_text(text)?.to_be_bytes()),
        Type::Time => out.extend_from_slice(&datetime::time_from_text(text)?.to_be_bytes()),
        Type::TimeTz => {
            out.extend_from_slice(&datetime::time_from_text(text.strip_suffix("+00")?)?.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
        }
        Type::Timestamp => out.extend_from_slice(&datetime::timestamp_from_text(text, false)?.to_be_bytes()),
        Type::TimestampTz => out.extend_from_slice(&datetime::timestamp_from_text(text, true)?.to_be_bytes()),
        // Only the neutral one: nothing else is ever put in the place of an interval.
        Type::Interval if text == "00:00:00" => out.extend_from_slice(&[0; 16]),
        Type::Inet => net::inet_from_text(text, false, out)?,
        Type::Cidr => net::inet_from_text(text, true, out)?,
        Type::MacAddr => net::mac_from_text(text, out)?,
        Type::Array(element) => array_from_text(element, text, out)?,
        // Nothing is ever put in the place of the others.
        _ => return None,
    }
    Some(())
}

/// One dimension, counted from 1.
fn array_from_text(element: u32, text: &str, out: &mut Vec<u8>) -> Option<()> {
    let elements = array::elements(text)?;
    let has_null = elements.iter().any(Option::is_none);
    out.extend_from_slice(&i32::from(!elements.is_empty()).to_be_bytes());
    out.extend_from_slice(&i32::from(has_null).to_be_bytes());
    out.extend_from_slice(&element.to_be_bytes());
    if elements.is_empty() {
        return Some(());
    }
    out.extend_from_slice(&i32::try_from(elements.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    for value in elements {
        let Some(value) = value else {
            out.extend_from_slice(&(-1i32).to_be_bytes());
            continue;
        };
        let mut bytes = Vec::new();
        from_text(element, &value, &mut bytes)?;
        crate::wire::put_value(out, Some(&bytes));
    }
    Some(())
}

pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "t" | "true" => Some(true),
        "f" | "false" => Some(false),
        _ => None,
    }
}

pub fn uuid(text: &str) -> Option<[u8; 16]> {
    let groups = [8, 4, 4, 4, 12];
    if !text.split('-').map(str::len).eq(groups) {
        return None;
    }
    bytes_of_digits(&text.replace('-', ""))?.try_into().ok()
}

/// `\x` and pairs of digits.
pub fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    bytes_of_digits(text.strip_prefix("\\x")?)
}

fn bytes_of_digits(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::decode;

    #[test]
    fn what_is_encoded_decodes_to_the_same_text() {
        for (oid, text) in [
            (16, "t"),
            (17, "\\x00ff"),
            (18, "x"),
            (20, "-9000000000"),
            (21, "-2"),
            (23, "42"),
            (25, "text"),
            (26, "4000000000"),
            (114, "{\"a\":1}"),
            (650, "10.0.0.0/8"),
            (700, "1.5"),
            (701, "-2.25"),
            (829, "08:00:2b:01:02:03"),
            (869, "10.1.2.3"),
            (1082, "2024-02-29"),
            (1083, "12:34:56.5"),
            (1114, "2024-02-29 12:34:56"),
            (1184, "2024-02-29 12:34:56+00"),
            (1186, "00:00:00"),
            (1266, "00:00:00+00"),
            (1700, "-12.50"),
            (2950, "12345678-9abc-def0-1234-56789abcdef0"),
            (3802, "{}"),
            (1007, "{1,NULL,3}"),
            (1009, "{a,\"b c\"}"),
            (1000, "{}"),
        ] {
            let mut bytes = vec![];
            from_text(oid, text, &mut bytes).unwrap_or_else(|| panic!("{text}"));
            let mut out = vec![];
            decode::to_text(oid, &bytes, &mut out).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(String::from_utf8(out).unwrap(), text, "type {oid}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for (oid, text) in [
            (16, "yes"),
            (17, "00"),
            (17, "\\x0"),
            (21, "40000"),
            (23, "***"),
            (2950, "1234"),
            (1186, "1 day"),
            (1007, "{x}"),
            (99_999, ""),
        ] {
            assert_eq!(from_text(oid, text, &mut vec![]), None, "{text}");
        }
    }
}
