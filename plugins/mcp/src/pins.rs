//! Definitions of tools, held fast: what a model was told a tool does must not change behind its back.

use crate::notes::Note;
use crate::settings::Settings;
use crate::tree::{Node, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Tools whose definitions a session remembers.
const MAX_TOOLS: usize = 20_000;

/// What a model is told of a tool. Other members (`_meta`, `icons`, `execution`) are not told to it.
const PINNED: [&str; 6] = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"];

/// SHA-256 over the definition as JSON without spaces, keys of all objects in the order of their bytes, strings escaped
/// as little as JSON allows and numbers as written: `sha256:…`.
pub fn digest(definition: &Node<'_>) -> String {
    let mut text = String::from("{");
    for key in PINNED {
        if let Some(value) = definition.member(key) {
            if text.len() > 1 {
                text.push(',');
            }
            quote(key, &mut text);
            text.push(':');
            canonical(value, &mut text);
        }
    }
    text.push('}');
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().fold("sha256:".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn canonical(node: &Node<'_>, text: &mut String) {
    match &node.value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            text.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                quote(key, text);
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Value::List(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                canonical(element, text);
            }
            text.push(']');
        }
        Value::Text(string) => quote(string, text),
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(digits) => text.push_str(digits),
    }
}

fn quote(string: &str, text: &mut String) {
    text.push_str(&serde_json::Value::from(string).to_string());
}

/// What is known of the tools of one session's upstream. It is noted for other sessions of the same principal.
#[derive(Debug, Default)]
pub struct Pins {
    /// by the settings
    pinned: BTreeMap<String, String>,
    only_pinned: bool,
    /// whether tools may be called that were never shown
    allows_unlisted: bool,
    /// digests as first seen
    seen: BTreeMap<String, String>,
    /// the last definition was another one: its digest
    changed: BTreeMap<String, String>,
    /// what other sessions do not know yet
    notes: Vec<Note>,
}

impl Pins {
    pub fn new(settings: &Settings) -> Pins {
        let (only_pinned, allows_unlisted) = (settings.only_pinned(), settings.allows_unlisted());
        Pins { pinned: settings.pins().clone(), only_pinned, allows_unlisted, ..Pins::default() }
    }

    /// A definition was shown: whether it is the one it must be.
    pub fn show(&mut self, tool: &str, digest: &str) -> bool {
        let expected = self.pinned.get(tool).or_else(|| self.seen.get(tool));
        let fits = match expected {
            Some(expected) => expected == digest,
            None => !self.only_pinned,
        };
        let fits = fits && (self.seen.contains_key(tool) || self.seen.len() < MAX_TOOLS);
        if fits {
            let is_new = self.seen.insert(tool.to_owned(), digest.to_owned()).as_deref() != Some(digest);
            if self.changed.remove(tool).is_some() || is_new {
                self.notes.push(Note::Shown(tool.to_owned(), digest.to_owned()));
            }
        } else if self.changed.len() < MAX_TOOLS || self.changed.contains_key(tool) {
            let before = self.changed.insert(tool.to_owned(), digest.to_owned());
            if before.as_deref() != Some(digest) {
                self.notes.push(Note::Changed(tool.to_owned(), digest.to_owned()));
            }
        }
        fits
    }

    /// Another session was shown a definition that fitted. The settings may have changed since, so they come first; and
    /// what this session was shown is what its model knows.
    pub fn noted(&mut self, tool: String, digest: String) {
        let fits = match self.pinned.get(&tool).or_else(|| self.seen.get(&tool)) {
            Some(expected) => *expected == digest,
            None => !self.only_pinned && self.seen.len() < MAX_TOOLS,
        };
        if fits {
            self.changed.remove(&tool);
            self.seen.insert(tool, digest);
        }
    }

    /// Another session was shown one that did not.
    pub fn noted_changed(&mut self, tool: String, digest: String) {
        let fits = self.pinned.get(&tool).or_else(|| self.seen.get(&tool)) == Some(&digest);
        if !fits && self.changed.len() < MAX_TOOLS {
            self.changed.insert(tool, digest);
        }
    }

    /// What is new for other sessions, at most so many.
    pub fn take_notes(&mut self, most: usize) -> Vec<Note> {
        let left = self.notes.split_off(self.notes.len().min(most));
        std::mem::replace(&mut self.notes, left)
    }

    /// Why a tool may not be called. For the client, who may be a model.
    pub fn objection(&self, tool: &str) -> Option<String> {
        if let Some(digest) = self.changed.get(tool) {
            return Some(match self.pinned.contains_key(tool) || !self.only_pinned {
                true => format!(
                    "the definition of the tool `{tool}` is not the one it must be: its digest is {digest}; an \
                     administrator can accept it in the settings"
                ),
                false => format!("the tool `{tool}` ({digest}) is not among those the settings accept"),
            });
        }
        if self.only_pinned && !self.pinned.contains_key(tool) {
            return Some(format!("the tool `{tool}` is not among those the settings accept"));
        }
        let is_known = self.allows_unlisted || self.seen.contains_key(tool);
        (!is_known).then(|| {
            format!(
                "the definition of the tool `{tool}` has not been seen yet, so nobody can tell whether it is what it \
                 should be: ask for `tools/list`, then call it again"
            )
        })
    }

    /// How a definition is known: by the settings, because it was listed, or not at all.
    pub fn known_by(&self, tool: &str) -> &'static str {
        match (self.seen.contains_key(tool), self.pinned.contains_key(tool)) {
            (false, _) => "no",
            (true, true) => "settings",
            (true, false) => "listed",
        }
    }

    pub fn is_changed(&self, tool: &str) -> bool {
        self.changed.contains_key(tool)
    }

    /// The digest of the definition that holds, when it was shown in this session or is in the settings.
    pub fn digest(&self, tool: &str) -> Option<&str> {
        self.pinned.get(tool).or_else(|| self.seen.get(tool)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        digest(&crate::tree::read(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_digest_is_of_what_is_meant_not_of_how_it_is_written() {
        let one = of(r#"{"name":"a","description":"x@","inputSchema":{"type":"object","b":[1,true,null]}}"#);
        let other = of(r#"{ "inputSchema" : {"b":[1, true, null],"type":"object"}, "_meta":{"x":1},
                "description":"x\u0040", "name":"a" }"#);
        assert_eq!(one, other);
        // Anybody can compute it: printf '…' | sha256sum
        assert_eq!(of(r#"{"name":"a"}"#), {
            let hash = Sha256::digest(br#"{"name":"a"}"#);
            format!("sha256:{}", hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
        });
        for different in [
            r#"{"name":"a","description":"x@ ","inputSchema":{"type":"object","b":[1,true,null]}}"#,
            r#"{"name":"a","description":"x@","inputSchema":{"type":"object","b":[true,1,null]}}"#,
            r#"{"name":"a","description":"x@","title":"t","inputSchema":{"type":"object","b":[1,true,null]}}"#,
            r#"{"name":"a","description":"x@","annotations":{},"inputSchema":{"type":"object","b":[1,true,null]}}"#,
        ] {
            assert_ne!(one, of(different), "{different}");
        }
    }

    #[test]
    fn the_command_in_the_readme_computes_the_same() {
        let definition = r#"{"name":"find","title":"Find \u00fc / \"x\"","description":"Line\nbreak","inputSchema":{"type":"object","required":["b","a"],"properties":{"z":{"type":"integer","maximum":10},"a":{"type":"string"}}},"annotations":{"readOnlyHint":true},"_meta":{"x":1},"execution":{"taskSupport":"optional"}}"#;
        assert_eq!(of(definition), "sha256:bfce81c53fcd41bb821057f9f0f5485ca2839a28529d9101eeac93f5f722985c");
    }

    #[test]
    fn the_first_definition_holds_until_the_settings_say_otherwise() {
        let mut pins = Pins::new(&Settings::default());
        assert!(pins.show("a", "sha256:1") && pins.show("a", "sha256:1"));
        assert_eq!(pins.objection("a"), None);
        assert!(!pins.show("a", "sha256:2"));
        assert!(pins.objection("a").unwrap().contains("sha256:2"));
        assert!(pins.show("a", "sha256:1"));
        assert_eq!(pins.objection("a"), None);
        assert_eq!(pins.digest("a"), Some("sha256:1"));
    }

    #[test]
    fn settings_come_before_what_was_seen() {
        let digest = format!("sha256:{}", "1".repeat(64));
        let text = format!(r#"{{"tools": {{"a": "{digest}"}}, "only_pinned": true}}"#);
        let mut pins = Pins::new(&serde_json::from_str(&text).unwrap());
        assert!(!pins.show("a", "sha256:2"));
        assert!(pins.objection("a").unwrap().contains("sha256:2"));
        assert!(pins.show("a", &digest));
        assert_eq!(pins.objection("a"), None);
        assert!(!pins.show("b", "sha256:3"));
        assert!(pins.objection("b").unwrap().contains("sha256:3"));
        assert!(pins.objection("never-listed").is_some());
    }
}
