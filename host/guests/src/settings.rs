//! A plugin's settings against the schema it publishes, before the plugin itself sees them.
//!
//! The schema comes from a guest: it may not make the host read anything (`$ref` to a file or an address), its
//! patterns run on an engine without backtracking, and what it takes to check anything against it is bounded
//! ([`crate::schema`]).

use crate::problem::{LoadProblem, Stage};
use crate::schema;
use crate::text::clean;
use boon::{Compiler, Draft, ErrorKind, Schemas, UrlLoader, ValidationError};
use serde_json::Value;
use std::borrow::Cow;
use weir_model::nearest;

/// Problems told at once; more of them help nobody.
const MAX_PROBLEMS: usize = 20;
const PROBLEM_CHARS: usize = 300;
const SCHEMA_NAME: &str = "urn:weir:settings";

/// The settings as the plugin will get them: `{}` when there are none.
///
/// # Errors
/// When they are no JSON, or do not match; each problem with the JSON pointer of its place.
pub(crate) fn check(settings: &str, schema: &str) -> Result<String, LoadProblem> {
    let settings = match settings.trim() {
        "" => "{}",
        text => text,
    };
    let value: Value = serde_json::from_str(settings)
        .map_err(|error| LoadProblem::new(Stage::Settings, format!("the settings are no JSON: {error}")))?;
    if schema.trim().is_empty() {
        return match value.as_object().is_some_and(serde_json::Map::is_empty) {
            true => Ok(settings.to_owned()),
            false => Err(LoadProblem::new(Stage::Settings, "it takes no settings")
                .help("remove `settings` from its section")),
        };
    }
    let text = schema;
    let schema: Value = serde_json::from_str(text).map_err(|error| {
        LoadProblem::new(Stage::Describe, format!("its settings schema is no JSON: {error}"))
    })?;
    schema::bounded(text, &schema, schema::levels(&value)).map_err(|why| {
        let why = clean(why, PROBLEM_CHARS);
        LoadProblem::new(Stage::Describe, format!("its settings schema is wrong: {why}"))
    })?;
    let mut schemas = Schemas::new();
    let root = schema.clone();
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.use_loader(Box::new(NothingOutside));
    let wrong = |error: boon::CompileError| {
        let source =
            std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        let error = clean(format!("{error}{source}").replace('\n', " "), PROBLEM_CHARS);
        LoadProblem::new(Stage::Describe, format!("its settings schema is wrong: {error}"))
    };
    compiler.add_resource(SCHEMA_NAME, schema).map_err(wrong)?;
    let index = compiler.compile(SCHEMA_NAME, &mut schemas).map_err(wrong)?;
    let Err(error) = schemas.validate(&value, index) else {
        return Ok(settings.to_owned());
    };
    let mut problems = Vec::new();
    collect(&root, &error, &mut problems);
    let line =
        |(place, what): &(String, String)| format!("{}: {what}", if place.is_empty() { "/" } else { place });
    let message = problems.iter().map(line).collect::<Vec<_>>().join("\n");
    Err(LoadProblem { settings: problems, ..LoadProblem::new(Stage::Settings, message) })
}

/// The innermost causes: they name the place, the outer ones only the way to it.
fn collect(root: &Value, error: &ValidationError<'_, '_>, problems: &mut Vec<(String, String)>) {
    if problems.len() >= MAX_PROBLEMS {
        return;
    }
    if error.causes.is_empty() {
        let place = clean(error.instance_location.to_string(), PROBLEM_CHARS);
        let mut what = told(&error.kind);
        if let ErrorKind::AdditionalProperties { got } = &error.kind {
            what.push_str(&meant(root, error.schema_url, got));
        }
        problems.push((place, clean(what, PROBLEM_CHARS)));
        return;
    }
    for cause in &error.causes {
        collect(root, cause, problems);
    }
}

