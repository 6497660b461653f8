//! A push: commands that name refs come first, then perhaps options, then the pack (gitprotocol-pack, "Reference update
//! request"). The first two are read, of the pack the commits at its start.

pub mod commands;
mod forward;
pub mod report;

pub use commands::{Commands, Reader, Step, Update};
pub use forward::Proof;
pub use report::Report;
