//! The configuration as it is written: one file per section, every value with its place, `None` for what is not
//! there.
//!
//! Reading a section needs nothing but the section: types, units, bounds, names and unknown keys are told here.
//! Whatever needs a second section, a file or the environment is told in `check/`.

mod admin;
mod audit;
mod host;
mod http;
mod limits;
mod log;
pub(crate) mod names;
pub(crate) mod path;
mod plugin;
mod program;
mod resource;
mod server;

use crate::document::{Fields, Node, Report, Value};

pub(crate) use admin::Admin;
pub(crate) use audit::Audit;
pub(crate) use http::{Credential, Proof};
pub(crate) use limits::Limits;
pub(crate) use log::Log;
pub(crate) use plugin::{ModeWord, Plugin};
pub(crate) use program::{Program, Variable};
pub(crate) use resource::{ListenerTls, Resource, Upstream};
pub(crate) use server::Server;

/// The whole file.
#[derive(Debug, Default)]
pub(crate) struct File<'d> {
    pub(crate) server: Server,
    pub(crate) log: Log,
    pub(crate) admin: Admin,
    pub(crate) audit: Audit,
    pub(crate) limits: Limits,
    pub(crate) resources: Vec<Resource>,
    pub(crate) plugins: Vec<Plugin<'d>>,
}

/// Reads what can be read and reports the rest.
pub(crate) fn read<'d>(root: &'d Node, report: &Report) -> File<'d> {
    let Some(mut fields) = Fields::open(root, "the file", "", report) else { return File::default() };
    let mut section = |key: &'static str| {
        let entry = fields.take(key)?;
        Fields::open(&entry.node, format!("[{key}]"), key, report)
    };
    let server = section("server").map(Server::read).unwrap_or_default();
    let log = section("log").map(Log::read).unwrap_or_default();
    let admin = section("admin").map(Admin::read).unwrap_or_default();
    let audit = section("audit").map(Audit::read).unwrap_or_default();
    let limits = section("limits").map(Limits::read).unwrap_or_default();
    let resources = fields
        .tables("resource")
        .iter()
        .filter_map(|node| Fields::open(node, "[[resource]]", "resource", report))
        .map(Resource::read)
        .collect();
    let plugins = match fields.take("plugin").map(|entry| &entry.node) {
        Some(node) => match &node.value {
            Value::Table(entries) => entries.iter().filter_map(|entry| Plugin::read(entry, report)).collect(),
            _ => {
                Fields::open(node, "[plugin.NAME]", "plugin", report).map(|_| Vec::new()).unwrap_or_default()
            }
        },
        None => Vec::new(),
    };
    fields.finish();
    File { server, log, admin, audit, limits, resources, plugins }
}
