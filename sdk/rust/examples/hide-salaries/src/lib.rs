//! Salaries become NULL, and of an e-mail address its domain stays.

use std::collections::HashMap;
use weir_sdk::Fault;
use weir_sdk::masker::{
    Batch, Column, Edits, Masker, MaskingPlan, NoSettings, Operation, SessionInfo, Signs,
};

const RULES: [&str; 2] = ["salary", "email"];
const SALARY: u16 = 0;
const EMAIL: u16 = 1;

pub struct Plugin {
    /// Of each shape: the rule of each column.
    rules: HashMap<u32, Vec<Option<u16>>>,
}

impl Masker for Plugin {
    const NAME: &'static str = "hide-salaries";
    const DESCRIPTION: &'static str = "Hides salaries and the names in e-mail addresses";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, Fault> {
        Ok(Self { rules: HashMap::new() })
    }

    fn plan(&mut self, shape: u32, columns: &[Column], _: &Operation) -> Result<MaskingPlan, Fault> {
        let rule = |column: &Column| {
            (0..).zip(RULES).find(|(_, rule)| column.source == *rule).map(|(index, _)| index)
        };
        let rules: Vec<_> = columns.iter().map(rule).collect();
        let wanted = (0..).zip(&rules).filter(|(_, rule)| rule.is_some()).map(|(index, _)| index).collect();
        let emails = (0..).zip(&rules).filter(|(_, rule)| **rule == Some(EMAIL)).map(|(index, _)| index);
        // Of what has no sign of an address in it nothing is hidden, so it need not be sent.
        let signs =
            Signs { columns: emails.collect(), digits: 0, bytes: vec![b'@'], words: vec![], settled: true };
        self.rules.insert(shape, rules);
        Ok(MaskingPlan { wanted, rules: RULES.map(String::from).into(), reusable: true, signs: Some(signs) })
    }

    fn mask(&mut self, shape: u32, values: &Batch) -> Result<Edits, Fault> {
        let rules = self.rules.get(&shape).ok_or_else(|| Fault::new("shape", "it was never planned"))?;
        let mut edits = Edits::none();
        for (cell, (column, text)) in (0..).zip(values.iter()) {
            match rules.get(usize::from(column)) {
                Some(Some(SALARY)) => edits.null(cell, SALARY),
                _ => {
                    if let Some(at @ 1..) = text.rfind('@') {
                        edits.replace(cell, 0, at as u32, "***", EMAIL);
                    }
                }
            }
        }
        Ok(edits)
    }

    fn forget(&mut self, _: u32) {}
}

weir_sdk::export_masker!(Plugin);
