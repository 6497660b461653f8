//! Which values an answer of MCP has: the texts people and models read, and the data tools return.
//!
//! What steers the protocol (kinds of contents, cursors, states, schemas) is no value: a masked cursor is a broken
//! client. So that nothing hides there, a word of the protocol is left out only where it is one. JSON that a string
//! holds (tools return their data twice, structured and as text) is looked into, and so is text in base64.

use crate::cells::{Cells, Key, Place};
use crate::path::{self, Style};
use crate::tree::{self, Node, Value};
use weir_sdk::http::Fault;

/// How the members of an object are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// an object of the protocol
    Protocol,
    /// data of the server's own
    Free,
    /// definitions and schemas: only what is written to be read
    Prose,
}

/// Data of the server's own.
const FREE: [&str; 6] = ["structuredContent", "data", "arguments", "_meta", "input", "metadata"];
const SCHEMAS: [&str; 6] =
    ["inputSchema", "outputSchema", "requestedSchema", "tools", "capabilities", "icons"];
const PROSE: [&str; 3] = ["description", "title", "instructions"];
/// Handed back to the server byte by byte.
const OPAQUE: [&str; 7] =
    ["nextCursor", "requestState", "progressToken", "taskId", "elicitationId", "requestId", "id"];
/// Words and numbers of the protocol.
const WORDS: [&str; 24] = [
    "type",
    "mimeType",
    "role",
    "isError",
    "resultType",
    "protocolVersion",
    "audience",
    "priority",
    "lastModified",
    "status",
    "ttl",
    "ttlMs",
    "cacheScope",
    "pollInterval",
    "createdAt",
    "lastUpdatedAt",
    "level",
    "progress",
    "total",
    "size",
    "mode",
    "method",
    "hasMore",
    "stopReason",
];

/// Gathers the values of one message.
pub struct Walk<'w> {
    pub cells: &'w mut Cells,
    /// from places in the JSON to places in the bytes of the call
    pub at: &'w dyn Fn(usize) -> usize,
    /// what the values belong to; empty when that is not known, and then columns have no source either, so that
    /// whatever speaks of their names holds
    pub relation: &'w str,
    pub label: Option<&'static str>,
}

impl<'w> Walk<'w> {
    /// The values of `node`, which stands under `key` at `path`. `parent` is the object it is a member of.
    ///
    /// # Errors
    /// When there are too many.
    pub fn node(
        &mut self,
        node: &Node<'_>,
        parent: Option<&Node<'_>>,
        key: &str,
        path: &mut String,
        mode: Mode,
    ) -> Result<(), Fault> {
        let length = path.len();
        match &node.value {
            Value::Object(members) => {
                for (key, value) in members {
                    path::push_key(path, named(key), Style::Column);
                    self.member(node, key, value, path, mode)?;
                    path.truncate(length);
                }
                Ok(())
            }
            Value::List(elements) => {
                path::push_index(path, 0, Style::Column);
                for element in elements {
                    self.node(element, parent, key, path, mode)?;
                }
                path.truncate(length);
                Ok(())
            }
            Value::Null => Ok(()),
            Value::Bool(_) | Value::Number(_) | Value::Text(_) => self.leaf(node, parent, key, path, mode),
        }
    }

    /// A key that is a value itself; that of `value`, at `path`. `inner`: in JSON that a string holds.
    fn own_key(
        &mut self,
        key: &str,
        value: &Node<'_>,
        path: &str,
        inner: Option<usize>,
    ) -> Result<(), Fault> {
        let Some((start, stop)) = value.key.filter(|_| is_value(key)) else { return Ok(()) };
        let column = self.key("key", path, "key");
        let (is_number, nullable) = (false, false);
        if let Some(inner) = inner {
            let place = Place::Inner { inner, start, stop, is_number, nullable };
            return self.cells.push_decoded(column, key, place);
        }
        let (start, stop) = ((self.at)(start), (self.at)(stop.saturating_sub(1)) + 1);
        self.cells.push_decoded(column, key, Place::Literal { start, stop, is_number, nullable })
    }

