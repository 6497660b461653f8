//! What is wrong with a file, where, and what to do about it.
//!
//! A problem is written for the person who edits the file. It says what was found in the words of the file,
//! shows the line with a caret below the very characters, and, whenever there is something to do, says what.
//! Each kind of problem has a [`Code`], and each code has a golden case under `tests/invalid/`, so the messages
//! below are exactly what people read.
//!
//! Two severities and no more. With an **error** the file is not used at all; a **warning** is for what works
//! but is probably not meant, or is weaker than it could be.
//!
//! A problem shows a line of the file, and files contain mistakes such as a password written in place of a
//! reference to one. So the excerpt is made last, when every check has said which characters must not be
//! shown; they become `********` (see `source.rs`).

pub(crate) mod code;
mod render;

use std::fmt;
use std::path::PathBuf;

pub use code::Code;

/// Whether the file can be used in spite of the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is used; somebody should look.
    Warning,
}

/// Where a problem is. Printed as `FILE:LINE:COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file, as it was named when it was loaded.
    pub file: PathBuf,
    /// `None` when the problem is the whole file: it is missing, or not text.
    pub mark: Option<Mark>,
}

/// A line of the file and the characters in it that are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// From 1.
    pub line: usize,
    /// From 1, in characters, in the file as it is.
    pub column: usize,
    /// The line without its end, secrets replaced by `********`.
    pub text: String,
    /// Characters of `text` before the caret: `column - 1` unless something before it was replaced.
    pub indent: usize,
    /// Carets to draw; at least 1.
    pub width: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its kind: short, stable, one message each.
    pub code: Code,
    pub severity: Severity,
    pub location: Location,
    /// What was found: one line, lower case, no final stop.
    pub message: String,
    /// Another place or fact that belongs to it.
    pub note: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// Everything that is wrong: by file, then by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn new(problems: Vec<Problem>) -> Self {
        Self(problems)
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them is an error: the file must not be used.
    pub fn any_error(&self) -> bool {
        self.0.iter().any(|problem| problem.severity == Severity::Error)
    }

    pub fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        match &self.mark {
            Some(mark) => write!(out, ":{}:{}", mark.line, mark.column),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
impl std::error::Error for Problems {}
