//! What the client sent: find the operations, decide, hold or record, and only then forward.

use super::{Exchange, Running, Stop};
use crate::decide::{Folded, fold};
use crate::judging::{as_recorded, denial, denied};
use crate::ports::{Entry, Inspector, Intent, Policies, Ports, RefusedBy, Round, Trail};
use crate::traffic::{Event, Request, Substitute, kind};
use bytes::Bytes;
use std::sync::Arc;
use weir_model::{Decision, Fault, FaultSource, Operation, Tags, Verdict};

/// How often one operation may be rewritten before it is refused: policies that rewrite each other's text
/// would never end.
const MAX_REWRITES: usize = 4;
/// Operations staged for one durable write; bounds what a pipelining client can make us hold in memory.
const MAX_STAGED: usize = 512;

/// Something that is decided and waits to be forwarded, in order.
pub(super) enum Staged {
    /// Needs no decision.
    Bytes(Bytes),
    /// Allowed: forwarded when its intent is on disk.
    Allowed { intent: Intent, operation: Arc<Operation>, bytes: Bytes },
    /// Refused: recorded; these bytes go in its place.
    Refused { intent: Intent, by: RefusedBy, why: Fault, upstream: Vec<u8>, client: Vec<u8> },
}

/// What is to become of an operation, once every policy has spoken.
pub(super) enum Fate {
    Go { operation: Arc<Operation>, rewritten: Option<Bytes>, decision: Decision },
    Refuse { operation: Arc<Operation>, by: RefusedBy, why: Fault, decision: Decision },
    Ask { operation: Arc<Operation>, rewritten: Option<Bytes>, decision: Decision },
}

impl<P: Ports> Exchange<P> {
    /// Shows the inspector what the client sent and carries out what it finds.
    pub(super) async fn look_at_client(&mut self) -> Result<(), Stop> {
        // While an operation was held, more may have come than is shown at once.
        let most = self.limits.buffer_bytes.max(self.from_client.need);
        self.seen = self.from_client.len().min(most);
        let is_all = self.seen == self.from_client.len();
        self.from_client.fresh = !is_all;
        let shown = self.from_client.bytes().get(..self.seen).unwrap_or_default();
        let outcome = self.inspector.client(shown, is_all && self.from_client.ended).await?;
        let limit = self.limits.max_operation_bytes.saturating_add(self.limits.buffer_bytes);
        self.from_client.need = (outcome.need as usize).min(limit);
        self.waiting = outcome.wait;
        self.outcome = outcome;
        self.plan = std::mem::take(&mut self.outcome.events).into();
        self.carry_out().await
    }

    /// Carries out the inspector's events in order, up to an operation that must wait for a person.
    pub(super) async fn carry_out(&mut self) -> Result<(), Stop> {
        while let Some(event) = self.plan.pop_front() {
            match event.kind {
                kind::PASS => {
                    let bytes = self.take(event.len)?;
                    self.staged.push(Staged::Bytes(bytes));
                }
                kind::DROP => {
                    self.seen = self.seen.saturating_sub(event.len as usize);
                    self.from_client.discard(u64::from(event.len));
                }
                kind::INSERT => {
                    let bytes = self.insert(event.reference)?;
                    self.staged.push(Staged::Bytes(bytes));
                }
                kind::OPERATION => {
                    self.operation(event).await?;
                    if self.held.is_some() {
                        return Ok(());
                    }
                }
                kind::REFUSED => self.refused_by_inspector(event).await?,
                kind::FATAL => {
                    self.release().await?;
                    return Err(Stop::Fault(self.refusal(event.count)?));
                }
                unknown => return Err(nonsense(format!("client event of kind {unknown}")).into()),
            }
            if self.staged.len() >= MAX_STAGED {
                self.release().await?;
            }
        }
        self.release().await?;
        self.make_room_for_more()
    }

    /// What the inspector left lies in the buffer until more of it comes: there must be room for that.
    fn make_room_for_more(&mut self) -> Result<(), Stop> {
        let inlet = &mut self.from_client;
        let is_last = inlet.ended && !inlet.fresh;
        if self.waiting || is_last || self.seen < inlet.need.max(self.limits.buffer_bytes) {
            return Ok(());
        }
        if self.seen >= self.limits.max_operation_bytes.saturating_add(self.limits.buffer_bytes) {
            return Err(nonsense("it leaves a full buffer of the client's bytes untouched").into());
        }
        inlet.need = self.seen + 1;
        Ok(())
    }

