//! Whether a text is a password verifier of good form. Making and using verifiers is the business of the identity
//! room; here we only make sure that it will understand what is written.

use crate::document::{At, Report};
use crate::problem::code;

/// Fewer rounds than PostgreSQL's default are too cheap to guess against; more than ten million make every login
/// take seconds.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=10_000_000;

/// Argon2's memory in KiB, passes and lanes: from its own least to what one login may reasonably take.
const ARGON2_BOUNDS: [(&str, std::ops::RangeInclusive<u32>); 3] =
    [("m", 8..=1 << 20), ("t", 1..=100), ("p", 1..=64)];

pub(super) fn is_verifier(text: &At<String>, report: &Report) -> bool {
    let help = "`weir user passwd NAME` writes a good one";
    if let Some(rest) = text.value.strip_prefix("SCRAM-SHA-256$") {
        let fits = is_scram(rest);
        if !fits {
            report
                .error(code::PASSWORD_SCRAM, text.span, "`password` is not a SCRAM verifier of good form")
                .note("SCRAM-SHA-256$ITERATIONS:SALT$STORED-KEY:SERVER-KEY, at least 4096 iterations, the rest base64")
                .help(help);
        }
        return fits;
    }
    if let Some(rest) = text.value.strip_prefix("$argon2id$") {
        let fits = is_argon2(rest);
        if !fits {
            report
                .error(code::PASSWORD_ARGON2, text.span, "`password` is not an Argon2id hash of good form")
                .note("$argon2id$v=19$m=KIBIBYTES,t=PASSES,p=LANES$SALT$HASH, at most m=1048576, t=100, p=64")
                .help(help);
        }
        return fits;
    }
    report
        .error(
            code::PASSWORD_PLAIN,
            text.span,
            "`password` is not a verifier; passwords themselves are not kept",
        )
        .help(help);
    false
}

/// `iterations:salt$stored:server`
fn is_scram(rest: &str) -> bool {
    let parts = || {
        let (iterations, rest) = rest.split_once(':')?;
        let (salt, rest) = rest.split_once('$')?;
        let (stored, server) = rest.split_once(':')?;
        Some((iterations, salt, stored, server))
    };
    parts().is_some_and(|(iterations, salt, stored, server)| {
        let key = |text: &str| base64_bytes(text) == Some(32);
        in_range(iterations, &ITERATIONS)
            && base64_bytes(salt).is_some_and(|bytes| bytes >= 8)
            && key(stored)
            && key(server)
    })
}

/// `v=19$m=…,t=…,p=…$salt$hash`
fn is_argon2(rest: &str) -> bool {
    let parts: Vec<&str> = rest.split('$').collect();
    let [version, parameters, salt, hash] = parts.as_slice() else { return false };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let all_in_bounds = parameters.len() == ARGON2_BOUNDS.len()
        && parameters.iter().zip(&ARGON2_BOUNDS).all(|(parameter, (name, range))| {
            parameter.split_once('=').is_some_and(|(key, value)| key == *name && in_range(value, range))
        });
    // PHC strings are in base64 without padding.
    let is_base64 = |text: &str, least: usize| text.len() >= least && text.bytes().all(is_base64_byte);
    *version == "v=19" && all_in_bounds && is_base64(salt, 11) && is_base64(hash, 16)
}

fn in_range(digits: &str, range: &std::ops::RangeInclusive<u32>) -> bool {
    !digits.starts_with('+') && digits.parse().is_ok_and(|number| range.contains(&number))
}

/// How many bytes a padded base64 text stands for.
fn base64_bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let fits = text.len().is_multiple_of(4) && padding <= 2 && digits.bytes().all(is_base64_byte);
    fits.then_some(text.len() / 4 * 3 - padding)
}

fn is_base64_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}
