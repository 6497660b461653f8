//! Shapes of which the host has said what it wants of all their rows to come, until it takes that back.
//!
//! The key is the upstream's own description, byte for byte: whatever else could differ between two results, the host
//! plans with nothing more.

use super::Rows;
use crate::copy::Style;
use crate::inspector::Inspector;
use crate::messages::row_description::Shape;
use crate::outcome::ServerSide;
use std::rc::Rc;

/// More than the host keeps at once; past it the oldest is forgotten, and announced again.
const MOST_KEPT: usize = 64;

#[derive(Debug)]
struct KnownShape {
    number: u32,
    shape: Rc<Shape>,
    wanted: Rc<[u16]>,
}

/// Those that hold, the oldest first.
#[derive(Debug, Default)]
pub struct Known(Vec<KnownShape>);

impl Known {
    fn keep(&mut self, number: u32, shape: &Rc<Shape>, wanted: &Rc<[u16]>) {
        self.0.retain(|known| known.shape.body != shape.body);
        if self.0.len() >= MOST_KEPT {
            self.0.remove(0);
        }
        self.0.push(KnownShape { number, shape: Rc::clone(shape), wanted: Rc::clone(wanted) });
    }

    fn find(&self, body: &[u8]) -> Option<&KnownShape> {
        self.0.iter().find(|known| *known.shape.body == *body)
    }

    /// The shape with this description, read when it came before.
    pub(crate) fn described(&self, body: &[u8]) -> Option<Rc<Shape>> {
        self.find(body).map(|known| Rc::clone(&known.shape))
    }
}

impl Inspector {
    pub(crate) fn forget_shapes_before(&mut self, kept_from: u32) {
        let known = &mut self.server.known.0;
        if known.iter().any(|shape| shape.number < kept_from) {
            known.retain(|shape| shape.number >= kept_from);
        }
    }

    /// What was wanted of the shape that was announced last is wanted of each like it.
    pub(crate) fn keep_shape(&mut self, number: u32) {
        let rows = &self.server.rows;
        if number != 0 {
            self.server.known.keep(number, &rows.shape, &rows.wanted);
        }
    }

    /// If the host has said what it wants of such a shape: its rows come next, written in `style`.
    pub(crate) fn is_known(
        &mut self,
        out: &mut ServerSide,
        len: usize,
        operation: u32,
        shape: &Rc<Shape>,
        style: Option<Rc<Style>>,
    ) -> bool {
        let server = &mut self.server;
        let Some(known) = server.known.find(&shape.body) else { return false };
        server.rows = Rows { shape: Rc::clone(shape), style, wanted: Rc::clone(&known.wanted) };
        server.shape_for = operation;
        server.edited.push(server.rows.clone());
        out.known(len, known.number, operation);
        true
    }
}
