//! The screen in front of hyper's reader of HTTP/1, without IO: bytes of the client in, bytes that can be read in one
//! way out. Why, and how a refusal is told, is in the crate's documentation.
//!
//! Heads and trailers are held back until they are whole and understood, and are written anew. Chunks are given on
//! without extensions. Other bytes of bodies pass as they come.

mod head;

#[cfg(test)]
mod tests;

use crate::Refusal;
use head::Framing;
use http::StatusCode;

/// A head, from its first byte to the empty line.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Of the room that a head needed, so much is kept for the next one.
const KEPT_BYTES: usize = 2 * 1024;
/// Bytes that were given are thrown away together, once there are so many.
const KEPT_GIVEN_BYTES: usize = 64 * 1024;
/// Trailers carry a checksum or a status.
const MAX_TRAILER_BYTES: usize = 8 * 1024;
/// A size of 16 digits, and room for an extension, which nobody uses.
const MAX_SIZE_LINE_BYTES: usize = 256;
/// Larger than any disk; sums of it do not overflow.
const MAX_CHUNK_BYTES: u64 = 1 << 60;
/// In place of a request that was not understood. What it says does not matter: who serves it knows its number.
const SUBSTITUTE: &[u8] = b"GET / HTTP/1.1\r\nhost: refused\r\nconnection: close\r\n\r\n";

