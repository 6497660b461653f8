//! Media types, and how bodies of each are looked at.

use serde::Deserialize;

/// A `content-type` that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `application/json`, in lower case
    pub essence: String,
    /// in lower case
    pub charset: Option<String>,
}

/// How a body is looked at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Look {
    /// one JSON text
    Json,
    /// a JSON text on each line
    Lines,
    /// server-sent events
    Events,
    /// `name=value&…`
    Form,
    /// one text
    Text,
    /// not at all
    Unseen,
}

impl Media {
    /// None when it is not written as RFC 9110 has it, or says something twice.
    pub fn parse(text: &str) -> Option<Media> {
        let mut parts = split(text)?.into_iter();
        let essence = parts.next()?.trim().to_ascii_lowercase();
        let (kind, name) = essence.split_once('/')?;
        if !is_token(kind) || !is_token(name) {
            return None;
        }
        let mut charset = None;
        for part in parts {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=')?;
            if name.eq_ignore_ascii_case("charset") {
                let value =
                    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
                if !is_token(value) || charset.is_some() {
                    return None;
                }
                charset = Some(value.to_ascii_lowercase());
            } else if !is_token(name) {
                return None;
            }
        }
        Some(Media { essence, charset })
    }

    /// By the settings first.
    pub fn look(&self, types: &[(String, Look)]) -> Look {
        let essence = self.essence.as_str();
        if let Some((_, look)) = types.iter().find(|(known, _)| known == essence) {
            return *look;
        }
        match essence {
            "application/x-www-form-urlencoded" => return Look::Form,
            "text/event-stream" => return Look::Events,
            // The last is Spring's name for lines, whatever its suffix says.
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/json-seq"
            | "application/stream+json" => return Look::Lines,
            "application/json" | "text/json" | "application/x-json" | "text/x-json" => return Look::Json,
            "application/xml"
            | "application/yaml"
            | "application/x-yaml"
            | "application/toml"
            | "application/javascript"
            | "application/x-javascript"
            | "application/ecmascript"
            | "application/graphql"
            | "application/sql"
            | "application/rtf" => {
                return Look::Text;
            }
            _ => {}
        }
        match essence.rsplit_once('+').map(|(_, suffix)| suffix) {
            Some("json") => Look::Json,
            Some("json-seq") => Look::Lines,
            // An image of `image/svg+xml` is a text like any other.
            Some("xml" | "yaml") => Look::Text,
            _ if essence.starts_with("text/") => Look::Text,
            _ => Look::Unseen,
        }
    }

    /// Whether its texts are what UTF-8 has in their place: always, never, or as long as they are ASCII.
    pub fn charset(&self) -> Charset {
        match self.charset.as_deref() {
            None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => Charset::Utf8,
            Some(name) if name.starts_with("iso-8859-") || name.starts_with("windows-125") => Charset::Ascii,
            Some(_) => Charset::Other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charset {
    Utf8,
    /// one that begins with ASCII
    Ascii,
    Other,
}

/// At each `;` outside of quotes; none when a quote is not closed.
fn split(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                parts.push(text.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..)?);
    (!quoted).then_some(parts)
}

/// A token of RFC 9110.
pub fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_told_apart() {
        for (text, look) in [
            ("application/json", Look::Json),
            ("Application/Problem+JSON; charset=\"UTF-8\"", Look::Json),
            ("application/stream+json", Look::Lines),
            ("application/geo+json-seq", Look::Lines),
            ("text/event-stream;charset=utf-8", Look::Events),
            ("text/csv; header=present", Look::Text),
            ("image/svg+xml", Look::Text),
            ("image/png", Look::Unseen),
            ("multipart/form-data; boundary=\"a;b\"", Look::Unseen),
            ("application/octet-stream", Look::Unseen),
        ] {
            assert_eq!(Media::parse(text).unwrap().look(&[]), look, "{text}");
        }
        let mine = [("image/png".to_owned(), Look::Text)];
        assert_eq!(Media::parse("image/png").unwrap().look(&mine), Look::Text);
    }

    #[test]
    fn what_is_written_wrongly_is_no_type() {
        for text in [
            "",
            "json",
            "application/",
            "application/json, text/plain",
            "application/json; charset=utf-8; charset=utf-16",
            "a/b; c=\"d",
            "application/json application/xml",
        ] {
            assert_eq!(Media::parse(text), None, "{text}");
        }
    }

    #[test]
    fn charsets() {
        let charset = |name: &str| Media::parse(&format!("text/plain; charset={name}")).unwrap().charset();
        assert_eq!(charset("UTF-8"), Charset::Utf8);
        assert_eq!(charset("iso-8859-1"), Charset::Ascii);
        assert_eq!(charset("utf-16"), Charset::Other);
        assert_eq!(charset("utf-7"), Charset::Other);
    }
}