    /// The values of a member of an object, at `path`, in which it is [`named`].
    ///
    /// # Errors
    /// When there are too many.
    pub fn member(
        &mut self,
        parent: &Node<'_>,
        key: &str,
        value: &Node<'_>,
        path: &mut String,
        mode: Mode,
    ) -> Result<(), Fault> {
        self.own_key(key, value, path, None)?;
        let key = named(key);
        let mode = match mode {
            _ if key == "_meta" => Mode::Free,
            Mode::Protocol if SCHEMAS.contains(&key) => Mode::Prose,
            Mode::Protocol if FREE.contains(&key) && !is_media(parent, key) => Mode::Free,
            mode => mode,
        };
        self.node(value, Some(parent), key, path, mode)
    }

    fn leaf(
        &mut self,
        node: &Node<'_>,
        parent: Option<&Node<'_>>,
        key: &str,
        path: &str,
        mode: Mode,
    ) -> Result<(), Fault> {
        if mode == Mode::Prose && !PROSE.contains(&key) || mode == Mode::Protocol && is_protocol(key, node) {
            return Ok(());
        }
        let (start, stop) = ((self.at)(node.start), (self.at)(node.stop.saturating_sub(1)) + 1);
        let nullable = mode == Mode::Free;
        let (type_name, text) = match &node.value {
            Value::Text(text) if text.is_empty() => return Ok(()),
            Value::Text(text) => ("string", &**text),
            Value::Number(digits) => {
                let place = Place::Literal { start, stop, is_number: true, nullable };
                if let Some(plain) = weir_json::without_exponent(digits) {
                    return self.cells.push_decoded(self.key(key, path, "number"), &plain, place);
                }
                return self.cells.push(self.key(key, path, "number"), start, digits.len(), place);
            }
            _ => {
                let place = Place::Literal { start, stop, is_number: false, nullable };
                return self.cells.push(self.key(key, path, "boolean"), start, stop - start, place);
            }
        };
        // Only where the protocol says that it is base64: a password can look like it.
        if mode == Mode::Protocol && (key == "blob" || parent.is_some_and(|parent| is_media(parent, key))) {
            match decoded(text) {
                Some(Ok(inside)) => {
                    let place = Place::Base64 { start, stop };
                    return self.cells.push_decoded(self.key(key, path, "base64"), &inside, place);
                }
                // A picture, a sound: nobody here can look into it.
                Some(Err(())) => return Ok(()),
                None => {}
            }
        }
        if key == "text" && self.json_inside(text, start, stop, path)? {
            return Ok(());
        }
        let place = Place::Literal { start, stop, is_number: false, nullable };
        let key = self.key(key, path, type_name);
        if stop - start == text.len() + 2 {
            return self.cells.push(key, start + 1, text.len(), place);
        }
        self.cells.push_decoded(key, text, place)
    }

    /// The values of the JSON that a string holds, if it holds some.
    fn json_inside(&mut self, text: &str, start: usize, stop: usize, path: &str) -> Result<bool, Fault> {
        if !text.trim_start().starts_with(['{', '[']) {
            return Ok(false);
        }
        let Ok(root) = tree::read(text.as_bytes()) else { return Ok(false) };
        let inner = self.cells.inner(start, stop, text);
        self.inside(&root, inner, &mut path.to_owned())
    }

