//! The arithmetic of SCRAM-SHA-256, and the form in which PostgreSQL keeps a password.
//!
//! **Job.** From a password come, one way only:
//!
//! ```text
//! SaltedPassword = PBKDF2(HMAC-SHA-256, SASLprep(password), salt, iterations)     slow, on purpose
//! ClientKey      = HMAC(SaltedPassword, "Client Key")      StoredKey = SHA-256(ClientKey)
//! ServerKey      = HMAC(SaltedPassword, "Server Key")
//! proof          = ClientKey ⊕ HMAC(StoredKey, AuthMessage)
//! ```
//!
//! [`ScramVerifier`] is what a server needs (StoredKey, ServerKey), [`ScramKeys`] what a client needs (ClientKey,
//! ServerKey), and [`KeyRequest::derive`] the slow step between password and keys, a pure function to be run where slowness
//! hurts nobody.
//!
//! **What it does not do.** It exchanges no messages (`scram_server`, `scram_client`) and makes no salt or nonce.
//!
//! **Invariants.** A verifier cannot log in anywhere: a client proves itself with ClientKey, which cannot be had from
//! StoredKey. [`ScramKeys`] can, so they are to be guarded like the password. Neither is printed; both are wiped on drop;
//! comparisons take constant time.
//! Sources: RFC 5802 section 3, RFC 7677, RFC 4013, PostgreSQL `scram-common.c`.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::names::UserName;
use super::secret::Password;

/// The iteration count PostgreSQL gives new passwords (`scram_iterations`), and the least RFC 7677 recommends.
pub const POSTGRES_ITERATIONS: u32 = 4096;

/// Longest salt we accept, in bytes. PostgreSQL's are 16.
pub const MAX_SALT_BYTES: usize = 256;

/// Random bytes in a nonce, as many as PostgreSQL takes.
pub const NONCE_RANDOM_BYTES: usize = 18;

/// The length of a SHA-256 hash, and so of every SCRAM key, in bytes.
pub(crate) const KEY_BYTES: usize = 32;

/// A key, a proof or a signature; wiped on drop.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// Largest iteration count of a verifier: PostgreSQL keeps it in a signed 32-bit number.
const MAX_VERIFIER_ITERATIONS: u32 = i32::MAX as u32;

