//! The gateway itself: start, stop, plugins, configuration, and the trail's own troubles.

use crate::canon::Object;
use crate::clock::rfc3339;
use std::ops::RangeInclusive;
use weir_model::{Digest, PluginName};

#[derive(Clone, Debug)]
pub struct HostStarted {
    pub version: String,
    /// Identifies the trail: chosen when it was created, the same in every start.
    pub instance: String,
}

#[derive(Clone, Debug)]
pub struct HostStopped {
    /// Such as `signal`, `drained`.
    pub reason: String,
}

/// Which component, exactly.
#[derive(Clone, Debug)]
pub struct PluginFacts {
    pub name: PluginName,
    pub file: String,
    pub digest: Digest,
    pub world: String,
    /// Of the contract it was built for.
    pub version: String,
    /// The set of plugins that holds it from now on, or held it last.
    pub generation: u64,
}

#[derive(Clone, Debug)]
pub struct PluginRefused {
    pub plugin: PluginFacts,
    pub reason: String,
}

#[derive(Clone, Debug)]
pub struct ConfigApplied {
    /// Of the file's bytes.
    pub digest: Digest,
    /// What the reload did: `applied`, `unchanged`, `needs-restart`, …
    pub outcome: String,
    /// One line each; never a secret's value.
    pub changes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct ConfigRefused {
    pub digest: Digest,
    pub problems: Vec<String>,
}

/// Between these two moments `events` events could not be recorded. Their effects were refused, unless the
/// effect had already happened (an outcome, a session's end). What a session still has of them it brings again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub events: u64,
    /// Microseconds since 1970-01-01 UTC.
    pub from_us: i64,
    pub until_us: i64,
    /// The first failure.
    pub reason: String,
}

/// What start-up closed in the name of a process that could not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Intents without outcome, now `unknown`.
    pub operations: u64,
    /// Held operations nobody waits for, now `host-stopped`.
    pub holds: u64,
}

#[derive(Clone, Debug)]
pub struct PayloadsErased {
    /// The records whose payload is gone.
    pub records: Vec<RangeInclusive<u64>>,
    pub reason: String,
    /// Who asked for it.
    pub actor: String,
}

impl HostStarted {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.word("instance", &self.instance);
        out.word("version", &self.version);
    }
}

impl HostStopped {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.text("reason", &self.reason);
    }
}

impl PluginFacts {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        self.detail_and_reason(out, "");
    }

    fn detail_and_reason(&self, out: &mut Object<'_>, reason: &str) {
        out.digest("digest", &self.digest);
        out.text("file", &self.file);
        out.number("generation", self.generation);
        out.word("plugin", self.name.as_str());
        out.text("reason", reason);
        out.text("version", &self.version);
        out.text("world", &self.world);
    }
}

impl PluginRefused {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        self.plugin.detail_and_reason(out, &self.reason);
    }
}

impl ConfigApplied {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.texts("changes", &self.changes);
        out.digest("digest", &self.digest);
        out.text("outcome", &self.outcome);
    }
}

impl ConfigRefused {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.digest("digest", &self.digest);
        out.texts("problems", &self.problems);
    }
}

impl Gap {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.number("events", self.events);
        out.word("from", &rfc3339(self.from_us));
        out.text("reason", &self.reason);
        out.word("until", &rfc3339(self.until_us));
    }
}

impl Recovered {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.number("holds", self.holds);
        out.number("operations", self.operations);
    }
}

impl PayloadsErased {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.text("actor", &self.actor);
        out.text("reason", &self.reason);
        out.objects("records", &self.records, |out, range| {
            out.number("from", *range.start());
            out.number("to", *range.end());
        });
    }
}
