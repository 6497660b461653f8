//! Canonical JSON: one value, one spelling.
//!
//! What is hashed must be reproducible by somebody who has only the JSON value, so the spelling leaves no
//! choice: keys ascend bytewise, no whitespace, integers only (no floats, no exponents), and in strings only
//! what JSON demands is escaped: `\"`, `\\`, `\b`, `\t`, `\n`, `\f`, `\r`, other control characters below
//! U+0020 as `\u00xx` in lower case; everything else is raw UTF-8. For values without floats this is RFC 8785,
//! except that integers above 2^53 keep all their digits. Python prints the same bytes with
//! `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)`.
//!
//! An absent fact has no key; there is no `null` and no empty list.
//!
//! Written straight into a `String`: a tree of values would cost more than everything else in a record.
//! The order of keys is therefore the caller's duty; debug builds check it.

use crate::chain::Hash;
use crate::redact;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt::Write;
use weir_model::Digest;

/// An object being written. Keys must be given in ascending order.
pub(crate) struct Object<'a> {
    out: &'a mut String,
    first: bool,
    #[cfg(debug_assertions)]
    last_key: &'static str,
}

/// Writes one object: `{…}`.
pub(crate) fn object(out: &mut String, fill: impl FnOnce(&mut Object<'_>)) {
    out.push('{');
    let mut object = Object {
        out,
        first: true,
        #[cfg(debug_assertions)]
        last_key: "",
    };
    fill(&mut object);
    out.push('}');
}

impl Object<'_> {
    fn key(&mut self, key: &'static str) -> &mut String {
        #[cfg(debug_assertions)]
        {
            debug_assert!(self.last_key < key, "`{key}` must not follow `{}`", self.last_key);
            self.last_key = key;
        }
        if !self.first {
            self.out.push(',');
        }
        self.first = false;
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
        self.out
    }

    /// Whether nothing has been written yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.first
    }

    /// A word of our own making: never a secret.
    pub(crate) fn word(&mut self, key: &'static str, word: &str) {
        string(self.key(key), word);
    }

    pub(crate) fn maybe_word(&mut self, key: &'static str, word: Option<&str>) {
        if let Some(word) = word {
            self.word(key, word);
        }
    }

    /// A text from outside: secrets of recognisable form are replaced. Nothing is written for "".
    pub(crate) fn text(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            string(self.key(key), &redact::redact(text));
        }
    }

    /// A text from outside that has been redacted already; written even when it is "".
    pub(crate) fn redacted(&mut self, key: &'static str, text: &str) {
        string(self.key(key), text);
    }

    /// Lower-case hexadecimal digits.
    pub(crate) fn digest(&mut self, key: &'static str, digest: &Digest) {
        let mut digits = [0u8; 64];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(digest.0) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        let out = self.key(key);
        out.push('"');
        out.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        out.push('"');
    }

    pub(crate) fn number(&mut self, key: &'static str, number: u64) {
        let out = self.key(key);
        integer(number, |digits| out.push_str(digits));
    }

    /// A key whose value is put in later: where that stands.
    pub(crate) fn nothing(&mut self, key: &'static str) -> usize {
        self.key(key).len()
    }

    pub(crate) fn maybe_commitment(&mut self, key: &'static str, commitment: Option<&Hash>) {
        if let Some(commitment) = commitment {
            let out = self.key(key);
            out.push('"');
            URL_SAFE_NO_PAD.encode_string(commitment, out);
            out.push('"');
        }
    }

    pub(crate) fn maybe_number(&mut self, key: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.number(key, number);
        }
    }

    pub(crate) fn object(&mut self, key: &'static str, fill: impl FnOnce(&mut Object<'_>)) {
        object(self.key(key), fill);
    }

    /// A list of texts from outside; nothing is written for an empty one.
    pub(crate) fn texts<S: AsRef<str>>(&mut self, key: &'static str, texts: &[S]) {
        self.list(key, texts, |out, text| string(out, &redact::redact(text.as_ref())));
    }

    /// A list of objects; nothing is written for an empty one.
    pub(crate) fn objects<T>(&mut self, key: &'static str, items: &[T], fill: impl Fn(&mut Object<'_>, &T)) {
        self.list(key, items, |out, item| object(out, |object| fill(object, item)));
    }

    fn list<T>(&mut self, key: &'static str, items: &[T], write: impl Fn(&mut String, &T)) {
        if items.is_empty() {
            return;
        }
        let out = self.key(key);
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            write(out, item);
        }
        out.push(']');
    }
}

fn hex_digit(half_byte: u8) -> u8 {
    if half_byte < 10 { b'0' + half_byte } else { b'a' + half_byte - 10 }
}

/// Appends a quoted string.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut plain_from = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        // Escaped bytes are ASCII, so both cuts are on character boundaries.
        out.push_str(text.get(plain_from..index).unwrap_or_default());
        plain_from = index + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            b'\t' => out.push_str("\\t"),
            b'\n' => out.push_str("\\n"),
            0x0c => out.push_str("\\f"),
            b'\r' => out.push_str("\\r"),
            // Writing to a String cannot fail.
            control => _ = write!(out, "\\u{control:04x}"),
        }
    }
    out.push_str(text.get(plain_from..).unwrap_or_default());
    out.push('"');
}

/// Hands out a number's decimal digits. Hand-written: the formatting machinery costs five times as much.
pub(crate) fn integer(mut number: u64, take: impl FnOnce(&str)) {
    let mut digits = [0u8; 20];
    let mut used = 0;
    for place in digits.iter_mut().rev() {
        *place = b'0' + (number % 10) as u8;
        used += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let shown = digits.get(digits.len() - used..).unwrap_or_default();
    take(std::str::from_utf8(shown).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn written(text: &str) -> String {
        let mut out = String::new();
        string(&mut out, text);
        out
    }

    #[test]
    fn strings_have_one_spelling() {
        for (text, json) in [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\u{8}\t\n\u{c}\r", r#""\b\t\n\f\r""#),
            ("\0\u{1f}\u{7f}", "\"\\u0000\\u001f\u{7f}\""),
            ("ä€😀\u{2028}/", "\"ä€😀\u{2028}/\""),
        ] {
            assert_eq!(written(text), json);
        }
    }

    #[test]
    fn an_object_in_full() {
        let mut out = String::new();
        object(&mut out, |o| {
            o.objects("a", &[1u64, 2], |o, n| o.number("n", *n));
            o.texts("b", &["x", "y"]);
            o.texts::<&str>("c", &[]);
            o.text("d", "");
            o.maybe_number("f", None);
            o.number("g", u64::MAX);
            o.maybe_word("h", Some("w"));
        });
        assert_eq!(out, r#"{"a":[{"n":1},{"n":2}],"b":["x","y"],"g":18446744073709551615,"h":"w"}"#);
    }

    #[test]
    #[should_panic(expected = "must not follow")]
    #[cfg(debug_assertions)]
    fn keys_must_ascend() {
        object(&mut String::new(), |o| {
            o.number("b", 1);
            o.number("a", 1);
        });
    }

    proptest! {
        #[test]
        fn strings_parse_back(text in any::<String>()) {
            prop_assert_eq!(serde_json::from_str::<Value>(&written(&text)).unwrap(), Value::String(text.clone()));
            // serde_json happens to choose the same escapes: an independent witness of the spelling.
            prop_assert_eq!(serde_json::to_string(&text).unwrap(), written(&text));
        }

        #[test]
        fn integers_parse_back(number in any::<u64>()) {
            let mut out = String::new();
            integer(number, |digits| out.push_str(digits));
            prop_assert_eq!(out, number.to_string());
        }
    }
}
