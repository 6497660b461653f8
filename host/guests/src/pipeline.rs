//! The room's front: what the host starts, and what a session is given.

use crate::cache::CodeCache;
use crate::contract::World;
use crate::engine::{Allocation, EngineConfig, GuestEngine};
use crate::fault;
use crate::http::GuestHttpInspector;
use crate::inspector::{GuestInspector, Prepared};
use crate::limits::session_memory;
use crate::load::{Loaded, Loader, PluginSpec, read};
use crate::masker::GuestMaskers;
use crate::metrics::{PluginMetrics, RoomMetrics};
use crate::outside::Outside;
use crate::policy::GuestPolicies;
use crate::problem::{LoadProblem, Stage};
use crate::registry::{Generation, GuestEvent, Registry, ReloadOutcome, Version};
use crate::rollout::Past;
use crate::state::{SessionMemory, Visit};
use crate::watch::Watch;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use weir_model::{Digest, Fault, FaultSource, PluginName, SessionInfo};
use weir_session::ports::Maskers;

/// How the room is set up.
#[derive(Clone)]
pub struct GuestsConfig {
    /// The folder that is watched; specs may name files elsewhere.
    pub plugins: PathBuf,
    /// Where compiled plugins are kept; none: they are compiled at each start.
    pub cache: Option<PathBuf>,
    pub engine: EngineConfig,
    /// Whether changed files take effect while the host runs.
    pub watch: bool,
    /// What plugins reach that were granted it.
    pub outside: Arc<dyn Outside>,
}

/// All plugins of a host.
pub struct Guests {
    registry: Arc<Registry>,
    allocation: Allocation,
    folder: PathBuf,
    _watch: Option<Watch>,
}

/// What a host gets when it starts the room.
pub struct Started {
    pub guests: Guests,
    /// What became of each spec. The host decides whether it starts with less than all.
    pub outcomes: Vec<(PluginName, ReloadOutcome)>,
    /// Loaded, refused, removed: for the trail. From the first load on.
    pub events: UnboundedReceiver<GuestEvent>,
}

/// The room could not be set up at all.
#[derive(Debug, thiserror::Error)]
#[error("the plugin engine does not start: {0}")]
pub struct StartError(String);

impl StartError {
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

/// What an inspector must know of the session's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InspectorLimits {
    pub max_operation_bytes: u32,
    pub max_answer_bytes: u32,
}

/// The plugins of one session. The inspector keeps its version; policies and maskers follow the current one.
pub struct SessionGuests {
    pub inspector: GuestInspector,
    pub policies: GuestPolicies,
    pub maskers: GuestMaskers,
}

/// The same for a session over HTTP.
pub struct HttpGuests {
    pub inspector: GuestHttpInspector,
    pub policies: GuestPolicies,
    pub maskers: GuestMaskers,
}

/// What judges and hides in one session. It is open before the session's upstream is, because what a client asks
/// for with its first packet is judged too.
pub struct SessionJudges {
    pub policies: GuestPolicies,
    pub maskers: GuestMaskers,
    inspector: Arc<Loaded>,
    /// One for a stream is made with the others, while the code that makes them is in the caches.
    prepared: Option<Prepared>,
    memory: SessionMemory,
}

impl SessionJudges {
    /// Whether the pipeline has maskers.
    pub fn masking(&self) -> bool {
        self.maskers.active()
    }
}

/// A plugin of a configuration that is being tried. While this lives, its compiled code is there.
pub struct Rehearsed {
    pub world: World,
    _loaded: Option<Loaded>,
}

/// A picture of what is in service.
#[derive(Clone, Debug)]
pub struct Status {
    pub generation: Arc<Generation>,
    pub allocation: Allocation,
    /// Files in the folder that no spec names: they are not loaded.
    pub unused: Vec<PathBuf>,
}

impl Guests {
    /// Starts the engine and loads what is configured.
    ///
    /// # Errors
    /// When the engine does not start. A plugin that does not load is an outcome, not an error.
    pub async fn start(config: GuestsConfig, specs: Vec<PluginSpec>) -> Result<Started, StartError> {
        Self::start_knowing(config, specs, Vec::new()).await
    }

