//! Audit events: facts, at the moment they happen.
//!
//! One struct per kind. Every event says where it belongs ([`Place`]), if it belongs to a session, and renders
//! itself as two canonical objects: the *detail*, which stays in the body of the record for ever, and the
//! *payload*, which holds what may have to be erased one day: statement texts, parameters, attributes, error
//! messages, reasons, comments, addresses, everything a client merely claimed.
//!
//! Invariant: an event carries nothing unmasked. The caller has masked texts and error messages before; secrets
//! of recognisable form are replaced here once more ([`crate::redact()`]).

mod approval;
mod host;
mod operation;
mod session;
mod token;
mod words;

pub use approval::{Held, Review, Reviewed};
pub use host::{
    ConfigApplied, ConfigRefused, Gap, HostStarted, HostStopped, PayloadsErased, PluginFacts, PluginRefused,
    Recovered,
};
pub use operation::{Attempt, Failure, Outcome, Refused, RefusedBy, Status};
pub use session::{LoginFailed, LoginStage, SessionEnded, SessionKilled, SessionOpened};
pub use token::{TokenCreated, TokenRevoked};
pub use words::{KINDS, STATUSES, VERDICTS};

use crate::canon::Object;
use crate::redact::redact_named;
use std::sync::Arc;
use weir_model::{Applied, Attribute, ResourceName, SessionId, SessionInfo};

/// Everything the trail knows how to keep.
#[derive(Clone, Debug)]
pub enum Event {
    /// The gateway accepts clients from now on.
    HostStarted(HostStarted),
    /// The gateway stopped in an orderly way; nothing is open any more.
    HostStopped(HostStopped),
    SessionOpened(SessionOpened),
    SessionEnded(SessionEnded),
    /// An operator asks to end a session.
    SessionKilled(SessionKilled),
    LoginFailed(LoginFailed),
    /// A user has been given a token. It opens nothing before this is on disk.
    TokenCreated(TokenCreated),
    /// A token opens nothing any more, and the sessions that came with it end.
    TokenRevoked(TokenRevoked),
    /// An operation is about to be sent to the upstream. Durable before the first byte goes.
    Intent(Attempt),
    /// An operation that never reached the upstream.
    Refused(Refused),
    /// What came of an intent.
    Outcome(Outcome),
    /// An operation waits for people.
    Held(Held),
    /// What people said, or why nobody was asked any longer.
    Reviewed(Reviewed),
    PluginLoaded(PluginFacts),
    PluginRemoved(PluginFacts),
    PluginRefused(PluginRefused),
    /// It was tried beside another or for it, misbehaved, and is asked no more.
    PluginSetAside(PluginRefused),
    ConfigApplied(ConfigApplied),
    ConfigRefused(ConfigRefused),
    /// Events were lost to a store that did not work. Written by the writer itself.
    Gap(Gap),
    /// What a crash had left open was closed. Written at start-up.
    Recovered(Recovered),
    /// Payloads were deleted on purpose; the reason why they are missing.
    PayloadsErased(PayloadsErased),
}

/// Who and where: repeated in every record of a session so that each can be read and found alone.
///
/// Made once per session; cloning is three reference counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(crate) session: Arc<str>,
    pub(crate) principal: Arc<str>,
    pub(crate) resource: Arc<str>,
}

impl Place {
    pub fn new(session: &SessionId, principal: &str, resource: &ResourceName) -> Self {
        Self {
            session: session.as_str().into(),
            principal: principal.into(),
            resource: resource.as_str().into(),
        }
    }

    pub fn of(info: &SessionInfo) -> Self {
        Self::new(&info.id, &info.who.id, &info.resource)
    }

    pub fn session(&self) -> &str {
        &self.session
    }

    pub fn principal(&self) -> &str {
        &self.principal
    }

    pub fn resource(&self) -> &str {
        &self.resource
    }
}

