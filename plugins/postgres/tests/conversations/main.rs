//! Scripted conversations: what the client and the server say, what passes, and what the host is told.
#![allow(unreachable_pub, reason = "modules of one test binary")]

mod anything;
mod bytes;
mod copy_in;
mod copy_out;
mod extended;
mod framing;
mod host;
mod known;
mod masking;
mod names;
mod refusals;
mod settings;
mod simple;
