//! What the head of a request must be to be MCP, and what it tells of the body.
//!
//! Transport "streamable HTTP" of 2025-03-26 and later. The older "HTTP with SSE" (2024-11-05) is not served: its
//! answers come on another exchange without a sign to whom they belong.

use crate::message::code;
use crate::settings::Settings;
use weir_sdk::http::{Attribute, Header, Headers, RequestHead};

/// Versions of the protocol that are known. `2024-10-07` and `2024-11-05` are spoken over streamable HTTP by the
/// official TypeScript SDK; `2026-07-28` has no sessions and says more in headers.
pub const VERSIONS: [&str; 6] =
    ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// The last version that has batches. Without a header this one is meant (2025-06-18, "Protocol Version Header").
const LAST_WITH_BATCHES: &str = "2025-03-26";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// a message
    Post,
    /// a stream of messages of the server
    Get,
    /// the end of a session of MCP
    Delete,
}

/// Why a head is no MCP: an HTTP status beside the JSON-RPC error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub rpc: i32,
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct Head {
    pub verb: Verb,
    /// `Mcp-Session-Id`, empty without
    pub session: String,
    /// `MCP-Protocol-Version`, empty without
    pub version: String,
    pub accepts_json: bool,
    pub accepts_events: bool,
    /// `Last-Event-ID`: a stream that goes on
    pub resumes: bool,
    /// `Mcp-Method`, `Mcp-Name` and `Mcp-Param-…`, decoded
    pub said: Said,
    /// facts for each operation
    pub attributes: Vec<Attribute>,
    pub claimed: Vec<Attribute>,
}

/// What headers say of the body (2026-07-28).
#[derive(Debug, Clone, Default)]
pub struct Said {
    pub method: Option<String>,
    pub name: Option<String>,
    pub parameters: Vec<String>,
}

impl Head {
    pub fn may_batch(&self) -> bool {
        self.version.as_str() <= LAST_WITH_BATCHES
    }

    /// Headers of a message that belongs to the same session of MCP.
    pub fn for_message(&self) -> Vec<Header> {
        let all = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-session-id", self.session.as_str()),
            ("mcp-protocol-version", self.version.as_str()),
        ];
        let said = all.into_iter().filter(|(_, value)| !value.is_empty());
        said.map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() }).collect()
    }

    /// Results carry `resultType` since this version.
    pub fn is_stateless(&self) -> bool {
        self.version.as_str() >= "2026-07-28"
    }
}

/// # Errors
/// When it is not MCP over streamable HTTP, or could be read in two ways.
pub fn read(head: &RequestHead, settings: &Settings) -> Result<Head, Refused> {
    if !settings.serves(&head.path) {
        return Err(refused(404, "not-mcp", "there is no MCP under this path".to_owned()));
    }
    let verb = match head.method.as_str() {
        "POST" => Verb::Post,
        "GET" => Verb::Get,
        "DELETE" => Verb::Delete,
        _ => return Err(refused(405, "not-mcp", "MCP has POST, GET and DELETE".to_owned())),
    };
    let version = one(head, "mcp-protocol-version")?.unwrap_or_default().trim();
    if !version.is_empty() && !VERSIONS.contains(&version) {
        let message = format!("this version of MCP is not known here; known are {}", VERSIONS.join(", "));
        return Err(Refused { rpc: code::UNSUPPORTED_VERSION, ..refused(400, "mcp-version", message) });
    }
    let session = one(head, "mcp-session-id")?.unwrap_or_default();
    if session.len() > 1024 || session.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(refused(400, "malformed", "`Mcp-Session-Id` must be visible ASCII".to_owned()));
    }
    let accept = accepted(&head.headers);
    match verb {
        Verb::Post => {
            if !one(head, "content-type")?.is_some_and(is_json) {
                let message = "a message of MCP has the content type application/json".to_owned();
                return Err(refused(415, "unsupported-media-type", message));
            }
            if !head.has_body {
                return Err(refused(400, "malformed", "a message of MCP needs a body".to_owned()));
            }
        }
        Verb::Get | Verb::Delete if head.has_body => {
            let message = "GET and DELETE have no body in MCP".to_owned();
            return Err(refused(400, "malformed", message));
        }
        Verb::Get if !accept.1 => {
            let message = "GET opens a stream: the client must accept text/event-stream".to_owned();
            return Err(refused(406, "not-mcp", message));
        }
        Verb::Get | Verb::Delete => {}
    }
    let mut attributes = vec![attribute("http-path", &head.path)];
    for (name, value) in [
        ("http-query", head.query.as_deref().unwrap_or_default()),
        ("mcp-session", session),
        ("mcp-protocol-version", version),
    ] {
        if !value.is_empty() {
            attributes.push(attribute(name, value));
        }
    }
    let mut claimed = Vec::new();
    for name in ["user-agent", "traceparent"] {
        if let Some(header) = head.headers.iter().find(|header| header.name == name) {
            claimed.push(attribute(name, header.value));
        }
    }
    Ok(Head {
        verb,
        session: session.to_owned(),
        version: version.to_owned(),
        accepts_json: accept.0,
        accepts_events: accept.1,
        resumes: one(head, "last-event-id")?.is_some(),
        said: said(head)?,
        attributes,
        claimed,
    })
}

/// A client that reads 404 begins a new session (MCP, "Session Management"). Whether the session is somebody else's is
/// not told.
pub fn unknown_session() -> Refused {
    let message = "this session of MCP is not known; begin with `initialize`".to_owned();
    Refused { rpc: code::UNKNOWN_SESSION, ..refused(404, "mcp-session-unknown", message) }
}

pub fn attribute(name: &str, value: &str) -> Attribute {
    Attribute { name: name.to_owned(), value: value.to_owned() }
}

