//! Rules as written and as used.

use crate::names::Pattern;
use serde::Deserialize;
use weir_glob::{Glob, MAX_PATTERN_BYTES};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    protect: Vec<Protected>,
}

/// One rule as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Protected {
    #[serde(default)]
    objects: Vec<String>,
    #[serde(default)]
    attributes: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    #[serde(default)]
    kinds: Vec<String>,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    answer: Answer,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    reviewers: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    #[default]
    Hold,
    Deny,
}

/// One rule, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rule {
    pub objects: Vec<Pattern>,
    pub attributes: Vec<AttributePattern>,
    /// One of them is enough, and the rule says nothing.
    pub unless: Vec<AttributePattern>,
    pub kinds: Vec<Glob>,
    pub actions: Actions,
    pub answer: Answer,
    /// Empty: none is given.
    pub reason: String,
    /// Empty: those of the resource.
    pub reviewers: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct AttributePattern {
    pub text: String,
    pub name: String,
    pub value: Glob,
}

/// Words of the contract.
const ACTIONS: [&str; 6] = ["read", "write", "define", "call", "session", "unknown"];
/// Those that change nothing but the session.
const HARMLESS: [&str; 2] = ["read", "session"];

#[derive(Clone, Debug)]
pub struct Actions(Vec<String>);

impl Actions {
    /// A word that is not known may stand for any change.
    pub fn cover(&self, action: &str) -> bool {
        if action == "unknown" || !ACTIONS.contains(&action) {
            return self.0.iter().any(|word| !HARMLESS.contains(&word.as_str()));
        }
        self.0.iter().any(|word| word == action)
    }
}

impl Settings {
    /// # Errors
    /// What is wrong, with the number of the rule, counted from 1.
    pub fn rules(&self) -> Result<Vec<Rule>, String> {
        let numbered = self.protect.iter().zip(1..);
        numbered.map(|(rule, number)| rule.ready().map_err(|why| format!("rule {number}: {why}"))).collect()
    }
}

impl Protected {
    fn ready(&self) -> Result<Rule, String> {
        if self.objects.is_empty() && self.attributes.is_empty() {
            return Err("says nothing of what is protected: set `objects` or `attributes`".to_owned());
        }
        let all = self.objects.iter().chain(&self.attributes).chain(&self.unless).chain(&self.kinds);
        for pattern in all {
            if pattern.is_empty() {
                return Err("a pattern is empty".to_owned());
            }
            if pattern.len() > MAX_PATTERN_BYTES {
                return Err(format!("a pattern is longer than {MAX_PATTERN_BYTES} bytes"));
            }
        }
        if let Some(word) = self.actions.iter().find(|word| !ACTIONS.contains(&word.as_str())) {
            return Err(format!("there is no action `{word}`: {}", ACTIONS.join(", ")));
        }
        if self.answer == Answer::Deny && !self.reviewers.is_empty() {
            return Err("`reviewers` are asked only when `answer` is \"hold\"".to_owned());
        }
        let is_reviewer = |name: &&String| {
            ["group:", "user:"].iter().any(|kind| name.strip_prefix(kind).is_some_and(|n| !n.is_empty()))
        };
        if let Some(name) = self.reviewers.iter().find(|name| !is_reviewer(name)) {
            return Err(format!("the reviewer `{name}` is neither `group:NAME` nor `user:NAME`"));
        }
        let kinds = if self.kinds.is_empty() {
            vec![any_kind()]
        } else {
            self.kinds.iter().map(|k| kind(k)).collect()
        };
        let changes = ACTIONS.iter().filter(|word| !HARMLESS.contains(word));
        let actions = if self.actions.is_empty() {
            changes.map(|word| (*word).to_owned()).collect()
        } else {
            self.actions.clone()
        };
        Ok(Rule {
            objects: self.objects.iter().map(|text| Pattern::new(text)).collect(),
            attributes: self.attributes.iter().map(|text| attribute(text)).collect::<Result<_, _>>()?,
            unless: self.unless.iter().map(|text| attribute(text)).collect::<Result<_, _>>()?,
            kinds,
            actions: Actions(actions),
            answer: self.answer,
            reason: self.reason.clone(),
            reviewers: self.reviewers.clone(),
        })
    }
}

