//! The server on a real socket, with a host that is made up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, helpers of tests included"
)]

mod client;
mod doors;
mod house;
mod limits;
mod raw;
mod reviews;
