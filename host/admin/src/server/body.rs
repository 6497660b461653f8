//! The body of a request: small, in time, and JSON.

use super::problem::Problem;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Request, StatusCode};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A comment of some pages.
const MAX_BODY_BYTES: usize = 16 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);

pub(super) async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Problem> {
    if !is_json(request.headers()) {
        let message = "the body must be `Content-Type: application/json`, not encoded";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", message).closing());
    }
    let body = request.into_body();
    // What is announced too large is not read at all.
    if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
        return Err(too_large());
    }
    let read = tokio::time::timeout(BODY_TIME, Limited::new(body, MAX_BODY_BYTES).collect());
    let bytes = match read.await {
        Ok(Ok(read)) => read.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(error)) => return Err(bad(format!("the body broke off: {error}")).closing()),
        Err(_) => {
            let message = "the body did not come in time";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body-too-slow", message).closing());
        }
    };
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    // To serde a list of nothing is as good as an object of nothing.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad("the body is not a JSON object".to_owned()));
    }
    serde_json::from_slice(bytes).map_err(|error| bad(format!("the body is not what is expected: {error}")))
}

fn bad(message: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-body", message)
        .help("send { \"comment\": \"…\", \"digest\": \"…\" }; both may be left out")
}

fn too_large() -> Problem {
    let message = format!("the body is larger than {MAX_BODY_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", message).closing()
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") && !headers.contains_key(CONTENT_ENCODING)
}
