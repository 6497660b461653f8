//! A changed configuration: built beside, checked as a whole, then put in place of the old one, or not at all.
//!
//! New sessions get the new one at once. Live sessions keep what they began with, except those whose principal or
//! permission is gone: they end. What lives as long as the process (`Effect::Restart`) is named and waits.

use crate::http::{self, Serves};
use crate::log::LogLevel;
use crate::plugins;
use crate::serve::serve;
use crate::shared::{Running, Shared};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use weir_audit::{ConfigApplied, ConfigRefused, Event};
use weir_config::settings::{Protocol, Resource, Settings};
use weir_config::{Machine, Problems, diff};
use weir_guests::ReloadOutcome as GuestOutcome;
use weir_model::{Digest, ResourceName};
use weir_net::{BindError, Listener};

/// How often the files are looked at. A look is two `stat` calls.
const LOOK_EACH: Duration = Duration::from_millis(300);
/// An editor writes in several steps: a change is read when the file has been still for so long.
const SETTLE: Duration = Duration::from_millis(100);

/// Times of files come from a clock that moves in steps, 10 ms at most.
const CLOCK_GRAIN: Duration = Duration::from_millis(20);

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReloadOutcome {
    Applied,
    Unchanged,
    /// The old configuration goes on; why.
    Kept(String),
}

/// Notices that the configuration, the users file or a certificate has changed.
pub(crate) struct Changes {
    files: Vec<(PathBuf, Stamp)>,
}

/// What a file looks like from outside.
pub(crate) type Stamp = Option<(SystemTime, u64, u64)>;

impl Changes {
    /// `since`: when what is running began to be read. What was written later counts as changed, whether or not it was
    /// read already.
    pub(crate) fn of(shared: &Shared, since: SystemTime) -> Self {
        let running = shared.running();
        let settings = running.config.settings();
        let mut files = vec![running.config.file().to_owned(), settings.server.users.clone()];
        for resource in &settings.resources {
            // Renewed certificates are picked up like a changed configuration.
            files.extend(resource.files().map(Path::to_owned));
        }
        let since = since.checked_sub(CLOCK_GRAIN).unwrap_or(since);
        let seen = |file: &Path| stamp(file).filter(|(modified, ..)| *modified < since);
        Self { files: files.into_iter().map(|file| (file.clone(), seen(&file))).collect() }
    }

    /// Resolves when one of them has changed and is still again. Cancel safe.
    pub(crate) async fn next(&mut self) {
        loop {
            tokio::time::sleep(LOOK_EACH).await;
            if self.files.iter().all(|(file, seen)| stamp(file) == *seen) {
                continue;
            }
            loop {
                let before: Vec<Stamp> = self.files.iter().map(|(file, _)| stamp(file)).collect();
                tokio::time::sleep(SETTLE).await;
                if self.files.iter().map(|(file, _)| stamp(file)).eq(before) {
                    return;
                }
            }
        }
    }
}

pub(crate) fn stamp(file: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt;
    let facts = std::fs::metadata(file).ok()?;
    Some((facts.modified().ok()?, facts.len(), facts.ino()))
}

/// Loads, checks and applies what the files say now.
pub(crate) async fn reload(shared: &Arc<Shared>, listeners: &mut Listeners) -> ReloadOutcome {
    let file = shared.running().config.file().to_owned();
    // Secrets may come from programs that take their time.
    let loaded = tokio::task::spawn_blocking(move || {
        let digest = weir_config::file_digest(&file, &Machine).unwrap_or(Digest([0; 32]));
        (digest, weir_config::load(&file, &Machine))
    });
    let Ok((file_digest, loaded)) = loaded.await else {
        return ReloadOutcome::Kept("loading the configuration failed".into());
    };
    let refuse = async |problems: String| refuse(shared, file_digest, problems).await;
    let config = match loaded {
        Ok(config) => config,
        Err(problems) => return refuse(problems.to_string()).await,
    };
    let old = shared.running();
    let changes = diff(&old.config, &config);
    if changes.is_empty() {
        return ReloadOutcome::Unchanged;
    }
    let (digest, specs) = (config.digest(), plugins::specs(&config));
    // Every plugin must load with its new settings, and be what its place asks for, before anything changes.
    let rehearsed = shared.guests.rehearse(&specs).await;
    let problems = plugins::rehearsal_problems(&config, &rehearsed);
    if !problems.is_empty() {
        return refuse(Problems::new(problems).to_string()).await;
    }
    let bound = match listeners.bind_new(config.settings()) {
        Ok(bound) => bound,
        Err(error) => return refuse(error.to_string()).await,
    };
    let log = match LogLevel::parse(&config.settings().log.filter) {
        Ok(log) => log,
        Err(error) => return refuse(format!("log.level: {error}")).await,
    };
    let running = match Running::prepare(config) {
        Ok(running) => running,
        Err(error) => return refuse(format!("{error:#}")).await,
    };
    let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
    let outcome = if changes.need_restart().next().is_some() { "needs-restart" } else { "applied" };
    let event =
        Event::ConfigApplied(ConfigApplied { digest, outcome: outcome.into(), changes: told.clone() });
    // In the trail before it takes effect.
    if let Err(down) = shared.record_durably(event).await {
        return ReloadOutcome::Kept(format!("the change could not be recorded: {down}"));
    }
    for (name, outcome) in shared.guests.apply(specs).await {
        // Its file has changed since the rehearsal. The trail says so, and what was in service before stays.
        if let GuestOutcome::Kept { .. } | GuestOutcome::Missing = outcome {
            tracing::error!(plugin = %name, ?outcome, "a plugin of the new configuration is not in service");
        }
    }
    drop(rehearsed);
    shared.log.apply(log);
    shared.replace(running);
    listeners.put(bound, shared);
    shared.end_what_is_no_longer_permitted();
    tracing::info!(outcome, changes = told.join("; "), "configuration applied");
    ReloadOutcome::Applied
}