    /// Decides about one operation; afterwards it is staged or held.
    async fn operation(&mut self, event: Event) -> Result<(), Stop> {
        let request = self.request(event.reference)?;
        let framed_anew = if event.bits & 1 == 1 { Some(self.insert(event.count)?) } else { None };
        let bytes = self.take(event.len)?;
        let bytes = framed_anew.unwrap_or(bytes);
        match self.judge(&request).await {
            Fate::Go { operation, rewritten, decision } => {
                match self.intent(&request, &operation, decision).await {
                    (intent, None) => self.stage_allowed(intent, operation, rewritten.unwrap_or(bytes)),
                    (intent, Some(fault)) => self.stage_unmasked(intent, fault).await?,
                }
                Ok(())
            }
            Fate::Refuse { operation, by, why, decision } => {
                let (intent, _) = self.intent(&request, &operation, decision).await;
                self.stage_refused(intent, by, why).await
            }
            Fate::Ask { operation, rewritten, decision } => {
                // What stands before it is forwarded now: it may take long.
                self.release().await?;
                match self.intent(&request, &operation, decision.clone()).await {
                    (intent, None) => {
                        self.ask(request, operation, decision, intent, rewritten.unwrap_or(bytes)).await
                    }
                    (intent, Some(fault)) => self.stage_unmasked(intent, fault).await,
                }
            }
        }
    }

    /// Asks the policies, follows rewrites, and folds it all into a fate.
    pub(super) async fn judge(&mut self, request: &Request) -> Fate {
        let mut operation = Arc::clone(&request.operation);
        if request.continues != 0 {
            return self.continuation(request, operation);
        }
        let mut rewritten = None;
        // With room for a policy or two.
        let mut judged_by = Vec::with_capacity(3);
        judged_by.push(self.inspector.judged_by());
        // Who rewrote it, and what they found, stays in the record.
        let mut earlier =
            Decision { verdict: Verdict::Abstain, findings: vec![], tags: Tags::default(), judged_by };
        for turn in 0..=MAX_REWRITES {
            let round = if turn == 0 { Round::First } else { Round::Again };
            let answers = self.policies.decide(&operation, round).await;
            let folded = fold(answers, self.default, std::mem::take(&mut earlier.judged_by));
            let by = folded.refused_by();
            let Folded { mut decision, failed } = folded;
            decision.findings.splice(..0, earlier.findings.drain(..));
            earlier.tags.add(std::mem::take(&mut decision.tags));
            decision.tags = std::mem::take(&mut earlier.tags);
            match &decision.verdict {
                Verdict::Allow | Verdict::Abstain => return Fate::Go { operation, rewritten, decision },
                Verdict::Hold { .. } => return Fate::Ask { operation, rewritten, decision },
                Verdict::Deny { code, reason } => {
                    let detail = failed.map(|fault| fault.detail).unwrap_or_default();
                    let why = Fault::new(FaultSource::Policy, code, reason).with_detail(detail);
                    return Fate::Refuse { operation, by, why, decision };
                }
                Verdict::Rewrite { text } => match self.inspector.rewrite(request.id, text).await {
                    Ok((substitute, changed)) => {
                        rewritten = Some(Bytes::from(substitute.upstream));
                        operation = Arc::new(changed);
                        earlier = decision;
                    }
                    // It may only have said that it cannot. If it is gone, refusing ends the session.
                    Err(why) => {
                        let decision = Decision { verdict: denial(&why), ..decision };
                        return Fate::Refuse { operation, by: RefusedBy::Plugin, why, decision };
                    }
                },
            }
        }
        let why = Fault::new(
            FaultSource::Policy,
            "rewrite-loop",
            "the policies rewrite this operation without end",
        );
        let decision = Decision { verdict: denial(&why), ..earlier };
        Fate::Refuse { operation, by: RefusedBy::Policy, why, decision }
    }

    /// Fetching more of an operation that was allowed needs no new verdict, only that it was allowed.
    fn continuation(&self, request: &Request, operation: Arc<Operation>) -> Fate {
        let earlier = request.continues;
        // In the same batch: forwarded together with it, or refused together with it.
        let staged = |item: &Staged| matches!(item, Staged::Allowed { intent, .. } if intent.id == earlier);
        if self.running.contains_key(&earlier)
            || self.open.contains(&earlier)
            || self.staged.iter().any(staged)
        {
            let decision = Decision {
                verdict: Verdict::Allow,
                findings: vec![],
                tags: Tags::default(),
                judged_by: vec![self.inspector.judged_by()],
            };
            return Fate::Go { operation, rewritten: None, decision };
        }
        let why =
            Fault::new(FaultSource::Client, "42501", "this goes on with an operation that was not allowed");
        let decision = denied(&why, self.inspector.judged_by());
        Fate::Refuse { operation, by: RefusedBy::Policy, why, decision }
    }

    async fn refused_by_inspector(&mut self, event: Event) -> Result<(), Stop> {
        let request = self.request(event.reference)?;
        let why = self.refusal(event.count)?;
        let decision = denied(&why, self.inspector.judged_by());
        let (intent, _) = self.intent(&request, &request.operation, decision).await;
        let why = as_recorded(why, &intent);
        // The inspector has arranged what goes in its place.
        let (upstream, client) = (Vec::new(), Vec::new());
        self.staged.push(Staged::Refused { intent, by: RefusedBy::Inspector, why, upstream, client });
        Ok(())
    }

    pub(super) fn stage_allowed(&mut self, intent: Intent, operation: Arc<Operation>, bytes: Bytes) {
        self.staged.push(Staged::Allowed { intent, operation, bytes });
    }

