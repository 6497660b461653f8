//! Whether what the file points to is there.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use weir_model::Digest;

use super::Context;
use crate::document::{At, Span};
use crate::outside::{Thing, ThingKind};
use crate::problem::code;

/// Whether a folder must be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    Refuse,
    Create,
}

impl Context<'_> {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(Path::new(path))
    }

    /// A file that must be there.
    pub(super) fn file(&self, key: &str, path: &At<String>) -> Option<(PathBuf, Thing)> {
        let full = self.path(&path.value);
        match self.outside.look(&full) {
            Ok(thing) if thing.kind == ThingKind::File => Some((full, thing)),
            Ok(thing) => {
                let is = if thing.kind == ThingKind::Folder { "a folder" } else { "a pipe or a device" };
                let message = format!("`{key}` must be a file, and \"{}\" is {is}", path.value);
                self.report.error(code::FILE_WANTED, path.span, message);
                None
            }
            Err(error) => {
                let message = format!("`{key}`: \"{}\" cannot be used: {error}", path.value);
                self.report
                    .error(code::FILE_MISSING, path.span, message)
                    .note(format!("it is looked for at {}", full.display()));
                None
            }
        }
    }

    /// Names what files hold. Whether that can be used is for those who use it; what cannot be read holds nothing.
    pub(super) fn contents(&self, files: &[&Path]) -> Digest {
        let mut hash = Sha256::new();
        for file in files {
            let bytes = self.outside.read(file).unwrap_or_default();
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(&bytes);
        }
        Digest(hash.finalize().into())
    }

    /// A folder; `span` is `None` when the default is used.
    pub(super) fn folder(&self, key: &str, path: &str, span: Option<Span>, absent: Absent) -> PathBuf {
        let full = self.path(path);
        match self.outside.look(&full) {
            Ok(thing) if thing.kind == ThingKind::Folder => {}
            Ok(_) => {
                let message = format!("`{key}` must be a folder, and \"{path}\" is a file");
                self.report.error(code::FOLDER_WANTED, span, message);
            }
            Err(error) if absent == Absent::Refuse || error.kind() != std::io::ErrorKind::NotFound => {
                self.report
                    .error(
                        code::FOLDER_MISSING,
                        span,
                        format!("`{key}`: the folder \"{path}\" cannot be used: {error}"),
                    )
                    .note(format!("it is looked for at {}", full.display()));
            }
            Err(_) => {}
        }
        full
    }
}
