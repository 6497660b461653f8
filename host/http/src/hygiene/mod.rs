//! What may pass from one leg to the other, and what a head must look like before anybody judges it. Works on heads
//! of both versions of HTTP; what only bytes show of HTTP/1 is the [`crate::screen`]'s business.

#[cfg(test)]
mod tests;

use crate::Refusal;
use crate::credentials::{self, Credentials};
use crate::websocket::{self, Offer};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, request, response};
use weir_session::http::traffic::{AnswerHead, Header, Name, OF_THE_ENCODING, RequestHead};

/// Lines of a head.
pub(crate) const MAX_HEADERS: usize = 100;

/// Headers that belong to one connection (RFC 9110, section 7.6.1), and framing, which each leg makes for itself.
/// `te` and `trailer` are dealt with apart.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "content-length",
];
/// A WebSocket's handshake, which each leg makes for itself.
const OF_A_LEG: [&str; 4] =
    ["sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-accept"];
/// Whom the client says it stands for: anybody can say that. So is every `x-forwarded-…`.
const HEARSAY: [&str; 4] = ["forwarded", "x-real-ip", "x-client-ip", "true-client-ip"];
/// They tell some servers another method or path than the one that is judged.
const OVERRIDES: [&str; 5] =
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];
/// Headers that must not be named by `connection`: taking them out would change what the request means.
const END_TO_END: [&str; 8] = [
    "host",
    "authorization",
    "cookie",
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "expect",
];
/// Beginnings of names that mean something to servers. Written with `_`, many take them for the name with `-`.
const DASHED: [&str; 8] =
    ["content-", "transfer-", "x-forwarded-", "x-http-", "proxy-", "sec-", "mcp-", "git-"];
/// They offer the client a way around the gateway.
const WAYS_AROUND: [&str; 1] = ["alt-svc"];
/// What changes framing, routing or rights has no business in trailers (RFC 9110, section 6.5.1).
const NOT_IN_TRAILERS: [&str; 16] = [
    "content-length",
    "transfer-encoding",
    "host",
    "trailer",
    "te",
    "connection",
    "keep-alive",
    "upgrade",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "content-encoding",
    "content-type",
    "content-range",
    "expect",
];

/// A request as it is judged, and what was in its head to prove who sends it.
pub(crate) struct Judged {
    pub(crate) head: RequestHead,
    pub(crate) credentials: Option<Credentials>,
    /// It asks for a WebSocket.
    pub(crate) offer: Option<Offer>,
}

/// Checks a request's head and takes out what is not to pass.
///
/// # Errors
/// When it can be understood in two ways, or wants what is not done here.
pub(crate) fn request_head(parts: &request::Parts, ends: bool) -> Result<Judged, Refusal> {
    let method = &parts.method;
    if *method == Method::CONNECT || *method == Method::TRACE {
        return Err(Refusal::not_done("CONNECT and TRACE are not supported"));
    }
    let (path, query) = target(parts)?;
    let authority = authority(parts)?;
    let names = connection_names(&parts.headers)?;
    if parts.headers.keys().any(is_disguised) {
        return Err(Refusal::bad("a header's name has '_' where '-' has a meaning"));
    }
    if parts.headers.keys().any(|name| OVERRIDES.contains(&name.as_str())) {
        return Err(Refusal::bad("headers that override method or path are not allowed"));
    }
    expectation(&parts.headers)?;
    let offer = websocket::offer(parts, ends)?;
    let length = length(&parts.headers).ok_or(Refusal::bad("content-length is not one number"))?;
    let mut headers = passing(&parts.headers, &names)?;
    headers.retain(|header| {
        let name = header.name.as_str();
        name != "host" && name != "expect" && !HEARSAY.contains(&name) && !name.starts_with("x-forwarded-")
    });
    if offer.is_some() {
        // Each leg has a handshake of its own, and extensions would change the frames.
        headers.retain(|header| !OF_A_LEG.contains(&header.name.as_str()));
        headers.push(Header::new("upgrade", "websocket"));
    }
    join_cookies(&mut headers);
    if headers.len() > MAX_HEADERS {
        return Err(Refusal::too_large("there are too many headers"));
    }
    let credentials = credentials::take(&mut headers);
    let head = RequestHead {
        method: Name::of(method.as_str()),
        authority,
        path,
        query,
        headers,
        has_body: !ends,
        length: if ends { Some(0) } else { length },
        runs_once: false,
    };
    Ok(Judged { head, credentials, offer })
}

