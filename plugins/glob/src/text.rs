//! A star is any text.

/// Case counts.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Letters fit in either case.
pub fn matches_in_any_case(pattern: &str, text: &str) -> bool {
    // Nearly all that is compared differs in its first letter.
    if let (Some(expected), Some(found)) = (pattern.as_bytes().first(), text.as_bytes().first())
        && *expected != b'*'
        && expected.is_ascii()
        && found.is_ascii()
        && !expected.eq_ignore_ascii_case(found)
    {
        return false;
    }
    if pattern.is_ascii() && !pattern.contains('*') {
        return pattern.eq_ignore_ascii_case(text);
    }
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when the last `*` must take one character more.
    let mut back: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let mut ahead = pattern.clone();
        match (ahead.next(), text.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                back = Some((ahead.clone(), text.clone()));
                pattern = ahead;
                continue;
            }
            (Some(expected), Some(found)) if same(expected, found) => {
                pattern = ahead;
                text.next();
                continue;
            }
            _ => {}
        }
        let Some((after, rest)) = &mut back else { return false };
        if rest.next().is_none() {
            return false;
        }
        pattern = after.clone();
        text = rest.clone();
    }
}

fn same(a: char, b: char) -> bool {
    a == b || a.eq_ignore_ascii_case(&b) || (!a.is_ascii() && a.to_lowercase().eq(b.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name, expected) in [
            ("read_*", "read_file", true),
            ("read_*", "Read_file", false),
            ("read", "read_file", false),
            ("*", "", true),
            ("*_file", "read_file", true),
            ("*_file", "read_files", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a**c", "abc", true),
            ("aba*aba", "aba", false),
            ("app.f", "f", false),
            ("app.*", "application.f", false),
            ("a*b*b", "abb", true),
            ("a*b*b", "ab", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn letters_fit_in_either_case() {
        for (pattern, text) in
            [("a*c", "abbc"), ("*", ""), ("*ssn*", "my_SSN_no"), ("Straße", "STRAßE"), ("a*b*c", "aXbbYc")]
        {
            assert!(matches_in_any_case(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("a", "ab"), ("a*c", "abcd"), ("", "x"), ("*b", "a")] {
            assert!(!matches_in_any_case(pattern, text), "{pattern} {text}");
        }
    }
}
