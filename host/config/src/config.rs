//! Loading: the file, its checks, and what is known of it afterwards.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use weir_model::{Digest, Grantee};

use crate::check::{self, Context};
use crate::document::{Node, Report, Source, parse};
use crate::outside::Outside;
use crate::place::Place;
use crate::problem::{Code, Location, Problem, Problems, Severity, code};
use crate::raw;
use crate::settings::{Protocol, Settings, facts};
use crate::users::{self, User};

/// A configuration without errors: what to run with, and where each thing is written.
pub struct Config {
    settings: Settings,
    users: Vec<User>,
    warnings: Problems,
    source: Source,
    root: Node,
}

/// Loads a configuration with its users and secrets, and checks all of it.
///
/// Takes as long as the programs that print secrets take, at most 10 s each: call it where waiting is allowed.
///
/// # Errors
/// Everything that is wrong, warnings included, if there is at least one error.
pub fn load(path: &Path, outside: &dyn Outside) -> Result<Config, Problems> {
    let config = examine(path, outside)?;
    if config.warnings.any_error() { Err(config.warnings) } else { Ok(config) }
}

/// Like [`load`], but with errors among its [`warnings`](Config::warnings) as long as the file can be read at all:
/// for those who look for further problems. What is wrong counts as if it were not written. Never run with it.
///
/// # Errors
/// When the file cannot be read or is no TOML.
pub fn examine(path: &Path, outside: &dyn Outside) -> Result<Config, Problems> {
    let report = Report::new(read(path, outside).map_err(Problems::new)?);
    let Some(root) = parse(report.source().text(), &report) else {
        return Err(Problems::new(report.finish().1));
    };
    let file = raw::read(&root, &report);
    let context = Context { folder: folder_of(path), outside, report: &report };
    let server = check::server(&file.server, context);
    let users_span = file.server.users.as_ref().map(|path| path.span);
    let (users, user_problems) = users::of_config(&server.users, users_span, outside, &report);
    let settings = check::settings(&file, server, users.as_deref(), context);
    drop(file);
    let (source, mut problems) = report.finish();
    problems.extend(user_problems);
    let warnings = Problems::new(problems);
    Ok(Config { settings, users: users.unwrap_or_default(), warnings, source, root })
}

/// Of the file's bytes, whatever they say: names a configuration that was refused. `None` when it cannot be read.
pub fn file_digest(path: &Path, outside: &dyn Outside) -> Option<Digest> {
    outside.read(path).ok().map(|bytes| Digest(Sha256::digest(&bytes).into()))
}

/// Where a configuration keeps its users, whatever else is wrong with it: so that `weir user` works while the rest
/// is being written.
///
/// # Errors
/// When the file cannot be read, is not TOML, or `server.users` is not a path.
pub fn users_file(path: &Path, outside: &dyn Outside) -> Result<PathBuf, Problems> {
    let report = Report::new(read(path, outside).map_err(Problems::new)?);
    let Some(root) = parse(report.source().text(), &report) else {
        return Err(Problems::new(report.finish().1));
    };
    let written = raw::read(&root, &report).server.users;
    let given = root.entry("server").is_some_and(|server| server.node.entry("users").is_some());
    match written {
        None if given => Err(Problems::new(report.finish().1)),
        users => Ok(folder_of(path).join(users.map_or(crate::settings::USERS.to_owned(), |path| path.value))),
    }
}

/// A resource as it is written, as far as a token is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable {
    pub name: String,
    /// `None` when it is missing or wrong.
    pub protocol: Option<Protocol>,
    pub allow: Vec<Grantee>,
}

/// The resources that are written, whatever else is wrong with them. Fetches no secret.
///
/// # Errors
/// When the file cannot be read or is not TOML.
pub fn reachable(path: &Path, outside: &dyn Outside) -> Result<Vec<Reachable>, Problems> {
    let report = Report::new(read(path, outside).map_err(Problems::new)?);
    let Some(root) = parse(report.source().text(), &report) else {
        return Err(Problems::new(report.finish().1));
    };
    let resources = raw::read(&root, &report).resources;
    let reachable = resources.into_iter().filter_map(|resource| {
        let allow = resource.allow.into_iter().flat_map(|list| list.value);
        Some(Reachable {
            name: resource.name?.value,
            protocol: resource.protocol.map(|at| at.value),
            allow: allow.map(|at| at.value).collect(),
        })
    });
    Ok(reachable.collect())
}