/// One side's part of the nonce: fresh for each login, or a recorded login could be replayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// A nonce from fresh random bytes.
    pub fn from_random(random: [u8; NONCE_RANDOM_BYTES]) -> Self {
        Self(STANDARD.encode(random))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn for_test(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What a server keeps of a password: enough to check a proof and to prove itself, not enough to log in.
#[derive(Clone)]
pub struct ScramVerifier {
    iterations: u32,
    salt: Vec<u8>,
    pub(crate) stored_key: Key,
    pub(crate) server_key: Key,
}

/// Why a text is not a SCRAM verifier. Says which part, never what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidVerifier {
    /// Not `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`.
    #[error("expected SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>")]
    Shape,
    /// Not a number of 1 to 2,147,483,647.
    #[error("the iteration count is not a number of 1 to 2147483647")]
    Iterations,
    /// Not base64 of 1 to 256 bytes.
    #[error("the salt is not base64 of 1 to 256 bytes")]
    Salt,
    /// Not base64 of 32 bytes.
    #[error("a key is not base64 of 32 bytes")]
    Key,
}

impl ScramVerifier {
    /// Reads the form PostgreSQL keeps in `pg_authid.rolpassword`:
    /// `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, salt and keys in base64.
    ///
    /// # Errors
    /// When a part of it is not of that form, or the iterations are too many.
    pub fn parse(text: &str) -> Result<Self, InvalidVerifier> {
        let rest = text.strip_prefix("SCRAM-SHA-256$").ok_or(InvalidVerifier::Shape)?;
        let (cost, keys) = rest.split_once('$').ok_or(InvalidVerifier::Shape)?;
        let (iterations, salt) = cost.split_once(':').ok_or(InvalidVerifier::Shape)?;
        let (stored_key, server_key) = keys.split_once(':').ok_or(InvalidVerifier::Shape)?;
        Ok(Self {
            iterations: parse_iterations(iterations)
                .filter(|count| *count <= MAX_VERIFIER_ITERATIONS)
                .ok_or(InvalidVerifier::Iterations)?,
            salt: decode_salt(salt).ok_or(InvalidVerifier::Salt)?,
            stored_key: decode_key(stored_key).ok_or(InvalidVerifier::Key)?,
            server_key: decode_key(server_key).ok_or(InvalidVerifier::Key)?,
        })
    }

    /// The same form, as text. Not `Display`, so that it is never printed by accident.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "SCRAM-SHA-256${}:{}${}:{}",
            self.iterations,
            STANDARD.encode(&self.salt),
            STANDARD.encode(*self.stored_key),
            STANDARD.encode(*self.server_key)
        ))
    }

    /// The verifier of a password. Slow by design: 0.2 to 0.6 µs per iteration; run it where it may block.
    ///
    /// # Errors
    /// When there are no iterations or too many, or the salt has no bytes or more than 256.
    pub fn derive(password: &Password, salt: &[u8], iterations: u32) -> Result<Self, InvalidVerifier> {
        if iterations == 0 || iterations > MAX_VERIFIER_ITERATIONS {
            return Err(InvalidVerifier::Iterations);
        }
        if salt.is_empty() || salt.len() > MAX_SALT_BYTES {
            return Err(InvalidVerifier::Salt);
        }
        let keys = derive_keys(password, salt, iterations);
        Ok(Self {
            iterations,
            salt: salt.to_vec(),
            stored_key: keys.stored_key(),
            server_key: keys.server_key.clone(),
        })
    }

    /// Whether this is the verifier of that password: for a password that came in clear. As slow as deriving one.
    pub fn matches(&self, password: &Password) -> bool {
        let keys = derive_keys(password, &self.salt, self.iterations);
        keys.stored_key().ct_eq(&*self.stored_key).into()
    }

    /// How often the hash is applied.
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// The salt.
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }
}

impl PartialEq for ScramVerifier {
    fn eq(&self, other: &Self) -> bool {
        let keys = self.stored_key.ct_eq(&*other.stored_key) & self.server_key.ct_eq(&*other.server_key);
        let open = Choice::from(u8::from(self.iterations == other.iterations && self.salt == other.salt));
        (keys & open).into()
    }
}

impl Eq for ScramVerifier {}

impl fmt::Debug for ScramVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramVerifier").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// What stands in for the verifier of a user that does not exist, so that a stranger cannot tell who does.
///
/// The salt is `HMAC(secret, user)`, the same at every visit. Keep the secret across restarts, and the iteration count and
/// salt length (16) equal to those of the real users: each difference tells them apart.
#[derive(Clone)]
pub struct MockScram {
    secret: Key,
    iterations: u32,
}

impl MockScram {
    /// From a secret of the server and the iteration count of its real users.
    pub fn new(secret: [u8; KEY_BYTES], iterations: u32) -> Self {
        Self { secret: Zeroizing::new(secret), iterations: iterations.clamp(1, MAX_VERIFIER_ITERATIONS) }
    }

    pub(crate) fn verifier(&self, user: &UserName) -> ScramVerifier {
        let user = user.as_str().as_bytes();
        let salt = hmac(&self.secret, &[b"salt", user]);
        ScramVerifier {
            iterations: self.iterations,
            salt: salt.first_chunk::<16>().map(|salt| salt.to_vec()).unwrap_or_default(),
            stored_key: hmac(&self.secret, &[b"stored key", user]),
            server_key: hmac(&self.secret, &[b"server key", user]),
        }
    }
}

impl fmt::Debug for MockScram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockScram").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// What a client needs to log in, for one salt and iteration count: as good as the password there.
///
/// Cache them under their [`KeyRequest`] after a login that succeeded, and the next login costs no PBKDF2.
#[derive(Clone)]
pub struct ScramKeys {
    pub(crate) client_key: Key,
    pub(crate) server_key: Key,
}

impl ScramKeys {
    pub(crate) fn stored_key(&self) -> Key {
        sha256(self.client_key.as_slice())
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(…)")
    }
}

