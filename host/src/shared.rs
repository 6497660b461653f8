//! What every session of this host shares, and what changes when the configuration does.

use crate::guesses::{Guesses, WINDOW, Whose};
use crate::http::HttpSessions;
use crate::log::LogControl;
use crate::metrics::Metrics;
use crate::plugins::PluginProblems;
use crate::postgres::Opened;
use crate::resource::ResourceRuntime;
use crate::sessions::Sessions;
use crate::trail::ApprovalsTrail;
use anyhow::Context;
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use weir_approvals::Approvals;
use weir_audit::{AuditDown, AuditHandle, Event, LoginFailed, LoginStage};
use weir_config::Config;
use weir_config::users::User;
use weir_guests::Guests;
use weir_identity::{Account, Tokens, Users, Verifier};
use weir_model::{EndReason, Grantee, Principal, ResourceName, SessionId, SessionInfo, TOKEN_ID};
use weir_net::ClientCertificate;
use weir_session::http::Room;
use weir_wire::postgres::MockScram;

/// Built once, by `commands::run`; passed down, never global.
pub(crate) struct Shared {
    running: ArcSwap<Running>,
    /// kept by `tokens`
    tokens: ArcSwap<Tokens>,
    pub(crate) guests: Arc<Guests>,
    pub(crate) audit: AuditHandle,
    pub(crate) approvals: Arc<Approvals<ApprovalsTrail>>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) opened: OpenSessions,
    pub(crate) http: HttpSessions,
    pub(crate) plugin_problems: PluginProblems,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) guesses: Guesses,
    pub(crate) mock: MockScram,
    pub(crate) log: LogControl,
    /// what the pool for instances was made for, so it stays when the configuration changes
    pub(crate) max_sessions: usize,
    /// for messages over HTTP that are inspected whole
    pub(crate) room: Room,
}

/// One configuration in effect. Sessions keep the one they began with.
pub(crate) struct Running {
    pub(crate) config: Config,
    pub(crate) users: Arc<Users>,
    pub(crate) resources: BTreeMap<ResourceName, Arc<ResourceRuntime>>,
}

impl Running {
    /// Makes a checked configuration ready to serve: users, certificates, accounts.
    pub(crate) fn prepare(config: Config) -> anyhow::Result<Self> {
        let accounts: Result<Vec<Account>, _> = config.users().iter().map(account).collect();
        let users = Arc::new(Users::new(accounts?)?);
        let mut resources = BTreeMap::new();
        for resource in &config.settings().resources {
            let ready = ResourceRuntime::prepare(resource).with_context(|| resource.name.to_string())?;
            resources.insert(resource.name.clone(), Arc::new(ready));
        }
        Ok(Self { config, users, resources })
    }

    /// Who reviews what waits on a resource, unless a policy says otherwise; nobody when it is gone.
    pub(crate) fn reviewers(&self, resource: &ResourceName) -> &[Grantee] {
        self.resources.get(resource).map_or(&[], |found| &found.settings.reviewers)
    }
}

fn account(user: &User) -> anyhow::Result<Account> {
    let password = user.password.as_ref().map(|secret| Verifier::parse(secret.expose())).transpose();
    Ok(Account {
        principal: Principal {
            id: user.name.clone(),
            kind: user.kind,
            on_behalf_of: user.on_behalf_of.clone(),
            groups: user.groups.clone(),
        },
        password: password.with_context(|| format!("the password of {}", user.name))?,
        tokens: user.tokens,
        certificates: user.certificates.clone(),
        disabled: user.disabled,
        expires: user.expires,
    })
}

impl Shared {
    pub(crate) fn new(
        running: Running,
        guests: Arc<Guests>,
        audit: AuditHandle,
        metrics: Arc<Metrics>,
        mock: MockScram,
        log: LogControl,
    ) -> Self {
        Self {
            max_sessions: running.config.settings().server.max_sessions,
            room: Room::new(
                usize::try_from(running.config.settings().server.max_inspected_bytes).unwrap_or(usize::MAX),
            ),
            running: ArcSwap::from_pointee(running),
            tokens: ArcSwap::default(),
            approvals: Arc::new(Approvals::new(ApprovalsTrail(audit.clone()))),
            guests,
            audit,
            sessions: Arc::default(),
            opened: OpenSessions::default(),
            http: HttpSessions::default(),
            plugin_problems: PluginProblems::default(),
            metrics,
            guesses: Guesses::default(),
            mock,
            log,
        }
    }

    /// When the next user expires; `None` when none does.
    pub(crate) fn next_expiry(&self) -> Option<SystemTime> {
        let now = SystemTime::now();
        let running = self.running();
        running.config.users().iter().filter_map(|user| user.expires).filter(|at| *at > now).min()
    }

    pub(crate) fn running(&self) -> Arc<Running> {
        self.running.load_full()
    }

