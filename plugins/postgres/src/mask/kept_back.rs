//! Rows with a wanted value that nobody can read, in the binary form of a type that is not known here.
//!
//! Such a value becomes NULL, which every type has. The host sends a row on as it is when no masker edits it, so
//! the row's bytes are not given to it: its other cells are shown as copies with a `rows` event of no bytes, then
//! the shape is announced again to get the next word. By then either `edit` was called and has sent the row on, or
//! it is sent here, in both cases with NULLs.

use super::Rows;
use super::edit::Edits;
use crate::inspector::{Inspector, violation};
use crate::outcome::ServerSide;
use crate::server::Flow;
use std::rc::Rc;

#[derive(Debug)]
pub struct KeptBack {
    /// Whole messages, DataRow or CopyData.
    bytes: Vec<u8>,
    rows: Rows,
    /// `edit` has sent them on.
    is_sent: bool,
}

impl KeptBack {
    /// The messages with their unreadable values NULL and the edits applied.
    pub fn edited(&mut self, edits: &Edits<'_>) -> Option<Vec<u8>> {
        let edited = match self.bytes.first() {
            Some(b'd') => edits.copy_rows(&self.rows, &self.bytes),
            _ => edits.data_rows(&self.rows, &self.bytes),
        };
        self.is_sent = true;
        edited
    }
}

impl Inspector {
    /// Keeps `bytes` with `count` rows whose cells, in `out`, are all copies.
    pub(crate) fn keep_back(&mut self, out: &mut ServerSide, bytes: &[u8], count: usize, rows: Rows) -> Flow {
        out.rows_apart(count);
        let style = rows.style.clone();
        let flow = self.announce(out, 0, self.server.shape_for, &Rc::clone(&rows.shape));
        self.server.rows.style = style;
        self.server.kept_back = Some(KeptBack { bytes: bytes.to_vec(), rows, is_sent: false });
        flow
    }

    /// The rows that were kept back come again: they are dropped, in their place goes what is sent in the end.
    pub(crate) fn go_on(&mut self, out: &mut ServerSide, mut kept: KeptBack) -> Flow {
        if !kept.is_sent {
            let nothing = Edits { cells: &[], texts: &[], ends: &[], ascii_only: false, hides: true };
            let Some(bytes) = kept.edited(&nothing) else {
                return Flow::Fatal(violation("the upstream sent a row that does not fit its description"));
            };
            out.insert(bytes);
        }
        out.drop(kept.bytes.len());
        Flow::Over(kept.bytes.len())
    }
}