/// Checks an answer's head and takes out what is not to pass. `bodiless`: the request was HEAD.
///
/// # Errors
/// When it cannot be passed on; says why.
pub(crate) fn answer_head(
    parts: &response::Parts,
    bodiless: bool,
    ends: bool,
) -> Result<AnswerHead, &'static str> {
    let status = parts.status.as_u16();
    if status < 200 {
        return Err("it switched protocols, which nobody asked for");
    }
    let headers = &parts.headers;
    if headers.contains_key("content-length") && headers.contains_key("transfer-encoding") {
        return Err("its answer has content-length and transfer-encoding");
    }
    if headers
        .get_all("transfer-encoding")
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err("its answer has a transfer-encoding that is not chunked alone");
    }
    let length = length(headers).ok_or("its answer's content-length is not one number")?;
    let names =
        connection_names(headers).map_err(|_| "its answer's connection header cannot be understood")?;
    let mut passing =
        passing(headers, &names).map_err(|_| "its answer's trailer header cannot be understood")?;
    passing.retain(|header| !WAYS_AROUND.contains(&header.name.as_str()) && header.name != "te");
    let has_body = !bodiless && !ends && !matches!(status, 204 | 205 | 304);
    // Of HEAD and 304, the length is of the body that is not sent.
    let length = if has_body || bodiless || status == 304 { length } else { Some(0) };
    Ok(AnswerHead { status, headers: passing, has_body, length })
}

/// The head of a switch to WebSocket, whose handshake was checked.
///
/// # Errors
/// When it cannot be passed on; says why.
pub(crate) fn switched_head(parts: &response::Parts) -> Result<AnswerHead, &'static str> {
    let names = connection_names(&parts.headers).map_err(|_| "its connection header cannot be understood")?;
    let mut headers =
        passing(&parts.headers, &names).map_err(|_| "its trailer header cannot be understood")?;
    let is_gone = |name: &str| OF_A_LEG.contains(&name) || WAYS_AROUND.contains(&name) || name == "te";
    headers.retain(|header| !is_gone(&header.name));
    Ok(AnswerHead { status: parts.status.as_u16(), headers, has_body: false, length: Some(0) })
}

/// Headers on their way out. What belongs to a connection is left out again: plugins may have written it.
///
/// # Errors
/// When a name or value cannot be written; says which name.
pub(crate) fn outgoing(headers: &[Header], version_2: bool) -> Result<HeaderMap, String> {
    // What each leg writes for itself comes behind: host or date, and a length.
    let mut map = HeaderMap::with_capacity(headers.len() + 2);
    for header in headers {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| format!("`{}` is no name of a header", header.name.escape_debug()))?;
        if HOP_BY_HOP.contains(&name.as_str()) || name == "host" || (name == "te" && !version_2) {
            continue;
        }
        let value = HeaderValue::from_maybe_shared(header.value.clone())
            .map_err(|_| format!("the value of header `{name}` has bytes that must not be there"))?;
        map.append(name, value);
    }
    Ok(map)
}

/// Trailers that came, without what must not be there.
///
/// # Errors
/// When framing, routing or rights are among them.
pub(crate) fn trailers_in(map: &HeaderMap) -> Result<Vec<Header>, &'static str> {
    if map.keys().any(|name| is_forbidden_trailer(name.as_str()) || is_disguised(name)) {
        return Err("a trailer is a header that must stand in front");
    }
    if map.len() > MAX_HEADERS {
        return Err("there are too many trailers");
    }
    Ok(listed(map))
}

