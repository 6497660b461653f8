//! Sessions, plugins, and the state of the whole.

use super::layout::{Page, duration, table};
use crate::Timestamp;
use crate::views::{PluginView, PrincipalView, SessionView, StatusView};

/// All sessions, one a line.
pub fn sessions(all: &[SessionView], now: Timestamp) -> String {
    if all.is_empty() {
        return "no sessions\n".to_owned();
    }
    let rows: Vec<_> = all
        .iter()
        .map(|session| {
            vec![
                session.id.clone(),
                duration(now.since(session.started_at)),
                who(&session.who),
                session.resource.clone(),
                session.protocol.clone(),
                session.client_address.clone(),
            ]
        })
        .collect();
    table(&["ID", "AGE", "WHO", "RESOURCE", "PROTOCOL", "FROM"], &rows)
}

/// A principal in a cell.
pub(super) fn who(principal: &PrincipalView) -> String {
    match &principal.on_behalf_of {
        Some(person) => format!("{} for {person}", principal.id),
        None => principal.id.clone(),
    }
}

/// All plugins, one a line; below, what is wrong with them, for a terminal of `width` columns.
pub fn plugins(all: &[PluginView], width: usize) -> String {
    if all.is_empty() {
        return "no plugins\n".to_owned();
    }
    let rows: Vec<_> = all
        .iter()
        .map(|plugin| {
            vec![
                plugin.name.clone(),
                plugin.world.clone(),
                plugin.state.clone(),
                plugin.generation.to_string(),
                plugin.digest.chars().take(12).collect(),
                plugin.calls.to_string(),
                format!("{:.1}", plugin.mean_us),
                format!("{:.1}", plugin.p50_us),
                format!("{:.1}", plugin.p99_us),
                plugin.traps.to_string(),
                plugin.time_outs.to_string(),
                plugin.refusals.to_string(),
            ]
        })
        .collect();
    let header = [
        "NAME",
        "WORLD",
        "STATE",
        "GEN",
        "DIGEST",
        "CALLS",
        "MEAN US",
        "P50 US",
        "P99 US",
        "TRAPS",
        "TIME-OUTS",
        "REFUSALS",
    ];
    let mut out = table(&header, &rows);
    for plugin in all {
        if let Some(problem) = &plugin.problem {
            let mut page = Page::new("", width);
            page.field("plugin", [&plugin.name]);
            page.field("file", [&plugin.file]);
            page.field("problem", problem.split('\n'));
            out.push_str(page.out.trim_start_matches('\n').trim_end_matches('\n'));
            out.push('\n');
        }
    }
    out
}

/// The state of the gateway, for a terminal of `width` columns.
pub fn status(status: &StatusView, now: Timestamp, width: usize) -> String {
    let mut page = Page::new(&format!("weir {}", status.version), width);
    let up = duration(now.since(status.started_at));
    page.field("started", [format!("{} ({up} ago)", status.started_at)]);
    page.field("configuration", [&status.config_file]);
    page.field("generation", [status.generation.to_string()]);
    if let Some(problem) = &status.reload_problem {
        page.field("not applied", problem.split('\n'));
    }
    let trail = match &status.trail.problem {
        None => format!("{} records, up", status.trail.records),
        Some(problem) => format!("DOWN, everything is refused: {problem}"),
    };
    page.field("trail", trail.split('\n'));
    page.field("sessions", [status.sessions.to_string()]);
    page.field("approvals", [format!("{} waiting", status.approvals)]);
    page.field("plugins", [status.plugins.to_string()]);
    let rows: Vec<_> = status
        .resources
        .iter()
        .map(|resource| {
            vec![
                resource.name.clone(),
                resource.protocol.clone(),
                resource.listen.clone(),
                resource.sessions.to_string(),
                resource.problem.clone().unwrap_or_else(|| "ready".to_owned()),
            ]
        })
        .collect();
    if !rows.is_empty() {
        page.out.push('\n');
        page.out.push_str(&table(&["RESOURCE", "PROTOCOL", "LISTEN", "SESSIONS", "STATE"], &rows));
    }
    page.out
}
