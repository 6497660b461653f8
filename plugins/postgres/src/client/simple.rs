//! Query and FunctionCall, and what SQL text does to names.

use super::settings::Readable;
use super::{Scan, Step, Undecided, malformed};
use crate::inspector::{Inspector, denied};
use crate::messages::{function_call, query};
use crate::names::{Change, Found, Meaning, Statement};
use crate::operations::{self, attribute};
use crate::parameters;
use crate::queue::{Answer, Entry};
use crate::sql::{self, Copy, Facts, MaySet, NameEffect};
use crate::wire::Header;
use std::collections::BTreeSet;
use std::rc::Rc;
use weir_sdk::inspector::{Fault, Operation, Request};

impl Inspector {
    pub(super) fn query(&mut self, scan: &mut Scan<'_>, header: Header, body: &[u8]) -> Step {
        let Some(text) = query::decode(body) else { return malformed("Query") };
        let unreadable = match self.can_read(text) {
            Readable::Yes => None,
            Readable::NotYet => return Step::Wait,
            Readable::Never(why) => Some(why),
        };
        let facts = self.read(text);
        let mut operation =
            operations::of_text(operations::QUERY, String::from_utf8_lossy(text).into_owned(), &facts);
        if !self.add_executed(&mut operation, &facts) {
            return Step::Wait;
        }
        let end = scan.at + header.total_bytes;
        if let Some(why) =
            unreadable.or_else(|| self.runs_unknown(&facts)).or_else(|| self.query_not_maskable(&facts))
        {
            return self.refuse_here(scan, scan.at, end, operation, why, Answer::Query);
        }
        let id = self.client.next_id();
        let bytes = scan.data.get(scan.at..end).unwrap_or_default();
        self.client.undecided.push(Undecided { id, bytes: bytes.to_vec(), after: self.unsettled() });
        let mut entry = Entry::of(Answer::Query, self.client.segment, id);
        let mut instead = None;
        if self.masking
            && let Copy::Out(copy_out) = &facts.copy
        {
            let mut replacement = self.describe_copy(id, copy_out);
            replacement.extend_from_slice(bytes);
            instead = Some(replacement);
            entry.copy_out = Some(copy_out.clone());
        }
        entry.ends = true;
        entry.may_set = facts.may_set;
        entry.defines_nothing = facts.defines_nothing;
        entry.told_bytes = operations::told_bytes(&operation);
        entry.changes = self.stage_query(&facts);
        self.queue.push(entry);
        self.client.may_set = MaySet::Nothing;
        scan.out.operation(header.total_bytes, Request { id, continues: 0, operation }, instead);
        scan.at = end;
        Step::Next
    }

    pub(super) fn function_call(&mut self, scan: &mut Scan<'_>, header: Header, body: &[u8]) -> Step {
        let Some(call) = function_call::decode(body) else { return malformed("FunctionCall") };
        let operation = operations::call(call.function, parameters::decode_arguments(&call.arguments));
        let end = scan.at + header.total_bytes;
        if self.masking {
            let why =
                denied("cannot be masked: function calls past SQL are not possible while values are masked");
            return self.refuse_here(scan, scan.at, end, operation, why, Answer::Function);
        }
        let id = self.client.next_id();
        let entry = Entry {
            ends: true,
            may_set: MaySet::Something,
            ..Entry::of(Answer::Function, self.client.segment, id)
        };
        self.queue.push(entry);
        self.client.may_set = MaySet::Nothing;
        scan.out.operation(header.total_bytes, Request { id, continues: 0, operation }, None);
        scan.at = end;
        Step::Next
    }

    /// What a FETCH or MOVE runs of what a Bind has made.
    fn fetched(&self, facts: &Facts) -> Fetched {
        let bound: Vec<_> =
            facts.fetches.iter().filter(|cursor| self.names.bound.may_be(cursor.as_deref())).collect();
        let cursor = match bound.as_slice() {
            [] => return Fetched::Nothing,
            [cursor] if facts.statements == 1 => cursor.as_deref().filter(|name| sql::is_plain(name)),
            _ => None,
        };
        let Some(cursor) = cursor else { return Fetched::Unsure };
        match self.names.portals.find(cursor.as_bytes(), self.client.segment) {
            Found::Known(portal) if says_all(&portal.statement) => {
                Fetched::Portal(Rc::clone(&portal.statement))
            }
            Found::NotYet => Fetched::NotYet,
            Found::Known(_) | Found::Foreign(_) | Found::Nothing => Fetched::Unsure,
        }
    }

    /// Why this text cannot run: it may run what a Bind has made, and it is not sure what that is.
    pub(crate) fn runs_unknown(&self, facts: &Facts) -> Option<Fault> {
        matches!(self.fetched(facts), Fetched::Unsure | Fetched::NotYet).then(|| {
            denied("it is not sure what this FETCH or MOVE runs, since a Bind has used such a name: use Execute, or DECLARE a cursor")
        })
    }

