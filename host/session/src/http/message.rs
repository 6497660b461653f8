//! What goes over a WebSocket, as a session sees it: whole messages. Pings belong to a leg.

use bytes::Bytes;

/// Part of a [`Frame`](super::traffic::Frame) behind a switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8, which was checked.
    Text(Bytes),
    Binary(Bytes),
    /// The last one of its direction.
    Close(Option<Goodbye>),
}

/// Why a side closes (RFC 6455, section 7.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    pub code: u16,
    /// As much of it as fits into 123 bytes is sent.
    pub reason: String,
}

impl Message {
    /// Bytes of what it says.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes.len(),
            Self::Close(goodbye) => goodbye.as_ref().map_or(0, |goodbye| goodbye.reason.len()),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
