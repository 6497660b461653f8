//! One `[plugin.NAME]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Context, rollout, setting};
use crate::document::{At, Report};
use crate::problem::code;
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
        http: written
            .http
            .iter()
            .flat_map(|list| &list.value)
            .filter_map(|at| origin(at, context.report))
            .collect(),
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

/// `https://risk.internal`: scheme, host and port, and nothing else, spelled in one way only.
fn origin(at: &At<String>, report: &Report) -> Option<String> {
    let text = at.value.as_str();
    let (rest, usual) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => (rest, "443"),
        (_, Some(rest)) => (rest, "80"),
        _ => ("", ""),
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host_is_fine = match inside {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok_and(|it| it.to_string() == address),
        None => {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
        }
    };
    let port_is_fine = port.is_none_or(|port| {
        port != usual && port.parse::<u16>().is_ok_and(|it| it > 0 && it.to_string() == port)
    });
    if host_is_fine && port_is_fine {
        return Some(at.value.clone());
    }
    report
        .error(code::HTTP_ORIGIN, at.span, format!("`{text}` is not an origin that a plugin may be granted"))
        .help("write scheme and host in lower case, no path, and the port where it is not the usual one: \"https://risk.internal:8443\"");
    None
}
