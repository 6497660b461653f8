//! Deciding about the operations of one exchange, together: all of them, or none, are forwarded.

use super::holds::{CLIENT_GONE, GivenUp, Hold};
use super::reply::{Reply, by};
use super::request::Exchange;
use super::session::{AllRunning, DeskGuard, HttpPorts};
use super::traffic::{Frame, HttpInspector};
use crate::decide::{Folded, fold};
use crate::judging::{as_recorded, denial, denied, digest, in_milliseconds, merged, same_reviewers};
use crate::ports::{
    ApprovalRequest, Approvals, Approved, Entry, Intent, PendingApproval, Policies, RefusedBy, Review, Round,
};
use crate::running::Running;
use crate::traffic::Request;
use smallvec::SmallVec;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};
use weir_model::{Abandoned, Decision, Fault, FaultSource, Operation, Verdict};

/// How often a client that can be told so hears that it waits.
const NOTICE_EVERY: Duration = Duration::from_secs(5);

/// What became of all operations of one call.
pub(super) enum Judged {
    /// They are on disk and run.
    Go,
    /// These are not allowed (none: the whole exchange is not), and all are recorded as refused.
    Refused { ids: Vec<u32>, why: Fault },
    /// The client is gone, and so are they; recorded.
    Gone,
}

enum Fate {
    Go(Decision),
    Ask(Decision),
    Refuse { by: RefusedBy, why: Fault, decision: Decision },
}

/// How a hold ends.
enum Waited {
    Reviewed(Review),
    /// Nobody wants it any more.
    GivenUp(GivenUp),
    /// The client went away.
    Gone,
}

/// An operation with what is decided about it so far.
struct Case {
    request: Request,
    fate: Fate,
    approval: Option<Approved>,
}

impl<P: HttpPorts> Exchange<P> {
    /// Decides about these operations and records them. `bound`: the bytes an approval is for, besides.
    pub(super) async fn judge(
        &self,
        mut desk: DeskGuard<'_, P>,
        requests: Vec<Request>,
        bound: &(dyn Fn() -> Vec<u8> + Sync),
        reply: Option<&mut Reply>,
    ) -> Result<Judged, Fault> {
        if requests.is_empty() {
            return Ok(Judged::Go);
        }
        if !are_new(&self.session.running(), &requests) {
            return Err(crate::exchange::nonsense("a number of an operation comes again"));
        }
        let mut cases = Vec::with_capacity(requests.len());
        for request in requests {
            let fate = self.fate(&mut desk, &request).await;
            cases.push(Case { request, fate, approval: None });
        }
        let is_refused = cases.iter().any(|case| matches!(case.fate, Fate::Refuse { .. }));
        let asks = cases.iter().any(|case| matches!(case.fate, Fate::Ask(_)));
        let mut is_gone = false;
        if asks && !is_refused {
            // Others go on while people think.
            drop(desk);
            is_gone = Box::pin(self.ask_all(&mut cases, &bound(), reply)).await?;
            desk = self.session.desk().await;
        }
        self.settle(desk, cases, is_gone).await
    }

    /// Whether somebody would have to approve one of these.
    pub(super) async fn would_ask(&self, desk: &mut DeskGuard<'_, P>, requests: &[Request]) -> bool {
        for request in requests {
            if matches!(self.fate(desk, request).await, Fate::Ask(_)) {
                return true;
            }
        }
        false
    }

    /// Asks the policies about one operation.
    async fn fate(&self, desk: &mut DeskGuard<'_, P>, request: &Request) -> Fate {
        let session = &*self.session;
        let inspector = session.judged_by.clone();
        if request.continues != 0 {
            return self.continuation(request);
        }
        if session.holds.answers_too_early(&request.operation) {
            let message = "this answers a question that nobody has allowed";
            let why = Fault::new(FaultSource::Client, "not-asked", message);
            return Fate::Refuse { by: RefusedBy::Policy, decision: denied(&why, inspector), why };
        }
        let answers = desk.policies.decide(&request.operation, Round::First).await;
        let folded = fold(answers, session.default, vec![inspector]);
        let refused_by = folded.refused_by();
        let Folded { decision, failed } = folded;
        match &decision.verdict {
            Verdict::Allow | Verdict::Abstain => Fate::Go(decision),
            Verdict::Hold { .. } => Fate::Ask(decision),
            Verdict::Deny { code, reason } => {
                let detail = failed.map(|fault| fault.detail).unwrap_or_default();
                let why = Fault::new(FaultSource::Policy, code, reason).with_detail(detail);
                Fate::Refuse { by: refused_by, why, decision }
            }
            Verdict::Rewrite { .. } => {
                let message = "a policy rewrites this operation, which cannot be done over HTTP";
                let why = Fault::new(FaultSource::Policy, "cannot-rewrite", message);
                let decision = Decision { verdict: denial(&why), ..decision };
                Fate::Refuse { by: RefusedBy::Policy, why, decision }
            }
        }
    }

