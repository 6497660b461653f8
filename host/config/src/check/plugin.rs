//! One `[plugin.NAME]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Context, rollout, setting};
use crate::raw;
use crate::settings::{Plugin, PluginLimits, Setting};

/// The plugin, with whatever is wrong replaced by its default.
pub(super) fn plugin(written: &raw::Plugin<'_>, plugins: &Path, context: Context<'_>) -> Plugin {
    let name = &written.name.value;
    let file = match &written.file {
        // Relative to the file like every path, so that it reads the same wherever it stands.
        Some(path) => context.file("file", path).map_or_else(|| context.path(&path.value), |(full, _)| full),
        None => plugins.join(format!("{name}.wasm")),
    };
    let default = Plugin::with_defaults(file);
    let mut capabilities: Vec<_> =
        written.capabilities.iter().flat_map(|list| &list.value).map(|at| at.value).collect();
    capabilities.sort();
    Plugin {
        settings: written
            .settings
            .and_then(|node| setting::setting(None, node, context))
            .unwrap_or(Setting::Table(BTreeMap::new())),
        capabilities,
        failure_mode: written.failure_mode.as_ref().map_or(default.failure_mode, |at| at.value),
        mode: rollout::mode(written, context.report),
        limits: PluginLimits {
            memory_bytes: written.limits.memory.as_ref().map(|at| at.value),
            call_time: written.limits.call_time.as_ref().map(|at| at.value),
            output_bytes: written.limits.output.as_ref().map(|at| at.value),
            start_time: written.limits.start_time.as_ref().map(|at| at.value),
        },
        ..default
    }
}
