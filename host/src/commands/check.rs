//! `weir check`: the configuration together with the plugins it names.

use crate::plugins;
use crate::resource::ResourceRuntime;
use std::path::Path;
use std::process::ExitCode;
use weir_config::{Code, Config, Machine, Place, Problem, Problems, Severity};
use weir_guests::{EngineConfig, Guests, GuestsConfig};

/// What the configuration's own check says of `plugin_keys`.
const BAD_KEY: &str = "bad-key";
const RESOURCE: Code = Code::new("resource-unusable");

pub(crate) fn check(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match weir_config::examine(path, &Machine) {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(super::EXIT_CONFIG));
        }
    };
    let mut problems: Vec<Problem> = config.warnings().iter().cloned().collect();
    // Resources are named by their number, which is right only as long as none is missing.
    if config.written_resources() == config.settings().resources.len() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        problems.extend(resource_problems(&config));
        problems.extend(runtime.block_on(plugin_problems(&config))?);
    }
    let problems = Problems::new(problems);
    if !problems.is_empty() {
        // Warnings alone are told, and are no reason to refuse.
        eprintln!("{problems}");
    }
    if problems.any_error() {
        return Ok(ExitCode::from(super::EXIT_CONFIG));
    }
    let settings = config.settings();
    let verdict = match problems.len() {
        0 => "is fine".to_owned(),
        1 => "can be used, with the warning above".to_owned(),
        many => format!("can be used, with the {many} warnings above"),
    };
    println!(
        "{} {verdict}: {}, {}, {}",
        path.display(),
        counted(settings.resources.len(), "resource"),
        counted(plugins::specs(&config).len(), "plugin"),
        counted(config.users().len(), "user")
    );
    Ok(ExitCode::SUCCESS)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Certificates, keys and authorities that cannot be used.
pub(super) fn resource_problems(config: &Config) -> Vec<Problem> {
    let prepared = config.settings().resources.iter().enumerate();
    prepared
        .filter_map(|(index, resource)| {
            let error = ResourceRuntime::prepare(resource).err()?;
            let place = Place::resource(index, error.key());
            Some(config.problem(RESOURCE, Severity::Error, &place, format!("{}: {error}", resource.name)))
        })
        .collect()
}

async fn plugin_problems(config: &Config) -> anyhow::Result<Vec<Problem>> {
    let mut specs = plugins::specs(config);
    // A key that is none has been told, and would be told again of each plugin. Nothing loaded here serves.
    if config.warnings().iter().any(|problem| problem.code.as_str() == BAD_KEY) {
        specs.iter_mut().for_each(|spec| spec.trust.keys.clear());
    }
    let started = Guests::start(
        GuestsConfig {
            plugins: config.settings().server.plugins.clone(),
            cache: None,
            engine: EngineConfig { max_sessions: 1, pooling: false, ..EngineConfig::default() },
            watch: false,
            outside: std::sync::Arc::new(weir_guests::Nothing),
        },
        specs,
    )
    .await?;
    let generation = started.guests.generation();
    let mut problems = plugins::problems(config, &started.outcomes, &generation);
    problems.extend(plugins::idle_grants(config, &generation));
    Ok(problems)
}
