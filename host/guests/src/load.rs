//! From a file to something that serves: each step may refuse, with a reason and advice.
//!
//! read → digest → lock file and signature → component → version → world → imports → compile (or cache) → describe → settings → one
//! trial of `configure` and `open` in an instance of its own. Nothing of a file runs before its imports are
//! checked, and nothing serves before its trial.
//!
//! A plugin's *configured snapshot* (initialise once, then give every session a copy-on-write copy) would go
//! between the trial and [`Loaded`]: sessions would start from `Code` of the snapshot and skip `configure`.

use crate::cache::CodeCache;
use crate::contract::v0_1::inspect::exports::weir::plugin::{http_inspect, stream_inspect};
use crate::contract::v0_1::judge::exports::weir::plugin::{decide, lifecycle, mask};
use crate::contract::v0_1::judge::weir::plugin::{
    host_clock, host_http, host_key_value, host_log, host_metrics, host_random,
};
use crate::contract::{ContractVersion, PACKAGE, SERVED, World};
use crate::engine::GuestEngine;
use crate::instance::{Bounds, Fenced};
use crate::limits::{
    Largest, LimitOverrides, MAX_FILE_BYTES, MAX_SENTENCE_CHARS, MAX_WORD_CHARS, PluginLimits,
};
use crate::log::SharedRate;
use crate::metrics::{PluginMetrics, RoomMetrics, count};
use crate::outside::Outside;
use crate::problem::{LoadProblem, Stage};
use crate::rollout::{Mode, Probation};
use crate::signs::Searches;
use crate::state::GuestState;
use crate::surface::{Capability, Surface, as_component};
use crate::text::clean;
use crate::trust::{self, Trust};
use crate::{settings, trial, wasi};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker};
use weir_model::{Digest, Fault, JudgedBy, PluginName};

/// Longest wait for a compilation: the largest plugin we know takes 15 s on a busy machine. Native compilation
/// cannot be cut; what takes longer goes on in its thread and holds its place there.
const COMPILE_TIME: Duration = Duration::from_secs(120);

/// What happens to an operation when a policy fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureMode {
    /// It is refused.
    #[default]
    Closed,
    /// The policy counts as absent.
    Open,
}

/// A plugin as the configuration names it.
#[derive(Clone, PartialEq, Eq)]
pub struct PluginSpec {
    pub name: PluginName,
    pub file: PathBuf,
    /// JSON; empty for none.
    pub settings_json: String,
    /// All but [`Capability::Http`], which `http` grants.
    pub capabilities: Vec<Capability>,
    /// Origins it may reach: `https://risk.internal`, in lower case, the port only where it is not the scheme's own.
    pub http: Vec<String>,
    pub limits: LimitOverrides,
    /// What its limits follow where they are not set.
    pub largest: Largest,
    pub failure_mode: FailureMode,
    pub mode: Mode,
    /// Refuse it if it is of another world.
    pub expected_world: Option<World>,
    /// What its file must show first.
    pub trust: Trust,
}

impl PluginSpec {
    pub fn new(name: PluginName, file: PathBuf) -> Self {
        Self {
            name,
            file,
            settings_json: String::new(),
            capabilities: Vec::new(),
            http: Vec::new(),
            limits: LimitOverrides::default(),
            largest: Largest::default(),
            failure_mode: FailureMode::Closed,
            mode: Mode::Enforce,
            expected_world: None,
            trust: Trust::default(),
        }
    }
}

impl std::fmt::Debug for PluginSpec {
    /// Without the settings, in which secrets are.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PluginSpec")
            .field("name", &self.name)
            .field("file", &self.file)
            .field("capabilities", &self.capabilities)
            .field("limits", &self.limits)
            .field("failure_mode", &self.failure_mode)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub name: String,
    pub version: String,
    pub description: String,
    /// JSON Schema; empty when it takes no settings.
    pub settings_schema: String,
}

