//! `weir plugin new`: a folder to begin with, from the templates in this binary (`sdk/LANGUAGE/template/KIND`).
//!
//! The SDK goes into the folder too, as `weir-sdk/`: it is in no package registry yet, and what is there is of the same
//! version as the gateway that will load the plugin.

use super::print_json;
use crate::cli::PluginNew;
use anyhow::{Context, bail};
use serde_json::json;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

use embedded::FILES;

/// Where the SDK is in a plugin's folder.
pub(super) const SDK: &str = "weir-sdk";
/// What says of a folder which language it is in.
pub(super) const MARKER: &str = "weir-plugin.json";
const MAX_NAME: usize = 63;

pub(super) fn new(asked: &PluginNew) -> anyhow::Result<ExitCode> {
    let PluginNew { language, kind, name, folder, sdk, json } = asked;
    let templates = templates();
    if !templates.iter().any(|(known, of)| known == language && of == kind) {
        let known: Vec<_> = templates.iter().map(|(language, kind)| format!("{language} {kind}")).collect();
        bail!("there is no template for `{language} {kind}`; there are: {}", known.join(", "));
    }
    if !is_name(name) {
        bail!(
            "`{name}` is no name for a plugin: lower-case letters, digits and `-`, a letter first, {MAX_NAME} at most"
        );
    }
    let folder = folder.clone().unwrap_or_else(|| name.into());
    if folder.exists() && std::fs::read_dir(&folder).map_or(true, |mut entries| entries.next().is_some()) {
        bail!("{} is there already, and not an empty folder", folder.display());
    }
    let sdk_root = match sdk {
        // Of a checkout: taken as it is, wherever it lies.
        Some(checkout) => {
            let checkout = checkout.canonicalize().with_context(|| checkout.display().to_string())?;
            if !checkout.join("sdk").join(language).is_dir() {
                bail!(
                    "{} has no sdk/{language}: --sdk is the folder of a checkout of weir",
                    checkout.display()
                );
            }
            checkout.display().to_string()
        }
        None => SDK.to_owned(),
    };
    // Go takes what does not begin like a path for the name of a module.
    let values =
        Values { name, sdk: if sdk.is_some() { format!("{sdk_root}/sdk") } else { format!("./{SDK}/sdk") } };
    let prefix = format!("sdk/{language}/template/{kind}/");
    for (path, runs, contents) in FILES {
        if let Some(path) = path.strip_prefix(&prefix) {
            write(&folder.join(values.fill(path)), *runs, &values.fill_bytes(contents))?;
        }
    }
    let marker = json!({ "language": language, "kind": kind, "name": name, "sdk": sdk_root });
    write(&folder.join(MARKER), false, format!("{marker}\n").as_bytes())?;
    if sdk.is_none() {
        write_sdk(&folder.join(SDK), language)?;
    }
    let shown = folder.display();
    let (article, place) = match kind.ends_with("inspector") {
        true => ("an", "first in a resource's `pipeline`, in place of the inspector there"),
        false => ("a", "into a `pipeline`"),
    };
    match json {
        true => print_json(&json!({ "folder": folder, "language": language, "kind": kind, "name": name }))?,
        false => println!(
            "{shown} is {article} {kind} in {language}. Next:\n  weir plugin build {shown}\n  weir plugin test {shown}\nThen \
             copy {shown}/{name}.wasm into the gateway's plugins folder, and put \"{name}\" {place}."
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Language and kind of each template.
fn templates() -> BTreeSet<(String, String)> {
    let of = |path: &str| {
        let (language, rest) = path.strip_prefix("sdk/")?.split_once("/template/")?;
        let (kind, _) = rest.split_once('/')?;
        (!language.contains('/')).then(|| (language.to_owned(), kind.to_owned()))
    };
    FILES.iter().filter_map(|(path, ..)| of(path)).collect()
}

/// The SDK of a language, what all of them share, and the contract.
fn write_sdk(folder: &Path, language: &str) -> anyhow::Result<()> {
    let own = format!("sdk/{language}/");
    for (path, runs, contents) in FILES {
        let is_of_all =
            path.strip_prefix("sdk/").is_some_and(|rest| !rest.contains('/') || rest.starts_with("lib/"));
        let is_wanted = path.starts_with(&own) || path.starts_with("wit/") || is_of_all;
        let is_workspace = language == "rust" && matches!(*path, "Cargo.toml" | "plugins/build");
        let is_apart = path.contains("/template/") || path.contains("/examples/") || path.contains("/tests/");
        if *path == "Cargo.toml" && is_workspace {
            let text = std::str::from_utf8(contents).context("Cargo.toml")?;
            write(&folder.join(path), false, workspace(text).as_bytes())?;
        } else if (is_wanted && !is_apart) || is_workspace {
            write(&folder.join(path), *runs, contents)?;
        }
    }
    Ok(())
}

/// The workspace with the SDK's crates alone. What it names besides as dependencies, nobody asks for there.
fn workspace(text: &str) -> String {
    let mut out = String::new();
    let mut within = false;
    for line in text.lines() {
        if within || line.starts_with("members = [") {
            if !within {
                out.push_str("members = [\n");
            }
            let own = line.split(['"']).filter(|word| word.starts_with("sdk/rust"));
            own.for_each(|member| out.push_str(&format!("    \"{member}\",\n")));
            within = !line.trim_end().ends_with(']');
            if !within {
                out.push_str("]\n");
            }
        } else if !line.starts_with("default-members") {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

fn write(path: &Path, runs: bool, contents: &[u8]) -> anyhow::Result<()> {
    let told = || path.display().to_string();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(told)?;
    }
    std::fs::write(path, contents).with_context(told)?;
    if runs {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).with_context(told)?;
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !name.ends_with('-')
}

/// What placeholders stand for: `{{name}}`, `{{snake_name}}`, `{{TypeName}}`, and `{{sdk}}`, the folder with the SDKs.
struct Values<'v> {
    name: &'v str,
    sdk: String,
}

impl Values<'_> {
    fn fill(&self, text: &str) -> String {
        let words = self.name.split('-').filter_map(|word| word.split_at_checked(1));
        let type_name: String = words.map(|(first, rest)| first.to_uppercase() + rest).collect();
        text.replace("{{name}}", self.name)
            .replace("{{snake_name}}", &self.name.replace('-', "_"))
            .replace("{{TypeName}}", &type_name)
            .replace("{{sdk}}", &self.sdk)
    }

    /// What is no text stays as it is.
    fn fill_bytes(&self, contents: &[u8]) -> Vec<u8> {
        std::str::from_utf8(contents).map_or_else(|_| contents.to_vec(), |text| self.fill(text).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_of_rust_are_in_the_binary() {
        let templates = templates();
        for kind in ["policy", "masker", "inspector", "http-inspector"] {
            assert!(templates.contains(&("rust".into(), kind.into())), "{templates:?}");
        }
    }

    #[test]
    fn every_template_has_the_cases_that_it_is_told_to_be_tested_with() {
        for (language, kind) in templates() {
            let cases = format!("sdk/{language}/template/{kind}/tests/cases/");
            assert!(FILES.iter().any(|(path, ..)| path.starts_with(&cases)), "{cases}");
        }
    }

    #[test]
    fn every_template_says_how_it_is_built_and_what_is_not_kept() {
        for (language, kind) in templates() {
            let of = |file: &str| {
                let wanted = format!("sdk/{language}/template/{kind}/{file}");
                let found = FILES.iter().find(|(path, ..)| *path == wanted);
                found.map(|(.., contents)| String::from_utf8_lossy(contents).into_owned()).unwrap_or_default()
            };
            let readme = of("README.md");
            for command in ["weir plugin build", "weir plugin test .", "`pipeline`"] {
                assert!(readme.contains(command), "{language} {kind}: {command}");
            }
            assert!(of(".gitignore").lines().any(|line| line == "*.wasm"), "{language} {kind}");
        }
    }

    #[test]
    fn placeholders_are_filled() {
        let values = Values { name: "my-2-rules", sdk: "weir-sdk/sdk".into() };
        assert_eq!(
            values.fill("{{name}} {{snake_name}} {{TypeName}} {{sdk}} {{other}}"),
            "my-2-rules my_2_rules My2Rules weir-sdk/sdk {{other}}"
        );
        assert_eq!(values.fill_bytes(&[0xff, b'{']), [0xff, b'{']);
    }

    #[test]
    fn names_are_those_of_files_and_crates() {
        assert!(is_name("my-2-rules"));
        for bad in ["", "A", "2a", "a_b", "a/b", "a-", "..", &"a".repeat(64)] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn the_workspace_of_the_sdk_has_its_crates_alone() {
        let (_, _, contents) = FILES.iter().find(|(path, ..)| *path == "Cargo.toml").unwrap();
        let text = workspace(std::str::from_utf8(contents).unwrap());
        assert!(text.contains("    \"sdk/rust/policy\",\n"));
        assert!(
            !text.contains("    \"host\",")
                && !text.contains("default-members")
                && text.contains("[workspace.dependencies]"),
            "{text}"
        );
    }
}
