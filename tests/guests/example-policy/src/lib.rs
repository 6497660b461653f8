//! What a machine writes waits for a person, and what nobody has understood is denied.

use serde::Deserialize;
use weir_sdk::policy::{Decision, Operation, Policy, SessionInfo};
use weir_sdk::{Fault, log};

#[derive(Deserialize)]
struct Settings {
    /// Kinds of principals that may not write alone.
    watched: Vec<String>,
}

struct FourEyes {
    is_watched: bool,
}

impl Policy for FourEyes {
    const NAME: &'static str = "four-eyes";
    const DESCRIPTION: &'static str = "Writes of machines wait for a person";
    const SETTINGS_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": { "watched": { "type": "array", "items": { "enum": ["human", "agent", "service"] } } },
        "required": ["watched"],
        "additionalProperties": false
    }"#;
    type Settings = Settings;

    fn open(settings: &Settings, session: &SessionInfo) -> Result<Self, Fault> {
        let is_watched = settings.watched.contains(&session.who.kind);
        log::debug(&format!("a session of kind {}, watched: {is_watched}", session.who.kind));
        Ok(Self { is_watched })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        match operation.action.as_str() {
            // Somebody else of the pipeline may allow it, or the resource's default.
            "read" | "session" => Decision::abstain(),
            "write" | "define" | "call" if self.is_watched => {
                Decision::hold("four-eyes", "a machine changes something")
                    .tag("four-eyes-action", &operation.action)
            }
            "write" | "define" | "call" => Decision::abstain(),
            // `unknown`, and words that a later version may have.
            _ => Decision::deny("not-understood", "it cannot be told what this does"),
        }
    }
}

weir_sdk::export_policy!(FourEyes);
