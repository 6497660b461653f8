//! `numeric`: digits to the base 10,000, with a weight and a number of decimals to show.

use crate::wire::Reader;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const MINUS_INFINITY: u16 = 0xF000;

/// More decimals than the server can store mean that the bytes are not a numeric.
const MAX_SCALE: u16 = 0x3FFF;
/// Weights come from 16 bits; texts longer than the server's own limit are not written.
const MAX_ENCODED_DIGITS: usize = 32_000;

pub fn to_text(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut reader = Reader::new(bytes);
    let count = usize::from(reader.u16()?);
    let weight = i32::from(reader.i16()?);
    let sign = reader.u16()?;
    let scale = reader.u16()?;
    let (digits, rest) = reader.take(count * 2)?.as_chunks::<2>();
    if !reader.at_end() || !rest.is_empty() || scale > MAX_SCALE {
        return None;
    }
    let special: &[u8] = match sign {
        0 => b"",
        NEGATIVE => b"-",
        NAN => b"NaN",
        INFINITY => b"Infinity",
        MINUS_INFINITY => b"-Infinity",
        _ => return None,
    };
    out.extend_from_slice(special);
    if special.len() > 1 {
        return Some(());
    }
    let digit = |position: i32| -> u16 {
        usize::try_from(position)
            .ok()
            .and_then(|at| digits.get(at))
            .map_or(0, |word| u16::from_be_bytes(*word))
    };
    if digits.iter().any(|word| u16::from_be_bytes(*word) > 9999) {
        return None;
    }
    if weight < 0 {
        out.push(b'0');
    }
    for position in 0..=weight {
        let value = digit(position);
        let text = if position == 0 { format!("{value}") } else { format!("{value:04}") };
        out.extend_from_slice(text.as_bytes());
    }
    if scale > 0 {
        out.push(b'.');
        let mut left = usize::from(scale);
        let mut position = weight + 1;
        while left > 0 {
            let text = format!("{:04}", if position < 0 { 0 } else { digit(position) });
            let shown = left.min(4);
            out.extend_from_slice(text.as_bytes().get(..shown)?);
            left -= shown;
            position += 1;
        }
    }
    Some(())
}

/// `None` when the text is not a number in the server's own notation (an exponent is not).
pub fn from_text(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let special = match text {
        "NaN" => Some(NAN),
        "Infinity" => Some(INFINITY),
        "-Infinity" => Some(MINUS_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        put(out, 0, 0, sign, 0);
        return Some(());
    }
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (NEGATIVE, rest),
        None => (0, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, decimals) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    if whole.len() > MAX_ENCODED_DIGITS || decimals.len() > usize::from(MAX_SCALE) {
        return None;
    }
    let padded = format!("{}{whole}{decimals}{}", pad(whole.len()), pad(decimals.len()));
    let (groups, _) = padded.as_bytes().as_chunks::<4>();
    let digits: Vec<u16> = groups
        .iter()
        .map(|group| group.iter().fold(0, |value, byte| value * 10 + u16::from(byte - b'0')))
        .collect();
    let whole_groups = i32::try_from(whole.len().div_ceil(4)).ok()?;
    let leading = digits.iter().take_while(|digit| **digit == 0).count();
    let trailing = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let scale = u16::try_from(decimals.len()).ok()?;
    let Some(kept) =
        digits.get(leading..digits.len().saturating_sub(trailing)).filter(|kept| !kept.is_empty())
    else {
        put(out, 0, 0, 0, scale);
        return Some(());
    };
    let weight = i16::try_from(whole_groups - 1 - i32::try_from(leading).ok()?).ok()?;
    put(out, u16::try_from(kept.len()).ok()?, weight, sign, scale);
    for digit in kept {
        out.extend_from_slice(&digit.to_be_bytes());
    }
    Some(())
}

fn pad(length: usize) -> &'static str {
    match length % 4 {
        1 => "000",
        2 => "00",
        3 => "0",
        _ => "",
    }
}

fn put(out: &mut Vec<u8>, count: u16, weight: i16, sign: u16, scale: u16) {
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(text: &str) -> String {
        let mut bytes = Vec::new();
        from_text(text, &mut bytes).unwrap();
        let mut out = Vec::new();
        to_text(&bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn texts_survive() {
        for text in [
            "0",
            "1",
            "-1",
            "9999",
            "10000",
            "100000000",
            "0.1",
            "0.0001",
            "0.00001",
            "-123456.789",
            "1.50",
            "0.00",
            "12345678901234567890.12345678901234567890",
            "NaN",
            "Infinity",
            "-Infinity",
        ] {
            assert_eq!(round(text), text);
        }
        assert_eq!(round("007.5"), "7.5");
    }

    #[test]
    fn bytes_as_the_server_sends_them() {
        // select numeric_send(-12345.678)
        let bytes = b"\0\x03\0\x01\x40\0\0\x03\0\x01\x09\x29\x1a\x7c";
        let mut out = Vec::new();
        to_text(bytes, &mut out).unwrap();
        assert_eq!(out, b"-12345.678");
        let mut again = Vec::new();
        from_text("-12345.678", &mut again).unwrap();
        assert_eq!(again, bytes);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", ".", "1e5", "x", "1.2.3", "1 "] {
            assert_eq!(from_text(text, &mut Vec::new()), None, "{text}");
        }
        assert_eq!(to_text(b"\0\x01\0\0\0\0\0\0", &mut Vec::new()), None);
        assert_eq!(to_text(b"\0\x01\0\0\0\0\0\0\xff\xff", &mut Vec::new()), None);
    }
}
