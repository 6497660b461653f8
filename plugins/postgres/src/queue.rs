//! What the upstream still owes: one entry for each message that yields an answer, in the order sent.
//!
//! Everything that asks the server something goes through here, also what this plugin asks on its own
//! (`hidden`) and what it sends in the place of a refused operation (`Refused`).

use crate::copy::CopyOut;
use crate::names::{Change, Portal, Statement};
use crate::sql::MaySet;
use std::collections::VecDeque;
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Results, then ReadyForQuery.
    Query,
    /// FunctionCallResponse, then ReadyForQuery.
    Function,
    Parse,
    Bind,
    Close,
    DescribeStatement,
    DescribePortal,
    Execute,
    Sync,
}

impl Answer {
    /// Has its own ReadyForQuery and does not make the server skip when it fails.
    pub fn is_simple(self) -> bool {
        matches!(self, Self::Query | Self::Function)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Open,
    /// Never sent: it belonged to a refused operation.
    Void,
    /// Something that must fail was sent instead; this ErrorResponse takes the place of the server's.
    Refused(Vec<u8>),
}

#[derive(Debug)]
pub struct Entry {
    pub answer: Answer,
    pub segment: u64,
    /// Operation it belongs to, 0 for none.
    pub operation: u32,
    /// Its answer is the last one of the operation.
    pub ends: bool,
    /// Not the client's: the answer is swallowed.
    pub hidden: bool,
    /// Its statement may change how SQL text is read (`SET`, …).
    pub may_set: MaySet,
    pub state: State,
    pub changes: Vec<Change>,
    pub statement: Option<Rc<Statement>>,
    pub portal: Option<Rc<Portal>>,
    /// How often the client has ended the data of a COPY FROM STDIN here before it was asked for any.
    pub copy_ends: u32,
    /// Its results may be announced once for all that have the same columns: nothing of it changes what those are.
    pub defines_nothing: bool,
    /// What the host hands to each masker when columns are announced: the operation's texts, in bytes.
    pub told_bytes: usize,
    /// How its COPY TO STDOUT is written, when values in it may be wanted.
    pub copy_out: Option<Box<CopyOut>>,
}

impl Entry {
    pub fn new(answer: Answer, segment: u64) -> Self {
        Self {
            answer,
            segment,
            operation: 0,
            ends: false,
            hidden: false,
            may_set: MaySet::Nothing,
            state: State::Open,
            changes: Vec::new(),
            statement: None,
            portal: None,
            copy_ends: 0,
            defines_nothing: false,
            told_bytes: 0,
            copy_out: None,
        }
    }

    pub fn of(answer: Answer, segment: u64, operation: u32) -> Self {
        Self { operation, ..Self::new(answer, segment) }
    }

    pub fn hidden(answer: Answer, segment: u64, operation: u32) -> Self {
        Self { operation, hidden: true, ..Self::new(answer, segment) }
    }
}

/// More open answers than this and the client has to wait. The server has written most of them long before,
/// since its own buffer is 8 KiB.
pub const MAX_OPEN: usize = 50_000;

#[derive(Debug, Default)]
pub struct Queue {
    entries: VecDeque<Entry>,
    /// entries that may set
    setting: usize,
    /// entries that the server answers without being asked to by what comes behind them
    answered_alone: usize,
    /// operations and closes sent and not answered that could be a COPY FROM STDIN
    runs: usize,
}

impl Queue {
    pub fn push(&mut self, entry: Entry) {
        self.enter(entry.may_set);
        self.answered_alone += usize::from(is_answered_alone(entry.answer));
        self.runs += usize::from(runs(&entry));
        self.entries.push_back(entry);
    }

    /// The entry whose answer comes next.
    pub fn front(&mut self) -> Option<&mut Entry> {
        while self.entries.front().is_some_and(|entry| entry.state == State::Void) {
            self.pop();
        }
        self.entries.front_mut()
    }

    pub fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.leave(entry.may_set);
        self.answered_alone -= usize::from(is_answered_alone(entry.answer));
        self.runs -= usize::from(runs(&entry));
        Some(entry)
    }

