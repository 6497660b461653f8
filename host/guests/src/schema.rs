//! A settings schema is a small program that a guest gave: before it runs, its work is bounded.
//!
//! References make a schema of a kilobyte that takes a century (each definition asks the next one twice), or that
//! calls itself deeper than the stack; counted repetitions make a pattern of ten characters that takes megabytes.
//! So the ways through the schema are counted first, as deep as the settings are, and what asks for too much is
//! refused. Words that make counting impossible (anchors, dynamic references) are refused too.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Longest schema, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Steps for one value: every subschema on the way, as often as it is come by. Ours take less than a hundred.
const MAX_STEPS: u64 = 10_000;
/// Subschemas within one another, references counted: each takes stack.
const MAX_DEPTH: usize = 200;
/// Patterns in one schema, and the length of each in bytes.
const MAX_PATTERNS: usize = 64;
const MAX_PATTERN_BYTES: usize = 512;
/// What the counted repetitions of one pattern may come to together: `(a{10}){10}` is 100.
const MAX_REPETITIONS: u64 = 1_000;

/// Keywords whose value says nothing about the settings, or is no schema.
const DATA: [&str; 9] =
    ["$defs", "definitions", "enum", "const", "default", "examples", "required", "type", "dependentRequired"];
/// Keywords whose schemas are for parts of the value: there are only as many levels of them as the value has.
const INWARD: [&str; 11] = [
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "contentSchema",
];
/// Keywords whose value is an object of schemas by name.
const BY_NAME: [&str; 4] = ["properties", "patternProperties", "dependentSchemas", "dependencies"];
/// What cannot be followed by looking at the text.
const OBSCURE: [&str; 5] = ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];

/// Whether checking a value of `levels` levels (a number has one) against this schema is bounded work.
///
/// # Errors
/// What it asks for too much of, in words.
pub(crate) fn bounded(text: &str, schema: &Value, levels: usize) -> Result<(), String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it is longer than {} KiB", MAX_BYTES / 1024));
    }
    let mut patterns = 0;
    readable(schema, true, &mut patterns)?;
    let mut walk = Walk { root: schema, known: HashMap::new() };
    match walk.steps(schema, levels, 0)? {
        steps if steps > MAX_STEPS => Err(format!("checking one value takes more than {MAX_STEPS} steps")),
        _ => Ok(()),
    }
}

/// How many levels a value has. The parser allows 128.
pub(crate) fn levels(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(levels).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(levels).max().unwrap_or_default(),
        _ => 1,
    }
}

