//! A plugin's settings schema as a block of TOML to paste: every key with what it is for, as comments.
//!
//! A key with a default is written as a comment at it; one without is a comment with an example; a required one is
//! written out, to be filled in. The schema comes from a guest: every text of it is made one safe line.

use anyhow::Context;
use serde_json::{Map, Value};
use std::fmt::Write as _;
use weir_admin::render::line;
use weir_guests::{Capability, HTTP_GRANT};

/// Schemas refer to parts of themselves, perhaps in a circle.
const MAX_DEPTH: usize = 8;
/// Fields within one setting that are told.
const MAX_FIELDS: usize = 100;

/// The block for `[plugin.NAME]`.
///
/// # Errors
/// When the schema is no JSON.
pub(super) fn block(name: &str, capabilities: &[&str], schema: &str) -> anyhow::Result<String> {
    let mut out = format!("[plugin.{}]\n", key_of(name));
    if !capabilities.is_empty() {
        let (http, named): (Vec<&&str>, Vec<&&str>) =
            capabilities.iter().partition(|word| **word == Capability::Http.as_word());
        let words: Vec<_> = named.iter().map(|word| format!("\"{word}\"")).collect();
        let _ = writeln!(out, "# It asks for these; leave out what you do not grant, and it will not load.");
        if !words.is_empty() {
            let _ = writeln!(out, "capabilities = [{}]", words.join(", "));
        }
        if !http.is_empty() {
            let _ = writeln!(out, "{HTTP_GRANT}");
        }
    }
    if schema.trim().is_empty() {
        out.push_str("# It takes no settings.\n");
        return Ok(out);
    }
    let root: Value = serde_json::from_str(schema).context("its settings schema is no JSON")?;
    let _ = writeln!(out, "\n[plugin.{}.settings]", key_of(name));
    for text in ["title", "description"] {
        comment(&mut out, root.get(text).and_then(Value::as_str).unwrap_or_default());
    }
    let root_schema = resolve(&root, &root, 0);
    let properties = root_schema.get("properties").and_then(Value::as_object);
    let required = required(root_schema);
    for (key, of) in properties.into_iter().flatten() {
        out.push('\n');
        property(&mut out, &root, key, of, required.contains(&key.as_str()));
    }
    if properties.is_none_or(Map::is_empty) {
        out.push_str("# The schema names no keys; see the plugin's own description.\n");
    }
    Ok(out)
}

fn required(schema: &Value) -> Vec<&str> {
    let names = schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).collect()
}

fn property(out: &mut String, root: &Value, key: &str, of: &Value, required: bool) {
    comment(out, of.get("description").and_then(Value::as_str).unwrap_or_default());
    let schema = resolve(root, of, 0);
    if of.get("description").is_none() {
        comment(out, schema.get("description").and_then(Value::as_str).unwrap_or_default());
    }
    comment(out, &format!("{}{}", what(root, of, 0), if required { "; required" } else { "" }));
    Fields { root, within: Vec::new(), depth: 1, left: MAX_FIELDS }.tell(out, of);
    let default = of.get("default").or_else(|| schema.get("default"));
    let shown = default.and_then(toml).or_else(|| example(root, of, 0));
    let value = shown.unwrap_or_else(|| "\"\"".to_owned());
    let hash = if required { "" } else { "#" };
    if default.is_none() && !required {
        comment(out, "no default; for example:");
    }
    let _ = writeln!(out, "{hash}{} = {value}", key_of(key));
}

/// Tells the fields of tables within a setting, however deep they lie.
struct Fields<'s> {
    root: &'s Value,
    /// Schemas on the way here: one that lies within itself is told once.
    within: Vec<&'s Value>,
    /// Tables around the fields that are told now.
    depth: usize,
    /// Fields that are still told.
    left: usize,
}

impl<'s> Fields<'s> {
    fn tell(&mut self, out: &mut String, of: &'s Value) {
        let schema = resolve(self.root, of, 0);
        if self.within.len() >= MAX_DEPTH || self.within.iter().any(|above| std::ptr::eq(*above, schema)) {
            return;
        }
        self.within.push(schema);
        let required = required(schema);
        for (name, entry) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.field(out, name, entry, required.contains(&name.as_str()));
        }
        for key in ["items", "additionalProperties"] {
            match schema.get(key) {
                Some(part @ Value::Object(fields)) if key == "additionalProperties" && !fields.is_empty() => {
                    self.field(out, "any other key", part, false);
                }
                Some(part @ Value::Object(_)) if key == "items" => self.tell(out, part),
                _ => {}
            }
        }
        for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.tell(out, part);
            }
        }
        self.within.pop();
    }

    fn field(&mut self, out: &mut String, name: &str, entry: &'s Value, required: bool) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let indent = "  ".repeat(self.depth);
        if self.left == 0 {
            comment(out, &format!("{indent}and more: `weir plugin inspect --json` shows the whole schema"));
            return;
        }
        let of_type = resolve(self.root, entry, 0);
        let about = entry.get("description").or_else(|| of_type.get("description"));
        let about = about.and_then(Value::as_str).filter(|about| !about.is_empty());
        let about =
            about.map(|about| format!(": {}", about.split_whitespace().collect::<Vec<_>>().join(" ")));
        let required = if required { "; required" } else { "" };
        let what = what(self.root, entry, 1);
        comment(out, &format!("{indent}{name} ({what}{required}){}", about.unwrap_or_default()));
        self.depth += 1;
        self.tell(out, entry);
        self.depth -= 1;
    }
}

