//! Numbers, by their grammar. Nothing is computed: `1E400` and `0.10` are what they are.

/// Whether all of `text` is one number of JSON.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && length(text.as_bytes()) == Some(text.len())
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
