//! Another text in the place of the client's: the message is rebuilt around it.

use crate::client::Undecided;
use crate::client::extended::statement;
use crate::inspector::Inspector;
use crate::messages::bind::{self, Values};
use crate::messages::describe::{self, Target};
use crate::messages::parse::{self, Parse};
use crate::messages::query;
use crate::names::{Change, Happened, Meaning, Portal, Statement};
use crate::operations::{self, attribute};
use crate::parameters;
use crate::queue::Answer;
use crate::sql::{self, Copy, MaySet};
use crate::wire::{self, Framing};
use std::rc::Rc;
use weir_sdk::inspector::{Fault, Operation, Substitute};

impl Inspector {
    pub fn rewrite_operation(&mut self, id: u32, text: &str) -> Result<(Substitute, Operation), Fault> {
        let fault = |message: &str| Fault { code: "cannot-rewrite".to_owned(), message: message.to_owned() };
        let at = self
            .client
            .undecided
            .iter()
            .position(|undecided| undecided.id == id)
            .ok_or_else(|| fault("only a query or a statement being prepared has a text to replace"))?;
        let undecided = self.client.undecided.swap_remove(at);
        let outcome = self.rewritten(&undecided, text);
        self.client.undecided.push(undecided);
        outcome.ok_or_else(|| fault("this text cannot take the place of the operation's"))
    }

    fn rewritten(&mut self, undecided: &Undecided, text: &str) -> Option<(Substitute, Operation)> {
        let Undecided { id, ref bytes, after } = *undecided;
        // Who says what the server makes of it could not wait for the answers any more.
        if after != MaySet::Nothing && sql::hangs_on_settings(text.as_bytes()) {
            return None;
        }
        let Framing::Header(header) = wire::header(bytes) else { return None };
        let (first, rest) = bytes.split_at_checked(header.total_bytes)?;
        let body = first.get(wire::HEADER_BYTES..)?;
        if text.contains('\0') {
            return None;
        }
        match header.kind {
            b'Q' => self.rewritten_query(id, text),
            b'P' => self.rewritten_unit(id, parse::decode(body)?, rest, text),
            _ => None,
        }
    }

    fn rewritten_query(&mut self, id: u32, text: &str) -> Option<(Substitute, Operation)> {
        let facts = sql::read(text.as_bytes(), self.reading, MaySet::Nothing);
        let copies = |copy: &Copy| matches!(copy, Copy::Out(_) | Copy::OutUnclear(_));
        if self.masking && copies(&facts.copy) || self.runs_unknown(&facts).is_some() {
            return None;
        }
        let changes = {
            let entry = self.queue.of_operation(id).find(|entry| entry.answer == Answer::Query)?;
            if entry.copy_out.is_some() {
                return None;
            }
            std::mem::take(&mut entry.changes)
        };
        for change in changes {
            self.names.resolve(change, Happened::No);
        }
        let changes = self.stage_query(&facts);
        let may_set = facts.may_set;
        self.queue.set_may_set(id, may_set);
        let mut upstream = Vec::new();
        query::encode(&mut upstream, text.as_bytes());
        let mut operation = operations::of_text(operations::QUERY, text.to_owned(), &facts);
        let is_known = self.add_executed(&mut operation, &facts);
        if let Some(entry) = self.queue.of_operation(id).find(|entry| entry.answer == Answer::Query) {
            entry.changes = changes;
            entry.defines_nothing = facts.defines_nothing;
            entry.told_bytes = operations::told_bytes(&operation);
        }
        if !is_known {
            return None;
        }
        Some((Substitute { upstream, client: Vec::new() }, operation))
    }

