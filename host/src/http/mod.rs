//! HTTP at the door. A listener serves every resource on its address; each request finds its own by host and path,
//! proves who sends it, and becomes an exchange of a session.
//!
//! ```text
//! connection ─► TLS ─► request ─► route ─► identify ─► authorize ─► session ─► exchange ─► upstream
//!                                 (no proof: 401)  (no permit: 403)
//! ```
//!
//! A session is one principal on one resource from one address, with one token or with a password. It begins with its
//! first request and ends when nothing was asked for a while ([`sessions`]); it is recorded like any other.

mod backend;
mod door;
mod identify;
mod program;
mod returning;
mod sessions;

pub(crate) use backend::{HttpBackend, HttpBackendError};
pub(crate) use door::{Serves, serve};
pub(crate) use sessions::HttpSessions;

use bytes::Bytes;
use weir_model::Fault;
use weir_session::http::traffic::{Answer, Header, Pipe};

/// An answer of the gateway's own, before a session could give one.
fn own_answer(status: u16, mut headers: Vec<Header>, message: &str) -> Answer {
    let body = format!("weir: {message}\n");
    let length = Some(body.len() as u64);
    headers.push(Header::new("content-type", Bytes::from_static(b"text/plain; charset=utf-8")));
    headers.push(Header::new("cache-control", Bytes::from_static(b"no-store")));
    Answer { status, headers, body: Pipe::whole(body.into()), length }
}

fn unavailable(fault: &Fault) -> Answer {
    own_answer(503, Vec::new(), &fault.message)
}
