//! `weir plugin`: everything about a plugin file before it serves. One file per command.
//!
//! Nothing here needs a running gateway, but `status`. Plugins run in the fence they have in service.

mod bench;
mod build;
mod cases;
mod differ;
mod exchange;
mod glob;
mod inspect;
mod lock;
mod new;
mod replay;
mod settings;
mod sign;
mod status;
mod stream;
mod test;

use crate::cli::PluginCommand;
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use weir_admin::render::line;
use weir_guests::offline::Workbench;
use weir_guests::{Capability, LoadProblem, PluginSpec};
use weir_model::{Fault, PluginName, nearest};

pub(crate) fn plugin(config: &Path, command: PluginCommand) -> anyhow::Result<ExitCode> {
    match command {
        PluginCommand::Inspect { file, settings, json } => inspect::inspect(&file_of(&file)?, settings, json),
        PluginCommand::Test(asked) => test::test(&asked),
        PluginCommand::Replay(asked) => replay::replay(config, *asked),
        PluginCommand::Lock { upgrade, json } => lock::lock(config, &upgrade, json),
        PluginCommand::Sign { key, new_key, files, json } => sign::sign(&key, new_key, &files, json),
        PluginCommand::New(asked) => new::new(&asked),
        PluginCommand::Build { folder, out, json } => build::build(&folder, out.as_deref(), json),
        PluginCommand::Bench(asked) => bench::bench(&asked),
        PluginCommand::Status { json } => status::status(config, json),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// An engine. Compiled plugins are kept in the user's cache folder, under the rules of the gateway's own cache.
fn workbench(pool: bool) -> anyhow::Result<Workbench> {
    let cache = cache_folder().map(|folder| folder.join("compiled"));
    Ok(Workbench::start(cache.as_deref(), pool)?)
}

/// `~/.cache/weir`, or where XDG says.
fn cache_folder() -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| named("HOME").map(|home| home.join(".cache")));
    cache.map(|cache| cache.join("weir"))
}

/// A plugin file as it was given, or the one that `weir plugin build` has made in a folder.
fn file_of(given: &Path) -> anyhow::Result<PathBuf> {
    if given.is_dir() {
        return build::built(given);
    }
    let shown = line(&given.display().to_string());
    match given.try_exists() {
        Ok(true) => Ok(given.to_owned()),
        Ok(false) => bail!("{shown}: there is no such file\nhelp: {}", instead_of(given)),
        Err(error) => bail!("{shown}: {error}"),
    }
}

/// What may have been meant by a file that is not there.
fn instead_of(given: &Path) -> String {
    let folder = given.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = given.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let there = std::fs::read_dir(folder).into_iter().flatten();
    let there: Vec<String> = there.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let plugins: Vec<&str> =
        there.iter().map(String::as_str).filter(|file| file.ends_with(".wasm")).collect();
    match nearest::nearest(&name, &plugins) {
        Some(near) => format!("did you mean {}?", line(&given.with_file_name(near).display().to_string())),
        None if !folder.is_dir() => {
            format!("there is no folder {} either", line(&folder.display().to_string()))
        }
        None => "a plugin is NAME.wasm, or the folder in which `weir plugin build` has made one".to_owned(),
    }
}

/// A file as a plugin: its name is the file's, everything it may ask for is granted.
fn spec_of(file: &Path) -> anyhow::Result<PluginSpec> {
    let stem = file.file_stem().and_then(|stem| stem.to_str());
    let name = stem.with_context(|| format!("{}: not a file's name", file.display()))?;
    let spec = PluginSpec::new(PluginName::new(name), file.to_owned());
    // Nothing is behind it: a request is answered with the fault `no-session`.
    let http = vec!["https://nowhere.invalid".to_owned()];
    Ok(PluginSpec { capabilities: Capability::ALL.to_vec(), http, ..spec })
}

fn refused(file: &Path, problem: &LoadProblem) -> anyhow::Error {
    let problem = problem.to_string();
    // What cannot be read says so with its name.
    let name = format!("{}: ", file.display());
    let problem = problem.strip_prefix(&name).unwrap_or(&problem);
    let lines: Vec<String> = problem.lines().map(weir_admin::render::line).collect();
    anyhow::anyhow!("{}: {}", file.display(), lines.join("\n  "))
}

/// JSON settings from a file, or none.
fn settings_of(file: Option<&Path>) -> anyhow::Result<String> {
    let Some(file) = file else { return Ok(String::new()) };
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let value: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
    if !value.is_object() {
        bail!("{}: settings are a JSON object", file.display());
    }
    Ok(value.to_string())
}

/// A plugin's fault as its author reads it.
fn for_operator(fault: &Fault) -> String {
    match fault.detail.is_empty() {
        true => format!("{}: {}", fault.code, fault.message),
        false => format!("{}: {} ({})", fault.code, fault.message, fault.detail),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(fault: Fault) -> anyhow::Error {
    anyhow::anyhow!(for_operator(&fault))
}

fn print_json(view: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", weir_admin::render::json(view)?);
    Ok(())
}

/// Columns of text, padded; cells are made safe for a terminal and cut.
fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    const MAX_CELL: usize = 60;
    let cell = |text: &String| {
        let line = weir_admin::render::line(text);
        match line.chars().count() > MAX_CELL {
            true => line.chars().take(MAX_CELL - 1).chain(['…']).collect(),
            false => line,
        }
    };
    let mut all: Vec<Vec<String>> = vec![header.iter().map(|name| (*name).to_owned()).collect()];
    all.extend(rows.iter().map(|row| row.iter().map(cell).collect()));
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..header.len()).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in &all {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_and_nothing_in_it_reaches_the_terminal_raw() {
        let text =
            table(&["A", "B"], &[vec!["long one".into(), "\x1b[31m".into()], vec!["x".into(), "y".into()]]);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "A         B");
        assert!(lines[1].starts_with("long one  ") && !text.contains('\x1b'), "{text}");
        assert_eq!(lines[2], "x         y");
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_the_one_that_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sql-guard.wasm"), "").unwrap();
        let said = |name: &str| file_of(&folder.path().join(name)).unwrap_err().to_string();
        let near = said("sql-gaurd.wasm");
        assert!(near.contains("sql-gaurd.wasm: there is no such file\nhelp: did you mean "), "{near}");
        assert!(near.ends_with("/sql-guard.wasm?"), "{near}");
        assert!(said("other.wasm").contains("`weir plugin build`"));
        assert!(said("nowhere/sql-guard.wasm").contains("no folder"));
        assert!(file_of(&folder.path().join("sql-guard.wasm")).is_ok());
    }

    #[test]
    fn a_plugin_is_named_by_its_file() {
        assert_eq!(spec_of(Path::new("a/sql-guard.wasm")).unwrap().name.as_str(), "sql-guard");
        assert!(spec_of(Path::new("/")).is_err());
    }
}
