//! `weir plugin sign`: detached signatures that a gateway with `server.plugin_keys` asks for.

use super::print_json;
use anyhow::{Context, bail};
use serde_json::json;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use weir_guests::MAX_FILE_BYTES;
use weir_guests::trust::{SigningKey, signature_file};

/// Anybody but the owner may read or write.
const OTHERS: u32 = 0o077;

pub(super) fn sign(key: &Path, new: bool, files: &[PathBuf], json: bool) -> anyhow::Result<ExitCode> {
    let told = || key.display().to_string();
    if new {
        let mut options = std::fs::OpenOptions::new();
        if key.exists() {
            bail!("{}: there is a key already; leave --new-key out, or name another file", key.display());
        }
        let mut file = options.write(true).create_new(true).mode(0o600).open(key).with_context(told)?;
        file.write_all(SigningKey::generate()?.as_bytes())?;
    }
    if !key.exists() {
        bail!("{}: there is no such key; --new-key makes one", key.display());
    }
    if std::fs::metadata(key).with_context(told)?.mode() & OTHERS != 0 {
        bail!("{}: others may read this key (chmod 600 makes it yours alone)", key.display());
    }
    let signer = SigningKey::parse(&std::fs::read_to_string(key).with_context(told)?).with_context(told)?;
    let mut signed = Vec::new();
    for file in files {
        let told = || file.display().to_string();
        if std::fs::metadata(file).with_context(told)?.len() > MAX_FILE_BYTES {
            bail!("{}: no gateway loads a file as large as this", file.display());
        }
        let text = signer.sign(&std::fs::read(file).with_context(told)?);
        let place = signature_file(file);
        replace(&place, text.as_bytes())?;
        signed.push(place);
    }
    if json {
        print_json(&json!({ "public_key": signer.public(), "signatures": signed }))?;
    } else {
        signed.iter().for_each(|place| println!("{}", place.display()));
        println!("the public key, to be trusted in [server]:\nplugin_keys = [\"{}\"]", signer.public());
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a file in its place at once.
pub(super) fn replace(place: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(place.file_name().context("not the name of a file")?);
    name.push(format!(".{}", std::process::id()));
    let beside = place.with_file_name(name);
    let written = std::fs::write(&beside, contents).and_then(|()| std::fs::rename(&beside, place));
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written.with_context(|| place.display().to_string())
}
