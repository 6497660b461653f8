//! `D`: one row.

use crate::wire::{self, Reader};

/// Where each value lies in the body; `None` is NULL. Nothing when the row is malformed or has another number
/// of values than `columns`.
pub fn decode(body: &[u8], columns: usize, values: &mut Vec<Option<(usize, usize)>>) -> Option<()> {
    values.clear();
    let mut reader = Reader::new(body);
    if usize::from(reader.u16()?) != columns {
        return None;
    }
    for _ in 0..columns {
        let value = reader.value()?;
        let end = body.len() - reader.rest().len();
        values.push(value.map(|value| (end - value.len(), value.len())));
    }
    reader.at_end().then_some(())
}

pub fn encode<'a>(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = Option<&'a [u8]>>) {
    wire::message(out, b'D', |out| {
        out.extend_from_slice(&u16::try_from(values.len()).unwrap_or(u16::MAX).to_be_bytes());
        for value in values {
            wire::put_value(out, value);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_place() {
        let body = b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff";
        let mut values = vec![];
        decode(body, 2, &mut values).unwrap();
        assert_eq!(values, [Some((6, 2)), None]);
        assert_eq!(decode(body, 1, &mut values), None);
        let mut out = vec![];
        encode(&mut out, [Some(&b"ab"[..]), None].into_iter());
        assert_eq!(out[5..], body[..]);
    }
}
