//! `weir plugins`: what is loaded, and how it does.

use super::admin_client::with_client;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::render;

pub(crate) fn plugins(config: &Path, json: bool) -> anyhow::Result<ExitCode> {
    with_client(config, None, async |mut client| {
        let plugins = client.plugins().await?;
        match json {
            true => println!("{}", render::json(&plugins)?),
            false => print!("{}", render::plugins(&plugins, super::width())),
        }
        Ok(())
    })
}
