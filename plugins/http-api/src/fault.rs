//! Why this inspector refuses, and what a refusal looks like to the client: `application/problem+json` (RFC 9457).

use weir_sdk::http::{Fault, Header, OwnAnswer, is_unavailable};

pub const HEAD: &str = "malformed-head";
pub const PATH: &str = "malformed-path";
pub const QUERY: &str = "malformed-query";
pub const JSON: &str = "malformed-json";
pub const BODY: &str = "malformed-body";
pub const TOO_MANY: &str = "too-many-values";
pub const UNSEEN_BODY: &str = "unseen-body";
pub const CHARSET: &str = "unknown-charset";

pub const ANSWER_HEAD: &str = "answer-malformed-head";
pub const ANSWER_JSON: &str = "answer-malformed-json";
pub const ANSWER_TEXT: &str = "answer-not-text";
pub const ANSWER_PART: &str = "answer-partial";
pub const ANSWER_UNSEEN: &str = "answer-unseen";
pub const ANSWER_TOO_MANY: &str = "answer-too-many-values";

/// `refused`: whether single operations are refused, which only policies and reviewers do.
pub fn answer(refused: bool, why: &Fault) -> OwnAnswer {
    let (status, title) = status(refused, &why.code);
    let (title_text, detail, code) = (literal(title), literal(&why.message), literal(&why.code));
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":{title_text},\"status\":{status},\"detail\":{detail},\"code\":{code}}}\n"
    );
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.to_owned() };
    let headers =
        vec![header("content-type", "application/problem+json"), header("cache-control", "no-store")];
    OwnAnswer { status, headers, body: body.into_bytes() }
}

fn status(refused: bool, code: &str) -> (u16, &'static str) {
    match code {
        HEAD | PATH | QUERY | JSON | BODY | "body" | "no-operation" => (400, "Bad Request"),
        TOO_MANY | "too-large" => (413, "Content Too Large"),
        UNSEEN_BODY | CHARSET => (415, "Unsupported Media Type"),
        "revoked" | "refused" => (403, "Forbidden"),
        code if is_unavailable(code) => (503, "Service Unavailable"),
        _ if refused => (403, "Forbidden"),
        code if code.starts_with("answer-") || code.starts_with("upstream-") => (502, "Bad Gateway"),
        _ => (503, "Service Unavailable"),
    }
}

fn literal(text: &str) -> String {
    String::from_utf8_lossy(&weir_json::literal(text)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whose_fault_it_is() {
        for (refused, code, expected) in [
            (true, "no-deletes", 403),
            (true, PATH, 400),
            (false, JSON, 400),
            (false, "too-large", 413),
            (true, UNSEEN_BODY, 415),
            (false, ANSWER_JSON, 502),
            (false, "upstream-gone", 502),
            (false, "58000", 503),
            (true, "58030", 503),
            (true, "shutting-down", 503),
            (true, "42501", 403),
            (true, "not-approved", 403),
            (false, "answer-too-large", 502),
        ] {
            assert_eq!(status(refused, code).0, expected, "{code}");
        }
    }

    #[test]
    fn a_refusal_is_a_problem_details_object() {
        let own = answer(true, &Fault::new("no-deletes", "only \"leads\"\nmay delete"));
        let body: serde_json::Value = serde_json::from_slice(&own.body).unwrap();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["status"], 403);
        assert_eq!(body["title"], "Forbidden");
        assert_eq!(body["detail"], "only \"leads\"\nmay delete");
        assert_eq!(body["code"], "no-deletes");
        assert_eq!(own.headers[0].value, "application/problem+json");
    }
}
