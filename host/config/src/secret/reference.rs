//! Reading where a secret is to be found.

use crate::document::{At, Entry, Fields, Node, Report, Value, Wanted};
use crate::problem::code;

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Variable(String),
    /// As written: relative to the configuration's folder.
    File(String),
    /// The program and its arguments. Not empty.
    Command(Vec<String>),
}

const PLACES: [&str; 3] = ["env", "file", "command"];

const HOW: &str = "write where to find it: `{ env = \"NAME\" }`, `{ file = \"path\" }` or \
                   `{ command = [\"program\", \"argument\"] }`";

/// Reads the reference below a key that must hold one. A literal text is hidden from all excerpts.
pub(crate) fn read(entry: &Entry, report: &Report) -> Option<At<Reference>> {
    let key = &entry.key.value;
    if let Some(reference) = reference_in(&entry.node, report) {
        return reference;
    }
    match &entry.node.value {
        Value::Table(_) => {
            hide(&entry.node, report);
            let message = format!("`{key}` does not say where the secret is");
            report.error(code::SECRET_SHAPE, entry.node.span, message).help(HOW);
        }
        _ => refuse_literal(key, &entry.node, report),
    }
    None
}

/// Tells that a secret itself is written below a key, and hides it from all excerpts.
pub(crate) fn refuse_literal(key: &str, node: &Node, report: &Report) {
    hide(node, report);
    let message = format!("`{key}` is a secret, and secrets are not written into this file");
    report.error(code::SECRET_LITERAL, node.span, message).help(HOW);
}

/// The reference, if the node has the shape of one: a table with exactly one key, `env`, `file` or `command`.
/// `Some(None)` when it has, but not a good value.
pub(crate) fn reference_in(node: &Node, report: &Report) -> Option<Option<At<Reference>>> {
    if !has_shape(node) {
        return None;
    }
    let mut fields = Fields::open(node, "the secret", "secret", report)?;
    let variable = fields.text("env").map(|name| Reference::Variable(name.value));
    let file = fields.text("file").map(|path| Reference::File(path.value));
    let command = command(&mut fields).map(Reference::Command);
    fields.finish();
    Some(variable.or(file).or(command).map(|reference| At::new(reference, node.span)))
}

/// The program and its arguments below the key `command`; not empty.
pub(crate) fn command(fields: &mut Fields<'_, '_>) -> Option<Vec<String>> {
    let report = fields.report();
    let command = fields.texts("command", Wanted::Words)?;
    if command.value.is_empty() {
        report.error(code::COMMAND_EMPTY, command.span, "`command` names no program");
        return None;
    }
    Some(command.value.into_iter().map(|word| word.value).collect())
}

/// Whether a node looks like a reference.
pub(crate) fn has_shape(node: &Node) -> bool {
    match &node.value {
        Value::Table(entries) => match entries.as_slice() {
            [entry] => PLACES.contains(&entry.key.value.as_str()),
            _ => false,
        },
        _ => false,
    }
}

/// Hides a value that is, or may have been meant as, a secret: texts without their quotes, and all of a table but
/// what names a place.
pub(crate) fn hide(node: &Node, report: &Report) {
    match &node.value {
        Value::Text(text) => {
            let inside = report.source().inside(text, node.span, 0, text.len());
            report.hide(inside);
        }
        Value::Table(entries) => {
            let other = entries.iter().filter(|entry| !PLACES.contains(&entry.key.value.as_str()));
            other.for_each(|entry| hide(&entry.node, report));
        }
        Value::List(nodes) => nodes.iter().for_each(|node| hide(node, report)),
        _ => report.hide(node.span),
    }
}

impl Reference {
    /// For people: `env NAME`, `file PATH`, `command PROGRAM`. Arguments may be telling, so they are left out.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::Variable(name) => format!("env {name}"),
            Self::File(path) => format!("file {path}"),
            Self::Command(words) => format!("command {}", words.first().map_or("", String::as_str)),
        }
    }
}
