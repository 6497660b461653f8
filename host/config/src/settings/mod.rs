//! The configuration as it is used: plain values, checked, with defaults filled in.
//!
//! One file per section. Nothing here knows TOML, spans or problems; what stands here is what the gateway runs
//! with. Paths are complete (those of the file are relative to its folder), durations are [`Duration`]s, sizes
//! are bytes, and secrets are [`Secret`]s that nobody can print.
//!
//! Each number that can be set has a [`Knob`]: its default and its bounds in one constant, with the reason.
//!
//! [`Duration`]: std::time::Duration

mod admin;
mod audit;
pub(crate) mod facts;
mod http;
mod limits;
mod log;
mod plugin;
mod resource;
mod server;
mod upstream;

use std::collections::BTreeMap;

use weir_model::{PluginName, ResourceName};

pub use crate::secret::Secret;
pub use admin::Admin;
pub use audit::{Audit, PATIENCE, QUEUE_BYTES, QUEUE_RECORDS};
pub use http::{
    Auth, Cookies, Credential, Fit, HostName, HostPattern, Http2, HttpResource, HttpServer, HttpUpstream,
    PROGRAM_MEMORY, Program, Variable,
};
pub(crate) use http::{HTTP_PORT, HTTPS_PORT};
pub use limits::{
    APPROVAL_TIMEOUT, BUFFER_BYTES, IDLE_TIMEOUT, LOGIN_TIMEOUT, Limits, MAX_ANSWER_BYTES,
    MAX_OPERATION_BYTES, MAX_SESSIONS_PER_USER,
};
pub use log::{Log, LogFormat};
pub use plugin::{
    CALL_TIME, Capability, FailureMode, MEMORY_BYTES, Mode, OUTPUT_BYTES, Plugin, PluginLimits, SHARE,
    START_TIME, Setting,
};
pub use resource::{ClientAuthorities, ClientProof, Fallback, ListenerTls, Protocol, Resource, ResourceKind};
pub use server::{DRAIN_TIMEOUT, MAX_INSPECTED_BYTES, MAX_SESSIONS, Server};
pub(crate) use server::{PLUGINS, STATE, USERS};
pub(crate) use upstream::POSTGRES_PORT;
pub use upstream::{Endpoint, OwnCertificate, PostgresUpstream, TlsMode};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub server: Server,
    pub log: Log,
    pub admin: Admin,
    pub audit: Audit,
    /// What resources get that do not say otherwise; each [`Resource`] has its own, complete.
    pub limits: Limits,
    /// In the order of the file. `resources[i]` is the file's i-th `[[resource]]`.
    pub resources: Vec<Resource>,
    /// Every plugin that a pipeline names or a `[plugin.NAME]` configures.
    pub plugins: BTreeMap<PluginName, Plugin>,
}

impl Settings {
    pub fn resource(&self, name: &ResourceName) -> Option<&Resource> {
        self.resources.iter().find(|resource| resource.name == *name)
    }
}

/// A number that can be set: what it is when it is not, and how far it goes.
#[derive(Clone, Copy, Debug)]
pub struct Knob<T> {
    pub default: T,
    /// The least that is accepted.
    pub least: T,
    /// The most that is accepted.
    pub most: T,
}

/// A number that can be set, and how far it goes. What it is when it is not set, somebody else decides.
#[derive(Clone, Copy, Debug)]
pub struct Range<T> {
    /// The least that is accepted.
    pub least: T,
    /// The most that is accepted.
    pub most: T,
}

/// What a key accepts, whoever knows its default.
pub(crate) struct Bounds<T> {
    pub(crate) least: T,
    pub(crate) most: T,
    pub(crate) default: Option<T>,
}

impl<T: PartialOrd> Bounds<T> {
    pub(crate) fn contains(&self, value: &T) -> bool {
        self.least <= *value && *value <= self.most
    }
}

impl<T: Copy> From<&Knob<T>> for Bounds<T> {
    fn from(knob: &Knob<T>) -> Self {
        Self { least: knob.least, most: knob.most, default: Some(knob.default) }
    }
}

impl<T: Copy> From<&Range<T>> for Bounds<T> {
    fn from(range: &Range<T>) -> Self {
        Self { least: range.least, most: range.most, default: None }
    }
}
