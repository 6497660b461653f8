//! `weir run`: the composition root. Every room is built here, in the order in which they depend on each other.
//!
//! Everything that can be wrong is found before the first client is accepted: the configuration, addresses, the
//! trail, the plugins. Addresses are bound early and served late.

use super::check::resource_problems;
use super::load::load;
use crate::admin_api::Api;
use crate::log::LogControl;
use crate::metrics::Metrics;
use crate::outside::Granted;
use crate::plugins;
use crate::reload::{self, Listeners};
use crate::shared::{Running, Shared};
use crate::tokens::TokensFile;
use anyhow::Context;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use weir_audit::{ConfigApplied, Event, WriterSettings};
use weir_config::settings::{Audit, Settings};
use weir_config::{Config, Problems};
use weir_guests::{EngineConfig, Guests, GuestsConfig};
use weir_model::EndReason;
use weir_net::{BindError, Listener};
use weir_store::{KeyValue, Trail, TrailSettings};
use weir_wire::postgres::MockScram;

pub(crate) fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let since = SystemTime::now();
    let Ok(config) = load(path) else { return Ok(ExitCode::from(super::EXIT_CONFIG)) };
    let problems = Problems::new(resource_problems(&config));
    if !problems.is_empty() {
        eprintln!("{problems}");
        return Ok(ExitCode::from(super::EXIT_CONFIG));
    }
    // Who runs as the same user, programs of ours among them, must not read secrets out of our memory or environment.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
        .context("this process cannot be shut to others of its user")?;
    let log = crate::log::start(&config.settings().log).context("log.level")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let code = runtime.block_on(serve(config, since, log))?;
    runtime.shutdown_timeout(Duration::from_secs(2));
    Ok(code)
}

async fn serve(config: Config, since: SystemTime, log: LogControl) -> anyhow::Result<ExitCode> {
    let settings = config.settings().clone();
    let admin = Listener::bind(settings.admin.listen).context("admin.listen")?;
    let mut listeners = Listeners::bind(&settings).map_err(|error| of_resource(&settings, error))?;

    let state = &settings.server.state;
    let trail = Trail::open(state, trail_settings(&settings.audit)).await?;
    let recovered = trail.recovered();
    if recovered.operations + recovered.holds > 0 {
        tracing::warn!(recovered.operations, recovered.holds, "closed what the last run had left open");
    }
    let kept = KeyValue::open(state).await?;
    let set_aside = plugins::set_aside(&kept).await.context("state/plugins.db")?;
    let started = Guests::start_knowing(
        GuestsConfig {
            plugins: settings.server.plugins.clone(),
            cache: Some(state.join("compiled")),
            engine: EngineConfig {
                max_sessions: u32::try_from(settings.server.max_sessions).unwrap_or(u32::MAX),
                ..EngineConfig::default()
            },
            watch: true,
            outside: Arc::new(Granted::new(kept.clone())),
        },
        plugins::specs(&config),
        set_aside,
    )
    .await?;
    let problems = plugins::problems(&config, &started.outcomes, &started.guests.generation());
    if !problems.is_empty() {
        eprintln!("{}", Problems::new(problems));
        trail.stop("the configuration was refused").await;
        return Ok(ExitCode::from(super::EXIT_CONFIG));
    }

    let token = weir_admin::load_or_create_token(&state.join("admin.token"))?;
    let digest = config.digest();
    let running = Running::prepare(config)?;
    let mock = MockScram::new(mock_secret(state)?, running.users.usual_iterations());
    let metrics = Arc::new(Metrics::default());
    let guests = Arc::new(started.guests);
    let shared = Arc::new(Shared::new(running, guests, trail.handle(), Arc::clone(&metrics), mock, log));
    shared
        .record_durably(Event::ConfigApplied(ConfigApplied {
            digest,
            outcome: "applied".into(),
            changes: vec!["start".into()],
        }))
        .await?;

    let tokens = TokensFile::open(&shared, state.join(weir_config::tokens::FILE)).await?;
    let tokens = tokio::spawn(tokens.follow());
    let plugin_events =
        tokio::spawn(plugins::record_events(Arc::clone(&shared), kept.clone(), started.events));
    let api = Arc::new(Api::new(Arc::clone(&shared), trail.reader()));
    let (stop_admin, admin_stopped) = tokio::sync::oneshot::channel::<()>();
    let auth = weir_admin::Auth::new(token);
    let admin = tokio::spawn(weir_admin::serve(admin.into_inner(), Arc::clone(&api), auth, async {
        let _ = admin_stopped.await;
    }));
    listeners.serve(&shared);

    wait_for_the_end(&shared, &mut listeners, &api, since).await?;

    let within = shared.running().config.settings().server.drain_timeout;
    drain(&shared, &listeners, within).await;
    let _ = stop_admin.send(());
    let _ = admin.await;
    plugin_events.abort();
    tokens.abort();
    kept.close().await;
    shared.record_all_counted().await;
    trail.stop("signal").await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Names the key that asks for an address that cannot be had.
fn of_resource(settings: &Settings, error: BindError) -> anyhow::Error {
    let resource = settings.resources.iter().find(|resource| resource.listen == error.address);
    let key =
        resource.map_or_else(|| "listen".to_owned(), |resource| format!("resource.{}.listen", resource.name));
    anyhow::Error::from(error).context(key)
}

/// How long a user's expiry may go unnoticed when the clock is set.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(60);

/// Resolves when the next user expires, or a while before.
async fn next_expiry(shared: &Shared) {
    match shared.next_expiry() {
        // A little later: at the moment itself, the user is still let in.
        Some(at) => {
            let left = at.duration_since(SystemTime::now()).unwrap_or_default() + Duration::from_millis(20);
            tokio::time::sleep(left.min(LOOK_AT_CLOCK)).await;
        }
        None => tokio::time::sleep(LOOK_AT_CLOCK).await,
    }
}

/// Reloads on SIGHUP and on changed files, ends the sessions of users who expire, until SIGTERM or SIGINT.
async fn wait_for_the_end(
    shared: &Arc<Shared>,
    listeners: &mut Listeners,
    api: &Api,
    since: SystemTime,
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut changes = reload::Changes::of(shared, since);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {}
            () = changes.next() => {}
            () = next_expiry(shared) => {
                shared.end_what_is_no_longer_permitted();
                continue;
            }
        }
        let since = SystemTime::now();
        api.reloaded(reload::reload(shared, listeners).await);
        // Who expired meanwhile, also when nothing of it was taken.
        shared.end_what_is_no_longer_permitted();
        changes = reload::Changes::of(shared, since);
    }
}

