//! What the configuration needs of the world outside of its text: variables, files and programs.
//!
//! [`Machine`] is the real one. Tests bring their own, so that no check needs a real environment, and so that
//! "the program takes too long" takes no time.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The world outside. All of it is asked while the file is loaded, nothing later.
pub trait Outside {
    /// A variable of the environment; `None` when it is not set.
    fn variable(&self, name: &str) -> Option<Vec<u8>>;

    /// The content of a file.
    ///
    /// # Errors
    /// Those of the system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is there, links followed.
    ///
    /// # Errors
    /// Those of the system; `NotFound` when nothing is there.
    fn look(&self, path: &Path) -> io::Result<Thing>;

    /// Runs a program and answers what it prints on standard output.
    ///
    /// # Errors
    /// When it cannot be started, ends with anything but success, or has not ended after `limit`.
    fn run(&self, command: &[String], limit: Duration) -> Result<Vec<u8>, RunError>;
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing {
    pub kind: ThingKind,
    /// Any user of the machine may read it. `false` where the system does not say.
    pub others_may_read: bool,
    /// Any user of the machine may change it. `false` where the system does not say.
    pub others_may_write: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThingKind {
    File,
    Folder,
    /// A pipe, a socket or a device: none of them can be read in place of a file.
    Other,
}

/// Why a program has not printed a secret.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("it cannot be started: {0}")]
    Start(io::Error),
    /// How it ended: `exit status: 2`.
    #[error("it has failed: {0}")]
    Failed(String),
    #[error("it takes too long")]
    TooSlow,
}

/// The machine this process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Outside for Machine {
    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        std::env::var_os(name).map(std::ffi::OsString::into_encoded_bytes)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        regular_file(path)
    }

    fn look(&self, path: &Path) -> io::Result<Thing> {
        let facts = std::fs::metadata(path)?;
        let mode = mode_of(&facts);
        Ok(Thing {
            kind: match () {
                () if facts.is_dir() => ThingKind::Folder,
                () if facts.is_file() => ThingKind::File,
                () => ThingKind::Other,
            },
            others_may_read: mode & 0o004 != 0,
            others_may_write: mode & 0o002 != 0,
        })
    }

    /// Standard input and standard error of the program are closed. When it is too slow it is killed; what it has
    /// started itself is not.
    fn run(&self, command: &[String], limit: Duration) -> Result<Vec<u8>, RunError> {
        let until = Instant::now() + limit;
        let (program, arguments) =
            command.split_first().ok_or_else(|| RunError::Start(io::ErrorKind::InvalidInput.into()))?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(RunError::Start)?;
        // Reading has no time limit of its own, so another thread does it; it ends when the pipe is closed.
        let (done, output) = mpsc::channel();
        if let Some(mut pipe) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let read = pipe.read_to_end(&mut bytes).map(|_| bytes);
                // Nobody listens any more when the limit was reached.
                let _ = done.send(read);
            });
        }
        let received = output.recv_timeout(limit);
        loop {
            match child.try_wait().map_err(RunError::Start)? {
                Some(status) if status.success() => break,
                Some(status) => return Err(RunError::Failed(status.to_string())),
                None if Instant::now() >= until => {
                    // It may have ended in this moment; then there is nothing to kill, which is fine.
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(RunError::TooSlow);
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        match received {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(RunError::Failed(error.to_string())),
            Err(_) => Err(RunError::TooSlow),
        }
    }
}

/// Nothing we read is nearly as large; a file without end must not take the memory of the gateway.
const MOST_BYTES: u64 = 16 << 20;

/// The content of a regular file. Whatever else lies there is refused without waiting: a pipe that nobody writes to
/// would hold up its reader for ever.
pub(crate) fn regular_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path)?;
    let facts = file.metadata()?;
    if facts.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"));
    }
    if !facts.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a pipe or a device, not a regular file: put a regular file in its place",
        ));
    }
    let mut bytes = Vec::new();
    // One more than allowed: the file may grow while it is read.
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 16 MiB"));
    }
    Ok(bytes)
}

#[cfg(unix)]
fn mode_of(facts: &std::fs::Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    facts.mode()
}

#[cfg(not(unix))]
fn mode_of(_: &std::fs::Metadata) -> u32 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(words: &[&str], limit: Duration) -> Result<Vec<u8>, RunError> {
        Machine.run(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), limit)
    }

    #[test]
    fn programs_are_run_with_a_limit() {
        let long = Duration::from_secs(10);
        assert_eq!(run(&["echo", "a b"], long).unwrap(), b"a b\n");
        assert!(
            matches!(run(&["sh", "-c", "echo x; exit 3"], long), Err(RunError::Failed(how)) if how.contains('3'))
        );
        assert!(matches!(run(&["/no/such/program"], long), Err(RunError::Start(_))));
        let start = Instant::now();
        assert!(matches!(run(&["sleep", "30"], Duration::from_millis(50)), Err(RunError::TooSlow)));
        // Whatever closes its output early is still waited for no longer than the limit.
        let closed = run(&["sh", "-c", "exec >&-; sleep 30"], Duration::from_millis(50));
        assert!(matches!(closed, Err(RunError::TooSlow)));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn long_output_does_not_block_the_program() {
        let output = run(&["head", "-c", "300000", "/dev/zero"], Duration::from_secs(10)).unwrap();
        assert_eq!(output.len(), 300_000);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weir.toml");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let start = Instant::now();
        assert!(Machine.read(&path).unwrap_err().to_string().contains("regular file"));
        assert!(Machine.read(Path::new("/dev/zero")).unwrap_err().to_string().contains("regular file"));
        assert!(Machine.read(folder.path()).unwrap_err().to_string().contains("folder"));
        assert!(start.elapsed() < Duration::from_secs(5));
        let too_much = std::fs::File::create(folder.path().join("large")).unwrap();
        too_much.set_len(MOST_BYTES + 1).unwrap();
        let refused = Machine.read(&folder.path().join("large")).unwrap_err();
        assert!(refused.to_string().contains("larger"), "{refused}");
        // And once it is a regular file again, it is read.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "x").unwrap();
        assert_eq!(Machine.read(&path).unwrap(), b"x");
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_of_a_file_is_seen() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "x").unwrap();
        for (mode, read, write) in [(0o600, false, false), (0o644, true, false), (0o666, true, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let thing = Machine.look(&path).unwrap();
            assert_eq!((thing.others_may_read, thing.others_may_write), (read, write));
        }
        assert_eq!(Machine.look(folder.path()).unwrap().kind, ThingKind::Folder);
        assert!(Machine.look(&folder.path().join("none")).is_err());
    }
}