/// A plugin in service, with its settings.
pub struct Loaded {
    pub name: PluginName,
    pub digest: Digest,
    pub world: World,
    pub version: ContractVersion,
    pub manifest: Manifest,
    pub failure_mode: FailureMode,
    /// JSON as the plugin gets it.
    pub settings: String,
    /// `open` did not take the session it was tried with; real ones may fare better.
    pub open_fault: Option<Fault>,
    /// Of one that is tried.
    pub(crate) probation: Option<Arc<Probation>>,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) bounds: Arc<Bounds>,
    /// what its maskers look for
    pub(crate) searches: Arc<Searches>,
}

impl Loaded {
    pub fn judged_by(&self, answer: &'static str) -> JudgedBy {
        JudgedBy { plugin: self.name.clone(), digest: self.digest, answer }
    }

    /// The same with a name of its own, for a session to copy from: sessions need not count in one place.
    pub(crate) fn judged_apart(&self, answer: &'static str) -> JudgedBy {
        JudgedBy { plugin: PluginName::new(self.name.as_str()), digest: self.digest, answer }
    }

    pub fn limits(&self) -> &PluginLimits {
        &self.bounds.limits
    }

    /// What it imports that must be granted.
    pub fn wishes(&self) -> &BTreeSet<Capability> {
        &self.compiled.surface.wishes
    }

    /// Whether it has not been set aside.
    pub(crate) fn is_trusted(&self) -> bool {
        self.set_aside().is_none()
    }

    /// An answer of it. A failure of one that is tried counts against it.
    pub(crate) fn watched<Answer>(&self, answer: Result<Answer, Fault>) -> Result<Answer, Fault> {
        if let (Err(fault), Some(probation)) = (&answer, &self.probation) {
            probation.failed(fault);
        }
        answer
    }

