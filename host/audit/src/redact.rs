//! Secrets of recognisable form are replaced before anything is stored.
//!
//! Defence in depth: maskers decide what a principal may see; this list only knows what nobody should ever find
//! in a trail, because it looks like a credential whatever the context. It is short on purpose.
//!
//! Each rule is an anchor (found for all rules at once, in any case, by one automaton) and a shape that must
//! follow. What is replaced becomes `[redacted:RULE]`.
//!
//! Invariant: a statement must not be able to hide itself. A shape is one quoted literal or one run of token
//! characters, never "the rest of the line", and at most [`MAX_VALUE_BYTES`] long where people choose it. What
//! a quoting trick can still hide is that short, and the action and objects the inspector found are recorded
//! besides.

use aho_corasick::{AhoCorasick, MatchKind};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

/// A longer value is no password; replacing it could hide a statement.
pub const MAX_VALUE_BYTES: usize = 256;

/// Shorter ones hold no secret unless something is said to be one, as in `pwd=x`: all other rules ask for more, the least
/// of them ten characters and a dot.
const SHORTEST: usize = 11;

/// The text with every recognised secret replaced. Borrowed when there was none, which is the normal case and
/// costs one pass over the text.
pub fn redact(text: &str) -> Cow<'_, str> {
    if text.len() < SHORTEST && !text.bytes().any(|byte| b"=:'\"$".contains(&byte)) {
        return Cow::Borrowed(text);
    }
    redact_any(text)
}

fn redact_any(text: &str) -> Cow<'_, str> {
    let Some(automaton) = AUTOMATON.as_ref() else {
        // The list is constant and tested; should it ever fail to compile, nothing is stored in clear.
        return Cow::Borrowed("[redacted:all]");
    };
    let mut out = String::new();
    let mut done = 0;
    for anchor in automaton.find_iter(text) {
        let Some((word, rule)) = ANCHORS.get(anchor.pattern().as_usize()) else { continue };
        let Some(secret) = rule.secret(text, word, anchor.range()) else { continue };
        let already = text.get(secret.start..).is_some_and(|rest| rest.starts_with("[redacted:"));
        let (Some(before), false) = (text.get(done..secret.start), already || secret.is_empty()) else {
            continue;
        };
        out.push_str(before);
        out.push_str("[redacted:");
        out.push_str(rule.name());
        out.push(']');
        done = secret.end;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// A value with a name: replaced as a whole when the name says that it is a secret.
pub fn redact_named<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    if !value.is_empty() && names_a_secret(name) { Cow::Borrowed("[redacted:name]") } else { redact(value) }
}

fn names_a_secret(name: &str) -> bool {
    const ENDINGS: [&str; 10] = [
        "password",
        "passwd",
        "pwd",
        "secret",
        "token",
        "apikey",
        "privatekey",
        "accesskey",
        "authorization",
        "cookie",
    ];
    // Positions such as `$1` are the common case.
    if name.len() < 3 {
        return false;
    }
    // From the back, letters and digits alone: `X-Api-Key` ends with `apikey`.
    let ends_with = |ending: &&str| {
        let mut behind = name.bytes().rev().filter(u8::is_ascii_alphanumeric);
        let same = |wanted| behind.next().is_some_and(|byte| byte.to_ascii_lowercase() == wanted);
        ending.bytes().rev().all(same)
    };
    ENDINGS.iter().any(ends_with)
}

#[derive(Clone, Copy, Debug)]
enum Rule {
    /// `PASSWORD 'x'`, `password=x`, `"password": "x"`.
    Password,
    /// `IDENTIFIED [WITH plugin] BY 'x'`.
    IdentifiedBy,
    /// `scheme://user:x@host`.
    UrlUser,
    /// A prefix in exactly this case, not inside a word, and at least so many token characters behind it.
    Prefix(usize),
    Jwt,
    Pem,
    /// A stored verifier: `SCRAM-SHA-256$…`, `$argon2…`, `$2b$…`.
    Verifier,
    /// `md5` and exactly 32 hexadecimal digits.
    Md5,
    /// `Authorization: Scheme x`.
    Authorization,
    /// `Bearer x`.
    Bearer,
}

