//! One instance of a masker: its calls, with what it answers checked.

use crate::contract::v0_1::judge::exports::weir::plugin::mask;
use crate::convert::{LentColumns, LentOperation, LentSession};
use crate::edits;
use crate::fault;
use crate::instance::Fenced;
use crate::limits::{MAX_RULES, MAX_WORD_CHARS};
use crate::load::{Exports, Loaded};
use crate::masker_beside::Said;
use crate::signs::{Searches, Shown, Signs};
use crate::state::Visit;
use crate::text::clean;
use crate::trial::{StartFault, configured, took_session};
use std::sync::Arc;
use weir_model::Fault;
use weir_session::traffic::{Batch, Masked};

/// An opened masker.
pub(crate) struct MaskerInstance {
    pub(crate) guest: Fenced,
    calls: mask::Guest,
    searches: Arc<Searches>,
    shown: Shown,
}

impl MaskerInstance {
    pub(crate) async fn open(loaded: &Loaded, info: &Visit) -> Result<Self, StartFault> {
        let Exports::Masker(indices) = &loaded.compiled.code.exports else {
            return Err(fault::wrong_world(&loaded.name, loaded.world.as_word(), "masker").into());
        };
        let (mut guest, instance) = configured(loaded, info).await?;
        let started = guest.begin_rest()?;
        let lent = LentSession::new(info);
        let opened = match indices.load(&mut guest.store, &instance) {
            Ok(calls) => calls
                .call_open(&mut guest.store, lent.lend())
                .await
                .map(|said| (calls, said.map_err(|no| (no.code, no.message)))),
            Err(error) => Err(error),
        };
        let calls = took_session(&mut guest, started, opened)?;
        Ok(Self { guest, calls, searches: Arc::clone(&loaded.searches), shown: Shown::default() })
    }

    /// What it wants of these columns.
    pub(crate) async fn plan(
        &mut self,
        slot: u32,
        columns: &LentColumns<'_>,
        operation: &LentOperation<'_>,
    ) -> Result<Wish, Fault> {
        let lent = columns.lend();
        let started = self.guest.begin_call()?;
        let said = self.calls.call_plan(&mut self.guest.store, slot, &lent, operation.lend()).await;
        let said = self
            .guest
            .finish("plan", started, said)?
            .map_err(|no| fault::said_no(&self.guest.bounds, "plan", no.code, no.message))?;
        let mut wanted = vec![false; lent.len()];
        for index in said.wanted {
            match wanted.get_mut(usize::from(index)) {
                Some(flag) => *flag = true,
                None => return Err(self.guest.lied("plan", "a column that was not given")),
            }
        }
        if said.rules.len() > MAX_RULES {
            return Err(self.guest.lied("plan", "too many rules"));
        }
        let rules = said.rules.into_iter().map(|rule| clean(rule, MAX_WORD_CHARS)).collect();
        let signs = said
            .signs
            .filter(|signs| !signs.columns.is_empty())
            .map(|signs| Signs::read(signs, columns.columns(), &wanted, &mut self.shown, &self.searches))
            .transpose()
            .map_err(|what| self.guest.lied("plan", what))?;
        Ok(Wish { wanted, rules, reusable: said.reusable, signs })
    }

    pub(crate) async fn mask(&mut self, slot: u32, batch: &Batch, rules: &[String]) -> Result<Masked, Fault> {
        let said = self.edits(slot, batch).await?;
        self.apply(batch, &said, rules)
    }

    /// The same of a shadow, with the rule it used for each cell.
    pub(crate) async fn mask_beside(
        &mut self,
        slot: u32,
        batch: &Batch,
        rules: &[String],
    ) -> Result<Said, Fault> {
        let said = self.edits(slot, batch).await?;
        let masked = self.apply(batch, &said, rules)?;
        let edited = said.cells.into_iter().zip(said.rules);
        Ok(Said { masked, rules: edited.chain(said.nulls.into_iter().zip(said.null_rules)).collect() })
    }

    async fn edits(&mut self, slot: u32, batch: &Batch) -> Result<mask::Edits, Fault> {
        let lent = mask::Batch { cells: &batch.cells, ends: &batch.ends, columns: &batch.columns };
        let started = self.guest.begin_call()?;
        let said = self.calls.call_mask(&mut self.guest.store, slot, lent).await;
        let said = self.guest.finish("mask", started, said)?;
        said.map_err(|no| fault::said_no(&self.guest.bounds, "mask", no.code, no.message))
    }

    fn apply(&mut self, batch: &Batch, said: &mask::Edits, rules: &[String]) -> Result<Masked, Fault> {
        let growth = self.guest.bounds.limits.output_bytes;
        edits::apply(batch, said, rules, growth)
            .map_err(|problem| self.guest.lied("mask", &problem.to_string()))
    }
}

/// One masker's answer to a plan.
pub(crate) struct Wish {
    /// one flag per column
    pub(crate) wanted: Vec<bool>,
    /// names of its rules
    pub(crate) rules: Vec<String>,
    /// any operation gets the same answer for the same columns
    pub(crate) reusable: bool,
    /// what values must show to be sent
    pub(crate) signs: Option<Signs>,
}