    pub(super) async fn stage_refused(
        &mut self,
        intent: Intent,
        by: RefusedBy,
        why: Fault,
    ) -> Result<(), Stop> {
        let refused = self.inspector.refuse(intent.id, &why).await;
        let why = as_recorded(why, &intent);
        match refused {
            Ok(Substitute { upstream, client }) => {
                self.staged.push(Staged::Refused { intent, by, why, upstream, client });
                Ok(())
            }
            Err(fault) => {
                // The session ends, but the trail knows of it.
                let (upstream, client) = (Vec::new(), Vec::new());
                self.staged.push(Staged::Refused { intent, by, why, upstream, client });
                Err(fault.into())
            }
        }
    }

    /// What cannot be masked cannot be recorded as it is, so it cannot run.
    pub(super) async fn stage_unmasked(&mut self, intent: Intent, fault: Fault) -> Result<(), Stop> {
        let by = if fault.source == FaultSource::Plugin { RefusedBy::Plugin } else { RefusedBy::Trail };
        self.stage_refused(intent, by, fault).await
    }

    /// The only way to the upstream: records what is staged, waits until it is on disk, then forwards it.
    /// If it cannot be recorded, every operation among it is refused instead.
    pub(super) async fn release(&mut self) -> Result<(), Stop> {
        if self.staged.iter().any(|item| matches!(item, Staged::Allowed { .. })) {
            self.is_still_wanted()?;
        }
        // Both lists are kept for the next time.
        let (mut entries, mut ready) = (std::mem::take(&mut self.entries), std::mem::take(&mut self.ready));
        for item in self.staged.drain(..) {
            ready.push(match item {
                Staged::Bytes(bytes) => Ready::Bytes(bytes),
                Staged::Allowed { intent, operation, bytes } => {
                    let (id, continues) = (intent.id, intent.continues);
                    entries.push(Entry::Intent(intent));
                    Ready::Operation { id, continues, operation, bytes }
                }
                Staged::Refused { intent, by, why, upstream, client } => {
                    entries.push(Entry::Refused { intent, by, why });
                    Ready::Substitute { upstream, client }
                }
            });
        }
        let recorded = if !entries.is_empty() {
            self.record(&mut entries).await
        } else {
            if !ready.is_empty() {
                self.trail.opened().await?;
            }
            Ok(())
        };
        self.entries = entries;
        for item in ready.drain(..) {
            match (item, &recorded) {
                (Ready::Bytes(bytes), _) => self.to_upstream.push(&bytes),
                (Ready::Operation { id, continues, operation, bytes }, Ok(())) => {
                    self.operations += 1;
                    self.idle = false;
                    self.running.insert(id, Running::new(continues, operation));
                    self.to_upstream.push(&bytes);
                }
                (Ready::Operation { id, .. }, Err(fault)) => {
                    let substitute = self.inspector.refuse(id, fault).await?;
                    self.to_upstream.push(&substitute.upstream);
                    self.tell_client(&substitute.client);
                }
                (Ready::Substitute { upstream, client }, _) => {
                    self.to_upstream.push(&upstream);
                    self.tell_client(&client);
                }
            }
        }
        self.ready = ready;
        Ok(())
    }

    fn take(&mut self, len: u32) -> Result<Bytes, Fault> {
        // Bytes that came while an operation was held were not shown to the inspector yet.
        let left = self.seen.checked_sub(len as usize);
        let bytes = left.and_then(|left| {
            self.seen = left;
            self.from_client.take(len as usize)
        });
        bytes
            .map(bytes::BytesMut::freeze)
            .ok_or_else(|| nonsense("an event covers more bytes than there are"))
    }

    fn insert(&self, index: u32) -> Result<Bytes, Fault> {
        let bytes = self.outcome.inserts.get(index as usize);
        bytes
            .map(|bytes| Bytes::copy_from_slice(bytes))
            .ok_or_else(|| nonsense("an event names an insert that is not there"))
    }

    fn request(&self, index: u32) -> Result<Request, Fault> {
        let request = self.outcome.operations.get(index as usize);
        request.cloned().ok_or_else(|| nonsense("an event names an operation that is not there"))
    }

    fn refusal(&self, index: u32) -> Result<Fault, Fault> {
        let refusal = self.outcome.refusals.get(index as usize);
        refusal.cloned().ok_or_else(|| nonsense("an event names a refusal that is not there"))
    }
}

/// What is left to do once the records are on disk, or are not.
pub(super) enum Ready {
    Bytes(Bytes),
    Operation { id: u32, continues: u32, operation: Arc<Operation>, bytes: Bytes },
    Substitute { upstream: Vec<u8>, client: Vec<u8> },
}

/// The inspector broke its contract: the session cannot go on.
pub(crate) fn nonsense(detail: impl Into<String>) -> Fault {
    Fault::new(FaultSource::Plugin, "58000", "the protocol inspector failed").with_detail(detail)
}