async fn refuse(shared: &Shared, digest: Digest, problems: String) -> ReloadOutcome {
    tracing::error!("configuration refused, the old one goes on:\n{problems}");
    let event = Event::ConfigRefused(ConfigRefused {
        digest,
        problems: problems.lines().map(ToOwned::to_owned).collect(),
    });
    if let Err(down) = shared.record_durably(event).await {
        tracing::error!(error = %down, "a refused configuration could not be recorded");
    }
    ReloadOutcome::Kept(problems)
}

/// The bound addresses.
#[derive(Default)]
pub(crate) struct Listeners {
    waiting: BTreeMap<Behind, (SocketAddr, Listener)>,
    serving: BTreeMap<Behind, (SocketAddr, watch::Sender<bool>)>,
}

/// What is behind an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Behind {
    Postgres(ResourceName),
    Http(Serves),
}

impl Behind {
    fn of(resource: &Resource) -> Self {
        match resource.protocol() {
            // Each free port is another one.
            Protocol::Http if resource.listen.port() == 0 => Self::Http(Serves::One(resource.name.clone())),
            Protocol::Http => Self::Http(Serves::Address(resource.listen)),
            _ => Self::Postgres(resource.name.clone()),
        }
    }

    fn serve(&self, shared: &Arc<Shared>, listener: Listener, stopped: watch::Receiver<bool>) {
        let shared = Arc::clone(shared);
        match self.clone() {
            Self::Postgres(name) => _ = tokio::spawn(serve(shared, name, listener, stopped)),
            Self::Http(serves) => _ = tokio::spawn(http::serve(shared, serves, listener, stopped)),
        }
    }
}

/// Addresses that are bound for a configuration that is not yet in effect.
pub(crate) struct Bound {
    new: BTreeMap<Behind, (SocketAddr, Listener)>,
    keep: BTreeMap<Behind, SocketAddr>,
}

impl Listeners {
    /// # Errors
    /// When an address cannot be bound.
    pub(crate) fn bind(settings: &Settings) -> Result<Self, BindError> {
        let mut waiting = BTreeMap::new();
        for resource in &settings.resources {
            if let Entry::Vacant(free) = waiting.entry(Behind::of(resource)) {
                free.insert((resource.listen, Listener::bind(resource.listen)?));
            }
        }
        Ok(Self { waiting, serving: BTreeMap::new() })
    }

    /// Accepts clients on everything that is bound.
    pub(crate) fn serve(&mut self, shared: &Arc<Shared>) {
        for (behind, (address, listener)) in std::mem::take(&mut self.waiting) {
            let (stop, stopped) = watch::channel(false);
            behind.serve(shared, listener, stopped);
            self.serving.insert(behind, (address, stop));
        }
    }

    fn bind_new(&self, settings: &Settings) -> Result<Bound, BindError> {
        let mut bound = Bound { new: BTreeMap::new(), keep: BTreeMap::new() };
        for resource in &settings.resources {
            let behind = Behind::of(resource);
            let same = self.serving.get(&behind).is_some_and(|(address, _)| *address == resource.listen);
            if same {
                bound.keep.insert(behind, resource.listen);
            } else if let Entry::Vacant(free) = bound.new.entry(behind) {
                free.insert((resource.listen, Listener::bind(resource.listen)?));
            }
        }
        Ok(bound)
    }

    fn put(&mut self, bound: Bound, shared: &Arc<Shared>) {
        self.serving.retain(|name, (_, stop)| {
            let keep = bound.keep.contains_key(name);
            if !keep {
                stop.send_replace(true);
            }
            keep
        });
        self.waiting = bound.new;
        self.serve(shared);
    }

    /// No new clients.
    pub(crate) fn stop(&self) {
        for (_, stop) in self.serving.values() {
            stop.send_replace(true);
        }
    }
}
