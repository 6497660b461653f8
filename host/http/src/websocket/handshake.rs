//! The handshake (RFC 6455, section 4): what a client must ask, and what an upstream must answer.

use crate::Refusal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, request};
use sha1::{Digest, Sha1};
use weir_session::http::traffic::Header;

/// Section 1.3: what is hashed behind the key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// A client's handshake that is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    accept: String,
}

/// What a client's handshake asks for; `None` when it is none.
///
/// # Errors
/// When it is not one that RFC 6455 allows, or another protocol is asked for.
pub(crate) fn offer(parts: &request::Parts, ends: bool) -> Result<Option<Offer>, Refusal> {
    let headers = &parts.headers;
    let mut asked = headers.get_all(UPGRADE).iter();
    let Some(first) = asked.next() else { return Ok(None) };
    if first.as_bytes().eq_ignore_ascii_case(b"h2c") && asked.next().is_none() {
        // An offer that may be left unanswered (RFC 9110, section 7.8), and some clients always make it.
        return Ok(None);
    }
    if parts.version != Version::HTTP_11 {
        return Err(Refusal::not_done("WebSocket is spoken over HTTP/1.1 only"));
    }
    if !first.as_bytes().eq_ignore_ascii_case(b"websocket") || asked.next().is_some() {
        return Err(Refusal::not_done("the only upgrade is WebSocket, alone"));
    }
    if parts.method != Method::GET {
        return Err(Refusal::bad("a request for WebSocket is a GET"));
    }
    let has_length = headers.get("content-length").is_some_and(|length| length.as_bytes() != b"0");
    if !ends || has_length || headers.contains_key("transfer-encoding") || headers.contains_key("expect") {
        return Err(Refusal::bad("a request for WebSocket has no body"));
    }
    if !names_upgrade(headers) {
        return Err(Refusal::bad("the connection header does not say upgrade"));
    }
    if one(headers, SEC_WEBSOCKET_VERSION.as_str()) != Some(b"13") {
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "the version of WebSocket is 13"));
    }
    let key = one(headers, SEC_WEBSOCKET_KEY.as_str()).unwrap_or_default();
    if STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != KEY_BYTES {
        return Err(Refusal::bad("sec-websocket-key is not 16 bytes in base64"));
    }
    if protocols(headers.get_all("sec-websocket-protocol").iter().map(HeaderValue::as_bytes)).is_none() {
        return Err(Refusal::bad("sec-websocket-protocol is no list of names, each once"));
    }
    Ok(Some(Offer { accept: accept(key) }))
}

/// Adds what the head of a switch says to the client.
pub(crate) fn answer_headers(offer: &Offer, headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&offer.accept) {
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    }
}

/// Adds a handshake of our own to a request, and answers what its key must be answered with.
///
/// # Errors
/// When the system has no random numbers.
pub(super) fn ask(headers: &mut HeaderMap) -> Result<String, String> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| error.to_string())?;
    let key = STANDARD.encode(bytes);
    let value = HeaderValue::from_str(&key).map_err(|error| error.to_string())?;
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, value);
    Ok(accept(key.as_bytes()))
}

/// Checks an upstream's 101.
///
/// # Errors
/// When it is not the answer to what was asked; says why.
pub(super) fn check(headers: &HeaderMap, accept: &str, asked: &[Header]) -> Result<(), &'static str> {
    let upgrade = one(headers, "upgrade").unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case(b"websocket") || !names_upgrade(headers) {
        return Err("it switched to another protocol than WebSocket");
    }
    if one(headers, "sec-websocket-accept") != Some(accept.as_bytes()) {
        return Err("its sec-websocket-accept does not belong to our key");
    }
    if headers.contains_key("sec-websocket-extensions") {
        return Err("it agreed on an extension that nobody offered");
    }
    if headers.contains_key("transfer-encoding") || headers.contains_key("content-length") {
        return Err("its switch to WebSocket has a body");
    }
    let mut picked = headers.get_all("sec-websocket-protocol").iter();
    let Some(picked_one) = picked.next() else { return Ok(()) };
    let offered = asked.iter().filter(|header| header.name == "sec-websocket-protocol");
    let offered = protocols(offered.map(|header| &*header.value)).unwrap_or_default();
    let is_offered = offered.iter().any(|name| name.as_bytes() == picked_one.as_bytes());
    if picked.next().is_some() || !is_offered {
        return Err("it picked a subprotocol that the client did not ask for");
    }
    Ok(())
}

