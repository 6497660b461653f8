//! What of an operation is kept: its texts, masked.
//!
//! Nothing is stored or shown that has not been through the maskers. If they fail, every text is withheld, and the
//! operation must not run.

use crate::ports::{Intent, MaskPlan, Maskers};
pub use crate::shown::labelled;
use crate::shown::{Parts, Place, Shown, WITHHELD};
use crate::traffic::{Batch, Masked, Request, ResultInfo, TOP_BIT};
use std::sync::Arc;
use weir_model::{Action, Applied, Column, Decision, Fault, FaultSource, Operation, SessionId};

/// The maskers' slot for texts that go into the trail; messages and results have others.
const TEXT_SLOT: u32 = 0;

/// What a session needs to record its operations one by one: lists that are filled anew for each.
#[derive(Default)]
pub(crate) struct Recording {
    parts: Parts,
    batch: Batch,
}

/// Bytes, or texts, that a session's lists may keep allocated.
const MAX_KEPT_BYTES: usize = 16 * 1024;

impl Recording {
    /// The record of an operation, with everything sensitive in it masked. If the maskers fail, the record withholds
    /// every text, and the operation must not run: the fault says why.
    pub(crate) async fn intent<M: Maskers>(
        &mut self,
        maskers: &mut M,
        request: &Request,
        operation: &Arc<Operation>,
        decision: Decision,
    ) -> (Intent, Option<Fault>) {
        let is_rewritten = operation.text != request.operation.text;
        let original = is_rewritten.then(|| request.operation.text.clone());
        let mut shown = Shown { operation: Arc::clone(operation), original, decision };
        let (masked, fault) = match self.mask(maskers, &mut shown).await {
            Ok(masked) => (masked, None),
            Err(fault) => {
                shown.withhold(&mut self.parts);
                (Vec::new(), Some(fault))
            }
        };
        self.parts.relax();
        if self.batch.cells.capacity() > MAX_KEPT_BYTES || self.batch.ends.capacity() > MAX_KEPT_BYTES {
            self.batch = Batch::default();
        }
        let (id, continues, approval) = (request.id, request.continues, None);
        let Shown { operation, original, decision } = shown;
        let decision = Arc::new(decision);
        (Intent { id, continues, operation, original, decision, approval, masked }, fault)
    }

    /// Runs what will be stored and shown through the maskers.
    async fn mask<M: Maskers>(&mut self, maskers: &mut M, shown: &mut Shown) -> Result<Vec<Applied>, Fault> {
        if !maskers.active() {
            return Ok(Vec::new());
        }
        self.parts.fill(shown);
        let operation = Arc::clone(&shown.operation);
        let (columns, places) = self.parts.all();
        let plan = maskers.plan(TEXT_SLOT, columns, &operation).await?;
        // When no masker cares what statements are about: one call for all.
        if plan.reusable || self.parts.statements().is_empty() {
            gather(&mut self.batch, shown, places)?;
            let edited = mask_planned(maskers, &plan, &self.batch).await?;
            return Ok(put_back(shown, places, edited));
        }
        let (columns, places) = self.parts.part_of_it();
        let plan = maskers.plan(TEXT_SLOT, columns, &operation).await?;
        gather(&mut self.batch, shown, places)?;
        let edited = mask_planned(maskers, &plan, &self.batch).await?;
        let mut applied = put_back(shown, places, edited);
        // A statement of its own: what it is about decides what of it is hidden.
        for place in self.parts.statements() {
            let text = shown.text(*place).to_owned();
            let alone =
                Operation { kind: operation.kind.clone(), action: operation.action, text, ..no_operation() };
            let column = labelled("statement", "statement");
            let edited = mask_text(maskers, column, &alone.text, &alone).await?;
            applied.extend(put_back(shown, &[*place], edited));
        }
        Ok(applied)
    }
}

fn gather(batch: &mut Batch, shown: &Shown, places: &[Place]) -> Result<(), Fault> {
    batch.clear();
    for (index, place) in places.iter().enumerate() {
        push(batch, shown.text(*place), index)?;
    }
    Ok(())
}

fn put_back(shown: &mut Shown, places: &[Place], edited: Edited) -> Vec<Applied> {
    for (index, text) in edited.texts {
        if let Some(place) = places.get(index) {
            shown.set(*place, text);
        }
    }
    edited.applied
}

/// What the maskers made of some texts.
struct Edited {
    /// Those that changed, each with its place in the list.
    texts: Vec<(usize, String)>,
    applied: Vec<Applied>,
}

