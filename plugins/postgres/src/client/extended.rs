//! Parse, Bind, Describe, Execute.

use super::copy_in::CopyIn;
use super::settings::Readable;
use super::unit::Unit;
use super::{Scan, Step, Undecided, advance, pass};
use crate::inspector::{Inspector, denied};
use crate::messages::bind::Bind;
use crate::messages::describe::{self, Target};
use crate::messages::execute::Execute;
use crate::messages::parse::Parse;
use crate::names::{Change, Found, Meaning, Portal, Statement};
use crate::operations::{self, attribute};
use crate::queue::{Answer, Entry};
use crate::sql::{Copy, Facts};
use crate::wire::Header;
use crate::{parameters, refusal};
use std::cell::RefCell;
use std::rc::Rc;
use weir_sdk::inspector::{Fault, Operation, Request};

impl Inspector {
    pub(super) fn parse<'a>(&mut self, scan: &mut Scan<'a>, header: Header, parse: Parse<'a>) -> Step {
        match self.close_unit(scan) {
            Step::Next => {}
            step => return step,
        }
        if self.client.doomed {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        let mut unit = Unit::new(scan.at);
        unit.parse = Some(parse);
        unit.answers.push(Answer::Parse);
        scan.unit = Some(unit);
        advance(scan, header)
    }

