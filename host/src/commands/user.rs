//! `weir user`: the local users file.

use super::load::client;
use super::{password, token};
use crate::cli::{Kind, UserCommand};
use anyhow::Context;
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;
use weir_config::users::{self, User};
use weir_config::{Machine, Secret};
use weir_model::PrincipalKind;
use weir_wire::postgres::{POSTGRES_ITERATIONS, Password, ScramVerifier};

/// How else a password is given here.
const FROM_STDIN: &str = "give it with --password-stdin";

pub(crate) fn user(config: &Path, command: UserCommand) -> anyhow::Result<ExitCode> {
    let file = match weir_config::users_file(config, &Machine) {
        Ok(file) => file,
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(super::EXIT_CONFIG));
        }
    };
    match command {
        UserCommand::Add {
            name,
            groups,
            kind,
            on_behalf_of,
            password_stdin,
            tokens,
            certificates,
            no_password,
        } => {
            // `None`: the file cannot be read, which is told where it is changed.
            let is_taken = match file.exists() {
                true => users::load(&file, &Machine)
                    .ok()
                    .map(|(all, _)| all.iter().any(|known| known.name == name)),
                false => Some(false),
            };
            // Nobody types a password for a name that is taken: that is refused below.
            let password = if no_password || is_taken == Some(true) {
                None
            } else {
                let asked = format!("Password for {name}: ");
                Some(verifier(&password::new(password_stdin, &asked, FROM_STDIN)?)?)
            };
            let kind = match kind {
                Kind::Human => PrincipalKind::Human,
                Kind::Agent => PrincipalKind::Agent,
                Kind::Service => PrincipalKind::Service,
            };
            let user = User {
                name: name.clone(),
                kind,
                groups,
                on_behalf_of,
                password,
                tokens,
                certificates,
                disabled: false,
                expires: None,
            };
            let Ok(gateway) = client(config) else { return Ok(ExitCode::from(super::EXIT_CONFIG)) };
            // What is left of an earlier user of that name, who was taken out by hand, is not this one's.
            if is_taken == Some(false) {
                let left = token::revoke_all_of(&gateway, &name);
                left.with_context(|| format!("the tokens of an earlier {name} could not be revoked"))?;
            }
            users::add(&file, &user)?;
            println!("added {name} to {}", file.display());
            if user.groups.is_empty() {
                println!(
                    "{name} is in no group: only an `allow` with \"user:{name}\" lets {name} reach something"
                );
            }
        }
        UserCommand::Passwd { name, password_stdin } => {
            let password = password::new(password_stdin, &format!("New password for {name}: "), FROM_STDIN)?;
            users::set_password(&file, &name, &verifier(&password)?)?;
            println!("changed the password of {name}");
        }
        UserCommand::Remove { name } => {
            let Ok(gateway) = client(config) else { return Ok(ExitCode::from(super::EXIT_CONFIG)) };
            users::remove(&file, &name)?;
            println!("removed {name}");
            // A user of that name who comes later is somebody else.
            token::revoke_all_of(&gateway, &name).with_context(|| {
                format!(
                    "the tokens of {name} could not be revoked: `weir token list` shows them, revoke each"
                )
            })?;
        }
        UserCommand::List { json } => match users::load(&file, &Machine) {
            Ok((all, warnings)) => {
                if !warnings.is_empty() {
                    eprintln!("{warnings}");
                }
                if json {
                    let all: Vec<_> = all.iter().map(as_json).collect();
                    println!("{}", serde_json::to_string_pretty(&all)?);
                } else {
                    all.iter().for_each(|user| println!("{}", line(user)));
                    if all.is_empty() {
                        println!("no users");
                    }
                }
            }
            Err(problems) => {
                eprintln!("{problems}");
                return Ok(ExitCode::from(super::EXIT_CONFIG));
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn line(user: &User) -> String {
    let owner = user.on_behalf_of.as_ref().map(|owner| format!(" for {owner}")).unwrap_or_default();
    let is_over = user.expires.is_some_and(|expires| expires <= SystemTime::now());
    let state = match (user.disabled, is_over) {
        (true, _) => " (disabled)",
        (_, true) => " (expired)",
        _ => "",
    };
    format!("{}\t{}{owner}\t{}{state}", user.name, user.kind.as_word(), user.groups.join(","))
}

fn as_json(user: &User) -> serde_json::Value {
    serde_json::json!({
        "name": user.name,
        "kind": user.kind.as_word(),
        "groups": user.groups,
        "on_behalf_of": user.on_behalf_of,
        "has_password": user.password.is_some(),
        "tokens": user.tokens,
        "certificates": user.certificates.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "disabled": user.disabled,
        "expires": user.expires.map(rfc3339),
    })
}

fn rfc3339(at: SystemTime) -> String {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    weir_audit::clock::rfc3339(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// What is stored of a password: nothing that lets anybody log in elsewhere.
fn verifier(password: &str) -> anyhow::Result<Secret> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).context("there is no randomness")?;
    let verifier = ScramVerifier::derive(&Password::new(password.as_bytes()), &salt, POSTGRES_ITERATIONS)?;
    Ok(Secret::new(verifier.to_text().as_str(), "weir user"))
}
