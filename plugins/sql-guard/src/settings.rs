//! What each class of statement gets.
//!
//! A class that is not named keeps its default: what only reads, writes selectively or concerns the session is
//! allowed; what changes many rows or the schema waits for a reviewer; what can do anything, or is not
//! understood, is denied.

use serde::Deserialize;
use weir_glob::matches;
use weir_sql::Class;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    allow: Vec<String>,
    hold: Vec<String>,
    deny: Vec<String>,
    functions: Vec<String>,
}

/// What happens to a class. In order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Allow,
    Hold,
    Deny,
}

/// Settings, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rules {
    answers: Vec<(Class, Answer)>,
    functions: Vec<String>,
}

fn default_of(class: Class) -> Answer {
    match class {
        Class::SessionSetting
        | Class::Transaction
        | Class::Read
        | Class::Listen
        | Class::Lock
        | Class::Cursor
        | Class::Prepared
        | Class::Maintenance
        | Class::Write => Answer::Allow,
        Class::BulkWrite | Class::SchemaChange => Answer::Hold,
        Class::FunctionCall
        | Class::ParsingSetting
        | Class::PrivilegeChange
        | Class::FileOrNetwork
        | Class::CodeExecution
        | Class::Unknown => Answer::Deny,
    }
}

impl Settings {
    /// # Errors
    /// When a class is unknown or named twice.
    pub fn rules(&self) -> Result<Rules, String> {
        let mut answers: Vec<(Class, Answer)> = Vec::new();
        for (names, answer) in
            [(&self.allow, Answer::Allow), (&self.hold, Answer::Hold), (&self.deny, Answer::Deny)]
        {
            for name in names {
                let class = Class::ALL.into_iter().find(|class| class.name() == name);
                let class = class.ok_or_else(|| format!("there is no class `{name}`"))?;
                if answers.iter().any(|(known, _)| *known == class) {
                    return Err(format!(
                        "the class `{name}` is named twice: put it in one of allow, hold, deny"
                    ));
                }
                answers.push((class, answer));
            }
        }
        let functions = self.functions.iter().map(|pattern| pattern.to_lowercase()).collect();
        Ok(Rules { answers, functions })
    }
}

impl Rules {
    pub fn answer(&self, class: Class) -> Answer {
        let named = self.answers.iter().find(|(known, _)| *known == class);
        named.map_or_else(|| default_of(class), |(_, answer)| *answer)
    }

    /// Whether the settings vouch for a function. Names come folded.
    pub fn vouches_for(&self, function: &str) -> bool {
        self.functions.iter().any(|pattern| matches(pattern, function))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_every_class() {
        let schema: serde_json::Value = serde_json::from_str(include_str!("settings.schema.json")).unwrap();
        let named: Vec<&str> = schema["$defs"]["classes"]["items"]["enum"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        assert_eq!(named, Class::ALL.map(Class::name));
    }

    #[test]
    fn settings_override_defaults_and_contradictions_are_refused() {
        let settings = |json: &str| serde_json::from_str::<Settings>(json).unwrap().rules();
        let rules = settings(r#"{"deny": ["write"], "allow": ["schema-change"]}"#).unwrap();
        assert_eq!(rules.answer(Class::Write), Answer::Deny);
        assert_eq!(rules.answer(Class::SchemaChange), Answer::Allow);
        assert_eq!(rules.answer(Class::BulkWrite), Answer::Hold);
        assert_eq!(rules.answer(Class::Unknown), Answer::Deny);
        assert!(settings(r#"{"deny": ["write"], "hold": ["write"]}"#).unwrap_err().contains("twice"));
        assert!(settings(r#"{"deny": ["writes"]}"#).unwrap_err().contains("writes"));
    }
}
