//! An upstream that is a program, as written: `upstream = { command = ["npx", "server"], env = { … }, cwd = "…" }`.

use crate::document::{At, Entry, Fields, Report, Value, text_of};
use crate::problem::code;
use crate::secret::{self, Reference};
use crate::settings::PROGRAM_MEMORY;

#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) command: Option<Vec<String>>,
    pub(crate) env: Vec<(String, Variable)>,
    pub(crate) cwd: Option<At<String>>,
    pub(crate) memory: Option<At<u64>>,
}

#[derive(Debug)]
pub(crate) enum Variable {
    Plain(String),
    Secret(At<Reference>),
}

impl Program {
    pub(super) fn read(mut fields: Fields<'_, '_>) -> Self {
        let report = fields.report();
        fields.require("command", "command = [\"npx\", \"server\"]");
        let command = secret::command(&mut fields);
        let cwd = fields.text("cwd");
        let memory = fields.size("memory", &PROGRAM_MEMORY);
        let env = fields.take("env").map(|entry| &entry.node);
        fields.finish();
        let variables = match env.map(|node| (&node.value, node)) {
            None => &[],
            Some((Value::Table(entries), _)) => entries.as_slice(),
            Some((_, node)) => {
                // Reports what it is instead.
                Fields::open(node, "`env`", "resource.upstream.env", report);
                &[]
            }
        };
        let env = variables.iter().filter_map(|entry| variable(entry, report)).collect();
        Self { command, env, cwd, memory }
    }
}

/// A text or where a secret is. A text that by its name or itself seems to be a secret is refused.
fn variable(entry: &Entry, report: &Report) -> Option<(String, Variable)> {
    let name = &entry.key.value;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        secret::hide(&entry.node, report);
        let message = format!("\"{}\" cannot be the name of a variable", name.escape_debug());
        report.error(code::BAD_VARIABLE, entry.key.span, message).help("write letters, digits and `_`");
        return None;
    }
    let holds_secret = match &entry.node.value {
        Value::Table(_) => true,
        Value::Text(text) => secret::literal_is_suspicious(name) || secret::password_in_url(text).is_some(),
        _ => false,
    };
    let value = match holds_secret {
        true => secret::read(entry, report).map(Variable::Secret),
        false => text_of(name, &entry.node, report).map(|text| Variable::Plain(text.value)),
    };
    value.map(|value| (name.clone(), value))
}
