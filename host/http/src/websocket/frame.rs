//! Frames of WebSocket (RFC 6455, section 5) without IO: bytes in, whole messages out, and back. Strict: what the RFC
//! forbids ends the connection, with the code it names.

use bytes::{BufMut, Bytes, BytesMut};
use std::fmt;
use weir_session::http::traffic::{Goodbye, Message};

/// RFC 6455, section 5.5.
const MAX_CONTROL_BYTES: usize = 125;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// Bytes that are no WebSocket, or more than is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// For the close frame: 1002 protocol error, 1007 not what its type says, 1009 too large.
    pub(crate) code: u16,
    pub(crate) what: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.what)
    }
}

const fn broken(what: &'static str) -> Wrong {
    Wrong { code: 1002, what }
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Message(Message),
    Ping(Bytes),
    Pong(Bytes),
}

/// Reads one side's frames.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// Clients mask what they send, servers never do (section 5.1).
    from_client: bool,
    /// largest message, in bytes
    most: usize,
    buffer: BytesMut,
    /// of a message whose last frame has not come: its opcode and what there is of it
    message: Option<(u8, BytesMut)>,
    /// behind a close frame nothing counts any more
    closed: bool,
}

struct Head {
    fin: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    /// bytes of the head itself
    size: usize,
    length: usize,
}

impl Decoder {
    pub(crate) fn new(from_client: bool, most: usize) -> Self {
        Self { from_client, most, buffer: BytesMut::new(), message: None, closed: false }
    }

