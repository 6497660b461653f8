//! What a statement says of itself: sqlcommenter tags, `/*key='value',…*/` at its very end, URL-encoded.
//! Context for people, never proof.

/// A comment with more tags than this is no sqlcommenter comment.
const MAX_TAGS: usize = 32;

pub fn tags(text: &str) -> Vec<(String, String)> {
    let text = text.trim_end_matches(|letter: char| letter == ';' || letter.is_whitespace());
    let Some(text) = text.strip_suffix("*/") else { return Vec::new() };
    let Some((_, comment)) = text.rsplit_once("/*") else { return Vec::new() };
    parse(comment.trim()).unwrap_or_default()
}

fn parse(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut tags = Vec::new();
    loop {
        let (key, after) = rest.split_once("='")?;
        let end = closing_quote(after)?;
        let value = after.get(..end)?.replace("\\'", "'");
        tags.push((url_decode(key.trim())?, url_decode(&value)?));
        rest = after.get(end + 1..)?.trim_start();
        match rest.strip_prefix(',') {
            Some(more) if tags.len() < MAX_TAGS => rest = more,
            None if rest.is_empty() => return Some(tags),
            _ => return None,
        }
    }
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' if !escaped => return Some(index),
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

fn url_decode(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = tags(text);
        let found: Vec<_> = found.iter().map(|tag| (tag.0.as_str(), tag.1.as_str())).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn only_whole_sqlcommenter_comments_count() {
        check(
            "select 1 /*action='%2Fuser%20list',traceparent='00-5bd6-01'*/;",
            &[("action", "/user list"), ("traceparent", "00-5bd6-01")],
        );
        check(r"select 1 /*name='it\'s'*/", &[("name", "it's")]);
        check("select 1 /* a plain comment */", &[]);
        check("select 1 /*a='b'*/ + 1", &[]);
        check("select 1 /*a='b*/", &[]);
        check("select 1 /*a='%zz'*/", &[]);
        check("select 1", &[]);
    }
}