/// Kinds have no segments: `*` is every kind, `sql.*` every kind of SQL.
fn kind(pattern: &str) -> Glob {
    Glob::new(pattern, 0)
}

fn any_kind() -> Glob {
    kind("*")
}

fn attribute(text: &str) -> Result<AttributePattern, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !name.contains('*') => Ok(AttributePattern {
            text: text.to_owned(),
            name: name.to_owned(),
            value: Glob::new(&value.to_lowercase(), b'/'),
        }),
        _ => Err(format!("the attribute `{text}` is no `name=value`, with a name without `*`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: &str) -> Result<Vec<Rule>, String> {
        serde_json::from_str::<Settings>(json).map_err(|error| error.to_string())?.rules()
    }

    #[test]
    fn what_is_not_written_has_a_default() {
        let rules = rules(r#"{"protect": [{"objects": ["refs/heads/main"]}]}"#).unwrap();
        let rule = &rules[0];
        assert_eq!(rule.answer, Answer::Hold);
        assert!(rule.kinds[0].matches("git.update-ref") && rule.kinds[0].matches("anything"));
        for (action, covered) in [
            ("read", false),
            ("session", false),
            ("write", true),
            ("define", true),
            ("call", true),
            ("unknown", true),
            ("new-word", true),
        ] {
            assert_eq!(rule.actions.cover(action), covered, "{action}");
        }
    }

    #[test]
    fn an_unknown_action_may_be_any_change_but_is_not_asked_of_rules_for_reading() {
        for (actions, covered) in [("\"define\"", true), ("\"read\"", false), ("\"read\", \"call\"", true)] {
            let json = format!(r#"{{"protect": [{{"objects": ["a"], "actions": [{actions}]}}]}}"#);
            assert_eq!(rules(&json).unwrap()[0].actions.cover("unknown"), covered, "{actions}");
        }
    }

    #[test]
    fn bad_rules_are_refused_with_their_number() {
        for (rule, part) in [
            (r#"{}"#, "says nothing"),
            (r#"{"objects": [""]}"#, "empty"),
            (r#"{"objects": ["a"], "actions": ["writes"]}"#, "no action `writes`"),
            (r#"{"objects": ["a"], "reviewers": ["leads"]}"#, "neither"),
            (r#"{"objects": ["a"], "reviewers": ["group:"]}"#, "neither"),
            (r#"{"objects": ["a"], "answer": "deny", "reviewers": ["group:a"]}"#, "only when"),
            (r#"{"attributes": ["git-update"]}"#, "name=value"),
            (r#"{"attributes": ["*=delete"]}"#, "name=value"),
            (r#"{"objects": ["a"], "unless": ["git-update"]}"#, "name=value"),
            (r#"{"objects": ["a"], "unless": [""]}"#, "empty"),
            (r#"{"unless": ["a=b"]}"#, "says nothing"),
        ] {
            let message = rules(&format!(r#"{{"protect": [{{"objects": ["b"]}}, {rule}]}}"#)).unwrap_err();
            assert!(message.starts_with("rule 2: ") && message.contains(part), "{rule}: {message}");
        }
        let long = "a".repeat(MAX_PATTERN_BYTES + 1);
        assert!(
            rules(&format!(r#"{{"protect": [{{"objects": ["{long}"]}}]}}"#)).unwrap_err().contains("longer")
        );
        assert!(rules(r#"{"protect": [{"object": ["a"]}]}"#).is_err());
        assert!(rules(r#"{"protect": [{"objects": ["a"], "answer": "allow"}]}"#).is_err());
    }

    #[test]
    fn the_schema_names_the_actions() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("settings.schema.json")).unwrap();
        let rule = &schema["properties"]["protect"]["items"]["properties"];
        let named: Vec<&str> = rule["actions"]["items"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|w| w.as_str().unwrap())
            .collect();
        assert_eq!(named, ACTIONS);
    }
}