/// Trailers on their way out; what cannot be one is left out.
pub(crate) fn trailers_out(trailers: &[Header]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for trailer in trailers.iter().filter(|trailer| !is_forbidden_trailer(&trailer.name)) {
        let name = HeaderName::from_bytes(trailer.name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&trailer.value)) {
            map.append(name, value);
        }
    }
    map
}

pub(crate) fn is_forbidden_trailer(name: &str) -> bool {
    NOT_IN_TRAILERS.contains(&name) || HOP_BY_HOP.contains(&name)
}

/// For a body that is no longer what its encoding, digests and ranges say: decoded, or changed. An `etag` becomes weak.
/// Also right for requests.
pub fn identity_head(headers: &mut Vec<Header>) {
    let is_gone = |name: &str| OF_THE_ENCODING.contains(&name) || name == "accept-ranges";
    headers.retain(|header| !is_gone(&header.name));
    for tag in headers.iter_mut().filter(|header| header.name == "etag") {
        if !tag.value.starts_with(b"W/") {
            tag.value = [b"W/".as_slice(), &tag.value].concat().into();
        }
    }
}

fn target(parts: &request::Parts) -> Result<(String, Option<String>), Refusal> {
    let (path, query) = (parts.uri.path(), parts.uri.query());
    if parts.version < Version::HTTP_2 && parts.uri.authority().is_some() {
        return Err(Refusal::bad("the target must be a path, not a whole address"));
    }
    if !(path.starts_with('/') || (path == "*" && parts.method == Method::OPTIONS)) {
        return Err(Refusal::bad("the path does not begin with '/'"));
    }
    let plain = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'#'))
    };
    if !plain(path)
        || query.is_some_and(|query| !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'))
    {
        return Err(Refusal::bad("the target has characters that must be percent-encoded"));
    }
    if path.split('/').any(is_dots) {
        return Err(Refusal::bad("the path has dot segments"));
    }
    if !percent_encoding_is_whole(path) {
        return Err(Refusal::bad("a '%' in the path is not followed by two hexadecimal digits"));
    }
    Ok((path.to_owned(), query.map(str::to_owned)))
}

/// `.` and `..`, also when they are encoded, and with parameters that some servers cut off.
fn is_dots(segment: &str) -> bool {
    if !segment.starts_with(['.', '%']) {
        return false;
    }
    let name = segment.split(';').next().unwrap_or_default().to_ascii_lowercase().replace("%2e", ".");
    matches!(name.as_str(), "." | "..")
}

fn percent_encoding_is_whole(path: &str) -> bool {
    path.split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)))
}

fn authority(parts: &request::Parts) -> Result<String, Refusal> {
    let mut hosts = parts.headers.get_all("host").iter();
    let (host, more) = (hosts.next(), hosts.next());
    if more.is_some() {
        return Err(Refusal::bad("there is more than one host"));
    }
    let host =
        host.map(|host| host.to_str().map_err(|_| Refusal::bad("the host is not valid"))).transpose()?;
    let pseudo = parts.uri.authority().map(http::uri::Authority::as_str);
    let named = match (pseudo, host) {
        (Some(pseudo), Some(host)) if !pseudo.eq_ignore_ascii_case(host) => {
            return Err(Refusal::bad(":authority and host differ"));
        }
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => return Err(Refusal::bad("there is no host")),
    };
    if is_authority(named) {
        Ok(named.to_ascii_lowercase())
    } else {
        Err(Refusal::bad("the host is not valid"))
    }
}

/// `name`, `name:port`, `[v6]` or `[v6]:port`. No user, no percent-encoding, nothing that a reader could cut elsewhere.
pub(crate) fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, behind)) if address.parse::<std::net::Ipv6Addr>().is_ok() => (
                "v6",
                if behind.is_empty() { None } else { Some(behind.strip_prefix(':').unwrap_or("none")) },
            ),
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = !host.is_empty()
        && host.len() <= 255
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    named
        && port
            .is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// What `connection` names. In HTTP/2 there is none; h2 refuses it.