const ANCHORS: &[(&str, Rule)] = &[
    ("password", Rule::Password),
    ("passwd", Rule::Password),
    ("pwd", Rule::Password),
    ("client_secret", Rule::Password),
    ("access_token", Rule::Password),
    ("refresh_token", Rule::Password),
    ("api_key", Rule::Password),
    ("api-key", Rule::Password),
    ("apikey", Rule::Password),
    ("secret_access_key", Rule::Password),
    ("identified", Rule::IdentifiedBy),
    ("://", Rule::UrlUser),
    ("AKIA", Rule::Prefix(16)),
    ("ASIA", Rule::Prefix(16)),
    ("AIza", Rule::Prefix(30)),
    ("ya29.", Rule::Prefix(20)),
    ("ghp_", Rule::Prefix(30)),
    ("gho_", Rule::Prefix(30)),
    ("ghu_", Rule::Prefix(30)),
    ("ghs_", Rule::Prefix(30)),
    ("ghr_", Rule::Prefix(30)),
    ("github_pat_", Rule::Prefix(22)),
    ("glpat-", Rule::Prefix(20)),
    ("xoxa-", Rule::Prefix(10)),
    ("xoxb-", Rule::Prefix(10)),
    ("xoxp-", Rule::Prefix(10)),
    ("xoxr-", Rule::Prefix(10)),
    ("xoxs-", Rule::Prefix(10)),
    ("xapp-", Rule::Prefix(10)),
    ("sk_live_", Rule::Prefix(10)),
    ("sk_test_", Rule::Prefix(10)),
    ("rk_live_", Rule::Prefix(10)),
    ("whsec_", Rule::Prefix(20)),
    ("sk-ant-", Rule::Prefix(20)),
    ("sk-proj-", Rule::Prefix(20)),
    ("npm_", Rule::Prefix(30)),
    ("pypi-", Rule::Prefix(40)),
    ("hvs.", Rule::Prefix(20)),
    // Our own, `weir token create`.
    ("weir_", Rule::Prefix(56)),
    ("SG.", Rule::Prefix(40)),
    ("eyJ", Rule::Jwt),
    ("-----BEGIN ", Rule::Pem),
    ("SCRAM-SHA-256$", Rule::Verifier),
    ("$argon2", Rule::Verifier),
    ("$2a$", Rule::Verifier),
    ("$2b$", Rule::Verifier),
    ("$2y$", Rule::Verifier),
    ("md5", Rule::Md5),
    ("authorization", Rule::Authorization),
    ("bearer ", Rule::Bearer),
];

