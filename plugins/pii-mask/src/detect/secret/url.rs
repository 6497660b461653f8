//! `scheme://user:password@host`: the password, and nothing else of it.

use super::is_placeholder;
use crate::bytes::{Runs, before, run};

/// The URLs of one text.
#[derive(Debug, Default)]
pub(super) struct Urls {
    tokens: Runs,
    /// where a token ends, and the last `@` before
    sign: (usize, Option<usize>),
}

impl Urls {
    /// The password of the URL whose `://` begins at `colon`. They ascend.
    pub(super) fn password(&mut self, bytes: &[u8], colon: usize) -> Option<(usize, usize)> {
        if !bytes.get(colon..)?.starts_with(b"://") || !before(bytes, colon).is_ascii_alphanumeric() {
            return None;
        }
        let from = colon + 3;
        let host =
            run(bytes, from, |b| b.is_ascii_graphic() && !matches!(b, b'/' | b'?' | b'#' | b'"' | b'\''));
        // The authority ends at the first slash, but people forget to escape one in a password.
        let sign = last_sign(bytes, from, host).or_else(|| {
            let authority = bytes.get(from..host)?;
            let (_, port) = split(authority)?;
            let is_port = port.iter().all(u8::is_ascii_digit);
            if is_port { None } else { self.sign_of_token(bytes, from) }
        })?;
        let userinfo = bytes.get(from..sign)?;
        let (user, password) = split(userinfo)?;
        let start = from + user.len() + 1;
        (!password.is_empty() && !is_placeholder(password)).then_some((start, sign))
    }

    /// The last `@` of what has no white space and no quote in it.
    fn sign_of_token(&mut self, bytes: &[u8], from: usize) -> Option<usize> {
        let stop = self.tokens.run(bytes, from, |b| {
            b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'<' | b'>' | b'`') || b >= 0x80
        });
        if self.sign.0 != stop {
            self.sign = (stop, last_sign(bytes, from, stop));
        }
        self.sign.1.filter(|sign| *sign >= from)
    }
}

fn last_sign(bytes: &[u8], from: usize, to: usize) -> Option<usize> {
    memchr::memrchr(b'@', bytes.get(from..to)?).map(|at| from + at)
}

fn split(userinfo: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', userinfo)?;
    Some((userinfo.get(..colon)?, userinfo.get(colon + 1..)?))
}