/// Every key that may be written in the sections that a text has: `resource.tls.key`. For the test that the example
/// shows them all, and for documentation.
pub fn known_keys(text: &str) -> BTreeSet<String> {
    let report = Report::new(Source::new(PathBuf::new(), text.to_owned()));
    if let Some(root) = parse(report.source().text(), &report) {
        raw::read(&root, &report);
    }
    report.known()
}

impl Config {
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Those of the users file; empty when there is none yet.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// What works but should be looked at.
    pub fn warnings(&self) -> &Problems {
        &self.warnings
    }

    /// How many `[[resource]]` are written, usable or not.
    pub fn written_resources(&self) -> usize {
        self.root.entry("resource").map_or(0, |entry| entry.node.len())
    }

    /// The file it was loaded from, as it was named.
    pub fn file(&self) -> &Path {
        self.source.file()
    }

    /// Where something is written, or the nearest thing around it; the file as a whole when nothing of it is
    /// written, as for a plugin without a table.
    pub fn locate(&self, place: &Place) -> Location {
        match place.find(&self.root) {
            Some(span) => self.source.location(span),
            None => Location { file: self.source.file().to_owned(), mark: None },
        }
    }

    /// A problem that somebody else has found with what is written at a place. Add `note` and `help` to it.
    pub fn problem(
        &self,
        code: Code,
        severity: Severity,
        place: &Place,
        message: impl Into<String>,
    ) -> Problem {
        let message = message.into();
        Problem { code, severity, location: self.locate(place), message, note: None, help: None }
    }

    /// Every setting and user as `key = value`, defaults included, secrets replaced by where they come from.
    pub fn effective(&self) -> Vec<(String, String)> {
        let facts = facts::of(&self.settings, &self.users);
        facts.into_iter().map(|(key, fact)| (key, fact.shown().to_owned())).collect()
    }

    /// Names what is in effect, for the trail: two configurations have the same digest exactly if they have the same
    /// [`effective`](Self::effective) settings. Secrets and password verifiers are not in it.
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        hash.update(b"weir configuration 1\n");
        for (key, value) in self.effective() {
            // Lengths in front, so that no value can look like the next key.
            hash.update(format!("{} {key} {} {value}\n", key.len(), value.len()));
        }
        Digest(hash.finalize().into())
    }
}

impl fmt::Debug for Config {
    /// Without the text of the file, in which secrets may stand that should not.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, users, warnings, source, root: _ } = self;
        out.debug_struct("Config")
            .field("file", &source.file())
            .field("settings", settings)
            .field("users", users)
            .field("warnings", &warnings.len())
            .finish_non_exhaustive()
    }
}

pub(crate) fn read(path: &Path, outside: &dyn Outside) -> Result<Source, Vec<Problem>> {
    let bytes = outside.read(path).map_err(|error| {
        let mut problems = unreadable(path, &error);
        if error.kind() == io::ErrorKind::NotFound {
            let help =
                "write it first (examples/weir.toml shows every key), or name another with -c or WEIR_CONFIG";
            problems.iter_mut().for_each(|problem| problem.help = Some(help.to_owned()));
        }
        problems
    })?;
    let text = String::from_utf8(bytes).map_err(|_| not_text(path))?;
    Ok(Source::new(path.to_owned(), text))
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Vec<Problem> {
    about(path, code::UNREADABLE, format!("the file cannot be read: {error}"))
}

pub(crate) fn not_text(path: &Path) -> Vec<Problem> {
    about(path, code::NOT_TEXT, "the file is not UTF-8 text".to_owned())
}

fn about(path: &Path, code: Code, message: String) -> Vec<Problem> {
    let report = Report::new(Source::new(path.to_owned(), String::new()));
    report.error(code, None, message);
    report.finish().1
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
