//! What an inspector says of a session's bytes: the contract of `wit/inspect.wit` in the host's own types.
//!
//! Events cover the bytes they were given from the first one on, without gaps, and are carried out in order.
//! Nothing here is trusted: [`crate::exchange`] checks every length against its buffers.

use smallvec::SmallVec;
use std::sync::Arc;
use weir_model::{Fault, Operation};

pub use weir_model::Status;

/// Numbers of [`Event::kind`]; an unknown one ends the session.
pub mod kind {
    pub const PASS: u16 = 1;
    pub const DROP: u16 = 2;
    pub const INSERT: u16 = 3;
    pub const OPERATION: u16 = 4;
    pub const REFUSED: u16 = 5;
    pub const FATAL: u16 = 6;
    pub const SHAPE: u16 = 7;
    pub const ROWS: u16 = 8;
    pub const MESSAGE: u16 = 9;
    pub const DONE: u16 = 10;
    pub const IDLE: u16 = 11;
    pub const KNOWN: u16 = 12;
}

/// Length of a NULL cell, and the top bit that marks decoded cells and NULL edits.
pub const NULL_LENGTH: u32 = u32::MAX;
pub const TOP_BIT: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: u16,
    pub bits: u16,
    /// Bytes covered.
    pub len: u32,
    pub count: u32,
    pub reference: u32,
}

/// An operation found in the client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Never reused within the session, never 0.
    pub id: u32,
    /// Non-zero: goes on with that earlier operation.
    pub continues: u32,
    pub operation: Arc<Operation>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOutcome {
    pub events: Vec<Event>,
    pub operations: SmallVec<[Request; 1]>,
    pub inserts: Vec<Vec<u8>>,
    pub refusals: Vec<Fault>,
    /// Do not call again before this many bytes are there; 0: any.
    pub need: u32,
    /// Call again only after the next `server` call.
    pub wait: bool,
}

/// A result column as the wire describes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WireColumn {
    pub name: String,
    pub type_id: u32,
    pub type_modifier: i32,
    /// 0 when computed.
    pub relation_id: u32,
    pub column_number: u16,
    pub type_name: String,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultInfo {
    pub operation: u32,
    pub status: Status,
    pub rows: u64,
    pub tag: String,
    pub code: String,
    /// As the upstream said it: masked before it is stored.
    pub message: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerOutcome {
    pub events: Vec<Event>,
    pub inserts: Vec<Vec<u8>>,
    pub refusals: Vec<Fault>,
    pub shapes: Vec<Vec<WireColumn>>,
    pub results: SmallVec<[ResultInfo; 1]>,
    /// Pairs of start and length, see the contract.
    pub cells: Vec<u32>,
    pub decoded: Vec<u8>,
    pub need: u32,
}

impl ResultInfo {
    /// How an operation ended about which nothing else is known.
    pub(crate) fn bare(operation: u32, status: Status) -> Self {
        let (tag, code, message) = (String::new(), String::new(), String::new());
        Self { operation, status, rows: 0, tag, code, message }
    }
}

/// What is put in the place of an operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitute {
    pub upstream: Vec<u8>,
    pub client: Vec<u8>,
}

/// Cells for the maskers: columnar, NULLs left out. Cell i is `cells[ends[i-1]..ends[i]]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub cells: Vec<u8>,
    pub ends: Vec<u32>,
    pub columns: Vec<u16>,
}

impl Batch {
    pub fn clear(&mut self) {
        self.cells.clear();
        self.ends.clear();
        self.columns.clear();
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// # Errors
    /// When the batch would grow past 4 GiB; never reached under the limits of a session.
    pub fn push(&mut self, cell: &[u8], column: u16) -> Result<(), TooLarge> {
        self.cells.extend_from_slice(cell);
        self.ends.push(u32::try_from(self.cells.len()).map_err(|_| TooLarge)?);
        self.columns.push(column);
        Ok(())
    }

    /// The bytes of cell `index`.
    pub fn cell(&self, index: usize) -> Option<&[u8]> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.cells.get(start..*self.ends.get(index)? as usize)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

/// What the maskers made of a batch: only changed cells, ascending. Text i is `texts[ends[i-1]..ends[i]]`;
/// a cell that becomes NULL has [`TOP_BIT`] set in `cells` and an empty text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    pub cells: Vec<u32>,
    pub texts: Vec<u8>,
    pub ends: Vec<u32>,
    /// How many cells each rule changed, and what shadows would have changed otherwise.
    pub applied: Vec<weir_model::Applied>,
}