static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        .kind(Some(aho_corasick::AhoCorasickKind::DFA))
        .build(ANCHORS.iter().map(|(word, _)| word))
        .ok()
});

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Password | Self::IdentifiedBy | Self::UrlUser => "password",
            Self::Prefix(_) => "token",
            Self::Jwt => "jwt",
            Self::Pem => "private-key",
            Self::Verifier | Self::Md5 => "verifier",
            Self::Authorization | Self::Bearer => "authorization",
        }
    }

    /// Where the secret stands, if the shape behind the anchor is right.
    fn secret(self, text: &str, word: &str, anchor: Range<usize>) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let behind = anchor.end;
        match self {
            Self::Password => named_value(bytes, behind),
            Self::IdentifiedBy => identified_by(text, behind),
            Self::UrlUser => url_password(bytes, behind),
            Self::Prefix(least) => {
                let exact = text.get(anchor.clone()) == Some(word) && !in_word(bytes, anchor.start);
                let end = run(bytes, behind, is_token);
                (exact && end - behind >= least).then_some(anchor.start..end)
            }
            Self::Jwt => jwt(text, anchor),
            Self::Pem => pem(text, behind),
            Self::Verifier => {
                let end = run(bytes, behind, |b| is_base64(b) || matches!(b, b':' | b'$' | b',' | b'.'));
                (end - behind >= 20).then_some(anchor.start..end)
            }
            Self::Md5 => {
                let end = run(bytes, behind, |b| b.is_ascii_hexdigit());
                let alone = !in_word(bytes, anchor.start) && !byte(bytes, end).is_some_and(is_token);
                (alone && end - behind == 32).then_some(anchor.start..end)
            }
            Self::Authorization => {
                let from = separator(bytes, behind)?;
                let scheme_end = run(bytes, from, |b| b.is_ascii_alphanumeric() || b == b'-');
                let from = if byte(bytes, scheme_end) == Some(b' ') { scheme_end + 1 } else { from };
                Some(from..run(bytes, from, |b| is_token(b) || is_base64(b) || b == b'~'))
            }
            Self::Bearer => {
                let end = run(bytes, behind, |b| is_token(b) || is_base64(b) || b == b'~');
                (end - behind >= 16).then_some(behind..end)
            }
        }
    }
}

/// Behind a name: `= x`, `: "x"`, or a quoted literal at once. Placeholders are no secrets.
fn named_value(bytes: &[u8], behind: usize) -> Option<Range<usize>> {
    if byte(bytes, behind).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return None;
    }
    if let Some(from) = separator(bytes, behind) {
        if let Some(inside) = literal(bytes, from) {
            return Some(inside);
        }
        let spaced = from.checked_sub(1).and_then(|at| byte(bytes, at)) == Some(b' ');
        let equals = bytes.get(behind..from).is_some_and(|between| between.contains(&b'='));
        let placeholder =
            matches!(byte(bytes, from), Some(b'$' | b'?' | b':' | b'@' | b'%' | b'(')) || spaced && equals;
        let end = run(bytes, from, |b| !b.is_ascii_whitespace() && !b"&;,'\"`)}]>|".contains(&b));
        return (!placeholder && end - from <= MAX_VALUE_BYTES).then_some(from..end);
    }
    literal(bytes, run(bytes, behind, |b| b.is_ascii_whitespace()))
}

fn identified_by(text: &str, behind: usize) -> Option<Range<usize>> {
    let near: String = text.get(behind..)?.chars().take(64).map(|c| c.to_ascii_lowercase()).collect();
    let by = near.find(" by ").filter(|at| near.get(..*at).is_some_and(|with| !with.contains('\'')))?;
    literal(text.as_bytes(), run(text.as_bytes(), behind + by + 4, |b| b.is_ascii_whitespace()))
}

fn url_password(bytes: &[u8], behind: usize) -> Option<Range<usize>> {
    let end = run(bytes, behind, |b| !b.is_ascii_whitespace() && !b"/?#'\"`<>".contains(&b));
    let authority = bytes.get(behind..end)?;
    let at = authority.iter().rposition(|b| *b == b'@')?;
    let colon = authority.get(..at)?.iter().position(|b| *b == b':')?;
    (at - colon <= MAX_VALUE_BYTES).then_some(behind + colon + 1..behind + at)
}

fn jwt(text: &str, anchor: Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    if in_word(bytes, anchor.start) || !text.get(anchor.start..)?.starts_with("eyJ") {
        return None;
    }
    let end = run(bytes, anchor.start, |b| is_token(b) || b == b'=');
    let token = text.get(anchor.start..end)?;
    let mut parts = token.split('.');
    let header = parts.next().is_some_and(|part| part.len() >= 10);
    let body =
        parts.next().is_some_and(|part| part.starts_with("eyJ") || part.is_empty() || part.len() >= 10);
    (header && body).then_some(anchor.start..end)
}

