//! From the file as written to the settings as used: everything that needs more than one section, or the world
//! outside.
//!
//! All checks run, whatever the others have found. A section that could not be read has been reported already and
//! counts as absent here, so one mistake does not cause a second message. The settings that come out are worth
//! something only if the report has no error; the caller looks.

mod files;
mod http;
mod limits;
mod people;
mod plugin;
mod resource;
mod rollout;
mod routes;
mod server;
mod setting;
mod unique;
mod upstream;
mod url;

use std::collections::BTreeMap;
use std::path::Path;

use weir_model::{PluginName, nearest};

use crate::document::Report;
use crate::outside::Outside;
use crate::raw;
use crate::settings::{Admin, Audit, Log, Plugin, Server, Settings};
use crate::users::User;

pub(crate) use server::server;

/// What every check needs.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    /// The folder of the file: where its relative paths begin.
    pub(crate) folder: &'c Path,
    pub(crate) outside: &'c dyn Outside,
    pub(crate) report: &'c Report,
}

/// Everything but `[server]`, which has been checked before because it says where the users are. `users` is
/// `None` when they are not known, and then nobody is reported as missing.
pub(crate) fn settings(
    file: &raw::File<'_>,
    server: Server,
    users: Option<&[User]>,
    context: Context<'_>,
) -> Settings {
    let report = context.report;
    let admin = admin(&file.admin, report);
    let limits = limits::limits(&file.limits, &crate::settings::Limits::default());
    if file.resources.is_empty() {
        report
            .warning(
                crate::problem::code::NO_RESOURCES,
                None,
                "there is no [[resource]]: nothing can be reached",
            )
            .help("examples/weir.toml shows one");
    }
    unique::names(&file.resources, report);
    unique::addresses(file, &admin, report);
    routes::different(&file.resources, report);
    if let Some(users) = users {
        people::known(&file.resources, users, report);
    }
    let resources =
        file.resources.iter().filter_map(|written| resource::resource(written, &limits, context)).collect();
    let plugins = plugins(file, &server, context);
    Settings { server, log: log(&file.log), admin, audit: audit(&file.audit), limits, resources, plugins }
}

pub(crate) fn admin(written: &raw::Admin, report: &Report) -> Admin {
    let Some(listen) = &written.listen else { return Admin::default() };
    if !listen.value.ip().is_loopback() {
        let message = format!(
            "[admin] must not listen on {}: it has no TLS, so the token and passwords would cross the network in the clear",
            listen.value
        );
        report
            .error(crate::problem::code::ADMIN_ADDRESS, listen.span, message)
            .help(format!("write \"127.0.0.1:{}\"", listen.value.port()));
    }
    Admin { listen: listen.value }
}

fn log(written: &raw::Log) -> Log {
    let default = Log::default();
    Log {
        format: written.format.as_ref().map_or(default.format, |format| format.value),
        filter: written.level.as_ref().map_or(default.filter, |level| level.value.clone()),
    }
}

fn audit(written: &raw::Audit) -> Audit {
    let default = Audit::default();
    Audit {
        queue_records: written.queue_records.as_ref().map_or(default.queue_records, |at| at.value),
        queue_bytes: written.queue_bytes.as_ref().map_or(default.queue_bytes, |at| at.value),
        patience: written.patience.as_ref().map_or(default.patience, |at| at.value),
    }
}

/// Those configured and those only named by a pipeline.
fn plugins(file: &raw::File<'_>, server: &Server, context: Context<'_>) -> BTreeMap<PluginName, Plugin> {
    let mut plugins = BTreeMap::new();
    let named: Vec<&PluginName> = file
        .resources
        .iter()
        .filter_map(|resource| resource.pipeline.as_ref())
        .flat_map(|pipeline| pipeline.value.iter().map(|name| &name.value))
        .collect();
    rollout::places(&file.plugins, &named, context.report);
    for written in &file.plugins {
        let name = &written.name.value;
        if !named.contains(&name) && written.of.is_none() {
            let message = format!("no pipeline names the plugin {name}");
            // One that is meant by a name of a pipeline has no section of its own.
            let without: Vec<&str> = named
                .iter()
                .filter(|other| file.plugins.iter().all(|plugin| plugin.name.value != ***other))
                .map(|other| other.as_str())
                .collect();
            let help = match nearest::nearest(name.as_str(), &without) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("add \"{name}\" to the `pipeline` of a resource"),
            };
            context
                .report
                .warning(crate::problem::code::UNUSED_PLUGIN, written.name.span, message)
                .help(help);
        }
        plugins.insert(name.clone(), plugin::plugin(written, &server.plugins, context));
    }
    for name in named {
        plugins
            .entry(name.clone())
            .or_insert_with(|| Plugin::with_defaults(server.plugins.join(format!("{name}.wasm"))));
    }
    plugins
}
