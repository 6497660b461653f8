//! PostgreSQL's login, protocol 3.0 and 3.2, for both legs.
//!
//! ```text
//!  client                       ServerLogin │ UpstreamLogin                       upstream
//!  SSLRequest / GSSENCRequest ─►            │            ─► SSLRequest
//!                             ◄─ 'S' or 'N' │            ◄─ 'S' or 'N'
//!        ~~~ TLS, done by the host ~~~      │       ~~~ TLS, done by the host ~~~
//!  StartupMessage 3.x         ─►            │            ─► StartupMessage 3.0
//!        ◄─ NegotiateProtocolVersion        │
//!              (host: who is this? NeedCredential)
//!  SCRAM, SCRAM-PLUS, password ◄─►          │            ◄─► SCRAM(-PLUS), md5, password, trust
//!                               Authenticated            ◄─ AuthenticationOk, S*, K?, N*, Z
//!                                           │ Ready
//!              (host writes AuthenticationOk, S*, K, Z from `reply` once both legs stand)
//! ```
//!
//! Both machines are driven alike: `feed` what was read, call `step` until it says `NeedInput`, do what each step
//! asks, and answer the two or three questions only the host can answer. `feed` everything that was read, always:
//! the refusal of bytes smuggled in front of a TLS handshake rests on it.
//!
//! Sources: PostgreSQL documentation, chapter "Frontend/Backend Protocol" (Message Flow, SASL Authentication,
//! Message Formats); RFC 5802 and RFC 7677 (SCRAM); RFC 5929 (tls-server-end-point); RFC 4013 (SASLprep).

mod frame;

mod cancel;
mod error;
mod names;
mod negotiate;
mod reply;
mod secret;
mod startup;

mod md5;
mod scram;
mod scram_client;
mod scram_server;

mod server_fault;
mod server_login;

mod upstream_fault;
mod upstream_login;
mod upstream_options;

#[cfg(test)]
mod round_trip;

pub use cancel::{BackendKey, CancelKey, CancelKeyLength, CancelRequest, MAX_CANCEL_KEY_BYTES};
pub use error::{ErrorReport, Severity, SqlState, UpstreamReport};
pub use frame::MAX_AUTH_FRAME_BYTES;
pub use md5::md5_response;
pub use names::{DatabaseName, InvalidName, InvalidParameter, MAX_NAME_BYTES, StartupParameters, UserName};
pub use negotiate::{ProtocolVersion, negotiate_protocol_version};
pub use reply::{TransactionStatus, authentication_ok, backend_key_data, parameter_status, ready_for_query};
pub use scram::{
    InvalidVerifier, KeyRequest, MAX_SALT_BYTES, MockScram, NONCE_RANDOM_BYTES, Nonce, POSTGRES_ITERATIONS,
    ScramKeys, ScramVerifier,
};
pub use scram_client::{DEFAULT_MAX_ITERATIONS, ScramUpstreamFault};
pub use scram_server::ScramFault;
pub use secret::{EndPointHash, Outgoing, Password};
pub use server_fault::ServerLoginError;
pub use server_login::{
    Authenticated, ClientTransport, Credential, LoginMechanism, PasswordVerdict, ServerLogin,
    ServerLoginOptions, ServerStep, ServerTls,
};
pub use startup::{CleartextPolicy, MAX_STARTUP_BYTES, StartupFault, StartupRequest, looks_like_tls};
pub use upstream_fault::UpstreamLoginError;
pub use upstream_login::{Ready, UpstreamLogin, UpstreamStep};
pub use upstream_options::{UpstreamLoginOptions, UpstreamMethod, UpstreamTls};

/// Who caused a login to fail: decides who is told, what is counted and whether a retry can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The client broke the protocol or could not prove who it is.
    Client,
    /// The upstream broke the protocol, refused us, or failed to prove that it knows the secret.
    Upstream,
    /// The host: a setting that cannot work, or a machine driven out of order.
    Host,
}

/// The protocol name to offer and to demand in TLS ALPN.
///
/// Demanded when a client starts with TLS directly (`sslnegotiation=direct`, PostgreSQL 17); optional after
/// SSLRequest. Source: PostgreSQL documentation, "SSL Session Encryption".
pub const ALPN: &[u8] = b"postgresql";
