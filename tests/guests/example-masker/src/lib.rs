//! Hides the columns that the settings name, and e-mail addresses' hosts in texts of errors.

use serde::Deserialize;
use weir_sdk::Fault;
use weir_sdk::masker::{Batch, Column, Edits, Masker, MaskingPlan, Operation, SessionInfo};

#[derive(Clone, Deserialize)]
struct Settings {
    /// Names of columns, as their table has them.
    hide: Vec<String>,
}

/// Places in the list of rules that `plan` announces.
const COLUMN: u16 = 0;
const ADDRESS: u16 = 1;

struct Curtain {
    hide: Vec<String>,
    /// Of the shape planned last with that number: which columns are hidden whole.
    hidden: std::collections::BTreeMap<u32, Vec<bool>>,
}

impl Masker for Curtain {
    const NAME: &'static str = "curtain";
    const SETTINGS_SCHEMA: &'static str = r#"{
        "type": "object",
        "properties": { "hide": { "type": "array", "items": { "type": "string" } } },
        "required": ["hide"],
        "additionalProperties": false
    }"#;
    type Settings = Settings;

    fn open(settings: &Settings, _: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self { hide: settings.hide.clone(), hidden: Default::default() })
    }

    fn plan(&mut self, shape: u32, columns: &[Column], _: &Operation) -> Result<MaskingPlan, Fault> {
        // `source` is the column's own name, whatever the statement calls it.
        let hidden: Vec<bool> = columns.iter().map(|column| self.hide.contains(&column.source)).collect();
        let is_message =
            |column: &Column| column.labels.iter().any(|label| label == "error" || label == "notice");
        let wanted = (0_u16..)
            .zip(columns)
            .zip(&hidden)
            .filter(|((_, column), hidden)| **hidden || is_message(column));
        let plan = MaskingPlan {
            wanted: wanted.map(|((index, _), _)| index).collect(),
            rules: vec!["column".into(), "address".into()],
            // Nothing of the operation was looked at.
            reusable: true,
            signs: None,
        };
        self.hidden.insert(shape, hidden);
        Ok(plan)
    }

    fn mask(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault> {
        let hidden =
            self.hidden.get(&shape).ok_or_else(|| Fault::new("no-plan", "a shape that was not planned"))?;
        let mut edits = Edits::none();
        for (index, (column, text)) in (0..).zip(values.iter()) {
            if hidden.get(usize::from(column)).copied().unwrap_or(true) {
                edits.null(index, COLUMN);
                continue;
            }
            for (at, _) in text.match_indices('@') {
                let rest = &text[at + 1..];
                let length = rest
                    .find(|letter: char| !letter.is_alphanumeric() && letter != '.')
                    .unwrap_or(rest.len());
                edits.replace(index, (at + 1) as u32, (at + 1 + length) as u32, "***", ADDRESS);
            }
        }
        Ok(edits)
    }

    fn forget(&mut self, shape: u32) {
        self.hidden.remove(&shape);
    }
}

weir_sdk::export_masker!(Curtain);
