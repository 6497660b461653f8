use weir_sdk::masker::{Batch, Column, Edits, Masker, MaskingPlan, NoSettings, Operation, SessionInfo};

pub struct Plugin;

impl Masker for Plugin {
    const NAME: &'static str = "{{name}}";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn plan(&mut self, _: u32, columns: &[Column], _: &Operation) -> Result<MaskingPlan, weir_sdk::Fault> {
        // `source` is the column's name in its table, whatever the query calls it.
        let wanted = (0..).zip(columns).filter(|(_, column)| column.source == "salary");
        let wanted = wanted.map(|(index, _)| index).collect();
        Ok(MaskingPlan { wanted, rules: vec!["salary".into()], reusable: true })
    }

    fn mask(&mut self, _: u32, values: &Batch) -> Result<Edits, weir_sdk::Fault> {
        let mut edits = Edits::none();
        for (cell, _) in (0..).zip(values.iter()) {
            edits.null(cell, 0);
        }
        Ok(edits)
    }

    fn forget(&mut self, _: u32) {}
}

weir_sdk::export_masker!(Plugin);
