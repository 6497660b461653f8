//! Which plugins serve: generations, and how one follows another.
//!
//! A *generation* is an immutable set of loaded plugins with their settings. It is built beside the one in
//! service and put in its place in one step; whoever looked before goes on with what they saw. A version that
//! cannot be loaded never gets that far: the running one stays, and the reason goes out as an event.
//!
//! A file that is gone takes its plugin out of service: what needs it is refused until it is back.

use crate::contract::World;
use crate::instance::Bounds;
use crate::limits::MAX_FILE_BYTES;
use crate::load::{FailureMode, Loaded, Loader, PluginSpec, read};
use crate::look::PluginLook;
use crate::metrics::{PluginMetrics, count};
use crate::problem::{LoadProblem, Stage};
use crate::rollout::{Beside, Mode, Past, Probation};
use arc_swap::ArcSwap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use weir_model::{Digest, PluginName, SessionId};

/// Time between two looks at a file that is missing, or does not load: a copy in progress shows in it.
pub(crate) const SETTLE_TIME: Duration = Duration::from_millis(60);
/// How often a start waits for files to settle before it takes them as they are.
const SETTLE_ROUNDS: usize = 50;

/// An immutable set of plugins in service.
#[derive(Debug, Default)]
pub struct Generation {
    pub number: u64,
    plugins: BTreeMap<PluginName, Arc<Loaded>>,
    /// What is known of every configured plugin, in service or not.
    roles: BTreeMap<PluginName, Role>,
    /// Who is tried, by the name of what they are tried with.
    beside: BTreeMap<PluginName, Beside>,
}

#[derive(Clone, Copy, Debug)]
struct Role {
    world: Option<World>,
    failure_mode: FailureMode,
}

impl Generation {
    /// One that was never configured: what is in it serves, and nothing else is known.
    pub(crate) fn of(plugins: BTreeMap<PluginName, Arc<Loaded>>) -> Self {
        Self { plugins, ..Self::default() }
    }

    pub fn find(&self, name: &PluginName) -> Option<&Arc<Loaded>> {
        self.plugins.get(name)
    }

    /// Who serves a session under this name: the plugin, or its canary.
    pub(crate) fn serving(&self, name: &PluginName, session: &SessionId) -> Option<&Arc<Loaded>> {
        let canary = self.beside(name).and_then(|beside| beside.canary_for(session));
        canary.or_else(|| self.find(name))
    }

    pub(crate) fn beside(&self, name: &PluginName) -> Option<&Beside> {
        self.beside.get(name)
    }

    /// Whether the configuration names it, in service or not.
    pub fn is_configured(&self, name: &PluginName) -> bool {
        self.roles.contains_key(name)
    }

    pub fn plugins(&self) -> impl Iterator<Item = &Arc<Loaded>> {
        self.plugins.values()
    }

    /// The world of a plugin, also of one that was in service before.
    pub(crate) fn world(&self, name: &PluginName) -> Option<World> {
        self.roles.get(name).and_then(|role| role.world)
    }

    /// Whether operations may go on without it. Only a policy: a masker that is not there hides nothing.
    pub(crate) fn opens_when_missing(&self, name: &PluginName) -> bool {
        self.roles
            .get(name)
            .is_some_and(|role| role.failure_mode == FailureMode::Open && role.world == Some(World::Policy))
    }
}

/// The generation in service, for whoever needs to look.
#[derive(Clone)]
pub(crate) struct Current(Arc<ArcSwap<Generation>>);

impl Current {
    /// One that never changes.
    pub(crate) fn fixed(generation: Arc<Generation>) -> Self {
        Self(Arc::new(ArcSwap::new(generation)))
    }

    pub(crate) fn load(&self) -> Arc<Generation> {
        self.0.load_full()
    }

    /// Whether this one is in service. All sessions count their references in one place, which is not touched here.
    pub(crate) fn is(&self, seen: &Weak<Generation>) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.0.load()), seen.as_ptr())
    }

    /// Brings what a session holds up to date, and touches the count only when there is another.
    pub(crate) fn refresh(&self, held: &mut Arc<Generation>) {
        let now = self.0.load();
        if !Arc::ptr_eq(&now, held) {
            *held = Arc::clone(&now);
        }
    }
}

/// What became of one plugin when files or configuration changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReloadOutcome {
    /// This version serves from now on.
    Applied {
        digest: Digest,
    },
    Unchanged,
    /// Refused. With `running`, an earlier version goes on; else there is none.
    Kept {
        problem: LoadProblem,
        running: Option<Digest>,
    },
    /// Its file is not there.
    Missing,
}

