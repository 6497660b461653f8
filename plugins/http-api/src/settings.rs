//! Settings as written, and what they mean. The schema describes every field.

use crate::media::{self, Look};
use crate::percent;
use serde::Deserialize;

pub const SCHEMA: &str = include_str!("settings.schema.json");

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    paths: Vec<String>,
    actions: Vec<ActionSetting>,
    types: Vec<TypeSetting>,
    unseen_bodies: Unseen,
    unseen_answers: UnseenAnswers,
    malformed_answers: Malformed,
    matrix_parameters: bool,
    query_semicolons: bool,
    claimed: Vec<String>,
    binary_messages: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionSetting {
    #[serde(default)]
    methods: Vec<String>,
    path: String,
    action: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeSetting {
    #[serde(rename = "type")]
    media_type: String,
    #[serde(rename = "as")]
    look: Look,
}

/// What becomes of a request whose body cannot be judged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unseen {
    #[default]
    Refuse,
    Allow,
}

/// What becomes of an answer in which no value can be found.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum UnseenAnswers {
    Allow,
    /// pictures, sounds and fonts, and the types that settings call unseen
    #[default]
    Media,
    Refuse,
}

/// What becomes of an answer that begins as JSON and is none.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Malformed {
    #[default]
    Refuse,
    Text,
}

/// As used.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(crate) templates: Vec<Template>,
    actions: Vec<ActionRule>,
    pub(crate) types: Vec<(String, Look)>,
    pub(crate) unseen_bodies: Unseen,
    pub(crate) unseen_answers: UnseenAnswers,
    pub(crate) malformed: Malformed,
    pub(crate) matrix_parameters: bool,
    pub(crate) query_semicolons: bool,
    claimed: Vec<String>,
    /// paths whose binary messages pass unseen
    binary: Vec<Vec<String>>,
}

#[derive(Clone, Debug)]
struct ActionRule {
    methods: Vec<String>,
    path: Vec<String>,
    action: String,
}

/// A path with names for what differs.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// as written
    pub(crate) text: String,
    segments: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Named(String),
}

/// What clients say of themselves, and agents of the conversation they act in.
const CLAIMED: &[&str] = &[
    "user-agent",
    "traceparent",
    "tracestate",
    "baggage",
    "x-request-id",
    "x-client-request-id",
    "x-correlation-id",
    "x-session-id",
    "x-conversation-id",
    "session-id",
    "thread-id",
    "x-codex-turn-metadata",
    "mcp-session-id",
];

const ACTIONS: &[&str] = &["read", "write", "define", "call", "session", "unknown"];

impl Settings {
    /// # Errors
    /// Which setting is wrong, and why.
    pub fn rules(&self) -> Result<Rules, String> {
        let templates = self.paths.iter().map(|path| Template::parse(path)).collect::<Result<_, _>>()?;
        let actions = self.actions.iter().map(ActionRule::parse).collect::<Result<_, _>>()?;
        let types = self.types.iter().map(|setting| {
            let essence = media::Media::parse(&setting.media_type);
            let essence = essence.filter(|media| media.charset.is_none()).map(|media| media.essence);
            let essence =
                essence.ok_or_else(|| format!("types: {:?} is no media type", setting.media_type))?;
            Ok((essence, setting.look))
        });
        let binary = self.binary_messages.iter().map(|path| {
            let rest = path.strip_prefix('/');
            let rest = rest.ok_or_else(|| format!("binary_messages: `{path}` does not begin with /"))?;
            Ok(rest.split('/').map(str::to_owned).collect())
        });
        Ok(Rules {
            binary: binary.collect::<Result<_, String>>()?,
            templates,
            actions,
            types: types.collect::<Result<_, String>>()?,
            unseen_bodies: self.unseen_bodies,
            unseen_answers: self.unseen_answers,
            malformed: self.malformed_answers,
            matrix_parameters: self.matrix_parameters,
            query_semicolons: self.query_semicolons,
            claimed: self.claimed.iter().map(|name| name.to_ascii_lowercase()).collect(),
        })
    }
}

impl Rules {
    /// By the first rule of the settings that fits, else by the method alone.
    pub(crate) fn action(&self, method: &str, path: &str) -> &str {
        if let Some(action) = self.ruled(method, path) {
            return action;
        }
        match method {
            "GET" | "HEAD" | "OPTIONS" => "read",
            "POST" | "PUT" | "PATCH" | "DELETE" => "write",
            _ => "unknown",
        }
    }

    /// Of a message: what it does nobody can tell, so it counts as one that changes something.
    pub(crate) fn message_action(&self, method: &str, path: &str) -> &str {
        self.ruled(method, path).unwrap_or("write")
    }

    fn ruled(&self, method: &str, path: &str) -> Option<&str> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        self.actions.iter().find(|rule| rule.fits(method, &parts)).map(|rule| rule.action.as_str())
    }

    /// Whether binary messages on a path pass unseen.
    pub(crate) fn passes_binary(&self, path: &str) -> bool {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        self.binary.iter().any(|pattern| fits_path(pattern, &parts))
    }

    /// Whether the settings say that a type is not looked at.
    pub(crate) fn is_unseen_by_name(&self, essence: &str) -> bool {
        self.types.iter().any(|(known, look)| known == essence && *look == Look::Unseen)
    }

    pub(crate) fn is_claimed(&self, header: &str) -> bool {
        CLAIMED.contains(&header) || self.claimed.iter().any(|pattern| fits(pattern, header))
    }
}

