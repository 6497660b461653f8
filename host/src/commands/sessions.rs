//! `weir sessions`: who is connected, and ending it.

use super::admin_client::with_client;
use crate::cli::SessionsCommand;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::{Timestamp, render};

pub(crate) fn sessions(config: &Path, command: SessionsCommand) -> anyhow::Result<ExitCode> {
    match command {
        SessionsCommand::List { json } => with_client(config, None, async |mut client| {
            let sessions = client.sessions().await?;
            match json {
                true => println!("{}", render::json(&sessions)?),
                false => print!("{}", render::sessions(&sessions, Timestamp::now())),
            }
            Ok(())
        }),
        SessionsCommand::Kill { id } => with_client(config, None, async |mut client| {
            client.kill_session(&id).await?;
            println!("ended {}", render::line(&id));
            Ok(())
        }),
    }
}
