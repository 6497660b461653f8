//! A `[[resource]]` made ready: certificates loaded, the account prepared, the rules at hand.

use crate::http::{HttpBackend, HttpBackendError};
use crate::postgres::catalog::Catalog;
use crate::postgres::upstream::{Account, AccountError};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use weir_access::Rules;
use weir_config::settings::{ClientProof, Fallback, ListenerTls, PostgresUpstream, Resource, ResourceKind};
use weir_model::ResourceName;
use weir_net::{ClientCertificate, ClientCertificates, ServerTls, ServerTlsError};
use weir_session::decide::Default as DefaultVerdict;
use weir_wire::postgres::{CleartextPolicy, DatabaseName};

pub(crate) struct ResourceRuntime {
    pub(crate) settings: Resource,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) rules: Rules,
    pub(crate) kind: Kind,
}

/// What only resources of one protocol have.
pub(crate) enum Kind {
    Postgres(Arc<PostgresBackend>),
    Http(Arc<HttpBackend>),
}

/// The database behind a resource.
pub(crate) struct PostgresBackend {
    pub(crate) account: Arc<Account>,
    pub(crate) upstream: PostgresUpstream,
    catalogs: Mutex<HashMap<DatabaseName, Arc<Catalog>>>,
}

/// What is wrong with a resource beyond its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("tls: {0}")]
    Tls(#[from] ServerTlsError),
    #[error("upstream: {0}")]
    Account(#[from] AccountError),
    #[error("upstream: {0}")]
    Http(#[from] HttpBackendError),
}

impl ResourceError {
    /// The key of the resource's table that is to blame.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Tls(_) => "tls",
            Self::Account(_) | Self::Http(_) => "upstream",
        }
    }
}

impl ResourceRuntime {
    /// # Errors
    /// When a certificate, key or authority cannot be used.
    pub(crate) fn prepare(settings: &Resource) -> Result<Self, ResourceError> {
        let (kind, alpn): (_, &[&str]) = match &settings.kind {
            ResourceKind::Postgres(upstream) => {
                let account = Arc::new(Account::of(upstream)?);
                let backend =
                    PostgresBackend { account, upstream: upstream.clone(), catalogs: Mutex::default() };
                (Kind::Postgres(Arc::new(backend)), &["postgresql"])
            }
            ResourceKind::Http(http) => (Kind::Http(Arc::new(HttpBackend::of(http)?)), &["h2", "http/1.1"]),
            // A kind that the configuration has and this program does not.
            _ => return Err(HttpBackendError::Unknown.into()),
        };
        let tls = match &settings.tls {
            Some(tls) => Some(ServerTls::load(&tls.certificate, &tls.key, alpn, clients(tls))?),
            None => None,
        };
        let rules = Rules { resource: settings.name.clone(), allow: settings.allow.clone() };
        Ok(Self { settings: settings.clone(), tls, rules, kind })
    }

    pub(crate) fn name(&self) -> &ResourceName {
        &self.settings.name
    }

    /// Whether a client's certificate is good for this resource now. Which user it is, is another question.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn stands(&self, certificate: &ClientCertificate) -> Result<(), String> {
        let tls = self.tls.as_ref().ok_or("there is no TLS here")?;
        tls.stands(certificate, SystemTime::now())
    }

    /// What happens to an operation about which no policy has said anything.
    pub(crate) fn default(&self) -> DefaultVerdict {
        match self.settings.fallback {
            Fallback::Deny => DefaultVerdict::Deny,
            Fallback::Allow => DefaultVerdict::Allow,
        }
    }

    /// Where a password may cross in clear: inside TLS, or without leaving this machine.
    pub(crate) fn cleartext(&self, client: IpAddr) -> CleartextPolicy {
        if client.is_loopback() { CleartextPolicy::AllowOnPlain } else { CleartextPolicy::OnlyOverTls }
    }
}

/// Whether a client must have shown a certificate when its connection began.
pub(crate) fn needs_certificate(settings: &Resource) -> bool {
    let clients = settings.tls.as_ref().and_then(|tls| tls.clients.as_ref());
    clients.is_some_and(|clients| clients.proof == ClientProof::Required)
}

fn clients(tls: &ListenerTls) -> Option<ClientCertificates<'_>> {
    tls.clients.as_ref().map(|clients| ClientCertificates {
        authorities: &clients.ca,
        revoked: clients.crl.as_deref(),
        required: clients.proof == ClientProof::Required,
    })
}

impl PostgresBackend {
    /// The catalog of one database, shared by all sessions on it.
    pub(crate) fn catalog(&self, database: &DatabaseName) -> Arc<Catalog> {
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = catalogs.entry(database.clone());
        Arc::clone(
            entry.or_insert_with(|| Arc::new(Catalog::new(Arc::clone(&self.account), database.clone()))),
        )
    }
}
