//! Everything of HTTP that is not judging: framing on both legs (by hyper), hygiene, decoding, pooling.
//!
//! Towards clients, [`serve_connection`] speaks HTTP/1.1 and HTTP/2, refuses what two readers could understand in two
//! ways, takes credentials and hop-by-hop headers out, and calls a [`Handler`] for each request that is left. Towards
//! upstreams, a [`Pool`] keeps connections and sends each request once. Bodies of both legs are [`Body`]: nothing is
//! read before it is asked for, and they can be decoded.
//!
//! **How HTTP/1 is made safe.** hyper forgives some things before anybody sees them (of `content-length` beside
//! `transfer-encoding` it drops the former). So it never reads a client's bytes itself: a [`screen`] stands in front,
//! a strict reader without IO that follows every boundary (heads, lengths, chunks, trailers, pipelined requests) and
//! hands on only bytes it has understood to their end, in a form that can be read in one way. Where it does not
//! understand, it gives hyper a harmless request in place of the bad one and nothing behind it; the service knows by
//! counting requests that this one is to be answered with the refusal. So the refusal comes behind the answers to the
//! requests before it, hyper closes as it always does, and no byte of the bad request is parsed twice. The other ways
//! were worse: a check of the first request only leaves the second one open or costs keep-alive, and a second HTTP
//! server of our own would replace hyper and not just guard it.
//!
//! **How it ends.** A request for WebSocket is the only one behind which something else than HTTP may come. The screen
//! gives hyper nothing behind it until it was answered: with 101 every byte passes to the [`websocket`] reader, else HTTP
//! goes on. What comes earlier is refused together with the request, or breaks the connection.
//!
//! Knows nothing of principals, policies, plugins or configuration.

mod body;
mod credentials;
mod decode;
mod dial;
mod gate;
mod hygiene;
mod line;
mod pool;
mod refusal;
mod screen;
mod server;
mod websocket;

pub use body::{Body, ClientBody, UpstreamBody};
pub use credentials::{Credentials, Secret};
pub use dial::{Dial, dial};
pub use gate::Unread;
pub use hygiene::identity_head;
pub use pool::{Http2, Pool, PoolOptions, Way};
pub use refusal::Refusal;
pub use server::{Handler, Incoming, Limits, Peer, serve_connection};
