//! `weir plugin build`: a folder of source to a file the gateway loads, with the build script of its language's SDK.

use super::new::{MARKER, SDK};
use super::print_json;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// What a folder says of itself.
struct Source {
    language: String,
    name: String,
    /// The folder with `sdk/LANGUAGE` and `plugins/build` in it.
    sdk: PathBuf,
}

pub(super) fn build(folder: &Path, out: Option<&Path>, json: bool) -> anyhow::Result<ExitCode> {
    let folder = folder.canonicalize().with_context(|| folder.display().to_string())?;
    let source = source(&folder)?;
    let out = out.map_or_else(|| folder.join(format!("{}.wasm", source.name)), Path::to_owned);
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().with_context(|| parent.display().to_string())?;
    let out = parent.join(out.file_name().context("--out is the name of a file")?);
    // Beside its place and then renamed: a gateway that watches the folder never sees half a file.
    let beside = parent.join(format!(".weir-build-{}", std::process::id()));
    std::fs::create_dir_all(&beside).with_context(|| beside.display().to_string())?;
    let made = run(&source, &folder, &beside);
    let moved = made.and_then(|made| std::fs::rename(&made, &out).with_context(|| out.display().to_string()));
    let _ = std::fs::remove_dir_all(&beside);
    moved?;
    let bytes = std::fs::metadata(&out)?.len();
    match json {
        true => print_json(&json!({ "file": out, "bytes": bytes, "language": source.language }))?,
        false => println!("{} ({bytes} bytes)", out.display()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the build script; its words go to standard error. Returns the file it made.
fn run(source: &Source, folder: &Path, beside: &Path) -> anyhow::Result<PathBuf> {
    let (script, made) = match source.language.as_str() {
        // The script of the repository's own plugins, which names the file by the folder.
        "rust" => {
            let name = folder.file_name().context("the root is no plugin")?.to_string_lossy().into_owned();
            (source.sdk.join("plugins/build"), beside.join(format!("{name}.wasm")))
        }
        language => (
            source.sdk.join("sdk").join(language).join("build"),
            beside.join(format!("{}.wasm", source.name)),
        ),
    };
    if !script.is_file() {
        bail!("{} is missing: it builds plugins in {}", script.display(), source.language);
    }
    let folder_named = folder.display();
    eprintln!("building {} ({}) in {folder_named} with {}", source.name, source.language, script.display());
    if is_first(source) {
        eprintln!("  the first build makes the SDK too, which takes minutes; what it says follows");
    }
    let mut command = Command::new(&script);
    match source.language.as_str() {
        "rust" => command.arg("--out").arg(beside).arg(folder),
        _ => command.arg(folder).arg(&made),
    };
    let ended = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .with_context(|| format!("{} cannot be run", script.display()))?;
    if !ended.success() || !made.is_file() {
        bail!("{} did not make a plugin of {} ({ended})", script.display(), folder.display());
    }
    Ok(made)
}

/// Whether the SDK is still to be compiled. Of other languages than Rust the script says itself what it installs.
fn is_first(source: &Source) -> bool {
    let named = std::env::var_os("WEIR_WASM_TARGET_DIR").filter(|folder| !folder.is_empty());
    let made = named.map_or_else(|| source.sdk.join("target/wasm"), PathBuf::from);
    source.language == "rust" && !made.join("wasm32-unknown-unknown/release").is_dir()
}

fn source(folder: &Path) -> anyhow::Result<Source> {
    let marker = folder.join(MARKER);
    if let Ok(text) = std::fs::read_to_string(&marker) {
        let said: Value = serde_json::from_str(&text).with_context(|| marker.display().to_string())?;
        let word = |key: &str| {
            let word = said.get(key).and_then(Value::as_str);
            word.map(ToOwned::to_owned).with_context(|| format!("{} has no `{key}`", marker.display()))
        };
        let (language, name) = (word("language")?, word("name")?);
        if language.contains(['/', '.']) || name.contains('/') {
            bail!("{}: `language` and `name` are words", marker.display());
        }
        let sdk = folder.join(word("sdk").unwrap_or_else(|_| SDK.to_owned()));
        return Ok(Source { language, name, sdk });
    }
    let name = folder.file_name().context("the root is no plugin")?.to_string_lossy().into_owned();
    if !folder.join("Cargo.toml").is_file() {
        bail!(
            "{} has no {MARKER}, as `weir plugin new` makes it, and no Cargo.toml; what was made by hand is built with \
             sdk/LANGUAGE/build, and the file it makes can be given in place of the folder",
            folder.display()
        );
    }
    // A crate within a checkout.
    let checkout = folder.ancestors().find(|above| above.join("plugins/build").is_file());
    let checkout = checkout.with_context(|| {
        format!(
            "{} has no {MARKER} and is in no checkout of weir: its SDK is not known; `plugins/build --out . FOLDER` \
             of a checkout builds it, and the file it makes can be given in place of the folder",
            folder.display()
        )
    })?;
    Ok(Source { language: "rust".to_owned(), name, sdk: checkout.to_owned() })
}

/// The file that `weir plugin build FOLDER` has made.
pub(super) fn built(folder: &Path) -> anyhow::Result<PathBuf> {
    let whole = folder.canonicalize().with_context(|| folder.display().to_string())?;
    let file = whole.join(format!("{}.wasm", source(&whole)?.name));
    if !file.is_file() {
        bail!("{} is missing: run `weir plugin build {}` first", file.display(), folder.display());
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_build_is_told_to_take_long() {
        let sdk = tempfile::tempdir().unwrap();
        let of = |language: &str| Source {
            language: language.into(),
            name: "p".into(),
            sdk: sdk.path().to_owned(),
        };
        assert!(is_first(&of("rust")));
        assert!(!is_first(&of("python")));
        std::fs::create_dir_all(sdk.path().join("target/wasm/wasm32-unknown-unknown/release")).unwrap();
        assert!(!is_first(&of("rust")));
    }
}
