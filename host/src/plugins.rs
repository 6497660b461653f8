//! Plugins as the configuration names them, and what happened to them, for the trail.

use crate::shared::Shared;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedReceiver;
use weir_audit::{Event, PluginFacts, PluginRefused};
use weir_config::settings::{self, Plugin, Settings};
use weir_config::{Code, Config, Place, Problem, Severity};
use weir_guests::{
    Capability, FailureMode, Generation, GuestEvent, LimitOverrides, LoadProblem, PluginSpec, ReloadOutcome,
    World,
};
use weir_model::{Digest, PluginName};

/// Problems with plugins, told with the place in the configuration that names them.
const PLUGIN_REFUSED: Code = Code::new("plugin-refused");
const PLUGIN_MISSING: Code = Code::new("plugin-missing");
const PIPELINE: Code = Code::new("pipeline-inspector");
const FAILURE_MODE: Code = Code::new("failure-mode-inspector");

/// What to load: every plugin that a pipeline names.
pub(crate) fn specs(settings: &Settings) -> Vec<PluginSpec> {
    let named: BTreeSet<&PluginName> =
        settings.resources.iter().flat_map(|resource| &resource.pipeline).collect();
    named.into_iter().filter_map(|name| settings.plugins.get(name).map(|plugin| spec(name, plugin))).collect()
}

fn spec(name: &PluginName, plugin: &Plugin) -> PluginSpec {
    let capability = |capability: &settings::Capability| {
        Capability::ALL.into_iter().find(|known| known.as_word() == capability.as_word())
    };
    let bytes = |bytes: u64| Some(usize::try_from(bytes).unwrap_or(usize::MAX));
    PluginSpec {
        settings_json: plugin.settings.to_json().to_string(),
        capabilities: plugin.capabilities.iter().filter_map(capability).collect(),
        limits: LimitOverrides {
            memory_bytes: bytes(plugin.limits.memory_bytes),
            call_time: Some(plugin.limits.call_time),
            output_bytes: bytes(plugin.limits.output_bytes),
            start_time: Some(plugin.limits.start_time),
        },
        failure_mode: match plugin.failure_mode {
            settings::FailureMode::Closed => FailureMode::Closed,
            settings::FailureMode::Open => FailureMode::Open,
        },
        ..PluginSpec::new(name.clone(), plugin.file.clone())
    }
}

/// What is wrong with the plugins of a configuration, at the places that name them.
pub(crate) fn problems(
    config: &Config,
    outcomes: &[(PluginName, ReloadOutcome)],
    generation: &Generation,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, outcome) in outcomes {
        match outcome {
            ReloadOutcome::Kept { problem, .. } => problems.push(refused(config, name, problem)),
            ReloadOutcome::Missing => {
                let file =
                    config.settings().plugins.get(name).map(|plugin| plugin.file.display().to_string());
                let message =
                    format!("the plugin {name} is missing: there is no file {}", file.unwrap_or_default());
                let mut problem =
                    config.problem(PLUGIN_MISSING, Severity::Error, &place_of(config, name), message);
                problem.help = Some("put it there, or take the name out of the pipeline".into());
                problems.push(problem);
            }
            ReloadOutcome::Applied { .. } | ReloadOutcome::Unchanged => {}
        }
    }
    let world = |name: &PluginName| generation.find(name).map(|loaded| loaded.world);
    for (index, resource) in config.settings().resources.iter().enumerate() {
        let inspectors: Vec<usize> = (0..)
            .zip(&resource.pipeline)
            .filter(|(_, name)| world(name) == Some(World::StreamInspector))
            .map(|(entry, _)| entry)
            .collect();
        let loaded = resource.pipeline.iter().all(|name| world(name).is_some());
        if loaded && inspectors != [0] {
            let message = format!(
                "the pipeline of {} needs exactly one inspector, and first: it has {}",
                resource.name,
                inspectors.len()
            );
            let place = Place::resource(index, "pipeline");
            let mut problem = config.problem(PIPELINE, Severity::Error, &place, message);
            problem.help = Some(
                "`pipeline = [\"postgres\", …]`: the inspector of the protocol, then policies and maskers"
                    .into(),
            );
            problems.push(problem);
        }
    }
    for (name, plugin) in &config.settings().plugins {
        let open = plugin.failure_mode == settings::FailureMode::Open;
        if open && world(name).is_some_and(|world| world != World::Policy) {
            let place = Place::plugin(name, "failure_mode");
            let message = format!("{name} is no policy: only a policy may fail open");
            problems.push(config.problem(FAILURE_MODE, Severity::Error, &place, message));
        }
    }
    problems
}

pub(crate) fn refused(config: &Config, name: &PluginName, problem: &LoadProblem) -> Problem {
    let message = format!("the plugin {name} is refused: {}", problem.message);
    let mut told = config.problem(PLUGIN_REFUSED, Severity::Error, &place_of(config, name), message);
    told.help = Some(problem.help.clone()).filter(|help| !help.is_empty());
    told
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
}

impl fmt::Display for PluginProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => out.write_str(reason),
            Self::Gone => out.write_str("its file is gone"),
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
        }
    }
}

/// Writes what happens to plugins into the trail and the log until the room is gone.
pub(crate) async fn record_events(shared: Arc<Shared>, mut events: UnboundedReceiver<GuestEvent>) {
    while let Some(event) = events.recv().await {
        shared.plugin_problems.note(&event);
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
    }
}
