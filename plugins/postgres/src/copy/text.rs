//! Format `text`: a line per row, a delimiter between values, backslash escapes.

use super::{Field, Row, Split, Style, Value};

pub fn split(style: &Style, payload: &[u8]) -> Split {
    let mut rows = Vec::new();
    let mut at = 0;
    while at < payload.len() {
        let Some((row, end)) = row(style, payload, at) else { return Split::Unfinished };
        rows.push(row);
        at = end;
    }
    Split::Rows(rows)
}

/// The row that starts at `start` and where the next one does. The server never writes a line end inside a
/// value, so the first one ends the row.
fn row(style: &Style, payload: &[u8], start: usize) -> Option<(Row, usize)> {
    let mut fields = Vec::new();
    let mut field_start = start;
    let mut at = start;
    loop {
        match *payload.get(at)? {
            b'\\' => at += 2,
            b'\n' => {
                fields.push(field(style, payload, field_start, at));
                return Some((Row { raw: start..at + 1, fields }, at + 1));
            }
            byte if byte == style.delimiter => {
                fields.push(field(style, payload, field_start, at));
                at += 1;
                field_start = at;
            }
            _ => at += 1,
        }
    }
}

fn field(style: &Style, payload: &[u8], start: usize, end: usize) -> Field {
    let raw = payload.get(start..end).unwrap_or_default();
    let value = if raw == style.null {
        Value::Null
    } else if raw.contains(&b'\\') {
        Value::Unescaped(unescape(raw))
    } else {
        Value::Plain(start..end)
    };
    Field { raw: start..end, value, quoted: false }
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(raw.len());
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            value.push(byte);
            continue;
        }
        let Some(escape) = rest.next() else { break };
        match escape {
            b'b' => value.push(8),
            b'f' => value.push(12),
            b'n' => value.push(b'\n'),
            b'r' => value.push(b'\r'),
            b't' => value.push(b'\t'),
            b'v' => value.push(11),
            b'0'..=b'7' => {
                let mut code = u32::from(escape - b'0');
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(|byte| matches!(byte, b'0'..=b'7')) else { break };
                    code = code * 8 + u32::from(digit - b'0');
                }
                value.push(u8::try_from(code & 0xff).unwrap_or(0));
            }
            b'x' if rest.peek().is_some_and(u8::is_ascii_hexdigit) => {
                let mut code = 0;
                for _ in 0..2 {
                    let Some(digit) = rest.next_if(u8::is_ascii_hexdigit) else { break };
                    code = code * 16 + char::from(digit).to_digit(16).unwrap_or(0);
                }
                value.push(u8::try_from(code & 0xff).unwrap_or(0));
            }
            other => value.push(other),
        }
    }
    value
}

pub fn put(style: &Style, value: Option<&[u8]>, out: &mut Vec<u8>) {
    let Some(value) = value else { return out.extend_from_slice(&style.null) };
    for byte in value {
        let escape = match byte {
            8 => b'b',
            12 => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            11 => b'v',
            b'\\' => b'\\',
            byte if *byte == style.delimiter => *byte,
            byte => {
                out.push(*byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', escape]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::{Form, values};

    fn style(delimiter: u8, null: &str) -> Style {
        Style { form: Form::Text, delimiter, null: null.into(), quote: b'"', escape: b'"', header: false }
    }

    #[test]
    fn values_are_unescaped() {
        let payload = b"1\t\\N\ta\\tb\\\\\\n\\101\\x41\n\t\tx\n";
        let rows = values(payload, split(&style(b'\t', "\\N"), payload));
        assert_eq!(rows[0], [Some("1".into()), None, Some("a\tb\\\nAA".into())]);
        assert_eq!(rows[1], [Some("".into()), Some("".into()), Some("x".into())]);
    }

    #[test]
    fn other_delimiter_and_null() {
        let payload = b"a\\|b|nil|\n";
        let rows = values(payload, split(&style(b'|', "nil"), payload));
        assert_eq!(rows, [[Some("a|b".into()), None, Some("".into())]]);
    }

    #[test]
    fn a_row_without_its_end_goes_on() {
        assert_eq!(split(&style(b'\t', "\\N"), b"a\tb"), Split::Unfinished);
        assert_eq!(split(&style(b'\t', "\\N"), b"a\\"), Split::Unfinished);
    }

    #[test]
    fn edits_are_escaped() {
        let style = style(b'\t', "\\N");
        let payload = b"1\tsecret\tx\n2\tother\ty\n";
        let Split::Rows(rows) = split(&style, payload) else { panic!() };
        let new = style.rebuild(payload, &rows, |row, column| match (row, column) {
            (0, 1) => Some(Some(b"a\tb\\\n".to_vec())),
            (1, 1) => Some(None),
            _ => None,
        });
        assert_eq!(new, b"1\ta\\tb\\\\\\n\tx\n2\t\\N\ty\n");
    }
}