/// Names of subprotocols in order; `None` when there is something else among them, or one comes twice.
fn protocols<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for value in values {
        for name in std::str::from_utf8(value).ok()?.split(',') {
            let name = name.trim_matches([' ', '\t']);
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_token) || names.iter().any(|known| known == name) {
                return None;
            }
            names.push(name.to_owned());
        }
    }
    Some(names)
}

fn accept(key: &[u8]) -> String {
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn names_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

/// The value of a header that stands there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then(|| first.as_bytes().trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 5] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat, superchat"),
    ];

    fn asked(method: &str, headers: &[(&str, &str)]) -> Result<Option<Offer>, u16> {
        let mut request = http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        offer(&request.body(()).unwrap().into_parts().0, true).map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_example_of_the_rfc() {
        let said = asked("GET", &GOOD).unwrap().unwrap();
        assert_eq!(said.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(asked("GET", &[]), Ok(None));
        assert_eq!(asked("GET", &[("upgrade", "h2c")]), Ok(None));
    }

    #[test]
    fn a_handshake_that_is_not_whole_is_refused() {
        assert_eq!(asked("POST", &GOOD), Err(400));
        for (name, value, status) in [
            ("connection", "keep-alive", 400),
            ("upgrade", "websocket, h2c", 501),
            ("upgrade", "tls/1.0", 501),
            ("sec-websocket-version", "8", 426),
            ("sec-websocket-version", "13, 8", 426),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ", 400),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQo=x", 400),
            ("sec-websocket-key", "c2hvcnQ=", 400),
            ("sec-websocket-protocol", "chat, chat", 400),
            ("sec-websocket-protocol", "chat,,", 400),
            ("sec-websocket-protocol", "a b", 400),
        ] {
            let mut headers = GOOD;
            headers.iter_mut().filter(|header| header.0 == name).for_each(|header| header.1 = value);
            assert_eq!(asked("GET", &headers), Err(status), "{name}: {value}");
            let missing: Vec<_> = GOOD.into_iter().filter(|header| header.0 != name).collect();
            if !matches!(name, "upgrade" | "sec-websocket-protocol") {
                assert!(asked("GET", &missing).is_err(), "without {name}");
            }
        }
        for twice in &GOOD[1..4] {
            assert!(asked("GET", &[&GOOD[..], &[*twice]].concat()).is_err(), "{twice:?}");
        }
        for more in [("content-length", "1"), ("transfer-encoding", "chunked"), ("expect", "100-continue")] {
            assert_eq!(asked("GET", &[&GOOD[..], &[more]].concat()), Err(400), "{more:?}");
        }
    }

    #[test]
    fn an_upstream_answers_what_was_asked() {
        let mut request = HeaderMap::new();
        let accept = ask(&mut request).unwrap();
        let fine = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &accept)];
        let offered = [Header::new("sec-websocket-protocol", "a, b")];
        let said = |lines: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            check(&headers, &accept, &offered)
        };
        assert_eq!(said(&fine), Ok(()));
        assert_eq!(said(&[&fine[..], &[("sec-websocket-protocol", "b")]].concat()), Ok(()));
        for more in [
            ("sec-websocket-protocol", "c"),
            ("sec-websocket-protocol", "a, b"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-accept", "x"),
            ("upgrade", "websocket"),
            ("content-length", "0"),
        ] {
            assert!(said(&[&fine[..], &[more]].concat()).is_err(), "{more:?}");
        }
        for index in 0..fine.len() {
            let mut less = fine.to_vec();
            less.remove(index);
            assert!(said(&less).is_err(), "{index}");
        }
        assert!(said(&[fine[0], fine[1], ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]).is_err());
    }
}