#[derive(Debug, Default)]
pub(crate) struct Screen {
    at: At,
    /// Of a head, a chunk's size or the trailers: what has come of it.
    pending: Vec<u8>,
    ready: Vec<u8>,
    /// Of `ready`, what was given already.
    given: usize,
    /// Heads that went into `ready`.
    heads: u64,
    /// An empty line in front of this head was left out.
    skipped: bool,
    refusal: Option<(u64, Refusal)>,
    broken: Option<Refusal>,
    /// Where in `ready` the head begins that may switch, while nothing of it was given.
    switch: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Head,
    /// A body of which so many bytes are still to come.
    Length(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Behind a request that may switch to WebSocket: nothing may come before its answer.
    Waiting,
    /// The connection speaks WebSocket: every byte passes.
    Switched,
    /// Nothing is looked at any more.
    Over,
}

impl Screen {
    /// The next bytes of the client, cut anywhere.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match self.at {
                At::Over => return,
                At::Switched => return self.ready.extend_from_slice(bytes),
                At::Waiting => self.too_early(),
                At::Length(left) | At::Chunk(left) => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (now, later) = bytes.split_at(length);
                    self.ready.extend_from_slice(now);
                    bytes = later;
                    self.passed(left - u64::try_from(length).unwrap_or(left));
                }
                At::Head | At::ChunkSize | At::ChunkEnd | At::Trailers => {
                    let (plain, behind) = bytes.split_at(self.plain(bytes));
                    if !plain.is_empty() {
                        self.pending.extend_from_slice(plain);
                        bytes = behind;
                        continue;
                    }
                    let Some((byte, later)) = bytes.split_first() else { return };
                    bytes = later;
                    if let Err(refusal) = self.take_one(*byte) {
                        self.refuse(refusal);
                    }
                }
            }
        }
    }

    /// What hyper may read.
    pub(crate) fn ready(&self) -> &[u8] {
        self.ready.get(self.given..).unwrap_or_default()
    }

    /// So much of it was read.
    pub(crate) fn given(&mut self, length: usize) {
        self.given = self.given.saturating_add(length);
        self.switch = self.switch.filter(|start| *start >= self.given);
        if self.given >= self.ready.len() {
            self.ready.clear();
            self.given = 0;
        } else if self.given >= KEPT_GIVEN_BYTES {
            // Of one that sends without a pause, something is ready always.
            self.ready.drain(..self.given);
            self.switch = self.switch.map(|start| start - self.given);
            self.given = 0;
        }
    }

    /// Everything that is ready is thrown away.
    pub(crate) fn forget(&mut self) {
        self.given(self.ready.len());
    }

    /// Which request (from 0) is none, and why. Nothing comes behind it.
    pub(crate) fn refusal(&self) -> Option<(u64, &Refusal)> {
        self.refusal.as_ref().map(|(at, refusal)| (*at, refusal))
    }

    /// Why the body that began will not end. Nothing comes behind `ready`.
    pub(crate) fn broken(&self) -> Option<&Refusal> {
        self.broken.as_ref()
    }

    /// Whether there is a head behind so many requests.
    pub(crate) fn has_more_than(&self, requests: u64) -> bool {
        self.heads > requests
    }

    /// Whether the last request that began has come to its end.
    pub(crate) fn is_between(&self) -> bool {
        self.at == At::Head
    }

    /// Whether the connection is no longer HTTP.
    pub(crate) fn has_switched(&self) -> bool {
        self.at == At::Switched
    }

    pub(crate) fn is_inside_head(&self) -> bool {
        self.at == At::Head && !self.pending.is_empty()
    }

    /// The head that began did not end in time.
    pub(crate) fn too_late(&mut self) {
        if self.is_inside_head() {
            self.refuse(Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "the head of the request did not come in time",
            ));
        }
    }

    /// Request number `number` (from 0) was answered: if it is the one that may switch, with `switches` HTTP is over.
    pub(crate) fn decided(&mut self, number: u64, switches: bool) {
        if self.at == At::Waiting && self.heads == number.saturating_add(1) {
            self.at = if switches { At::Switched } else { At::Head };
            self.switch = None;
        }
    }

    /// Bytes that a server could take for another request, or for frames nobody has agreed to.
    fn too_early(&mut self) {
        let refusal = Refusal::bad("bytes follow a request for WebSocket before its answer");
        match self.switch.take() {
            // Nobody has seen the request yet: it is the one that is refused.
            Some(start) => {
                self.ready.truncate(start);
                self.heads = self.heads.saturating_sub(1);
                self.at = At::Head;
                self.refuse(refusal);
            }
            None => self.refuse(refusal),
        }
    }

    fn passed(&mut self, left: u64) {
        self.at = match self.at {
            At::Length(_) if left == 0 => At::Head,
            At::Length(_) => At::Length(left),
            At::Chunk(_) if left == 0 => At::ChunkEnd,
            _ => At::Chunk(left),
        };
    }

    /// How many bytes of a head say nothing by themselves: text inside a line, as far as there is room.
    fn plain(&self, bytes: &[u8]) -> usize {
        if self.at != At::Head || self.pending.last() == Some(&b'\r') {
            return 0;
        }
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != 0x7f;
        let plain = bytes.iter().position(|byte| !is_plain(byte)).unwrap_or(bytes.len());
        plain.min(MAX_HEAD_BYTES.saturating_sub(self.pending.len()))
    }

    /// A byte of something that ends with a line.
    fn take_one(&mut self, byte: u8) -> Result<(), Refusal> {
        let after_return = self.pending.last() == Some(&b'\r');
        match byte {
            b'\n' if !after_return => return Err(Refusal::bad("a line ends with LF alone")),
            _ if after_return && byte != b'\n' => return Err(Refusal::bad("CR stands inside a line")),
            b'\n' | b'\r' | b'\t' => {}
            0..0x20 | 0x7f => return Err(Refusal::bad("there are control characters in the head")),
            _ => {}
        }
        self.pending.push(byte);
        match self.at {
            At::Head => self.head(byte),
            At::Trailers => self.trailers(byte),
            At::ChunkSize => self.size(byte),
            _ => self.chunk_end(byte),
        }
    }

    fn head(&mut self, byte: u8) -> Result<(), Refusal> {
        if byte == b'\n' && self.pending == b"\r\n" && !self.skipped {
            // RFC 9112, section 2.2: some clients end a body with a line that belongs to nothing.
            self.skipped = true;
            self.pending.clear();
            return Ok(());
        }
        if self.pending.len() > MAX_HEAD_BYTES {
            return Err(Refusal::too_large("the head of the request is larger than 64 KiB"));
        }
        if byte != b'\n' || !(self.pending.ends_with(b"\r\n\r\n") || self.pending == b"\r\n") {
            return Ok(());
        }
        let start = self.ready.len();
        let framing = head::rewrite(&self.pending, &mut self.ready)?;
        self.pending.clear();
        self.pending.shrink_to(KEPT_BYTES);
        self.heads += 1;
        self.skipped = false;
        self.at = match framing {
            Framing::Switch => {
                self.switch = Some(start);
                At::Waiting
            }
            Framing::Length(0) => At::Head,
            Framing::Length(length) => At::Length(length),
            Framing::Chunked => At::ChunkSize,
        };
        Ok(())
    }

    fn size(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.pending.len() > MAX_SIZE_LINE_BYTES {
            return Err(Refusal::bad("the line of a chunk's size is too long"));
        }
        if byte != b'\n' {
            return Ok(());
        }
        let line = self.pending.strip_suffix(b"\r\n").unwrap_or_default();
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let wrong = Refusal::bad("the size of a chunk is no hexadecimal number");
        if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(wrong);
        }
        let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let size = size.filter(|size| *size <= MAX_CHUNK_BYTES).ok_or(wrong)?;
        self.ready.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        self.pending.clear();
        self.at = if size == 0 { At::Trailers } else { At::Chunk(size) };
        Ok(())
    }

    fn chunk_end(&mut self, byte: u8) -> Result<(), Refusal> {
        match (byte, self.pending.len()) {
            (b'\r', 1) => Ok(()),
            (b'\n', 2) => {
                self.ready.append(&mut self.pending);
                self.at = At::ChunkSize;
                Ok(())
            }
            _ => Err(Refusal::bad("a chunk is longer than its size")),
        }
    }

    fn trailers(&mut self, byte: u8) -> Result<(), Refusal> {
        if self.pending.len() > MAX_TRAILER_BYTES {
            return Err(Refusal::bad("the trailers are larger than 8 KiB"));
        }
        if byte == b'\n' && (self.pending.ends_with(b"\r\n\r\n") || self.pending == b"\r\n") {
            head::rewrite_trailers(&self.pending, &mut self.ready)?;
            self.pending.clear();
            self.at = At::Head;
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        if self.at == At::Head {
            self.refusal = Some((self.heads, refusal));
            self.ready.extend_from_slice(SUBSTITUTE);
        } else {
            self.broken = Some(refusal);
        }
        self.at = At::Over;
        self.pending = Vec::new();
    }
}
