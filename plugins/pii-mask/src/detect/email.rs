//! E-mail addresses: something before an `@`, a domain name with a top level of letters behind it.
//!
//! Traps: `git@github.com:org/x.git` (a repository), `@scope/pkg@1.2.3` and `lodash@4.17.21` (versions),
//! `icon@2x.png` (a picture), `user:pw@host` inside an URL (a secret of its own kind), `@here`.

use crate::bytes::{at, before};

const LONGEST_LOCAL: usize = 64;
const LONGEST: usize = 254;

/// The address around the `@` at `sign`: first byte, byte after the last. With `hint` the domain may be a bare
/// host name.
pub fn around(bytes: &[u8], sign: usize, hint: bool) -> Option<(usize, usize)> {
    let start = local_start(bytes, sign)?;
    let stop = domain_stop(bytes, sign + 1, hint)?;
    if stop - start > LONGEST || is_trap(bytes, start, sign, stop) {
        return None;
    }
    Some((start, stop))
}

fn local_start(bytes: &[u8], sign: usize) -> Option<usize> {
    if before(bytes, sign) == b'"' {
        return quoted_start(bytes, sign - 1);
    }
    let mut start = sign;
    while let Some(width) = local_before(bytes, start) {
        // Two dots in a row do not belong to one address.
        if before(bytes, start) == b'.' && (start == sign || at(bytes, start) == b'.') {
            break;
        }
        start -= width;
    }
    // Punctuation in front belongs to the text around.
    while start < sign && matches!(at(bytes, start), b'.' | b'-' | b'\'' | b'/' | b'*' | b'=' | b'&' | b'`') {
        start += 1;
    }
    // In `a=b@c` and `a/b@c` the address is what follows.
    let local = bytes.get(start..sign)?;
    let start =
        start + local.iter().rposition(|b| matches!(b, b'/' | b'=' | b'&')).map_or(0, |last| last + 1);
    let long = sign - start;
    (long > 0 && long <= LONGEST_LOCAL && bytes.get(start..sign)?.iter().any(|b| is_core(*b)))
        .then_some(start)
}

/// `"john doe"@example.com`
fn quoted_start(bytes: &[u8], close: usize) -> Option<usize> {
    let from = close.saturating_sub(LONGEST_LOCAL);
    let open = from + bytes.get(from..close)?.iter().rposition(|b| *b == b'"')?;
    let inside = bytes.get(open + 1..close)?;
    (!inside.is_empty() && inside.iter().all(|b| is_local(*b) || *b == b' ')).then_some(open)
}

fn domain_stop(bytes: &[u8], start: usize, hint: bool) -> Option<usize> {
    let mut stop = start;
    while let Some(width) = label_at(bytes, stop) {
        stop += width;
    }
    while stop > start && matches!(before(bytes, stop), b'.' | b'-') {
        stop -= 1;
    }
    let domain = bytes.get(start..stop)?;
    let mut labels = domain.split(|b| *b == b'.');
    if domain.is_empty() || labels.clone().any(|label| label.is_empty() || label.len() > 63) {
        // `a@b..c`: the address ends at the first empty label.
        let end = domain.windows(2).position(|pair| pair == b"..")?;
        return domain_end(bytes.get(start..start + end)?, hint).map(|()| start + end);
    }
    if at(domain, 0) == b'-' || labels.any(|label| label == b"") {
        return None;
    }
    domain_end(domain, hint).map(|()| stop)
}

fn domain_end(domain: &[u8], hint: bool) -> Option<()> {
    let top = domain.rsplit(|b| *b == b'.').next()?;
    if top.len() == domain.len() {
        return (hint && top.iter().any(u8::is_ascii_alphabetic)).then_some(());
    }
    let letters = top.iter().all(|b| b.is_ascii_alphabetic() || *b >= 0x80);
    (top.len() >= 2 && (letters || top.starts_with(b"xn--"))).then_some(())
}

fn is_trap(bytes: &[u8], start: usize, sign: usize, stop: usize) -> bool {
    let local = bytes.get(start..sign).unwrap_or_default();
    let domain = bytes.get(sign + 1..stop).unwrap_or_default();
    // git@github.com:org/x.git
    let repository = at(bytes, stop) == b':' && matches!(local, b"git" | b"hg" | b"svn" | b"gitlab");
    // icon@2x.png
    let picture = matches!(domain, [b'1'..=b'4', b'x', b'.', ..]);
    // scheme://user:password@host: the password is a secret, the rest is the address of a machine
    repository || picture || is_userinfo(bytes.get(..start).unwrap_or_default())
}

/// Whether what stands behind `head` is the end of the user's part of an URL.
fn is_userinfo(head: &[u8]) -> bool {
    // Looking back stops at what no such part has: a text of a thousand addresses is read a thousand times otherwise.
    let begins = match head.last() {
        Some(b':') => head.iter().rposition(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'@')),
        Some(b'/') => head.len().checked_sub(1),
        _ => None,
    };
    let Some(begins) = begins.map(|last| last + 1) else { return false };
    let (Some(before), Some(user)) = (head.get(..begins), head.get(begins..)) else { return false };
    let Some(scheme) = before.strip_suffix(b"://") else { return false };
    let web =
        scheme.len() >= 4 && [b"http".as_slice(), b"https", b"ftp"].iter().any(|name| scheme.ends_with(name));
    // scheme://ann@example.com: a person where people put persons
    !user.is_empty() || !web
}

/// The width of the character of a local part that ends before `at`.
fn local_before(bytes: &[u8], place: usize) -> Option<usize> {
    let last = before(bytes, place);
    if is_local(last) {
        return Some(1);
    }
    let lead = place.checked_sub(2).map_or(0, |lead| at(bytes, lead));
    ((0x80..0xc0).contains(&last) && is_letter_lead(lead)).then_some(2)
}

/// The width of the character of a domain at `place`.
fn label_at(bytes: &[u8], place: usize) -> Option<usize> {
    match at(bytes, place) {
        b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') => Some(1),
        lead => is_letter_lead(lead).then_some(2),
    }
}

fn is_local(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'_' | b'.' | b'-' | b'+' | b'%' | b'\'' | b'/' | b'=' | b'&' | b'*' | b'~' | b'#' | b'!'
        )
}

fn is_core(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80
}

/// The first byte of a letter of the Latin, Greek or Cyrillic alphabet; not of, say, Chinese text that touches
/// an address. (0xc2 begins signs.)
fn is_letter_lead(b: u8) -> bool {
    matches!(b, 0xc3..=0xd4)
}
