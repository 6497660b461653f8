//! Where a database really is: the address, the account and how far the connection to it is trusted.

use std::fmt;
use std::path::PathBuf;

use weir_model::Digest;

use super::Secret;

/// `upstream`, `upstream_ca`, `password` and `databases` of a `[[resource]]` of the protocol `postgres`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresUpstream {
    pub endpoint: Endpoint,
    /// The account of the gateway; clients never learn it.
    pub user: String,
    /// `None` for accounts that need none (`trust`, `peer`).
    pub password: Option<Secret>,
    /// What every client gets, whatever it asks for, unless it asks for one of `databases`.
    pub database: String,
    /// More databases that a client gets when it asks for them by name. When this is not empty, asking for
    /// anything but one of these or `database` is refused.
    pub databases: Vec<String>,
    pub tls: TlsMode,
    /// The authorities whose signature counts, in PEM; `None`: those of the system. Exists.
    pub ca: Option<PathBuf>,
    /// Of what it holds: other authorities are a change.
    pub ca_contents: Option<Digest>,
    /// What the gateway shows in the TLS handshake. Only with TLS.
    pub shown: Option<OwnCertificate>,
}

/// `upstream_certificate` and `upstream_key`: the gateway's own certificate at an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// A chain in PEM, the own certificate first. Exists.
    pub certificate: PathBuf,
    /// Of what it holds: a renewed certificate is a change.
    pub contents: Digest,
    /// Its private key in PEM.
    pub key: Secret,
    /// Where the key is, if it is in a file.
    pub key_file: Option<PathBuf>,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A name or an address (without brackets), and the port.
    Tcp { host: String, port: u16 },
    /// The socket's file.
    Unix(PathBuf),
}

/// `sslmode`: what is asked of the connection to the upstream. Unlike libpq's, none of these falls back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// In the clear.
    Disable,
    /// Encrypted to whoever answers.
    Require,
    /// Encrypted to somebody with a certificate of the authority.
    VerifyCa,
    /// Encrypted to the host that the URL names.
    VerifyFull,
}

pub(crate) const POSTGRES_PORT: u16 = 5432;

impl Endpoint {
    /// Whether the bytes stay on this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost"
                    || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }
}

impl TlsMode {
    pub(crate) const WORDS: [(&str, Self); 4] = [
        ("disable", Self::Disable),
        ("require", Self::Require),
        ("verify-ca", Self::VerifyCa),
        ("verify-full", Self::VerifyFull),
    ];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Require => "require",
            Self::VerifyCa => "verify-ca",
            Self::VerifyFull => "verify-full",
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}
