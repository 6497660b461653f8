//! `weir approvals`: what waits for a person, and what the person says.

use super::admin_client::with_client;
use crate::cli::{ApprovalsCommand, As};
use anyhow::Context;
use std::path::Path;
use std::process::ExitCode;
use weir_admin::render;
use weir_admin::views::Vote;

pub(crate) fn approvals(config: &Path, command: ApprovalsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ApprovalsCommand::List { who, json } => with_client(config, Some(who), async |mut client| {
            let approvals = client.approvals().await?;
            match json {
                true => println!("{}", render::json(&approvals)?),
                false => print!("{}", render::approvals(&approvals, weir_admin::Timestamp::now())),
            }
            Ok(())
        }),
        ApprovalsCommand::Show { id, who, json } => with_client(config, Some(who), async |mut client| {
            let approval = client.approval(&id).await?;
            match json {
                true => println!("{}", render::json(&approval)?),
                false => {
                    print!("{}", render::approval(&approval, weir_admin::Timestamp::now(), super::width()))
                }
            }
            Ok(())
        }),
        ApprovalsCommand::Approve { id, who, reason, digest } => {
            review(config, who, id, Vote::Approve, reason, digest)
        }
        ApprovalsCommand::Deny { id, who, reason } => review(config, who, id, Vote::Deny, reason, None),
    }
}

fn review(
    config: &Path,
    who: As,
    id: String,
    vote: Vote,
    comment: String,
    digest: Option<String>,
) -> anyhow::Result<ExitCode> {
    who.user.as_ref().context("say who you are with --user or WEIR_USER: an approval needs a person")?;
    with_client(config, Some(who), async |mut client| {
        let reviewed = client.review(&id, vote, &comment, digest.as_deref()).await?;
        println!("{} {} by {}", render::line(&reviewed.id), done(vote), render::line(&reviewed.by));
        Ok(())
    })
}

fn done(vote: Vote) -> &'static str {
    match vote {
        Vote::Approve => "approved",
        Vote::Deny => "denied",
    }
}
