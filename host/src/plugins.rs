//! Plugins as the configuration names them, and what happened to them, for the trail.

use crate::shared::Shared;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedReceiver;
use weir_audit::{Event, PluginFacts, PluginRefused};
use weir_config::settings::{self, Plugin};
use weir_config::{Code, Config, Place, Problem, Severity};
use weir_guests::trust::{LOCK_FILE, Trust};
use weir_guests::{
    Capability, FailureMode, Generation, GuestEvent, Largest, LimitOverrides, LoadProblem, Mode, PluginSpec,
    Rehearsed, ReloadOutcome, Stage, World,
};
use weir_model::{Digest, PluginName, nearest};
use weir_store::{KeyValue, KeyValueError};

/// Problems with plugins, told with the place in the configuration that names them.
const PLUGIN_REFUSED: Code = Code::new("plugin-refused");
const PLUGIN_MISSING: Code = Code::new("plugin-missing");
const PIPELINE: Code = Code::new("pipeline-inspector");
const FAILURE_MODE: Code = Code::new("failure-mode-inspector");
const MODE: Code = Code::new("rollout-world");
const IDLE_GRANT: Code = Code::new("capability-not-used");

/// What to load: every plugin that a pipeline names.
pub(crate) fn specs(config: &Config) -> Vec<PluginSpec> {
    let settings = config.settings();
    let trust = Trust { lock: Some(lock_file(config.file())), keys: settings.server.plugin_keys.clone() };
    let mut named: BTreeSet<&PluginName> =
        settings.resources.iter().flat_map(|resource| &resource.pipeline).collect();
    let tried = settings.plugins.iter().filter(|(_, plugin)| plugin.mode.of().is_some());
    named.extend(tried.map(|(name, _)| name));
    let spec = |name: &PluginName| {
        let place = settings.plugins.get(name).and_then(|plugin| plugin.mode.of()).unwrap_or(name);
        let of = settings.resources.iter().filter(|resource| resource.pipeline.contains(place));
        let largest = of.fold(Largest { operation_bytes: 0, answer_bytes: 0 }, |largest, resource| Largest {
            operation_bytes: largest.operation_bytes.max(clamp(resource.limits.max_operation_bytes)),
            answer_bytes: largest.answer_bytes.max(clamp(resource.limits.max_answer_bytes)),
        });
        let plugin = settings.plugins.get(name)?;
        Some(PluginSpec { trust: trust.clone(), ..spec(name, plugin, largest) })
    };
    named.into_iter().filter_map(spec).collect()
}

/// The lock file of a configuration: beside it.
pub(crate) fn lock_file(config: &Path) -> PathBuf {
    config.parent().unwrap_or(Path::new("")).join(LOCK_FILE)
}

fn clamp(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn spec(name: &PluginName, plugin: &Plugin, largest: Largest) -> PluginSpec {
    let capability = |capability: &settings::Capability| {
        Capability::ALL.into_iter().find(|known| known.as_word() == capability.as_word())
    };
    PluginSpec {
        settings_json: plugin.settings.to_json().to_string(),
        capabilities: plugin.capabilities.iter().filter_map(capability).collect(),
        http: plugin.http.clone(),
        limits: LimitOverrides {
            memory_bytes: plugin.limits.memory_bytes.map(clamp),
            call_time: plugin.limits.call_time,
            output_bytes: plugin.limits.output_bytes.map(clamp),
            start_time: plugin.limits.start_time,
        },
        largest,
        failure_mode: match plugin.failure_mode {
            settings::FailureMode::Closed => FailureMode::Closed,
            settings::FailureMode::Open => FailureMode::Open,
        },
        mode: match &plugin.mode {
            settings::Mode::Enforce => Mode::Enforce,
            settings::Mode::Shadow { of } => Mode::Shadow { of: of.clone() },
            settings::Mode::Canary { of, share } => {
                Mode::Canary { of: of.clone(), share: u32::try_from(*share).unwrap_or(0) }
            }
        },
        ..PluginSpec::new(name.clone(), plugin.file.clone())
    }
}

/// What is wrong with the plugins of a configuration that was taken into service, at the places that name them.
pub(crate) fn problems(
    config: &Config,
    outcomes: &[(PluginName, ReloadOutcome)],
    generation: &Generation,
) -> Vec<Problem> {
    let mut problems = not_loaded(config, outcomes);
    problems.extend(misplaced(config, |name| generation.find(name).map(|loaded| loaded.world)));
    problems
}

/// The same of one that is being tried.
pub(crate) fn rehearsal_problems(
    config: &Config,
    rehearsed: &[(PluginName, Result<Rehearsed, LoadProblem>)],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, outcome) in rehearsed {
        if let Err(problem) = outcome {
            problems.extend(refused(config, name, problem));
        }
    }
    let world = |wanted: &PluginName| {
        let (_, outcome) = rehearsed.iter().find(|(name, _)| name == wanted)?;
        outcome.as_ref().ok().map(|rehearsed| rehearsed.world)
    };
    problems.extend(misplaced(config, world));
    problems
}

