//! Frames and fields: one type byte, a length that counts itself, then a body.
//!
//! Nothing here knows what a message means. Every read is checked; a short or overlong body is `None`, never
//! a panic and never a guess.

/// Type byte and length word.
pub const HEADER_BYTES: usize = 5;

/// First bytes of a message. `total_bytes` counts the type byte too, so it is `length + 1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: u8,
    pub total_bytes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    Partial,
    Header(Header),
    /// The length is smaller than itself or does not fit the protocol.
    Invalid(u8),
}

/// Reads the header at the start of `data`.
pub fn header(data: &[u8]) -> Framing {
    let Some((&kind, rest)) = data.split_first() else { return Framing::Partial };
    let Some(word) = rest.first_chunk::<4>() else { return Framing::Partial };
    let length = i32::from_be_bytes(*word);
    match usize::try_from(length) {
        Ok(length) if length >= 4 => Framing::Header(Header { kind, total_bytes: length + 1 }),
        _ => Framing::Invalid(kind),
    }
}

/// The body of the message that starts at `start`, if all of it is there.
pub fn body(data: &[u8], start: usize, header: Header) -> Option<&[u8]> {
    data.get(start + HEADER_BYTES..start + header.total_bytes)
}

/// A cursor over a body.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.chunk().map(u16::from_be_bytes)
    }

    pub fn i16(&mut self) -> Option<i16> {
        self.chunk().map(i16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_be_bytes)
    }

    pub fn i32(&mut self) -> Option<i32> {
        self.chunk().map(i32::from_be_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.chunk().map(i64::from_be_bytes)
    }

    /// A string that ends with NUL; the NUL is consumed and not returned.
    pub fn cstr(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == 0)?;
        let text = self.take(end)?;
        self.take(1)?;
        Some(text)
    }

    /// A value with its length in front; the inner `None` is NULL.
    pub fn value(&mut self) -> Option<Option<&'a [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.take(usize::try_from(length).ok()?).map(Some),
        }
    }
}

/// Appends one message to `out`; the length is filled in after `write` has written the body.
pub fn message(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    let length_at = out.len();
    out.extend_from_slice(&[0; 4]);
    write(out);
    let length = u32::try_from(out.len() - length_at).unwrap_or(u32::MAX);
    if let Some(place) = out.get_mut(length_at..length_at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
}

pub fn put_cstr(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().copied().filter(|&byte| byte != 0));
    out.push(0);
}

/// A value with its length in front; `None` is NULL.
pub fn put_value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => {
            let length = i32::try_from(value.len()).unwrap_or(i32::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(value);
        }
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked() {
        assert_eq!(header(b""), Framing::Partial);
        assert_eq!(header(b"Q\0\0\0"), Framing::Partial);
        assert_eq!(header(b"Q\0\0\0\x03"), Framing::Invalid(b'Q'));
        assert_eq!(header(b"Q\xff\xff\xff\xff"), Framing::Invalid(b'Q'));
        assert_eq!(header(b"S\0\0\0\x04"), Framing::Header(Header { kind: b'S', total_bytes: 5 }));
    }

    #[test]
    fn fields_are_read_in_order_and_never_past_the_end() {
        let mut reader = Reader::new(b"ab\0\0\x01\0\0\0\x02\xff\xff\xff\xff");
        assert_eq!(reader.cstr(), Some(&b"ab"[..]));
        assert_eq!(reader.u16(), Some(1));
        assert_eq!(reader.u32(), Some(2));
        assert_eq!(reader.value(), Some(None));
        assert!(reader.at_end());
        assert_eq!(reader.byte(), None);
        assert_eq!(Reader::new(b"no end").cstr(), None);
        assert_eq!(Reader::new(b"\0\0\0\x05abcd").value(), None);
    }

    #[test]
    fn messages_are_written_with_their_length() {
        let mut out = Vec::new();
        message(&mut out, b'Q', |out| put_cstr(out, b"x"));
        assert_eq!(out, b"Q\0\0\0\x06x\0");
    }
}
