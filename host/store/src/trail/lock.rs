//! Files and folders that belong to one process and one user.

use super::OpenError;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::Error;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// An advisory lock on `audit.lock`; the system releases it when the process dies, however it dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(state: &Path) -> Result<Self, OpenError> {
        let path = state.join("audit.lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(OpenError::File { path, error }),
        }
    }
}

/// Creates the folder with mode 0700 if it is missing, and gives its absolute path.
///
/// A folder that exists keeps its mode: others may need it. The files in it are private all the same.
pub(super) fn folder(state: &Path) -> Result<PathBuf, OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.and_then(|()| state.canonicalize()).map_err(|error| failed(state, error))
}

/// Makes sure the file exists and only its owner can read it. SQLite gives its companions the same mode.
pub(crate) fn private_file(path: &Path) -> Result<(), OpenError> {
    let file = open(path)?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| failed(path, error))
}

fn open(path: &Path) -> Result<File, OpenError> {
    let mut how = OpenOptions::new();
    how.read(true).write(true).create(true).truncate(false).mode(0o600);
    how.open(path).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: Error) -> OpenError {
    OpenError::File { path: path.to_owned(), error }
}
