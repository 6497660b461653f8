//! Compiled code is kept, and used only when it is surely ours.

use crate::support::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use weir_guests::{Guests, GuestsConfig, PluginSpec, ReloadOutcome};

/// Starts over the same folder; gives back what was compiled, taken from the cache, and rejected there.
async fn start(folder: &Path) -> [u64; 3] {
    let spec = PluginSpec::new(name("policy"), folder.join("policy.wasm"));
    let config = GuestsConfig {
        plugins: folder.to_owned(),
        cache: Some(folder.join("cache")),
        engine: small_engine(),
        watch: false,
        outside: Arc::new(weir_guests::Nothing),
    };
    let started = Guests::start(config, vec![spec]).await.unwrap();
    assert!(matches!(started.outcomes[0].1, ReloadOutcome::Applied { .. }));
    let metrics = started.guests.room_metrics();
    [&metrics.compiled, &metrics.cache_hits, &metrics.cache_rejects].map(|each| each.load(Ordering::Relaxed))
}

fn folder_with_policy() -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("policy.wasm"), guest("policy")).unwrap();
    folder
}

fn cached(folder: &TempDir) -> PathBuf {
    let files: Vec<_> = std::fs::read_dir(folder.path().join("cache")).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].path()
}

#[tokio::test]
async fn the_second_start_does_not_compile() {
    let folder = folder_with_policy();
    assert_eq!(start(folder.path()).await, [1, 0, 0]);
    assert_eq!(start(folder.path()).await, [0, 1, 0]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("cache")), 0o700);
    assert_eq!(mode(&cached(&folder)), 0o600);
}

#[tokio::test]
async fn damaged_code_is_compiled_anew() {
    let folder = folder_with_policy();
    start(folder.path()).await;
    let path = cached(&folder);
    let whole = std::fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let mut header = whole.clone();
    header[0] ^= 1;
    for damaged in [flipped, header, whole[..whole.len() - 1].to_vec(), vec![]] {
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(start(folder.path()).await, [1, 0, 1]);
        assert_eq!(std::fs::read(&path).unwrap().len(), whole.len());
        assert_eq!(start(folder.path()).await, [0, 1, 0]);
    }
}

#[tokio::test]
async fn code_others_could_have_written_is_not_used() {
    let folder = folder_with_policy();
    start(folder.path()).await;
    let path = cached(&folder);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o666)).unwrap();
    assert_eq!(start(folder.path()).await, [1, 0, 1]);
    // A link is not followed, even to a good file.
    let elsewhere = folder.path().join("elsewhere");
    std::fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert_eq!(start(folder.path()).await, [1, 0, 1]);
    // A folder that others may write to is not used at all.
    std::fs::set_permissions(folder.path().join("cache"), PermissionsExt::from_mode(0o777)).unwrap();
    assert_eq!(start(folder.path()).await, [1, 0, 0]);
}
