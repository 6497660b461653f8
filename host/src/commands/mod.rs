//! One file per command.

mod admin_client;
mod approvals;
mod audit;
mod check;
mod load;
mod password;
mod plugin;
mod plugins;
mod run;
mod sessions;
mod token;
mod user;

use crate::cli::{Cli, Command};
use std::process::ExitCode;

/// The configuration is wrong (`EX_USAGE` of sysexits.h).
pub(crate) const EXIT_CONFIG: u8 = 64;

/// Columns of the terminal, or a width that reads well in a file.
pub(crate) fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(120)
}

pub(crate) fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    // `WEIR_CONFIG=` is how a shell unsets a variable for one command.
    let config = match cli.config.as_os_str().is_empty() {
        true => crate::cli::USUAL_CONFIG.into(),
        false => cli.config,
    };
    match cli.command {
        Command::Run => run::run(&config),
        Command::Check => check::check(&config),
        Command::User(command) => user::user(&config, command),
        Command::Token(command) => token::token(&config, command),
        Command::Approvals(command) => approvals::approvals(&config, command),
        Command::Audit(command) => audit::audit(&config, command),
        Command::Sessions(command) => sessions::sessions(&config, command),
        Command::Plugin(command) => plugin::plugin(&config, command),
        Command::Plugins { json } => plugins::plugins(&config, json),
    }
}
