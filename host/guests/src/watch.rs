//! Noticing that files changed.
//!
//! Two ways, one for speed and one for truth. The system's notifications say *that* something happened in a
//! folder, never what: after a short pause the registry looks itself. And every second it looks anyway: that
//! covers symbolic links into other folders, folders that are replaced, network file systems, a watch that
//! broke, and queues that overflowed. A look that finds nothing new costs one `stat` per plugin.

use crate::look::Look;
use crate::registry::{Registry, SETTLE_TIME};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Pause after a notification: tools write in several steps.
const DEBOUNCE_TIME: Duration = Duration::from_millis(20);
/// Time between looks when nothing is notified.
const POLL_TIME: Duration = Duration::from_secs(1);

/// Watches for as long as it lives.
pub(crate) struct Watch {
    task: JoinHandle<()>,
}

impl Watch {
    pub(crate) fn start(registry: Arc<Registry>, folder: PathBuf) -> Self {
        Self { task: tokio::spawn(run(registry, folder)) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(registry: Arc<Registry>, folder: PathBuf) {
    let hint = Arc::new(Notify::new());
    let mut watched = Watched::new(Arc::clone(&hint));
    loop {
        watched.follow(&registry, &folder).await;
        let settled = registry.rescan().await;
        if !settled {
            tokio::time::sleep(SETTLE_TIME).await;
            continue;
        }
        if tokio::time::timeout(POLL_TIME, hint.notified()).await.is_ok() {
            tokio::time::sleep(DEBOUNCE_TIME).await;
        }
    }
}

/// The folders under notification.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeMap<PathBuf, Look>,
}

impl Watched {
    fn new(hint: Arc<Notify>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.as_ref().map_or(true, |event| is_change(event.kind)) {
                hint.notify_one();
            }
        });
        let watcher = watcher
            .inspect_err(
                |error| tracing::warn!(%error, "no notifications: plugins are looked at each second"),
            )
            .ok();
        Self { watcher, folders: BTreeMap::new() }
    }

    /// Watches the folders that matter now, and again those that were replaced.
    async fn follow(&mut self, registry: &Registry, folder: &Path) {
        let Some(watcher) = &mut self.watcher else { return };
        let files = registry.files().await;
        let parents = files.iter().filter_map(|file| file.parent());
        // Where a symbolic link leads matters as much as where it lies.
        let targets: Vec<_> = files.iter().filter_map(|file| file.canonicalize().ok()).collect();
        let target_parents = targets.iter().filter_map(|file| file.parent());
        let mut wanted: BTreeMap<PathBuf, Look> = BTreeMap::new();
        for path in std::iter::once(folder).chain(parents).chain(target_parents) {
            if let Some(look) = Look::at(path) {
                wanted.insert(path.to_owned(), look);
            }
        }
        self.folders.retain(|path, look| {
            let stays = wanted.get(path).is_some_and(|now| now.is_same_place(look));
            if !stays {
                let _ = watcher.unwatch(path);
            }
            stays
        });
        wanted.retain(|path, _| !self.folders.contains_key(path));
        for (path, look) in wanted {
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => _ = self.folders.insert(path, look),
                Err(error) => tracing::debug!(path = %path.display(), %error, "folder not watched"),
            }
        }
    }
}

/// Our own reading is no change.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
