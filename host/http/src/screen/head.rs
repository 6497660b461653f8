//! A request's head of HTTP/1, read strictly (RFC 9112) and written anew. Which headers may pass is not looked at
//! here: only what tells where the request ends, and what a second reader could see elsewhere.

use crate::Refusal;
use crate::hygiene::{MAX_HEADERS, is_authority, is_forbidden_trailer};
use http::StatusCode;

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked,
    /// No body, and what follows the answer may be another protocol: nothing may come before it.
    Switch,
}

/// Longest of those registered is 17 bytes (UPDATEREDIRECTREF).
const MAX_METHOD_BYTES: usize = 32;
/// Lengths that can be summed up.
const MAX_LENGTH: u64 = 1 << 62;

/// `head` ends with its empty line, and each line with CRLF. Nothing is written when there is an error.
///
/// # Errors
/// When it is not well-formed, or can be understood in two ways.
pub(super) fn rewrite(head: &[u8], out: &mut Vec<u8>) -> Result<Framing, Refusal> {
    let mut lines = Lines(head);
    let first = lines.next().unwrap_or_default();
    let (is_old, is_get) = first_line(first)?;
    let mut seen = Seen::default();
    let mut fields = Vec::new();
    for line in lines {
        if line.is_empty() {
            break;
        }
        let (name, value) = field(line)?;
        if fields.len() == MAX_HEADERS {
            return Err(Refusal::too_large("there are more than 100 headers"));
        }
        if seen.note(name, value)? {
            fields.push((name, value));
        }
    }
    let framing = seen.framing(is_old, is_get)?;
    out.extend_from_slice(first);
    out.extend_from_slice(b"\r\n");
    write(&fields, out);
    Ok(framing)
}

/// # Errors
/// When they are not well-formed, or headers that must stand in front are among them.
pub(super) fn rewrite_trailers(trailers: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut fields = Vec::new();
    for line in Lines(trailers) {
        if line.is_empty() {
            break;
        }
        let (name, value) = field(line)?;
        let lower = String::from_utf8_lossy(name).to_ascii_lowercase().replace('_', "-");
        if is_forbidden_trailer(&lower) {
            return Err(Refusal::bad("a trailer is a header that must stand in front"));
        }
        if fields.len() == MAX_HEADERS {
            return Err(Refusal::bad("there are more than 100 trailers"));
        }
        fields.push((name, value));
    }
    write(&fields, out);
    Ok(())
}

fn write(fields: &[(&[u8], &[u8])], out: &mut Vec<u8>) {
    for (name, value) in fields {
        for part in [*name, b": ", *value, b"\r\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Lines without their CRLF.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = self.0.windows(2).position(|two| two == b"\r\n")?;
        let line = self.0.get(..end)?;
        self.0 = self.0.get(end + 2..)?;
        Some(line)
    }
}

/// Whether the client speaks HTTP/1.0, and whether it is a GET.
fn first_line(line: &[u8]) -> Result<(bool, bool), Refusal> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::bad("the first line is not a method, a target and a version"));
    };
    let is_old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ if version.starts_with(b"HTTP/") => {
            return Err(Refusal::new(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "this version of HTTP is not spoken here",
            ));
        }
        _ => return Err(Refusal::bad("the first line is not a method, a target and a version")),
    };
    if !is_token(method) || method.len() > MAX_METHOD_BYTES {
        return Err(Refusal::bad("the method is not valid"));
    }
    if matches!(method, b"CONNECT" | b"TRACE") {
        return Err(Refusal::not_done("CONNECT and TRACE are not supported"));
    }
    if !target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#') {
        return Err(Refusal::bad("the target has characters that must be percent-encoded"));
    }
    let is_path = target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS");
    if is_path {
        Ok((is_old, method == b"GET"))
    } else {
        Err(Refusal::bad("the target must be a path, not a whole address"))
    }
}

/// Name and value, the latter without the spaces around it.
fn field(line: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        return Err(Refusal::bad("a header goes on in the next line"));
    }
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Refusal::bad("a header has no colon"))?;
    let (name, value) = line.split_at(colon);
    if !is_token(name) {
        return Err(Refusal::bad("the name of a header is not valid"));
    }
    let value = value.get(1..).unwrap_or_default().trim_ascii();
    Ok((name, value))
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// What was seen that tells where the request ends, and whom it is for.
#[derive(Default)]
struct Seen {
    host: bool,
    length: Option<u64>,
    chunked: bool,
    /// An offer of h2c, or the wish for a WebSocket.
    upgrade: bool,
    switch: bool,
}

impl Seen {
    /// Whether the header is given on.
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<bool, Refusal> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") {
            let length = number(value).ok_or(Refusal::bad("content-length is not one number"))?;
            if self.length.replace(length).is_some() {
                return Err(Refusal::bad("there is more than one content-length"));
            }
        } else if is("transfer-encoding") {
            if self.chunked {
                return Err(Refusal::bad("there is more than one transfer-encoding"));
            }
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::not_done("the only transfer-encoding is chunked"));
            }
            self.chunked = true;
        } else if is("host") {
            if std::mem::replace(&mut self.host, true) {
                return Err(Refusal::bad("there is more than one host"));
            }
            if !std::str::from_utf8(value).is_ok_and(is_authority) {
                return Err(Refusal::bad("the host is not valid"));
            }
        } else if is("upgrade") {
            if std::mem::replace(&mut self.upgrade, true) {
                return Err(Refusal::not_done("there is more than one upgrade"));
            }
            self.switch = value.eq_ignore_ascii_case(b"websocket");
            // An offer that may be left unanswered, and some clients always make it; hyper is not told.
            if !self.switch && !value.eq_ignore_ascii_case(b"h2c") {
                return Err(Refusal::not_done("the only upgrade is WebSocket, alone"));
            }
            return Ok(self.switch);
        }
        Ok(true)
    }

    fn framing(&self, is_old: bool, is_get: bool) -> Result<Framing, Refusal> {
        if !self.host {
            return Err(Refusal::bad("there is no host"));
        }
        match (self.length, self.chunked) {
            (Some(_), true) => Err(Refusal::bad("content-length and transfer-encoding exclude each other")),
            (None, true) if is_old => Err(Refusal::bad("HTTP/1.0 has no transfer-encoding")),
            (None | Some(0), false) if self.switch && is_get && !is_old => Ok(Framing::Switch),
            _ if self.switch => {
                Err(Refusal::bad("a request for WebSocket is a GET of HTTP/1.1 without body"))
            }
            (None, true) => Ok(Framing::Chunked),
            (length, false) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 19 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|length| *length <= MAX_LENGTH)
}
