//! Headers of an answer that may hold values.

use super::values::Collector;
use crate::percent;
use weir_sdk::http::{Fault, Headers};

/// What clients and caches work with. Anything else may hold a value: `location`, `content-disposition`, `link`, and
/// whatever an API has of its own. The host has a list of its own (`host/session/src/http/mask.rs`), for headers of which
/// an inspector says nothing.
const PLAIN: &[&str] = &[
    "accept-ch",
    "accept-patch",
    "accept-post",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "expires",
    "keep-alive",
    "last-modified",
    "nel",
    "permissions-policy",
    "pragma",
    "proxy-authenticate",
    "referrer-policy",
    "report-to",
    "retry-after",
    "server",
    "server-timing",
    // The session of the client at the upstream; a changed one is none.
    "set-cookie",
    "strict-transport-security",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-frame-options",
    "x-powered-by",
    "x-xss-protection",
];

/// # Errors
/// When there are too many.
pub(super) fn add(headers: &Headers, collector: &mut Collector<'_>) -> Result<(), Fault> {
    for (index, header) in headers.iter().enumerate() {
        let name = header.name;
        if PLAIN.contains(&name) || name.starts_with("access-control-") || header.value.is_empty() {
            continue;
        }
        // The quotes of `link` are around words such as `next`. Of a text for people maskers may take all that is quoted;
        // a list of pages would end there.
        let label = (name != "link").then_some("header");
        let column = collector.column(name, name, "text", label)?;
        match percent::undone(header.value) {
            Some(text) => collector.escaped_header(column, &text, index)?,
            None => collector.header(column, index)?,
        }
    }
    Ok(())
}
