//! The policy for changes of protected things, whatever their protocol: branches, paths, tools, relations.
//!
//! It is written against operations alone: what matters is their kind, their action and the names of what they touch.
//! It remembers nothing, so it can be replaced at any time.

pub mod judge;
pub mod names;
pub mod reach;
pub mod settings;

use judge::Guard;
use settings::Settings;
use weir_sdk::policy::{Decision, Fault, Operation, Policy, SessionInfo};

impl Policy for Guard {
    const NAME: &'static str = "change-guard";
    const DESCRIPTION: &'static str = "Holds or denies changes of protected things of any protocol";
    const SETTINGS_SCHEMA: &'static str = include_str!("settings.schema.json");

    type Settings = Settings;

    fn check(settings: &Settings) -> Result<(), Fault> {
        settings.rules().map(drop).map_err(|message| Fault::new("settings", message))
    }

    fn open(settings: &Settings, _: &SessionInfo) -> Result<Self, Fault> {
        settings.rules().map(Guard::new).map_err(|message| Fault::new("settings", message))
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        // No value of a parameter is looked at.
        self.judge(operation).reusable()
    }
}

weir_sdk::export_policy!(Guard);
