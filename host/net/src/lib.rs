//! Sockets and TLS: listeners, connecting, both ends of TLS. The only user of rustls.
//!
//! Knows nothing of protocols beyond ALPN names it is given, and nothing of who may do what.

mod client_certificate;
mod connect;
mod listen;
mod stream;
mod tls_client;
mod tls_server;

pub use client_certificate::{
    ClientCertificate, ClientCertificates, ClientCertificatesError, is_about_certificate,
};
pub use connect::{ConnectError, connect};
pub use listen::{Arrival, BindError, Listener};
pub use stream::Stream;
pub use tls_client::{ClientTls, ClientTlsError, OwnCertificate, Verify};
pub use tls_server::{ServerTls, ServerTlsError};
