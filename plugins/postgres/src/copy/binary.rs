//! Format `binary`: a header, rows with counted values, a trailer.

use super::{Field, Row, Split, Value};
use crate::wire::Reader;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
const TRAILER: i16 = -1;

/// The header may stand before the first row; no row can look like it (its count would be 20,551 columns).
pub fn split(payload: &[u8]) -> Split {
    let mut reader = Reader::new(payload);
    if payload.starts_with(SIGNATURE) {
        let header = (|| {
            reader.take(SIGNATURE.len() + 4)?;
            let extension = usize::try_from(reader.i32()?).ok()?;
            reader.take(extension)
        })();
        if header.is_none() {
            return Split::Unfinished;
        }
    }
    let mut rows = Vec::new();
    while !reader.at_end() {
        let start = payload.len() - reader.rest().len();
        let Some(count) = reader.i16() else { return Split::Unfinished };
        if count == TRAILER {
            return if reader.at_end() { Split::Rows(rows) } else { Split::Malformed };
        }
        let Ok(count) = usize::try_from(count) else { return Split::Malformed };
        let mut fields = Vec::new();
        for _ in 0..count {
            let from = payload.len() - reader.rest().len();
            let mut length = reader;
            if length.i32().is_some_and(|length| length < -1) {
                return Split::Malformed;
            }
            let Some(value) = reader.value() else { return Split::Unfinished };
            let to = payload.len() - reader.rest().len();
            let value = value.map_or(Value::Null, |_| Value::Plain(from + 4..to));
            fields.push(Field { raw: from..to, value, quoted: false });
        }
        let end = payload.len() - reader.rest().len();
        rows.push(Row { raw: start..end, fields });
    }
    Split::Rows(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::copy::{Form, Style, values};

    #[test]
    fn header_rows_and_trailer() {
        let mut payload = SIGNATURE.to_vec();
        payload.extend([0; 8]);
        payload.extend(b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff");
        assert_eq!(values(&payload, split(&payload)), [[Some("ab".into()), None]]);
        assert_eq!(split(b"\xff\xff"), Split::Rows(vec![]));
        assert_eq!(split(&payload[..30]), Split::Unfinished);
        assert_eq!(split(b"\xff\xfe"), Split::Malformed);
        assert_eq!(split(b"\0\x01\xff\xff\xff\xf0"), Split::Malformed);

        let style =
            Style { form: Form::Binary, delimiter: 0, null: vec![], quote: 0, escape: 0, header: false };
        let Split::Rows(rows) = split(&payload) else { panic!() };
        let new = style.rebuild(&payload, &rows, |_, column| (column == 0).then(|| Some(b"xyz".to_vec())));
        assert_eq!(&new[..19], &payload[..19]);
        assert_eq!(&new[19..], b"\0\x02\0\0\0\x03xyz\xff\xff\xff\xff");
    }
}
