//! Compiled plugins on disk, so that a start does not compile what it compiled before.
//!
//! Compiled code is native code: whoever can put a file here can run anything in the gateway. So:
//!
//! * the folder is made with mode 0700; one that somebody else owns or may write to is not used at all;
//! * a file is used only when it is a regular file of our own, writable by nobody else, and its body has the
//!   SHA-256 in its header: torn writes and bad disks are found here, not by the processor;
//! * its name holds the plugin's digest and a hash of the engine (version, target, settings): code for another
//!   engine is never even opened. wasmtime checks the same again inside the file.
//!
//! A keyed MAC would add nothing: the key would lie where the files lie, and whoever may write as our own user
//! needs no cache to harm us. A file that does not pass is ignored, counted and replaced. Nothing precompiled
//! is ever accepted from outside.

use crate::metrics::{RoomMetrics, count};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use wasmtime::Engine;
use wasmtime::component::Component;
use weir_model::Digest;

/// Header: a name with the format's version, then the SHA-256 of what follows.
const MAGIC: &[u8; 12] = b"weir-cwasm1\n";
const HASH_BYTES: usize = 32;
/// Largest body: native code is about three times the plugin, see [`crate::limits::MAX_FILE_BYTES`].
const MAX_BODY_BYTES: u64 = 512 << 20;
/// Anybody else may write.
const OTHERS_WRITE: u32 = 0o022;

pub(crate) struct CodeCache {
    folder: PathBuf,
    owner: u32,
    engine_hash: String,
    metrics: Arc<RoomMetrics>,
}

impl CodeCache {
    /// # Errors
    /// When the folder cannot be made or is not safely ours; the message says which.
    pub(crate) fn open(folder: &Path, engine: &Engine, metrics: Arc<RoomMetrics>) -> Result<Self, String> {
        let show = |error: io::Error| format!("{}: {error}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(show)?;
        // A file we make tells who we are without asking the system in other ways.
        let probe = folder.join(format!(".probe-{}", std::process::id()));
        let made = private_file(&probe).and_then(|file| file.metadata());
        let _ = fs::remove_file(&probe);
        let owner = made.map_err(show)?.uid();
        let found = fs::symlink_metadata(folder).map_err(show)?;
        if !found.is_dir() || found.uid() != owner || found.mode() & OTHERS_WRITE != 0 {
            return Err(format!(
                "{}: must be a folder of our own that nobody else may write to (chmod 700)",
                folder.display()
            ));
        }
        Ok(Self { folder: folder.to_owned(), owner, engine_hash: engine_hash(engine), metrics })
    }

    /// The compiled form of the plugin with that digest, if we have it unharmed.
    #[allow(unsafe_code, reason = "the only door for compiled code; see the SAFETY comment")]
    pub(crate) fn get(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let body = match self.read(&self.path(digest)) {
            Ok(body) => body?,
            Err(why) => {
                tracing::warn!(digest = %digest.short(), %why, "compiled plugin not used");
                count(&self.metrics.cache_rejects);
                return None;
            }
        };
        // SAFETY: `deserialize` demands bytes that `Component::serialize` made and nobody altered. They come
        // from a regular file, owned by our user and writable by nobody else, in a folder of which the same
        // holds (checked above), and they have the SHA-256 that was written with them. Only `put` writes such
        // files. wasmtime checks engine version and configuration itself.
        match unsafe { Component::deserialize(engine, &body) } {
            Ok(component) => {
                count(&self.metrics.cache_hits);
                Some(component)
            }
            Err(error) => {
                tracing::warn!(digest = %digest.short(), %error, "compiled plugin not used");
                count(&self.metrics.cache_rejects);
                None
            }
        }
    }

    /// Keeps compiled code; failing to do so costs only time later.
    pub(crate) fn put(&self, digest: &Digest, component: &Component) {
        let kept = component
            .serialize()
            .map_err(|error| error.to_string())
            .and_then(|body| self.write(&self.path(digest), &body).map_err(|error| error.to_string()));
        if let Err(why) = kept {
            tracing::warn!(digest = %digest.short(), %why, "compiled plugin not kept");
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.engine_hash))
    }

    /// `None` when there is no such file.
    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, String> {
        let named = match fs::symlink_metadata(path) {
            Ok(named) => named,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        if !named.is_file() {
            return Err("not a regular file".to_owned());
        }
        let file = File::open(path).map_err(|error| error.to_string())?;
        let opened = file.metadata().map_err(|error| error.to_string())?;
        if !opened.is_file() || opened.uid() != self.owner || opened.mode() & OTHERS_WRITE != 0 {
            return Err("the file is not ours alone".to_owned());
        }
        let mut header = [0; MAGIC.len() + HASH_BYTES];
        (&file).read_exact(&mut header).map_err(|error| format!("the header is damaged: {error}"))?;
        let hash = header.strip_prefix(MAGIC.as_slice()).ok_or("the header is damaged")?;
        let most = opened.len().min(MAX_BODY_BYTES);
        let mut body = Vec::with_capacity(usize::try_from(most).unwrap_or_default());
        file.take(MAX_BODY_BYTES).read_to_end(&mut body).map_err(|error| error.to_string())?;
        if Sha256::digest(&body).as_slice() != hash {
            return Err("the contents are damaged".to_owned());
        }
        Ok(Some(body))
    }

    fn write(&self, path: &Path, body: &[u8]) -> io::Result<()> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".new-{}-{number}", std::process::id()));
        let written = private_file(&beside).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(Sha256::digest(body).as_slice())?;
            file.write_all(body)
        });
        written.and_then(|()| fs::rename(&beside, path)).inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
    }
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn engine_hash(engine: &Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
