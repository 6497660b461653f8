//! The tokens of `state/tokens.toml`, followed while the gateway runs.
//!
//! A new token opens nothing before its making is in the trail; a revoked, expired or removed one opens nothing at
//! once, and the sessions that came with it end, whether that can be recorded or not: what only narrows does not wait.
//! Who is taken out of the users file loses them for good: they are revoked in the file, since the next user of that
//! name is somebody else.
//!
//! When it is recorded, the file is told (`recorded`), so that the next start does not record it again, and so that
//! `weir token` knows that it is done.

use crate::reload::{Stamp, stamp};
use crate::shared::Shared;
use anyhow::Context;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use weir_audit::{Event, TokenCreated, TokenRevoked};
use weir_config::tokens::{self, Recorded, Token};
use weir_config::{Machine, users};
use weir_identity::{Tokens, Users};
use weir_model::ResourceName;

/// How often the file and the clock are looked at. A look is one `stat` call.
const LOOK_EACH: Duration = Duration::from_millis(200);

pub(crate) struct TokensFile {
    shared: Arc<Shared>,
    path: PathBuf,
    seen: Stamp,
    /// Those for whom it was last asked who is gone.
    users: Option<Arc<Users>>,
    /// What the trail knows, by ID: as the file says, or newer.
    known: HashMap<String, Known>,
}

struct Known {
    user: String,
    expires: SystemTime,
    recorded: Recorded,
}

impl TokensFile {
    /// Takes in the tokens there are.
    ///
    /// # Errors
    /// When the file is damaged, or what is new in it cannot be recorded: no guessing who may come in.
    pub(crate) async fn open(shared: &Arc<Shared>, path: PathBuf) -> anyhow::Result<Self> {
        let mut file =
            Self { shared: Arc::clone(shared), path, seen: None, users: None, known: HashMap::new() };
        file.revoke_of_gone().await?;
        file.take_in().await?;
        Ok(file)
    }

    /// For as long as the gateway runs.
    pub(crate) async fn follow(mut self) {
        let mut looked = SystemTime::now();
        let mut failed: Option<String> = None;
        loop {
            tokio::time::sleep(LOOK_EACH).await;
            let users_changed = self.is_other_users();
            if users_changed || stamp(&self.path) != self.seen {
                // What could not be done is tried again at the next look, and told once.
                let revoked = if users_changed { self.revoke_of_gone().await } else { Ok(()) };
                let taken_in = self.take_in().await;
                let error = revoked.and(taken_in).err().map(|error| format!("{error:#}"));
                if let Some(error) = error.as_ref().filter(|error| failed.as_ref() != Some(error)) {
                    tracing::error!(error, "the tokens could not be taken in");
                }
                failed = error;
            }
            let now = SystemTime::now();
            // Certificates that sessions came with are over as tokens are: at a moment.
            let of_certificate = self.shared.sessions.next_expiry(looked);
            let next = self.shared.tokens().next_expiry(looked).into_iter().chain(of_certificate);
            if next.min().is_some_and(|at| at <= now) {
                self.shared.end_what_is_no_longer_permitted();
            }
            looked = now;
        }
    }

    fn is_other_users(&self) -> bool {
        let users = &self.shared.running().users;
        self.users.as_ref().is_none_or(|seen| !Arc::ptr_eq(seen, users))
    }

    /// Revokes the tokens of users who are gone.
    async fn revoke_of_gone(&mut self) -> anyhow::Result<()> {
        let running = self.shared.running();
        let users = Arc::clone(&running.users);
        let is_gone = {
            let users = Arc::clone(&users);
            move |token: &Token| token.revoked.is_none() && users.account(&token.user).is_none()
        };
        let (path, of_users) = (self.path.clone(), running.config.settings().server.users.clone());
        let revoke = move || -> anyhow::Result<()> {
            // Most often there is none, and perhaps no file.
            if !tokens::load(&path)?.iter().any(&is_gone) {
                return Ok(());
            }
            tokens::change(&path, |tokens| {
                // The file may be newer than what runs: who was added with a token a moment ago is not gone. A file that
                // cannot be read says nothing of anybody.
                let Ok((there, _)) = users::load(&of_users, &Machine) else { return };
                let now = SystemTime::now();
                for token in tokens.iter_mut().filter(|token| is_gone(token)) {
                    if there.iter().all(|user| user.name != token.user) {
                        token.revoked = Some(now);
                    }
                }
            })?;
            Ok(())
        };
        tokio::task::spawn_blocking(revoke)
            .await?
            .context("the tokens of users who are gone could not be revoked")?;
        self.users = Some(users);
        Ok(())
    }

