//! Plugins without a gateway: what the `weir plugin` commands look at, try and measure.
//!
//! Everything runs in the same fence as in service: the same engine, limits, checks of what a guest answers. What is
//! missing is the session around it: who asks makes up the session, or takes a recorded one.

use crate::cache::CodeCache;
use crate::contract::{ContractVersion, World};
use crate::engine::{EngineConfig, GuestEngine};
use crate::http::GuestHttpInspector;
use crate::inspector::GuestInspector;
use crate::limits::session_memory;
use crate::load::{Loaded, Loader, Manifest, PluginSpec, read};
use crate::masker::GuestMaskers;
use crate::metrics::{PluginMetrics, RoomMetrics};
use crate::outside::Nothing;
use crate::pipeline::{InspectorLimits, StartError};
use crate::policy::GuestPolicies;
use crate::problem::{LoadProblem, Stage};
use crate::registry::{Current, Generation};
use crate::state::{SessionMemory, Visit};
use crate::surface::{Capability, Surface, as_component, names};
use crate::text::clean;
use crate::trial::made_up;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use weir_model::{Digest, Fault, SessionInfo};

/// Longest name of an import or export that is shown.
const NAME_CHARS: usize = 200;

/// An engine with nothing in service.
pub struct Workbench {
    loader: Arc<Loader>,
}

/// What a plugin file says of itself before and after its `describe` was asked.
#[derive(Clone, Debug)]
pub struct Sight {
    pub digest: Digest,
    /// Of the file.
    pub bytes: usize,
    /// A core module, of which the host makes the component.
    pub core_module: bool,
    /// Names at the outer level, in order.
    pub imports: Vec<String>,
    pub exports: Vec<String>,
    pub world: World,
    pub version: ContractVersion,
    /// What it imports that must be granted.
    pub capabilities: Vec<Capability>,
    /// Its own words, or why it could not be asked. Everything it asks for is granted for this one question.
    pub manifest: Result<Manifest, LoadProblem>,
}

impl Workbench {
    /// With `cache`, a folder, compiled plugins are kept there. `pool`: instances as a gateway makes them, for
    /// measuring; without, no address space is reserved.
    ///
    /// # Errors
    /// When the engine does not start.
    pub fn start(cache: Option<&Path>, pool: bool) -> Result<Self, StartError> {
        let show = |error: wasmtime::Error| StartError::new(format!("{error:#}"));
        let config = match pool {
            true => EngineConfig::default(),
            false => EngineConfig { max_sessions: 1, pooling: false, ..EngineConfig::default() },
        };
        let engine = GuestEngine::start(&config).map_err(show)?;
        let metrics = Arc::new(RoomMetrics::default());
        // A cache that cannot be used costs time only.
        let cache =
            cache.and_then(|folder| CodeCache::open(folder, &engine.engine, Arc::clone(&metrics)).ok());
        let loader =
            Loader::new(engine, cache, config.compilers, metrics, Arc::new(Nothing)).map_err(show)?;
        Ok(Self { loader: Arc::new(loader) })
    }

    /// Reads a file and asks its `describe`, nothing else of it runs.
    ///
    /// # Errors
    /// When it is no plugin of a contract that is served.
    pub async fn look(&self, spec: &PluginSpec) -> Result<Sight, LoadProblem> {
        let (bytes, digest) = read_apart(spec).await?;
        let component = as_component(&bytes)?;
        let core_module = matches!(component, std::borrow::Cow::Owned(_));
        let (exports, imports) = names(&component)?;
        let shown = |names: std::collections::BTreeSet<String>| {
            names.into_iter().map(|name| clean(name, NAME_CHARS)).collect()
        };
        let surface = Surface::read(&component)?;
        drop(component);
        let asked = PluginSpec { capabilities: Capability::ALL.to_vec(), ..spec.clone() };
        let manifest = self.loader.describe(&asked, Arc::clone(&bytes), digest).await;
        Ok(Sight {
            digest,
            bytes: bytes.len(),
            core_module,
            imports: shown(imports),
            exports: shown(exports),
            world: surface.world,
            version: surface.version,
            capabilities: surface.wishes.into_iter().collect(),
            manifest,
        })
    }

