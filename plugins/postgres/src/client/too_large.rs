//! An operation larger than the limit: refused by its header, its bytes are never buffered.

use super::{Scan, Step, show};
use crate::inspector::{Inspector, violation};
use crate::operations::{self, attribute};
use crate::queue::Answer;
use crate::wire::{HEADER_BYTES, Header};
use weir_sdk::inspector::Fault;

/// As much of the text as the trail gets.
const KEPT_TEXT_BYTES: usize = 4096;

impl Inspector {
    pub(super) fn too_large(&mut self, scan: &mut Scan<'_>, header: Header) -> Step {
        let (answer, kind) = match header.kind {
            b'Q' => (Answer::Query, operations::QUERY),
            b'F' => (Answer::Function, operations::CALL),
            b'P' => (Answer::Parse, operations::PREPARE),
            b'B' => (Answer::Bind, operations::PREPARE),
            kind => return Step::Fatal(violation(format!("a message of type {} is too long", show(kind)))),
        };
        match self.close_unit(scan) {
            Step::Next => {}
            step => return step,
        }
        let end = scan.at.saturating_add(header.total_bytes);
        let known = scan.data.get(scan.at + HEADER_BYTES..).unwrap_or_default();
        let known = known.get(..known.len().min(header.total_bytes - HEADER_BYTES)).unwrap_or_default();
        let text = match header.kind {
            b'Q' => known,
            b'P' => known
                .iter()
                .position(|byte| *byte == 0)
                .and_then(|nul| known.get(nul + 1..))
                .unwrap_or_default(),
            _ => &[],
        };
        let text = text.get(..text.len().min(KEPT_TEXT_BYTES)).unwrap_or_default();
        let mut operation = operations::unread(kind, String::from_utf8_lossy(text).into_owned());
        operation.attributes.push(attribute("truncated", "true"));
        let why = Fault {
            code: "54000".to_owned(),
            message: format!(
                "an operation of {} bytes is larger than the limit of {} bytes (max_operation_bytes)",
                header.total_bytes, self.max_operation
            ),
        };
        self.refuse_here(scan, scan.at, end, operation, why, answer)
    }
}
