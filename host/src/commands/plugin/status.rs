//! `weir plugin status`: what a running gateway's plugins do, version by version.

use super::{print_json, table};
use crate::commands::admin_client::with_client;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::render::line;
use weir_admin::views::PluginView;

pub(super) fn status(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_client(config, None, async |mut client| {
        let plugins = client.plugins().await?;
        match json {
            true => print_json(&plugins)?,
            false => print!("{}", text(&plugins)),
        }
        Ok(())
    })
}

fn text(plugins: &[PluginView]) -> String {
    const DIGITS: usize = 12;
    if plugins.is_empty() {
        return "no plugins\n".to_owned();
    }
    let short = |digest: &str| digest.chars().take(DIGITS).collect::<String>();
    let mut rows = Vec::new();
    for plugin in plugins {
        let mut first = true;
        let mut put = |version: [String; 4]| {
            let told = |text: String| if first { text } else { String::new() };
            let mut row = vec![told(plugin.name.clone()), told(plugin.state.clone())];
            row.extend(version);
            row.extend([
                told(plugin.calls.to_string()),
                told(format!("{:.1}", plugin.p50_us)),
                told(format!("{:.1}", plugin.p99_us)),
                told(plugin.traps.to_string()),
                told(plugin.time_outs.to_string()),
                told(plugin.limit_hits.to_string()),
            ]);
            rows.push(row);
            first = false;
        };
        for version in plugin.versions.iter().rev() {
            let serves = if version.serves { "serves" } else { "leaving" };
            put([
                version.generation.to_string(),
                short(&version.digest),
                serves.to_owned(),
                version.sessions.to_string(),
            ]);
        }
        if plugin.versions.is_empty() {
            put(["-".to_owned(), "-".to_owned(), "-".to_owned(), "0".to_owned()]);
        }
    }
    let header = [
        "NAME",
        "STATE",
        "GEN",
        "DIGEST",
        "VERSION",
        "SESSIONS",
        "CALLS",
        "P50 US",
        "P99 US",
        "TRAPS",
        "TIME-OUTS",
        "LIMITS HIT",
    ];
    let mut out = table(&header, &rows);
    for plugin in plugins {
        if let Some(problem) = &plugin.problem {
            for part in problem.lines() {
                let _ = writeln!(out, "{}: {}", line(&plugin.name), line(part));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_admin::views::VersionView;

    #[test]
    fn each_version_has_a_line_the_newest_first() {
        let version = |generation, serves| VersionView {
            digest: "ab".repeat(32),
            generation,
            sessions: generation * 10,
            serves,
        };
        let view = PluginView {
            name: "guard".into(),
            file: "guard.wasm".into(),
            digest: "ab".repeat(32),
            world: "policy".into(),
            generation: 2,
            state: "ready".into(),
            calls: 5,
            mean_us: 1.0,
            p50_us: 1.5,
            p99_us: 9.5,
            traps: 0,
            time_outs: 0,
            refusals: 0,
            limit_hits: 3,
            versions: vec![version(1, false), version(2, true)],
            problem: Some("refused\x1b[2J".into()),
        };
        let text = text(&[view]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[1],
            ["guard", "ready", "2", "abababababab", "serves", "20", "5", "1.5", "9.5", "0", "0", "3"]
        );
        assert_eq!(lines[2], ["1", "abababababab", "leaving", "10"]);
        assert!(lines[3][0] == "guard:" && !text.contains('\x1b'), "{text}");
    }
}