    pub(super) fn bind<'a>(&mut self, scan: &mut Scan<'a>, header: Header, bind: Bind<'a>) -> Step {
        if !scan.unit.as_ref().is_some_and(|unit| unit.takes_bind(&bind)) {
            match self.close_unit(scan) {
                Step::Next => {}
                step => return step,
            }
            if self.client.doomed {
                scan.out.drop(header.total_bytes);
                return advance(scan, header);
            }
        }
        let unit = scan.unit.get_or_insert_with(|| Unit::new(scan.at));
        unit.bind = Some(bind);
        unit.answers.push(Answer::Bind);
        advance(scan, header)
    }

    pub(super) fn describe(&mut self, scan: &mut Scan<'_>, header: Header, target: Target<'_>) -> Step {
        let answer = match target {
            Target::Statement(_) => Answer::DescribeStatement,
            Target::Portal(_) => Answer::DescribePortal,
        };
        if let Some(unit) = scan.unit.as_mut().filter(|unit| unit.takes_describe(target)) {
            unit.answers.push(answer);
            return advance(scan, header);
        }
        match self.close_unit(scan) {
            Step::Next => {}
            step => return step,
        }
        if self.client.doomed {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        self.client.extended = true;
        let segment = self.client.segment;
        let mut entry = Entry::new(answer, segment);
        if let Target::Statement(name) = target
            && let Found::Known(statement) = self.names.statements.find(name, segment)
        {
            entry.statement = Some(statement);
        }
        self.queue.push(entry);
        pass(scan, header)
    }

    pub(super) fn execute<'a>(&mut self, scan: &mut Scan<'a>, header: Header, execute: Execute<'a>) -> Step {
        let own = |unit: &Unit<'_>| unit.bind.is_some_and(|bind| bind.portal == execute.portal);
        if scan.unit.as_ref().is_some_and(own)
            && let Some(unit) = scan.unit.take()
        {
            return self.release(scan, unit, Some(header));
        }
        match self.close_unit(scan) {
            Step::Next => {}
            step => return step,
        }
        if self.client.doomed {
            scan.out.drop(header.total_bytes);
            return advance(scan, header);
        }
        self.execute_known(scan, header, execute)
    }

    /// Execute of a portal that was bound before.
    fn execute_known(&mut self, scan: &mut Scan<'_>, header: Header, execute: Execute<'_>) -> Step {
        let segment = self.client.segment;
        let portal = match self.names.portals.find(execute.portal, segment) {
            Found::Known(portal) => portal,
            Found::NotYet => return Step::Wait,
            Found::Foreign(_) => {
                return self.refuse_name(scan, header, operations::QUERY, &foreign("portal", execute.portal));
            }
            Found::Nothing => {
                return self.refuse_name(scan, header, operations::QUERY, &missing_portal(execute.portal));
            }
        };
        let bound = parameters::decode(portal.values(), &portal.statement.types.borrow());
        let continues = portal.first_run.get();
        let kind = if continues == 0 { operations::QUERY } else { operations::FETCH };
        let mut operation = operations::of_statement(kind, &portal.statement, Some(bound));
        if !self.add_executed(&mut operation, &portal.statement.facts) {
            return Step::Wait;
        }
        let facts = &portal.statement.facts;
        if let Some(why) = self.runs_unknown(facts).or_else(|| self.not_maskable(&portal.statement)) {
            let end = scan.at + header.total_bytes;
            return self.refuse_here(scan, scan.at, end, operation, why, Answer::Execute);
        }
        let id = self.client.next_id();
        let mut instead = None;
        self.client.extended = true;
        if self.masking && continues == 0 {
            let mut bytes = Vec::new();
            describe::encode(&mut bytes, b'D', Target::Portal(execute.portal));
            bytes.extend_from_slice(scan.data.get(scan.at..scan.at + header.total_bytes).unwrap_or_default());
            instead = Some(bytes);
            self.queue.push(Entry {
                portal: Some(Rc::clone(&portal)),
                ..Entry::hidden(Answer::DescribePortal, segment, id)
            });
        }
        if continues == 0 {
            portal.first_run.set(id);
        }
        self.push_execute(id, &portal);
        scan.out.operation(header.total_bytes, Request { id, continues, operation }, instead);
        advance(scan, header)
    }

    /// Turns a unit into an operation; `execute` is the header of the Execute at `scan.at` that ends it.
    pub(super) fn release(&mut self, scan: &mut Scan<'_>, unit: Unit<'_>, execute: Option<Header>) -> Step {
        let end = scan.at + execute.map_or(0, |header| header.total_bytes);
        let len = end - unit.start;
        let segment = self.client.segment;
        let first = if unit.parse.is_some() { Answer::Parse } else { Answer::Bind };
        let unreadable = match unit.parse.map(|parse| self.can_read(parse.text)) {
            None | Some(Readable::Yes) => None,
            Some(Readable::NotYet) => return Step::Wait,
            Some(Readable::Never(why)) => Some(why),
        };
        let statement = match (unit.parse, unit.bind) {
            (Some(parse), _) => statement(parse, self.read(parse.text)),
            (None, Some(bind)) => match self.names.statements.find(bind.statement, segment) {
                Found::Known(statement) => statement,
                Found::NotYet => return Step::Wait,
                found => {
                    let why = match found {
                        Found::Foreign(_) => foreign("statement", bind.statement),
                        _ => missing_statement(bind.statement),
                    };
                    let kind = if execute.is_some() { operations::QUERY } else { operations::PREPARE };
                    let operation = operations::unread(kind, String::new());
                    return self.refuse_here(scan, unit.start, end, operation, why, first);
                }
            },
            (None, None) => return Step::Next,
        };
        let bound = unit.bind.map(|bind| parameters::decode(bind.values, &statement.types.borrow()));
        let kind = if execute.is_some() { operations::QUERY } else { operations::PREPARE };
        let mut operation = operations::of_statement(kind, &statement, bound);
        if let Some(parse) = unit.parse {
            operation.attributes.push(attribute("statement-name", String::from_utf8_lossy(parse.name)));
        }
        if let Some(bind) = unit.bind {
            operation.attributes.push(attribute("portal-name", String::from_utf8_lossy(bind.portal)));
        }
        if !self.add_executed(&mut operation, &statement.facts) {
            return Step::Wait;
        }
        let too_many = self.names.is_full(self.max_name_bytes()).then(|| Fault {
            code: "53000".to_owned(),
            message: "this session holds too many prepared statements and portals; close some".to_owned(),
        });
        if let Some(bind) = unit.bind {
            self.names.bound.note(bind.portal);
        }
        // What is only prepared or bound runs later, or never.
        let runs = execute.and_then(|_| self.runs_unknown(&statement.facts));
        if let Some(why) = unreadable.or(too_many).or(runs).or_else(|| self.not_maskable(&statement)) {
            return self.refuse_here(scan, unit.start, end, operation, why, first);
        }
        let id = self.client.next_id();
        let bytes = scan.data.get(unit.start..end).unwrap_or_default();
        if unit.parse.is_some() {
            self.client.undecided.push(Undecided { id, bytes: bytes.to_vec(), after: self.unsettled() });
        }
        self.client.extended = true;
        if unit.bind.is_some() {
            // Planning may run functions.
            self.client.may_set = self.client.may_set.max(statement.facts.may_set);
        }
        let portal =
            unit.bind.map(|bind| (bind.portal, Rc::new(Portal::new(Rc::clone(&statement), bind.values))));
        self.push_unit(id, &unit, &statement, portal.as_ref(), execute.is_none());
        let mut instead = None;
        if let (Some(header), Some((name, portal))) = (execute, portal) {
            portal.first_run.set(id);
            if self.masking && !unit.describes_portal() {
                let (before, after) = bytes.split_at_checked(len - header.total_bytes).unwrap_or_default();
                let mut replacement = before.to_vec();
                describe::encode(&mut replacement, b'D', Target::Portal(name));
                replacement.extend_from_slice(after);
                instead = Some(replacement);
                self.queue.push(Entry {
                    portal: Some(Rc::clone(&portal)),
                    ..Entry::hidden(Answer::DescribePortal, segment, id)
                });
            }
            self.push_execute(id, &portal);
        }
        scan.out.operation(len, Request { id, continues: 0, operation }, instead);
        scan.at = end;
        Step::Next
    }

    /// Entries for the Parse, Bind and Describes of a unit; the last one ends the operation if `alone`.
    fn push_unit(
        &mut self,
        id: u32,
        unit: &Unit<'_>,
        statement: &Rc<Statement>,
        portal: Option<&(&[u8], Rc<Portal>)>,
        alone: bool,
    ) {
        let segment = self.client.segment;
        let last = unit.answers.len() - 1;
        for (index, answer) in unit.answers.iter().enumerate() {
            let mut entry = Entry::of(*answer, segment, id);
            entry.ends = alone && index == last;
            let change = match (answer, unit.parse, portal) {
                (Answer::Parse, Some(parse), _) => {
                    entry.statement = Some(Rc::clone(statement));
                    Some(Change::Statement(parse.name.into(), Meaning::Known(Rc::clone(statement))))
                }
                (Answer::Bind, _, Some((name, portal))) => {
                    Some(Change::Portal((*name).into(), Meaning::Known(Rc::clone(portal))))
                }
                (Answer::DescribeStatement, ..) => {
                    entry.statement = Some(Rc::clone(statement));
                    None
                }
                (Answer::DescribePortal, _, Some((_, portal))) if !alone => {
                    entry.portal = Some(Rc::clone(portal));
                    None
                }
                _ => None,
            };
            if let Some(change) = change {
                self.names.stage(&change, segment);
                entry.changes.push(change);
            }
            self.queue.push(entry);
        }
    }

    fn push_execute(&mut self, id: u32, portal: &Rc<Portal>) {
        let segment = self.client.segment;
        let facts = &portal.statement.facts;
        let changes = self.stage_effects(facts, segment);
        self.client.may_set = self.client.may_set.max(facts.may_set);
        if facts.copy == Copy::In {
            self.client.copy_in = CopyIn::Expected { operation: id, segment };
        }
        self.queue.push(Entry {
            ends: true,
            may_set: facts.may_set,
            changes,
            portal: Some(Rc::clone(portal)),
            ..Entry::of(Answer::Execute, segment, id)
        });
    }

    /// Why this statement cannot run while values are masked.
    pub(crate) fn not_maskable(&self, statement: &Statement) -> Option<Fault> {
        if !self.masking {
            return None;
        }
        match &statement.facts.copy {
            Copy::Out(_) => Some(denied("use a simple query for COPY TO STDOUT while values are masked")),
            Copy::OutUnclear(why) => Some(denied(format!("cannot be masked: {why}"))),
            _ if statement.facts.not_utf8 => {
                Some(denied("cannot be masked: the statement is not valid UTF-8"))
            }
            _ => None,
        }
    }

    fn refuse_name(&mut self, scan: &mut Scan<'_>, header: Header, kind: &str, why: &Fault) -> Step {
        let operation: Operation = operations::unread(kind, String::new());
        let end = scan.at + header.total_bytes;
        self.refuse_here(scan, scan.at, end, operation, why.clone(), Answer::Execute)
    }

    /// Refuses the bytes from `start` to `end` without asking anybody: something that must fail is sent instead.
    pub(super) fn refuse_here(
        &mut self,
        scan: &mut Scan<'_>,
        start: usize,
        end: usize,
        operation: Operation,
        why: Fault,
        answer: Answer,
    ) -> Step {
        let id = self.client.next_id();
        let state = refusal::state(&why);
        self.queue.push(Entry { state, ..Entry::of(answer, self.client.segment, id) });
        if !answer.is_simple() {
            self.client.extended = true;
            self.client.doomed = true;
        }
        scan.out.refused(id, operation, why);
        // The drop comes last: it may cover bytes that are still to come.
        scan.out.insert(refusal::failing(answer));
        scan.out.drop(end.saturating_sub(start));
        scan.at = end;
        if scan.at > scan.data.len() { Step::Stop } else { Step::Next }
    }
}

pub(crate) fn statement(parse: Parse<'_>, facts: Rc<Facts>) -> Rc<Statement> {
    Rc::new(Statement {
        text: String::from_utf8_lossy(parse.text).into_owned(),
        facts,
        types: RefCell::new(parse.types().collect()),
    })
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

fn foreign(what: &str, name: &[u8]) -> Fault {
    denied(format!(
        "{what} \"{}\" was not defined through this session's protocol but by an SQL command; use it in SQL",
        shown(name)
    ))
}

fn missing_statement(name: &[u8]) -> Fault {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_owned()
    } else {
        format!(
            "prepared statement \"{}\" does not exist: it was not prepared through this session's protocol",
            shown(name)
        )
    };
    Fault { code: "26000".to_owned(), message }
}

fn missing_portal(name: &[u8]) -> Fault {
    let message = format!(
        "portal \"{}\" does not exist: it was not bound through this session's protocol",
        shown(name)
    );
    Fault { code: "34000".to_owned(), message }
}
