//! A masker that hides the word `secret`, and turns the cell `void` into NULL.

use crate::scene::Hub;
use std::sync::Arc;
use weir_model::{Applied, Column, Digest, Fault, FaultSource, JudgedBy, Operation, PluginName};
use weir_session::ports::{Catalog, MaskPlan, Maskers};
use weir_session::traffic::{Batch, Masked, TOP_BIT, WireColumn};

pub(crate) struct ToyMaskers {
    pub(crate) hub: Arc<Hub>,
    pub(crate) active: bool,
    /// by slot: what the columns are
    pub(crate) plans: Vec<Vec<Column>>,
}

/// Wants everything but columns called `plain`.
fn wants(column: &Column) -> bool {
    column.name != "plain"
}

impl Maskers for ToyMaskers {
    fn active(&self) -> bool {
        self.active
    }

    async fn plan(&mut self, slot: u32, columns: &[Column], _: &Operation) -> Result<MaskPlan, Fault> {
        assert!(slot < 3, "few slots");
        self.plans.resize(self.plans.len().max(slot as usize + 1), vec![]);
        self.plans[slot as usize] = columns.to_vec();
        if slot > 0 {
            let names = columns.iter().map(|column| column.labels.first().unwrap_or(&column.name).as_str());
            self.hub.planned.lock().unwrap().push(names.collect::<Vec<_>>().join(","));
        }
        if !self.active {
            return Ok(MaskPlan::default());
        }
        let by = JudgedBy { plugin: PluginName::new("masker"), digest: Digest([2; 32]), answer: "mask" };
        let wanted = (0..).zip(columns).filter(|(_, column)| wants(column)).map(|(index, _)| index);
        Ok(MaskPlan { wanted: wanted.collect(), by: [by].into(), reusable: false, beside: vec![] })
    }

    async fn mask(&mut self, slot: u32, batch: &Batch) -> Result<Masked, Fault> {
        let columns = &self.plans[slot as usize];
        assert!(batch.columns.iter().all(|column| wants(&columns[usize::from(*column)])));
        if let Some(lie) = self.hub.masker_lies.lock().unwrap().as_mut() {
            return lie(slot, &batch);
        }
        let mut masked = Masked::default();
        for index in 0..batch.len() {
            let text = std::str::from_utf8(batch.cell(index).unwrap()).unwrap();
            let place = u32::try_from(index).unwrap();
            if text == "trap" {
                return Err(Fault::new(FaultSource::Plugin, "trapped", "a masker failed"));
            } else if text == "void" {
                masked.cells.push(place | TOP_BIT);
            } else if text.contains("secret") {
                masked.cells.push(place);
                masked.texts.extend(text.replace("secret", "***").bytes());
            } else {
                continue;
            }
            masked.ends.push(u32::try_from(masked.texts.len()).unwrap());
        }
        if !masked.cells.is_empty() {
            masked.applied =
                vec![Applied { rule: "word".into(), cells: masked.cells.len() as u64, beside: None }];
        }
        Ok(masked)
    }
}

pub(crate) struct ToyCatalog;

impl Catalog for ToyCatalog {
    async fn columns(&self, wire: Vec<WireColumn>) -> Result<Vec<Column>, Fault> {
        Ok(wire.into_iter().map(|column| Column { name: column.name, ..Column::default() }).collect())
    }
}
