//! The bytes of one direction between reading and forwarding.
//!
//! `Inlet` is what has been read and not yet disposed of; `Outlet` is what may be written. Bytes get from one
//! to the other only through [`crate::exchange`].

use bytes::{Buf, BytesMut};

/// How much one read may bring. Large enough for bulk transfers, small enough for thousands of sessions.
pub(crate) const READ_BYTES: usize = 32 * 1024;
/// What an idle direction may keep allocated.
const IDLE_BYTES: usize = 8 * 1024;

/// What was read and not yet disposed of.
#[derive(Debug, Default)]
pub(crate) struct Inlet {
    bytes: BytesMut,
    /// bytes still to come that are dropped unseen
    skip: u64,
    /// bytes still to come that are passed on unseen (upstream side only)
    pass: u64,
    /// no call before this many bytes are there
    pub(crate) need: usize,
    /// there is something the inspector has not been shown
    pub(crate) fresh: bool,
    pub(crate) ended: bool,
    /// bytes read in all
    pub(crate) total: u64,
}

impl Inlet {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Room for the next read.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        let wanted = if self.bytes.is_empty() && self.total < 64 * 1024 { IDLE_BYTES } else { READ_BYTES };
        self.bytes.reserve(wanted);
        &mut self.bytes
    }

    /// After a read of `count` bytes: applies what was decided about bytes to come.
    pub(crate) fn arrived(&mut self, count: usize, out: Option<&mut Outlet>) {
        self.total += count as u64;
        if count == 0 {
            self.ended = true;
            self.fresh = true;
            return;
        }
        // Bytes to come are only ever decided about when everything before them has been taken.
        if self.skip > 0 {
            let now = self.bytes.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
            self.bytes.advance(now);
            self.skip -= now as u64;
        }
        if let (Some(out), true) = (out, self.pass > 0) {
            self.pass -= self.give(self.pass, out);
        }
        if !self.bytes.is_empty() {
            self.fresh = true;
        }
    }

    /// Takes `count` bytes off the front; `None` when there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Option<BytesMut> {
        (count <= self.bytes.len()).then(|| self.bytes.split_to(count))
    }

    /// Drops `count` bytes, those that have not come yet included.
    pub(crate) fn discard(&mut self, count: u64) {
        let now = self.bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        self.bytes.advance(now);
        self.skip += count - now as u64;
    }

    /// Passes `count` bytes on, those that have not come yet included.
    pub(crate) fn forward(&mut self, count: u64, out: &mut Outlet) {
        self.pass += count - self.give(count, out);
    }

    /// Gives the first bytes to the other side: how many there were, of `count`.
    fn give(&mut self, count: u64, out: &mut Outlet) -> u64 {
        let now = self.bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
        out.push(self.bytes.get(..now).unwrap_or_default());
        self.bytes.advance(now);
        now as u64
    }

    /// In the middle of a message that is being passed on: nothing may be put between its bytes.
    pub(crate) fn within_message(&self) -> bool {
        self.pass > 0
    }

    /// Gives memory back when there is nothing to keep.
    pub(crate) fn relax(&mut self) {
        if self.bytes.is_empty() && self.bytes.capacity() > 2 * READ_BYTES {
            self.bytes = BytesMut::new();
        }
    }
}

/// What may be written.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    bytes: BytesMut,
    /// the transport may hold bytes back (TLS records) until it is flushed
    unflushed: bool,
    /// nobody reads at the other end: what is pushed goes nowhere
    pub(crate) closed: bool,
    pub(crate) total: u64,
}

impl Outlet {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        self.total += bytes.len() as u64;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Everything is written and out of the transport's own buffers.
    pub(crate) fn is_done(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    pub(crate) fn close(&mut self) {
        *self = Self { closed: true, total: self.total, ..Self::default() };
    }

    pub(crate) fn sent(&mut self, sent: Sent) {
        match sent {
            Sent::All => self.unflushed = false,
            Sent::Bytes(count) => {
                self.bytes.advance(count.min(self.bytes.len()));
                self.unflushed = true;
                if self.bytes.is_empty() && self.bytes.capacity() > 4 * READ_BYTES {
                    self.bytes = BytesMut::new();
                }
            }
        }
    }
}

/// What one write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// so many bytes are with the transport
    Bytes(usize),
    /// the transport has let go of everything
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inlet(bytes: &[u8]) -> Inlet {
        let mut inlet = Inlet::default();
        inlet.room().extend_from_slice(bytes);
        inlet.arrived(bytes.len(), None);
        inlet
    }

    #[test]
    fn dropping_reaches_into_the_future() {
        let mut inlet = inlet(b"abc");
        inlet.discard(5);
        inlet.room().extend_from_slice(b"defg");
        inlet.arrived(4, None);
        assert_eq!(inlet.bytes(), b"fg");
    }

    #[test]
    fn passing_reaches_into_the_future_and_bars_insertions_meanwhile() {
        let (mut inlet, mut out) = (inlet(b"abc"), Outlet::default());
        inlet.forward(5, &mut out);
        assert!(inlet.within_message());
        inlet.room().extend_from_slice(b"defg");
        inlet.arrived(4, Some(&mut out));
        assert!(!inlet.within_message());
        assert_eq!((out.bytes(), inlet.bytes()), (&b"abcde"[..], &b"fg"[..]));
    }
}
