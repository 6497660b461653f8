//! Is this text JSON? And text as a JSON string.

/// Deeper documents are not kept by an edit; the server itself stops somewhere too.
const MAX_DEPTH: usize = 128;

pub fn is_valid(text: &str) -> bool {
    let mut rest = text.as_bytes();
    value(&mut rest, 0).is_some() && {
        skip_space(&mut rest);
        rest.is_empty()
    }
}

pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            control if control < ' ' => quoted.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

fn skip_space(rest: &mut &[u8]) {
    while let Some((b' ' | b'\t' | b'\n' | b'\r', tail)) = rest.split_first() {
        *rest = tail;
    }
}

fn eat(rest: &mut &[u8], wanted: u8) -> Option<()> {
    skip_space(rest);
    let (&first, tail) = rest.split_first()?;
    (first == wanted).then(|| *rest = tail)
}

fn value(rest: &mut &[u8], depth: usize) -> Option<()> {
    skip_space(rest);
    if depth > MAX_DEPTH {
        return None;
    }
    match rest.first()? {
        b'{' => members(rest, depth, b'{', b'}', true),
        b'[' => members(rest, depth, b'[', b']', false),
        b'"' => quoted(rest),
        b't' => word(rest, b"true"),
        b'f' => word(rest, b"false"),
        b'n' => word(rest, b"null"),
        _ => number(rest),
    }
}

fn members(rest: &mut &[u8], depth: usize, open: u8, close: u8, keyed: bool) -> Option<()> {
    eat(rest, open)?;
    if eat(rest, close).is_some() {
        return Some(());
    }
    loop {
        if keyed {
            skip_space(rest);
            quoted(rest)?;
            eat(rest, b':')?;
        }
        value(rest, depth + 1)?;
        if eat(rest, b',').is_none() {
            return eat(rest, close);
        }
    }
}

fn quoted(rest: &mut &[u8]) -> Option<()> {
    eat(rest, b'"')?;
    loop {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        match byte {
            b'"' => return Some(()),
            b'\\' => {
                let (&escape, tail) = rest.split_first()?;
                *rest = tail;
                match escape {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let (digits, tail) = rest.split_at_checked(4)?;
                        if !digits.iter().all(u8::is_ascii_hexdigit) {
                            return None;
                        }
                        *rest = tail;
                    }
                    _ => return None,
                }
            }
            0..0x20 => return None,
            _ => {}
        }
    }
}

fn word(rest: &mut &[u8], wanted: &[u8]) -> Option<()> {
    *rest = rest.strip_prefix(wanted)?;
    Some(())
}

fn number(rest: &mut &[u8]) -> Option<()> {
    if let Some(tail) = rest.strip_prefix(b"-") {
        *rest = tail;
    }
    if rest.first() == Some(&b'0') {
        *rest = rest.get(1..)?;
    } else {
        digits(rest)?;
    }
    if let Some(tail) = rest.strip_prefix(b".") {
        *rest = tail;
        digits(rest)?;
    }
    if let Some((b'e' | b'E', tail)) = rest.split_first() {
        *rest = tail;
        if let Some((b'+' | b'-', tail)) = rest.split_first() {
            *rest = tail;
        }
        digits(rest)?;
    }
    Some(())
}

fn digits(rest: &mut &[u8]) -> Option<()> {
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    *rest = rest.get(count..)?;
    (count > 0).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_other_text() {
        for text in
            ["{}", " [1, -2.5e+3, 0] ", r#"{"a": {"b": [true, false, null, "x\u00e9\n"]}}"#, "\"x\"", "0"]
        {
            assert!(is_valid(text), "{text}");
        }
        for text in
            ["", "{", "[1,]", "{\"a\"}", "{a: 1}", "01", "1.", "[EMAIL]", "\"\n\"", "nul", "1 2", "\"\\x\""]
        {
            assert!(!is_valid(text), "{text}");
        }
        assert!(!is_valid(&"[".repeat(100_000)));
        assert!(is_valid(&string("a \"quote\" \\ and \n more")));
    }
}
