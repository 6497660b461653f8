//! Who sends a request: a token, a name with a password or a token, or the certificate of the connection.
//!
//! Whoever shows a certificate is the user whom it names, or nobody. What a request brings besides must be the same
//! user's.
//!
//! HTTP proves it with each request, and checking a password is slow on purpose. So a password that was right is
//! remembered for a short while, as a keyed hash and for the users of this moment only.

use crate::guesses::{TooMany, has_form_of_token};
use crate::resource::{Kind, ResourceRuntime, needs_certificate};
use crate::shared::Shared;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use weir_access::Permit;
use weir_audit::{LoginFailed, LoginStage};
use weir_http::{Credentials, Secret};
use weir_identity::{Proof, Proven, Users, identify};
use weir_net::ClientCertificate;
use weir_wire::postgres::Password;

/// How long a password that was right is not checked again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// So many at most; then all are forgotten.
const MOST: usize = 4096;

/// Somebody with a permit for the resource.
pub(super) struct Allowed {
    pub(super) permit: Permit,
    pub(super) token: Option<String>,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) method: String,
}

/// What a request and its connection bring to prove who sends it.
pub(super) struct Shown {
    pub(super) credentials: Option<Credentials>,
    pub(super) certificate: Option<Arc<ClientCertificate>>,
    pub(super) client: IpAddr,
    pub(super) secure: bool,
}

/// Why a request goes no further.
pub(super) enum Denied {
    /// It is not known who sends it: 401.
    Who { told: &'static str },
    /// It is, and it may not: 403.
    Not { told: String },
    /// Too many were wrong: 429.
    Later { seconds: u64 },
}

/// Why nothing is proven.
enum Unproven {
    Wrong(String),
    TooMany(TooMany),
}

impl From<&str> for Unproven {
    fn from(reason: &str) -> Self {
        Self::Wrong(reason.to_owned())
    }
}

impl From<TooMany> for Unproven {
    fn from(too_many: TooMany) -> Self {
        Self::TooMany(too_many)
    }
}

/// A password that was right: since when, among which users, whose.
type Known = (Instant, Arc<Users>, Proven);

/// Passwords that were right a moment ago.
#[derive(Default)]
pub(super) struct Proofs {
    known: Mutex<HashMap<[u8; 32], Known>>,
    key: OnceLock<[u8; 32]>,
}

impl Proofs {
    pub(super) async fn identify(
        &self,
        shared: &Arc<Shared>,
        resource: &Arc<ResourceRuntime>,
        shown: Shown,
    ) -> Result<Allowed, Denied> {
        let Shown { credentials, certificate, client, secure } = shown;
        let Kind::Http(backend) = &resource.kind else {
            return Err(Denied::Not { told: "this is no HTTP resource".to_owned() });
        };
        let auth = backend.settings.auth;
        let brings_something = credentials.is_some();
        let credentials = match credentials {
            Some(Credentials::Bearer(_)) if !auth.bearer => None,
            Some(Credentials::Basic { .. }) if !auth.basic => None,
            Some(Credentials::Other) | None => None,
            Some(credentials) => Some(credentials),
        };
        if certificate.is_none() && needs_certificate(&resource.settings) {
            // Its connection began before that was asked for.
            let (who, reason) = (Err(String::new()), "no certificate");
            Box::pin(record(shared, resource, LoginStage::Identify, who, client, reason.to_owned())).await;
            return Err(Denied::Who {
                told: "this resource wants a certificate: connect anew, and show one",
            });
        }
        let by_certificate = match &certificate {
            Some(certificate) => match owner(shared, resource, certificate) {
                Ok(proven) => Some(proven),
                Err(reason) => {
                    Box::pin(record(
                        shared,
                        resource,
                        LoginStage::Identify,
                        Err(String::new()),
                        client,
                        reason,
                    ))
                    .await;
                    return Err(Denied::Who { told: "this certificate is not valid here" });
                }
            },
            None => None,
        };
        if brings_something && credentials.is_none() && by_certificate.is_some() {
            // It claims something that is not looked at here, so nobody knows whether it is the same user.
            let (who, reason) = (Err(String::new()), "an authorization that this resource does not take");
            Box::pin(record(shared, resource, LoginStage::Identify, who, client, reason.to_owned())).await;
            return Err(Denied::Who {
                told: "the certificate is enough here; this authorization is not taken",
            });
        }
        let Some(credentials) = credentials else {
            if let Some(proven) = by_certificate {
                let method = proven.method();
                return allowed(shared, resource, proven, certificate, method, client).await;
            }
            return Err(Denied::Who {
                told: "this resource asks who you are: send a token or a name and password",
            });
        };
        if !secure && !client.is_loopback() {
            let told = "credentials are only taken over TLS".to_owned();
            return Err(Denied::Not { told });
        }
        let (name, proven) = self.proven(shared, resource, credentials, client).await;
        let proven = match proven {
            Ok(proven) => proven,
            Err(Unproven::TooMany(too_many)) => {
                shared.login_refused_unread(resource.name(), client, &name);
                return Err(Denied::Later { seconds: too_many.seconds() });
            }
            Err(Unproven::Wrong(reason)) => {
                Box::pin(record(shared, resource, LoginStage::Identify, Err(name), client, reason)).await;
                return Err(Denied::Who { told: "this token, or name and password, is not valid here" });
            }
        };
        let mut method = proven.method();
        if let Some(by_certificate) = by_certificate {
            let (own, other) = (&by_certificate.principal.id, &proven.principal.id);
            if own != other {
                let reason =
                    format!("{} is {own}'s, and the authorization is {other}'s", by_certificate.method());
                Box::pin(record(shared, resource, LoginStage::Identify, Err(name), client, reason)).await;
                return Err(Denied::Who {
                    told: "the certificate and the authorization are not those of one user",
                });
            }
            method = format!("{method}, {}", by_certificate.method());
        }
        allowed(shared, resource, proven, certificate, method, client).await
    }