    /// Those of one of its nodes; whether it has any.
    fn inside(&mut self, node: &Node<'_>, inner: usize, path: &mut String) -> Result<bool, Fault> {
        let length = path.len();
        let mut any = false;
        let plain;
        let (type_name, text, is_number) = match &node.value {
            Value::Object(members) => {
                for (key, value) in members {
                    path::push_key(path, named(key), Style::Column);
                    self.own_key(key, value, path, Some(inner))?;
                    any |= is_value(key) | self.inside(value, inner, path)?;
                    path.truncate(length);
                }
                return Ok(any);
            }
            Value::List(elements) => {
                path::push_index(path, 0, Style::Column);
                for element in elements {
                    any |= self.inside(element, inner, path)?;
                }
                path.truncate(length);
                return Ok(any);
            }
            Value::Text(text) if !text.is_empty() => ("string", &**text, false),
            Value::Number(digits) => {
                plain = weir_json::without_exponent(digits);
                ("number", plain.as_deref().unwrap_or(digits), true)
            }
            Value::Bool(true) => ("boolean", "true", false),
            Value::Bool(false) => ("boolean", "false", false),
            Value::Null | Value::Text(_) => return Ok(false),
        };
        let name = path.rsplit('.').find(|part| !part.is_empty()).unwrap_or_default();
        let key = self.key(name.trim_end_matches("[]"), path, type_name);
        let place = Place::Inner { inner, start: node.start, stop: node.stop, is_number, nullable: true };
        self.cells.push_decoded(key, text, place)?;
        Ok(true)
    }

    /// A line of text outside JSON.
    ///
    /// # Errors
    /// When there are too many values.
    pub fn line(&mut self, name: &str, start: usize, stop: usize, line: bool) -> Result<(), Fault> {
        if start >= stop {
            return Ok(());
        }
        let place = Place::Plain { start, stop, line };
        self.cells.push(self.key(name, name, "string"), start, stop - start, place)
    }

    fn key(&self, name: &str, path: &str, type_name: &'static str) -> Key {
        let source = if self.relation.is_empty() { "" } else { path };
        Key {
            name: name.to_owned(),
            relation: self.relation.to_owned(),
            source: source.to_owned(),
            type_name,
            label: self.label,
        }
    }
}

/// A key that is no name of a field but a value: an address, a number. It is masked as one, and does not become part
/// of a column's name (as in `http-api`).
fn is_value(key: &str) -> bool {
    const DIGITS: usize = 7;
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    key.contains('@') || digits >= DIGITS || (digits > 0 && digits == key.len())
}

/// What stands for such a key.
pub fn named(key: &str) -> &str {
    if is_value(key) { "{id}" } else { key }
}

/// `data` of an image or a sound, which is base64, and not the data of a log message.
fn is_media(parent: &Node<'_>, key: &str) -> bool {
    key == "data" && parent.member_text("mimeType").is_some()
}

fn is_protocol(key: &str, node: &Node<'_>) -> bool {
    if OPAQUE.contains(&key) {
        return true;
    }
    let is_word = |text: &str| {
        text.len() <= 80
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-+./_:;= ".contains(c))
    };
    WORDS.contains(&key) && node.text().is_none_or(is_word)
}

