//! How a value is hidden: what is written in its place.

use crate::kind::Kind;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

#[derive(Deserialize, Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// a fixed token
    #[default]
    Redact,
    /// the last characters or the domain stay
    Partial,
    /// equal values look equal
    Hash,
    Null,
}

/// The key of hashes, ready for use.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    pub fn new(key: &[u8]) -> Option<Key> {
        Hmac::new_from_slice(key).ok().map(Key)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A method for each kind.
#[derive(Debug, Clone)]
pub struct Methods {
    by_kind: [Method; 7],
    pub key: Option<Key>,
}

/// What a replacement stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Found(Kind),
    /// a named or computed column
    Column,
}

/// In the place of a value of a named or computed column.
pub const REDACTED: &str = "[REDACTED]";

/// Bits of a hash that are shown: 16 characters of base 32.
const HASH_BYTES: usize = 10;

/// A partly shown value keeps at most this many characters, and at most a third of them.
const MOST_SHOWN: usize = 4;

impl Methods {
    pub fn all(method: Method) -> Self {
        Self { by_kind: [method; 7], key: None }
    }

    pub fn set(&mut self, kind: Kind, method: Method) {
        if let Some(place) = self.by_kind.get_mut(kind as usize) {
            *place = method;
        }
    }

    pub fn of(&self, kind: Kind) -> Method {
        self.by_kind.get(kind as usize).copied().unwrap_or_default()
    }

    pub fn uses(&self, method: Method) -> bool {
        self.by_kind.contains(&method)
    }

    /// Writes what stands for `value`. `Null` is the caller's where a whole cell goes; elsewhere it is a token.
    pub fn write(&self, method: Method, subject: Subject, value: &str, out: &mut Vec<u8>) {
        let written = match method {
            Method::Partial => partial(subject, value, out),
            Method::Hash => self.hash(subject, value, out),
            Method::Redact | Method::Null => None,
        };
        if written.is_none() {
            out.extend_from_slice(token(subject).as_bytes());
        }
    }

    fn hash(&self, subject: Subject, value: &str, out: &mut Vec<u8>) -> Option<()> {
        let name = match subject {
            Subject::Found(kind) => kind.name(),
            Subject::Column => "value",
        };
        let mut mac = self.key.as_ref()?.0.clone();
        mac.update(name.as_bytes());
        mac.update(&[0]);
        canonical(subject, value, |bytes| mac.update(bytes));
        let digest = mac.finalize().into_bytes();
        out.extend_from_slice(name.as_bytes());
        out.push(b'_');
        base32(digest.get(..HASH_BYTES)?, out);
        Some(())
    }
}

fn token(subject: Subject) -> &'static str {
    match subject {
        Subject::Found(kind) => kind.token(),
        Subject::Column => REDACTED,
    }
}

/// The value without what may be written either way, so that equal values are equal.
fn canonical(subject: Subject, value: &str, mut update: impl FnMut(&[u8])) {
    let value = value.trim();
    match subject {
        Subject::Found(Kind::Phone) => {
            let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
            // North American numbers are written with or without their country.
            if digits.len() == 10 && !value.starts_with('+') {
                update(b"1");
            }
            update(&digits);
        }
        Subject::Found(Kind::Card) => {
            update(&value.bytes().filter(u8::is_ascii_digit).collect::<Vec<u8>>());
        }
        Subject::Found(Kind::Ssn) => {
            let digits: Vec<u8> = value.bytes().filter(u8::is_ascii_digit).collect();
            // Columns of integers lose leading zeros.
            update(b"000000000".get(digits.len()..).unwrap_or_default());
            update(&digits);
        }
        Subject::Found(Kind::Iban) => {
            let characters = value.bytes().filter(u8::is_ascii_alphanumeric);
            update(&characters.map(|b| b.to_ascii_uppercase()).collect::<Vec<u8>>());
        }
        Subject::Found(Kind::Email | Kind::Ip) => update(value.to_lowercase().as_bytes()),
        Subject::Found(Kind::Secret) | Subject::Column => update(value.as_bytes()),
    }
}

fn base32(bytes: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            let digit = ((bits >> count) & 31) as u8;
            out.push(if digit < 26 { b'a' + digit } else { b'2' + digit - 26 });
        }
    }
}

/// Writes stars and what may be seen; none when nothing may.
fn partial(subject: Subject, value: &str, out: &mut Vec<u8>) -> Option<()> {
    let value = value.trim();
    match subject {
        Subject::Found(Kind::Email) => {
            let (_, domain) = value.rsplit_once('@')?;
            out.extend_from_slice(b"***@");
            out.extend_from_slice(domain.as_bytes());
            Some(())
        }
        Subject::Found(Kind::Phone | Kind::Card | Kind::Ssn) => {
            let digits: Vec<char> = value.chars().filter(|c| c.is_numeric()).collect();
            shown(&digits, out)
        }
        Subject::Found(Kind::Iban) => {
            let characters: Vec<char> = value.chars().filter(|c| c.is_alphanumeric()).collect();
            shown(&characters, out)
        }
        Subject::Found(Kind::Ip | Kind::Secret) => None,
        Subject::Column => shown(&value.chars().collect::<Vec<char>>(), out),
    }
}

fn shown(characters: &[char], out: &mut Vec<u8>) -> Option<()> {
    let count = MOST_SHOWN.min(characters.len() / 3);
    let last = characters.get(characters.len() - count..)?;
    // Fewer than two would be a riddle; punctuation could break the text around.
    if count < 2 || !last.iter().all(|c| c.is_alphanumeric()) {
        return None;
    }
    out.extend_from_slice(b"****");
    let mut buffer = [0u8; 4];
    last.iter().for_each(|c| out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes()));
    Some(())
}
