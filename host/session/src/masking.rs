//! What of an operation is kept: its texts, masked.
//!
//! Nothing is stored or shown that has not been through the maskers. If they fail, every text is withheld, and the
//! operation must not run.

use crate::ports::{Intent, MaskPlan, Maskers};
use crate::shown::{Shown, WITHHELD, labelled};
use crate::traffic::{Batch, Masked, Request, ResultInfo, TOP_BIT};
use std::sync::Arc;
use weir_model::{Action, Applied, Column, Decision, Fault, FaultSource, Operation, SessionId};

/// The maskers' slot for texts that go into the trail; messages and results have others.
const TEXT_SLOT: u32 = 0;

/// The record of an operation, with everything sensitive in it masked. If the maskers fail, the record withholds every
/// text, and the operation must not run: the fault says why.
pub(crate) async fn intent<M: Maskers>(
    maskers: &mut M,
    request: &Request,
    operation: &Operation,
    decision: Decision,
) -> (Intent, Option<Fault>) {
    let is_rewritten = operation.text != request.operation.text;
    let original = is_rewritten.then(|| request.operation.text.clone());
    let mut shown = Shown { operation: operation.clone(), original, decision };
    let (masked, fault) = match mask_shown(maskers, &mut shown, operation).await {
        Ok(masked) => (masked, None),
        Err(fault) => {
            shown.withhold();
            (Vec::new(), Some(fault))
        }
    };
    let (id, continues, approval) = (request.id, request.continues, None);
    let Shown { operation, original, decision } = shown;
    let (operation, decision) = (Arc::new(operation), Arc::new(decision));
    (Intent { id, continues, operation, original, decision, approval, masked }, fault)
}

/// Runs what will be stored and shown through the maskers. `operation` is what it is all about, unmasked.
async fn mask_shown<M: Maskers>(
    maskers: &mut M,
    shown: &mut Shown,
    operation: &Operation,
) -> Result<Vec<Applied>, Fault> {
    if !maskers.active() {
        return Ok(Vec::new());
    }
    let (mut columns, mut texts, statements) = shown.parts();
    if !statements.is_empty() {
        let count = columns.len();
        columns.extend(statements.iter().map(|_| labelled("statement", "statement")));
        let plan = maskers.plan(TEXT_SLOT, &columns, operation).await?;
        if plan.reusable {
            // No masker cares what they are about: one call for all.
            texts.extend(statements);
            return mask_planned(maskers, &plan, texts).await;
        }
        columns.truncate(count);
    }
    let mut applied = mask_texts(maskers, &columns, texts, operation).await?;
    // A statement of its own: what it is about decides what of it is hidden.
    for statement in statements {
        let alone = Operation {
            kind: operation.kind.clone(),
            action: operation.action,
            text: statement.clone(),
            ..no_operation()
        };
        let column = labelled("statement", "statement");
        applied.extend(mask_texts(maskers, &[column], vec![statement], &alone).await?);
    }
    Ok(applied)
}

/// Masks one text for each column, in its place.
async fn mask_texts<M: Maskers>(
    maskers: &mut M,
    columns: &[Column],
    texts: Vec<&mut String>,
    operation: &Operation,
) -> Result<Vec<Applied>, Fault> {
    let plan = maskers.plan(TEXT_SLOT, columns, operation).await?;
    mask_planned(maskers, &plan, texts).await
}

/// The same, when the slot has its plan.
async fn mask_planned<M: Maskers>(
    maskers: &mut M,
    plan: &MaskPlan,
    mut texts: Vec<&mut String>,
) -> Result<Vec<Applied>, Fault> {
    let mut batch = Batch::default();
    for (index, text) in texts.iter().enumerate() {
        push(&mut batch, text, index)?;
    }
    if plan.wanted.is_empty() {
        return Ok(plan.beside.clone());
    }
    let mut masked = maskers.mask(TEXT_SLOT, batch).await?;
    check_lists(&masked)?;
    let mut start = 0;
    for (cell, end) in masked.cells.iter().zip(&masked.ends) {
        let text = masked.texts.get(start..*end as usize).ok_or_else(out_of_bounds)?;
        start = *end as usize;
        let place = texts.get_mut((cell & !TOP_BIT) as usize).ok_or_else(out_of_bounds)?;
        **place = String::from_utf8_lossy(text).into_owned();
    }
    masked.applied.extend_from_slice(&plan.beside);
    Ok(masked.applied)
}

/// What the upstream said about a failure, masked for the trail. `operation`: what failed, if it is known.
pub(crate) async fn message_as_recorded<M: Maskers>(
    maskers: &mut M,
    session: &SessionId,
    result: &ResultInfo,
    operation: Option<&Operation>,
) -> String {
    let mut message = result.message.clone();
    if message.is_empty() || !maskers.active() {
        return message;
    }
    let nothing = no_operation();
    let operation = operation.unwrap_or(&nothing);
    let columns = [labelled("message", "error")];
    match mask_texts(maskers, &columns, vec![&mut message], operation).await {
        Ok(_) => message,
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
