//! What the process says of itself, on standard error, and how loud.

use weir_config::settings::{Log, LogFormat};

use tracing_subscriber::EnvFilter;

/// Beginnings of the targets that say much about their own work.
const OTHERS: [&str; 8] =
    ["cranelift", "regalloc2", "wasmtime", "wit_component", "h2", "hyper", "rustls", "sqlx"];

/// A level that can be set.
pub(crate) struct LogLevel(EnvFilter);

/// The running log. Its level follows the configuration; its format is that of the start.
pub(crate) struct LogControl(Box<dyn Fn(EnvFilter) -> bool + Send + Sync>);

impl LogLevel {
    /// # Errors
    /// When the text is no filter.
    pub(crate) fn parse(filter: &str) -> Result<Self, tracing_subscriber::filter::ParseError> {
        // A mere level is ours: a compiler that says thousands of lines for each plugin has to be asked by name.
        let is_level = !filter.contains(['=', ',', '[']);
        let others = OTHERS.iter().map(|target| format!(",{target}=info"));
        let quiet = matches!(filter.trim().to_ascii_lowercase().as_str(), "debug" | "trace") && is_level;
        match quiet {
            true => EnvFilter::try_new(others.fold(filter.to_owned(), |all, one| all + &one)),
            false => EnvFilter::try_new(filter),
        }
        .map(Self)
    }
}

impl LogControl {
    pub(crate) fn apply(&self, level: LogLevel) {
        if !(self.0)(level.0) {
            tracing::error!("the level of the log could not be changed");
        }
    }
}

pub(crate) fn start(log: &Log) -> anyhow::Result<LogControl> {
    let level = LogLevel::parse(&log.filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(level.0).with_writer(std::io::stderr);
    // A full disk or a closed pipe behind stderr costs lines. Told there as well, it would end whoever logs.
    let builder = builder.log_internal_errors(false);
    Ok(match log.format {
        LogFormat::Text => {
            let builder = builder.with_ansi(false).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            LogControl(Box::new(move |level| handle.reload(level).is_ok()))
        }
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.init();
            LogControl(Box::new(move |level| handle.reload(level).is_ok()))
        }
    })
}
