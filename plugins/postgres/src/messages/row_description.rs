//! `T`: the columns of rows to come.

/// Columns of one result.
#[derive(Debug, Default)]
pub struct Shape;
