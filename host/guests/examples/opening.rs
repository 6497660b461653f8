//! What it costs to open and drop the plugins of a session: `opening FOLDER [TIMES]`.
//!
//! FOLDER holds postgres.wasm, sql-guard.wasm and pii-mask.wasm. Figures, not promises.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use weir_guests::{EngineConfig, Guests, GuestsConfig, InspectorLimits, PluginSpec, ReloadOutcome};
use weir_model::{Attribute, PluginName, Principal, PrincipalKind, ResourceName, SessionId, SessionInfo};

const PIPELINE: [&str; 3] = ["postgres", "sql-guard", "pii-mask"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("a folder with plugins is missing")?);
    let times: u32 = arguments.next().map_or(Ok(2000), |times| times.parse())?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure(folder, times))
}

async fn measure(folder: PathBuf, times: u32) -> Result<(), Box<dyn Error>> {
    let specs =
        PIPELINE.map(|name| PluginSpec::new(PluginName::new(name), folder.join(name).with_extension("wasm")));
    let config = GuestsConfig {
        plugins: folder.clone(),
        cache: Some(folder.join("compiled")),
        engine: EngineConfig { max_sessions: 64, ..EngineConfig::default() },
        watch: false,
        outside: Arc::new(weir_guests::Nothing),
    };
    let started = Guests::start(config, specs.to_vec()).await?;
    for (name, outcome) in started.outcomes {
        if let ReloadOutcome::Kept { problem, .. } = outcome {
            return Err(format!("{name}: {problem}").into());
        }
    }
    let guests = started.guests;
    let pipeline = PIPELINE.map(PluginName::new);
    let limits = InspectorLimits { max_operation_bytes: 8 << 20, max_answer_bytes: 16 << 20 };
    let parameters = [
        ("server_version", "15.6"),
        ("client_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("standard_conforming_strings", "on"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    for _ in 0..3 {
        let (mut opening, mut closing) = (0, 0);
        for _ in 0..times {
            let begun = Instant::now();
            let session = guests
                .open_session(&info(), &pipeline, &parameters, limits)
                .await
                .map_err(|fault| fault.message)?;
            let opened = Instant::now();
            drop(session);
            opening += (opened - begun).as_nanos();
            closing += opened.elapsed().as_nanos();
        }
        println!(
            "open {:.1} us, drop {:.1} us",
            opening as f64 / 1e3 / f64::from(times),
            closing as f64 / 1e3 / f64::from(times)
        );
    }
    Ok(())
}

fn info() -> SessionInfo {
    SessionInfo {
        id: SessionId::new("01900000000070008000000000000000"),
        resource: ResourceName::new("db"),
        protocol: "postgres".to_owned(),
        who: Principal {
            id: "alice".to_owned(),
            kind: PrincipalKind::Human,
            on_behalf_of: None,
            groups: vec!["staff".to_owned()],
        },
        client_address: "127.0.0.1".to_owned(),
        started_ms: 1,
        attributes: vec![
            Attribute::new("database", "app"),
            Attribute::new("permitted-by", "group:staff"),
            Attribute::new("login", "scram-sha-256"),
        ],
        claimed: vec![Attribute::new("application_name", "pgbench")],
    }
}
