//! `weir plugin inspect`: what a file is and asks for, without taking it into service.

use super::{print_json, refused, runtime, settings, spec_of, workbench};
use serde::Serialize;
use serde_json::Value;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::render::line;
use weir_guests::offline::Sight;

#[derive(Serialize)]
struct View {
    file: String,
    bytes: usize,
    sha256: String,
    /// `component`, or `core-module`, of which the host makes a component
    form: &'static str,
    world: String,
    contract: String,
    /// What it says of itself.
    name: String,
    version: String,
    description: String,
    capabilities: Vec<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    settings_schema: Value,
    /// Why a gateway would not load it, whatever is granted.
    problem: Option<String>,
}

pub(super) fn inspect(file: &Path, block: bool, json: bool) -> anyhow::Result<ExitCode> {
    let spec = spec_of(file)?;
    let name = spec.name.clone();
    let seen = runtime()?.block_on(async { Ok::<_, anyhow::Error>(workbench(false)?.look(&spec).await) })?;
    let sight = seen.map_err(|problem| refused(file, &problem))?;
    let view = view(file, &sight);
    if block {
        let manifest = sight.manifest.as_ref().map_err(|problem| refused(file, problem))?;
        let capabilities: Vec<_> = sight.capabilities.iter().map(|wish| wish.as_word()).collect();
        let block = settings::block(name.as_str(), &capabilities, &manifest.settings_schema)?;
        match json {
            true => print_json(&serde_json::json!({ "toml": block }))?,
            false => print!("{block}"),
        }
    } else if json {
        print_json(&view)?;
    } else {
        print!("{}", text(&view));
    }
    Ok(if view.problem.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn view(file: &Path, sight: &Sight) -> View {
    let manifest = sight.manifest.as_ref().ok();
    let said = |of: fn(&weir_guests::Manifest) -> &String| manifest.map(of).cloned().unwrap_or_default();
    let schema = said(|manifest| &manifest.settings_schema);
    let parsed = serde_json::from_str(&schema);
    let unreadable = parsed.is_err() && !schema.trim().is_empty();
    View {
        file: file.display().to_string(),
        bytes: sight.bytes,
        sha256: sight.digest.to_string(),
        form: if sight.core_module { "core-module" } else { "component" },
        world: sight.world.to_string(),
        contract: sight.version.to_string(),
        name: said(|manifest| &manifest.name),
        version: said(|manifest| &manifest.version),
        description: said(|manifest| &manifest.description),
        capabilities: sight.capabilities.iter().map(|wish| wish.as_word().to_owned()).collect(),
        imports: sight.imports.clone(),
        exports: sight.exports.clone(),
        settings_schema: parsed.unwrap_or(Value::Null),
        problem: match &sight.manifest {
            Err(problem) => Some(problem.to_string()),
            Ok(_) if unreadable => Some("its settings schema is no JSON".to_owned()),
            Ok(_) => None,
        },
    }
}

fn text(view: &View) -> String {
    let mut out = String::new();
    let mut put = |label: &str, values: &[String]| {
        let mut label = label;
        for value in values {
            for part in value.lines() {
                out.push_str(&format!("{label:<13} {}\n", line(part)));
                label = "";
            }
        }
    };
    let one = |text: &str| [text.to_owned()];
    put("file", &one(&view.file));
    put("size", &one(&format!("{} bytes", view.bytes)));
    put("sha256", &one(&view.sha256));
    let form = match view.form {
        "core-module" => "core module (the host makes the component)",
        form => form,
    };
    put("form", &one(form));
    put("world", &one(&view.world));
    put("contract", &one(&view.contract));
    put("name", &one(&view.name));
    put("version", &one(&view.version));
    put("description", &one(&view.description));
    let none = |list: &[String]| if list.is_empty() { vec!["none".to_owned()] } else { list.to_vec() };
    put("capabilities", &none(&view.capabilities));
    put("imports", &none(&view.imports));
    put("exports", &none(&view.exports));
    let keys = view.settings_schema.get("properties").and_then(Value::as_object);
    let keys: Vec<String> = keys.into_iter().flatten().map(|(key, _)| key.clone()).collect();
    put("settings", &none(&keys));
    put("problem", &view.problem.iter().cloned().collect::<Vec<_>>());
    out
}
