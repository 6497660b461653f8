//! A look at a file from outside: enough to tell that it was replaced or written to.

use crate::load::PluginSpec;
use crate::trust::signature_file;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Which file a name leads to, through symbolic links, and in what state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    /// Also moves when the name or the permissions change.
    changed: (i64, i64),
}

/// A plugin's file with what says whether it is to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PluginLook {
    file: Look,
    lock: Option<Look>,
    signature: Option<Look>,
}

impl PluginLook {
    /// `None` when the file itself is not there.
    pub(crate) fn at(spec: &PluginSpec) -> Option<Self> {
        let file = Look::at(&spec.file)?;
        let lock = spec.trust.lock.as_deref().and_then(Look::at);
        let asked = !spec.trust.keys.is_empty();
        let signature = asked.then(|| Look::at(&signature_file(&spec.file))).flatten();
        Some(Self { file, lock, signature })
    }
}

impl Look {
    /// `None` when there is nothing, or nothing we may look at.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let found = std::fs::metadata(path).ok()?;
        Some(Self {
            device: found.dev(),
            inode: found.ino(),
            bytes: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// The same place on disk, whatever its contents.
    pub(crate) fn is_same_place(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}
