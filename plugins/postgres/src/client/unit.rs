//! Parse, Bind and Describe that wait for their Execute.

use super::{Scan, Step};
use crate::inspector::Inspector;
use crate::messages::bind::Bind;
use crate::messages::describe::Target;
use crate::messages::parse::Parse;
use crate::queue::Answer;

/// Consecutive messages that belong together: at most one Parse, then one Bind of it, with Describes.
#[derive(Debug)]
pub struct Unit<'a> {
    pub start: usize,
    pub parse: Option<Parse<'a>>,
    pub bind: Option<Bind<'a>>,
    /// What the server will answer, message by message.
    pub answers: Vec<Answer>,
}

/// More Describes than this in one unit serve nobody, and would be read again with each call.
const MAX_MESSAGES: usize = 6;

impl<'a> Unit<'a> {
    pub fn new(start: usize) -> Self {
        Self { start, parse: None, bind: None, answers: Vec::with_capacity(4) }
    }

    /// A Bind that uses what this unit has parsed.
    pub fn takes_bind(&self, bind: &Bind<'_>) -> bool {
        self.bind.is_none() && self.parse.is_some_and(|parse| parse.name == bind.statement)
    }

    pub fn takes_describe(&self, target: Target<'_>) -> bool {
        self.answers.len() < MAX_MESSAGES
            && match target {
                Target::Statement(name) => self.parse.is_some_and(|parse| parse.name == name),
                Target::Portal(name) => self.bind.is_some_and(|bind| bind.portal == name),
            }
    }

    pub fn describes_portal(&self) -> bool {
        self.answers.contains(&Answer::DescribePortal)
    }
}

impl Inspector {
    /// No Execute follows: what waited becomes an operation of its own.
    pub(super) fn close_unit(&mut self, scan: &mut Scan<'_>) -> Step {
        match scan.unit.take() {
            Some(unit) => self.release(scan, unit, None),
            None => Step::Next,
        }
    }
}
