//! What is different between two configurations, and when it takes effect.

use std::fmt;

use crate::Config;
use crate::settings::facts;

/// All differences, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Change>);

/// One key that is different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// `resource.customers.pipeline`. Never a value.
    pub key: String,
    pub kind: ChangeKind,
    pub effect: Effect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Add,
    Remove,
    Replace,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// At once, for sessions that begin from now on.
    NewSessions,
    /// When the process starts again: it concerns something that lives as long as the process.
    Restart,
}

/// What is set up once: memory for so many sessions, queues, folders, addresses.
const RESTART: [&str; 9] = [
    "server.plugins",
    "server.state",
    "server.max_sessions",
    "server.max_inspected_bytes",
    "admin.listen",
    "log.format",
    "audit.queue_records",
    "audit.queue_bytes",
    "audit.patience",
];

/// What `new` changes of `old`: settings, secrets (also when only the secret behind the reference is another one)
/// and users.
pub fn diff(old: &Config, new: &Config) -> Changes {
    let (old, new) = (facts::of(old.settings(), old.users()), facts::of(new.settings(), new.users()));
    let removed = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key, ChangeKind::Remove));
    let other = new.iter().filter_map(|(key, fact)| match old.get(key) {
        None => Some((key, ChangeKind::Add)),
        Some(before) if before != fact => Some((key, ChangeKind::Replace)),
        Some(_) => None,
    });
    let mut changes: Vec<Change> = removed
        .chain(other)
        .map(|(key, kind)| Change {
            key: key.clone(),
            kind,
            effect: if RESTART.contains(&key.as_str()) { Effect::Restart } else { Effect::NewSessions },
        })
        .collect();
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    Changes(changes)
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.0.iter()
    }

    /// The keys that need the process to start again.
    pub fn need_restart(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|change| change.effect == Effect::Restart).map(|change| change.key.as_str())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.kind {
            ChangeKind::Add => '+',
            ChangeKind::Remove => '-',
            ChangeKind::Replace => '~',
        };
        write!(out, "{sign} {}", self.key)?;
        match self.effect {
            Effect::Restart => out.write_str(" (after a restart)"),
            Effect::NewSessions => Ok(()),
        }
    }
}