/// The base64 words behind `-----BEGIN … PRIVATE KEY-----`.
fn pem(text: &str, behind: usize) -> Option<Range<usize>> {
    let label = text.get(behind..)?.split_once("-----").map(|(label, _)| label)?;
    if !label.ends_with("PRIVATE KEY") || label.len() > 40 {
        return None;
    }
    let bytes = text.as_bytes();
    let from = behind + label.len() + 5;
    let mut end = from;
    loop {
        // Line ends may be real or spelled `\n`.
        let word = run_pairs(bytes, end);
        let word_end = run(bytes, word, is_base64);
        let last = text.get(run_pairs(bytes, word_end)..).is_some_and(|rest| rest.starts_with("-----END"));
        if word_end == word || (word_end - word < 16 && !last) {
            return (end > from).then_some(from..end);
        }
        end = word_end;
    }
}

/// Skips white space and the two characters `\n` or `\r`.
fn run_pairs(bytes: &[u8], mut at: usize) -> usize {
    loop {
        at = run(bytes, at, |b| b.is_ascii_whitespace());
        match (byte(bytes, at), byte(bytes, at + 1)) {
            (Some(b'\\'), Some(b'n' | b'r')) => at += 2,
            _ => return at,
        }
    }
}

/// The inside of a quoted literal that begins here: `'x'`, `E'x'`, `"x"`, `$$x$$`, `$tag$x$tag$`.
fn literal(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if byte(bytes, at) == Some(b'$') {
        return dollar_quoted(bytes, at);
    }
    let escapes = matches!(byte(bytes, at), Some(b'e' | b'E')) && byte(bytes, at + 1) == Some(b'\'');
    let from = if escapes { at + 1 } else { at };
    let quote = byte(bytes, from).filter(|b| matches!(b, b'\'' | b'"'))?;
    let backslash = escapes || quote == b'"';
    let from = from + 1;
    let mut end = from;
    while end - from <= MAX_VALUE_BYTES {
        match byte(bytes, end)? {
            b'\\' if backslash => end += 2,
            b if b == quote && byte(bytes, end + 1) == Some(quote) => end += 2,
            b if b == quote => return Some(from..end),
            _ => end += 1,
        }
    }
    None
}

fn dollar_quoted(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let tag_end = run(bytes, at + 1, |b| b.is_ascii_alphanumeric() || b == b'_' || !b.is_ascii());
    let starts_with_digit = byte(bytes, at + 1).is_some_and(|b| b.is_ascii_digit());
    let delimiter = bytes.get(at..=tag_end).filter(|tag| tag.ends_with(b"$") && !starts_with_digit)?;
    let from = tag_end + 1;
    let rest = bytes.get(from..)?;
    let within = rest.get(..rest.len().min(MAX_VALUE_BYTES + delimiter.len()))?;
    let length = within.windows(delimiter.len()).position(|window| window == delimiter)?;
    Some(from..from + length)
}

/// Skips `=` or `:` with white space, and the quote that closes a name; where the value begins.
fn separator(bytes: &[u8], at: usize) -> Option<usize> {
    let at = if matches!(byte(bytes, at), Some(b'"' | b'\'')) { at + 1 } else { at };
    let at = run(bytes, at, |b| b == b' ');
    let from = match (byte(bytes, at)?, byte(bytes, at + 1)) {
        // A cast: `password::text`.
        (b':', Some(b':')) => return None,
        (b':' | b'=', _) => at + 1,
        _ => return None,
    };
    let from = run(bytes, from, |b| b == b' ');
    Some(from)
}

fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The end of the run of such bytes that begins at `at`.
fn run(bytes: &[u8], at: usize, belongs: impl Fn(u8) -> bool) -> usize {
    at + bytes.get(at..).unwrap_or_default().iter().take_while(|b| belongs(**b)).count()
}

fn in_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| byte(bytes, before)).is_some_and(|b| b.is_ascii_alphanumeric())
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')
}

fn is_base64(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
