//! Sessions: who came, and how it ended.

use super::operation::judges;
use super::{Place, attributes};
use crate::canon::Object;
use std::sync::Arc;
use std::time::Duration;
use weir_model::{EndReason, JudgedBy, LOGIN_METHOD, ResourceName, SessionInfo};

/// A principal has been let in. The first record of its session.
#[derive(Clone, Debug)]
pub struct SessionOpened {
    pub(super) place: Place,
    info: Arc<SessionInfo>,
}

/// A session is over. The last record of its session.
#[derive(Clone, Debug)]
pub struct SessionEnded {
    pub place: Place,
    pub reason: EndReason,
    /// Operations that were forwarded.
    pub operations: u64,
    /// From the client.
    pub bytes_in: u64,
    /// To the client.
    pub bytes_out: u64,
    pub duration: Duration,
}

/// Somebody asked to end this session; on disk before it is told to.
#[derive(Clone, Debug)]
pub struct SessionKilled {
    pub place: Place,
    /// Who asked; `operator` for whoever holds the admin token.
    pub actor: String,
    pub address: String,
}

/// Somebody was not let in; there is no session.
#[derive(Clone, Debug)]
pub struct LoginFailed {
    pub resource: ResourceName,
    pub stage: LoginStage,
    /// Who it is, if that was proven before something else went wrong.
    pub principal: Option<String>,
    /// What the client called itself, as long as nobody has checked it.
    pub claimed_user: String,
    pub client_address: String,
    /// Short and stable; a SQLSTATE where the protocol has such a thing.
    pub code: String,
    /// For the operator; the client may have been told less.
    pub reason: String,
    /// The plugins that judged what the client brought with it, if it came to that.
    pub judged_by: Vec<JudgedBy>,
}

/// How far somebody came who was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginStage {
    /// TLS and the first packet.
    Greet,
    /// The proof of who it is.
    Identify,
    /// Proven, but not allowed to open this resource.
    Authorize,
    /// Allowed, but there are as many sessions as there may be.
    Seat,
    /// A setting the client brought was not allowed.
    Settings,
    /// The upstream did not let the gateway in, or could not be reached.
    Connect,
    /// The session could not begin: a plugin did not take it, or the trail did not.
    Open,
}

impl LoginStage {
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Greet => "greet",
            Self::Identify => "identify",
            Self::Authorize => "authorize",
            Self::Seat => "seat",
            Self::Settings => "settings",
            Self::Connect => "connect",
            Self::Open => "open",
        }
    }
}

impl SessionOpened {
    pub fn new(info: Arc<SessionInfo>) -> Self {
        Self { place: Place::of(&info), info }
    }

    pub(super) fn detail(&self, out: &mut Object<'_>) {
        let who = &self.info.who;
        out.texts("groups", &who.groups);
        // How it was proven is no secret and must outlive the payload: `token` and its ID, or a mechanism.
        let method = self.info.attributes.iter().find(|attribute| attribute.name == LOGIN_METHOD);
        out.text("method", method.map_or("", |method| method.value.as_str()));
        out.text("on_behalf_of", who.on_behalf_of.as_deref().unwrap_or_default());
        out.word("principal_kind", who.kind.as_word());
        out.text("protocol", &self.info.protocol);
        out.number("started_ms", self.info.started_ms);
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        attributes(out, "attributes", &self.info.attributes);
        attributes(out, "claimed", &self.info.claimed);
        out.text("client_address", &self.info.client_address);
    }
}

impl SessionEnded {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.number("bytes_in", self.bytes_in);
        out.number("bytes_out", self.bytes_out);
        if let EndReason::Failed(fault) = &self.reason {
            out.text("code", &fault.code);
        }
        out.number("duration_us", micros(self.duration));
        out.number("operations", self.operations);
        out.word("reason", self.reason.as_word());
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        if let EndReason::Failed(fault) = &self.reason {
            out.text("fault_detail", &fault.detail);
            out.text("fault_message", &fault.message);
        }
    }
}

impl SessionKilled {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.text("actor", &self.actor);
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        out.text("address", &self.address);
    }
}

impl LoginFailed {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.text("code", &self.code);
        judges(out, "judged_by", &self.judged_by);
        out.word("stage", self.stage.as_word());
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        out.text("claimed_user", &self.claimed_user);
        out.text("client_address", &self.client_address);
        out.text("reason", &self.reason);
    }
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
