//! Paths: refused when two servers could read them in two ways, and named by their form, so that all customers are
//! one thing to a policy.

use crate::percent::{self, Wrong};
use crate::settings::{Rules, Template};

/// A path that was read: segments without escapes. A slash at the end counts for nothing, as for most servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    segments: Vec<String>,
    /// `OPTIONS *`
    star: bool,
}

/// What a path is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// `/v1/customers/{id}`
    pub text: String,
    /// names without `path.`, values decoded, in order
    pub parameters: Vec<(String, String)>,
}

/// More than any API has.
const MAX_SEGMENTS: usize = 100;

impl Path {
    /// # Errors
    /// When servers differ in what the path means: dot segments, empty segments, encoded slashes, dots and percent
    /// signs before digits, backslashes, control characters, damaged escapes, and unless `matrix` is set `;`, which
    /// some servers cut off.
    pub fn read(raw: &str, matrix: bool) -> Result<Path, Wrong> {
        if raw == "*" {
            return Ok(Path { segments: Vec::new(), star: true });
        }
        let rest = raw.strip_prefix('/').ok_or("it does not begin with a slash")?;
        let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&byte);
        if !rest.bytes().all(may_stand) {
            return Err("it holds a character that must be percent-encoded");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() {
            return match raw.len() {
                1 => Ok(Path { segments: Vec::new(), star: false }),
                _ => Err("it has an empty segment"),
            };
        }
        let segments: Vec<String> =
            rest.split('/').map(|raw| segment(raw, matrix)).collect::<Result<_, _>>()?;
        match segments.len() > MAX_SEGMENTS {
            true => Err("it has too many segments"),
            false => Ok(Path { segments, star: false }),
        }
    }

    /// As this gateway would write it: nothing encoded that need not be, no slash at the end.
    pub fn normal(&self) -> String {
        self.written(percent::encode_segment)
    }

    fn written(&self, write: impl Fn(&str, &mut String)) -> String {
        if self.star {
            return "*".to_owned();
        }
        let length = self.segments.iter().map(|segment| 1 + segment.len()).sum();
        let mut text = String::with_capacity(length);
        for segment in &self.segments {
            text.push('/');
            write(segment, &mut text);
        }
        if text.is_empty() {
            text.push('/');
        }
        text
    }

    /// By the template with the most literal segments that fits (the first of several), else by what the segments
    /// look like.
    pub fn name(&self, rules: &Rules) -> Named {
        let fitting = rules.templates.iter().filter(|template| template.fits(&self.segments));
        // `max_by_key` would take the last.
        let best = fitting.fold(None, |best: Option<&Template>, next| match best {
            Some(best) if best.literals() >= next.literals() => Some(best),
            _ => Some(next),
        });
        match best.filter(|_| !self.star) {
            Some(template) => {
                Named { text: template.text.clone(), parameters: template.parameters(&self.segments) }
            }
            None => {
                let text = self.written(|segment, out| match is_id(segment) {
                    true => out.push_str("{id}"),
                    false => percent::encode_segment(segment, out),
                });
                let ids = self.segments.iter().filter(|segment| is_id(segment)).cloned();
                Named { text, parameters: ids.map(|id| ("id".to_owned(), id)).collect() }
            }
        }
    }
}

fn segment(raw: &str, matrix: bool) -> Result<String, Wrong> {
    if raw.is_empty() {
        return Err("it has an empty segment");
    }
    if raw.contains(';') && !matrix {
        return Err("it has a `;`, which some servers cut off (setting matrix_parameters)");
    }
    if raw.contains('%') && raw.to_ascii_lowercase().contains("%2e") {
        return Err("it has an encoded dot");
    }
    let decoded = percent::decode(raw, false)?;
    if decoded.contains(['/', '\\']) {
        return Err("it has an encoded slash or backslash");
    }
    if decoded.chars().any(char::is_control) {
        return Err("it has a control character");
    }
    // Who decodes twice sees something else.
    if looks_encoded(&decoded) {
        return Err("it is encoded twice");
    }
    let name = decoded.split(';').next().unwrap_or_default();
    if matches!(name, "" | "." | "..") {
        return Err("it has a dot segment");
    }
    Ok(decoded)
}

fn looks_encoded(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes
        .windows(3)
        .any(|three| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()))
}