    /// The name that was claimed, and what is proven.
    async fn proven(
        &self,
        shared: &Arc<Shared>,
        resource: &Arc<ResourceRuntime>,
        credentials: Credentials,
        client: IpAddr,
    ) -> (String, Result<Proven, Unproven>) {
        let (user, secret) = match credentials {
            Credentials::Bearer(secret) => (None, secret),
            Credentials::Basic { user, secret } => (Some(user), secret),
            Credentials::Other => return (String::new(), Err("no known scheme".into())),
        };
        let name = user.clone().unwrap_or_default();
        let users = Arc::clone(&shared.running().users);
        // A token takes microseconds, and alone it is never tried as a password: it is not remembered either.
        let remember = match user.as_deref() {
            None => None,
            Some(user) => match self.digest(user, &secret) {
                Some(digest) => Some(digest),
                None => return (name, Err("there is no randomness".into())),
            },
        };
        if let Some(proven) = remember.and_then(|digest| self.remembered(&digest, &users)) {
            return (name, Ok(proven));
        }
        let Ok(secret) = std::str::from_utf8(secret.expose()).map(Password::new) else {
            return (name, Err("the secret is no text".into()));
        };
        let (tokens, resource) = (shared.tokens(), resource.name().clone());
        let (of, by) = (Arc::clone(&users), user);
        let guesses = &shared.guesses;
        // A token takes microseconds, and is never tried as a password. A right one passes whatever others have tried.
        let is_token = by.is_none() || has_form_of_token(&of, &tokens, &secret, &resource);
        let attempt = match is_token {
            true => None,
            false => match guesses.take(&name, client).await {
                Ok(attempt) => Some(attempt),
                Err(too_many) => return (name, Err(too_many.into())),
            },
        };
        let check = move || {
            let proof = match &by {
                Some(user) => Proof::Basic { user, password: &secret },
                None => Proof::Bearer(&secret),
            };
            identify(&of, &tokens, proof, &resource, SystemTime::now())
        };
        if is_token {
            let checked = check().map_err(|refusal| match guesses.wrong_token(client, Instant::now()) {
                Ok(()) => Unproven::Wrong(refusal.to_string()),
                Err(too_many) => too_many.into(),
            });
            return (name, checked);
        }
        if let Some(attempt) = &attempt {
            tokio::time::sleep(attempt.delay).await;
        }
        let _place = guesses.place().await;
        // Slow on purpose: off the I/O threads.
        let checked = tokio::task::spawn_blocking(check);
        match checked.await {
            Ok(Ok(proven)) => {
                if let Some(attempt) = attempt {
                    guesses.right(attempt, Instant::now());
                }
                // Tokens are cheap to check, and end at once when they are revoked.
                if let (None, Some(digest)) = (&proven.token, remember) {
                    self.remember(digest, users, proven.clone());
                }
                (name, Ok(proven))
            }
            Ok(Err(refusal)) => (name, Err(Unproven::Wrong(refusal.to_string()))),
            Err(_) => (name, Err("the check was broken off".into())),
        }
    }

