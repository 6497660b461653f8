//! Changing a small file as a whole.
//!
//! It is written beside and then renamed, so whoever reads it sees the old file or the new one; the folder is locked
//! meanwhile, so two changes at once do not lose one of them. Only the owner may read the new file, and the owner stays
//! who it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// A file that nobody else changes in this way until this is dropped. It may not exist yet; its folder must.
pub(crate) struct Replaceable {
    target: PathBuf,
    folder: PathBuf,
    /// Closing the folder unlocks it.
    lock: File,
}

impl Replaceable {
    /// Waits for those who are at it.
    pub(crate) fn lock(path: &Path) -> io::Result<Self> {
        // A link stays a link: what it points to is replaced.
        let target = match fs::canonicalize(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
            other => other?,
        };
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let lock = File::open(&folder)?;
        lock.lock()?;
        Ok(Self { target, folder, lock })
    }

    /// Its text; empty when there is no file yet.
    pub(crate) fn read(&self) -> io::Result<String> {
        let bytes = match crate::outside::regular_file(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        String::from_utf8(bytes)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()))
    }

    /// When this returns, the new text is on disk.
    pub(crate) fn replace(self, text: &str) -> io::Result<()> {
        let Self { target, folder, lock } = self;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let beside = folder.join(format!(".{name}.{}.new", std::process::id()));
        // Left over from a process of the same number that was killed; nobody else is here, the folder is locked.
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let written =
            write_beside(&beside, &target, &folder, text).and_then(|()| fs::rename(&beside, &target));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&beside);
        }
        written?;
        lock.sync_all()
    }
}

fn write_beside(beside: &Path, target: &Path, folder: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(beside)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        // Otherwise the gateway could not read what root has written for it.
        match fs::metadata(target) {
            Ok(old) => {
                let new = file.metadata()?;
                if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                    fchown(&file, Some(old.uid()), Some(old.gid()))?;
                }
            }
            // A new file goes to whom the folder belongs; only root can give it away, and for others it stays theirs.
            Err(_) => {
                let owner = fs::metadata(folder)?;
                let _ = fchown(&file, Some(owner.uid()), Some(owner.gid()));
            }
        }
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
