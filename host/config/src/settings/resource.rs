//! `[[resource]]`: one thing people want to reach, and who may, how.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use weir_model::{Digest, Grantee, PluginName, ResourceName};

use super::{HttpResource, HttpUpstream, Limits, PostgresUpstream};

/// `[[resource]]`
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    pub name: ResourceName,
    /// What is spoken there, and what only that protocol has.
    pub kind: ResourceKind,
    /// Where clients knock. Only resources of the protocol `http` share one, and then have the same `tls` (port 0 aside,
    /// which is a different one each time).
    pub listen: SocketAddr,
    /// `None`: clients talk in the clear.
    pub tls: Option<ListenerTls>,
    /// Who may open it; empty: nobody.
    pub allow: Vec<Grantee>,
    /// Who may review what its policies hold; empty: only those whom the policy itself names.
    pub reviewers: Vec<Grantee>,
    /// The plugins of a session, in order. Never empty, nothing twice; that the first one and no other is the
    /// inspector of its protocol, only the host can know.
    pub pipeline: Vec<PluginName>,
    /// What happens to an operation about which no policy has said anything.
    pub fallback: Fallback,
    /// Those of `[limits]` with this resource's own on top.
    pub limits: Limits,
}

/// A protocol with what only its resources have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResourceKind {
    Postgres(PostgresUpstream),
    Http(HttpResource),
}

/// The protocols whose login the gateway speaks itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    Postgres,
    Http,
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

impl Resource {
    pub fn protocol(&self) -> Protocol {
        match self.kind {
            ResourceKind::Postgres(_) => Protocol::Postgres,
            ResourceKind::Http(_) => Protocol::Http,
        }
    }

    /// The authorities that the upstream's certificate is checked with, if they are its own.
    pub fn upstream_ca(&self) -> Option<&Path> {
        match &self.kind {
            ResourceKind::Postgres(upstream) => upstream.ca.as_deref(),
            ResourceKind::Http(http) => match &http.upstream {
                HttpUpstream::Server(server) => server.ca.as_deref(),
                HttpUpstream::Program(_) => None,
            },
        }
    }
}

impl Protocol {
    pub(crate) const WORDS: [(&str, Self); 2] = [("postgres", Self::Postgres), ("http", Self::Http)];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Http => "http",
        }
    }
}
