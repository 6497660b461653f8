//! What a command needs that asks a running gateway or reads its trail: two keys, whatever else the file says.
//!
//! Whoever reviews has none of the gateway's secrets, and whoever stops a session must not be kept from it by a mistake
//! somebody has just made elsewhere in the file. So nothing but the two keys is looked at. They are never guessed:
//! where the text is no TOML, a key counts only if it is plainly on its own line, and its absence only if no line
//! mentions it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::check;
use crate::config::{folder_of, read};
use crate::document::{Fields, Node, Report, Source, parse, salvage};
use crate::outside::Outside;
use crate::problem::Problems;
use crate::raw::{self, names};
use crate::settings::STATE;

/// Where a gateway is found, and what it has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `admin.listen`, a loopback address.
    pub admin: SocketAddr,
    /// `server.state`.
    pub state: PathBuf,
}

/// Reads where the gateway of a configuration is. Fetches no secret and tells nothing of the rest of the file.
///
/// # Errors
/// When the file cannot be read, or one of the two keys is wrong or cannot be made out.
pub fn client(path: &Path, outside: &dyn Outside) -> Result<Client, Problems> {
    let report = Report::new(read(path, outside).map_err(Problems::new)?);
    let (root, broken) = salvage(report.source());
    let clear = |section, key| broken.is_empty() || is_clear(report.source(), &root, &broken, section, key);
    if !(clear("admin", "listen") && clear("server", "state")) {
        parse(report.source().text(), &report);
        return Err(Problems::new(report.finish().1));
    }
    let mut admin = raw::Admin::default();
    if let Some(mut fields) = open(&root, "admin", &report) {
        admin.listen = names::address(&mut fields, "listen");
    }
    let state = open(&root, "server", &report).and_then(|mut fields| fields.text("state"));
    let admin = check::admin(&admin, &report).listen;
    if report.any_error() {
        return Err(Problems::new(report.finish().1));
    }
    Ok(Client { admin, state: folder_of(path).join(state.map_or(STATE.to_owned(), |path| path.value)) })
}

fn open<'d, 'r>(root: &'d Node, section: &'static str, report: &'r Report) -> Option<Fields<'d, 'r>> {
    Fields::open(&root.entry(section)?.node, format!("[{section}]"), section, report)
}

/// Whether a text that is no TOML leaves no doubt about a key.
fn is_clear(source: &Source, root: &Node, broken: &[usize], section: &str, key: &str) -> bool {
    let found = root.entry(section).and_then(|entry| entry.node.entry(key));
    let lines = lines_about(source.text(), section, key);
    match found {
        Some(entry) => {
            let line = source.line_of(entry.key.span);
            lines == [line] && !broken.contains(&line)
        }
        None => lines.is_empty(),
    }
}

/// The lines, from 1, that seem to set a key of a section, however broken.
fn lines_about(text: &str, section: &str, key: &str) -> Vec<usize> {
    let mut within = "";
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        let word = |line: &str, word: &str| {
            line.trim_start_matches(['"', '\''])
                .strip_prefix(word)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-'))
        };
        if line.starts_with('[') {
            within = line.trim_matches(['[', ']', ' ', '\t', '"', '\'']);
        } else if word(line, section) || (word(within, section) && word(line, key)) {
            found.push(number);
        }
    }
    found
}
