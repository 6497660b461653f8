//! Whether a plugin file is the one that was meant: its digest stands in a lock file, and a trusted key has signed it.
//! Both are looked at before a byte of it is parsed.
//!
//! * *Lock file*: JSON, `{"version": 1, "plugins": {"NAME": {"sha256": "…"}}}`; what else stands there is for people
//!   and for `weir plugin lock`. Where there is no such file, nothing is pinned. Where there is one, what it does not
//!   name is refused.
//! * *Signature*: `NAME.wasm.sig` beside the file, base64 of the 64 bytes of an Ed25519 signature over the file's bytes
//!   (RFC 8032, as `openssl pkeyutl -sign -rawin` makes it too). Asked for when the configuration trusts keys.

use crate::load::PluginSpec;
use crate::problem::{LoadProblem, Stage};
use crate::text::clean;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::Value;
use std::ffi::OsString;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use weir_model::Digest;

/// The lock file's name beside the configuration.
pub const LOCK_FILE: &str = "plugins.lock";
/// The version of its format.
pub const LOCK_VERSION: u64 = 1;
/// A lock file holds the settings schema of each plugin, some KiB.
const MAX_LOCK_BYTES: u64 = 16 << 20;
const MAX_SIGNATURE_BYTES: u64 = 4096;
const SIGNATURE_BYTES: usize = 64;
const KEY_BYTES: usize = 32;
/// What stands before the 32 bytes of a public key as OpenSSL writes it (RFC 8410).
const SPKI: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// What a plugin file must show before it is looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Where the lock file is, if there is one.
    pub lock: Option<PathBuf>,
    /// Public Ed25519 keys in base64; none: nothing needs a signature.
    pub keys: Vec<String>,
}

/// `NAME.wasm.sig`
pub fn signature_file(plugin: &Path) -> PathBuf {
    let mut name = OsString::from(plugin);
    name.push(".sig");
    name.into()
}

fn problem(message: impl Into<String>) -> LoadProblem {
    LoadProblem::new(Stage::Trust, message)
}

/// Refuses a file that is not pinned or not signed, where that is asked for.
pub(crate) fn check(spec: &PluginSpec, bytes: &[u8], digest: &Digest) -> Result<(), LoadProblem> {
    if let Some(lock) = &spec.trust.lock {
        pinned(lock, spec.name.as_str(), digest)?;
    }
    if spec.trust.keys.is_empty() {
        return Ok(());
    }
    signed(spec, bytes)
}

fn pinned(lock: &Path, name: &str, digest: &Digest) -> Result<(), LoadProblem> {
    let shown = lock.display();
    let Some(text) = read_if_there(lock, MAX_LOCK_BYTES)
        .map_err(|error| problem(format!("the lock file {shown} cannot be read: {error}")))?
    else {
        return Ok(());
    };
    let damaged = |what: &str| {
        problem(format!("the lock file {shown} is damaged: {what}"))
            .help("restore it, or remove it and run `weir plugin lock`")
    };
    let value: Value = serde_json::from_slice(&text).map_err(|error| damaged(&error.to_string()))?;
    if value.get("version").and_then(Value::as_u64) != Some(LOCK_VERSION) {
        return Err(damaged(&format!("its version is not {LOCK_VERSION}")));
    }
    let plugins = value.get("plugins").and_then(Value::as_object);
    let plugins = plugins.ok_or_else(|| damaged("it has no `plugins`"))?;
    let Some(entry) = plugins.get(name) else {
        return Err(problem(format!("the lock file {shown} does not name it (sha256 {digest})"))
            .help("look at it with `weir plugin inspect`, then run `weir plugin lock`"));
    };
    match entry.get("sha256").and_then(Value::as_str) {
        Some(wanted) if wanted == digest.to_string() => Ok(()),
        Some(wanted) => {
            let wanted = clean(wanted.to_owned(), 80);
            Err(problem(format!("its digest is {digest}; the lock file {shown} pins {wanted}")).help(
                format!("weir plugin lock tells what changes; to take it: weir plugin lock --upgrade {name}"),
            ))
        }
        None => Err(damaged(&format!("{name} has no sha256"))),
    }
}

fn signed(spec: &PluginSpec, bytes: &[u8]) -> Result<(), LoadProblem> {
    let file = signature_file(&spec.file);
    let help =
        || format!("whoever holds a trusted key runs: weir plugin sign --key KEY {}", spec.file.display());
    let keys: Vec<[u8; KEY_BYTES]> = spec
        .trust
        .keys
        .iter()
        .map(|text| {
            public_key(text).ok_or_else(|| problem("`server.plugin_keys` has an entry that is no key"))
        })
        .collect::<Result<_, _>>()?;
    let Some(text) = read_if_there(&file, MAX_SIGNATURE_BYTES)
        .map_err(|error| problem(format!("its signature {} cannot be read: {error}", file.display())))?
    else {
        return Err(problem(format!("it is not signed: there is no {}", file.display())).help(help()));
    };
    let text: Vec<u8> = text.into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let signature = STANDARD.decode(text).ok().filter(|bytes| bytes.len() == SIGNATURE_BYTES);
    let Some(signature) = signature else {
        return Err(
            problem(format!("{} is no signature: not 64 bytes in base64", file.display())).help(help())
        );
    };
    let good =
        |key: &[u8; KEY_BYTES]| UnparsedPublicKey::new(&ED25519, key).verify(bytes, &signature).is_ok();
    if keys.iter().any(good) {
        return Ok(());
    }
    Err(problem("its signature is of another file, or by a key that is not trusted").help(help()))
}