fn not_loaded(config: &Config, outcomes: &[(PluginName, ReloadOutcome)]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            ReloadOutcome::Kept { problem, .. } => problems.extend(refused(config, name, problem)),
            ReloadOutcome::Missing => {
                let file =
                    config.settings().plugins.get(name).map(|plugin| plugin.file.display().to_string());
                let message =
                    format!("the plugin {name} is missing: there is no file {}", file.unwrap_or_default());
                let mut problem =
                    config.problem(PLUGIN_MISSING, Severity::Error, &place_of(config, name), message);
                let usual = || "put it there, or take the name out of the pipeline".to_owned();
                problem.help = Some(meant(config, name).unwrap_or_else(usual));
                problems.push(problem);
            }
            ReloadOutcome::Applied { .. } | ReloadOutcome::Unchanged => {}
        }
    }
    problems
}

/// Plugins that load, but not for what the configuration wants of them.
fn misplaced(config: &Config, world: impl Fn(&PluginName) -> Option<World>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, resource) in config.settings().resources.iter().enumerate() {
        let inspectors: Vec<(usize, &PluginName)> = (0..)
            .zip(&resource.pipeline)
            .filter(|(_, name)| matches!(world(name), Some(World::StreamInspector | World::HttpInspector)))
            .collect();
        let loaded = resource.pipeline.iter().all(|name| world(name).is_some());
        let (needed, example) = match resource.protocol() {
            settings::Protocol::Http => (World::HttpInspector, "http-api"),
            _ => (World::StreamInspector, "postgres"),
        };
        let message = match inspectors.as_slice() {
            _ if !loaded => continue,
            [(0, name)] if world(name) == Some(needed) => continue,
            [(0, name)] => {
                let (resource, protocol) = (&resource.name, resource.protocol().as_word());
                format!(
                    "{name} cannot inspect {resource}, which is of the protocol {protocol}: it is no {needed}"
                )
            }
            [(_, name)] => format!(
                "the pipeline of {} needs exactly one inspector, and first: {name} is not first",
                resource.name
            ),
            several => format!(
                "the pipeline of {} needs exactly one inspector, and first: it has {}",
                resource.name,
                several.len()
            ),
        };
        let place = Place::resource(index, "pipeline");
        let mut problem = config.problem(PIPELINE, Severity::Error, &place, message);
        problem.help = Some(format!(
            "`pipeline = [\"{example}\", …]`: the inspector of the protocol, then policies and maskers"
        ));
        problems.push(problem);
    }
    for (name, plugin) in &config.settings().plugins {
        let open = plugin.failure_mode == settings::FailureMode::Open;
        if open && world(name).is_some_and(|world| world != World::Policy) {
            let place = Place::plugin(name, "failure_mode");
            let message = format!("{name} is no policy: only a policy may fail open");
            problems.push(config.problem(FAILURE_MODE, Severity::Error, &place, message));
        }
        problems.extend(tried_wrongly(config, name, &plugin.mode, &world));
    }
    problems
}