    /// Why it was set aside, if it was: it was tried, and misbehaved.
    pub fn set_aside(&self) -> Option<&str> {
        self.probation.as_ref().and_then(|probation| probation.over())
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Loaded")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}

/// Code of one file, ready to be instantiated; shared by all settings it is used with.
pub(crate) struct Compiled {
    digest: Digest,
    surface: Surface,
    pub(crate) code: Code,
    manifest: Manifest,
}

/// Linked code with the places of its exports. A further contract version becomes a further arm of [`Exports`].
pub(crate) struct Code {
    pub(crate) pre: InstancePre<GuestState>,
    pub(crate) lifecycle: lifecycle::GuestIndices,
    pub(crate) exports: Exports,
}

pub(crate) enum Exports {
    StreamInspector(stream_inspect::GuestIndices),
    HttpInspector(http_inspect::GuestIndices),
    Policy(decide::GuestIndices),
    Masker(mask::GuestIndices),
}

pub(crate) struct Loader {
    pub(crate) engine: GuestEngine,
    linker: Linker<GuestState>,
    cache: Option<CodeCache>,
    compilers: Arc<Semaphore>,
    pub(crate) metrics: Arc<RoomMetrics>,
    outside: Arc<dyn Outside>,
    known: Mutex<HashMap<Digest, Weak<Compiled>>>,
}

impl Loader {
    pub(crate) fn new(
        engine: GuestEngine,
        cache: Option<CodeCache>,
        compilers: usize,
        metrics: Arc<RoomMetrics>,
        outside: Arc<dyn Outside>,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(&engine.engine);
        host_log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        host_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        host_random::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        host_key_value::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        host_metrics::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        host_http::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut GuestState| state)?;
        for served in SERVED {
            // Types only, but a component imports the interface by its name.
            linker.instance(&format!("{PACKAGE}/types@{served}"))?;
        }
        let compilers = Arc::new(Semaphore::new(compilers.max(1)));
        Ok(Self { engine, linker, cache, compilers, metrics, outside, known: Mutex::default() })
    }

    /// Brings a file's contents to the point where they serve.
    pub(crate) async fn load(
        self: &Arc<Self>,
        spec: &PluginSpec,
        bytes: Arc<[u8]>,
        digest: Digest,
        metrics: Arc<PluginMetrics>,
    ) -> Result<Loaded, LoadProblem> {
        let compiled = match self.known(&digest) {
            Some(compiled) => compiled,
            None => self.compile(spec, bytes, digest, &metrics).await?,
        };
        let world = compiled.surface.world;
        if let Some(expected) = spec.expected_world
            && expected != world
        {
            return Err(LoadProblem::new(Stage::World, format!("it is a {world}; a {expected} is needed")));
        }
        compiled.surface.check_imports(spec.name.as_str(), &spec.capabilities, !spec.http.is_empty())?;
        let settings = settings::check(&spec.settings_json, &compiled.manifest.settings_schema)?;
        let bounds = self.bounds(spec, digest, world, metrics);
        let mut loaded = Loaded {
            name: spec.name.clone(),
            digest,
            world,
            version: compiled.surface.version,
            manifest: compiled.manifest.clone(),
            failure_mode: spec.failure_mode,
            settings,
            open_fault: None,
            probation: None,
            compiled,
            bounds,
            searches: Arc::default(),
        };
        loaded.open_fault = trial::run(&loaded).await?;
        Ok(loaded)
    }

    /// What a file says of itself; nothing but `describe` runs.
    pub(crate) async fn describe(
        self: &Arc<Self>,
        spec: &PluginSpec,
        bytes: Arc<[u8]>,
        digest: Digest,
    ) -> Result<Manifest, LoadProblem> {
        let compiled = self.compile(spec, bytes, digest, &Arc::default()).await?;
        Ok(compiled.manifest.clone())
    }

    fn known(&self, digest: &Digest) -> Option<Arc<Compiled>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).and_then(Weak::upgrade)
    }

    fn bounds(
        &self,
        spec: &PluginSpec,
        digest: Digest,
        world: World,
        metrics: Arc<PluginMetrics>,
    ) -> Arc<Bounds> {
        let limits = spec.limits.over(PluginLimits::for_world(world, spec.largest));
        Arc::new(Bounds {
            plugin: spec.name.clone(),
            digest,
            call_ticks: self.engine.ticks(limits.call_time),
            start_ticks: self.engine.ticks(limits.start_time),
            clock: spec.capabilities.contains(&Capability::Clock),
            limits,
            metrics,
            outside: Arc::clone(&self.outside),
            http: spec.http.clone(),
            resident: AtomicI64::new(0),
            memory_of_last: AtomicUsize::new(0),
            log_rate: SharedRate::new(),
        })
    }

    async fn compile(
        self: &Arc<Self>,
        spec: &PluginSpec,
        bytes: Arc<[u8]>,
        digest: Digest,
        metrics: &Arc<PluginMetrics>,
    ) -> Result<Arc<Compiled>, LoadProblem> {
        let (loader, spec_of_task) = (Arc::clone(self), spec.clone());
        let compiling = async move {
            // The permit goes with the work: a compilation nobody waits for any more still counts.
            let permit = Arc::clone(&loader.compilers).acquire_owned().await.ok();
            let work = move || {
                let compiled = loader.compile_now(&spec_of_task, &bytes, &digest);
                drop(permit);
                compiled
            };
            tokio::task::spawn_blocking(work).await
        };
        let (surface, code) = match tokio::time::timeout(COMPILE_TIME, compiling).await {
            Ok(Ok(compiled)) => compiled?,
            // A panic in a decoder is an error of the task: a strange file never takes the host down.
            Ok(Err(_)) => {
                return Err(LoadProblem::new(Stage::Parse, "it makes the decoder stop: not usable")
                    .help("please report this file to the authors of weir"));
            }
            Err(_) => {
                let message = format!("it is not compiled within {} s", COMPILE_TIME.as_secs());
                return Err(LoadProblem::new(Stage::Compile, message));
            }
        };
        let bounds = self.bounds(spec, digest, surface.world, Arc::clone(metrics));
        let manifest = describe(&code, bounds).await?;
        let compiled = Arc::new(Compiled { digest, surface, code, manifest });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, compiled| compiled.strong_count() > 0);
        known.insert(compiled.digest, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    fn compile_now(
        &self,
        spec: &PluginSpec,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<(Surface, Code), LoadProblem> {
        let component = as_component(bytes)?;
        let surface = Surface::read(&component)?;
        surface.check_imports(spec.name.as_str(), &spec.capabilities, !spec.http.is_empty())?;
        let cached = self.cache.as_ref().and_then(|cache| cache.get(&self.engine.engine, digest));
        let compiled = match cached {
            Some(compiled) => compiled,
            None => {
                let compiled = Component::from_binary(&self.engine.engine, &component)
                    .map_err(|error| problem(Stage::Compile, "it cannot be compiled", &error))?;
                count(&self.metrics.compiled);
                if let Some(cache) = &self.cache {
                    cache.put(digest, &compiled);
                }
                compiled
            }
        };
        let mut linker = self.linker.clone();
        wasi::define(&mut linker, &compiled)
            .map_err(|error| problem(Stage::Imports, "its imports do not fit", &error))?;
        let pre = linker
            .instantiate_pre(&compiled)
            .map_err(|error| problem(Stage::Imports, "its imports do not fit", &error))?;
        let exports = |error: &wasmtime::Error| problem(Stage::World, "its exports do not fit", error);
        let lifecycle = lifecycle::GuestIndices::new(&pre).map_err(|error| exports(&error))?;
        let found = match surface.world {
            World::StreamInspector => stream_inspect::GuestIndices::new(&pre).map(Exports::StreamInspector),
            World::HttpInspector => http_inspect::GuestIndices::new(&pre).map(Exports::HttpInspector),
            World::Policy => decide::GuestIndices::new(&pre).map(Exports::Policy),
            World::Masker => mask::GuestIndices::new(&pre).map(Exports::Masker),
        };
        let found = found.map_err(|error| exports(&error))?;
        Ok((surface, Code { pre, lifecycle, exports: found }))
    }
}

async fn describe(code: &Code, bounds: Arc<Bounds>) -> Result<Manifest, LoadProblem> {
    let failed = |fault: Fault| {
        LoadProblem::new(Stage::Describe, fault.message)
            .help(format!("`describe` must need nothing: {}", fault.detail))
    };
    let (mut guest, _, lifecycle) = Fenced::start(code, bounds, None).await.map_err(failed)?;
    let started = guest.begin_rest().map_err(failed)?;
    let said = lifecycle.call_describe(&mut guest.store).await;
    let said = guest.finish("describe", started, said).map_err(failed)?;
    Ok(Manifest {
        name: clean(said.name, MAX_WORD_CHARS),
        version: clean(said.version, MAX_WORD_CHARS),
        description: clean(said.description, MAX_SENTENCE_CHARS),
        settings_schema: said.settings_schema,
    })
}

fn problem(stage: Stage, what: &str, error: &wasmtime::Error) -> LoadProblem {
    LoadProblem::new(stage, format!("{what}: {}", clean(format!("{error:#}").replace('\n', " "), 500)))
}

/// A file's contents, as far as they may be loaded.
pub(crate) fn read(spec: &PluginSpec) -> Result<(Arc<[u8]>, Digest), LoadProblem> {
    use std::io::Read;
    let cannot =
        |error: std::io::Error| LoadProblem::new(Stage::Read, format!("{}: {error}", spec.file.display()));
    // Asked by name first: opening a pipe would wait for somebody to write.
    if !std::fs::metadata(&spec.file).map_err(cannot)?.is_file() {
        return Err(LoadProblem::new(Stage::Read, format!("{}: not a regular file", spec.file.display())));
    }
    let file = std::fs::File::open(&spec.file).map_err(cannot)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(LoadProblem::new(
            Stage::Read,
            format!("{}: larger than {} MiB", spec.file.display(), MAX_FILE_BYTES >> 20),
        ));
    }
    let digest = Digest(Sha256::digest(&bytes).into());
    trust::check(spec, &bytes, &digest)?;
    Ok((bytes.into(), digest))
}
