//! `[log]` as written.

use crate::document::{At, Fields, Report};
use crate::problem::code;
use crate::settings::LogFormat;

#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) format: Option<At<LogFormat>>,
    pub(crate) level: Option<At<String>>,
}

const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

impl Log {
    pub(crate) fn read(mut fields: Fields<'_, '_>) -> Self {
        let report = fields.report();
        let log = Self {
            format: fields.word("format", &FORMATS),
            level: fields.text("level").filter(|level| is_filter(level, report)),
        };
        fields.finish();
        log
    }
}

/// Levels, and levels by module, joined by commas: what the log library understands without surprises (it takes
/// a misspelt level for the name of a module, and then logs nothing at all).
fn is_filter(filter: &At<String>, report: &Report) -> bool {
    let bad = filter.value.split(',').find(|part| {
        let (module, level) =
            part.split_once('=').map_or((None, *part), |(module, level)| (Some(module), level));
        let module_fits = module.is_none_or(|module| {
            !module.is_empty() && module.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
        });
        !module_fits || !LEVELS.contains(&level)
    });
    if let Some(part) = bad {
        report
            .error(code::BAD_FILTER, filter.span, format!("`level`: \"{part}\" is not a level"))
            .help("write off, error, warn, info, debug or trace, or add some by module: \"info,weir_session=debug\"");
    }
    bad.is_none()
}
