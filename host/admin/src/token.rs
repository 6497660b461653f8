//! The operator's token: 32 random bytes in a file that only the gateway's own account can read.
//!
//! Made once, at the first start, and used ever after; removing the file and starting again makes a new one. The file
//! appears whole or not at all: it is written beside its place and linked there, and a link never replaces what another
//! process was faster to put there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;

const TOKEN_BYTES: usize = 32;
/// More than any token file of ours has: something else lies there.
const MAX_FILE_BYTES: u64 = 1024;

/// Whoever shows it runs the gateway.
#[derive(Clone)]
pub struct OperatorToken(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} can be read by others (mode {mode:o}); run: chmod 600 {}", path.display(), path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("{} is no token; remove it, and the next start of `weir run` makes a new one", path.display())]
    Malformed { path: PathBuf },
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
}

impl OperatorToken {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == TOKEN_BYTES).then(|| Self(text.to_owned()))
    }

    /// For the `Authorization` header; not for logs.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// In constant time.
    pub(crate) fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl std::fmt::Debug for OperatorToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("OperatorToken(…)")
    }
}

/// For the gateway: the token in this file, which is made when there is none. The folder must exist.
///
/// # Errors
/// When the file cannot be read or made, can be read by others, or holds something else.
pub fn load_or_create_token(path: &Path) -> Result<OperatorToken, TokenError> {
    match load_token(path) {
        Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => create(path),
        loaded => loaded,
    }
}

/// For the command: the token in this file.
///
/// # Errors
/// When the file cannot be read, can be read by others, or holds something else.
pub fn load_token(path: &Path) -> Result<OperatorToken, TokenError> {
    let failed = |source| TokenError::Io { path: path.to_owned(), source };
    let malformed = || TokenError::Malformed { path: path.to_owned() };
    let file = File::open(path).map_err(failed)?;
    // Of the open file, not of the path: what is checked is what is read.
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(malformed());
    }
    let mode = facts.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| malformed())?;
    OperatorToken::parse(text.trim_end_matches('\n')).ok_or_else(malformed)
}

fn create(path: &Path) -> Result<OperatorToken, TokenError> {
    let mut random = [0; TOKEN_BYTES];
    getrandom::fill(&mut random).map_err(TokenError::Random)?;
    let token = OperatorToken(URL_SAFE_NO_PAD.encode(random));
    // A name of its own, so that neither a crash before nor another process now is in the way.
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(TokenError::Random)?;
    let beside = path.with_extension(format!("{}.new", URL_SAFE_NO_PAD.encode(suffix)));
    let placed = place(&token, &beside, path);
    let _ = std::fs::remove_file(&beside);
    match placed {
        Ok(()) => Ok(token),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => load_token(path),
        Err(source) => Err(TokenError::Io { path: path.to_owned(), source }),
    }
}

fn place(token: &OperatorToken, beside: &Path, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(format!("{}\n", token.0).as_bytes())?;
    file.sync_all()?;
    std::fs::hard_link(beside, path)?;
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        (folder, path)
    }

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let (folder, path) = place();
        let made = load_or_create_token(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(made.expose().len(), 43);
        assert!(load_or_create_token(&path).unwrap().is(made.expose()));
        assert!(load_token(&path).unwrap().is(made.expose()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(format!("{made:?}"), "OperatorToken(…)");
        let (_other_folder, other) = place();
        assert!(!load_or_create_token(&other).unwrap().is(made.expose()));
    }

    #[test]
    fn starters_at_the_same_time_get_the_same_one() {
        let (_folder, path) = place();
        let tokens: Vec<_> = std::thread::scope(|scope| {
            let starters: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_create_token(&path))).collect();
            starters.into_iter().map(|starter| starter.join().unwrap().unwrap()).collect()
        });
        assert!(tokens.iter().all(|token| token.is(tokens[0].expose())));
    }

    #[test]
    fn what_is_wrong_with_the_file_is_said_and_not_mended() {
        let (_folder, path) = place();
        for bad in ["", "short", "A".repeat(44).as_str(), "A".repeat(2000).as_str(), "\u{fffd}"] {
            fs::write(&path, bad).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(load_or_create_token(&path), Err(TokenError::Malformed { .. })), "{bad}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bad);
        }
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = load_or_create_token(&path).unwrap_err();
        assert!(error.to_string().contains("(mode 640); run: chmod 600"), "{error}");
        assert!(
            load_token(&path.with_file_name("none")).unwrap_err().to_string().contains("none: No such file")
        );
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = OperatorToken::parse(&"A".repeat(43)).unwrap();
        for wrong in ["", "A", &"A".repeat(42), &"A".repeat(44), &"B".repeat(43)] {
            assert!(!token.is(wrong));
        }
    }
}