/// Something the trail should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    Loaded {
        name: PluginName,
        digest: Digest,
        world: World,
        version: String,
        generation: u64,
    },
    /// `generation` is the one that stays.
    Refused {
        name: PluginName,
        digest: Option<Digest>,
        problem: LoadProblem,
        generation: u64,
    },
    Removed {
        name: PluginName,
        digest: Digest,
        generation: u64,
    },
    /// It was tried beside `of` or for it, and misbehaved: it is asked no more.
    SetAside {
        name: PluginName,
        digest: Digest,
        of: PluginName,
        reason: String,
        /// What was tried: file, settings, way. A host that starts anew with it does not try it again.
        tried: Digest,
        /// It was before, and is loaded again.
        again: bool,
    },
}

/// What is configured, and what was last seen of it.
#[derive(Default)]
struct Configured {
    specs: Vec<PluginSpec>,
    seen: BTreeMap<PluginName, PluginLook>,
    /// Whose newest file was refused.
    refused: BTreeSet<PluginName>,
}

pub(crate) struct Registry {
    loader: Arc<Loader>,
    current: Current,
    configured: tokio::sync::Mutex<Configured>,
    events: UnboundedSender<GuestEvent>,
    past: Arc<Past>,
    metrics: Mutex<BTreeMap<PluginName, Arc<PluginMetrics>>>,
    /// What has been in service, with the generation it came with.
    versions: Mutex<Vec<(u64, Weak<Bounds>)>>,
}

/// A version of a plugin that serves, or that a session still has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    pub name: PluginName,
    pub digest: Digest,
    /// The generation it came with.
    pub generation: u64,
    /// Instances alive: one in each session that has it.
    pub instances: u64,
    /// Whether new sessions get it.
    pub serves: bool,
}

/// What a look at one plugin came to.
enum Step {
    Unchanged(Option<PluginLook>),
    New(Box<Loaded>, PluginLook),
    Gone,
    Bad {
        problem: LoadProblem,
        digest: Option<Digest>,
        look: PluginLook,
    },
    /// Somebody is writing: look again.
    Unsettled,
}

impl Registry {
    pub(crate) fn new(loader: Arc<Loader>, events: UnboundedSender<GuestEvent>, past: Past) -> Self {
        Self {
            loader,
            current: Current(Arc::default()),
            configured: tokio::sync::Mutex::default(),
            events,
            past: Arc::new(past),
            metrics: Mutex::default(),
            versions: Mutex::default(),
        }
    }

    pub(crate) fn current(&self) -> Current {
        self.current.clone()
    }

    pub(crate) fn loader(&self) -> &Arc<Loader> {
        &self.loader
    }

    pub(crate) fn metrics(&self, name: &PluginName) -> Arc<PluginMetrics> {
        let mut metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(metrics.entry(name.clone()).or_default())
    }

    /// Of every plugin that is configured, or that a session still has. Those of others are kept, for one that comes
    /// back goes on counting where it was.
    pub(crate) fn all_metrics(&self) -> Vec<(PluginName, Arc<PluginMetrics>)> {
        let used: BTreeSet<PluginName> = self.versions().into_iter().map(|version| version.name).collect();
        let current = self.current.load();
        let metrics = self.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        let here = metrics.iter().filter(|(name, _)| current.is_configured(name) || used.contains(*name));
        here.map(|(name, each)| (name.clone(), Arc::clone(each))).collect()
    }