    /// The same, and what was set aside before is not tried again: what was tried, and why that ended.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_knowing(
        config: GuestsConfig,
        specs: Vec<PluginSpec>,
        set_aside: Vec<(Digest, String)>,
    ) -> Result<Started, StartError> {
        let show = |error: wasmtime::Error| StartError(format!("{error:#}"));
        let engine = GuestEngine::start(&config.engine).map_err(show)?;
        let allocation = engine.allocation.clone();
        let metrics = Arc::new(RoomMetrics::default());
        let cache = config.cache.as_deref().and_then(|folder| {
            CodeCache::open(folder, &engine.engine, Arc::clone(&metrics))
                .inspect_err(|why| tracing::warn!(%why, "compiled plugins are not kept"))
                .ok()
        });
        let loader = Loader::new(engine, cache, config.engine.compilers, metrics, config.outside);
        let loader = loader.map_err(show)?;
        let (sender, events) = mpsc::unbounded_channel();
        let registry = Arc::new(Registry::new(Arc::new(loader), sender, Past::new(set_aside)));
        let outcomes = registry.apply(specs).await;
        let watch = config.watch.then(|| Watch::start(Arc::clone(&registry), config.plugins.clone()));
        let guests = Self { registry, allocation, folder: config.plugins, _watch: watch };
        Ok(Started { guests, outcomes, events })
    }

    /// Takes a changed configuration: one new generation for all that changed; what does not load keeps its
    /// running version.
    pub async fn apply(&self, specs: Vec<PluginSpec>) -> Vec<(PluginName, ReloadOutcome)> {
        self.registry.apply(specs).await
    }

    /// Looks at the files now instead of waiting for the watch.
    pub async fn rescan(&self) {
        while !self.registry.rescan().await {
            tokio::time::sleep(crate::registry::SETTLE_TIME).await;
        }
    }

    /// Loads a plugin without taking it into service: `weir check`.
    ///
    /// # Errors
    /// What [`Guests::apply`] would refuse it for.
    pub async fn check(&self, spec: &PluginSpec) -> Result<Loaded, LoadProblem> {
        let at = spec.clone();
        let (bytes, digest) = tokio::task::spawn_blocking(move || read(&at))
            .await
            .map_err(|_| LoadProblem::new(Stage::Read, "not read"))??;
        self.registry.loader().load(spec, bytes, digest, Arc::default()).await
    }

    /// Tries a changed configuration without taking anything of it into service. What the change does not concern
    /// counts as it serves now, whatever its file has become.
    pub async fn rehearse(&self, specs: &[PluginSpec]) -> Vec<(PluginName, Result<Rehearsed, LoadProblem>)> {
        let configured = self.registry.specs().await;
        let generation = self.generation();
        let mut rehearsed = Vec::with_capacity(specs.len());
        for spec in specs {
            let serves = configured.contains(spec).then(|| generation.world(&spec.name)).flatten();
            let outcome = match serves {
                Some(world) => Ok(Rehearsed { world, _loaded: None }),
                None => self
                    .check(spec)
                    .await
                    .map(|loaded| Rehearsed { world: loaded.world, _loaded: Some(loaded) }),
            };
            rehearsed.push((spec.name.clone(), outcome));
        }
        rehearsed
    }

    /// Opens the plugins of a pipeline for one session, in the pipeline's order.
    ///
    /// # Errors
    /// When the pipeline has no inspector or several, or a plugin does not take the session. A policy or masker
    /// that is missing does not refuse the session but each operation, until it is back.
    pub async fn open_session(
        &self,
        info: &SessionInfo,
        pipeline: &[PluginName],
        parameters: &[(String, String)],
        limits: InspectorLimits,
    ) -> Result<SessionGuests, Fault> {
        let judges = self.open_judges(info, pipeline).await?;
        self.open_inspector(judges, info, parameters, limits).await
    }

    /// The first half of [`open_session`](Self::open_session): what needs no upstream.
    ///
    /// # Errors
    /// As for `open_session`.
    pub async fn open_judges(
        &self,
        info: &SessionInfo,
        pipeline: &[PluginName],
    ) -> Result<SessionJudges, Fault> {
        let current = self.registry.current();
        let generation = current.load();
        let (mut inspectors, mut policies, mut maskers) = (Vec::new(), Vec::new(), Vec::new());
        for name in pipeline {
            match generation.world(name) {
                Some(World::StreamInspector | World::HttpInspector) => inspectors.push(name),
                Some(World::Masker) => maskers.push(name.clone()),
                // One that never was in service refuses every operation, which is what policies can do.
                Some(World::Policy) | None => policies.push(name.clone()),
            }
        }
        let wrong = |what: &str| {
            Fault::new(FaultSource::Host, fault::code::PIPELINE, "this resource is not available")
                .with_detail(format!("{what} in the pipeline of {}", info.resource))
        };
        let [inspector] = inspectors.as_slice() else {
            return Err(match inspectors.is_empty() {
                true => wrong("no inspector"),
                false => wrong("several inspectors"),
            });
        };
        let inspector = Arc::clone(generation.find(inspector).ok_or_else(|| fault::missing(inspector))?);
        let of_each = pipeline.iter().flat_map(|name| {
            let beside = generation.beside(name);
            let tried = beside.map(|it| [&it.shadow, &it.canary]).into_iter().flatten().flatten();
            generation.find(name).into_iter().chain(tried)
        });
        let memory =
            SessionMemory::new(session_memory(of_each.map(|loaded| loaded.bounds.limits.memory_bytes)));
        let info = Arc::new(Visit::new(info.clone(), memory.clone()));
        let policies = GuestPolicies::open(Arc::clone(&info), current.clone(), &generation, policies).await?;
        let maskers = GuestMaskers::open(Arc::clone(&info), current, &generation, maskers).await?;
        let prepared = match inspector.world {
            World::StreamInspector => Some(GuestInspector::prepare(&inspector, &info).await?),
            _ => None,
        };
        Ok(SessionJudges { policies, maskers, inspector, prepared, memory })
    }

    /// The second half for HTTP: the inspector needs nothing of the upstream.
    ///
    /// # Errors
    /// When it is no HTTP inspector or does not take the session.
    pub async fn open_http_inspector(
        &self,
        judges: SessionJudges,
        info: &SessionInfo,
        limits: InspectorLimits,
    ) -> Result<HttpGuests, Fault> {
        let SessionJudges { policies, maskers, inspector, memory, .. } = judges;
        let masking = maskers.active();
        let info = &Visit::new(info.clone(), memory);
        let inspector = GuestHttpInspector::open(&inspector, info, limits, masking).await?;
        Ok(HttpGuests { inspector, policies, maskers })
    }

    /// The second half: the inspector, which is told what the upstream has said of itself (`parameters`).
    ///
    /// # Errors
    /// When it does not take the session.
    pub async fn open_inspector(
        &self,
        judges: SessionJudges,
        info: &SessionInfo,
        parameters: &[(String, String)],
        limits: InspectorLimits,
    ) -> Result<SessionGuests, Fault> {
        let SessionJudges { policies, maskers, inspector, prepared, memory } = judges;
        let masking = maskers.active();
        let info = &Visit::new(info.clone(), memory);
        let prepared = match prepared {
            Some(prepared) => prepared,
            None => GuestInspector::prepare(&inspector, info).await?,
        };
        let inspector = GuestInspector::open(prepared, &inspector, info, parameters, limits, masking).await?;
        Ok(SessionGuests { inspector, policies, maskers })
    }

    pub fn generation(&self) -> Arc<Generation> {
        self.registry.current().load()
    }

    /// Counters of every plugin that was ever configured, by name.
    pub fn metrics(&self) -> Vec<(PluginName, Arc<PluginMetrics>)> {
        self.registry.all_metrics()
    }

    /// Every version of every plugin that serves or that a session still has.
    pub fn versions(&self) -> Vec<Version> {
        self.registry.versions()
    }

    pub fn room_metrics(&self) -> Arc<RoomMetrics> {
        Arc::clone(&self.registry.loader().metrics)
    }

    pub async fn status(&self) -> Status {
        let used = self.registry.files().await;
        let files = std::fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let is_plugin = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
        let mut unused: Vec<_> = files.filter(is_plugin).filter(|path| !used.contains(path)).collect();
        unused.sort();
        Status { generation: self.generation(), allocation: self.allocation.clone(), unused }
    }
}
