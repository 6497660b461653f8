//! `[[resource]]`: one thing people want to reach, and who may, how.

use std::net::SocketAddr;
use std::path::PathBuf;

use weir_model::{Digest, Grantee, PluginName, ResourceName};

use super::{Limits, Upstream};

/// `[[resource]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub name: ResourceName,
    pub protocol: Protocol,
    /// Where clients knock. No other resource has it (port 0 aside, which is a different one each time).
    pub listen: SocketAddr,
    /// `None`: clients talk in the clear.
    pub tls: Option<ListenerTls>,
    pub upstream: Upstream,
    /// Who may open it; empty: nobody.
    pub allow: Vec<Grantee>,
    /// Who may review what its policies hold; empty: only those whom the policy itself names.
    pub reviewers: Vec<Grantee>,
    /// The plugins of a session, in order. Never empty, nothing twice; that the first one and no other is the
    /// inspector of `protocol`, only the host can know.
    pub pipeline: Vec<PluginName>,
    /// What happens to an operation about which no policy has said anything.
    pub fallback: Fallback,
    /// Those of `[limits]` with this resource's own on top.
    pub limits: Limits,
}

/// The protocols whose login the gateway speaks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    Postgres,
}

/// `tls` of a `[[resource]]`: the certificate shown to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// A chain in PEM, the own certificate first. Exists.
    pub certificate: PathBuf,
    /// Its private key in PEM. Exists.
    pub key: PathBuf,
    /// Of what both hold: a renewed certificate is a change.
    pub contents: Digest,
    /// Whether a client that does not want TLS is refused.
    pub required: bool,
}

/// `default` of a `[[resource]]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    Deny,
    Allow,
}

impl Protocol {
    pub(crate) const WORDS: [(&str, Self); 1] = [("postgres", Self::Postgres)];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
        }
    }
}