/// Whether a segment names one thing among many: digits, a UUID, an e-mail address, a long hexadecimal or mixed word.
/// Rather too often than not: what it was stands in the parameters, and the whole path among the objects.
pub fn is_id(segment: &str) -> bool {
    let version = segment.strip_prefix('v').unwrap_or_default();
    if !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return false;
    }
    let bytes = segment.as_bytes();
    let count = |is: fn(&u8) -> bool| bytes.iter().filter(|byte| is(byte)).count();
    let (digits, upper) = (count(u8::is_ascii_digit), count(u8::is_ascii_uppercase));
    let lower = count(u8::is_ascii_lowercase);
    let hex = count(|byte| byte.is_ascii_hexdigit() || *byte == b'-') == bytes.len();
    let length = bytes.len();
    (digits > 0 && digits == length)
        || segment.contains('@')
        || (hex && length >= 16)
        || (hex && length >= 8 && digits > 0)
        || (length >= 6 && digits >= 3)
        || (length >= 10 && digits >= 2)
        || (length >= 12 && digits > 0 && upper > 0 && lower > 0)
        || (length >= 20 && upper > 0 && lower > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn rules(paths: &[&str]) -> Rules {
        let json = serde_json::json!({ "paths": paths }).to_string();
        serde_json::from_str::<Settings>(&json).unwrap().rules().unwrap()
    }

    fn named(path: &str, paths: &[&str]) -> Named {
        Path::read(path, false).unwrap().name(&rules(paths))
    }

    #[test]
    fn what_servers_read_differently_is_refused() {
        for raw in [
            "",
            "v1",
            "//v1",
            "/v1//x",
            "/v1/",
            "/",
            "//",
            "/v1/../x",
            "/v1/./x",
            "/..",
            "/.",
            "/%2e%2e/x",
            "/%2E/x",
            "/a%2fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%0ab",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a b",
            "/é",
            "/%ff",
            "/a%252e",
            "/a;b=c",
            "/..;/x",
            "/a#b",
            "/a[0]",
            "/a%7f",
            "http://x/y",
        ] {
            let fine = matches!(raw, "/v1/" | "/");
            assert_eq!(Path::read(raw, false).is_ok(), fine, "{raw:?}");
        }
        assert!(Path::read("/a;b=c/d", true).is_ok());
        for raw in ["/..;a/x", "/.;/x", "/;a/x"] {
            assert!(Path::read(raw, true).is_err(), "{raw}");
        }
        assert!(Path::read("/a%25b/100%25", false).is_ok());
    }

    #[test]
    fn what_names_one_of_many_is_a_parameter() {
        for (path, text, ids) in [
            ("/v1/customers/7", "/v1/customers/{id}", &["7"][..]),
            (
                "/v1/customers/7/orders/0190b3c4-1111-7abc-8def-0123456789ab",
                "/v1/customers/{id}/orders/{id}",
                &["7", "0190b3c4-1111-7abc-8def-0123456789ab"],
            ),
            ("/v1/users/ann%40example.com", "/v1/users/{id}", &["ann@example.com"]),
            ("/v1/cus_NffrFeUfNV2Hib", "/v1/{id}", &["cus_NffrFeUfNV2Hib"]),
            ("/v1/commits/deadbeef1", "/v1/commits/{id}", &["deadbeef1"]),
            ("/v2/oauth2/s3/base64url/face", "/v2/oauth2/s3/base64url/face", &[]),
            ("/v10.2.1234/oauth2-clients/ORD-2024", "/v10.2.1234/oauth2-clients/{id}", &["ORD-2024"]),
            ("/%61dmin/x%20y/", "/admin/x%20y", &[]),
            ("/", "/", &[]),
            ("*", "*", &[]),
        ] {
            let named = named(path, &[]);
            assert_eq!(named.text, text);
            let values: Vec<_> = named.parameters.iter().map(|(_, value)| value.as_str()).collect();
            assert_eq!(values, ids, "{path}");
        }
    }

    #[test]
    fn templates_name_parameters_and_the_most_literal_wins() {
        let paths = ["/v1/{kind}/{key}", "/v1/customers/{customer}", "/v1/customers/me"];
        let customer = named("/v1/customers/ann", &paths);
        assert_eq!(customer.text, "/v1/customers/{customer}");
        assert_eq!(customer.parameters, [("customer".to_owned(), "ann".to_owned())]);
        assert_eq!(named("/v1/customers/me/", &paths).text, "/v1/customers/me");
        assert_eq!(named("/v1/pets/rex", &paths).text, "/v1/{kind}/{key}");
        assert_eq!(named("/v1/pets/rex/7", &paths).text, "/v1/pets/rex/{id}");
    }
}
