//! The same life over HTTP: one session has many exchanges (a request with its answer), and each is judged, recorded
//! and masked as the operations of a stream are.
//!
//! ```text
//! request head ─► inspect ─► (body, as far as it is shown) ─► decide ─► hold if asked ─► record ─► forward
//! answer head ─► inspect ─► mask ─► body ─► inspect ─► mask ─► outcome
//! ```
//!
//! An exchange outlives its client, so that what it does is recorded whatever becomes of that. [`request`]
//! has the first line, [`answer`] the second; [`judge`] decides, [`reply`] is the way back to the client.
//!
//! Invariants:
//! - the upstream gets no byte of a request before all operations found in it so far are allowed and on disk, and
//!   none of a request in which there is no operation;
//! - what is shown to the inspector is what is forwarded: the same bytes, decoded once;
//! - the client gets no byte of an answer that was shown before its values are masked.

mod ahead;
mod answer;
mod aside;
mod head;
mod holds;
mod judge;
mod mask;
mod message;
mod name;
mod notes;
mod outgoing;
mod pipe;
mod reply;
mod request;
mod room;
mod session;
mod spans;
pub mod traffic;
mod websocket;

pub use notes::Notes;
pub use room::Room;
pub use session::{HttpPorts, HttpSession, HttpStart, Totals};
pub use spans::apply;
