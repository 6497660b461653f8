//! A `[[resource]]` made ready: certificates loaded, the account prepared, the rules at hand.

use crate::postgres::catalog::Catalog;
use crate::postgres::upstream::{Account, AccountError};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use weir_access::Rules;
use weir_config::settings::{Fallback, PostgresUpstream, Resource, ResourceKind};
use weir_model::ResourceName;
use weir_net::{ServerTls, ServerTlsError};
use weir_session::decide::Default as DefaultVerdict;
use weir_wire::postgres::{CleartextPolicy, DatabaseName};

pub(crate) struct ResourceRuntime {
    pub(crate) settings: Resource,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) account: Arc<Account>,
    pub(crate) upstream: PostgresUpstream,
    pub(crate) rules: Rules,
    catalogs: Mutex<HashMap<DatabaseName, Arc<Catalog>>>,
}

/// What is wrong with a resource beyond its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("tls: {0}")]
    Tls(#[from] ServerTlsError),
    #[error("upstream: {0}")]
    Account(#[from] AccountError),
    /// For now.
    #[error("resources of the protocol {0} are not served yet")]
    Protocol(&'static str),
}

impl ResourceError {
    /// The key of the resource's table that is to blame.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Tls(_) => "tls",
            Self::Account(_) => "upstream",
            Self::Protocol(_) => "protocol",
        }
    }
}

impl ResourceRuntime {
    /// # Errors
    /// When a certificate, key or authority cannot be used.
    pub(crate) fn prepare(settings: &Resource) -> Result<Self, ResourceError> {
        let ResourceKind::Postgres(upstream) = &settings.kind else {
            return Err(ResourceError::Protocol(settings.protocol().as_word()));
        };
        let tls = match &settings.tls {
            Some(tls) => Some(ServerTls::load(&tls.certificate, &tls.key, &["postgresql"])?),
            None => None,
        };
        Ok(Self {
            tls,
            account: Arc::new(Account::of(upstream)?),
            rules: Rules { resource: settings.name.clone(), allow: settings.allow.clone() },
            catalogs: Mutex::default(),
            upstream: upstream.clone(),
            settings: settings.clone(),
        })
    }

    pub(crate) fn name(&self) -> &ResourceName {
        &self.settings.name
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

    /// The catalog of one database, shared by all sessions on it.
    pub(crate) fn catalog(&self, database: &DatabaseName) -> Arc<Catalog> {
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = catalogs.entry(database.clone());
        Arc::clone(
            entry.or_insert_with(|| Arc::new(Catalog::new(Arc::clone(&self.account), database.clone()))),
        )
    }
}