    /// Whether this is the configuration in effect.
    pub(crate) fn is_running(&self, running: &Weak<Running>) -> bool {
        Weak::as_ptr(running) == Arc::as_ptr(&self.running.load())
    }

    /// Whether these are the tokens of this moment.
    pub(crate) fn has_tokens(&self, tokens: &Weak<Tokens>) -> bool {
        Weak::as_ptr(tokens) == Arc::as_ptr(&self.tokens.load())
    }

    pub(crate) fn replace(&self, running: Running) {
        self.running.store(Arc::new(running));
    }

    /// The tokens of this moment.
    pub(crate) fn tokens(&self) -> Arc<Tokens> {
        self.tokens.load_full()
    }

    pub(crate) fn replace_tokens(&self, tokens: Tokens) {
        self.tokens.store(Arc::new(tokens));
    }

    /// Whether a session may be, by the users, tokens, certificates and rules of this moment.
    pub(crate) fn is_permitted(&self, info: &SessionInfo, certificate: Option<&ClientCertificate>) -> bool {
        let (running, now) = (self.running(), SystemTime::now());
        let principal = running.users.principal(&info.who.id, now).ok();
        let Some(resource) = running.resources.get(&info.resource) else { return false };
        let token = info.attributes.iter().find(|attribute| attribute.name == TOKEN_ID);
        let stands = token.is_none_or(|token| {
            self.tokens().standing(&token.value, &info.who.id, &info.resource, now).is_ok()
        });
        // The certificate is good, and it is still this user's alone.
        let stands = stands
            && certificate.is_none_or(|certificate| {
                resource.stands(certificate).is_ok()
                    && running
                        .users
                        .of_certificate(certificate.facts(), now)
                        .is_ok_and(|owner| owner.id == info.who.id)
            });
        principal.is_some_and(|principal| stands && resource.rules.authorize(&principal).is_ok())
    }

    /// Ends the sessions whose user, token, certificate or permission is gone.
    pub(crate) fn end_what_is_no_longer_permitted(&self) {
        self.sessions.end(|live| {
            (!self.is_permitted(&live.info, live.certificate.as_deref())).then_some(EndReason::Revoked)
        });
    }

    /// Somebody was not let in. Strangers, of whom there may be very many, are counted when they are too many.
    pub(crate) async fn login_failed(self: &Arc<Self>, failed: LoginFailed, client: IpAddr) {
        self.metrics.login_failed(&failed.resource);
        if failed.principal.is_none() && !self.guesses.own_record(Instant::now()) {
            return self.count_failed(&failed.resource, client, &failed.claimed_user, false);
        }
        if let Err(down) = self.record_durably(Event::LoginFailed(failed)).await {
            tracing::error!(error = %down, "a failed login could not be recorded");
        }
    }

    /// Somebody was refused unread, because there were too many wrong passwords or tokens before.
    pub(crate) fn login_refused_unread(
        self: &Arc<Self>,
        resource: &ResourceName,
        client: IpAddr,
        name: &str,
    ) {
        self.metrics.login_failed(resource);
        self.count_failed(resource, client, name, true);
    }

    fn count_failed(self: &Arc<Self>, resource: &ResourceName, client: IpAddr, name: &str, unread: bool) {
        let Some(whose) = self.guesses.count(resource, client, name, unread) else { return };
        tracing::warn!(resource = %resource, client = %client, "too many failed logins: more are counted, not told one by one");
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(WINDOW).await;
            shared.record_counted(&whose).await;
        });
    }

    /// Before the trail closes: what was counted and not yet recorded.
    pub(crate) async fn record_all_counted(&self) {
        for whose in self.guesses.open_windows() {
            self.record_counted(&whose).await;
        }
    }

    async fn record_counted(&self, whose: &Whose) {
        let Some(window) = self.guesses.close(whose) else { return };
        let (resource, network) = whose;
        let event = Event::LoginFailed(LoginFailed {
            resource: resource.clone(),
            stage: LoginStage::Identify,
            principal: None,
            claimed_user: window.only_name().to_owned(),
            client_address: network.map_or_else(|| "many".to_owned(), |network| network.to_string()),
            code: "too-many".to_owned(),
            reason: window.reason(),
            judged_by: Vec::new(),
        });
        if let Err(down) = self.record_durably(event).await {
            tracing::error!(error = %down, "failed logins could not be recorded: {}", window.reason());
        }
    }

    /// # Errors
    /// When the event is not known to be on disk.
    pub(crate) async fn record_durably(&self, event: Event) -> Result<(), AuditDown> {
        self.audit.record(vec![event]).await?.durable().await
    }
}

/// Sessions whose beginning is recorded and whose end is not yet.
#[derive(Default)]
pub(crate) struct OpenSessions(Mutex<HashMap<SessionId, Opened>>);

impl OpenSessions {
    pub(crate) fn insert(&self, id: SessionId, opened: Opened) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, opened);
    }

    pub(crate) fn remove(&self, id: &SessionId) -> Option<Opened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
