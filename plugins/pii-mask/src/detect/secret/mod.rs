//! Secrets that recognise themselves: by a prefix, a frame, a place in an URL, or a name in front.
//!
//! A secret begins where a word begins, so one walk over the beginnings of words with a look at the first byte
//! finds the candidates; no table of patterns has to be built for each session.

mod assignment;
mod hash;
mod jwt;
mod key;
mod pem;
mod url;

pub use assignment::{Assigned, is_placeholder};

use crate::bytes::{at, before};

/// Reports every secret: first byte, byte after the last.
pub fn each(bytes: &[u8], mut found: impl FnMut(usize, usize)) {
    let mut urls = url::Urls::default();
    let mut place = 0;
    while place < bytes.len() {
        let byte = at(bytes, place);
        let stop = match byte {
            b':' => urls.password(bytes, place).map(|(start, stop)| {
                found(start, stop);
                stop
            }),
            b'=' => None,
            _ if before(bytes, place).is_ascii_alphanumeric() => None,
            b'-' => pem::starting(bytes, place).inspect(|stop| found(place, *stop)),
            b'$' | b'{' => hash::starting(bytes, place).inspect(|stop| found(place, *stop)),
            _ if byte.is_ascii_alphanumeric() => key::starting(bytes, place)
                .or_else(|| jwt::starting(bytes, place))
                .or_else(|| hash::starting(bytes, place))
                .or_else(|| pem::starting(bytes, place))
                .inspect(|stop| found(place, *stop)),
            _ => None,
        };
        place = stop.unwrap_or(place + 1).max(place + 1);
    }
}