    /// Every version that serves or is still used, the oldest first.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let current = self.current.load();
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.retain(|(_, bounds)| bounds.strong_count() > 0);
        let alive = versions.iter().filter_map(|(generation, bounds)| Some((*generation, bounds.upgrade()?)));
        alive
            .map(|(generation, bounds)| Version {
                name: bounds.plugin.clone(),
                digest: bounds.digest,
                generation,
                instances: u64::try_from(bounds.resident.load(Ordering::Relaxed)).unwrap_or(0),
                serves: current
                    .find(&bounds.plugin)
                    .is_some_and(|loaded| Arc::ptr_eq(&loaded.bounds, &bounds)),
            })
            .collect()
    }

    pub(crate) async fn specs(&self) -> Vec<PluginSpec> {
        self.configured.lock().await.specs.clone()
    }

    pub(crate) async fn files(&self) -> BTreeSet<PathBuf> {
        self.configured.lock().await.specs.iter().map(|spec| spec.file.clone()).collect()
    }

    /// Takes a new configuration: all that changed becomes one generation.
    pub(crate) async fn apply(&self, specs: Vec<PluginSpec>) -> Vec<(PluginName, ReloadOutcome)> {
        let mut configured = self.configured.lock().await;
        for round in 0.. {
            let last = round >= SETTLE_ROUNDS;
            let (outcomes, settled) = self.pass(&mut configured, &specs, last).await;
            if settled {
                return outcomes;
            }
            tokio::time::sleep(SETTLE_TIME).await;
        }
        Vec::new()
    }

    /// Looks whether files changed. False: somebody is writing, look again soon.
    pub(crate) async fn rescan(&self) -> bool {
        let mut configured = self.configured.lock().await;
        let specs = configured.specs.clone();
        self.pass(&mut configured, &specs, false).await.1
    }

    async fn pass(
        &self,
        configured: &mut Configured,
        specs: &[PluginSpec],
        take_as_is: bool,
    ) -> (Vec<(PluginName, ReloadOutcome)>, bool) {
        let before = self.current.load();
        let mut tasks = JoinSet::new();
        for (index, spec) in specs.iter().enumerate() {
            let same = configured.specs.contains(spec);
            let known = same.then(|| configured.seen.get(&spec.name).copied()).flatten();
            let running = before.find(&spec.name).filter(|_| same).cloned();
            let (loader, spec) = (Arc::clone(&self.loader), spec.clone());
            let metrics = self.metrics(&spec.name);
            tasks.spawn(async move {
                (index, look_at(&loader, &spec, known, running, metrics, take_as_is).await)
            });
        }
        let mut steps = BTreeMap::new();
        while let Some(joined) = tasks.join_next().await {
            if let Ok((index, step)) = joined {
                steps.insert(index, step);
            }
        }
        let settled = !steps.values().any(|step| matches!(step, Step::Unsettled));
        let outcomes = self.carry_out(configured, specs, &before, steps);
        (outcomes, settled)
    }

    /// Turns what was seen into a generation, if anything changed, and tells of it.
    fn carry_out(
        &self,
        configured: &mut Configured,
        specs: &[PluginSpec],
        before: &Generation,
        mut steps: BTreeMap<usize, Step>,
    ) -> Vec<(PluginName, ReloadOutcome)> {
        let number = before.number + 1;
        let mut plugins = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(specs.len());
        let mut events = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let name = &spec.name;
            let running = before.find(name);
            let stay = |plugins: &mut BTreeMap<_, _>| {
                running.map(|running| plugins.insert(name.clone(), Arc::clone(running)));
                running.map(|running| running.digest)
            };
            let outcome = match steps.remove(&index) {
                Some(Step::New(mut loaded, look)) => {
                    let probation = Probation::begin(&loaded, &spec.mode, &self.past, &self.events);
                    let (probation, set_aside) = probation.unzip();
                    loaded.probation = probation;
                    configured.seen.insert(name.clone(), look);
                    configured.refused.remove(name);
                    count(&self.metrics(name).loads);
                    events.push(in_service(name, &loaded, number));
                    events.extend(set_aside.flatten());
                    let digest = loaded.digest;
                    let version = (number, Arc::downgrade(&loaded.bounds));
                    self.versions.lock().unwrap_or_else(PoisonError::into_inner).push(version);
                    plugins.insert(name.clone(), Arc::new(*loaded));
                    ReloadOutcome::Applied { digest }
                }
                Some(Step::Bad { problem, digest, look }) => {
                    configured.seen.insert(name.clone(), look);
                    configured.refused.insert(name.clone());
                    count(&self.metrics(name).refusals);
                    let generation = before.number;
                    let problem_told = problem.clone();
                    events.push(GuestEvent::Refused {
                        name: name.clone(),
                        digest,
                        problem: problem_told,
                        generation,
                    });
                    ReloadOutcome::Kept { problem, running: stay(&mut plugins) }
                }
                Some(Step::Gone) => {
                    configured.seen.remove(name);
                    configured.refused.remove(name);
                    if let Some(running) = running {
                        let (name, digest) = (name.clone(), running.digest);
                        events.push(GuestEvent::Removed { name, digest, generation: number });
                    }
                    ReloadOutcome::Missing
                }
                Some(Step::Unchanged(look)) => {
                    look.map(|look| configured.seen.insert(name.clone(), look));
                    stay(&mut plugins);
                    // The file is again the one that has served all along: whoever was told of the bad one is told so.
                    if let Some(running) = running.filter(|_| look.is_some())
                        && configured.refused.remove(name)
                    {
                        events.push(in_service(name, running, before.number));
                    }
                    ReloadOutcome::Unchanged
                }
                Some(Step::Unsettled) | None => {
                    stay(&mut plugins);
                    ReloadOutcome::Unchanged
                }
            };
            outcomes.push((name.clone(), outcome));
        }
        for dropped in before.plugins().filter(|old| !specs.iter().any(|spec| spec.name == old.name)) {
            configured.seen.remove(&dropped.name);
            configured.refused.remove(&dropped.name);
            let (name, digest) = (dropped.name.clone(), dropped.digest);
            events.push(GuestEvent::Removed { name, digest, generation: number });
        }
        let same_specs = configured.specs == specs;
        let same_plugins = plugins.len() == before.plugins.len()
            && plugins.iter().all(|(name, new)| before.find(name).is_some_and(|old| Arc::ptr_eq(old, new)));
        if !same_specs || !same_plugins {
            let roles = specs.iter().map(|spec| {
                let world = plugins.get(&spec.name).map(|loaded| loaded.world);
                let world = world.or(spec.expected_world).or_else(|| before.world(&spec.name));
                (spec.name.clone(), Role { world, failure_mode: spec.failure_mode })
            });
            let roles = roles.collect();
            configured.specs = specs.to_vec();
            let beside = beside(specs, &plugins);
            self.current.0.store(Arc::new(Generation { number, plugins, roles, beside }));
            self.loader.metrics.generation.store(number, Ordering::Relaxed);
        }
        for event in events {
            tell(&event);
            // Nobody listens any more: the host is going down.
            let _ = self.events.send(event);
        }
        outcomes
    }
}

