//! A world outside that exists only here: a few variables, files and programs that never change.
#![allow(dead_code, reason = "each test binary uses some of this module")]

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use weir_config::{Outside, RunError, Thing, ThingKind};

pub(crate) struct Pretend {
    variables: BTreeMap<&'static str, Vec<u8>>,
    files: BTreeMap<PathBuf, (Vec<u8>, u32)>,
    folders: Vec<PathBuf>,
}

pub(crate) const USERS: &str = r#"
[[user]]
name = "ann"
kind = "human"
groups = ["engineers"]

[[user]]
name = "bob"
kind = "human"
groups = ["engineers", "leads"]
"#;

impl Pretend {
    /// A folder with plugins, users, certificates, and secrets in every state.
    pub(crate) fn new() -> Self {
        let variables = BTreeMap::from([
            ("DB_PASSWORD", b"s3cret".to_vec()),
            ("ONLY_A_NEWLINE", b"\n".to_vec()),
            ("NOT_TEXT", vec![0xff, 0xfe]),
        ]);
        let files = [
            ("users.toml", USERS, 0o600),
            ("server.pem", "certificate", 0o644),
            ("server.key", "key", 0o600),
            ("open.key", "key", 0o644),
            ("ca.pem", "certificate", 0o644),
            ("custom.wasm", "component", 0o644),
            ("secret", "from file\n", 0o600),
            ("secret-readable", "from file", 0o644),
            ("secret-writable", "from file", 0o666),
        ];
        let files = files
            .into_iter()
            .map(|(name, text, mode)| (PathBuf::from(name), (text.as_bytes().to_vec(), mode)))
            .collect();
        Self { variables, files, folders: vec!["plugins".into(), "folder".into()] }
    }

    pub(crate) fn with_file(mut self, name: &str, content: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.insert(name.into(), (content.into(), mode));
        self
    }

    pub(crate) fn with_folder(mut self, name: &str) -> Self {
        self.folders.push(name.into());
        self
    }

    pub(crate) fn without_file(mut self, name: &str) -> Self {
        self.files.remove(Path::new(name));
        self
    }

    pub(crate) fn with_variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.into());
        self
    }
}

impl Outside for Pretend {
    fn variable(&self, name: &str) -> Option<Vec<u8>> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).map(|(content, _)| content.clone()).ok_or(ErrorKind::NotFound.into())
    }

    fn look(&self, path: &Path) -> io::Result<Thing> {
        if self.folders.iter().any(|folder| folder == path) {
            return Ok(Thing { kind: ThingKind::Folder, others_may_read: true, others_may_write: false });
        }
        let (_, mode) = self.files.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Thing {
            kind: ThingKind::File,
            others_may_read: mode & 0o004 != 0,
            others_may_write: mode & 0o002 != 0,
        })
    }

    fn run(&self, command: &[String], limit: Duration) -> Result<Vec<u8>, RunError> {
        assert_eq!(limit, Duration::from_secs(10));
        match command[0].as_str() {
            "prints" => Ok(command[1..].join(" ").into_bytes()),
            "fails" => Err(RunError::Failed("exit status: 2".into())),
            "hangs" => Err(RunError::TooSlow),
            _ => Err(RunError::Start(ErrorKind::NotFound.into())),
        }
    }
}
