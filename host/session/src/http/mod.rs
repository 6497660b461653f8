//! The same life over HTTP: one session has many exchanges, and each is judged, recorded and masked as an operation
//! of a stream is.

pub mod traffic;
