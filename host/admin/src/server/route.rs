//! Addresses: what is there, which methods it answers to, and who may come.
//!
//! Everything of the API is below `/v1`. Web pages will have the rest: a page is one more kind of route, open to anyone
//! (it holds no data), with a content security policy of its own, and it talks to `/v1` like every other client.

use crate::views::Vote;
use hyper::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Health,
    Metrics,
    Status,
    Sessions,
    Session(&'p str),
    Plugins,
    Approvals,
    Approval(&'p str),
    Review(&'p str, Vote),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Visitors {
    Anyone,
    Operator,
    OperatorOrReviewer,
    Reviewer,
}

/// Longer than any id of ours.
const MAX_ID_BYTES: usize = 128;

impl<'p> Route<'p> {
    pub(super) fn of(path: &'p str) -> Option<Self> {
        let mut parts = path.strip_prefix('/')?.split('/');
        let named = (parts.next()?, parts.next(), parts.next(), parts.next());
        let route = match named {
            ("healthz", None, ..) => Self::Health,
            ("metrics", None, ..) => Self::Metrics,
            ("v1", Some("status"), None, _) => Self::Status,
            ("v1", Some("sessions"), None, _) => Self::Sessions,
            ("v1", Some("sessions"), Some(id), None) if is_id(id) => Self::Session(id),
            ("v1", Some("plugins"), None, _) => Self::Plugins,
            ("v1", Some("approvals"), None, _) => Self::Approvals,
            ("v1", Some("approvals"), Some(id), None) if is_id(id) => Self::Approval(id),
            ("v1", Some("approvals"), Some(id), Some("approve")) if is_id(id) => {
                Self::Review(id, Vote::Approve)
            }
            ("v1", Some("approvals"), Some(id), Some("deny")) if is_id(id) => Self::Review(id, Vote::Deny),
            _ => return None,
        };
        parts.next().is_none().then_some(route)
    }

    /// For the `Allow` header.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Session(_) => "DELETE",
            Self::Review(..) => "POST",
            _ => "GET, HEAD",
        }
    }

    pub(super) fn answers_to(self, method: &Method) -> bool {
        self.methods().split(", ").any(|name| name == method.as_str())
    }

    pub(super) fn visitors(self) -> Visitors {
        match self {
            Self::Health => Visitors::Anyone,
            Self::Metrics | Self::Status | Self::Sessions | Self::Session(_) | Self::Plugins => {
                Visitors::Operator
            }
            Self::Approvals | Self::Approval(_) => Visitors::OperatorOrReviewer,
            Self::Review(..) => Visitors::Reviewer,
        }
    }
}

/// Ids are chosen by the host, of letters that need no escaping in an address.
pub(crate) fn is_id(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (path, route) in [
            ("/healthz", Some(Route::Health)),
            ("/metrics", Some(Route::Metrics)),
            ("/v1/status", Some(Route::Status)),
            ("/v1/sessions", Some(Route::Sessions)),
            ("/v1/sessions/0190-a_B", Some(Route::Session("0190-a_B"))),
            ("/v1/plugins", Some(Route::Plugins)),
            ("/v1/approvals", Some(Route::Approvals)),
            ("/v1/approvals/apr-1", Some(Route::Approval("apr-1"))),
            ("/v1/approvals/apr-1/approve", Some(Route::Review("apr-1", Vote::Approve))),
            ("/v1/approvals/apr-1/deny", Some(Route::Review("apr-1", Vote::Deny))),
            ("/", None),
            ("", None),
            ("*", None),
            ("//healthz", None),
            ("/healthz/", None),
            ("/healthz/x", None),
            ("/v1", None),
            ("/v1/approvals/", None),
            ("/v1/approvals/a%2fb", None),
            ("/v1/approvals/../status", None),
            ("/v1/approvals/apr-1/", None),
            ("/v1/approvals/apr-1/retract", None),
            ("/v1/approvals/apr-1/deny/", None),
            ("/v1/sessions/a/b", None),
            ("/V1/status", None),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
    }
}
