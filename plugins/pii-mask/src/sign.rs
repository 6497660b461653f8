//! What a value must show before anything can be found in it, for the host: of a column without a sign nothing is sent.
//!
//! Each detector has its line here. A sign too many costs a call, a sign too few shows a value in clear; the property
//! `a_column_without_a_sign_is_left_as_it_is` holds this file against the detectors.

use crate::kind::{Kind, Kinds};
use crate::profile::MIN_DIGITS;
use crate::settings::Rules;
use crate::shape::Treatment;
use weir_sdk::masker::Signs;

/// The first bytes of characters that are read as other ones, see `profile`; and what begins an escape in JSON and in
/// an array.
const OTHERS: [u8; 10] = [0xc2, 0xd9, 0xdb, 0xe0, 0xe1, 0xe2, 0xe3, 0xef, 0xf0, b'\\'];

/// What every secret holds one of. First what names have in them that say so (`hint`), then how those begin that
/// recognise themselves (`detect::secret`), shortened to what several share. A bot's token has digits enough.
#[rustfmt::skip]
const SECRETS: &[&str] = &[
    "pass", "pw", "secret", "token", "credential",
    // keys
    "akia", "asia", "abia", "acca", "aiza", "sg.", "sk", "gocspx-", "pmak-", "_pat_", "_v1_", "glpat-", "gldt-", "glrt-",
    "glsa_", "hf_", "lin_api_", "npm_", "pypi-", "rk_live_", "rk_test_", "sbp_", "shpat_", "shpca_", "shpss_", "sq0",
    "whsec_", "xapp-", "ya29.", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "xox",
    // JSON web tokens and whatever is called a key, frames, URLs
    "ey", "://",
    // hashes
    "md5", "$2a$", "$2b$", "$2x$", "$2y$", "argon2", "$1$", "$5$", "$6$", "$y$", "$7$", "pbkdf2", "scrypt", "scram-",
    "bcrypt_", "{ssha",
];

/// Where a quote in dollars may begin: not `$1`.
#[rustfmt::skip]
const DOLLARS: [&str; 28] = [
    "$$", "$_", "$a", "$b", "$c", "$d", "$e", "$f", "$g", "$h", "$i", "$j", "$k", "$l", "$m", "$n", "$o", "$p", "$q", "$r",
    "$s", "$t", "$u", "$v", "$w", "$x", "$y", "$z",
];

/// What every address of the fourth version holds one of, and names with a dot do not.
const DOTTED: [&str; 10] = [".0", ".1", ".2", ".3", ".4", ".5", ".6", ".7", ".8", ".9"];

/// Numbers that check themselves.
const NUMBERS: Kinds = Kinds::only(Kind::Phone)
    .or(Kinds::only(Kind::Card))
    .or(Kinds::only(Kind::Iban))
    .or(Kinds::only(Kind::Ssn))
    .or(Kinds::only(Kind::Secret));

/// The signs of a shape. None: every value has to be looked at. `literals`: of its statement all are hidden.
pub fn of(rules: &Rules, treatments: &[Treatment], over_http: bool, literals: bool) -> Option<Signs> {
    let on = rules.on;
    let needing = (0..).zip(treatments).filter(|(_, treatment)| treatment.needs_sign(on, literals));
    let columns: Vec<u16> = needing.map(|(index, _)| index).collect();
    if columns.is_empty() {
        return None;
    }
    let mut bytes = OTHERS.to_vec();
    let mut words: Vec<&str> = Vec::new();
    if on.has(Kind::Email) {
        bytes.push(b'@');
    }
    if on.has(Kind::Ip) {
        bytes.push(b':');
        words.extend(DOTTED);
    }
    if on.has(Kind::Secret) {
        words.extend(SECRETS);
    }
    if treatments.contains(&Treatment::Statement) {
        match over_http {
            // What stands under a name that is protected, or may be.
            true => bytes.extend(if rules.columns.is_empty() { &b"%+"[..] } else { b"%+=" }),
            // A statement with a literal may hold a secret by its place.
            false => {
                bytes.push(b'\'');
                bytes.extend(0x80..=0xff);
                words.extend(DOLLARS);
            }
        }
    }
    bytes.sort_unstable();
    bytes.dedup();
    let digits = if on.and(NUMBERS).is_empty() { 0 } else { MIN_DIGITS as u16 };
    // No text about an operation is judged by others.
    let words = words.into_iter().map(str::to_owned).collect();
    Some(Signs { columns, digits, bytes, words, settled: true })
}
