//! Which columns of a result does the masker hide? For `tests/leaks/hunt.py`.
//!
//! The argument is the settings. Each line of the input is a JSON list: statement, names of the result's columns,
//! for each whether it has an origin. Each line of the output lists the indices of the columns that are hidden
//! whole, those with an origin left out.

use std::io::BufRead;
use weir_plugin_pii_mask::masker::PiiMask;
use weir_plugin_pii_mask::settings::Settings;
use weir_sdk::masker::{Column, Operation};

fn main() {
    let settings = std::env::args().nth(1).unwrap_or_default();
    let settings: Settings = serde_json::from_str(&settings).unwrap_or_default();
    let Ok(rules) = settings.rules() else { return };
    let mut masker = PiiMask::new(rules);
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let Ok((text, names, origins)) = serde_json::from_str::<(String, Vec<String>, Vec<bool>)>(&line)
        else {
            return;
        };
        let columns: Vec<Column> =
            names.iter().zip(&origins).map(|(name, origin)| column(name, *origin)).collect();
        let operation = Operation {
            kind: "sql.query".into(),
            action: "read".into(),
            text,
            objects: Vec::new(),
            parameters: Vec::new(),
            attributes: Vec::new(),
            claimed: Vec::new(),
        };
        let plan = masker.plan_shape(0, &columns, &operation);
        println!("{}", serde_json::json!(plan.wanted));
    }
}

/// Of a type that detection does not want, so that only whole columns are.
fn column(name: &str, origin: bool) -> Column {
    let (relation, source) = if origin { ("public.other", "other") } else { ("", "") };
    Column {
        name: name.into(),
        relation: relation.into(),
        source: source.into(),
        type_name: "float8".into(),
        labels: Vec::new(),
    }
}
