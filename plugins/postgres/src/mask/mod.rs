//! Values on their way to the client: where they lie, and how edited ones are put back.

pub mod cells;
pub mod edit;
pub mod kept_back;
pub mod known;
pub mod people;

use crate::copy::Style;
use crate::messages::row_description::Shape;
use std::rc::Rc;

/// Rows of the current result, and what is wanted of them.
#[derive(Debug, Default, Clone)]
pub struct Rows {
    pub shape: Rc<Shape>,
    /// Rows are CopyData written this way.
    pub style: Option<Rc<Style>>,
    /// Columns whose cells are asked for.
    pub wanted: Rc<[u16]>,
}

/// A cell whose text lies in `decoded`.
pub const DECODED: u32 = 1 << 31;
/// Length of NULL.
pub const NULL: u32 = u32::MAX;
/// An edit that makes the cell NULL.
pub const MAKES_NULL: u32 = 1 << 31;
