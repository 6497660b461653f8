//! Puts the SDKs with their templates, and the contract, into the binary: `weir plugin new` needs nothing else.

use std::fmt::Write as _;
use std::io::Result;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Folders of the repository that go in, and single files.
const FOLDERS: [&str; 2] = ["sdk", "wit"];
const FILES: [&str; 3] = ["Cargo.toml", "plugins/build", "LICENSE"];
/// What building and trying leaves behind.
const LEFT_BEHIND: [&str; 5] = ["target", "node_modules", "__pycache__", "build", "dist"];

fn main() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        gather(&root.join(folder), &mut files)?;
    }
    files.extend(FILES.iter().map(|file| root.join(file)).filter(|file| file.exists()));
    files.sort();
    let mut code = String::from("pub(super) static FILES: &[(&str, bool, &[u8])] = &[\n");
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
        let name = file.strip_prefix(&root).unwrap_or(file).display().to_string();
        let runs = std::fs::metadata(file)?.permissions().mode() & 0o111 != 0;
        let _ = writeln!(code, "({name:?}, {runs}, include_bytes!({:?})),", file.display().to_string());
    }
    code.push_str("];\n");
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    std::fs::write(out.join("embedded.rs"), code)
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let is_folder = path.is_dir();
        // A script may be called `build`, like a folder that is not wanted.
        let left = is_folder && LEFT_BEHIND.contains(&name.as_str());
        let made = name.ends_with(".wasm") || (name.starts_with('.') && name != ".gitignore");
        match (left || made, is_folder) {
            (true, _) => {}
            (false, true) => gather(&path, files)?,
            (false, false) => files.push(path),
        }
    }
    Ok(())
}
