//! Who comes again over the same connection with the token of the request before. While users, tokens and configuration
//! are the very same, and neither the token nor its user nor whom that acts for has expired, asking anew would say the same.

use super::program::Programs;
use super::sessions::Session;
use crate::resource::ResourceRuntime;
use crate::shared::{Running, Shared};
use std::sync::{Arc, Weak};
use std::time::SystemTime;
use weir_http::{Credentials, Secret};
use weir_identity::Tokens;

/// What was true of users, tokens and configuration, to be compared: nothing of it is kept alive.
pub(super) struct Moment {
    running: Weak<Running>,
    tokens: Weak<Tokens>,
}

impl Moment {
    pub(super) fn now(shared: &Shared) -> Self {
        Self { running: Arc::downgrade(&shared.running()), tokens: Arc::downgrade(&shared.tokens()) }
    }

    fn lasts(&self, shared: &Shared) -> bool {
        shared.is_running(&self.running) && shared.has_tokens(&self.tokens)
    }
}

/// A session with what led to it.
pub(super) struct Returning {
    token: Secret,
    moment: Moment,
    resource: Weak<ResourceRuntime>,
    until: SystemTime,
    session: Weak<Session>,
    programs: Option<Weak<Programs>>,
}

impl Returning {
    /// `moment`: of before it was asked who this is; `token`: its ID, and its user. None when something has changed
    /// meanwhile.
    pub(super) fn new(
        shared: &Shared,
        moment: Moment,
        secret: Secret,
        (id, user): (&str, &str),
        resource: &Arc<ResourceRuntime>,
        (session, programs): (&Arc<Session>, Option<&Arc<Programs>>),
    ) -> Option<Self> {
        let token = shared.tokens().get(id)?.expires;
        let running = shared.running();
        let user = running.users.account(user)?;
        let owner = match &user.principal.on_behalf_of {
            Some(owner) => running.users.account(owner)?.expires,
            None => None,
        };
        let returning = Self {
            token: secret,
            moment,
            resource: Arc::downgrade(resource),
            until: [user.expires, owner].into_iter().flatten().fold(token, SystemTime::min),
            session: Arc::downgrade(session),
            programs: programs.map(Arc::downgrade),
        };
        returning.moment.lasts(shared).then_some(returning)
    }

    /// Its session, if this is the same client and would be let in again.
    pub(super) fn session(
        &self,
        shared: &Shared,
        resource: &Arc<ResourceRuntime>,
        credentials: Option<&Credentials>,
    ) -> Option<(Arc<Session>, Option<Arc<Programs>>)> {
        let Some(Credentials::Bearer(token)) = credentials else { return None };
        let is_same = is_same(token.expose(), self.token.expose())
            && Weak::as_ptr(&self.resource) == Arc::as_ptr(resource)
            && self.moment.lasts(shared)
            && SystemTime::now() < self.until;
        let session = is_same.then(|| self.session.upgrade())?.filter(|session| session.is_usable())?;
        match &self.programs {
            Some(programs) => Some((session, Some(programs.upgrade()?))),
            None => Some((session, None)),
        }
    }
}

/// In the same time for all secrets of one length.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |so_far, (one, other)| so_far | (one ^ other));
    one.len() == other.len() && differences == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_same_in_all_its_bytes() {
        assert!(is_same(b"abc", b"abc") && is_same(b"", b""));
        for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
            assert!(!is_same(b"abc", other), "{other:?}");
        }
    }
}