/// What is tried must be able to do what it is tried for.
fn tried_wrongly(
    config: &Config,
    name: &PluginName,
    mode: &settings::Mode,
    world: &impl Fn(&PluginName) -> Option<World>,
) -> Option<Problem> {
    let of = mode.of()?;
    let (own, other) = (world(name)?, world(of)?);
    let (message, help) = match own {
        _ if own != other => (
            format!("{name} is a {own}, but {of} is a {other}"),
            "a plugin is tried with one of its own kind",
        ),
        World::StreamInspector | World::HttpInspector => (
            format!("{name} is a {own}: one traffic cannot be inspected by two"),
            "try it on a resource of its own",
        ),
        World::Masker | World::Policy => return None,
    };
    let mut problem = config.problem(MODE, Severity::Error, &Place::plugin(name, "mode"), message);
    problem.help = Some(help.into());
    Some(problem)
}

fn refused(config: &Config, name: &PluginName, problem: &LoadProblem) -> Vec<Problem> {
    let help = Some(problem.help.clone()).filter(|help| !help.is_empty());
    let is_unread = problem.stage == Stage::Read;
    let help = help.or_else(|| is_unread.then(|| meant(config, name)).flatten());
    let tell = |place: &Place, what: &str| Problem {
        help: help.clone(),
        ..config.problem(
            PLUGIN_REFUSED,
            Severity::Error,
            place,
            format!("the plugin {name} is refused: {what}"),
        )
    };
    if problem.settings.is_empty() {
        return vec![tell(&place_of(config, name), &problem.message)];
    }
    let each = problem.settings.iter();
    each.map(|(pointer, what)| {
        tell(&Place::setting(name, pointer), &format!("settings {pointer}: {what}").replace(" : ", ": "))
    })
    .collect()
}

/// The plugin that was meant by a name without a file: one that lies in the plugins folder under a name that differs
/// little. `None` when there is none, or the file is there.
fn meant(config: &Config, name: &PluginName) -> Option<String> {
    let settings = config.settings();
    let file = &settings.plugins.get(name)?.file;
    let folder = &settings.server.plugins;
    if file.exists() || *file != folder.join(format!("{name}.wasm")) {
        return None;
    }
    let files =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let there: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".wasm").map(ToOwned::to_owned)).collect();
    let near = nearest::nearest(name.as_str(), &there.iter().map(String::as_str).collect::<Vec<_>>())?;
    Some(format!("did you mean `{}`?", weir_admin::render::line(near)))
}

/// Capabilities that are granted and not asked for: harmless today, and more than the plugin needs tomorrow.
pub(crate) fn idle_grants(config: &Config, generation: &Generation) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, plugin) in &config.settings().plugins {
        let Some(loaded) = generation.find(name) else { continue };
        let mut idle: Vec<(&str, String)> = Vec::new();
        for granted in &plugin.capabilities {
            let word = granted.as_word();
            if !loaded.wishes().iter().any(|wish| wish.as_word() == word) {
                idle.push(("capabilities", format!("the capability `{word}`, which it does not import")));
            }
        }
        if !plugin.http.is_empty() && !loaded.wishes().contains(&Capability::Http) {
            idle.push(("http", "origins, and does not import `http`".to_owned()));
        }
        for (key, what) in idle {
            let message = format!("the plugin {name} is granted {what}");
            let place = Place::plugin(name, key);
            let mut problem = config.problem(IDLE_GRANT, Severity::Warning, &place, message);
            problem.help =
                Some("take it out: the next file of that name would have it without asking".into());
            problems.push(problem);
        }
    }
    problems
}

/// Where a plugin is named first.
fn place_of(config: &Config, name: &PluginName) -> Place {
    for (index, resource) in config.settings().resources.iter().enumerate() {
        if let Some(entry) = resource.pipeline.iter().position(|named| named == name) {
            return Place::pipeline(index, entry);
        }
    }
    Place::plugin(name, "file")
}

/// What is wrong with a plugin now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PluginProblem {
    /// Its file was refused; an earlier version may go on.
    Refused(String),
    Gone,
    /// It was tried and misbehaved: why.
    SetAside(String),
}

