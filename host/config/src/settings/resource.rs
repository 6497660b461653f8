//! `[[resource]]`: one thing people want to reach, and who may, how.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use weir_model::{Digest, Grantee, PluginName, ResourceName};

use super::{HttpResource, HttpUpstream, Limits, OwnCertificate, PostgresUpstream};

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
    /// `None`: clients are not asked for certificates of theirs.
    pub clients: Option<ClientAuthorities>,
}

/// `client_ca`, `client_crl` and `client_certificates` of a `tls`: certificates that prove who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// The authorities whose signature counts, in PEM. Exists.
    pub ca: PathBuf,
    /// What they have revoked, in PEM. Exists.
    pub crl: Option<PathBuf>,
    /// Of what both hold: another list is a change.
    pub contents: Digest,
    pub proof: ClientProof,
}

/// `client_certificates` of a `tls`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// Who shows none proves themselves otherwise.
    Optional,
    /// Who shows none is refused. Only with TLS for everybody.
    Required,
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

impl Resource {
    /// The gateway's own certificate at the upstream.
    fn shown(&self) -> Option<&OwnCertificate> {
        match &self.kind {
            ResourceKind::Postgres(upstream) => upstream.shown.as_ref(),
            ResourceKind::Http(http) => http.server().and_then(|server| server.shown.as_deref()),
        }
    }

    /// Certificates, keys and lists in files: when one of them changes, this resource has.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let shown = self
            .shown()
            .into_iter()
            .flat_map(|shown| std::iter::once(shown.certificate.as_path()).chain(shown.key_file.as_deref()));
        self.tls.iter().flat_map(ListenerTls::files).chain(self.upstream_ca()).chain(shown)
    }
}

impl ListenerTls {
    /// All files it is made of.
    fn files(&self) -> impl Iterator<Item = &Path> {
        let of_clients =
            self.clients.iter().flat_map(|clients| std::iter::once(&clients.ca).chain(&clients.crl));
        [&self.certificate, &self.key].into_iter().chain(of_clients).map(PathBuf::as_path)
    }
}

impl ClientProof {
    pub(crate) const WORDS: [(&str, Self); 2] = [("optional", Self::Optional), ("required", Self::Required)];
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