    /// Going on with an operation that was allowed needs no new verdict, only that it was allowed.
    fn continuation(&self, request: &Request) -> Fate {
        let inspector = self.session.judged_by.clone();
        if self.session.running().contains_key(&request.continues) {
            let (findings, tags) = (vec![], weir_model::Tags::default());
            return Fate::Go(Decision {
                verdict: Verdict::Allow,
                findings,
                tags,
                judged_by: vec![inspector],
            });
        }
        let message = "this goes on with an operation that was not allowed";
        let why = Fault::new(FaultSource::Client, "not-allowed-before", message);
        Fate::Refuse { by: RefusedBy::Policy, decision: denied(&why, inspector), why }
    }

    /// Asks people about everything that needs them, then waits for all of it. Tells whether the client is gone.
    async fn ask_all(
        &self,
        cases: &mut [Case],
        bound: &[u8],
        mut reply: Option<&mut Reply>,
    ) -> Result<bool, Fault> {
        let expires_at = in_milliseconds(SystemTime::now() + self.session.limits.approval_timeout);
        let (mut waiting, mut holds) = (Vec::new(), Vec::new());
        for (index, case) in cases.iter_mut().enumerate() {
            let Fate::Ask(decision) = &case.fate else { continue };
            let hold = self.session.holds.hold(case.request.id);
            match self.ask(&case.request, decision, bound, expires_at).await {
                Ok((pending, said, approval)) => {
                    case.approval = Some(approval);
                    waiting.push((index, pending, said));
                    holds.push((index, hold));
                }
                Err(why) => {
                    let decision = decision.clone();
                    case.fate = Fate::Refuse { by: RefusedBy::Approval, why, decision };
                }
            }
        }
        let mut is_gone = false;
        let mut waiting = waiting.into_iter();
        while let Some((index, mut pending, said)) = waiting.next() {
            let Some(case) = cases.get_mut(index) else { continue };
            let hold = holds.iter_mut().find(|(of, _)| *of == index).map(|(_, hold)| hold);
            let Some(hold) = hold else { continue };
            let waited = match is_gone {
                true => Waited::Gone,
                false => self.wait(&mut pending, hold, &said, reply.as_deref_mut()).await?,
            };
            match waited {
                Waited::Reviewed(review) => self.reviewed(case, review, bound, expires_at).await,
                Waited::GivenUp(why) => {
                    pending.abandon(why.abandoned());
                    give_up(case, why);
                }
                Waited::Gone => {
                    is_gone = true;
                    pending.abandon(Abandoned::ClientGone);
                    continue;
                }
            }
            if matches!(case.fate, Fate::Refuse { .. }) {
                // The others will not run either: nobody needs to look at them any more.
                waiting.by_ref().for_each(|(_, pending, _)| pending.abandon(Abandoned::Cancelled));
            }
        }
        // Also what was approved already, while the others waited.
        for (index, hold) in &holds {
            if let (Some(case), Some(why)) = (cases.get_mut(*index), hold.given_up()) {
                give_up(case, why);
            }
        }
        Ok(is_gone)
    }

    #[allow(clippy::type_complexity, reason = "three things of one request, used once")]
    async fn ask(
        &self,
        request: &Request,
        decision: &Decision,
        bound: &[u8],
        expires_at: SystemTime,
    ) -> Result<(<P::Approvals as Approvals>::Pending, String, Approved), Fault> {
        let session = &*self.session;
        let digest = digest(&session.info, request, &request.operation, bound, expires_at);
        let mut desk = session.desk().await;
        let (intent, unmasked) = desk.intent(request, decision.clone()).await;
        drop(desk);
        if let Some(fault) = unmasked {
            return Err(fault);
        }
        let (Verdict::Hold { reason: said, .. }, Verdict::Hold { code, reason, reviewers }) =
            (&decision.verdict, &intent.decision.verdict)
        else {
            return Err(crate::exchange::nonsense("a hold that is none"));
        };
        let ask = ApprovalRequest {
            operation_id: request.id,
            shown: Operation::clone(&intent.operation),
            digest,
            code: code.clone(),
            reason: reason.clone(),
            reviewers: reviewers.clone(),
            expires_at,
        };
        let pending = session.approvals.request(&session.info, ask).await?;
        let notice = format!("waiting for approval {}: {said}", pending.id());
        let approval = Approved { id: pending.id().to_owned(), digest };
        Ok((pending, notice, approval))
    }

