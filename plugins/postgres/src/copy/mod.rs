//! COPY … TO STDOUT: rows that travel outside DataRow.

use crate::messages::describe::{self, Target};
use crate::messages::parse;
use crate::wire;

/// How the rows of one COPY are described and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOut {
    /// A query with the same columns.
    pub describe: String,
}

/// Name of the statement that describes the rows; never the client's.
const DESCRIBE_NAME: &[u8] = b"weir:copy";

impl CopyOut {
    /// Parse, Describe, Close, Sync: no trace is left.
    pub fn describing_messages(&self) -> Vec<u8> {
        let mut out = Vec::new();
        parse::encode(&mut out, DESCRIBE_NAME, self.describe.as_bytes(), [].into_iter());
        describe::encode(&mut out, b'D', Target::Statement(DESCRIBE_NAME));
        describe::encode(&mut out, b'C', Target::Statement(DESCRIBE_NAME));
        wire::message(&mut out, b'S', |_| {});
        out
    }
}
