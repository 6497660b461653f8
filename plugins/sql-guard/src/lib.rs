//! The standard policy for SQL: classifies what a statement does and answers by its settings.
//!
//! The classes and the rules for telling them apart are `weir-sql`'s; what is allowed, held or denied is
//! [`settings`]'. It remembers nothing: what an EXECUTE runs is said by the inspector, so it can be replaced at any
//! time.

pub mod judge;
pub mod settings;

use judge::Guard;
use settings::Settings;
use weir_sdk::policy::{Decision, Fault, Operation, Policy, SessionInfo};

impl Policy for Guard {
    const NAME: &'static str = "sql-guard";
    const DESCRIPTION: &'static str = "Allows, holds or denies SQL by what it does";
    const SETTINGS_SCHEMA: &'static str = include_str!("settings.schema.json");

    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        settings.rules().map(drop).map_err(|message| Fault::new("settings", message))
    }

    fn open(settings: &Settings, _: &SessionInfo) -> Result<Self, Fault> {
        settings.rules().map(Guard::new).map_err(|message| Fault::new("settings", message))
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        self.judge(operation)
    }
}

weir_sdk::export_policy!(Guard);
