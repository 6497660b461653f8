//! Keys and tokens with a prefix their issuer chose so that they can be found.

use crate::bytes::{at, run};

#[derive(Clone, Copy)]
enum Alphabet {
    /// letters and digits
    Alnum,
    /// and `_`
    Word,
    /// and `-` and `_`
    Url,
    /// and `.` too
    Dotted,
    Hex,
    /// `A-Z2-7`
    Base32,
    /// `A-Z0-9`
    Upper,
}

impl Alphabet {
    fn has(self, b: u8) -> bool {
        match self {
            Alphabet::Alnum => b.is_ascii_alphanumeric(),
            Alphabet::Word => b.is_ascii_alphanumeric() || b == b'_',
            Alphabet::Url => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'),
            Alphabet::Dotted => b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'),
            Alphabet::Hex => b.is_ascii_hexdigit(),
            Alphabet::Base32 => b.is_ascii_uppercase() || matches!(b, b'2'..=b'7'),
            Alphabet::Upper => b.is_ascii_uppercase() || b.is_ascii_digit(),
        }
    }
}

/// Prefix, what follows, at least and at most how much of it, how many different bytes at least.
struct Form(&'static [u8], Alphabet, usize, usize, usize);

const MANY: usize = 4096;

/// Grouped by the first byte, see `starting`.
const FORMS: &[Form] = &[
    Form(b"AKIA", Alphabet::Base32, 16, 16, 6),
    Form(b"ASIA", Alphabet::Base32, 16, 16, 6),
    Form(b"ABIA", Alphabet::Base32, 16, 16, 6),
    Form(b"ACCA", Alphabet::Base32, 16, 16, 6),
    Form(b"AIza", Alphabet::Url, 35, 35, 12),
    Form(b"AGE-SECRET-KEY-1", Alphabet::Upper, 58, 58, 12),
    Form(b"SG.", Alphabet::Dotted, 66, 66, 16),
    Form(b"SK", Alphabet::Hex, 32, 32, 8),
    Form(b"GOCSPX-", Alphabet::Url, 28, 28, 10),
    Form(b"PMAK-", Alphabet::Url, 50, 64, 10),
    Form(b"dckr_pat_", Alphabet::Url, 20, 64, 8),
    Form(b"doo_v1_", Alphabet::Hex, 64, 64, 8),
    Form(b"dop_v1_", Alphabet::Hex, 64, 64, 8),
    Form(b"dor_v1_", Alphabet::Hex, 64, 64, 8),
    Form(b"github_pat_", Alphabet::Word, 60, 100, 16),
    Form(b"glpat-", Alphabet::Dotted, 20, 64, 8),
    Form(b"gldt-", Alphabet::Url, 20, 64, 8),
    Form(b"glrt-", Alphabet::Url, 20, 64, 8),
    Form(b"glsa_", Alphabet::Word, 40, 48, 10),
    Form(b"hf_", Alphabet::Alnum, 34, 40, 12),
    Form(b"lin_api_", Alphabet::Alnum, 40, 40, 12),
    Form(b"npm_", Alphabet::Alnum, 36, 36, 12),
    Form(b"pypi-AgE", Alphabet::Url, 50, MANY, 12),
    Form(b"rk_live_", Alphabet::Alnum, 10, 247, 6),
    Form(b"rk_test_", Alphabet::Alnum, 10, 247, 6),
    Form(b"sk_live_", Alphabet::Alnum, 10, 247, 6),
    Form(b"sk_test_", Alphabet::Alnum, 10, 247, 6),
    Form(b"sk_prod_", Alphabet::Alnum, 10, 247, 6),
    Form(b"sk-ant-", Alphabet::Url, 24, 200, 12),
    Form(b"sk-proj-", Alphabet::Url, 24, 300, 12),
    Form(b"sk-svcacct-", Alphabet::Url, 24, 300, 12),
    Form(b"sk-or-v1-", Alphabet::Hex, 64, 64, 8),
    Form(b"sbp_", Alphabet::Hex, 40, 40, 8),
    Form(b"shpat_", Alphabet::Hex, 32, 32, 8),
    Form(b"shpca_", Alphabet::Hex, 32, 32, 8),
    Form(b"shpss_", Alphabet::Hex, 32, 32, 8),
    Form(b"sq0csp-", Alphabet::Url, 43, 43, 10),
    Form(b"sq0atp-", Alphabet::Url, 22, 22, 8),
    Form(b"whsec_", Alphabet::Alnum, 24, 64, 8),
    Form(b"xapp-", Alphabet::Url, 40, 200, 8),
    Form(b"xkeysib-", Alphabet::Url, 64, 100, 8),
    Form(b"ya29.", Alphabet::Url, 20, MANY, 10),
];

/// The end of the key that starts at `start`, the beginning of a word.
pub(super) fn starting(bytes: &[u8], start: usize) -> Option<usize> {
    let first = at(bytes, start);
    if !matches!(
        first,
        b'A' | b'S'
            | b'G'
            | b'P'
            | b'd'
            | b'g'
            | b'h'
            | b'l'
            | b'n'
            | b'p'
            | b'r'
            | b's'
            | b'w'
            | b'x'
            | b'y'
    ) {
        return telegram(bytes, start);
    }
    let rest = bytes.get(start..)?;
    let listed = FORMS.iter().filter(|form| form.0.first() == Some(&first) && rest.starts_with(form.0));
    for Form(prefix, alphabet, min, max, variety) in listed {
        let body = start + prefix.len();
        let stop = run(bytes, body, |b| alphabet.has(b));
        let length = stop - body;
        let free = !at(bytes, stop).is_ascii_alphanumeric();
        if free && (*min..=*max).contains(&length) && different(bytes.get(body..stop)?) >= *variety {
            return Some(stop);
        }
    }
    github(bytes, start).or_else(|| slack(bytes, start)).or_else(|| openai(bytes, start))
}

/// `ghp_` and its sisters: 30 random characters and the CRC-32 of them in base 62. A token with a wrong sum is
/// still hidden when it looks random; placeholders do not.
fn github(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if !matches!(rest, [b'g', b'h', b'p' | b'o' | b'u' | b's' | b'r', b'_', ..]) {
        return None;
    }
    let stop = run(bytes, start + 4, |b| Alphabet::Word.has(b));
    let body = bytes.get(start + 4..stop)?;
    let sound = body.len() == 36
        && body.split_at_checked(30).is_some_and(|(random, sum)| sum == base62(crc32(random)));
    (sound || (body.len() >= 36 && is_random(body))).then_some(stop)
}

fn slack(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if !matches!(
        rest,
        [b'x', b'o', b'x', b'a' | b'b' | b'c' | b'd' | b'e' | b'o' | b'p' | b'r' | b's', b'-', ..]
    ) {
        return None;
    }
    let stop = run(bytes, start + 5, |b| Alphabet::Url.has(b));
    let body = bytes.get(start + 5..stop)?;
    (body.len() >= 10 && different(body) >= 6 && body.iter().any(u8::is_ascii_digit)).then_some(stop)
}

/// The older form: `sk-` and 48 letters and digits, or anything with the mark they all carry.
fn openai(bytes: &[u8], start: usize) -> Option<usize> {
    if !bytes.get(start..)?.starts_with(b"sk-") {
        return None;
    }
    let stop = run(bytes, start + 3, |b| Alphabet::Url.has(b));
    let body = bytes.get(start + 3..stop)?;
    let marked = body.windows(8).any(|window| window == b"T3BlbkFJ");
    let old = (32..=64).contains(&body.len())
        && body.iter().all(u8::is_ascii_alphanumeric)
        && different(body) >= 12;
    ((marked && body.len() >= 20) || old).then_some(stop)
}

/// `123456789:AA…`, the token of a Telegram bot.
fn telegram(bytes: &[u8], start: usize) -> Option<usize> {
    let colon = run(bytes, start, |b| b.is_ascii_digit());
    if !(8..=10).contains(&(colon - start)) || !bytes.get(colon..)?.starts_with(b":AA") {
        return None;
    }
    let stop = run(bytes, colon + 1, |b| Alphabet::Url.has(b));
    (stop - colon == 36).then_some(stop)
}

/// Letters of both cases and digits, hardly one twice.
fn is_random(body: &[u8]) -> bool {
    body.iter().any(u8::is_ascii_uppercase)
        && body.iter().any(u8::is_ascii_lowercase)
        && body.iter().any(u8::is_ascii_digit)
        && different(body) >= 16
}

/// How many different bytes.
fn different(body: &[u8]) -> usize {
    let mut seen = [0u64; 4];
    for b in body {
        if let Some(word) = seen.get_mut(usize::from(b >> 6)) {
            *word |= 1 << (b & 63);
        }
    }
    seen.iter().map(|word| word.count_ones() as usize).sum()
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |crc, b| {
        (0..8).fold(crc ^ u32::from(*b), |crc, _| (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1)))
    })
}

/// Six digits of base 62: `0-9A-Za-z`.
fn base62(mut value: u32) -> [u8; 6] {
    let mut text = [b'0'; 6];
    for place in text.iter_mut().rev() {
        let digit = (value % 62) as u8;
        value /= 62;
        *place = match digit {
            0..=9 => b'0' + digit,
            10..=35 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(&base62(0), b"000000");
        assert_eq!(&base62(62), b"000010");
    }

    #[test]
    fn a_github_token_may_look_dull_when_its_sum_is_right() {
        let random = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        let token = [b"ghp_".as_slice(), random, &base62(crc32(random))].concat();
        assert_eq!(starting(&token, 0), Some(40));
        assert_eq!(starting(b"ghp_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0), None);
    }
}
