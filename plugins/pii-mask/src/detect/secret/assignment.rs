//! `Password=…;`, `password: …`, `?token=…`: a value with a name in front that says it is secret.
//!
//! Traps: `${VAR}`, `<your password>`, `REDACTED`; `password: please reset it` (prose after a colon must look
//! like a secret); `password_changed_at=…` (the name says something else).

use crate::bytes::{Runs, at, before, run};
use crate::hint::Hint;
use crate::kind::Kind;

/// Values with a name in front, of one text.
#[derive(Debug, Default)]
pub struct Assigned {
    values: Runs,
    digits: Runs,
}

impl Assigned {
    /// The value after the `=` or `:` at `sign`, if the name in front says it is secret. Signs ascend.
    pub fn value(&mut self, bytes: &[u8], sign: usize) -> Option<(usize, usize)> {
        let strict = at(bytes, sign) == b':';
        if matches!(before(bytes, sign), b'=' | b'!' | b'<' | b'>')
            || matches!(at(bytes, sign + 1), b'=' | b'/' | b':')
        {
            return None;
        }
        let name = name_before(bytes, sign)?;
        // `10:30`
        if name.len() < 2 || name.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if !Hint::of_name(name).kinds.has(Kind::Secret) {
            return None;
        }
        // `:=`, `=>`
        let start = run(bytes, sign + 1, |b| matches!(b, b' ' | b'\t' | b'>'));
        let quote = at(bytes, start);
        let (start, stop) = match quote {
            b'"' | b'\'' => (start + 1, run(bytes, start + 1, |b| b != quote)),
            // A password may hold anything but what ends a pair.
            _ => (start, self.values.run(bytes, start, is_value)),
        };
        let secret = bytes.get(start..stop)?;
        let fits = match strict {
            true => {
                let digit = self.digits.run(bytes, start, |b| !b.is_ascii_digit()) < stop;
                secret.len() >= 6 && digit && secret.iter().any(|b| !b.is_ascii_digit())
            }
            false => secret.len() >= 3,
        };
        (fits && !is_placeholder(secret) && !is_call(secret)).then_some((start, stop))
    }
}

fn is_value(byte: u8) -> bool {
    !byte.is_ascii_whitespace() && !matches!(byte, b';' | b'&' | b'"' | b'\'' | b',')
}

/// Letters, digits, `_` and `-`, in quotes or not; of `User Password` the last word.
fn name_before(bytes: &[u8], sign: usize) -> Option<&str> {
    let mut stop = sign;
    while matches!(before(bytes, stop), b' ' | b'"' | b'\'' | b'\t') {
        stop -= 1;
    }
    let mut start = stop;
    while start > 0
        && stop - start < 48
        && (before(bytes, start).is_ascii_alphanumeric() || matches!(before(bytes, start), b'_' | b'-'))
    {
        start -= 1;
    }
    std::str::from_utf8(bytes.get(start..stop)?).ok().filter(|name| !name.is_empty())
}

/// `getenv("X")`, not a value.
fn is_call(secret: &[u8]) -> bool {
    let open = memchr::memchr(b'(', secret).unwrap_or(0);
    open > 0 && secret.iter().take(open).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
}

/// Something that stands for a secret, or one that is hidden already.
pub fn is_placeholder(value: &[u8]) -> bool {
    let framed = matches!(
        value,
        [b'$', b'{', ..]
            | [b'{', b'{', ..]
            | [b'<', .., b'>']
            | [b'[', .., b']']
            | [b'%', .., b'%']
            | [b'$', b'(', ..]
    );
    let parameter = matches!(value, [b'$', rest @ ..] if !rest.is_empty() && rest.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'));
    let first = value.first().copied().unwrap_or(b'*');
    let blank = matches!(first, b'*' | b'x' | b'X' | b'.' | b'-' | b'?') && value.iter().all(|b| *b == first);
    let word =
        ["redacted", "null", "none", "true", "false", "undefined", "nil", "masked", "hidden", "n/a", "empty"];
    framed || parameter || blank || word.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}