fn read_if_there(path: &Path, most: u64) -> std::io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => return Err(std::io::Error::other("not a regular file")),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(std::io::Error::other(format!("larger than {most} bytes")));
    }
    Ok(Some(bytes))
}

/// The key as raw 32 bytes in base64, or as the body of OpenSSL's public PEM.
fn public_key(text: &str) -> Option<[u8; KEY_BYTES]> {
    let bytes = STANDARD.decode(text.trim()).ok()?;
    bytes.strip_prefix(SPKI).unwrap_or(&bytes).try_into().ok()
}

/// A private key that signs plugins.
pub struct SigningKey(Ed25519KeyPair);

/// The text is no Ed25519 key, or there is no randomness for a new one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(&'static str);

impl SigningKey {
    /// A new key as PEM, for a file that only its owner reads.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<String, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| KeyError("the system has no random bytes"))?;
        let mut pem = format!("{PEM_BEGIN}\n");
        for line in STANDARD.encode(document.as_ref()).as_bytes().chunks(64) {
            pem.push_str(std::str::from_utf8(line).unwrap_or_default());
            pem.push('\n');
        }
        pem.push_str(PEM_END);
        pem.push('\n');
        Ok(pem)
    }

    /// A key in PKCS #8 as PEM: of `weir plugin sign --new-key`, or `openssl genpkey -algorithm ed25519`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let wrong = KeyError("it is no Ed25519 private key in PEM (PKCS #8, not encrypted)");
        let body = pem.split_once(PEM_BEGIN).and_then(|(_, rest)| rest.split_once(PEM_END));
        let body: String = body.ok_or_else(|| wrong.clone())?.0.split_whitespace().collect();
        let document = STANDARD.decode(body).map_err(|_| wrong.clone())?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(&document).map(Self).map_err(|_| wrong)
    }

    /// As `server.plugin_keys` names it.
    pub fn public(&self) -> String {
        STANDARD.encode(self.0.public_key().as_ref())
    }

    /// The contents of the signature file.
    pub fn sign(&self, file: &[u8]) -> String {
        format!("{}\n", STANDARD.encode(self.0.sign(file).as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::read;
    use weir_model::PluginName;

    /// A file `p.wasm` with these bytes, as a plugin whose lock file is beside it.
    fn plugin(folder: &Path, keys: Vec<String>) -> PluginSpec {
        let file = folder.join("p.wasm");
        std::fs::write(&file, b"not parsed").unwrap();
        let trust = Trust { lock: Some(folder.join(LOCK_FILE)), keys };
        PluginSpec { trust, ..PluginSpec::new(PluginName::new("p"), file) }
    }

    fn lock(folder: &Path, text: &str) {
        std::fs::write(folder.join(LOCK_FILE), text).unwrap();
    }

    fn refusal(spec: &PluginSpec) -> String {
        let problem = read(spec).unwrap_err();
        assert_eq!(problem.stage, Stage::Trust);
        problem.to_string()
    }

    #[test]
    fn only_the_pinned_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let spec = plugin(folder.path(), vec![]);
        let digest = read(&spec).expect("nothing is pinned").1;
        lock(folder.path(), &format!(r#"{{"version":1,"plugins":{{"p":{{"sha256":"{digest}"}}}}}}"#));
        read(&spec).expect("the pinned one");
        std::fs::write(&spec.file, b"another").unwrap();
        assert!(refusal(&spec).contains("weir plugin lock --upgrade p"));
        lock(folder.path(), r#"{"version":1,"plugins":{}}"#);
        assert!(refusal(&spec).contains("does not name it"));
    }

    #[test]
    fn a_damaged_lock_file_pins_everything_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spec = plugin(folder.path(), vec![]);
        for text in ["", "{}", r#"{"version":2,"plugins":{}}"#, r#"{"version":1,"plugins":{"p":{}}}"#] {
            lock(folder.path(), text);
            assert!(refusal(&spec).contains("damaged"), "{text}");
        }
    }

    #[test]
    fn only_a_signature_by_a_trusted_key_over_these_bytes_counts() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
        let other = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
        let spec = plugin(folder.path(), vec![other.public(), key.public()]);
        let sign = |text: &str| std::fs::write(signature_file(&spec.file), text).unwrap();
        assert!(refusal(&spec).contains("not signed"));
        sign("nonsense");
        assert!(refusal(&spec).contains("no signature"));
        sign(&key.sign(b"another file"));
        assert!(refusal(&spec).contains("of another file"));
        let stranger = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
        sign(&stranger.sign(b"not parsed"));
        assert!(refusal(&spec).contains("not trusted"));
        sign(&key.sign(b"not parsed"));
        read(&spec).expect("signed");
        let wrong = PluginSpec { trust: Trust { lock: None, keys: vec!["x".into()] }, ..spec };
        assert!(refusal(&wrong).contains("plugin_keys"));
    }

    #[test]
    fn keys_of_openssl_are_read() {
        // RFC 8410, section 10.3 and 10.1.
        let pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        let key = SigningKey::parse(pem).unwrap();
        let spki = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        assert_eq!(public_key(spki), public_key(&key.public()));
        assert!(public_key(spki).is_some());
        assert!(SigningKey::parse("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_err());
    }
}