/// What an upstream wants keys for: with the password, all that the keys depend on. A key for a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyRequest {
    /// The upstream's salt for this user, 1 to 256 bytes.
    pub salt: Vec<u8>,
    /// How often to apply the hash, within the limit of the login.
    pub iterations: u32,
}

impl KeyRequest {
    /// Derives the keys. Pure and slow: 0.2 to 0.6 µs per iteration, 2 ms for PostgreSQL's usual 4096; run it where it may
    /// block.
    pub fn derive(&self, password: &Password) -> ScramKeys {
        derive_keys(password, &self.salt, self.iterations)
    }
}

fn derive_keys(password: &Password, salt: &[u8], iterations: u32) -> ScramKeys {
    let mut salted = Key::default();
    let normalized = Zeroizing::new(normalize(password.expose()).into_owned());
    pbkdf2::pbkdf2_hmac::<Sha256>(&normalized, salt, iterations, salted.as_mut());
    ScramKeys { client_key: hmac(&salted, &[b"Client Key"]), server_key: hmac(&salted, &[b"Server Key"]) }
}

/// SASLprep where it applies, the bytes as they are where it does not: what PostgreSQL and libpq both do, so that any
/// password works.
fn normalize(password: &[u8]) -> Cow<'_, [u8]> {
    let prepared = std::str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok());
    match prepared {
        Some(Cow::Owned(text)) if !text.is_empty() => Cow::Owned(text.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Key {
    Zeroizing::new(Sha256::digest(bytes).into())
}

/// HMAC-SHA-256 under a key of 32 bytes, over the parts one after the other.
pub(crate) fn hmac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> Key {
    // A key shorter than a block is padded with zeros (RFC 2104). Done here, the types leave nothing to fail.
    let mut block = Zeroizing::new([0; 64]);
    for (padded, byte) in block.iter_mut().zip(key) {
        *padded = *byte;
    }
    let mut mac = Hmac::<Sha256>::new(&(*block).into());
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

pub(crate) fn xor(left: &[u8; KEY_BYTES], right: &[u8; KEY_BYTES]) -> Key {
    let mut out = Zeroizing::new(*left);
    for (byte, other) in out.iter_mut().zip(right) {
        *byte ^= other;
    }
    out
}

/// A positive decimal number without sign or leading zero.
pub(crate) fn parse_iterations(text: &str) -> Option<u32> {
    if text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

pub(crate) fn decode_salt(text: &str) -> Option<Vec<u8>> {
    // Judged before decoding: base64 takes four characters for three bytes.
    if text.len() > MAX_SALT_BYTES.div_ceil(3).saturating_mul(4) {
        return None;
    }
    STANDARD.decode(text).ok().filter(|salt| (1..=MAX_SALT_BYTES).contains(&salt.len()))
}

pub(crate) fn decode_key(text: &str) -> Option<Key> {
    if text.len() != KEY_BYTES.div_ceil(3).saturating_mul(4) {
        return None;
    }
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Printable ASCII without comma (RFC 5802, `nonce`), up to a length no implementation comes near.
pub(crate) fn is_nonce(text: &str) -> bool {
    /// libpq and PostgreSQL send 24 characters each.
    const MAX_NONCE_BYTES: usize = 1024;
    (1..=MAX_NONCE_BYTES).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by PostgreSQL 15 would be random; this one is of RFC 7677's password, salt and count.
    const RFC_7677: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
         WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn rfc_7677() -> KeyRequest {
        KeyRequest { salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), iterations: 4096 }
    }

    #[test]
    fn a_verifier_is_derived_written_and_read() {
        let request = rfc_7677();
        let verifier =
            ScramVerifier::derive(&Password::new("pencil"), &request.salt, request.iterations).unwrap();
        assert_eq!(*verifier.to_text(), RFC_7677);
        assert_eq!(ScramVerifier::parse(RFC_7677), Ok(verifier.clone()));
        assert!(verifier.matches(&Password::new("pencil")));
        assert!(!verifier.matches(&Password::new("pencil ")));
        assert_eq!(format!("{verifier:?}"), "ScramVerifier { iterations: 4096, .. }");
    }

    #[test]
    fn client_keys_hash_to_the_stored_key() {
        let keys = rfc_7677().derive(&Password::new("pencil"));
        assert_eq!(keys.stored_key(), ScramVerifier::parse(RFC_7677).unwrap().stored_key);
        assert_eq!(format!("{keys:?}"), "ScramKeys(…)");
    }

    #[test]
    fn texts_that_are_no_verifiers() {
        let key = STANDARD.encode([7; 32]);
        let check = |text: String, expect: InvalidVerifier| {
            assert_eq!(ScramVerifier::parse(&text), Err(expect), "{text}");
        };
        check("md5abc".into(), InvalidVerifier::Shape);
        check("SCRAM-SHA-256$4096".into(), InvalidVerifier::Shape);
        check(format!("SCRAM-SHA-256$4096:AAAA${key}"), InvalidVerifier::Shape);
        for count in ["0", "-1", "+1", "", "x", "2147483648", "01", "99999999999"] {
            check(format!("SCRAM-SHA-256${count}:AAAA${key}:{key}"), InvalidVerifier::Iterations);
        }
        for salt in ["", "A", "AAAA ", "*AAA"] {
            check(format!("SCRAM-SHA-256$1:{salt}${key}:{key}"), InvalidVerifier::Salt);
        }
        check(format!("SCRAM-SHA-256$1:{}${key}:{key}", "A".repeat(4096)), InvalidVerifier::Salt);
        check(format!("SCRAM-SHA-256$1:AAAA${key}:AAAA"), InvalidVerifier::Key);
        check(format!("SCRAM-SHA-256$1:AAAA${key}:{key}="), InvalidVerifier::Key);
        let password = Password::new("x");
        assert_eq!(ScramVerifier::derive(&password, b"", 1), Err(InvalidVerifier::Salt));
        assert_eq!(ScramVerifier::derive(&password, b"s", 0), Err(InvalidVerifier::Iterations));
    }

    #[test]
    fn passwords_are_prepared_where_possible() {
        let check = |password: &[u8], expect: &[u8]| assert_eq!(&*normalize(password), expect);
        check(b"plain", b"plain");
        // RFC 4013, section 3: soft hyphen goes, ROMAN NUMERAL NINE becomes IX.
        check("I\u{ad}X".as_bytes(), b"IX");
        check("\u{2168}".as_bytes(), b"IX");
        // Prohibited, not UTF-8, or nothing left: as they are.
        check(b"\x07", b"\x07");
        check(b"\xff\xfe", b"\xff\xfe");
        check("\u{ad}".as_bytes(), "\u{ad}".as_bytes());
        check(b"", b"");
    }

    #[test]
    fn the_stand_in_is_stable_and_differs_by_user_and_secret() {
        let mock = MockScram::new([7; 32], 4096);
        let (alice, bob) = (UserName::new("alice").unwrap(), UserName::new("bob").unwrap());
        assert_eq!(mock.verifier(&alice), mock.verifier(&alice));
        assert_ne!(mock.verifier(&alice).salt(), mock.verifier(&bob).salt());
        assert_ne!(mock.verifier(&alice).salt(), MockScram::new([8; 32], 4096).verifier(&alice).salt());
        assert_eq!(mock.verifier(&alice).salt().len(), 16);
        assert_eq!(mock.verifier(&alice).iterations(), 4096);
        assert_eq!(format!("{mock:?}"), "MockScram { iterations: 4096, .. }");
    }

    #[test]
    fn hmac_is_that_of_rfc_4231() {
        // Test case 1 of RFC 4231 has a key of 20 bytes; padding with zeros to 32 does not change an HMAC.
        let mut key = [0; 32];
        key[..20].fill(0x0b);
        let mac = hmac(&key, &[b"Hi ", b"There"]);
        assert_eq!(mac[..4], [0xb0, 0x34, 0x4c, 0x61]);
        assert_eq!(mac[28..], [0x2e, 0x32, 0xcf, 0xf7]);
    }
}
