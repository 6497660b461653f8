//! A policy: some tables are only for some groups.

use weir_sdk::policy::{Decision, Fault, Operation, Policy, SessionInfo};

/// What stands under `[plugin.{{name}}.settings]`. `settings.schema.json` says the same to the gateway.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    tables: Vec<String>,
    groups: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tables: vec!["salaries".into()], groups: vec!["leads".into()] }
    }
}

/// One value lives for one session.
struct Rules {
    tables: Vec<String>,
    is_free: bool,
}

impl Policy for Rules {
    const NAME: &'static str = "{{name}}";
    const DESCRIPTION: &'static str = "Some tables are only for some groups";
    const SETTINGS_SCHEMA: &'static str = include_str!("settings.schema.json");
    type Settings = Settings;

    fn open(settings: &Settings, session: &SessionInfo) -> Result<Self, Fault> {
        let is_free = session.who.groups.iter().any(|group| settings.groups.contains(group));
        Ok(Self { tables: settings.tables.clone(), is_free })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        // `objects` are the tables the inspector found, rather too many than too few: `public.salaries`.
        let is_closed = |object: &String| {
            let name = object.rsplit('.').next().unwrap_or(object);
            self.tables.iter().any(|table| table == name)
        };
        if !self.is_free && operation.objects.iter().any(is_closed) {
            // The client reads this: no values in it.
            return Decision::deny("closed-table", "this table is not for you");
        }
        // No opinion: the other policies, or the resource's default, decide.
        Decision::abstain()
    }
}

weir_sdk::export_policy!(Rules);
