//! What sessions of one principal tell each other: which sessions of MCP are theirs, and what they were told of tools.
//!
//! A session of weir ends when nothing was asked for ten minutes, and another address or token has one of its own. A
//! client notices none of that, so what protects it must not end there. The gateway keeps notes in memory only.

use serde::{Deserialize, Serialize};

/// The longest note, in bytes: the contract's limit. What is longer is not noted.
const MAX_NOTE: usize = 2048;

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Note {
    /// a session of MCP
    Given(String),
    /// a tool and the digest of its definition, as it was shown
    Shown(String, String),
    /// the same, but it was another one than before, and hidden
    Changed(String, String),
}

impl Note {
    pub fn text(&self) -> Option<String> {
        serde_json::to_string(self).ok().filter(|text| text.len() <= MAX_NOTE)
    }

    pub fn read(text: &str) -> Option<Note> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is() {
        for note in [
            Note::Given("s \" 1".into()),
            Note::Shown("find".into(), "sha256:1".into()),
            Note::Changed("find".into(), "sha256:2".into()),
        ] {
            assert_eq!(Note::read(&note.text().unwrap()), Some(note));
        }
        assert_eq!(Note::Given("x".repeat(MAX_NOTE)).text(), None);
        assert_eq!(Note::read(r#"{"other": "s"}"#), None);
        assert_eq!(Note::read("no"), None);
    }
}