fn comment(out: &mut String, text: &str) {
    for part in text.lines().filter(|part| !part.trim().is_empty()) {
        let _ = writeln!(out, "# {}", line(part));
    }
}

/// Follows `$ref` within the schema.
fn resolve<'s>(root: &'s Value, schema: &'s Value, depth: usize) -> &'s Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    match reference.and_then(|to| to.strip_prefix('#')).and_then(|pointer| root.pointer(pointer)) {
        Some(found) if depth < MAX_DEPTH => resolve(root, found, depth + 1),
        _ => schema,
    }
}

/// The type in words: `list of "read", "write"`.
fn what(root: &Value, schema: &Value, depth: usize) -> String {
    let schema = resolve(root, schema, 0);
    if depth > MAX_DEPTH {
        return "value".to_owned();
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<_> = words.iter().map(|word| line(&word.to_string())).collect();
        return format!("one of {}", words.join(", "));
    }
    if let Some(constant) = schema.get("const") {
        return format!("always {}", line(&constant.to_string()));
    }
    // Where the type is known, the choices are about its fields.
    let is_typed = schema.get("type").is_some() || schema.get("properties").is_some();
    for key in ["anyOf", "oneOf"].into_iter().filter(|_| !is_typed) {
        if let Some(choices) = schema.get(key).and_then(Value::as_array) {
            let choices: Vec<_> = choices.iter().map(|choice| what(root, choice, depth + 1)).collect();
            return choices.join("; or ");
        }
    }
    let word = match schema.get("type") {
        Some(Value::String(word)) => word.as_str(),
        Some(Value::Array(words)) => {
            let words: Vec<_> = words.iter().filter_map(Value::as_str).map(line).collect();
            return words.join(" or ");
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "value",
    };
    let mut told = match word {
        "array" => match schema.get("items") {
            Some(items) => format!("list of: {}", what(root, items, depth + 1)),
            None => "list".to_owned(),
        },
        "string" => "text".to_owned(),
        "object" => "table".to_owned(),
        other => line(other),
    };
    for (key, words) in [
        ("minimum", "at least"),
        ("maximum", "at most"),
        ("exclusiveMinimum", "more than"),
        ("exclusiveMaximum", "less than"),
        ("pattern", "matches"),
        ("format", "format"),
    ] {
        match schema.get(key) {
            Some(Value::String(bound)) => _ = write!(told, ", {words} {}", line(bound)),
            Some(bound) => _ = write!(told, ", {words} {bound}"),
            None => {}
        }
    }
    told
}

/// Something of the right type.
fn example(root: &Value, schema: &Value, depth: usize) -> Option<String> {
    let schema = resolve(root, schema, 0);
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(given) = schema.get("examples").and_then(Value::as_array).and_then(|all| all.first()) {
        return toml(given);
    }
    if let Some(first) = schema.get("enum").and_then(Value::as_array).and_then(|all| all.first()) {
        return toml(first);
    }
    for key in ["const", "default"] {
        if let Some(value) = schema.get(key) {
            return toml(value);
        }
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(first) = schema.get(key).and_then(Value::as_array).and_then(|all| all.first()) {
            return example(root, first, depth + 1);
        }
    }
    let word = match schema.get("type")? {
        Value::String(word) => word.as_str(),
        Value::Array(words) => words.first()?.as_str()?,
        _ => return None,
    };
    Some(match word {
        "string" => "\"\"".to_owned(),
        "boolean" => "false".to_owned(),
        "integer" | "number" => schema.get("minimum").and_then(toml).unwrap_or_else(|| "0".to_owned()),
        "array" => match schema.get("items").and_then(|items| example(root, items, depth + 1)) {
            Some(item) => format!("[{item}]"),
            None => "[]".to_owned(),
        },
        "object" => {
            let required = required(schema);
            let entries = schema.get("properties").and_then(Value::as_object);
            let entries = entries.into_iter().flatten().filter(|(name, _)| required.contains(&name.as_str()));
            let entries = entries.filter_map(|(name, of)| {
                example(root, of, depth + 1).map(|value| format!("{} = {value}", key_of(name)))
            });
            let entries: Vec<_> = entries.collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        _ => return None,
    })
}

/// A value in TOML on one line; `None` for what TOML has no word for.
fn toml(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(toml).collect::<Option<Vec<_>>>()?.join(", "))
        }
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| Some(format!("{} = {}", key_of(key), toml(value)?));
            format!("{{ {} }}", fields.iter().map(field).collect::<Option<Vec<_>>>()?.join(", "))
        }
    })
}

