//! Answers as HTTP responses: the same headers on every one.

use super::problem::Problem;
use crate::render::json;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;

pub(super) type Reply = Response<Full<Bytes>>;

/// Nothing is kept by caches, framed, sniffed, run, or readable by other origins.
const ON_EVERY_ANSWER: [(HeaderName, HeaderValue); 7] = [
    (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ),
];

pub(super) fn view(view: &impl Serialize) -> Result<Reply, Problem> {
    let text = json(view).map_err(|error| {
        tracing::error!(%error, "an answer of the admin api could not be written as JSON");
        Problem::broken()
    })?;
    Ok(reply(StatusCode::OK, "application/json", text))
}

pub(super) fn text(content_type: &'static str, text: String) -> Reply {
    reply(StatusCode::OK, content_type, text)
}

impl From<Problem> for Reply {
    fn from(problem: Problem) -> Self {
        // Three strings: cannot fail.
        let text = json(&problem.body()).unwrap_or_default();
        let mut reply = reply(problem.status, "application/json", text);
        for (name, value) in problem.headers {
            reply.headers_mut().append(name, value);
        }
        reply
    }
}

fn reply(status: StatusCode, content_type: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply.headers_mut().extend(ON_EVERY_ANSWER);
    reply
}