    /// Loads a plugin with its settings, as a gateway would, trial included. Code that is loaded already is not
    /// compiled again.
    ///
    /// # Errors
    /// What a gateway would refuse it for.
    pub async fn load(&self, spec: &PluginSpec) -> Result<Arc<Loaded>, LoadProblem> {
        let (bytes, digest) = read_apart(spec).await?;
        self.loader.load(spec, bytes, digest, Arc::default()).await.map(Arc::new)
    }

    /// An instance of a policy for this session.
    ///
    /// # Errors
    /// When it does not take the session.
    pub async fn policy(&self, loaded: &Arc<Loaded>, info: SessionInfo) -> Result<GuestPolicies, Fault> {
        let generation = Arc::new(alone(loaded));
        let current = Current::fixed(Arc::clone(&generation));
        GuestPolicies::open(visit(loaded, info), current, &generation, vec![loaded.name.clone()]).await
    }

    /// An instance of a masker for this session.
    ///
    /// # Errors
    /// When it does not take the session.
    pub async fn masker(&self, loaded: &Arc<Loaded>, info: SessionInfo) -> Result<GuestMaskers, Fault> {
        let generation = Arc::new(alone(loaded));
        let current = Current::fixed(Arc::clone(&generation));
        GuestMaskers::open(visit(loaded, info), current, &generation, vec![loaded.name.clone()]).await
    }

    /// An instance of a stream inspector for this session. `parameters`: what the upstream said during login.
    ///
    /// # Errors
    /// When it does not take the session.
    pub async fn inspector(
        &self,
        loaded: &Arc<Loaded>,
        info: SessionInfo,
        parameters: &[(String, String)],
        limits: InspectorLimits,
        masking: bool,
    ) -> Result<GuestInspector, Fault> {
        let visit = visit(loaded, info);
        let prepared = GuestInspector::prepare(loaded, &visit).await?;
        Ok(GuestInspector::open(prepared, loaded, &visit, parameters, limits, masking).await?)
    }

    /// An instance of an HTTP inspector for this session.
    ///
    /// # Errors
    /// When it does not take the session.
    pub async fn http_inspector(
        &self,
        loaded: &Arc<Loaded>,
        info: SessionInfo,
        limits: InspectorLimits,
        masking: bool,
    ) -> Result<GuestHttpInspector, Fault> {
        let visit = visit(loaded, info);
        Ok(GuestHttpInspector::open(loaded, &visit, limits, masking).await?)
    }
}

/// A session nobody has, to be filled in.
pub fn session() -> SessionInfo {
    made_up()
}

impl Loaded {
    /// Counters of everything that ran of this version here.
    pub fn metrics(&self) -> &Arc<PluginMetrics> {
        &self.bounds.metrics
    }

    /// Linear memory of the instance of it that went last, in bytes.
    pub fn memory_of_last(&self) -> u64 {
        self.bounds.memory_of_last.load(std::sync::atomic::Ordering::Relaxed) as u64
    }
}

fn alone(loaded: &Arc<Loaded>) -> Generation {
    Generation::of(BTreeMap::from([(loaded.name.clone(), Arc::clone(loaded))]))
}

fn visit(loaded: &Loaded, info: SessionInfo) -> Arc<Visit> {
    let memory = session_memory([loaded.bounds.limits.memory_bytes].into_iter());
    Arc::new(Visit::of_command(info, SessionMemory::new(memory)))
}

async fn read_apart(spec: &PluginSpec) -> Result<(Arc<[u8]>, Digest), LoadProblem> {
    let spec = spec.clone();
    tokio::task::spawn_blocking(move || read(&spec))
        .await
        .map_err(|_| LoadProblem::new(Stage::Read, "not read"))?
}
