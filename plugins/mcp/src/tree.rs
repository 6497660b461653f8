//! A JSON text as a tree in which each value knows the bytes it stands in.
//!
//! Whether the text is JSON, and nothing that two readers could read differently, is `weir-json`'s judgement
//! ([`read`] asks it first); this file only notes where things stand, so it need not be strict.

use std::borrow::Cow;
use weir_json::Limits;

/// A value and the bytes `start..stop` it stands in, quotes included.
#[derive(Debug, Clone, PartialEq)]
pub struct Node<'a> {
    pub start: usize,
    pub stop: usize,
    /// the bytes of its key, quotes included, when it is a member of an object
    pub key: Option<(usize, usize)>,
    pub value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    /// as written
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// # Errors
/// When the text is not JSON as `weir-json` has it; the message holds nothing of the text.
pub fn read(bytes: &[u8]) -> Result<Node<'_>, String> {
    weir_json::check(bytes, Limits::default()).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(bytes).map_err(|_| "the text is not UTF-8".to_owned())?;
    let mut reader = Reader { text, at: 0 };
    reader.value().ok_or_else(|| "the text is no JSON".to_owned())
}

impl<'a> Node<'a> {
    pub fn member(&self, key: &str) -> Option<&Node<'a>> {
        self.members().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub fn members(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub fn is_object(&self) -> bool {
        matches!(self.value, Value::Object(_))
    }

    pub fn elements(&self) -> &[Node<'a>] {
        match &self.value {
            Value::List(elements) => elements,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of a string member.
    pub fn member_text(&self, key: &str) -> Option<&str> {
        self.member(key).and_then(Node::text)
    }

    /// A leaf as text and its type's name; none for objects and arrays that hold something. NULL has no text.
    pub fn leaf(&self) -> Option<(&'static str, Option<&str>)> {
        match &self.value {
            Value::Null => Some(("null", None)),
            Value::Bool(true) => Some(("boolean", Some("true"))),
            Value::Bool(false) => Some(("boolean", Some("false"))),
            Value::Number(text) => Some(("number", Some(text))),
            Value::Text(text) => Some(("string", Some(text))),
            Value::List(elements) if elements.is_empty() => Some(("array", Some("[]"))),
            Value::Object(members) if members.is_empty() => Some(("object", Some("{}"))),
            Value::List(_) | Value::Object(_) => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at)? {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                byte => return Some(*byte),
            }
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Recursion is as deep as the text, which `weir-json` has limited.
    fn value(&mut self) -> Option<Node<'a>> {
        let first = self.peek()?;
        let start = self.at;
        let value = match first {
            b'{' => self.object()?,
            b'[' => self.list()?,
            b'"' => Value::Text(self.string()?),
            _ => {
                let rest = self.text.get(start..)?;
                let length = rest.find([',', ']', '}', ' ', '\t', '\r', '\n']).unwrap_or(rest.len());
                self.at += length;
                match rest.get(..length)? {
                    "null" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    number => Value::Number(number),
                }
            }
        };
        Some(Node { start, stop: self.at, key: None, value })
    }

    fn object(&mut self) -> Option<Value<'a>> {
        let mut members = Vec::new();
        self.at += 1;
        if self.take(b'}') {
            return Some(Value::Object(members));
        }
        loop {
            self.peek()?;
            let start = self.at;
            let key = self.string()?;
            let stop = self.at;
            if !self.take(b':') {
                return None;
            }
            members.push((key, Node { key: Some((start, stop)), ..self.value()? }));
            if !self.take(b',') {
                return self.take(b'}').then_some(Value::Object(members));
            }
        }
    }

    fn list(&mut self) -> Option<Value<'a>> {
        let mut elements = Vec::new();
        self.at += 1;
        if self.take(b']') {
            return Some(Value::List(elements));
        }
        loop {
            elements.push(self.value()?);
            if !self.take(b',') {
                return self.take(b']').then_some(Value::List(elements));
            }
        }
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.text.get(self.at + 1..)?;
        let mut escaped = false;
        let mut skip = false;
        let length = rest.bytes().position(|byte| {
            let ends = byte == b'"' && !skip;
            skip = byte == b'\\' && !skip;
            escaped |= skip;
            ends
        })?;
        let literal = self.text.get(self.at..self.at + length + 2)?;
        self.at += length + 2;
        if escaped {
            return serde_json::from_str(literal).ok().map(Cow::Owned);
        }
        rest.get(..length).map(Cow::Borrowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_know_their_bytes() {
        let text = br#" { "a" : [ 1 , "x\"y" , null ] , "b": { "c": true } } "#;
        let root = read(text).unwrap();
        let list = root.member("a").unwrap();
        let of = |node: &Node| std::str::from_utf8(&text[node.start..node.stop]).unwrap().to_owned();
        assert_eq!(of(list), r#"[ 1 , "x\"y" , null ]"#);
        assert_eq!(list.elements().iter().map(of).collect::<Vec<_>>(), ["1", r#""x\"y""#, "null"]);
        assert_eq!(list.elements()[1].text(), Some("x\"y"));
        let (start, stop) = root.member("b").unwrap().key.unwrap();
        assert_eq!((&text[start..stop], list.elements()[0].key), (&b"\"b\""[..], None));
        assert_eq!(of(root.member("b").unwrap().member("c").unwrap()), "true");
    }

    #[test]
    fn what_readers_differ_in_is_refused() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":NaN}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":1} {}"#,
            "\u{feff}{}",
            "",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"{\"a\":\"\xff\"}").is_err());
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "\\PC*|[\"\\\\\n\t\u{0}é😀]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[a-z\"\\\\é]{0,4}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    fn same(node: &Node<'_>, value: &serde_json::Value) -> bool {
        match (&node.value, value) {
            (Value::Null, serde_json::Value::Null) => true,
            (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Value::Number(a), serde_json::Value::Number(b)) => *a == b.to_string(),
            (Value::Text(a), serde_json::Value::String(b)) => a == b,
            (Value::List(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Value::Object(a), serde_json::Value::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(&**key).is_some_and(|b| same(a, b)))
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_tree_is_what_another_reader_sees(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap();
            prop_assert!(same(&read(&text).unwrap(), &value));
        }

        #[test]
        fn no_text_makes_it_fall(text in "[\\[\\]{}\",:0-9a\\\\ \n]{0,40}") {
            let _ = read(text.as_bytes());
        }
    }
}
