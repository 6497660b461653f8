//! Percent-encoding (RFC 3986), read strictly and written in one way.

/// Why a text is not what it should be, in words.
pub(crate) type Wrong = &'static str;

/// Decodes `text`; with `plus` a `+` is a space, as in queries and forms.
///
/// # Errors
/// When an escape is damaged, or what comes out is no UTF-8 or holds a NUL.
pub(crate) fn decode(text: &str, plus: bool) -> Result<String, Wrong> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+' | 0)) {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = (rest.next().and_then(digit), rest.next().and_then(digit));
                let (Some(high), Some(low)) = digits else {
                    return Err("a % is not followed by two hexadecimal digits");
                };
                (high << 4) | low
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    if bytes.contains(&0) {
        return Err("it holds a NUL");
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8")
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// How often an address within an address is read.
const DEEPEST: usize = 4;

/// A text with its escapes read, also those of addresses in it, as people and browsers do it: what is damaged or no
/// UTF-8 stays. None when there are none.
pub(crate) fn undone(text: &str) -> Option<String> {
    if !text.as_bytes().contains(&b'%') {
        return None;
    }
    let mut read = text.to_owned();
    for _ in 0..DEEPEST {
        let mut bytes = Vec::with_capacity(read.len());
        let mut rest = read.as_bytes();
        while let Some((first, behind)) = rest.split_first() {
            let escaped = match (first, behind) {
                (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)).map(|(high, low)| (high << 4) | low),
                _ => None,
            };
            bytes.push(escaped.unwrap_or(*first));
            rest = rest.get(if escaped.is_some() { 3 } else { 1 }..).unwrap_or_default();
        }
        let next = String::from_utf8_lossy(&bytes).into_owned();
        if next == read {
            break;
        }
        read = next;
    }
    (read != text).then_some(read)
}

/// Appends `text` as it may stand in an address or a form that is there already: its delimiters stay.
pub(crate) fn encode_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte.is_ascii_graphic() && !b"\"%<>\\^`{|}".contains(&byte) {
            true => out.push(byte),
            false => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}

/// Appends `text` as it may stand in a segment of a path.
pub(crate) fn encode_segment(text: &str, out: &mut String) {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte);
    if text.bytes().all(may_stand) {
        out.push_str(text);
        return;
    }
    for byte in text.bytes() {
        match may_stand(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

/// `name=value&…`, decoded; what is empty between two `&` counts for nothing. Behind `most` pairs nothing is read.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn pairs(text: &str, most: usize) -> Result<Vec<(String, String)>, Wrong> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it holds a space, a control character or a character that is not ASCII");
    }
    text.split('&').filter(|part| !part.is_empty()).take(most).map(pair).collect()
}

/// What those who end a pair at `;`, too, read in place of the [`pairs`] that hold one.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn cut_pairs(text: &str, most: usize) -> Result<Vec<(String, String)>, Wrong> {
    let parts = text.split('&').filter(|part| part.contains(';')).flat_map(|part| part.split(';'));
    parts.filter(|part| !part.is_empty()).take(most).map(pair).collect()
}

fn pair(part: &str) -> Result<(String, String), Wrong> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    Ok((decode(name, true)?, decode(value, true)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_escapes_are_refused() {
        assert_eq!(decode("a%20b+c", false).unwrap(), "a b+c");
        assert_eq!(decode("a%20b+%2b", true).unwrap(), "a b +");
        for wrong in ["%", "%2", "%zz", "%+1", "%00", "%ff", "a%c3"] {
            assert!(decode(wrong, false).is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses_in_addresses_are_read() {
        assert_eq!(undone("/a?b=c%40d").as_deref(), Some("/a?b=c@d"));
        assert_eq!(undone("/a?next=%2Fb%3Fc%3Dd%2540e").as_deref(), Some("/a?next=/b?c=d@e"));
        assert_eq!(undone("100% and %zz"), None);
        let mut out = Vec::new();
        encode_text("/a?b=[X] é%", &mut out);
        assert_eq!(out, b"/a?b=[X]%20%C3%A9%25");
    }

    #[test]
    fn pairs_keep_order_and_repetition() {
        let read = pairs("a=1&b&a=%26=&&=x&z=9", 4).unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("a", "1"), ("b", ""), ("a", "&="), ("", "x")]);
        assert!(pairs("a=b c", 9).is_err());
        let read = cut_pairs("x=1&a=1;b=%3B;;c&y", 9).unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("a", "1"), ("b", ";"), ("c", "")]);
        assert!(pairs("é=1", 9).is_err());
    }
}