    /// Waits for one review.
    async fn wait(
        &self,
        pending: &mut <P::Approvals as Approvals>::Pending,
        hold: &mut Hold,
        notice: &str,
        mut reply: Option<&mut Reply>,
    ) -> Result<Waited, Fault> {
        loop {
            if let Some(reply) = reply.as_deref_mut().filter(|reply| !reply.is_silent()) {
                let mut desk = self.session.desk().await;
                let told = desk.inspector.waiting(self.number, notice).await?;
                drop(desk);
                if let Some(told) = told {
                    let begun = reply.begin(told.status, told.headers, None);
                    let pushed = match begun {
                        Ok(()) if told.body.is_empty() => Ok(()),
                        Ok(()) => reply.push(Frame::Data(told.body.into())).await,
                        Err(gone) => Err(gone),
                    };
                    if pushed.is_err() {
                        return Ok(Waited::Gone);
                    }
                }
            }
            let gone = async {
                match reply.as_deref_mut() {
                    Some(reply) => reply.gone().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = gone => return Ok(Waited::Gone),
                why = hold.is_given_up() => return Ok(Waited::GivenUp(why)),
                review = pending.review() => return Ok(Waited::Reviewed(review)),
                () = tokio::time::sleep(NOTICE_EVERY) => {}
            }
        }
    }

    /// The review is in. An approval is for these bytes and until its expiry, under the policies of now.
    async fn reviewed(&self, case: &mut Case, review: Review, bound: &[u8], expires_at: SystemTime) {
        let Fate::Ask(held) = &case.fate else { return };
        let held = held.clone();
        let refuse = |by: RefusedBy, code: &str, message: &str| Fate::Refuse {
            by,
            why: Fault::new(FaultSource::Policy, code, message),
            decision: held.clone(),
        };
        case.fate = match review {
            Review::Deny { by, comment } => {
                let comment = if comment.is_empty() { comment } else { format!(": {comment}") };
                let message = format!("{by} did not approve this operation{comment}");
                refuse(RefusedBy::Approval, "not-approved", &message)
            }
            Review::Expire => {
                refuse(RefusedBy::Approval, "not-approved", "nobody approved this operation in time")
            }
            Review::Shutdown => refuse(RefusedBy::Host, "shutting-down", "the gateway is shutting down"),
            Review::Approve(approved) => {
                let sent =
                    digest(&self.session.info, &case.request, &case.request.operation, bound, expires_at);
                if approved.digest != sent {
                    refuse(RefusedBy::Approval, "not-approved", "the approval is for something else")
                } else if SystemTime::now() >= expires_at {
                    refuse(RefusedBy::Approval, "not-approved", "the approval of this operation has expired")
                } else if self.sight.is_blocked() {
                    let message =
                        "more was sent behind this operation than is kept while it waits for approval";
                    refuse(RefusedBy::Client, "overrun", message)
                } else {
                    match self.fate(&mut self.session.desk().await, &case.request).await {
                        Fate::Ask(latest) if !same_reviewers(&latest, &held) => {
                            let message = "a policy asks others for approval than those who were asked";
                            refuse(RefusedBy::Policy, "not-approved", message)
                        }
                        Fate::Go(latest) | Fate::Ask(latest) => {
                            let verdict = held.verdict.clone();
                            Fate::Go(Decision { verdict, ..merged(held, latest) })
                        }
                        refused @ Fate::Refuse { .. } => refused,
                    }
                }
            }
        };
    }

    /// Records what was decided: intents of all, or refusals of all.
    async fn settle(
        &self,
        mut desk: DeskGuard<'_, P>,
        cases: Vec<Case>,
        is_gone: bool,
    ) -> Result<Judged, Fault> {
        let session = &*self.session;
        let mut first = None;
        let mut ids = Vec::new();
        let mut intents = Vec::with_capacity(cases.len());
        for Case { request, fate, approval } in cases {
            let (decision, refusal) = match fate {
                Fate::Go(decision) | Fate::Ask(decision) => (decision, None),
                Fate::Refuse { by, why, decision } => (decision, Some((by, why))),
            };
            let (mut intent, unmasked) = desk.intent(&request, decision).await;
            intent.approval = approval;
            let unmasked = unmasked.map(|fault| (by(&fault), fault));
            let refusal = refusal.or(unmasked);
            if let Some((_, why)) = &refusal {
                ids.push(request.id);
                first.get_or_insert_with(|| why.clone());
            }
            intents.push((request, intent, refusal));
        }
        drop(desk);
        if first.is_none() && !is_gone {
            let (requests, intents) =
                intents.into_iter().map(|(request, intent, _)| (request, intent)).unzip();
            return self.go(requests, intents).await;
        }
        let entries = intents.into_iter().map(|(_, intent, refusal)| refused(intent, refusal, is_gone));
        // If this cannot be recorded either, it is told when the trail is back.
        let _ = session.record(entries.collect()).await;
        Ok(match first {
            Some(why) if !is_gone => Judged::Refused { ids, why },
            _ => Judged::Gone,
        })
    }

    pub(super) async fn go(&self, requests: Vec<Request>, intents: Vec<Intent>) -> Result<Judged, Fault> {
        let session = &*self.session;
        if intents.iter().any(|intent| intent.approval.is_some()) {
            self.is_approved.store(true, Ordering::Relaxed);
        }
        let entries = intents.into_iter().map(Entry::Intent).collect();
        let _recording = self.recording.lock().await;
        if let Err(why) = session.record(entries).await {
            let ids = requests.iter().map(|request| request.id).collect();
            return Ok(Judged::Refused { ids, why });
        }
        let mut running = session.running();
        session.operations.fetch_add(requests.len() as u64, Ordering::Relaxed);
        for request in requests {
            session.holds.cancelled_by(&request.operation);
            self.forwarded(request.id);
            running.insert(request.id, Running::new(request.continues, request.operation));
        }
        Ok(Judged::Go)
    }

    /// The inspector refuses the exchange itself, with or without operations: recorded as it says.
    pub(super) async fn refused_by_inspector(&self, requests: Vec<Request>, why: &Fault) {
        let session = &*self.session;
        let requests = if requests.is_empty() { vec![self.unnamed()] } else { requests };
        let mut entries = Vec::with_capacity(requests.len());
        let mut desk = session.desk().await;
        for request in requests {
            let decision = denied(why, session.judged_by.clone());
            let (intent, _) = desk.intent(&request, decision).await;
            let why = as_recorded(why.clone(), &intent);
            let by = match by(&why) {
                RefusedBy::Policy | RefusedBy::Upstream => RefusedBy::Inspector,
                by => by,
            };
            entries.push(Entry::Refused { intent, by, why });
        }
        drop(desk);
        let _ = session.record(entries).await;
    }
}

/// Nobody waits for it any more: it does not run, whoever approved it.
fn give_up(case: &mut Case, why: GivenUp) {
    let (Fate::Ask(decision) | Fate::Go(decision)) = &case.fate else { return };
    let (by, why) = why.refusal();
    case.fate = Fate::Refuse { by, why, decision: decision.clone() };
}

/// By their numbers, which the trail knows them by.
pub(super) fn are_new(running: &AllRunning, requests: &[Request]) -> bool {
    let mut ids: SmallVec<[u32; 4]> = requests.iter().map(|request| request.id).collect();
    ids.sort_unstable();
    ids.windows(2).all(|two| two.first() != two.last()) && ids.iter().all(|id| !running.contains_key(id))
}

fn refused(intent: Intent, refusal: Option<(RefusedBy, Fault)>, is_gone: bool) -> Entry {
    let (by, why) = refusal.unwrap_or_else(|| {
        if is_gone {
            let message = "the client went away while it waited for approval";
            return (RefusedBy::Client, Fault::new(FaultSource::Client, CLIENT_GONE, message));
        }
        let message = "another operation of the same request was refused";
        (RefusedBy::Policy, Fault::new(FaultSource::Policy, "refused-together", message))
    });
    let why = as_recorded(why, &intent);
    Entry::Refused { intent, by, why }
}