fn refused(status: u16, code: &'static str, message: String) -> Refused {
    Refused { status, rpc: code::INVALID_REQUEST, code, message }
}

/// A header that may stand once: two readers could take different ones of two.
fn one<'h>(head: &'h RequestHead, name: &str) -> Result<Option<&'h str>, Refused> {
    let mut found = head.headers.iter().filter(|header| header.name == name);
    let first = found.next();
    if found.next().is_some() {
        return Err(refused(400, "malformed", format!("the header `{name}` stands twice")));
    }
    Ok(first.map(|header| header.value))
}

/// Whether a content type is JSON as MCP has it, whatever its parameters.
pub fn is_json(value: &str) -> bool {
    essence(value).eq_ignore_ascii_case("application/json")
}

pub fn is_events(value: &str) -> bool {
    essence(value).eq_ignore_ascii_case("text/event-stream")
}

pub fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

/// Whether JSON and whether event streams are accepted. Without the header everything is.
fn accepted(headers: &Headers) -> (bool, bool) {
    let mut ranges = headers.iter().filter(|header| header.name == "accept").peekable();
    if ranges.peek().is_none() {
        return (true, true);
    }
    let mut accepted = (false, false);
    for range in ranges.flat_map(|header| header.value.split(',')) {
        let weight = range.split(';').skip(1).find_map(|part| part.trim().strip_prefix("q="));
        if weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0)) {
            continue;
        }
        let range = essence(range).to_ascii_lowercase();
        accepted.0 |= matches!(range.as_str(), "application/json" | "application/*" | "*/*");
        accepted.1 |= matches!(range.as_str(), "text/event-stream" | "text/*" | "*/*");
    }
    accepted
}

fn said(head: &RequestHead) -> Result<Said, Refused> {
    let mut said = Said { method: decoded(one(head, "mcp-method")?)?, ..Said::default() };
    said.name = decoded(one(head, "mcp-name")?)?;
    let mut names: Vec<&str> = Vec::new();
    for header in head.headers.iter().filter(|header| header.name.starts_with("mcp-param-")) {
        if names.contains(&header.name) {
            return Err(refused(400, "malformed", "a header `Mcp-Param-…` stands twice".to_owned()));
        }
        names.push(header.name);
        said.parameters.extend(decoded(Some(header.value))?);
    }
    Ok(said)
}

/// Values that are no plain ASCII come as `=?base64?…?=`.
fn decoded(value: Option<&str>) -> Result<Option<String>, Refused> {
    use base64::Engine;
    let Some(value) = value else { return Ok(None) };
    let Some(encoded) = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) else {
        return Ok(Some(value.to_owned()));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| refused(400, "malformed", "a header is badly encoded".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: &str, headers: &[(&str, &str)]) -> RequestHead {
        RequestHead {
            method: method.into(),
            authority: "mcp.example:443".into(),
            path: "/mcp".into(),
            query: None,
            headers: headers.iter().copied().collect(),
            has_body: method == "POST",
            length: None,
        }
    }

    const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

    #[test]
    fn what_is_no_mcp_is_refused() {
        let settings = Settings::default();
        let status =
            |head: &RequestHead| read(head, &settings).map(|_| 0).unwrap_or_else(|refused| refused.status);
        assert_eq!(status(&head("POST", &[JSON])), 0);
        assert_eq!(status(&head("POST", &[])), 415);
        assert_eq!(status(&head("POST", &[("content-type", "application/jsonx")])), 415);
        assert_eq!(status(&head("POST", &[JSON, JSON])), 400);
        assert_eq!(status(&head("PUT", &[JSON])), 405);
        assert_eq!(status(&head("GET", &[("accept", "text/html")])), 406);
        assert_eq!(status(&head("GET", &[("accept", "text/event-stream")])), 0);
        assert_eq!(status(&head("DELETE", &[])), 0);
        assert_eq!(status(&head("POST", &[JSON, ("mcp-protocol-version", "2031-01-01")])), 400);
        assert_eq!(status(&head("POST", &[JSON, ("mcp-protocol-version", "2026-07-28")])), 0);
        assert_eq!(status(&head("POST", &[JSON, ("mcp-session-id", "a b")])), 400);
        assert_eq!(status(&head("POST", &[JSON, ("mcp-name", "=?base64?/?=")])), 400);
        let mut elsewhere = head("POST", &[JSON]);
        elsewhere.path = "/admin".into();
        let only: Settings = serde_json::from_str(r#"{"paths": ["/mcp"]}"#).unwrap();
        assert_eq!(read(&elsewhere, &only).unwrap_err().status, 404);
    }

    #[test]
    fn what_the_client_accepts() {
        for (accept, expected) in [
            ("application/json, text/event-stream", (true, true)),
            ("application/json", (true, false)),
            ("text/event-stream;q=0.5, application/json;q=0", (false, true)),
            ("*/*", (true, true)),
            ("image/png", (false, false)),
        ] {
            let found = read(&head("POST", &[JSON, ("accept", accept)]), &Settings::default()).unwrap();
            assert_eq!((found.accepts_json, found.accepts_events), expected, "{accept}");
        }
        let found = read(&head("POST", &[JSON]), &Settings::default()).unwrap();
        assert!(found.accepts_json && found.accepts_events);
    }

    #[test]
    fn batches_are_of_old_versions() {
        let may = |version: &str| {
            read(&head("POST", &[JSON, ("mcp-protocol-version", version)]), &Settings::default())
                .unwrap()
                .may_batch()
        };
        assert!(may("2025-03-26") && may("2024-11-05") && may(""));
        assert!(!may("2025-06-18") && !may("2026-07-28"));
    }
}