/// Masks one text.
async fn mask_text<M: Maskers>(
    maskers: &mut M,
    column: Column,
    text: &str,
    operation: &Operation,
) -> Result<Edited, Fault> {
    let plan = maskers.plan(TEXT_SLOT, &[column], operation).await?;
    let mut batch = Batch::default();
    push(&mut batch, text, 0)?;
    mask_planned(maskers, &plan, &batch).await
}

/// Masks one text for each column, when the slot has its plan.
async fn mask_planned<M: Maskers>(maskers: &mut M, plan: &MaskPlan, texts: &Batch) -> Result<Edited, Fault> {
    let mut edited = Edited { texts: Vec::new(), applied: plan.beside.clone() };
    if plan.wanted.is_empty() {
        return Ok(edited);
    }
    let mut masked = maskers.mask(TEXT_SLOT, texts).await?;
    check_lists(&masked)?;
    let mut start = 0;
    for (cell, end) in masked.cells.iter().zip(&masked.ends) {
        let text = masked.texts.get(start..*end as usize).ok_or_else(out_of_bounds)?;
        start = *end as usize;
        let index = (cell & !TOP_BIT) as usize;
        if index >= texts.len() {
            return Err(out_of_bounds());
        }
        edited.texts.push((index, String::from_utf8_lossy(text).into_owned()));
    }
    masked.applied.append(&mut edited.applied);
    edited.applied = masked.applied;
    Ok(edited)
}

/// Masks texts that go into the trail outside of a session's operations, one for each column. What changes is put in
/// their place; the answer says by which rules.
///
/// # Errors
/// When a masker fails: then none of them may be stored.
pub async fn texts<M: Maskers>(
    maskers: &mut M,
    columns: &[Column],
    texts: &mut [&mut String],
    operation: &Operation,
) -> Result<Vec<Applied>, Fault> {
    if !maskers.active() {
        return Ok(Vec::new());
    }
    let plan = maskers.plan(TEXT_SLOT, columns, operation).await?;
    let mut batch = Batch::default();
    for (index, text) in texts.iter().enumerate() {
        push(&mut batch, text, index)?;
    }
    let edited = mask_planned(maskers, &plan, &batch).await?;
    for (index, text) in edited.texts {
        **texts.get_mut(index).ok_or_else(out_of_bounds)? = text;
    }
    Ok(edited.applied)
}

/// What the upstream said about a failure, masked for the trail. `operation`: what failed, if it is known.
pub(crate) async fn message_as_recorded<M: Maskers>(
    maskers: &mut M,
    session: &SessionId,
    result: &ResultInfo,
    operation: Option<&Operation>,
) -> String {
    let message = &result.message;
    if message.is_empty() || !maskers.active() {
        return message.clone();
    }
    let nothing = no_operation();
    let operation = operation.unwrap_or(&nothing);
    match mask_text(maskers, labelled("message", "error"), message, operation).await {
        Ok(edited) => edited.texts.into_iter().next_back().map_or_else(|| message.clone(), |(_, text)| text),
        Err(fault) => {
            tracing::warn!(session = %session, detail = fault.detail, "an error's text is withheld: {}", fault.message);
            WITHHELD.to_owned()
        }
    }
}

/// Whether a masker's lists belong together. An edit without its text would be no edit.
pub(crate) fn check_lists(masked: &Masked) -> Result<(), Fault> {
    let ascend = masked.cells.is_sorted_by_key(|cell| cell & !TOP_BIT) && masked.ends.is_sorted();
    let last = masked.ends.last().map_or(0, |end| *end as usize);
    if ascend && masked.cells.len() == masked.ends.len() && last == masked.texts.len() {
        return Ok(());
    }
    Err(out_of_bounds())
}

fn push(batch: &mut Batch, text: &str, column: usize) -> Result<(), Fault> {
    let column = u16::try_from(column).map_err(|_| too_many())?;
    batch.push(text.as_bytes(), column).map_err(|_| too_many())
}

pub(crate) fn no_operation() -> Operation {
    Operation {
        kind: String::new(),
        action: Action::Unknown,
        text: String::new(),
        objects: vec![],
        parameters: vec![],
        attributes: vec![],
        claimed: vec![],
    }
}

fn too_many() -> Fault {
    Fault::new(FaultSource::Client, "54000", "the operation has too many parameters to be recorded")
}

fn out_of_bounds() -> Fault {
    Fault::new(FaultSource::Plugin, "58000", "a masker failed")
        .with_detail("an edit lies outside of its batch")
}