/// What may have been meant by keys that the schema at this address does not know; empty when it knows none at all.
fn meant(root: &Value, schema_url: &str, unknown: &[Cow<'_, str>]) -> String {
    let pointer = schema_url.split_once('#').map(|(_, pointer)| pointer).unwrap_or_default();
    let keys = root.pointer(pointer).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let keys: Vec<&str> = keys.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    if keys.is_empty() {
        return String::new();
    }
    let mut near: Vec<&str> = unknown.iter().filter_map(|word| nearest::nearest(word, &keys)).collect();
    near.dedup();
    match near.as_slice() {
        [] => format!("; the keys here are {}", quoted(&keys)),
        near => format!("; did you mean {}?", quoted(near)),
    }
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

/// What is wrong, in words of the schema only: the value may be a secret.
fn told(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Pattern { want, .. } => format!("it does not match the pattern {want}"),
        ErrorKind::Format { want, .. } => format!("it is no {want}"),
        ErrorKind::ContentEncoding { want, .. } => format!("it is not encoded as {want}"),
        ErrorKind::ContentMediaType { want, .. } => format!("it is no {want}"),
        ErrorKind::Minimum { want, .. } => format!("it must be at least {want}"),
        ErrorKind::Maximum { want, .. } => format!("it must be at most {want}"),
        ErrorKind::ExclusiveMinimum { want, .. } => format!("it must be more than {want}"),
        ErrorKind::ExclusiveMaximum { want, .. } => format!("it must be less than {want}"),
        ErrorKind::MultipleOf { want, .. } => format!("it must be a multiple of {want}"),
        ErrorKind::AdditionalProperties { got } => {
            let names: Vec<String> = got.iter().map(|name| format!("`{name}`")).collect();
            format!("there is no key {} here", names.join(", "))
        }
        // Types, lengths, names of keys, and what the schema wants instead.
        ErrorKind::Type { .. }
        | ErrorKind::Enum { .. }
        | ErrorKind::Const { .. }
        | ErrorKind::Required { .. }
        | ErrorKind::MinLength { .. }
        | ErrorKind::MaxLength { .. }
        | ErrorKind::MinItems { .. }
        | ErrorKind::MaxItems { .. }
        | ErrorKind::MinProperties { .. }
        | ErrorKind::MaxProperties { .. }
        | ErrorKind::UniqueItems { .. } => kind.to_string(),
        _ => "it does not match the schema".to_owned(),
    }
}

/// Refuses every reference out of the schema.
struct NothingOutside;

impl UrlLoader for NothingOutside {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("a schema may not refer to {}", clean(url.to_owned(), PROBLEM_CHARS)).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{
        "type": "object",
        "properties": {
            "limit": { "type": "integer", "minimum": 1 },
            "rules": { "type": "array", "items": { "enum": ["bulk-write", "schema-change"] } }
        },
        "additionalProperties": false
    }"#;

    #[test]
    fn settings_that_match_pass_and_none_is_an_empty_object() {
        assert_eq!(check(r#"{"limit": 3}"#, SCHEMA).unwrap(), r#"{"limit": 3}"#);
        assert_eq!(check("", SCHEMA).unwrap(), "{}");
        assert_eq!(check(" ", "").unwrap(), "{}");
    }

    #[test]
    fn every_problem_has_its_place() {
        let problem = check(r#"{"limit": 0, "rules": ["bulk-write", "x"], "extra": 1}"#, SCHEMA).unwrap_err();
        assert_eq!(problem.stage, Stage::Settings);
        for place in ["/limit: ", "/rules/1: ", "/: "] {
            assert!(problem.message.contains(place), "{problem}");
        }
        assert!(problem.message.contains("there is no key `extra` here"), "{problem}");
    }

    #[test]
    fn a_key_that_is_not_known_is_told_with_the_one_that_was_meant() {
        let schema = r##"{
            "properties": {
                "limit": {"type": "integer"},
                "protect": {"type": "array", "items": {"$ref": "#/$defs/entry"}}
            },
            "additionalProperties": false,
            "$defs": {"entry": {"properties": {"kinds": {}, "reason": {}}, "additionalProperties": false}}
        }"##;
        let said = |settings: &str| check(settings, schema).unwrap_err().message;
        assert_eq!(said(r#"{"limt": 1}"#), "/: there is no key `limt` here; did you mean `limit`?");
        let inside = said(r#"{"protect": [{"kind": []}]}"#);
        assert_eq!(inside, "/protect/0: there is no key `kind` here; did you mean `kinds`?");
        let far = said(r#"{"colour": 1}"#);
        assert_eq!(far, "/: there is no key `colour` here; the keys here are `limit`, `protect`");
    }

    #[test]
    fn no_problem_tells_a_value() {
        let schema = r#"{"properties": {
            "a": {"pattern": "^[0-9]+$"}, "b": {"format": "uuid"}, "c": {"enum": ["x"]}, "d": {"const": "x"},
            "e": {"maxLength": 1}, "f": {"type": "integer"}, "g": {"anyOf": [{"pattern": "x"}, {"type": "null"}]},
            "h": {"not": {"type": "string"}}, "i": {"contentMediaType": "application/json"}
        }}"#;
        let settings: serde_json::Map<_, _> = ["a", "b", "c", "d", "e", "f", "g", "h", "i"]
            .map(|key| (key.to_owned(), "s3cret!".into()))
            .into_iter()
            .collect();
        let problem = check(&Value::Object(settings).to_string(), schema).unwrap_err();
        assert!(!format!("{problem:?}").contains("s3cret"), "{problem}");
        for place in ["/a", "/c", "/d", "/e", "/f", "/g", "/h"] {
            assert!(problem.settings.iter().any(|(pointer, _)| pointer == place), "{place}: {problem}");
        }
    }

    #[test]
    fn a_schema_reads_nothing_outside_itself() {
        for url in ["file:///etc/passwd", "http://127.0.0.1/x"] {
            let problem = check("{}", &format!(r#"{{"$ref": "{url}"}}"#)).unwrap_err();
            assert_eq!(problem.stage, Stage::Describe);
            assert!(problem.message.contains("may not refer"), "{problem}");
        }
    }

    #[test]
    fn settings_for_a_plugin_that_takes_none_are_refused() {
        assert_eq!(check(r#"{"a": 1}"#, "").unwrap_err().message, "it takes no settings");
        assert_eq!(check("nonsense", "").unwrap_err().stage, Stage::Settings);
    }
}
