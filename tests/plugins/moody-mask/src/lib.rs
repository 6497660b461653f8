//! A masker that wants every column and changes nothing, and misbehaves when a cell says so: `select 'moody: trap'`.
//! `plan: trap` in the statement's text makes it misbehave before any row.

use std::hint::black_box;
use weir_sdk::Fault;
use weir_sdk::masker::{Batch, Column, Edits, Masker, MaskingPlan, NoSettings, Operation, SessionInfo};

struct Moody {
    /// Slots of texts that go into the trail are left alone, so that the statement itself is judged.
    quiet: bool,
}

impl Masker for Moody {
    const NAME: &'static str = "moody-mask";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self { quiet: true })
    }

    fn plan(&mut self, _: u32, columns: &[Column], operation: &Operation) -> Result<MaskingPlan, Fault> {
        self.quiet = columns.iter().any(|column| !column.labels.is_empty());
        if !self.quiet && operation.text.contains("plan: trap") {
            panic!("told to");
        }
        if self.quiet {
            return Ok(MaskingPlan { wanted: vec![], rules: vec![], reusable: false, signs: None });
        }
        Ok(MaskingPlan {
            wanted: (0..columns.len() as u16).collect(),
            rules: vec!["moody".into()],
            reusable: false,
            signs: None,
        })
    }

    fn mask(&mut self, _: u32, values: &Batch) -> Result<Edits, Fault> {
        let mut edits = Edits::none();
        for (index, (_, text)) in (0..).zip(values.iter()) {
            match text.strip_prefix("moody: ").unwrap_or_default() {
                "trap" => panic!("told to"),
                "loop" => loop {
                    black_box(0);
                },
                "eat" => eat(),
                "fault" => return Err(Fault::new("moody", "told to")),
                "range" => edits.replace(index, 0, 10_000, "x", 0),
                "cell" => edits.replace(index + 10_000, 0, 1, "x", 0),
                "rule" => edits.replace(index, 0, 1, "x", 99),
                _ => {}
            }
        }
        Ok(edits)
    }

    fn forget(&mut self, _: u32) {}
}

fn eat() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

weir_sdk::export_masker!(Moody);
