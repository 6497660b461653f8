//! `users.toml`: the people, agents and services the gateway knows itself.
//!
//! ```toml
//! [[user]]
//! name = "ann"
//! kind = "human"                       # or "agent", "service"
//! groups = ["engineers"]
//! password = "SCRAM-SHA-256$4096:…"    # a verifier, from which nobody gets the password back
//! certificates = ["email:ann@x.org"]   # a client certificate with this name is ann; also uri:, dns:, sha256:, key-sha256:, cn:
//!
//! [[user]]
//! name = "ann-cursor"
//! kind = "agent"
//! on_behalf_of = "ann"                 # every agent acts for a human
//! tokens = true                        # PostgreSQL asks for the password in clear (TLS or loopback): it may be a token
//! expires = "2027-01-01"               # from the beginning of that day, UTC, nobody gets in with this name
//! ```
//!
//! The file is the gateway's own: [`add`], [`remove`] and [`set_password`] change it in place and keep comments and
//! order. It is checked exactly as strictly as the configuration, and with the same kind of problems.

mod check;
mod edit;
mod password;
mod raw;

use std::path::Path;
use std::time::SystemTime;

use weir_model::{CertificateName, PrincipalKind};

use crate::document::{Report, Source, Span, parse};
use crate::outside::{Outside, ThingKind};
use crate::problem::{Problem, Problems, code};
use crate::secret::Secret;

pub use edit::{EditError, add, remove, set_password};

/// One `[[user]]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Unique: ASCII letters, digits and `. _ - @ +`, at most 63.
    pub name: String,
    pub kind: PrincipalKind,
    /// Without repetitions.
    pub groups: Vec<String>,
    /// A human of the same file; always there for agents, never for others.
    pub on_behalf_of: Option<String>,
    /// A verifier: `SCRAM-SHA-256$…` or `$argon2id$…`, of good form. `None`: no login with a password.
    pub password: Option<Secret>,
    /// May show a token (`weir token create`) where PostgreSQL asks for a password, which is then asked for in clear.
    pub tokens: bool,
    /// What stands for this user in a client certificate. No other user of the file has one of them.
    pub certificates: Vec<CertificateName>,
    /// May not log in, for now.
    pub disabled: bool,
    /// May not log in from this moment on.
    pub expires: Option<SystemTime>,
}

/// Reads the users of a file.
///
/// # Errors
/// When the file cannot be read or anything in it is wrong; warnings alone are not an error.
pub fn load(path: &Path, outside: &dyn Outside) -> Result<(Vec<User>, Problems), Problems> {
    match outside.read(path).map(String::from_utf8) {
        Ok(Ok(text)) => parse_text(path, text),
        Ok(Err(_)) => Err(Problems::new(crate::config::not_text(path))),
        Err(error) => {
            let mut problems = crate::config::unreadable(path, &error);
            if error.kind() == std::io::ErrorKind::NotFound {
                let help = "add the first user with `weir user add`";
                problems.iter_mut().for_each(|problem| problem.help = Some(help.to_owned()));
            }
            Err(Problems::new(problems))
        }
    }
}

/// The users of a text; `path` is for messages.
pub(crate) fn parse_text(path: &Path, text: String) -> Result<(Vec<User>, Problems), Problems> {
    let report = Report::new(Source::new(path.to_owned(), text));
    let users = match parse(report.source().text(), &report) {
        Some(root) => check::users(&raw::read(&root, &report), &report),
        None => Vec::new(),
    };
    let failed = report.any_error();
    let problems = Problems::new(report.finish().1);
    if failed { Err(problems) } else { Ok((users, problems)) }
}

/// The users named by a configuration. `None` when they are not known: the file is missing, which `report` (the
/// configuration's) is told at `span`, or wrong.
pub(crate) fn of_config(
    path: &Path,
    span: Option<Span>,
    outside: &dyn Outside,
    report: &Report,
) -> (Option<Vec<User>>, Vec<Problem>) {
    match outside.look(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            report
                .warning(
                    code::USERS_MISSING,
                    span,
                    format!("there is no {} yet: nobody can log in", path.display()),
                )
                .help("add the first user with `weir user add`");
            return (None, Vec::new());
        }
        Ok(thing) if thing.kind == ThingKind::File && (thing.others_may_read || thing.others_may_write) => {
            let message =
                format!("anybody on this machine can open {} and its password verifiers", path.display());
            report
                .warning(code::USERS_READABLE, span, message)
                .help(format!("run `chmod 600 {}`", path.display()));
        }
        _ => {}
    }
    match load(path, outside) {
        Ok((users, warnings)) => (Some(users), warnings.into_vec()),
        Err(problems) => (None, problems.into_vec()),
    }
}
