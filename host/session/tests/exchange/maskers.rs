//! A masker that hides a word, `secret` at first, and turns the cell `void` into NULL.

use crate::scene::Hub;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_model::{Applied, Column, Digest, Fault, FaultSource, JudgedBy, Operation, PluginName};
use weir_session::ports::{Catalog, MaskPlan, Maskers, Named};
use weir_session::traffic::{Batch, Masked, TOP_BIT, WireColumn};

pub(crate) struct ToyMaskers {
    pub(crate) hub: Arc<Hub>,
    pub(crate) active: bool,
}

/// Wants everything but columns called `plain`, in the result or in truth.
fn wants(column: &Column) -> bool {
    column.name != "plain" && column.source != "plain"
}

impl Maskers for ToyMaskers {
    fn active(&self) -> bool {
        self.active
    }

    async fn plan(&mut self, slot: u32, columns: &[Column], _: &Operation) -> Result<MaskPlan, Fault> {
        assert!(slot < 40, "few slots");
        let word = *self.hub.word.lock().unwrap();
        self.hub.plans.lock().unwrap().insert(slot, (columns.to_vec(), word));
        if slot > 0 {
            let names = columns.iter().map(|column| column.labels.first().unwrap_or(&column.name).as_str());
            self.hub.planned.lock().unwrap().push(names.collect::<Vec<_>>().join(","));
        }
        if !self.active {
            return Ok(MaskPlan::default());
        }
        let by = JudgedBy { plugin: PluginName::new("masker"), digest: Digest([2; 32]), answer: "mask" };
        let reusable = self.hub.serves_again.load(Ordering::Relaxed);
        let wanted = (0..).zip(columns).filter(|(_, column)| wants(column)).map(|(index, _)| index);
        Ok(MaskPlan { wanted: wanted.collect(), by: [by].into(), reusable, beside: vec![] })
    }

    fn era(&mut self) -> u64 {
        self.hub.era.load(Ordering::Relaxed)
    }

    fn forget(&mut self, slot: u32) {
        self.hub.plans.lock().unwrap().remove(&slot);
    }

    async fn mask(&mut self, slot: u32, batch: &Batch) -> Result<Masked, Fault> {
        let (columns, word) = self.hub.plans.lock().unwrap()[&slot].clone();
        assert!(batch.columns.iter().all(|column| wants(&columns[usize::from(*column)])));
        if let Some(lie) = self.hub.masker_lies.lock().unwrap().as_mut() {
            // All results have one number here.
            return lie(slot.min(2), batch);
        }
        let mut masked = Masked::default();
        for index in 0..batch.len() {
            let text = std::str::from_utf8(batch.cell(index).unwrap()).unwrap();
            let place = u32::try_from(index).unwrap();
            if text == "trap" {
                return Err(Fault::new(FaultSource::Plugin, "trapped", "a masker failed"));
            } else if text == "void" {
                masked.cells.push(place | TOP_BIT);
            } else if text.contains(word) {
                masked.cells.push(place);
                masked.texts.extend(text.replace(word, "***").bytes());
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

pub(crate) struct ToyCatalog(pub(crate) Arc<Hub>);

impl Catalog for ToyCatalog {
    async fn columns(&self, wire: Vec<WireColumn>) -> Result<Named, Fault> {
        let sources = self.0.sources.lock().unwrap();
        let named = |column: WireColumn| Column {
            source: sources.get(&column.name).cloned().unwrap_or_default(),
            name: column.name,
            ..Column::default()
        };
        let until = self.0.believed.lock().unwrap().map(|time| tokio::time::Instant::now() + time);
        Ok(Named { columns: wire.into_iter().map(named).collect(), until })
    }
}
