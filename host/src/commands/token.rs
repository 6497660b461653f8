//! `weir token`: short-lived secrets that stand for a user.
//!
//! The commands change `state/tokens.toml`, which a running gateway follows. They wait until it has taken the change in
//! and recorded it, so that a script can use, or rely on the end of, a token in its next line.

use super::load::client;
use crate::cli::TokenCommand;
use anyhow::{Context, bail, ensure};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use weir_admin::render;
use weir_config::settings::Protocol;
use weir_config::tokens::{self, MAX_NOTE, Recorded, Token};
use weir_config::{Client, Machine, Reachable, users};
use weir_model::{Grantee, nearest};

const LONGEST: Duration = Duration::from_secs(90 * 86_400);
/// How long an expired token stays in the list.
const TIDY_AFTER: Duration = Duration::from_secs(7 * 86_400);
/// A gateway that runs takes a change in within some 0.3 s.
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn token(config: &Path, command: TokenCommand) -> anyhow::Result<ExitCode> {
    let Ok(gateway) = client(config) else { return Ok(ExitCode::from(super::EXIT_CONFIG)) };
    match command {
        TokenCommand::Create { user, ttl, resources, note } => {
            create(config, &gateway, user, &ttl, resources, note)
        }
        TokenCommand::List { json } => list(&gateway, json),
        TokenCommand::Revoke { id } => revoke(&gateway, &id),
    }
}

fn create(
    config: &Path,
    gateway: &Client,
    user: String,
    ttl: &str,
    resources: Vec<String>,
    note: String,
) -> anyhow::Result<ExitCode> {
    let ttl = duration(ttl)?;
    ensure!(note.chars().count() <= MAX_NOTE, "--note takes at most {MAX_NOTE} characters");
    let scram = match known(config, &user, &resources) {
        Ok(known) => is_asked_with_scram(&known?, &resources),
        Err(problems) => {
            eprintln!("{problems}");
            return Ok(ExitCode::from(super::EXIT_CONFIG));
        }
    };
    let made = weir_identity::new_token()?;
    let now = SystemTime::now();
    let token = Token {
        id: made.id.clone(),
        user: user.clone(),
        sha256: made.hash,
        created: now,
        expires: now + ttl,
        resources,
        note,
        revoked: None,
        recorded: Recorded::Nothing,
    };
    let expires = shown(token.expires);
    make_state(&gateway.state)?;
    tokens::change(&file(gateway), |tokens| {
        tokens.retain(|old| old.expires + TIDY_AFTER > now);
        tokens.push(token);
    })?;
    let done = wait(gateway, |tokens| {
        tokens.iter().any(|token| token.id == made.id && token.recorded >= Recorded::Created)
    })?;
    eprintln!("token {} of {user}, good until {expires}; it is shown this once:", made.id);
    println!("{}", *made.text);
    if scram {
        eprintln!(
            "note: PostgreSQL clients of {user} are asked with SCRAM, which cannot carry a token: add `tokens = true` \
             to the user if they shall come with it"
        );
    }
    tell(done, "it can be used");
    Ok(ExitCode::SUCCESS)
}

/// A user, and the resources that are configured.
struct Known {
    user: users::User,
    resources: Vec<Reachable>,
}

/// The user and the resources must be there: a token for nobody would be found out too late.
fn known(
    config: &Path,
    user: &str,
    resources: &[String],
) -> Result<anyhow::Result<Known>, weir_config::Problems> {
    let (all, _) = users::load(&weir_config::users_file(config, &Machine)?, &Machine)?;
    let there = weir_config::reachable(config, &Machine)?;
    if let Some(unknown) = resources.iter().find(|name| there.iter().all(|known| known.name != **name)) {
        let names: Vec<&str> = there.iter().map(|known| known.name.as_str()).collect();
        return Ok(Err(anyhow::anyhow!(
            "there is no resource `{}`; {}",
            render::line(unknown),
            nearest::suggest(unknown, &names, "there are")
        )));
    }
    let found = all.into_iter().find(|known| known.name == user);
    let found = found.with_context(|| format!("there is no user `{}`", render::line(user)));
    Ok(found.map(|user| Known { user, resources: there }))
}

/// Whether the token leads to a PostgreSQL resource whose clients could not show it. `only`: the resources it is good
/// for; none are all.
fn is_asked_with_scram(known: &Known, only: &[String]) -> bool {
    let Known { user, resources } = known;
    let may = |resource: &Reachable| {
        resource.allow.iter().any(|grantee| match grantee {
            Grantee::User(name) => *name == user.name,
            Grantee::Group(name) => user.groups.contains(name),
        })
    };
    let leads = |resource: &Reachable| match only {
        [] => may(resource),
        only => only.contains(&resource.name),
    };
    let is_postgres = |resource: &Reachable| resource.protocol != Some(Protocol::Http);
    !user.tokens && resources.iter().any(|resource| is_postgres(resource) && leads(resource))
}

