//! What goes over a WebSocket, as a session sees it: whole messages. Pings belong to a leg.

use super::traffic::Frame;
use bytes::Bytes;
use weir_model::{Fault, FaultSource};

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

    /// Whether it is text, and its bytes: none of a close.
    pub(super) fn parts(&self) -> (bool, Bytes) {
        match self {
            Self::Text(bytes) => (true, bytes.clone()),
            Self::Binary(bytes) => (false, bytes.clone()),
            Self::Close(_) => (false, Bytes::new()),
        }
    }
}

/// The same goodbye with another reason.
pub(super) fn close(goodbye: Option<&Goodbye>, reason: &str) -> Frame {
    let goodbye = goodbye.map(|goodbye| Goodbye { code: goodbye.code, reason: reason.to_owned() });
    Frame::Message(Message::Close(goodbye))
}

/// What the close frame to the client says (RFC 6455, section 7.4.1).
pub(super) fn code(fault: &Fault) -> u16 {
    match fault.source {
        _ if fault.code == "idle" => 1001,
        _ if matches!(&*fault.code, "too-large" | "answer-too-large") => 1009,
        FaultSource::Client | FaultSource::Policy => 1008,
        FaultSource::Upstream | FaultSource::Plugin | FaultSource::Host => 1011,
    }
}