fn connection_names(headers: &HeaderMap) -> Result<Vec<String>, Refusal> {
    let mut names = Vec::new();
    for value in headers.get_all("connection") {
        let value = value.to_str().map_err(|_| Refusal::bad("the connection header is not valid"))?;
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let is_among = |names: &[&str]| names.iter().any(|one| one.eq_ignore_ascii_case(name));
            if is_among(&END_TO_END) {
                return Err(Refusal::bad("the connection header names a header that must pass"));
            }
            // Those are taken out in any case.
            if !is_among(&HOP_BY_HOP) {
                names.push(name.to_ascii_lowercase());
            }
        }
    }
    Ok(names)
}

fn is_disguised(name: &HeaderName) -> bool {
    let name = name.as_str();
    if !name.contains('_') {
        return false;
    }
    let dashed = name.replace('_', "-");
    let known: [&[&str]; 5] = [&HOP_BY_HOP, &HEARSAY, &OVERRIDES, &END_TO_END, &NOT_IN_TRAILERS];
    known.iter().any(|names| names.contains(&dashed.as_str()))
        || DASHED.iter().any(|beginning| dashed.starts_with(beginning))
}

fn expectation(headers: &HeaderMap) -> Result<(), Refusal> {
    let fine =
        headers.get_all("expect").iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if fine {
        Ok(())
    } else {
        Err(Refusal::new(http::StatusCode::EXPECTATION_FAILED, "only 100-continue can be expected"))
    }
}

/// `None` when there is not one number but something else.
fn length(headers: &HeaderMap) -> Option<Option<u64>> {
    let mut values = headers.get_all("content-length").iter();
    let Some(value) = values.next() else { return Some(None) };
    let text = value.to_str().ok()?;
    if values.next().is_some() || text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Some)
}

fn passing(headers: &HeaderMap, named: &[String]) -> Result<Vec<Header>, Refusal> {
    let mut passing = listed(headers);
    passing.retain(|header| {
        let name = header.name.as_str();
        let trailers_only = name != "te" || header.value.eq_ignore_ascii_case(b"trailers");
        // gRPC says `te: trailers`, and in HTTP/1 has to name it as well.
        !HOP_BY_HOP.contains(&name) && trailers_only && (name == "te" || !named.iter().any(|one| one == name))
    });
    for header in passing.iter().filter(|header| header.name == "trailer") {
        if header.text().split(',').any(|name| is_forbidden_trailer(&name.trim().to_ascii_lowercase())) {
            return Err(Refusal::bad("the trailer header announces a header that must stand in front"));
        }
    }
    Ok(passing)
}

/// The values are parts of one piece of memory, but for credentials: those go earlier than the others.
fn listed(map: &HeaderMap) -> Vec<Header> {
    // Spaces at the ends mean nothing, and HTTP/2 lets them through (RFC 9113, section 8.2.1).
    let lines = || map.iter().map(|(name, value)| (name.as_str(), value.as_bytes().trim_ascii()));
    let mut texts = Vec::with_capacity(lines().map(|(_, value)| value.len()).sum());
    let mut headers = Vec::with_capacity(map.len() + 1);
    for (name, value) in lines() {
        let is_shared = !credentials::CARRIERS.contains(&name);
        if is_shared {
            texts.extend_from_slice(value);
        }
        let value = if is_shared { Bytes::new() } else { Bytes::copy_from_slice(value) };
        headers.push(Header { name: Name::of(name), value });
    }
    let mut texts = Bytes::from(texts);
    // What is still without a value has it there, or has none.
    for (header, (_, value)) in headers.iter_mut().zip(lines()).filter(|(header, _)| header.value.is_empty())
    {
        header.value = texts.split_to(value.len().min(texts.len()));
    }
    headers
}

/// HTTP/2 may cut a cookie header into lines; together they are one value again (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut Vec<Header>) {
    let crumbs: Vec<_> =
        headers.iter().filter(|header| header.name == "cookie").map(|header| header.value.clone()).collect();
    if crumbs.len() < 2 {
        return;
    }
    headers.retain(|header| header.name != "cookie");
    headers.push(Header { name: Name::of("cookie"), value: crumbs.join(b"; ".as_slice()).into() });
}
