//! The life of a session: what happens between the moment a client is let in and the moment it is gone.
//!
//! Knows nothing of WebAssembly, SQL stores, TLS or TOML: everything outside comes through [`ports`], so the
//! whole life can be tested with scripts. Read [`life`] first.

pub mod life;

mod buffer;
pub mod decide;
pub mod exchange;
pub mod http;
mod judging;
mod ledger;
pub mod masking;
pub mod ports;
mod running;
mod shown;
pub mod traffic;
