//! A TOML text as a tree in which everything knows its place.
//!
//! This is where the TOML library ends: `parse.rs` turns its document into [`Node`]s, and nobody else sees its
//! types. A tree instead of serde, because serde stops at the first thing that does not fit, and we want to tell
//! all of them at once; and because a checked value must still know the characters it came from.
//!
//! `fields.rs` is the helper with which a section takes its keys out of a table.

mod fields;
mod parse;
mod report;
mod source;

use std::ops::Range;

pub(crate) use fields::{Fields, Wanted, choose, text_of};
pub(crate) use parse::{parse, salvage};
pub(crate) use report::Report;
pub(crate) use source::Source;

/// Bytes of the file: `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
}

/// A value of the document.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// For a table with a header, the header.
    pub(crate) span: Span,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// Saturated at the bounds of `i128`, which is outside of any bounds we have.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// As written: a date, a time or both.
    Date(String),
    List(Vec<Node>),
    /// In the order of the file.
    Table(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: At<String>,
    pub(crate) node: Node,
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl<T> At<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), span: self.span }
    }
}

impl Node {
    /// What it is, with its article: `a text`.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Text(_) => "a text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Boolean(_) => "true or false",
            Value::Date(_) => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key.value == key),
            _ => None,
        }
    }

    /// Entries of a table, elements of a list; 0 for all others.
    pub(crate) fn len(&self) -> usize {
        match &self.value {
            Value::Table(entries) => entries.len(),
            Value::List(nodes) => nodes.len(),
            _ => 0,
        }
    }

    pub(crate) fn element(&self, index: usize) -> Option<&Node> {
        match &self.value {
            Value::List(nodes) => nodes.get(index),
            _ => None,
        }
    }
}