    /// A statement with its Bind, Describes and Execute. Not when something behind it already uses it by name:
    /// that was judged with the old text.
    fn rewritten_unit(
        &mut self,
        id: u32,
        parse: Parse<'_>,
        rest: &[u8],
        text: &str,
    ) -> Option<(Substitute, Operation)> {
        let facts = sql::read(text.as_bytes(), self.reading, MaySet::Nothing);
        let statement = statement(Parse { text: text.as_bytes(), ..parse }, Rc::new(facts));
        if self.not_maskable(&statement).is_some() || !statement.facts.fetches.is_empty() {
            return None;
        }
        let old = self.queue.of_operation(id).find_map(|entry| entry.statement.clone())?;
        // A Sync behind a COPY FROM STDIN may already be waiting for what the server says to it.
        if old.facts.copy == Copy::In
            || statement.facts.copy == Copy::In
            || self.queue.uses_elsewhere(&old, id)
        {
            return None;
        }
        let executes = self.queue.of_operation(id).any(|entry| entry.answer == Answer::Execute);
        let hidden = self.queue.of_operation(id).any(|entry| entry.hidden);
        let (body, tail) = self.exchange(id, parse.name, &statement, rest)?;
        let bound = body.map(|values| parameters::decode(values, &statement.types.borrow()));
        let kind = if executes { operations::QUERY } else { operations::PREPARE };
        let mut operation = operations::of_statement(kind, &statement, bound);
        operation.attributes.push(attribute("statement-name", String::from_utf8_lossy(parse.name)));
        let types: Vec<u32> = parse.types().collect();
        let mut upstream = Vec::new();
        parse::encode(&mut upstream, parse.name, text.as_bytes(), types.into_iter());
        match tail {
            Some((before, portal, execute)) if hidden => {
                upstream.extend_from_slice(before);
                describe::encode(&mut upstream, b'D', Target::Portal(portal));
                upstream.extend_from_slice(execute);
            }
            _ => upstream.extend_from_slice(rest),
        }
        Some((Substitute { upstream, client: Vec::new() }, operation))
    }

    /// Puts the new statement, and a new portal of it, where the old ones were staged.
    fn exchange<'a>(
        &mut self,
        id: u32,
        name: &[u8],
        statement: &Rc<Statement>,
        rest: &'a [u8],
    ) -> Option<(Option<Values<'a>>, Option<Tail<'a>>)> {
        let mut at = 0;
        let mut bound = None;
        let mut tail = None;
        while let Framing::Header(header) = wire::header(rest.get(at..)?) {
            let body = wire::body(rest, at, header)?;
            match header.kind {
                b'B' => bound = Some(bind::decode(body)?),
                b'E' => tail = bound.map(|bind| (at, bind.portal)),
                _ => {}
            }
            at += header.total_bytes;
        }
        let segment = self.client.segment;
        let portal = bound.map(|bind| Rc::new(Portal::new(Rc::clone(statement), bind.values)));
        if let Some(portal) = &portal {
            portal.first_run.set(id);
        }
        let mut changes = Vec::new();
        for entry in self.queue.of_operation(id) {
            if entry.statement.is_some() {
                entry.statement = Some(Rc::clone(statement));
            }
            if entry.portal.is_some() {
                entry.portal.clone_from(&portal);
            }
            changes.push(std::mem::take(&mut entry.changes));
        }
        let mut renewed = Vec::with_capacity(changes.len());
        for old in changes.into_iter().flatten() {
            let new = match &old {
                Change::Statement(changed, Meaning::Known(_)) if **changed == *name => {
                    Some(Change::Statement(changed.clone(), Meaning::Known(Rc::clone(statement))))
                }
                Change::Portal(changed, Meaning::Known(_)) => portal
                    .as_ref()
                    .map(|portal| Change::Portal(changed.clone(), Meaning::Known(Rc::clone(portal)))),
                // What the old text would have done to names by SQL.
                _ => None,
            };
            self.names.resolve(old, Happened::No);
            renewed.extend(new);
        }
        for change in &renewed {
            self.names.stage(change, segment);
        }
        let effects = self.stage_effects(&statement.facts, segment);
        self.queue.set_may_set(id, statement.facts.may_set);
        self.client.may_set = self.client.may_set.max(statement.facts.may_set);
        for entry in self.queue.of_operation(id) {
            match entry.answer {
                Answer::Parse => {
                    entry.changes.extend(take(&mut renewed, |change| matches!(change, Change::Statement(..))))
                }
                Answer::Bind => {
                    entry.changes.extend(take(&mut renewed, |change| matches!(change, Change::Portal(..))))
                }
                _ => {}
            }
        }
        if let Some(last) = self.queue.of_operation(id).last() {
            last.changes.extend(effects);
        }
        let tail = tail.and_then(|(at, portal)| {
            rest.split_at_checked(at).map(|(before, after)| (before, portal, after))
        });
        Some((bound.map(|bind| bind.values), tail))
    }
}

/// What lies before an Execute, the portal it runs, and the Execute itself.
type Tail<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn take(changes: &mut Vec<Change>, which: impl Fn(&Change) -> bool) -> Option<Change> {
    let at = changes.iter().position(which)?;
    Some(changes.remove(at))
}