impl ActionRule {
    fn parse(setting: &ActionSetting) -> Result<Self, String> {
        let ActionSetting { methods, path, action } = setting;
        if !ACTIONS.contains(&action.as_str()) {
            return Err(format!("actions: there is no action `{action}`"));
        }
        let rest =
            path.strip_prefix('/').ok_or_else(|| format!("actions: `{path}` does not begin with /"))?;
        Ok(Self {
            methods: methods.clone(),
            path: rest.split('/').map(str::to_owned).collect(),
            action: action.clone(),
        })
    }

    fn fits(&self, method: &str, path: &[&str]) -> bool {
        let has_method = self.methods.is_empty() || self.methods.iter().any(|known| known == method);
        has_method && fits_path(&self.path, path)
    }
}

/// `**` stands for any number of segments, `*` for any text within one. The rows of a table instead of recursion, so
/// that no pattern is slow: one entry for each number of segments that the pattern so far may have taken.
fn fits_path(pattern: &[String], path: &[&str]) -> bool {
    let mut reached = vec![false; path.len() + 1];
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        let mut before = false;
        for (taken, place) in next.iter_mut().enumerate() {
            let here = reached.get(taken).copied().unwrap_or_default();
            *place = match part.as_str() {
                "**" => here || before,
                part => {
                    let last = taken.checked_sub(1);
                    let ready = last.and_then(|last| reached.get(last)).copied().unwrap_or_default();
                    ready && last.and_then(|last| path.get(last)).is_some_and(|segment| fits(part, segment))
                }
            };
            before = *place;
        }
        reached = next;
    }
    reached.last().copied().unwrap_or_default()
}

/// `*` stands for any text. Greedy: after the last `*` only the nearest start can be right.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|head| text.strip_prefix(head)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part).and_then(|at| rest.get(at + part.len()..)) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    rest.ends_with(last)
}

impl Template {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("paths: `{text}`: {why}");
        let rest = text.strip_prefix('/').ok_or_else(|| wrong("it does not begin with /"))?;
        let mut segments = Vec::new();
        for part in rest.split('/') {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            segments.push(match name {
                Some(name) if !name.is_empty() && name.bytes().all(is_name_byte) => {
                    let twice =
                        segments.iter().any(|part| matches!(part, Part::Named(known) if known == name));
                    if twice {
                        return Err(wrong("a name stands in it twice"));
                    }
                    Part::Named(name.to_owned())
                }
                _ if part.is_empty() => return Err(wrong("an empty segment, or a slash at the end")),
                _ if part.contains(['{', '}']) => {
                    return Err(wrong("a name is letters, digits, `-` and `_`, and takes a whole segment"));
                }
                _ => Part::Literal(percent::decode(part, false).map_err(wrong)?),
            });
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    pub(crate) fn fits(&self, path: &[String]) -> bool {
        let same = |(part, segment): (&Part, &String)| match part {
            Part::Literal(literal) => literal == segment,
            Part::Named(_) => true,
        };
        self.segments.len() == path.len() && self.segments.iter().zip(path).all(same)
    }

    pub(crate) fn literals(&self) -> usize {
        self.segments.iter().filter(|part| matches!(part, Part::Literal(_))).count()
    }

    /// Names and values, in order.
    pub(crate) fn parameters(&self, path: &[String]) -> Vec<(String, String)> {
        let each = self.segments.iter().zip(path);
        each.filter_map(|(part, segment)| match part {
            Part::Named(name) => Some((name.clone(), segment.clone())),
            Part::Literal(_) => None,
        })
        .collect()
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<Rules, String> {
        serde_json::from_str::<Settings>(json).map_err(|error| error.to_string())?.rules()
    }

    #[test]
    fn the_first_rule_that_fits_says_the_action() {
        let rules = rules(
            r#"{"actions": [
                {"methods": ["POST"], "path": "/**/search", "action": "read"},
                {"path": "/v1/*/run-*", "action": "call"}
            ]}"#,
        )
        .unwrap();
        for (method, path, action) in [
            ("POST", "/search", "read"),
            ("POST", "/v1/customers/search", "read"),
            ("PUT", "/v1/customers/search", "write"),
            ("GET", "/v1/jobs/run-all", "call"),
            ("GET", "/v1/a/b/run-all", "read"),
            ("OPTIONS", "*", "read"),
            ("get", "/x", "unknown"),
            ("PURGE", "/x", "unknown"),
        ] {
            assert_eq!(rules.action(method, path), action, "{method} {path}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (json, word) in [
            (r#"{"paths": ["v1"]}"#, "begin"),
            (r#"{"paths": ["/v1/"]}"#, "empty"),
            (r#"{"paths": ["/{a}/{a}"]}"#, "twice"),
            (r#"{"paths": ["/a{b}"]}"#, "whole segment"),
            (r#"{"actions": [{"path": "/x", "action": "look"}]}"#, "look"),
            (r#"{"types": [{"type": "json", "as": "json"}]}"#, "media type"),
            (r#"{"types": [{"type": "a/b", "as": "picture"}]}"#, "picture"),
            (r#"{"binary_messages": ["v1"]}"#, "binary_messages"),
            (r#"{"path": []}"#, "path"),
        ] {
            let said = rules(json).unwrap_err();
            assert!(said.contains(word), "{json}: {said}");
        }
    }

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("ab*ba", "aba", false),
            ("x-*-id", "x-agent-id", true),
            ("abc", "abcd", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_schema_has_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(SCHEMA).unwrap();
        let keys: Vec<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut known = [
            "paths",
            "actions",
            "types",
            "unseen_bodies",
            "unseen_answers",
            "malformed_answers",
            "matrix_parameters",
            "query_semicolons",
            "claimed",
            "binary_messages",
        ];
        known.sort_unstable();
        assert_eq!(keys, known);
    }
}