    pub fn is_idle(&mut self) -> bool {
        self.front().is_none()
    }

    pub fn open(&self) -> usize {
        self.entries.len()
    }

    /// What is not yet answered may change how SQL text is read.
    pub fn may_set(&self) -> MaySet {
        if self.setting == 0 { MaySet::Nothing } else { MaySet::Something }
    }

    /// A ReadyForQuery is to come whatever the client does: before it, the settings are reported.
    pub fn will_be_ready(&self) -> bool {
        self.answered_alone > 0
    }

    fn enter(&mut self, may_set: MaySet) {
        self.setting += usize::from(may_set == MaySet::Something);
    }

    fn leave(&mut self, may_set: MaySet) {
        self.setting -= usize::from(may_set == MaySet::Something);
    }

    /// The server asked for data although nobody foresaw it: a Sync sent right behind was read as part of the
    /// copy, and will not be answered.
    pub fn forget_sync_behind_front(&mut self) {
        if self.entries.get(1).is_some_and(|entry| entry.answer == Answer::Sync && !entry.hidden) {
            self.entries.remove(1);
            self.answered_alone -= 1;
        }
    }

    /// Something not yet answered may be a COPY FROM STDIN.
    pub fn may_copy_in(&self) -> bool {
        self.runs > 0
    }

    /// CopyDone or CopyFail came before the server asked for data: it belongs to the latest that can copy.
    pub fn copy_data_ended_early(&mut self) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| runs(entry)) {
            entry.copy_ends += 1;
        }
    }

    /// Something of another operation runs or binds this statement.
    pub fn uses_elsewhere(&self, statement: &Rc<Statement>, operation: u32) -> bool {
        self.entries.iter().filter(|entry| entry.operation != operation).any(|entry| {
            entry.statement.as_ref().is_some_and(|used| Rc::ptr_eq(used, statement))
                || entry.portal.as_ref().is_some_and(|portal| Rc::ptr_eq(&portal.statement, statement))
        })
    }

    /// The text of an operation was replaced.
    pub fn set_may_set(&mut self, operation: u32, may_set: MaySet) {
        let mut before = Vec::new();
        for entry in self.entries.iter_mut().filter(|entry| entry.operation == operation && entry.ends) {
            before.push(std::mem::replace(&mut entry.may_set, may_set));
        }
        for old in before {
            self.leave(old);
            self.enter(may_set);
        }
    }

    pub fn of_operation(&mut self, operation: u32) -> impl Iterator<Item = &mut Entry> {
        self.entries.iter_mut().filter(move |entry| entry.operation == operation)
    }

    /// Marks the entries of a refused operation and hands out their staged changes. `None` when it is not
    /// known (any more).
    pub fn refuse(&mut self, operation: u32, reply: Vec<u8>) -> Option<Refusal> {
        let keeper = self
            .entries
            .iter()
            .position(|entry| entry.operation == operation && !entry.hidden && entry.state == State::Open)?;
        let mut reply = Some(reply);
        let mut refusal = None;
        let mut sets = Vec::new();
        for (index, entry) in self.entries.iter_mut().enumerate() {
            if entry.operation != operation {
                continue;
            }
            self.runs -= usize::from(runs(entry));
            sets.push(std::mem::take(&mut entry.may_set));
            entry.state = State::Void;
            let changes = std::mem::take(&mut entry.changes);
            let refusal = refusal.get_or_insert_with(Refusal::default);
            if index == keeper {
                entry.state = State::Refused(reply.take().unwrap_or_default());
                refusal.place = Some((entry.answer, entry.segment));
            }
            refusal.changes.extend(changes);
        }
        for may_set in sets {
            self.leave(may_set);
        }
        refusal
    }
}

#[derive(Debug, Default)]
pub struct Refusal {
    pub place: Option<(Answer, u64)>,
    pub changes: Vec<Change>,
}

fn is_answered_alone(answer: Answer) -> bool {
    answer.is_simple() || answer == Answer::Sync
}

fn runs(entry: &Entry) -> bool {
    matches!(entry.answer, Answer::Query | Answer::Execute) && entry.state == State::Open && !entry.hidden
}