    async fn take_in(&mut self) -> anyhow::Result<()> {
        // Before reading: what changes meanwhile is seen at the next look.
        let seen = stamp(&self.path);
        let path = self.path.clone();
        let found = tokio::task::spawn_blocking(move || tokens::load(&path)).await??;
        for token in &found {
            let known = self.known.entry(token.id.clone()).or_insert_with(|| Known {
                user: token.user.clone(),
                expires: token.expires,
                recorded: Recorded::Nothing,
            });
            known.recorded = known.recorded.max(token.recorded);
        }
        let known = |token: &&Token| self.recorded(&token.id) >= Recorded::Created;
        self.shared.replace_tokens(Tokens::new(found.iter().filter(known).map(kept)));
        self.shared.end_what_is_no_longer_permitted();

        for event in self.news(&found) {
            let (id, recorded) = match &event {
                Event::TokenCreated(made) => (made.id.clone(), Recorded::Created),
                Event::TokenRevoked(gone) => (gone.id.clone(), Recorded::Revoked),
                _ => continue,
            };
            self.shared.record_durably(event).await.context("a token could not be recorded")?;
            if let Some(known) = self.known.get_mut(&id) {
                known.recorded = recorded;
            }
        }
        self.known.retain(|id, _| found.iter().any(|token| token.id == *id));
        self.shared.replace_tokens(Tokens::new(found.iter().map(kept)));
        if found.iter().any(|token| token.recorded != self.recorded(&token.id)) {
            self.tell_the_file().await?;
        }
        self.seen = seen;
        Ok(())
    }

    fn recorded(&self, id: &str) -> Recorded {
        self.known.get(id).map_or(Recorded::Nothing, |known| known.recorded)
    }

    /// What the trail does not know yet.
    fn news(&self, found: &[Token]) -> Vec<Event> {
        let now = SystemTime::now();
        let mut news = Vec::new();
        for token in found {
            let recorded = self.recorded(&token.id);
            if recorded < Recorded::Created {
                news.push(Event::TokenCreated(TokenCreated {
                    id: token.id.clone(),
                    user: token.user.clone(),
                    expires_us: microseconds(token.expires),
                    resources: token.resources.clone(),
                    note: token.note.clone(),
                }));
            }
            if token.revoked.is_some() && recorded < Recorded::Revoked {
                news.push(revoked(&token.id, &token.user, "revoked"));
            }
        }
        let gone = self.known.iter().filter(|(id, _)| !found.iter().any(|token| token.id == **id));
        for (id, known) in gone.filter(|(_, known)| known.recorded == Recorded::Created) {
            // Those that had expired are tidied away by `weir token create`.
            if known.expires > now {
                news.push(revoked(id, &known.user, "removed"));
            }
        }
        news
    }

    async fn tell_the_file(&self) -> anyhow::Result<()> {
        let path = self.path.clone();
        let recorded: HashMap<String, Recorded> =
            self.known.iter().map(|(id, known)| (id.clone(), known.recorded)).collect();
        let change = move |tokens: &mut Vec<Token>| {
            for token in tokens {
                let known = recorded.get(&token.id).copied().unwrap_or(Recorded::Nothing);
                token.recorded = token.recorded.max(known);
            }
        };
        tokio::task::spawn_blocking(move || tokens::change(&path, change)).await??;
        Ok(())
    }
}

fn kept(token: &Token) -> weir_identity::Token {
    weir_identity::Token {
        id: token.id.clone(),
        user: token.user.clone(),
        hash: token.sha256,
        expires: token.expires,
        revoked: token.revoked.is_some(),
        resources: token.resources.iter().map(|name| ResourceName::new(name.as_str())).collect(),
    }
}

fn revoked(id: &str, user: &str, how: &'static str) -> Event {
    Event::TokenRevoked(TokenRevoked { id: id.to_owned(), user: user.to_owned(), how })
}

fn microseconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