    fn query_not_maskable(&self, facts: &Facts) -> Option<Fault> {
        if !self.masking {
            return None;
        }
        match &facts.copy {
            Copy::OutUnclear(why) => Some(denied(format!("cannot be masked: {why}"))),
            Copy::Out(_) if self.client.extended => {
                Some(denied("cannot be masked: send a Sync before a simple query with COPY TO STDOUT"))
            }
            _ if facts.not_utf8 => Some(denied("cannot be masked: the statement is not valid UTF-8")),
            _ => None,
        }
    }

    /// A simple query drops the unnamed statement and portal, then does what its text says.
    pub(crate) fn stage_query(&mut self, facts: &Facts) -> Vec<Change> {
        let segment = self.client.segment;
        let mut changes = Vec::new();
        if self.names.statements.may_hold(b"") {
            changes.push(Change::Statement(Box::default(), Meaning::Nothing));
        }
        if self.names.portals.may_hold(b"") {
            changes.push(Change::Portal(Box::default(), Meaning::Nothing));
        }
        for change in &changes {
            self.names.stage(change, segment);
        }
        // What comes behind it in the same segment runs also when it fails.
        changes.extend(self.stage_effects(facts, UNTIL_ANSWERED));
        changes
    }

    pub(crate) fn stage_effects(&mut self, facts: &Facts, segment: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        if facts.unseen {
            self.names.stage(&Change::Doubt, segment);
            changes.push(Change::Doubt);
        }
        for effect in &facts.names {
            let change = match effect {
                NameEffect::Prepare(name, text) => {
                    let full = self.names.is_full(self.max_name_bytes());
                    let known = text.as_ref().filter(|_| !full).map(|text| Rc::new(Statement::of_sql(text)));
                    Change::Statement(bytes(name), Meaning::Foreign(known))
                }
                NameEffect::Deallocate(name) => Change::Statement(bytes(name), Meaning::Nothing),
                NameEffect::DeallocateAll => Change::AllStatements,
                NameEffect::Declare(name) => Change::Portal(bytes(name), Meaning::Foreign(None)),
                NameEffect::CloseCursor(name) => Change::Portal(bytes(name), Meaning::Nothing),
                NameEffect::CloseAllCursors => Change::AllPortals,
            };
            self.names.stage(&change, segment);
            changes.push(change);
        }
        changes
    }

    /// What EXECUTE runs was prepared before, and what FETCH and MOVE run perhaps bound: says what it is, or that it is
    /// not known. `false` when that depends on an answer to come.
    pub(crate) fn add_executed(&self, operation: &mut Operation, facts: &Facts) -> bool {
        match self.fetched(facts) {
            Fetched::NotYet => return false,
            Fetched::Portal(statement) => {
                operation.action = statement.facts.action.to_owned();
                add_text(operation, &statement);
            }
            Fetched::Nothing | Fetched::Unsure => {}
        }
        for name in &facts.executes {
            if !sql::is_plain(name) {
                operation.attributes.push(attribute("sql-executes-unknown", name.as_str()));
                continue;
            }
            let statement = match self.names.statements.find(name.as_bytes(), self.client.segment) {
                Found::Known(statement) | Found::Foreign(Some(statement)) => statement,
                Found::NotYet => return false,
                Found::Foreign(None) | Found::Nothing => {
                    operation.attributes.push(attribute("sql-executes-unknown", name.as_str()));
                    continue;
                }
            };
            if is_doubtful(&statement) {
                operation.attributes.push(attribute("sql-executes-unknown", name.as_str()));
                continue;
            }
            if facts.only_executes {
                operation.action = statement.facts.action.to_owned();
            }
            add_text(operation, &statement);
        }
        true
    }
}

enum Fetched {
    /// No portal of the protocol.
    Nothing,
    Portal(Rc<Statement>),
    /// It depends on an answer to come.
    NotYet,
    Unsure,
}

/// The text tells what it does, and that it is read so.
fn says_all(statement: &Statement) -> bool {
    !is_doubtful(statement) && statement.facts.executes.is_empty() && statement.facts.fetches.is_empty()
}

fn is_doubtful(statement: &Statement) -> bool {
    let facts = &statement.facts;
    facts.unsafe_reading || facts.not_utf8 || (facts.old_strings && statement.text.contains('\\'))
}

/// Policies see also what this text does.
fn add_text(operation: &mut Operation, statement: &Statement) {
    operation.attributes.push(attribute("sql-executes", statement.text.as_str()));
    let known: BTreeSet<&String> = operation.objects.iter().collect();
    let more: Vec<_> =
        statement.facts.objects.iter().filter(|object| !known.contains(object)).cloned().collect();
    operation.objects.extend(more);
}

/// No segment: what is staged for it is only seen once its answer has come.
const UNTIL_ANSWERED: u64 = u64::MAX;

fn bytes(name: &str) -> Box<[u8]> {
    name.as_bytes().into()
}
