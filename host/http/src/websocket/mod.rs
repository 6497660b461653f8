//! WebSocket (RFC 6455) on both legs: the handshake, frames without IO, and what runs a leg.
//!
//! Each leg has a connection, a handshake and a masking of its own; only whole messages go from one to the other. No
//! extension is agreed on, so frames are plain (`permessage-deflate` is an offer that a server may leave unanswered).
//! Ping and pong belong to one leg: their bytes are nobody's to judge, and a client that waits for an approval must
//! hear that its connection lives. Only HTTP/1.1 is switched; RFC 8441 (over HTTP/2) is not spoken.

mod frame;
mod handshake;
mod leg;
mod upstream;

#[cfg(test)]
mod tests;

pub(crate) use handshake::{Offer, answer_headers, offer};
pub(crate) use leg::{Leg, Side, Start, Took, pair};
