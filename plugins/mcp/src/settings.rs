//! What an administrator says: where MCP is, which tools are shown to whom, and what their definitions must be.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// where MCP is served; empty: anywhere
    paths: Vec<String>,
    /// which tools are shown and may be called; empty: all
    visible: Vec<Visible>,
    /// digests of the definitions of tools
    tools: BTreeMap<String, String>,
    /// tools that are not in `tools` are not offered
    only_pinned: bool,
    /// what becomes of calls of tools that were never listed
    unlisted: Unlisted,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Unlisted {
    #[default]
    Refuse,
    Allow,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Visible {
    /// empty: everybody
    groups: Vec<String>,
    tools: Vec<String>,
}

impl Settings {
    /// # Errors
    /// When a digest is none, or a path cannot be one.
    pub fn check(&self) -> Result<(), String> {
        for (name, digest) in &self.tools {
            let hex = digest.strip_prefix("sha256:").unwrap_or_default();
            if hex.len() != 64
                || !hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
            {
                return Err(format!("the digest of the tool `{name}` must be sha256: and 64 digits 0-9a-f"));
            }
        }
        match self.paths.iter().find(|path| !path.starts_with('/') || path.contains(['?', '#'])) {
            Some(path) => Err(format!("`{path}` is no path: it begins with `/` and has no `?`")),
            None => Ok(()),
        }
    }

    /// Exact: two spellings of one path may be two things to the upstream.
    pub fn serves(&self, path: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|served| served == path)
    }

    pub fn pins(&self) -> &BTreeMap<String, String> {
        &self.tools
    }

    pub fn only_pinned(&self) -> bool {
        self.only_pinned
    }

    pub fn allows_unlisted(&self) -> bool {
        self.unlisted == Unlisted::Allow
    }

    /// The tools for somebody of these groups.
    pub fn offer(&self, groups: &[String]) -> Offer {
        if self.visible.is_empty() {
            return Offer { patterns: None };
        }
        let fits = |entry: &&Visible| {
            entry.groups.is_empty() || entry.groups.iter().any(|group| groups.contains(group))
        };
        let patterns = self.visible.iter().filter(fits).flat_map(|entry| entry.tools.iter().cloned());
        Offer { patterns: Some(patterns.collect()) }
    }
}

/// The tools a principal is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// none: all
    patterns: Option<Vec<String>>,
}

impl Offer {
    pub fn has(&self, tool: &str) -> bool {
        self.patterns.as_ref().is_none_or(|all| all.iter().any(|pattern| weir_glob::matches(pattern, tool)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Settings {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn groups_see_the_sum_of_what_they_may() {
        let settings = settings(
            r#"{"visible": [{"groups": ["ops"], "tools": ["*"]}, {"groups": ["dev"], "tools": ["read_*"]},
                {"tools": ["echo"]}]}"#,
        );
        let has = |groups: &[&str], tool: &str| {
            settings.offer(&groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>()).has(tool)
        };
        assert!(has(&["ops"], "drop_table"));
        assert!(has(&["dev"], "read_file") && has(&["dev"], "echo") && !has(&["dev"], "drop_table"));
        assert!(has(&[], "echo") && !has(&[], "read_file"));
        assert!(Settings::default().offer(&[]).has("anything"));
    }

    #[test]
    fn wrong_settings_are_named() {
        assert!(settings(r#"{"tools": {"echo": "sha256:12"}}"#).check().unwrap_err().contains("echo"));
        assert!(settings(r#"{"tools": {"echo": "12"}}"#).check().is_err());
        assert!(settings(r#"{"paths": ["mcp"]}"#).check().is_err());
        let good = format!(r#"{{"paths": ["/mcp"], "tools": {{"echo": "sha256:{}"}}}}"#, "a".repeat(64));
        assert_eq!(settings(&good).check(), Ok(()));
        assert!(serde_json::from_str::<Settings>(r#"{"visble": []}"#).is_err());
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("settings.schema.json")).unwrap();
        let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(named, ["only_pinned", "paths", "tools", "unlisted", "visible"]);
    }
}
