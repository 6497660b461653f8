//! A masker that upper-cases the columns named `upper…`, hides those named `hide…`, leaves texts that begin with `left`, and
//! answers nonsense when the operation's text asks for it.

use serde::Deserialize;
use std::collections::BTreeMap;
use weir_sdk::Fault;
use weir_sdk::masker::{Batch, Column, Edits, Masker, MaskingPlan, Operation, SessionInfo, Signs};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Only columns whose name begins so are of interest; empty: `upper` and `hide`.
    #[serde(default)]
    prefix: String,
    /// Put in the place of what is hidden; empty: NULL.
    #[serde(default)]
    instead: String,
}

struct Loud {
    prefix: String,
    instead: String,
    orders: String,
    /// by shape: which columns are hidden
    hides: BTreeMap<u32, Vec<bool>>,
}

impl Masker for Loud {
    const NAME: &'static str = "loud";
    const SETTINGS_SCHEMA: &'static str = r#"{ "type": "object", "properties": { "prefix": { "type": "string" }, "instead": { "type": "string" } } }"#;
    type Settings = Settings;

    fn open(settings: &Settings, _: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self {
            prefix: settings.prefix.clone(),
            instead: settings.instead.clone(),
            orders: String::new(),
            hides: BTreeMap::new(),
        })
    }

    fn plan(&mut self, shape: u32, columns: &[Column], operation: &Operation) -> Result<MaskingPlan, Fault> {
        self.orders = operation.text.clone();
        let hides = columns.iter().map(|column| column.name.starts_with("hide")).collect();
        self.hides.insert(shape, hides);
        let wants = |name: &str| match self.prefix.as_str() {
            "" => name.starts_with("upper") || name.starts_with("hide"),
            prefix => name.starts_with(prefix),
        };
        let wanted = (0..).zip(columns).filter(|(_, column)| wants(&column.name)).map(|(index, _)| index);
        match self.orders.as_str() {
            "plan-panic" => panic!("told to"),
            "plan-fault" => Err(Fault::new("no", "told to refuse")),
            "plan-column" => Ok(MaskingPlan {
                wanted: vec![columns.len() as u16],
                rules: vec![],
                reusable: false,
                signs: None,
            }),
            "plan-rules" => Ok(MaskingPlan {
                wanted: vec![0],
                rules: vec![String::new(); 5000],
                reusable: false,
                signs: None,
            }),
            // Those of the columns whose name ends in `?`.
            orders if orders.starts_with("signs") => {
                let wanted: Vec<u16> = wanted.collect();
                let signs = signs(orders, columns, &wanted);
                Ok(MaskingPlan {
                    wanted,
                    rules: vec!["upper".into(), "hide".into()],
                    reusable: false,
                    signs: Some(signs),
                })
            }
            _ => Ok(MaskingPlan {
                wanted: wanted.collect(),
                rules: vec!["upper".into(), "hide".into()],
                reusable: self.orders == "again",
                signs: None,
            }),
        }
    }

    fn mask(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault> {
        let mut edits = Edits::none();
        match self.orders.as_str() {
            "panic" => panic!("told to"),
            "loop" => forever(),
            "fault" => return Err(Fault::new("no", "told to refuse")),
            "cell-order" => {
                edits.replace(1, 0, 1, "x", 0);
                edits.replace(0, 0, 1, "x", 0);
            }
            "cell-range" => edits.replace(values.ends.len() as u32, 0, 0, "x", 0),
            "span-range" => edits.replace(0, 0, u32::MAX, "x", 0),
            "span-order" => edits.replace(0, 2, 1, "x", 0),
            "span-overlap" => {
                edits.replace(0, 0, 2, "x", 0);
                edits.replace(0, 1, 2, "x", 0);
            }
            "mid-character" => edits.replace(0, 1, 2, "x", 0),
            "not-utf8" => {
                edits.replace(0, 0, 0, "xx", 0);
                edits.replacements = vec![0xff, 0xfe];
            }
            "ends" => {
                edits.replace(0, 0, 0, "xx", 0);
                edits.ends = vec![3];
            }
            "trailing" => {
                edits.replace(0, 0, 0, "xx", 0);
                edits.replacements.push(b'x');
            }
            "ragged" => {
                edits.replace(0, 0, 0, "xx", 0);
                edits.stops.clear();
            }
            "rule" => edits.replace(0, 0, 0, "x", 9),
            "null-order" => {
                edits.null(1, 0);
                edits.null(0, 0);
            }
            "null-range" => edits.null(u32::MAX, 0),
            "null-rule" => edits.null(0, 9),
            "edited-null" => {
                edits.replace(0, 0, 0, "x", 0);
                edits.null(0, 0);
            }
            "growth" => {
                for _ in 0..20 {
                    edits.replace(0, 0, 0, &"x".repeat(1 << 20), 0);
                }
            }
            _ => self.work(shape, values, &mut edits),
        }
        Ok(edits)
    }

    fn forget(&mut self, _: u32) {}
}

impl Loud {
    fn work(&self, shape: u32, values: &Batch, edits: &mut Edits) {
        let hides = self.hides.get(&shape);
        for (index, (column, text)) in (0..).zip(values.iter()) {
            let hides = hides.and_then(|hides| hides.get(usize::from(column))).copied().unwrap_or_default();
            if text.starts_with("left") {
                continue;
            }
            if !hides {
                edits.replace(index, 0, text.len() as u32, &text.to_uppercase(), 0);
            } else if self.instead.is_empty() {
                edits.null(index, 1);
            } else {
                edits.replace(index, 0, text.len() as u32, &self.instead, 1);
            }
        }
    }
}

/// The signs `!` and `key`, or some that break the contract.
fn signs(orders: &str, columns: &[Column], wanted: &[u16]) -> Signs {
    let is_signed =
        |index: &u16| columns.get(usize::from(*index)).is_some_and(|column| column.name.ends_with('?'));
    let mut signs = Signs {
        columns: wanted.iter().copied().filter(is_signed).collect(),
        digits: 3,
        bytes: vec![b'!'],
        words: vec!["Key".into()],
        settled: orders == "signs-settled",
    };
    match orders {
        "signs-column" => signs.columns = vec![columns.len() as u16],
        "signs-unwanted" => signs.columns = vec![0],
        "signs-words" => signs.words = vec!["ab".into(); 257],
        "signs-bytes" => signs.bytes = vec![0; 257],
        "signs-long" => signs.words = vec!["x".repeat(65)],
        "signs-short" => signs.words = vec!["x".into()],
        "signs-none" => {
            signs = Signs { columns: signs.columns, digits: 0, bytes: vec![], words: vec![], settled: false }
        }
        _ => {}
    }
    signs
}

fn forever() -> ! {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns + 1);
    }
}

weir_sdk::export_masker!(Loud);
