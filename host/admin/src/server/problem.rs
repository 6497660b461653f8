//! What is refused, and how it is told: a status, and `{ "error": { "code", "message", "help" } }`.

use crate::auth::Unknown;
use crate::views::{ErrorBody, ErrorView};
use crate::{KillRefused, ReviewRefused, Unhealthy};
use hyper::StatusCode;
use hyper::header::{ALLOW, CONNECTION, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use std::borrow::Cow;

#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    help: &'static str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), help: "", headers: Vec::new() }
    }

    pub(super) fn help(mut self, help: &'static str) -> Self {
        self.help = help;
        self
    }

    fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// For requests whose body was not read to its end: what follows could be taken for another request.
    pub(super) fn closing(self) -> Self {
        self.header(CONNECTION, HeaderValue::from_static("close"))
    }

    pub(super) fn body(&self) -> ErrorBody {
        ErrorBody {
            error: ErrorView {
                code: self.code.to_owned(),
                message: self.message.clone().into_owned(),
                help: self.help.to_owned(),
            },
        }
    }

    pub(super) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "there is nothing at this address")
            .help("the API is below /v1: status, sessions, plugins, approvals; besides there are /healthz and /metrics")
    }

    pub(super) fn wrong_method(allow: &'static str) -> Self {
        let message = format!("this address answers to {allow} only");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message)
            .header(ALLOW, HeaderValue::from_static(allow))
    }

    pub(super) fn operators_only() -> Self {
        Self::new(StatusCode::FORBIDDEN, "operator-only", "only an operator may do this")
            .help("show the token of state/admin.token: `Authorization: Bearer …`")
    }

    pub(super) fn needs_a_person() -> Self {
        let message = "a review needs a person, and the operator's token names none";
        Self::new(StatusCode::FORBIDDEN, "names-no-person", message)
            .help("log in with your own name and password")
    }

    pub(super) fn no_such_approval() -> Self {
        Self::from(ReviewRefused::NotWaiting).help("`weir approvals list` shows what waits")
    }

    pub(super) fn other_digest(shown: &str) -> Self {
        let message = format!("the digest is {shown}: what waits is not what you looked at");
        Self::new(StatusCode::CONFLICT, "other-digest", message)
            .help("look at the request again, then review it")
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "too-slow", "the gateway did not answer in time")
            .help("what was asked may still take effect: look before asking again")
    }

    /// Something of ours broke; the log has more.
    pub(super) fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", "the gateway could not answer")
            .help("the gateway's log says why")
    }
}

impl From<Unknown> for Problem {
    fn from(unknown: Unknown) -> Self {
        let help = "operators show the token of state/admin.token, reviewers their name and password";
        let unauthorized = |code, message: &'static str| {
            Self::new(StatusCode::UNAUTHORIZED, code, message)
                .help(help)
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"weir\""))
                .header(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"weir\", charset=\"UTF-8\""))
        };
        match unknown {
            Unknown::NothingShown => unauthorized("unauthenticated", "say who you are"),
            Unknown::Unreadable => unauthorized(
                "unauthenticated",
                "the Authorization header is neither `Bearer TOKEN` nor `Basic NAME:PASSWORD` in base64",
            ),
            Unknown::Wrong => {
                unauthorized("wrong-credentials", "the token, or the name and password, are wrong")
            }
            Unknown::TooMany { retry_after } => {
                let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
                let message = format!("too many failed attempts; try again in {seconds} s");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too-many-attempts", message)
                    .header(RETRY_AFTER, seconds)
            }
            Unknown::Failed => Self::broken(),
        }
    }
}

impl From<ReviewRefused> for Problem {
    fn from(refused: ReviewRefused) -> Self {
        let (status, code) = match refused {
            ReviewRefused::NotWaiting => (StatusCode::NOT_FOUND, "not-waiting"),
            ReviewRefused::OwnRequest => (StatusCode::FORBIDDEN, "own-request"),
            ReviewRefused::NotPerson { .. } => (StatusCode::FORBIDDEN, "not-a-person"),
            ReviewRefused::NotReviewer { .. } | ReviewRefused::NoLongerReviewer { .. } => {
                (StatusCode::FORBIDDEN, "not-reviewer")
            }
            ReviewRefused::NotRecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "not-recorded"),
        };
        Self::new(status, code, refused.to_string())
    }
}

impl From<KillRefused> for Problem {
    fn from(refused: KillRefused) -> Self {
        let (status, code) = match refused {
            KillRefused::NoSuchSession => (StatusCode::NOT_FOUND, "no-such-session"),
            KillRefused::NotRecorded(_) => (StatusCode::SERVICE_UNAVAILABLE, "not-recorded"),
        };
        Self::new(status, code, refused.to_string())
    }
}

impl From<Unhealthy> for Problem {
    fn from(Unhealthy(reason): Unhealthy) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", reason)
    }
}
