//! Who is calling.
//!
//! The operator's token is compared in constant time, and the right one is never held up by wrong ones before it. A
//! name with a password is first counted, then waits for one of few places (checking costs a password hash), then is
//! checked by the host; once begun this runs to its end, so that hanging up early hides no failure from the trail.

use crate::throttle::{Key, Throttle};
use crate::{AdminApi, OperatorToken};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use weir_model::Principal;

/// Passwords checked at the same time: each costs a hash that is slow on purpose, and sessions need the processor too.
const CHECKS_AT_ONCE: usize = 2;
const MAX_NAME_BYTES: usize = 128;
const MAX_PASSWORD_BYTES: usize = 1024;
/// Who is said to have failed with a wrong token.
const OPERATOR: &str = "operator";

/// How callers prove who they are.
pub struct Auth {
    token: OperatorToken,
    throttle: Throttle,
    checks: Semaphore,
}

pub(crate) enum Caller {
    Operator,
    Reviewer(Principal),
}

/// Why somebody stays unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    NothingShown,
    Unreadable,
    Wrong,
    TooMany {
        retry_after: Duration,
    },
    /// The check itself broke.
    Failed,
}

impl Auth {
    pub fn new(token: OperatorToken) -> Self {
        Self { token, throttle: Throttle::default(), checks: Semaphore::new(CHECKS_AT_ONCE) }
    }

    pub(crate) async fn identify<A: AdminApi>(
        self: &Arc<Self>,
        api: &Arc<A>,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Caller, Unknown> {
        let shown = read(headers)?;
        if matches!(&shown, Shown::Token(token) if self.token.is(token)) {
            return Ok(Caller::Operator);
        }
        let (auth, api) = (Arc::clone(self), Arc::clone(api));
        let check = tokio::spawn(async move { auth.check(&*api, shown, address).await });
        check.await.unwrap_or(Err(Unknown::Failed))
    }

    async fn check(&self, api: &impl AdminApi, shown: Shown, address: IpAddr) -> Result<Caller, Unknown> {
        // No name has a colon, so the bucket of wrong tokens is nobody else's.
        let key = match &shown {
            Shown::Token(_) => Key::new("token:", address),
            Shown::Password { name, .. } => Key::new(name, address),
        };
        let attempt = self.throttle.take(key).map_err(|retry_after| {
            tracing::debug!(%address, "an attempt to log in to the admin API came too early");
            Unknown::TooMany { retry_after }
        })?;
        let name = match shown {
            Shown::Token(_) => OPERATOR.to_owned(),
            Shown::Password { name, password } => {
                let _place = self.checks.acquire().await.map_err(|_| Unknown::Failed)?;
                if let Some(principal) = api.authenticate(&name, &password).await {
                    self.throttle.give_back(attempt);
                    return Ok(Caller::Reviewer(principal));
                }
                name
            }
        };
        api.login_failed(&name, address).await;
        Err(Unknown::Wrong)
    }
}

enum Shown {
    Token(String),
    Password { name: String, password: String },
}

fn read(headers: &HeaderMap) -> Result<Shown, Unknown> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let header = all.next().ok_or(Unknown::NothingShown)?;
    if all.next().is_some() {
        return Err(Unknown::Unreadable);
    }
    let (scheme, rest) =
        header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Unknown::Unreadable)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Shown::Token(rest.to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Unknown::Unreadable);
    }
    let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((name, password))
            if (1..=MAX_NAME_BYTES).contains(&name.len()) && password.len() <= MAX_PASSWORD_BYTES =>
        {
            Ok(Shown::Password { name: name.to_owned(), password: password.to_owned() })
        }
        _ => Err(Unknown::Unreadable),
    }
}