    /// The next bytes, cut anywhere.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        if !self.closed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Bytes that were taken and not asked for yet.
    pub(crate) fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// What the bytes so far say; `None` when more must come.
    ///
    /// # Errors
    /// When they break a rule. Nothing may be asked afterwards.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, Wrong> {
        while !self.closed {
            let Some(head) = self.head()? else { return Ok(None) };
            let whole = head.size.saturating_add(head.length);
            if self.buffer.len() < whole {
                self.buffer.reserve(whole - self.buffer.len());
                return Ok(None);
            }
            let mut frame = self.buffer.split_to(whole);
            let mut payload = frame.split_off(head.size);
            if let Some(key) = head.mask {
                mask(key, &mut payload);
            }
            if let Some(event) = self.frame(&head, payload)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The head of the next frame, checked as far as it is there: a frame that is too large is refused unread.
    fn head(&self) -> Result<Option<Head>, Wrong> {
        let mut bytes = self.buffer.iter().copied();
        let Some(first) = bytes.next() else { return Ok(None) };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        if first & RESERVED != 0 {
            return Err(broken("reserved bits are set, and no extension was agreed on"));
        }
        match opcode {
            CONTINUATION if self.message.is_none() => {
                return Err(broken("a message goes on that has not begun"));
            }
            TEXT | BINARY if self.message.is_some() => {
                return Err(broken("a message begins before the one before has ended"));
            }
            CLOSE | PING | PONG if !fin => return Err(broken("a control frame is fragmented")),
            CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG => {}
            _ => return Err(broken("the opcode is reserved")),
        }
        let Some(second) = bytes.next() else { return Ok(None) };
        if (second & MASKED != 0) != self.from_client {
            return Err(broken(match self.from_client {
                true => "a frame of the client is not masked",
                false => "a frame of the server is masked",
            }));
        }
        let (wide, least) = match second & !MASKED {
            126 => (2, 126),
            127 => (8, 1 << 16),
            _ => (0, 0),
        };
        let length = match wide {
            0 => u64::from(second & !MASKED),
            _ => {
                let mut length: u64 = 0;
                for _ in 0..wide {
                    let Some(byte) = bytes.next() else { return Ok(None) };
                    length = length << 8 | u64::from(byte);
                }
                length
            }
        };
        if length < least || length >> 63 != 0 {
            return Err(broken("a length is not written in its shortest form"));
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if opcode >= CLOSE {
            if length > MAX_CONTROL_BYTES {
                return Err(broken("a control frame is larger than 125 bytes"));
            }
        } else {
            let before = self.message.as_ref().map_or(0, |(_, before)| before.len());
            if before.saturating_add(length) > self.most {
                return Err(Wrong { code: 1009, what: "a message is larger than what is inspected" });
            }
        }
        let mask = match self.from_client {
            false => None,
            true => {
                let (Some(a), Some(b), Some(c), Some(d)) =
                    (bytes.next(), bytes.next(), bytes.next(), bytes.next())
                else {
                    return Ok(None);
                };
                Some([a, b, c, d])
            }
        };
        let size = 2 + wide + if mask.is_some() { 4 } else { 0 };
        Ok(Some(Head { fin, opcode, mask, size, length }))
    }

    fn frame(&mut self, head: &Head, payload: BytesMut) -> Result<Option<Event>, Wrong> {
        match head.opcode {
            PING => return Ok(Some(Event::Ping(payload.freeze()))),
            PONG => return Ok(Some(Event::Pong(payload.freeze()))),
            CLOSE => {
                self.closed = true;
                return Ok(Some(Event::Message(Message::Close(goodbye(&payload)?))));
            }
            _ => {}
        }
        let (opcode, bytes) = match self.message.take() {
            None => (head.opcode, payload),
            Some((opcode, mut bytes)) => {
                bytes.extend_from_slice(&payload);
                (opcode, bytes)
            }
        };
        if !head.fin {
            self.message = Some((opcode, bytes));
            return Ok(None);
        }
        if opcode == BINARY {
            return Ok(Some(Event::Message(Message::Binary(bytes.freeze()))));
        }
        if std::str::from_utf8(&bytes).is_err() {
            return Err(Wrong { code: 1007, what: "a text message is not UTF-8" });
        }
        Ok(Some(Event::Message(Message::Text(bytes.freeze()))))
    }
}

fn goodbye(payload: &[u8]) -> Result<Option<Goodbye>, Wrong> {
    if payload.is_empty() {
        return Ok(None);
    }
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return Err(broken("a close frame has half of a code"));
    };
    let code = u16::from_be_bytes(*code);
    if !may_be_sent(code) {
        return Err(broken("a close frame has a code that is never sent"));
    }
    match std::str::from_utf8(reason) {
        Ok(reason) => Ok(Some(Goodbye { code, reason: reason.to_owned() })),
        Err(_) => Err(Wrong { code: 1007, what: "the reason of a close frame is not UTF-8" }),
    }
}

/// Section 7.4, and what IANA has registered since; 1004 to 1006 and 1015 are never on the wire.
fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn mask(key: [u8; 4], bytes: &mut [u8]) {
    for (byte, key) in bytes.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}

/// One frame that is a whole message. `key`: the masking of a client's.
pub(crate) fn encode(message: &Message, key: Option<[u8; 4]>) -> BytesMut {
    match message {
        Message::Text(bytes) => frame(TEXT, bytes, key),
        Message::Binary(bytes) => frame(BINARY, bytes, key),
        Message::Close(None) => frame(CLOSE, &[], key),
        Message::Close(Some(Goodbye { code, reason })) => {
            let code = if may_be_sent(*code) { *code } else { 1011 };
            let mut payload = code.to_be_bytes().to_vec();
            payload.extend_from_slice(shortened(reason, MAX_CONTROL_BYTES - 2).as_bytes());
            frame(CLOSE, &payload, key)
        }
    }
}

pub(crate) fn ping(payload: &[u8], key: Option<[u8; 4]>) -> BytesMut {
    frame(PING, payload.get(..MAX_CONTROL_BYTES).unwrap_or(payload), key)
}

pub(crate) fn pong(payload: &[u8], key: Option<[u8; 4]>) -> BytesMut {
    frame(PONG, payload.get(..MAX_CONTROL_BYTES).unwrap_or(payload), key)
}

/// As much of a text as fits, by whole characters.
fn shortened(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

fn frame(opcode: u8, payload: &[u8], key: Option<[u8; 4]>) -> BytesMut {
    let mut out = BytesMut::with_capacity(payload.len() + 14);
    out.put_u8(FIN | opcode);
    let masked = if key.is_some() { MASKED } else { 0 };
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => out.put_u8(masked | length),
        (_, Ok(length)) => {
            out.put_u8(masked | 126);
            out.put_u16(length);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(u64::try_from(payload.len()).unwrap_or(u64::MAX));
        }
    }
    if let Some(key) = key {
        out.put_slice(&key);
        let begin = out.len();
        out.put_slice(payload);
        mask(key, out.get_mut(begin..).unwrap_or_default());
    } else {
        out.put_slice(payload);
    }
    out
}
