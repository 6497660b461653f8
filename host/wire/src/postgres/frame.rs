//! Cutting bytes into messages, and putting messages into bytes.
//!
//! **Job.** An [`Inbox`] keeps what was read and gives out whole messages; a [`Body`] reads fields from one message;
//! `typed` and `put_text` write them. "Not yet" is `Ok(None)`, a normal answer.
//!
//! **What it does not do.** It does not know what any message means, nor which is expected: the caller passes the
//! limit for each type byte, and no limit means the type is not expected at all.
//!
//! **Invariants.** For a typed message `on the wire = 1 + length`, where `length` counts its own 4 bytes, so
//! `body = length - 4 ≥ 0`; for an untyped one `on the wire = length ≥ 8`. The type byte is judged as soon as it is
//! there and the length as soon as its four bytes are, before the body is waited for. No field read goes past
//! the end of its message.

use zeroize::{Zeroize, Zeroizing};

/// Largest message of either peer during authentication, in bytes with its length word: PostgreSQL's own limit
/// for a SASL message (`PG_MAX_SASL_MESSAGE_LENGTH` is 1 KiB, `PG_MAX_AUTH_TOKEN_LENGTH` is 64 KiB).
pub const MAX_AUTH_FRAME_BYTES: usize = 64 * 1024;

/// Longest text we ever write into one field. Nothing of ours is longer; it only keeps the arithmetic of lengths
/// far from the 32 bits of a length word whatever a caller passes.
const MAX_TEXT_BYTES: usize = 64 * 1024;

/// A message with a type byte; the body has no length word any more.
pub(crate) struct Frame {
    pub(crate) tag: u8,
    pub(crate) body: Zeroizing<Vec<u8>>,
}

/// A message that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadFrame {
    /// The type byte is none of those the conversation allows here.
    Unexpected { tag: u8 },
    /// The length word is below its own size or above the limit of the type.
    Length { tag: u8, length: u32 },
}

/// Bytes read and not yet understood. Wiped on drop, because passwords pass through.
#[derive(Default)]
pub(crate) struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
}

impl Inbox {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn peek(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `count` bytes, or nothing if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Option<Zeroizing<Vec<u8>>> {
        let taken = Zeroizing::new(self.bytes.get(..count)?.to_vec());
        self.bytes.drain(..count);
        Some(taken)
    }

    /// Everything that is left, in memory of its own: the old one may still hold a password.
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.bytes.to_vec();
        self.bytes.zeroize();
        rest
    }

    /// The next message with a type byte. `limit` gives the most bytes (with the length word) a type may have.
    pub(crate) fn typed(&mut self, limit: impl Fn(u8) -> Option<usize>) -> Result<Option<Frame>, BadFrame> {
        let Some((&tag, rest)) = self.bytes.split_first() else { return Ok(None) };
        let limit = limit(tag).ok_or(BadFrame::Unexpected { tag })?;
        let Some(length) = length_word(rest) else { return Ok(None) };
        let bad = BadFrame::Length { tag, length };
        let size = usize::try_from(length).map_err(|_| bad)?;
        let body_bytes = size.checked_sub(4).filter(|_| size <= limit).ok_or(bad)?;
        let Some(body) = rest.get(4..).and_then(|body| body.get(..body_bytes)) else { return Ok(None) };
        let body = Zeroizing::new(body.to_vec());
        self.bytes.drain(..size.saturating_add(1));
        Ok(Some(Frame { tag, body }))
    }
}

/// The big-endian length at the front, if its four bytes are there.
pub(crate) fn length_word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// A cursor over one message. Every read answers `None` when the message is too short.
pub(crate) struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(crate) fn word(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*word))
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A text up to its NUL, which is consumed and not returned.
    pub(crate) fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.bytes(end)?;
        self.byte()?;
        Some(text)
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One message with a type byte.
pub(crate) fn typed(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(5));
    out.push(tag);
    put_length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

/// One message without a type byte.
pub(crate) fn untyped(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len().saturating_add(4));
    put_length(&mut out, body.len());
    out.extend_from_slice(body);
    out
}

fn put_length(out: &mut Vec<u8>, body_bytes: usize) {
    // Bodies are a few texts of at most MAX_TEXT_BYTES each, so the conversion has nothing to lose.
    let length = u32::try_from(body_bytes.saturating_add(4)).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
}

/// A text and its NUL. NULs inside are dropped, since they would end the text early and start another field; a
/// text above 64 KiB is cut at a character.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &str) {
    let text = text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or(text);
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_p(tag: u8) -> Option<usize> {
        (tag == b'p').then_some(16)
    }

    #[test]
    fn a_message_comes_out_once_its_last_byte_is_in() {
        let mut inbox = Inbox::default();
        for byte in b"p\0\0\0\x06h" {
            inbox.feed(&[*byte]);
            assert!(inbox.typed(only_p).unwrap().is_none());
        }
        inbox.feed(b"ip");
        let frame = inbox.typed(only_p).unwrap().unwrap();
        assert_eq!((frame.tag, frame.body.as_slice()), (b'p', b"hi".as_slice()));
        assert_eq!(inbox.peek(), b"p");
    }

    #[test]
    fn a_wrong_type_is_refused_on_its_first_byte_and_a_length_on_its_fourth() {
        let check = |bytes: &[u8], expect: BadFrame| {
            let mut inbox = Inbox::default();
            inbox.feed(bytes);
            assert_eq!(inbox.typed(only_p).err(), Some(expect));
        };
        check(b"Q", BadFrame::Unexpected { tag: b'Q' });
        check(b"p\0\0\0\x03", BadFrame::Length { tag: b'p', length: 3 });
        check(b"p\0\0\0\x11", BadFrame::Length { tag: b'p', length: 17 });
        check(b"p\xff\xff\xff\xff", BadFrame::Length { tag: b'p', length: u32::MAX });
    }

    #[test]
    fn reads_stop_at_the_end_of_the_message() {
        let mut body = Body::new(b"ab\0\0\0\0\x07xy");
        assert_eq!(body.text(), Some(b"ab".as_slice()));
        assert_eq!(body.word(), Some(7));
        assert_eq!(body.bytes(3), None);
        assert_eq!(body.text(), None);
        assert_eq!(body.rest(), b"xy");
        assert_eq!((body.byte(), body.word(), body.is_empty()), (None, None, true));
    }

    #[test]
    fn texts_lose_their_nuls_and_their_excess() {
        let mut out = Vec::new();
        put_text(&mut out, "a\0b");
        assert_eq!(out, b"ab\0");
        out.clear();
        put_text(&mut out, &"é".repeat(MAX_TEXT_BYTES));
        assert_eq!(out.len(), MAX_TEXT_BYTES + 1);
    }

    #[test]
    fn lengths_count_themselves() {
        assert_eq!(typed(b'Z', b"I"), b"Z\0\0\0\x05I");
        assert_eq!(untyped(&[4, 210, 22, 47]), [0, 0, 0, 8, 4, 210, 22, 47]);
    }
}
