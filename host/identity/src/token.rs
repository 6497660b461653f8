//! Tokens: short-lived secrets for one user, for clients that keep what they are given (agents, scripts, `.netrc`).
//!
//! `weir_` ID `_` SECRET: twelve letters and digits that name it in lists and in the trail, and 43 that prove it, as
//! hard to guess as 256 random bits. What is kept is the SHA-256 of the secret: it has too many possibilities for
//! guessing, so a slow hash would protect nothing and cost every request some milliseconds.

use std::collections::HashMap;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use weir_model::ResourceName;
use zeroize::Zeroizing;

use crate::Refusal;

/// Of the SHA-256 of a secret.
pub const HASH_BYTES: usize = 32;

/// What every token begins with, so that people and scanners recognise one.
const PREFIX: &str = "weir_";
const ID_CHARS: usize = 12;
/// 43 of 62 different characters are 256 bits.
const SECRET_CHARS: usize = 43;
const ALPHABET: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
/// Lower case only, because people read them out.
const ID_ALPHABET: usize = 36;

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: String,
    /// Whose it is: whoever shows it is this user, with all groups.
    pub user: String,
    /// SHA-256 of the secret part.
    pub hash: [u8; HASH_BYTES],
    /// Good until this moment.
    pub expires: SystemTime,
    pub revoked: bool,
    /// Where it is good; empty: wherever the user may go.
    pub resources: Vec<ResourceName>,
}

/// A token that has just been made. The text is shown once and kept nowhere.
pub struct NewToken {
    pub id: String,
    pub text: Zeroizing<String>,
    pub hash: [u8; HASH_BYTES],
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// All tokens of one moment. Immutable, like [`Users`](crate::Users).
#[derive(Clone, Debug, Default)]
pub struct Tokens(HashMap<String, Token>);

/// Makes a token.
///
/// # Errors
/// When there is no randomness.
pub fn new_token() -> Result<NewToken, NoRandomness> {
    let mut id = String::with_capacity(ID_CHARS);
    draw(&mut id, ID_CHARS, ID_ALPHABET)?;
    let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + ID_CHARS + 1 + SECRET_CHARS));
    text.push_str(PREFIX);
    text.push_str(&id);
    text.push('_');
    let secret_from = text.len();
    draw(&mut text, SECRET_CHARS, ALPHABET.len())?;
    let hash = hash_of(text.as_bytes().get(secret_from..).unwrap_or_default());
    Ok(NewToken { id, text, hash })
}

/// Appends `count` characters, each of the first `size` of the alphabet with the same probability. Never grows `out`
/// beyond its capacity: no copy of a secret is left behind.
fn draw(out: &mut String, count: usize, size: usize) -> Result<(), NoRandomness> {
    // The largest multiple of the size: bytes from there on would favour the first characters.
    let fair = 256 / size * size;
    let mut left = count;
    let mut random = Zeroizing::new([0; 64]);
    while left > 0 {
        getrandom::fill(random.as_mut()).map_err(|_| NoRandomness)?;
        for byte in random.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair) {
            if let (true, Some(c)) = (left > 0, ALPHABET.get(byte % size)) {
                out.push(char::from(*c));
                left -= 1;
            }
        }
    }
    Ok(())
}

fn hash_of(secret: &[u8]) -> [u8; HASH_BYTES] {
    Sha256::digest(secret).into()
}

/// The ID and the secret of a text that has a token's form. Takes the same time for every text of that form.
pub(crate) fn parts(text: &[u8]) -> Option<(&str, &[u8])> {
    let rest = text.strip_prefix(PREFIX.as_bytes())?;
    let (id, rest) = rest.split_at_checked(ID_CHARS)?;
    let secret = rest.strip_prefix(b"_")?;
    let id_fits = id.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    let secret_fits = secret.len() == SECRET_CHARS && secret.iter().all(u8::is_ascii_alphanumeric);
    (id_fits && secret_fits).then_some((std::str::from_utf8(id).ok()?, secret))
}

impl Tokens {
    /// Of two with one ID, which nobody makes, the last counts.
    pub fn new(tokens: impl IntoIterator<Item = Token>) -> Self {
        Self(tokens.into_iter().map(|token| (token.id.clone(), token)).collect())
    }

    pub fn get(&self, id: &str) -> Option<&Token> {
        self.0.get(id)
    }

    /// When the next good token expires; `None` when none does.
    pub fn next_expiry(&self, now: SystemTime) -> Option<SystemTime> {
        self.0.values().filter(|token| !token.revoked && token.expires > now).map(|token| token.expires).min()
    }

    /// The token with this ID, if the secret is its own. Whether it is still good is another question.
    pub(crate) fn proven(&self, id: &str, secret: &[u8]) -> Result<&Token, Refusal> {
        // An ID is no secret, so it may be looked up; what is compared with it takes the same time in every case.
        let found = self.get(id);
        let kept = found.map_or([0; HASH_BYTES], |token| token.hash);
        let fits: bool = kept.ct_eq(&hash_of(secret)).into();
        match found {
            Some(token) if fits => Ok(token),
            Some(_) => Err(Refusal::WrongToken(id.to_owned())),
            None => Err(Refusal::UnknownToken(id.to_owned())),
        }
    }

    /// Whether a session that came with this token may be, or go on.
    ///
    /// # Errors
    /// When the token is gone, revoked, expired, another user's or not for this resource.
    pub fn standing(
        &self,
        id: &str,
        user: &str,
        resource: &ResourceName,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        self.get(id).ok_or_else(|| Refusal::UnknownToken(id.to_owned()))?.standing(user, resource, now)
    }
}

impl Token {
    pub(crate) fn standing(
        &self,
        user: &str,
        resource: &ResourceName,
        now: SystemTime,
    ) -> Result<(), Refusal> {
        let refused = match () {
            () if self.user != user => Refusal::TokenOfOther,
            () if self.revoked => Refusal::TokenRevoked,
            () if self.expires <= now => Refusal::TokenExpired,
            () if !self.resources.is_empty() && !self.resources.contains(resource) => Refusal::TokenElsewhere,
            () => return Ok(()),
        };
        Err(refused(self.id.clone()))
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "NewToken({})", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_read_back_and_is_unlike_the_others() {
        let (one, other) = (new_token().unwrap(), new_token().unwrap());
        let (id, secret) = parts(one.text.as_bytes()).unwrap();
        assert_eq!((id, hash_of(secret)), (one.id.as_str(), one.hash));
        assert!(one.id != other.id && one.hash != other.hash);
        assert_eq!(format!("{one:?}"), format!("NewToken({})", one.id), "the secret is printed");
    }

    #[test]
    fn every_character_is_drawn_as_often() {
        let mut text = String::new();
        draw(&mut text, 62_000, 62).unwrap();
        for c in ALPHABET {
            let count = text.bytes().filter(|byte| byte == c).count();
            // Ten standard deviations around a thousand.
            assert!((700..1300).contains(&count), "{} came {count} times", char::from(*c));
        }
    }

    #[test]
    fn nothing_else_has_the_form() {
        let good = new_token().unwrap();
        let text = good.text.as_str();
        for bad in [
            "".to_owned(),
            "weir_".to_owned(),
            text.to_uppercase(),
            format!("{text}0"),
            format!(" {text}"),
            text.get(..text.len() - 1).unwrap().to_owned(),
            text.replacen("weir_", "weir-", 1),
            format!("{}-", text.get(..text.len() - 1).unwrap()),
        ] {
            assert_eq!(parts(bad.as_bytes()), None, "{bad}");
        }
    }
}