/// No word that cannot be followed, no pattern that is a bomb. Looks at everything, wherever it stands: a word in a
/// place where it means nothing is refused as well, which costs an honest author a renaming.
fn readable(schema: &Value, is_root: bool, patterns: &mut usize) -> Result<(), String> {
    match schema {
        Value::Array(list) => list.iter().try_for_each(|each| readable(each, false, patterns)),
        Value::Object(map) => {
            for (word, value) in map {
                match (word.as_str(), value) {
                    (word, Value::String(_)) if OBSCURE.contains(&word) => {
                        return Err(format!("it uses `{word}`, which settings schemas may not"));
                    }
                    ("$id", Value::String(_)) if !is_root => {
                        return Err(
                            "it gives a part of itself an `$id`, which settings schemas may not".to_owned()
                        );
                    }
                    ("$ref", Value::String(target)) if !target.starts_with('#') => {
                        return Err(format!("a schema may not refer to {target}"));
                    }
                    ("pattern", Value::String(pattern)) => pattern_is_small(pattern, patterns)?,
                    ("patternProperties", Value::Object(by_pattern)) => {
                        by_pattern.keys().try_for_each(|pattern| pattern_is_small(pattern, patterns))?;
                    }
                    _ => {}
                }
                readable(value, false, patterns)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn pattern_is_small(pattern: &str, patterns: &mut usize) -> Result<(), String> {
    *patterns += 1;
    if *patterns > MAX_PATTERNS || pattern.len() > MAX_PATTERN_BYTES {
        return Err(format!(
            "it has more than {MAX_PATTERNS} patterns, or one longer than {MAX_PATTERN_BYTES} bytes"
        ));
    }
    // Whatever stands in braces and begins with digits counts, in a class or escaped as well.
    let counts = pattern.split('{').skip(1).map(|rest| rest.split('}').next().unwrap_or_default());
    let highest = counts.map(|count| {
        let numbers = count.split(',').map(|number| number.trim().parse::<u64>().unwrap_or(1));
        numbers.max().unwrap_or(1).max(1)
    });
    match highest.fold(1, u64::saturating_mul) {
        times if times > MAX_REPETITIONS => {
            Err(format!("a pattern repeats more than {MAX_REPETITIONS} times"))
        }
        _ => Ok(()),
    }
}

struct Walk<'s> {
    root: &'s Value,
    /// Steps of a schema for a value of so many levels; none while they are being counted.
    known: HashMap<(*const Value, usize), Option<u64>>,
}

impl<'s> Walk<'s> {
    fn steps(&mut self, schema: &'s Value, levels: usize, depth: usize) -> Result<u64, String> {
        if depth > MAX_DEPTH {
            return Err(format!("its parts lie within one another more than {MAX_DEPTH} deep"));
        }
        let Value::Object(map) = schema else { return Ok(1) };
        let key = (std::ptr::from_ref(schema), levels);
        match self.known.get(&key) {
            Some(Some(steps)) => return Ok(*steps),
            Some(None) => return Err("a part of it refers to itself without end".to_owned()),
            None => {}
        }
        self.known.insert(key, None);
        let steps = self.of_keywords(map, levels, depth)?;
        self.known.insert(key, Some(steps));
        Ok(steps)
    }

    fn of_keywords(
        &mut self,
        map: &'s Map<String, Value>,
        levels: usize,
        depth: usize,
    ) -> Result<u64, String> {
        let mut steps = 1_u64;
        for (word, value) in map {
            let more = match word.as_str() {
                word if DATA.contains(&word) => 0,
                word if INWARD.contains(&word) => match levels.checked_sub(1) {
                    Some(levels) => self.all(word, value, levels, depth)?,
                    None => 0,
                },
                "$ref" => match value.as_str().and_then(|target| self.target(target)) {
                    Some(target) => self.steps(target, levels, depth + 1)?,
                    // The compiler will say that there is no such thing.
                    None => 0,
                },
                _ => self.all(word, value, levels, depth)?,
            };
            steps = steps.saturating_add(more);
            if steps > MAX_STEPS {
                break;
            }
        }
        Ok(steps)
    }

    /// A schema, a list of them, or, for some words, an object of them by name.
    fn all(&mut self, word: &str, value: &'s Value, levels: usize, depth: usize) -> Result<u64, String> {
        let each: Vec<&'s Value> = match value {
            Value::Array(list) => list.iter().collect(),
            Value::Object(map) if BY_NAME.contains(&word) => map.values().collect(),
            _ => vec![value],
        };
        let schemas = each.into_iter().filter(|each| each.is_object());
        schemas
            .map(|each| self.steps(each, levels, depth + 1))
            .try_fold(0_u64, |sum, steps| Ok(sum.saturating_add(steps?)))
    }

    fn target(&self, reference: &str) -> Option<&'s Value> {
        let pointer = reference.strip_prefix('#')?;
        self.root.pointer(&unescape(pointer))
    }
}

/// Percent-encoding of a fragment; what is none stays.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind
            .first_chunk::<2>()
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(schema: &Value, value: &Value) -> Result<(), String> {
        bounded(&schema.to_string(), schema, levels(value))
    }

    /// Definitions of which each asks the next one `times` times.
    fn chain(length: usize, times: usize, word: &str) -> Value {
        let mut definitions = Map::new();
        for at in 0..length {
            let next = json!({ "$ref": format!("#/$defs/d{}", at + 1) });
            definitions.insert(format!("d{at}"), json!({ word: vec![next; times] }));
        }
        definitions.insert(format!("d{length}"), json!({ "type": "object" }));
        json!({ "$defs": definitions, "$ref": "#/$defs/d0" })
    }

    #[test]
    fn schemas_that_multiply_go_in_circles_or_dig_are_refused() {
        assert!(told(&chain(40, 2, "allOf"), &json!({})).unwrap_err().contains("steps"));
        assert!(told(&chain(40, 2, "x-unknown"), &json!({})).unwrap_err().contains("steps"));
        assert!(told(&chain(5_000, 1, "allOf"), &json!({})).unwrap_err().contains("deep"));
        assert_eq!(told(&chain(8, 2, "allOf"), &json!({})), Ok(()));
        assert!(told(&json!({ "$ref": "#" }), &json!({})).unwrap_err().contains("without end"));
        assert!(
            told(&json!({ "$ref": "#/%24defs/a", "$defs": { "a": { "not": { "$ref": "#" } } } }), &json!({}))
                .is_err()
        );
        for obscure in ["$anchor", "$dynamicRef", "$recursiveRef"] {
            assert!(told(&json!({ "not": { obscure: "#a" } }), &json!({})).unwrap_err().contains(obscure));
        }
        assert!(told(&json!({ "not": { "$id": "urn:x" } }), &json!({})).unwrap_err().contains("$id"));
    }

    #[test]
    fn a_tree_goes_as_deep_as_the_value() {
        let tree = json!({ "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } });
        assert_eq!(told(&tree, &json!({ "left": { "left": 1 } })), Ok(()));
        let mut deep = json!(1);
        for _ in 0..60 {
            deep = json!({ "left": deep });
        }
        assert!(told(&tree, &deep).unwrap_err().contains("steps"));
    }

    #[test]
    fn patterns_are_counted() {
        let pattern = |pattern: &str| told(&json!({ "pattern": pattern }), &json!("a"));
        assert_eq!(pattern("^[0-9a-f]{64}$"), Ok(()));
        assert!(pattern("(a{100}){100}").unwrap_err().contains("repeats"));
        assert!(pattern(&"a".repeat(600)).is_err());
        assert!(told(&json!({ "patternProperties": { "a{9999}": {} } }), &json!({})).is_err());
        let many: Vec<_> = (0..65).map(|at| json!({ "pattern": at.to_string() })).collect();
        assert!(told(&json!({ "anyOf": many }), &json!("a")).is_err());
    }
}
