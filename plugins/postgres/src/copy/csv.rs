//! Format `csv`: quotes where needed; a row may span lines.

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

fn row(style: &Style, payload: &[u8], start: usize) -> Option<(Row, usize)> {
    let mut fields = Vec::new();
    let mut at = start;
    loop {
        let (field, end) = field(style, payload, at)?;
        fields.push(field);
        let last = *payload.get(end)? == b'\n';
        at = end + 1;
        if last {
            return Some((Row { raw: start..at, fields }, at));
        }
    }
}

/// The field that starts at `start`, and where its delimiter or line end lies.
fn field(style: &Style, payload: &[u8], start: usize) -> Option<(Field, usize)> {
    let mut unquoted = Vec::new();
    let mut in_quotes = false;
    let mut quoted = false;
    let mut at = start;
    loop {
        let byte = *payload.get(at)?;
        if in_quotes {
            if byte == style.escape
                && let Some(next) = payload.get(at + 1)
                && (*next == style.quote || *next == style.escape)
            {
                unquoted.push(*next);
                at += 2;
                continue;
            }
            if byte == style.quote {
                in_quotes = false;
            } else {
                unquoted.push(byte);
            }
        } else if byte == style.quote {
            in_quotes = true;
            quoted = true;
        } else if byte == style.delimiter || byte == b'\n' {
            break;
        } else if quoted {
            unquoted.push(byte);
        }
        at += 1;
    }
    let raw = start..at;
    let value = if quoted {
        // Anything before the quote belongs to the value too.
        let lead = payload.get(start..at)?.iter().take_while(|byte| **byte != style.quote).copied();
        let mut value: Vec<u8> = lead.collect();
        value.append(&mut unquoted);
        Value::Unescaped(value)
    } else if payload.get(raw.clone())? == style.null {
        Value::Null
    } else {
        Value::Plain(raw.clone())
    };
    Some((Field { raw, value, quoted }, at))
}

/// Quoted when it was, or when it would be read as something else without.
pub fn put(style: &Style, value: Option<&[u8]>, was_quoted: bool, out: &mut Vec<u8>) {
    let Some(value) = value else { return out.extend_from_slice(&style.null) };
    let special = |byte: &u8| [style.delimiter, style.quote, b'\n', b'\r'].contains(byte);
    if !was_quoted && value != style.null && value != b"\\." && !value.iter().any(special) {
        return out.extend_from_slice(value);
    }
    out.push(style.quote);
    for byte in value {
        if *byte == style.quote || *byte == style.escape {
            out.push(style.escape);
        }
        out.push(*byte);
    }
    out.push(style.quote);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::{Form, values};

    fn style(quote: u8, escape: u8) -> Style {
        Style { form: Form::Csv, delimiter: b',', null: vec![], quote, escape, header: false }
    }

    #[test]
    fn quotes_nulls_and_lines_inside_values() {
        let payload = b"1,,\"\",\"a,\"\"b\"\"\nc\"\n2,x,y,z\n";
        let rows = values(payload, split(&style(b'"', b'"'), payload));
        assert_eq!(rows[0], [Some("1".into()), None, Some("".into()), Some("a,\"b\"\nc".into())]);
        assert_eq!(rows[1].len(), 4);
        assert_eq!(split(&style(b'"', b'"'), b"1,\"a\n"), Split::Unfinished);
        assert_eq!(split(&style(b'"', b'"'), b"1,a"), Split::Unfinished);
    }

    #[test]
    fn other_quote_and_escape() {
        let payload = b"'it\\'s \\\\',x\n";
        let rows = values(payload, split(&style(b'\'', b'\\'), payload));
        assert_eq!(rows, [[Some("it's \\".into()), Some("x".into())]]);
    }

    #[test]
    fn edits_are_quoted_where_needed() {
        let style = style(b'"', b'"');
        let payload = b"a,\"b\",c,d,e\n";
        let Split::Rows(rows) = split(&style, payload) else { panic!() };
        let new = style.rebuild(payload, &rows, |_, column| match column {
            0 => Some(Some(b"x,\"y".to_vec())),
            1 => Some(Some(b"plain".to_vec())),
            2 => Some(None),
            3 => Some(Some(vec![])),
            _ => None,
        });
        assert_eq!(new, b"\"x,\"\"y\",\"plain\",,\"\",e\n");
    }
}
