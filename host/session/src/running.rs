//! An operation between its intent and its outcome.

use crate::ports::{MaskPlan, Outcome};
use crate::traffic::ResultInfo;
use std::sync::Arc;
use std::time::Instant;
use weir_model::{Applied, JudgedBy, Operation};

/// A record with so many lines of maskers tells no more of shadows.
const MAX_NOTED: usize = 100;

/// An operation that was forwarded and has not ended.
pub(crate) struct Running {
    /// The earlier operation this one goes on with, or 0.
    pub(crate) continues: u32,
    pub(crate) operation: Arc<Operation>,
    since: Instant,
    pub(crate) bytes_to_client: u64,
    masked: Vec<Applied>,
    masked_by: Vec<JudgedBy>,
}

impl Running {
    pub(crate) fn new(continues: u32, operation: Arc<Operation>) -> Self {
        let (masked, masked_by) = (Vec::new(), Vec::new());
        Self { continues, operation, since: Instant::now(), bytes_to_client: 0, masked, masked_by }
    }

    pub(crate) fn count(&mut self, applied: &[Applied], by: &MaskPlan) {
        self.note(applied);
        for judged in by.by.iter() {
            if !self.masked_by.contains(judged) {
                self.masked_by.push(judged.clone());
            }
        }
    }

    /// What maskers did, or shadows would have done.
    pub(crate) fn note(&mut self, applied: &[Applied]) {
        for more in applied {
            let same = |known: &&mut Applied| known.rule == more.rule && known.beside == more.beside;
            let is_full = self.masked.len() >= MAX_NOTED;
            match self.masked.iter_mut().find(same) {
                Some(known) => known.cells += more.cells,
                // A shadow's words are about columns, of which one operation can have any number.
                None if more.beside.is_some() && is_full => {}
                None => self.masked.push(more.clone()),
            }
        }
    }

    pub(crate) fn outcome(self, result: ResultInfo, message: String) -> Outcome {
        Outcome {
            id: result.operation,
            status: result.status,
            rows: result.rows,
            tag: result.tag,
            code: result.code,
            message,
            bytes_to_client: self.bytes_to_client,
            masked: self.masked,
            masked_by: self.masked_by,
            took: self.since.elapsed(),
            again: false,
        }
    }
}