/// Lets sessions end by themselves at their next quiet moment, then ends the rest.
async fn drain(shared: &Shared, listeners: &Listeners, within: Duration) {
    listeners.stop();
    shared.approvals.shut_down().await;
    tracing::info!(sessions = shared.sessions.count(), "draining");
    shared.sessions.end(|_| Some(EndReason::Drained));
    if tokio::time::timeout(within, shared.sessions.empty()).await.is_err() {
        shared.sessions.end(|_| Some(EndReason::CutShort));
        // Each takes at most the time a farewell takes.
        let _ = tokio::time::timeout(Duration::from_secs(5), shared.sessions.empty()).await;
    }
}

fn trail_settings(audit: &Audit) -> TrailSettings {
    TrailSettings {
        writer: WriterSettings {
            max_queued_records: u32::try_from(audit.queue_records).unwrap_or(u32::MAX),
            max_queued_bytes: u32::try_from(audit.queue_bytes).unwrap_or(u32::MAX),
            patience: audit.patience,
            ..WriterSettings::default()
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..TrailSettings::default()
    }
}

/// What fake salts are made of: kept, so that an unknown user has the same salt tomorrow.
fn mock_secret(state: &Path) -> anyhow::Result<[u8; 32]> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let path = state.join("mock.key");
    match std::fs::read(&path) {
        Ok(bytes) => {
            let found: Result<[u8; 32], _> = bytes.try_into();
            found.ok().with_context(|| format!("{} must have 32 bytes: delete it", path.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut secret = [0; 32];
            getrandom::fill(&mut secret).context("there is no randomness")?;
            let mut options = std::fs::OpenOptions::new();
            let mut file = options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("creating {}", path.display()))?;
            file.write_all(&secret)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}