fn in_service(name: &PluginName, loaded: &Loaded, generation: u64) -> GuestEvent {
    GuestEvent::Loaded {
        name: name.clone(),
        digest: loaded.digest,
        world: loaded.world,
        version: loaded.manifest.version.clone(),
        generation,
    }
}

/// Who is tried with whom.
fn beside(specs: &[PluginSpec], plugins: &BTreeMap<PluginName, Arc<Loaded>>) -> BTreeMap<PluginName, Beside> {
    let mut all: BTreeMap<PluginName, Beside> = BTreeMap::new();
    for spec in specs {
        let (Some(of), Some(loaded)) = (spec.mode.of(), plugins.get(&spec.name)) else { continue };
        let beside = all.entry(of.clone()).or_default();
        match spec.mode {
            Mode::Shadow { .. } => beside.shadow = Some(Arc::clone(loaded)),
            Mode::Canary { .. } => beside.canary = Some(Arc::clone(loaded)),
            Mode::Enforce => {}
        }
    }
    all
}

/// Looks at one plugin's file, and loads it if there is something new.
async fn look_at(
    loader: &Arc<Loader>,
    spec: &PluginSpec,
    known: Option<PluginLook>,
    running: Option<Arc<Loaded>>,
    metrics: Arc<PluginMetrics>,
    take_as_is: bool,
) -> Step {
    let mut look = PluginLook::at(spec);
    if look.is_none() {
        // Some tools replace a file by removing it first.
        tokio::time::sleep(SETTLE_TIME).await;
        look = PluginLook::at(spec);
    }
    let Some(look) = look else { return Step::Gone };
    if known == Some(look) {
        return Step::Unchanged(None);
    }
    let (problem, digest) = match read_apart(spec).await {
        Ok((_, digest)) if running.as_ref().is_some_and(|running| running.digest == digest) => {
            return Step::Unchanged(Some(look));
        }
        Ok((bytes, digest)) => {
            let mut spec = spec.clone();
            // Sessions count on what a plugin is: a file that is something else needs a configuration that says so.
            spec.expected_world = spec.expected_world.or(running.map(|running| running.world));
            match loader.load(&spec, bytes, digest, metrics).await {
                Ok(loaded) => return Step::New(Box::new(loaded), look),
                Err(problem) => (problem, Some(digest)),
            }
        }
        Err(problem) => (problem, None),
    };
    if !take_as_is {
        tokio::time::sleep(SETTLE_TIME).await;
        if PluginLook::at(spec) != Some(look) {
            return Step::Unsettled;
        }
    }
    Step::Bad { problem, digest, look }
}

async fn read_apart(spec: &PluginSpec) -> Result<(Arc<[u8]>, Digest), LoadProblem> {
    let spec = spec.clone();
    let reading = tokio::task::spawn_blocking(move || read(&spec));
    let stopped = || LoadProblem::new(Stage::Read, format!("not read (limit {} MiB)", MAX_FILE_BYTES >> 20));
    reading.await.map_err(|_| stopped())?
}

fn tell(event: &GuestEvent) {
    match event {
        GuestEvent::Loaded { name, digest, world, version, generation } => {
            tracing::info!(plugin = %name, %digest, %world, version, generation, "plugin in service");
        }
        GuestEvent::Refused { name, problem, generation, .. } => {
            let stage = problem.stage.as_word();
            tracing::error!(plugin = %name, stage, %problem, generation, "plugin refused");
        }
        GuestEvent::Removed { name, digest, generation } => {
            tracing::warn!(plugin = %name, %digest, generation, "plugin out of service");
        }
        // Told where it happens.
        GuestEvent::SetAside { .. } => {}
    }
}
