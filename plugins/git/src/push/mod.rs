//! A push: commands that name refs come first, then perhaps options, then the pack (gitprotocol-pack, "Reference update
//! request"). The first two are read, the pack is not.

pub mod commands;
pub mod report;

pub use commands::{Commands, Reader, Step, Update};
pub use report::Report;