    fn digest(&self, user: &str, secret: &Secret) -> Option<[u8; 32]> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let mut key = [0; 32];
                getrandom::fill(&mut key).ok()?;
                self.key.get_or_init(|| key)
            }
        };
        let mut hash = Sha256::new();
        hash.update(key);
        hash.update((user.len() as u64).to_be_bytes());
        hash.update(user.as_bytes());
        hash.update(secret.expose());
        hash.update(key);
        Some(hash.finalize().into())
    }

    fn remembered(&self, digest: &[u8; 32], users: &Arc<Users>) -> Option<Proven> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, of, proven) = known.get(digest)?;
        let is_fresh = since.elapsed() < REMEMBERED && Arc::ptr_eq(of, users);
        if is_fresh && users.principal(&proven.principal.id, SystemTime::now()).is_ok() {
            return Some(proven.clone());
        }
        known.remove(digest);
        None
    }

    fn remember(&self, digest: [u8; 32], users: Arc<Users>, proven: Proven) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest, (Instant::now(), users, proven));
    }
}

/// Whose certificate it is, if it is good here.
fn owner(
    shared: &Shared,
    resource: &ResourceRuntime,
    certificate: &ClientCertificate,
) -> Result<Proven, String> {
    let facts = certificate.facts();
    resource.stands(certificate).map_err(|why| format!("certificate {}: {why}", facts.sha256))?;
    let proof = Proof::Certificate { user: None, shown: facts };
    let (users, tokens) = (Arc::clone(&shared.running().users), shared.tokens());
    identify(&users, &tokens, proof, resource.name(), SystemTime::now())
        .map_err(|refusal| refusal.to_string())
}

/// A permit, if the rules give one.
async fn allowed(
    shared: &Arc<Shared>,
    resource: &ResourceRuntime,
    proven: Proven,
    certificate: Option<Arc<ClientCertificate>>,
    method: String,
    client: IpAddr,
) -> Result<Allowed, Denied> {
    match resource.rules.authorize(&proven.principal) {
        Ok(permit) => Ok(Allowed { permit, token: proven.token, certificate, method }),
        Err(denied) => {
            let (who, told) = (Ok(proven.principal.id), denied.to_string());
            Box::pin(record(shared, resource, LoginStage::Authorize, who, client, told.clone())).await;
            Err(Denied::Not { told })
        }
    }
}

/// A connection that did not begin because of the client's certificate. `resource` is one of those at its address.
pub(super) async fn certificate_refused(
    shared: &Arc<Shared>,
    resource: &ResourceRuntime,
    client: IpAddr,
    reason: String,
) {
    record(shared, resource, LoginStage::Greet, Err(String::new()), client, reason).await;
}

/// Somebody was not let in; `who`: proven, or only claimed.
async fn record(
    shared: &Arc<Shared>,
    resource: &ResourceRuntime,
    stage: LoginStage,
    who: Result<String, String>,
    client: IpAddr,
    reason: String,
) {
    let (principal, claimed_user) = match who {
        Ok(principal) => (Some(principal), String::new()),
        Err(claimed) => (None, claimed),
    };
    let user = principal.as_ref().unwrap_or(&claimed_user);
    let word = stage.as_word();
    tracing::info!(resource = %resource.name(), client = %client, user, stage = word, reason, "turned away");
    let failed = LoginFailed {
        resource: resource.name().clone(),
        stage,
        principal,
        claimed_user,
        client_address: client.to_string(),
        code: if stage == LoginStage::Authorize { "403" } else { "401" }.to_owned(),
        reason,
        judged_by: Vec::new(),
    };
    shared.login_failed(failed, client).await;
}
