//! A masker: some columns are hidden from everybody but some groups.

use weir_sdk::masker::{Batch, Column, Edits, Fault, Masker, MaskingPlan, Operation, SessionInfo};

/// What stands under `[plugin.{{name}}.settings]`. `settings.schema.json` says the same to the gateway.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    columns: Vec<String>,
    groups: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { columns: vec!["salary".into()], groups: vec!["leads".into()] }
    }
}

/// One value lives for one session.
struct Hide {
    columns: Vec<String>,
    is_free: bool,
}

impl Masker for Hide {
    const NAME: &'static str = "{{name}}";
    const DESCRIPTION: &'static str = "Some columns are hidden from everybody but some groups";
    const SETTINGS_SCHEMA: &'static str = include_str!("settings.schema.json");
    type Settings = Settings;

    fn open(settings: &Settings, session: &SessionInfo) -> Result<Self, Fault> {
        let is_free = session.who.groups.iter().any(|group| settings.groups.contains(group));
        Ok(Self { columns: settings.columns.clone(), is_free })
    }

    fn plan(&mut self, _: u32, columns: &[Column], _: &Operation) -> Result<MaskingPlan, Fault> {
        // `source` is the column's name in its table, whatever the query calls it.
        let is_hidden = |column: &Column| !self.is_free && self.columns.contains(&column.source);
        let wanted = (0..).zip(columns).filter(|(_, column)| is_hidden(column)).map(|(index, _)| index);
        // The same columns get the same answer whatever the operation: the host need not ask again.
        Ok(MaskingPlan { wanted: wanted.collect(), rules: vec!["hidden-column".into()], reusable: true, signs: None })
    }

    fn mask(&mut self, _: u32, values: &Batch) -> Result<Edits, Fault> {
        let mut edits = Edits::none();
        // Cells of many rows at once. NULLs are not sent; `edits.replace` would put a text instead.
        for (cell, _) in (0..).zip(values.iter()) {
            edits.null(cell, 0);
        }
        Ok(edits)
    }

    fn forget(&mut self, _: u32) {}
}

weir_sdk::export_masker!(Hide);
