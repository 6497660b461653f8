//! Which statement and portal names mean what, exactly as the server will see it.
//!
//! A change (Parse, Bind, Close, a query that drops the unnamed ones) is *staged* when the client's message is
//! read and *resolved* in the same order when its answer comes: applied, or void because it failed or was
//! skipped. In between a later message of the same segment sees the staged value, because it only runs if
//! everything before it in the segment succeeded. A later segment may run either way, so it must wait.
//!
//! SQL shares these names (PREPARE, DECLARE, …). What SQL puts under a name was never seen here as a
//! protocol text, so such a name is `Foreign` until the protocol defines it again, and using it in the protocol
//! is refused. A statement prepared by SQL keeps its text as long as there is no doubt about it, so that policies
//! can be told what `EXECUTE name` runs: after a PREPARE that may have failed, or code that nobody has read,
//! there is.

mod bound;
pub mod table;

pub use bound::Bound;
pub use table::{Found, Happened, Meaning, Table};

use crate::messages::bind::Values;
use crate::sql::{Facts, MaySet};
use std::cell::RefCell;
use std::rc::Rc;

/// What a Parse defined.
#[derive(Debug)]
pub struct Statement {
    pub text: String,
    pub facts: Rc<Facts>,
    /// Declared by the client, completed by what the server said in ParameterDescription.
    pub types: RefCell<Vec<u32>>,
}

impl Statement {
    /// What SQL has prepared, by the text of its PREPARE.
    pub fn of_sql(text: &str) -> Self {
        let facts = crate::sql::read(text.as_bytes(), crate::sql::Reading::default(), MaySet::Nothing);
        Self { text: text.to_owned(), facts: Rc::new(facts), types: RefCell::default() }
    }
}

/// What a Bind made of a statement.
#[derive(Debug)]
pub struct Portal {
    pub statement: Rc<Statement>,
    values: Box<[u8]>,
    /// Operation that ran it first, 0 while none has.
    pub first_run: std::cell::Cell<u32>,
    /// The columns of its rows, once the server has described it.
    pub shape: RefCell<Option<Rc<crate::messages::row_description::Shape>>>,
}

impl Portal {
    pub fn new(statement: Rc<Statement>, values: Values<'_>) -> Self {
        Self {
            statement,
            values: values.bytes().into(),
            first_run: std::cell::Cell::new(0),
            shape: RefCell::new(None),
        }
    }

    pub fn values(&self) -> Values<'_> {
        Values::kept(&self.values)
    }
}

/// Bytes a value keeps alive, roughly.
pub trait Weight {
    fn weight_bytes(&self) -> usize;

    /// Whether it makes no difference which of two is meant.
    fn says_the_same(&self, _: &Self) -> bool {
        false
    }
}

impl Weight for Statement {
    fn says_the_same(&self, other: &Self) -> bool {
        self.text == other.text
    }

    fn weight_bytes(&self) -> usize {
        128 + self.text.len() + self.types.borrow().len() * 4
    }
}

impl Weight for Portal {
    fn weight_bytes(&self) -> usize {
        128 + self.values.len()
    }
}

/// One staged change, kept with the answer that decides about it.
#[derive(Debug)]
pub enum Change {
    Statement(Box<[u8]>, Meaning<Statement>),
    Portal(Box<[u8]>, Meaning<Portal>),
    AllStatements,
    AllPortals,
    /// Code that nobody has read runs.
    Doubt,
}

/// Names a client may hold at once; a client that needs more leaks them.
pub const MAX_NAMES: usize = 10_000;

#[derive(Debug, Default)]
pub struct Names {
    pub statements: Table<Statement>,
    pub portals: Table<Portal>,
    pub bound: Bound,
}

impl Names {
    pub fn stage(&mut self, change: &Change, segment: u64) {
        match change {
            Change::Statement(name, meaning) => self.statements.stage(name, meaning, segment),
            Change::Portal(name, meaning) => self.portals.stage(name, meaning, segment),
            Change::AllStatements => self.statements.stage_clear(segment),
            Change::AllPortals => self.portals.stage_clear(segment),
            Change::Doubt => self.statements.stage_doubt(),
        }
    }

    pub fn resolve(&mut self, change: Change, happened: Happened) {
        match change {
            Change::Statement(name, meaning) => self.statements.resolve(name, meaning, happened),
            Change::Portal(name, meaning) => self.portals.resolve(name, meaning, happened),
            Change::AllStatements => self.statements.resolve_clear(happened),
            Change::AllPortals => self.portals.resolve_clear(happened),
            Change::Doubt => self.statements.resolve_doubt(happened),
        }
    }

    pub fn is_full(&self, max_bytes: usize) -> bool {
        self.statements.count() + self.portals.count() >= MAX_NAMES
            || self.statements.weight_bytes() + self.portals.weight_bytes() > max_bytes
    }
}
