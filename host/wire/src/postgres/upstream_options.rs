//! How the gateway logs in at an upstream.
//!
//! **Job.** The settings of one login, as the host makes them from its configuration and from what the client asked for.
//!
//! **What it does not do.** It reads no configuration and holds no address: the connection stands already.
//!
//! **Invariants.** What is not said is the safe choice: TLS is required, and a password in clear stays inside it.

use super::names::{DatabaseName, StartupParameters, UserName};
use super::scram_client::DEFAULT_MAX_ITERATIONS;
use super::secret::{EndPointHash, Password};
use super::startup::CleartextPolicy;

/// Whether the connection to an upstream is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Stay plain.
    Off,
    /// Ask, and go on plain when there is none. Protects from nobody who can change bytes on the way.
    Prefer,
    /// Ask, and refuse to go on without.
    Require,
    /// TLS began without asking (PostgreSQL 17) and stands. With the certificate's hash, if it has one.
    Established(Option<EndPointHash>),
}

/// How a client of an upstream can prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamMethod {
    /// No proof asked.
    Trust,
    /// The password in clear.
    Cleartext,
    /// The password under MD5.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-256-PLUS: bound to the upstream's certificate.
    ScramSha256Plus,
}

impl UpstreamMethod {
    /// All methods there are.
    pub const ALL: [Self; 5] =
        [Self::Trust, Self::Cleartext, Self::Md5, Self::ScramSha256, Self::ScramSha256Plus];
}

/// How to log in at an upstream.
#[derive(Debug, Clone)]
pub struct UpstreamLoginOptions {
    /// The gateway's account.
    pub user: UserName,
    /// The database to open.
    pub database: DatabaseName,
    /// The client's settings.
    pub parameters: StartupParameters,
    /// Whether to encrypt.
    pub tls: UpstreamTls,
    /// For the methods `Cleartext` and `Md5`; SCRAM asks for keys instead.
    pub password: Option<Password>,
    /// Where `Cleartext` may be used.
    pub cleartext: CleartextPolicy,
    /// Methods the upstream may ask for. Leaving out `ScramSha256Plus` turns channel binding off; leaving out all others
    /// demands it.
    pub accept: Vec<UpstreamMethod>,
    /// Most SCRAM iterations the upstream may ask for.
    pub max_iterations: u32,
}

impl UpstreamLoginOptions {
    /// TLS required, no settings, no password, every method accepted but a password in clear only over TLS, and
    /// [`DEFAULT_MAX_ITERATIONS`].
    pub fn new(user: UserName, database: DatabaseName) -> Self {
        Self {
            user,
            database,
            parameters: StartupParameters::new(),
            tls: UpstreamTls::Require,
            password: None,
            cleartext: CleartextPolicy::OnlyOverTls,
            accept: UpstreamMethod::ALL.to_vec(),
            max_iterations: DEFAULT_MAX_ITERATIONS,
        }
    }
}