/// What base64 holds: none when it is not base64, an error when that is not text.
fn decoded(text: &str) -> Option<Result<String, ()>> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    Some(
        String::from_utf8(bytes)
            .map_err(|_| ())
            .and_then(|text| if text.contains('\0') { Err(()) } else { Ok(text) }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name|relation|source|type = text` of each value.
    fn values(text: &str, relation: &str, mode: Mode) -> Vec<String> {
        let root = tree::read(text.as_bytes()).unwrap();
        let mut cells = Cells::default();
        let mut walk = Walk { cells: &mut cells, at: &|at| at, relation, label: None };
        walk.node(&root, None, "", &mut String::new(), mode).unwrap();
        let values = cells.take_values();
        let of = |cell: &[u32]| {
            let column = &values.columns.iter().nth(cell[0] as usize).unwrap();
            let bytes = match cell[1] & weir_sdk::http::TOP_BIT {
                0 => text.as_bytes(),
                _ => &values.decoded,
            };
            let start = (cell[1] & !weir_sdk::http::TOP_BIT) as usize;
            let text = std::str::from_utf8(&bytes[start..start + cell[2] as usize]).unwrap();
            format!("{}|{}|{}|{} = {text}", column.name, column.relation, column.source, column.type_name)
        };
        values.cells.chunks(3).map(of).collect()
    }

    #[test]
    fn texts_and_data_are_values_and_words_of_the_protocol_are_not() {
        let text = r#"{"content":[{"type":"text","text":"Mail \u0041nn"},{"type":"Ann's","text":""}],"isError":false,
            "structuredContent":{"type":"VIP","items":[{"email":"a@b.example","n":12}],"ok":true,"x":null},
            "nextCursor":"41111111"}"#;
        assert_eq!(
            values(text, "mcp:find", Mode::Protocol),
            [
                "text|mcp:find|content[].text|string = Mail Ann",
                "type|mcp:find|content[].type|string = Ann's",
                "type|mcp:find|structuredContent.type|string = VIP",
                "email|mcp:find|structuredContent.items[].email|string = a@b.example",
                "n|mcp:find|structuredContent.items[].n|number = 12",
                "ok|mcp:find|structuredContent.ok|boolean = true",
            ]
        );
    }

    #[test]
    fn json_and_base64_inside_strings_are_looked_into() {
        let text = r#"{"content":[{"type":"text","text":"{\"rows\":[{\"email\":\"a@b.example\",\"n\":1}]}"},
            {"type":"text","text":"{no json}"},
            {"type":"image","mimeType":"image/png","data":"/9j/4AAQ"},
            {"type":"resource","resource":{"uri":"a:b","mimeType":"text/plain","blob":"YUBiLmV4YW1wbGU="}}]}"#;
        assert_eq!(
            values(text, "mcp:find", Mode::Protocol),
            [
                "email|mcp:find|content[].text.rows[].email|string = a@b.example",
                "n|mcp:find|content[].text.rows[].n|number = 1",
                "text|mcp:find|content[].text|string = {no json}",
                "uri|mcp:find|content[].resource.uri|string = a:b",
                "blob|mcp:find|content[].resource.blob|base64 = a@b.example",
            ]
        );
    }

    #[test]
    fn keys_that_are_values_are_values() {
        let text = r#"{"structuredContent":{"by":{"a@b.example":{"n":1},"2024":[true]}},
            "content":[{"type":"text","text":"{\"c\\u0040d.example\":null}"}]}"#;
        assert_eq!(
            values(text, "mcp:find", Mode::Protocol),
            [
                "key|mcp:find|structuredContent.by.{id}|key = a@b.example",
                "n|mcp:find|structuredContent.by.{id}.n|number = 1",
                "key|mcp:find|structuredContent.by.{id}|key = 2024",
                "{id}|mcp:find|structuredContent.by.{id}[]|boolean = true",
                "key|mcp:find|content[].text.{id}|key = c@d.example",
            ]
        );
        let root = tree::read(text.as_bytes()).unwrap();
        let mut cells = Cells::default();
        let mut walk = Walk { cells: &mut cells, at: &|at| at, relation: "mcp:find", label: None };
        walk.node(&root, None, "", &mut String::new(), Mode::Protocol).unwrap();
        cells.take_values();
        // A key cannot become `null`.
        let spans = cells.encode(&[0, 4 | weir_sdk::http::TOP_BIT], b"[E]", &[3, 3]).unwrap();
        assert_eq!(spans.texts, br#""[E]""{\"\":null}""#);
        let replaced: Vec<_> = spans.starts.iter().zip(&spans.stops).collect();
        let replaced = replaced.iter().map(|(start, stop)| &text[**start as usize..**stop as usize]);
        let whole = r#""{\"c\\u0040d.example\":null}""#;
        assert_eq!(replaced.collect::<Vec<_>>(), [r#""a@b.example""#, whole]);
    }

    #[test]
    fn definitions_show_only_what_is_written_to_be_read() {
        let text = r#"{"tools":[{"name":"find","description":"Finds Ann","inputSchema":{"properties":{
            "email":{"type":"string","description":"whose","default":"a@b.example"}}}}]}"#;
        assert_eq!(
            values(text, "mcp:tools/list", Mode::Prose),
            [
                "description|mcp:tools/list|tools[].description|string = Finds Ann",
                "description|mcp:tools/list|tools[].inputSchema.properties.email.description|string = whose",
            ]
        );
    }

    #[test]
    fn where_the_origin_is_not_known_only_names_count() {
        assert_eq!(values(r#"{"email":"x"}"#, "", Mode::Protocol), ["email|||string = x"]);
    }
}
