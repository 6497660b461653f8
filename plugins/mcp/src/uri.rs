//! URIs of resources, which rules compare as they are written.
//!
//! RFC 3986, section 6.2: whoever normalises reads `file:///public/../secret/a`, `file:/secret/a` and
//! `file:///%73ecret/a` as `file:///secret/a`. A server may, so what has a plainer spelling is refused.

/// # Errors
/// Why it can be read as another one.
pub fn check(uri: &str) -> Result<(), &'static str> {
    if uri.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\') {
        return Err("there are spaces, control characters or backslashes in it");
    }
    for (at, _) in uri.match_indices('%') {
        let digits = uri.get(at + 1..at + 3).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) else {
            return Err("a `%` begins no escape");
        };
        if byte.is_ascii_alphanumeric() || b"-._~/\\".contains(&byte) {
            return Err("letters, digits, slashes or one of `-._~` are escaped");
        }
    }
    // Without a scheme it is a name.
    let Some((scheme, rest)) = uri.split_once(':') else { return Ok(()) };
    if scheme.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("its scheme is not in lower case");
    }
    let is_file = scheme == "file";
    if is_file && !rest.starts_with("///") {
        return Err("it does not begin with `file:///`");
    }
    let hierarchy = rest.split(['?', '#']).next().unwrap_or_default();
    let path = match hierarchy.strip_prefix("//") {
        Some(behind) => behind.split_once('/').map_or("", |(_, path)| path),
        None => hierarchy,
    };
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        if matches!(segment, "." | "..") {
            return Err("there are `.` or `..` in its path");
        }
        // Elsewhere another URI may stand in the path.
        if is_file && segment.is_empty() && segments.peek().is_some() {
            return Err("there are empty segments in its path");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ones_pass() {
        for uri in [
            "file:///secret/a",
            "file:///C:/Users/a%20b.txt",
            "file:///a/",
            "demo://resource/dynamic/text/1",
            "memo://insights",
            "urn:isbn:1",
            "u",
            "https://web.example/2020/https://a.example/b?c=../d",
            "test://static/caf%C3%A9...",
        ] {
            assert_eq!(check(uri), Ok(()), "{uri}");
        }
    }

    #[test]
    fn what_is_another_one_when_normalised_is_refused() {
        for uri in [
            "file:///public/../secret/a",
            "file:///./secret/a",
            "file:/secret/a",
            "file://localhost/secret/a",
            "file:////secret/a",
            "file:///secret//a",
            " file:///secret/a",
            "FILE:///secret/a",
            "file:///%73ecret/a",
            "file:///public%2f..%2Fsecret/a",
            "file:///public/%2E%2e/secret/a",
            "file:///public\\..\\secret/a",
            "file:///a%zz",
            "demo://a/b/..",
            "mailto:../x",
        ] {
            assert!(check(uri).is_err(), "{uri}");
        }
    }
}