impl Event {
    /// The word in the column `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HostStarted(_) => "host-started",
            Self::HostStopped(_) => "host-stopped",
            Self::SessionOpened(_) => "session-opened",
            Self::SessionEnded(_) => "session-ended",
            Self::SessionKilled(_) => "session-killed",
            Self::LoginFailed(_) => "login-failed",
            Self::TokenCreated(_) => "token-created",
            Self::TokenRevoked(_) => "token-revoked",
            Self::Intent(_) => "intent",
            Self::Refused(_) => "refused",
            Self::Outcome(_) => "outcome",
            Self::Held(_) => "held",
            Self::Reviewed(_) => "reviewed",
            Self::PluginLoaded(_) => "plugin-loaded",
            Self::PluginRemoved(_) => "plugin-removed",
            Self::PluginRefused(_) => "plugin-refused",
            Self::PluginSetAside(_) => "plugin-set-aside",
            Self::ConfigApplied(_) => "config-applied",
            Self::ConfigRefused(_) => "config-refused",
            Self::Gap(_) => "gap",
            Self::Recovered(_) => "recovered",
            Self::PayloadsErased(_) => "payloads-erased",
        }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        match self {
            Self::SessionOpened(event) => Some(&event.place),
            Self::SessionEnded(event) => Some(&event.place),
            Self::SessionKilled(event) => Some(&event.place),
            Self::Intent(event) => Some(&event.place),
            Self::Refused(event) => Some(&event.attempt.place),
            Self::Outcome(event) => Some(&event.place),
            Self::Held(event) => Some(&event.place),
            Self::Reviewed(event) => Some(&event.place),
            _ => None,
        }
    }

    /// Who it is about, when there is no session to say so.
    pub(crate) fn principal(&self) -> Option<Arc<str>> {
        match self {
            Self::LoginFailed(event) => event.principal.as_deref().map(Into::into),
            Self::TokenCreated(event) => Some(event.user.as_str().into()),
            Self::TokenRevoked(event) => Some(event.user.as_str().into()),
            _ => None,
        }
    }

    /// The resource of an event outside any session.
    pub(crate) fn resource(&self) -> Option<Arc<str>> {
        match self {
            Self::LoginFailed(event) => Some(event.resource.as_str().into()),
            _ => None,
        }
    }

    pub(crate) fn operation(&self) -> Option<u64> {
        match self {
            Self::Intent(event) => Some(event.operation),
            Self::Refused(event) => Some(event.attempt.operation),
            Self::Outcome(event) => Some(event.operation),
            Self::Held(event) => Some(event.operation),
            Self::Reviewed(event) => Some(event.operation),
            _ => None,
        }
    }

    /// The word in the column `verdict`: the host's decision.
    pub(crate) fn verdict(&self) -> Option<&'static str> {
        match self {
            Self::Intent(event) => Some(event.verdict()),
            Self::Refused(event) => Some(event.attempt.verdict()),
            _ => None,
        }
    }

    /// The word in the column `status`: how something ended.
    pub(crate) fn status(&self) -> Option<&'static str> {
        match self {
            Self::Outcome(event) => Some(event.status.as_word()),
            Self::Refused(_) => Some("refused"),
            Self::Reviewed(event) => Some(event.review.as_word()),
            Self::SessionEnded(event) => Some(event.reason.as_word()),
            _ => None,
        }
    }

    pub(crate) fn detail(&self, out: &mut Object<'_>) {
        match self {
            Self::HostStarted(event) => event.detail(out),
            Self::HostStopped(event) => event.detail(out),
            Self::SessionOpened(event) => event.detail(out),
            Self::SessionEnded(event) => event.detail(out),
            Self::SessionKilled(event) => event.detail(out),
            Self::LoginFailed(event) => event.detail(out),
            Self::TokenCreated(event) => event.detail(out),
            Self::TokenRevoked(event) => event.detail(out),
            Self::Intent(event) => event.detail(out, None),
            Self::Refused(event) => event.detail(out),
            Self::Outcome(event) => event.detail(out),
            Self::Held(event) => event.detail(out),
            Self::Reviewed(event) => event.detail(out),
            Self::PluginLoaded(event) | Self::PluginRemoved(event) => event.detail(out),
            Self::PluginRefused(event) | Self::PluginSetAside(event) => event.detail(out),
            Self::ConfigApplied(event) => event.detail(out),
            Self::ConfigRefused(event) => event.detail(out),
            Self::Gap(event) => event.detail(out),
            Self::Recovered(event) => event.detail(out),
            Self::PayloadsErased(event) => event.detail(out),
        }
    }

    /// Writes nothing when there is nothing to protect: such a record has no commitment.
    pub(crate) fn payload(&self, out: &mut Object<'_>) {
        match self {
            Self::SessionOpened(event) => event.payload(out),
            Self::SessionEnded(event) => event.payload(out),
            Self::SessionKilled(event) => event.payload(out),
            Self::LoginFailed(event) => event.payload(out),
            Self::TokenCreated(event) => event.payload(out),
            Self::Intent(event) => event.payload(out, None),
            Self::Refused(event) => event.payload(out),
            Self::Outcome(event) => event.payload(out),
            Self::Held(event) => event.payload(out),
            Self::Reviewed(event) => event.payload(out),
            _ => {}
        }
    }
}

/// `[{"name":…,"value":…}]`, values redacted by name and by form.
fn attributes(out: &mut Object<'_>, key: &'static str, attributes: &[Attribute]) {
    out.objects(key, attributes, |out, attribute| {
        out.text("name", &attribute.name);
        out.redacted("value", &redact_named(&attribute.name, &attribute.value));
    });
}

/// `[{"cells":…,"rule":…}]`, of what was done.
fn applied(out: &mut Object<'_>, key: &'static str, applied: &[Applied]) {
    let done: Vec<_> = applied.iter().filter(|applied| applied.beside.is_none()).collect();
    out.objects(key, &done, |out, applied| {
        out.number("cells", applied.cells);
        out.text("rule", &applied.rule);
    });
}

/// `[{"answer":…,"cells":…,"digest":…,"plugin":…,"what":…}]`, of what shadows would have done.
fn beside(out: &mut Object<'_>, applied: &[Applied]) {
    let told = applied.iter().filter_map(|applied| Some((applied, applied.beside.as_ref()?)));
    out.objects("beside", &told.collect::<Vec<_>>(), |out, (applied, by)| {
        out.word("answer", by.answer);
        out.number("cells", applied.cells);
        out.digest("digest", &by.digest);
        out.text("plugin", by.plugin.as_str());
        out.text("what", &applied.rule);
    });
}
