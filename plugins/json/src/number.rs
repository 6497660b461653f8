//! Numbers, by their grammar. Nothing is computed, digits only move: `1E400` and `0.10` are what they are.

/// Whether all of `text` is one number of JSON.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && length(text.as_bytes()) == Some(text.len())
}

/// Digits of a number written out at most: more than whatever has a form to be recognised by.
const PLAIN_DIGITS: usize = 64;

/// A number with an exponent as people would write it: `4.15e3` is `4150`. None for one without, and for one that would be
/// longer than 64 digits or smaller than 1. What `text` is must be a [number](is_number).
pub fn without_exponent(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent.parse().ok()?)?;
    let point = usize::try_from(point).ok().filter(|point| (1..=PLAIN_DIGITS).contains(point))?;
    if digits.len() > PLAIN_DIGITS {
        return None;
    }
    let (whole, fraction) = digits.split_at_checked(point).unwrap_or((&digits, ""));
    let zeros = "0".repeat(point.saturating_sub(whole.len()));
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{whole}{zeros}{dot}{fraction}"))
}

/// How long the number at the beginning is; none when there is none, or it is not written as JSON has it.
pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(bytes, at);
    if whole == 0 || (whole > 1 && bytes.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if bytes.get(at) == Some(&b'.') {
        let fraction = digits(bytes, at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(bytes, at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

fn digits(bytes: &[u8], from: usize) -> usize {
    bytes.get(from..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_written_out() {
        for (text, plain) in [
            ("4.111111111111111e15", Some("4111111111111111")),
            ("4111111111111111E0", Some("4111111111111111")),
            ("4111111111111111000e-3", Some("4111111111111111")),
            ("-4.155550123e+9", Some("-4155550123")),
            ("1.5e3", Some("1500")),
            ("1234e-2", Some("12.34")),
            ("1e63", Some("1000000000000000000000000000000000000000000000000000000000000000")),
            ("1e64", None),
            ("1e-1", None),
            ("1e99999999999999999999", None),
            ("1e-99999999999999999999", None),
            ("12", None),
            ("1.5", None),
        ] {
            assert_eq!(without_exponent(text).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn numbers_are_what_the_grammar_says() {
        for text in ["0", "-0", "7", "10", "1.5", "-1.50e+10", "1E400", "0e0"] {
            assert!(is_number(text), "{text}");
        }
        for text in [
            "", "-", "01", "1.", ".5", "+1", "1e", "1e+", "0x10", "1_0", "NaN", "Infinity", "1 ", " 1", "--1",
        ] {
            assert!(!is_number(text), "{text}");
        }
    }
}