fn list(gateway: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now();
    let tokens = tokens::load(&file(gateway))?;
    if json {
        let all: Vec<_> = tokens.iter().map(|token| as_json(token, now)).collect();
        println!("{}", render::json(&all)?);
        return Ok(ExitCode::SUCCESS);
    }
    for token in &tokens {
        let resources =
            if token.resources.is_empty() { "everywhere".to_owned() } else { token.resources.join(",") };
        let line = format!(
            "{}  {:<12} {:<8} until {}  {resources}  {}",
            token.id,
            token.user,
            state(token, now),
            shown(token.expires),
            token.note
        );
        println!("{}", render::line(line.trim_end()));
    }
    if tokens.is_empty() {
        println!("no tokens");
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(token: &Token, now: SystemTime) -> serde_json::Value {
    serde_json::json!({
        "id": token.id,
        "user": token.user,
        "state": state(token, now),
        "created": shown(token.created),
        "expires": shown(token.expires),
        "revoked": token.revoked.map(shown),
        "resources": token.resources,
        "note": token.note,
    })
}

fn state(token: &Token, now: SystemTime) -> &'static str {
    match () {
        () if token.revoked.is_some() => "revoked",
        () if token.expires <= now => "expired",
        () => "good",
    }
}

fn revoke(gateway: &Client, id: &str) -> anyhow::Result<ExitCode> {
    let now = SystemTime::now();
    let found = tokens::change(&file(gateway), |tokens| {
        let token = tokens.iter_mut().find(|token| token.id == id)?;
        let before = token.revoked.or((token.expires <= now).then_some(token.expires));
        token.revoked = token.revoked.or(Some(now));
        Some((token.user.clone(), before))
    })?;
    let Some((user, before)) = found else {
        bail!("there is no token `{}`: `weir token list` shows them", render::line(id));
    };
    let done = wait(gateway, |tokens| {
        tokens.iter().all(|token| token.id != id || token.recorded == Recorded::Revoked)
    })?;
    match before {
        Some(moment) => println!("token {id} of {user} was good only until {}", shown(moment)),
        None => println!("revoked token {id} of {user}"),
    }
    tell(done, "the sessions that came with it end");
    Ok(ExitCode::SUCCESS)
}

/// Revokes what a user has, so that nobody of that name has it later.
pub(super) fn revoke_all_of(gateway: &Client, user: &str) -> anyhow::Result<()> {
    let is_good = |token: &Token| token.user == user && token.revoked.is_none();
    // Also where there is no such file yet, or no such folder.
    if !tokens::load(&file(gateway))?.iter().any(is_good) {
        return Ok(());
    }
    let now = SystemTime::now();
    let revoked = tokens::change(&file(gateway), |tokens| {
        let good = tokens.iter_mut().filter(|token| is_good(token));
        good.map(|token| {
            token.revoked = Some(now);
            token.id.clone()
        })
        .collect::<Vec<_>>()
    })?;
    let done = wait(gateway, |tokens| {
        tokens.iter().all(|token| !revoked.contains(&token.id) || token.recorded == Recorded::Revoked)
    })?;
    for id in revoked {
        println!("revoked token {id} of {user}");
    }
    tell(done, "the sessions that came with them end");
    Ok(())
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    In,
    NotYet,
    NoGateway,
}

/// Waits until a running gateway has taken a change in.
fn wait(gateway: &Client, is_in: impl Fn(&[Token]) -> bool) -> anyhow::Result<Taken> {
    if TcpStream::connect_timeout(&gateway.admin, Duration::from_millis(500)).is_err() {
        return Ok(Taken::NoGateway);
    }
    let since = Instant::now();
    loop {
        if is_in(&tokens::load(&file(gateway))?) {
            return Ok(Taken::In);
        }
        if since.elapsed() > PATIENCE {
            return Ok(Taken::NotYet);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn tell(taken: Taken, then: &str) {
    match taken {
        Taken::In => {}
        Taken::NotYet => eprintln!("the gateway has not recorded it yet; when it has, {then}: see its log"),
        Taken::NoGateway => eprintln!("the gateway does not run; when it does, {then}"),
    }
}

fn file(gateway: &Client) -> std::path::PathBuf {
    gateway.state.join(tokens::FILE)
}

/// The folder is there unless the gateway has never run.
fn make_state(state: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.with_context(|| format!("creating {}", state.display()))
}

/// `90s`, `30m`, `8h`, `7d`: from a second to 90 days.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let parsed = text.char_indices().last().and_then(|(at, unit)| {
        let count: u64 = text.get(..at)?.parse().ok()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        count.checked_mul(seconds).map(Duration::from_secs)
    });
    let length =
        parsed.with_context(|| format!("`{}` is no length of time: write 8h", render::line(text)))?;
    ensure!(!length.is_zero() && length <= LONGEST, "a token is good for at least `1s` and at most `90d`");
    Ok(length)
}

fn shown(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    let whole = moment.replace_nanosecond(0).unwrap_or(moment);
    whole.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_comes_to_postgres_without_tokens_is_told_of_scram() {
        let user = |groups: &[&str], tokens| users::User {
            name: "ann".into(),
            kind: weir_model::PrincipalKind::Human,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            on_behalf_of: None,
            password: None,
            tokens,
            certificates: Vec::new(),
            disabled: false,
            expires: None,
        };
        let resource = |name: &str, protocol, group: &str| Reachable {
            name: name.into(),
            protocol: Some(protocol),
            allow: vec![Grantee::Group(group.into())],
        };
        let resources = vec![
            resource("shop", Protocol::Http, "support"),
            resource("db", Protocol::Postgres, "engineers"),
        ];
        let told = |groups: &[&str], tokens, only: &[&str]| {
            let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
            is_asked_with_scram(&Known { user: user(groups, tokens), resources: resources.clone() }, &only)
        };
        assert!(told(&["engineers", "support"], false, &[]));
        assert!(told(&["engineers", "support"], false, &["shop", "db"]));
        assert!(!told(&["engineers", "support"], false, &["shop"]));
        assert!(!told(&["support"], false, &[]));
        assert!(!told(&["engineers"], true, &["db"]));
    }

    #[test]
    fn a_token_lives_from_a_second_to_ninety_days() {
        assert_eq!(duration("8h").unwrap(), Duration::from_secs(28_800));
        assert_eq!(duration("90d").unwrap(), LONGEST);
        for bad in
            ["", "h", "8", "8 h", "-1h", "0s", "91d", "1y", "99999999999999999999d", "213503982334602d"]
        {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