impl fmt::Display for PluginProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => out.write_str(reason),
            Self::Gone => out.write_str("its file is gone, or no pipeline names it any more"),
            Self::SetAside(reason) => write!(out, "set aside: {reason}"),
        }
    }
}

/// The last thing that went wrong with each plugin, until a version of it loads.
#[derive(Default)]
pub(crate) struct PluginProblems(Mutex<BTreeMap<PluginName, PluginProblem>>);

impl PluginProblems {
    pub(crate) fn all(&self) -> BTreeMap<PluginName, PluginProblem> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, event: &GuestEvent) {
        let mut problems = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            GuestEvent::Loaded { name, .. } => _ = problems.remove(name),
            GuestEvent::Refused { name, problem, .. } => {
                _ = problems.insert(name.clone(), PluginProblem::Refused(problem.to_string()));
            }
            GuestEvent::Removed { name, .. } => _ = problems.insert(name.clone(), PluginProblem::Gone),
            GuestEvent::SetAside { name, reason, .. } => {
                _ = problems.insert(name.clone(), PluginProblem::SetAside(reason.clone()));
            }
        }
    }
}

/// Where it is kept who was set aside: no plugin can have this name.
const SET_ASIDE: &str = ":set-aside";

/// Who was set aside, by this run of the gateway or an earlier one.
///
/// # Errors
/// When the store cannot be read: what misbehaved is not tried again for that.
pub(crate) async fn set_aside(kept: &KeyValue) -> Result<Vec<(Digest, String)>, KeyValueError> {
    let all = kept.all(SET_ASIDE).await?;
    let known = all.into_iter().filter_map(|(tried, reason)| {
        Some((Digest::of_hex(&tried)?, String::from_utf8_lossy(&reason).into_owned()))
    });
    Ok(known.collect())
}

/// Writes what happens to plugins into the trail and the log until the room is gone.
pub(crate) async fn record_events(
    shared: Arc<Shared>,
    kept: KeyValue,
    mut events: UnboundedReceiver<GuestEvent>,
) {
    while let Some(event) = events.recv().await {
        shared.plugin_problems.note(&event);
        if let GuestEvent::SetAside { name, tried, reason, again: false, .. } = &event
            && let Err(why) = kept.set(SET_ASIDE, &tried.to_string(), reason.as_bytes(), None).await
        {
            tracing::error!(plugin = %name, %why, "a restart will try it again: that it was set aside is not kept");
        }
        let event = told(&shared, event);
        if let Err(down) = shared.record_durably(event).await {
            tracing::error!(error = %down, "a change of plugins could not be recorded");
        }
    }
}

fn told(shared: &Shared, event: GuestEvent) -> Event {
    let facts = |name: &PluginName, digest: Digest, world: String, version: String, generation: u64| {
        let running = shared.running();
        let file =
            running.config.settings().plugins.get(name).map(|plugin| plugin.file.display().to_string());
        let file = file.unwrap_or_default();
        PluginFacts { name: name.clone(), file, digest, world, version, generation }
    };
    match event {
        GuestEvent::Loaded { name, digest, world, version, generation } => {
            Event::PluginLoaded(facts(&name, digest, world.to_string(), version, generation))
        }
        GuestEvent::Refused { name, digest, problem, generation } => {
            let digest = digest.unwrap_or(Digest([0; 32]));
            Event::PluginRefused(PluginRefused {
                plugin: facts(&name, digest, String::new(), String::new(), generation),
                reason: problem.to_string(),
            })
        }
        GuestEvent::Removed { name, digest, generation } => {
            Event::PluginRemoved(facts(&name, digest, String::new(), String::new(), generation))
        }
        GuestEvent::SetAside { name, digest, of, reason, again, .. } => {
            let generation = shared.guests.generation().number;
            Event::PluginSetAside(PluginRefused {
                plugin: facts(&name, digest, String::new(), String::new(), generation),
                reason: match again {
                    false => format!("tried with {of}: {reason}"),
                    true => format!("tried with {of} before, and not again: {reason}"),
                },
            })
        }
    }
}
