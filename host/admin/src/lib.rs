//! The side entrance: what operators and reviewers see of the gateway, and the few things they may do to it.
//!
//! Four parts, which share only the [`views`]:
//!
//! - the **server** ([`serve`]): JSON over HTTP/1.1 on a loopback address, in front of an [`AdminApi`] which the
//!   host implements. This room knows who may ask what; the host knows the answers.
//! - the **client** ([`AdminClient`]): the same calls from the `weir` command.
//! - **[`render`]**: answers as text for a terminal, safe whatever the text contains.
//! - **[`Exposition`]**: the text format of Prometheus.
//!
//! Two kinds of callers. An *operator* shows the bearer token of `state/admin.token`: whoever can read that file
//! runs the gateway. A *reviewer* shows a name and a password. An approval needs a person, and the token names
//! none: so an operator sees every approval and gives none.
//!
//! Invariants:
//!
//! - Nothing but `/healthz` is answered to somebody unknown, and that tells only whether the trail is up.
//! - A page in a browser cannot use this API behind its user's back: foreign `Host` and `Origin` are refused, no CORS
//!   header is ever sent, and what changes something wants `Content-Type: application/json`.
//! - What changes something runs to its end once begun, even if its caller hangs up: it is never half recorded.
//! - Every request is bounded in bytes and in time, every guess of a password in rate.
//! - Text from outside reaches a terminal only through `render`, and JSON is pure ASCII: no escape sequence survives.
//!
//! Not protected: HTTP on loopback is not encrypted, and when the gateway is down, another process of the machine may
//! take its port and collect what is shown to it. The web pages have their place beside `/v1`: see `server/route.rs`.

mod api;
mod auth;
mod client;
mod metrics;
pub mod render;
mod server;
mod throttle;
mod timestamp;
mod token;
pub mod views;

pub use api::{AdminApi, KillRefused, Review, ReviewRefused, Unhealthy};
pub use auth::Auth;
pub use client::{AdminClient, ClientError, Credentials};
pub use metrics::{Exposition, Histogram, Labels};
pub use server::{ServeError, serve};
pub use timestamp::Timestamp;
pub use token::{OperatorToken, TokenError, load_or_create_token, load_token};