/// TOML's basic strings have JSON's escapes, but for the one of DEL.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A bare key where that is enough.
fn key_of(name: &str) -> String {
    let bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if bare { name.to_owned() } else { quoted(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{
        "type": "object", "required": ["columns"],
        "properties": {
            "allow": {"$ref": "#/$defs/classes", "description": "classes that run"},
            "columns": {"type": "array", "items": {"type": "string"}, "description": "what to hide\nalways"},
            "limit": {"type": "integer", "minimum": 1, "default": 100},
            "mode": {"enum": ["mask", "null"], "default": "mask"}
        },
        "$defs": {"classes": {"type": "array", "items": {"enum": ["read", "write"]}}}
    }"##;

    #[test]
    fn every_key_has_its_description_type_and_default() {
        let block = block("my-mask", &["clock"], SCHEMA).unwrap();
        assert_eq!(
            block,
            r#"[plugin.my-mask]
# It asks for these; leave out what you do not grant, and it will not load.
capabilities = ["clock"]

[plugin.my-mask.settings]

# classes that run
# list of: one of "read", "write"
# no default; for example:
#allow = ["read"]

# what to hide
# always
# list of: text; required
columns = [""]

# integer, at least 1
#limit = 100

# one of "mask", "null"
#mode = "mask"
"#
        );
    }

    #[test]
    fn fields_of_tables_are_told_however_deep_they_lie() {
        let schema = r##"{"properties": {"protect": {"type": "array", "items": {"$ref": "#/$defs/entry"}}},
            "$defs": {
                "entry": {"type": "object", "required": ["kinds"], "anyOf": [{"required": ["when"]}, {"required": ["but"]}], "properties": {
                    "kinds": {"type": "array", "items": {"type": "string"}, "description": "which\nkinds"},
                    "when": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/when"}]},
                    "but": {"type": "array", "items": {"$ref": "#/$defs/entry"}}
                }},
                "when": {"type": "object", "additionalProperties": {"type": "integer", "description": "how many"}}
            }}"##;
        let block = block("p", &[], schema).unwrap();
        let told = r#"# list of: table
#   but (list of: table)
#   kinds (list of: text; required): which kinds
#   when (null; or table)
#     any other key (integer): how many
"#;
        // The order of keys is the schema's or the alphabet's, as the parser keeps it.
        let mut lines: Vec<&str> = told.lines().collect();
        assert!(lines.iter().all(|line| block.lines().any(|told| told == *line)), "{block}");
        lines.retain(|line| line.starts_with("#   "));
        assert_eq!(block.lines().filter(|line| line.starts_with("#   ")).count(), lines.len(), "{block}");
    }

    #[test]
    fn a_schema_of_endless_fields_is_cut() {
        let keys: Vec<String> = (0..40)
            .map(|key| format!(r##""k{key}": {{"properties": {{"a": {{}}, "b": {{}}, "c": {{}}}}}}"##))
            .collect();
        let schema = format!(r#"{{"properties": {{"all": {{"properties": {{{}}}}}}}}}"#, keys.join(","));
        let block = block("p", &[], &schema).unwrap();
        assert!(block.lines().count() < MAX_FIELDS + 10 && block.contains("and more: "), "{block}");
    }

    #[test]
    fn a_schema_cannot_write_lines_of_its_own() {
        let schema =
            r#"{"properties": {"a\nb = 1": {"description": "x\ny = 2\u001b[31m", "default": "\u007f\n"}}}"#;
        for line in block("p", &[], schema).unwrap().lines().skip(2).filter(|line| !line.is_empty()) {
            assert!(line.starts_with('#') || line.starts_with('['), "{line}");
            assert!(!line.contains('\x1b') && !line.contains('\u{7f}'), "{line}");
        }
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = r##"{"properties": {"a": {"$ref": "#/properties/a"}, "b": {"type": "array", "items": {"$ref": "#/properties/b"}}}}"##;
        assert!(block("p", &[], schema).unwrap().contains("#a = "));
        assert!(block("p", &[], "").unwrap().contains("takes no settings"));
        let asks = block("p", &["clock", "http"], "").unwrap();
        assert!(asks.contains("capabilities = [\"clock\"]\nhttp = [\"https://"), "{asks}");
        assert!(!block("p", &["http"], "").unwrap().contains("capabilities"));
        assert!(block("p", &[], "{").is_err());
    }
}
