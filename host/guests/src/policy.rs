//! The policies of one session.
//!
//! Each holds one instance. With an operation's first round the session looks once at the generation in service and
//! uses that for the whole operation, also when a rewritten text is judged again: an instance of another version or
//! other settings is replaced before it is asked. An instance that stopped is dropped; the next operation gets a
//! fresh one.

use crate::again::{Again, Reuse};
use crate::contract::World;
use crate::contract::v0_1::judge::exports::weir::plugin::decide;
use crate::convert::{LentOperation, LentSession};
use crate::fault;
use crate::instance::Fenced;
use crate::limits::{MAX_FINDINGS, MAX_REVIEWERS, MAX_SENTENCE_CHARS, MAX_TAGS, MAX_WORD_CHARS};
use crate::load::{Exports, FailureMode, Loaded};
use crate::metrics::count;
use crate::registry::{Current, Generation};
use crate::rollout;
use crate::state::{Purpose, Visit};
use crate::text::clean;
use crate::trial::{StartFault, configured, took_session};
use std::sync::Arc;
use std::time::Instant;
use weir_model::{Attribute, Digest, Fault, Finding, Grantee, JudgedBy, Operation, PluginName, Verdict};
use weir_session::ports::{Answers, Beside, Policies, PolicyAnswer, PolicyDecision, Round};

/// An opened policy.
pub(crate) struct PolicyInstance {
    guest: Fenced,
    calls: decide::Guest,
    again: Again,
}

impl PolicyInstance {
    pub(crate) async fn open(loaded: &Loaded, info: &Visit) -> Result<Self, StartFault> {
        let Exports::Policy(indices) = &loaded.compiled.code.exports else {
            return Err(fault::wrong_world(&loaded.name, loaded.world.as_word(), "policy").into());
        };
        let (mut guest, instance) = configured(loaded, info).await?;
        let started = guest.begin_rest()?;
        let lent = LentSession::new(info);
        let opened = match indices.load(&mut guest.store, &instance) {
            Ok(calls) => calls
                .call_open(&mut guest.store, lent.lend())
                .await
                .map(|said| (calls, said.map_err(|no| (no.code, no.message)))),
            Err(error) => Err(error),
        };
        let calls = took_session(&mut guest, started, opened)?;
        Ok(Self { guest, calls, again: Again::default() })
    }

    /// `anew`: what it has said does not serve again.
    async fn decide(&mut self, operation: &Operation, anew: bool) -> Result<PolicyDecision, Fault> {
        if !anew && let Some(said) = self.again.find(operation) {
            count(&self.guest.bounds.metrics.reused);
            return Ok(said);
        }
        let lent = LentOperation::new(operation);
        let started = self.guest.begin_call()?;
        let said = self.calls.call_decide(&mut self.guest.store, lent.lend()).await;
        match self.guest.finish("decide", started, said)? {
            Ok(decision) => {
                let reuse = Reuse::of(&decision).filter(|_| !anew);
                let decision = checked(decision).map_err(|what| self.guest.lied("decide", what))?;
                if let Some(reuse) = reuse {
                    self.again.keep(operation, &decision, reuse);
                }
                Ok(decision)
            }
            Err(no) => Err(fault::said_no(&self.guest.bounds, "decide", no.code, no.message)),
        }
    }
}

/// A version of a policy, and what runs of it.
#[derive(Default)]
struct Seat {
    loaded: Option<Arc<Loaded>>,
    instance: Option<PolicyInstance>,
}

/// A policy of the pipeline: its name, and what is running for it.
struct Member {
    name: PluginName,
    /// who judges the operation of now: the plugin of that name, or its canary
    serving: Option<Serving>,
    seat: Seat,
    shadow: Seat,
}

/// Who judges, and what is copied into each record of that.
struct Serving {
    loaded: Arc<Loaded>,
    by: JudgedBy,
}

/// [`Policies`] made of guests.
pub struct GuestPolicies {
    info: Arc<Visit>,
    current: Current,
    /// what judges the operation of now
    pinned: Arc<Generation>,
    members: Vec<Member>,
}

impl GuestPolicies {
    /// Opens all policies that are there. One that is missing is no reason to refuse the session: it refuses
    /// each operation until it is back.
    pub(crate) async fn open(
        info: Arc<Visit>,
        current: Current,
        generation: &Arc<Generation>,
        names: Vec<PluginName>,
    ) -> Result<Self, Fault> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let mut member = Member { name, serving: None, seat: Seat::default(), shadow: Seat::default() };
            if let Some(loaded) = generation.serving(&member.name, &info.id) {
                let opened = PolicyInstance::open(loaded, &info).await.map_err(Fault::from);
                match loaded.watched(opened) {
                    Ok(instance) => member.seat.instance = Some(instance),
                    // A session that a canary does not take is not refused: it has the old one.
                    Err(_) if loaded.probation.is_some() => {}
                    Err(fault) => return Err(fault),
                }
                member.seat.loaded = Some(Arc::clone(loaded));
            }
            members.push(member);
        }
        Ok(Self { info, current, pinned: Arc::clone(generation), members })
    }
}

impl Policies for GuestPolicies {
    async fn decide(&mut self, operation: &Operation, round: Round) -> Answers {
        if round == Round::First {
            self.current.refresh(&mut self.pinned);
        }
        let mut answers = Answers::new();
        for member in &mut self.members {
            answers.push(member.ask(&self.pinned, &self.info, operation, round).await);
        }
        answers
    }
}

impl Member {
    async fn ask(
        &mut self,
        generation: &Generation,
        info: &Visit,
        operation: &Operation,
        round: Round,
    ) -> PolicyAnswer {
        if round == Round::First {
            self.look_up(generation, info);
        }
        let Some(Serving { loaded, by }) = &self.serving else {
            self.seat = Seat::default();
            let by = JudgedBy { plugin: self.name.clone(), digest: Digest([0; 32]), answer: "failed" };
            let open_on_failure = generation.opens_when_missing(&self.name);
            let answer = Err(fault::missing(&self.name));
            return PolicyAnswer { by, answer, open_on_failure, beside: None };
        };
        let started = Instant::now();
        let trial = generation.beside(&self.name);
        // What is compared is asked each time.
        let anew = trial.is_some() || loaded.probation.is_some() || info.purpose != Purpose::Service;
        let answer = self.seat.ask(loaded, info, operation, anew).await;
        let mut beside = None;
        if let Some(tried) = trial {
            if let Some(probation) = tried.canary.as_ref().and_then(|canary| canary.probation.as_ref()) {
                probation.judged(loaded.probation.is_some(), &answer, started.elapsed());
            }
            match tried.shadow() {
                Some(shadow) => beside = self.shadow.ask_beside(shadow, info, operation, &answer).await,
                None => self.shadow = Seat::default(),
            }
        }
        let word = answer.as_ref().map_or("failed", |decision| word(&decision.verdict));
        // A masker in the place of a policy is a mistake, not a failure the configuration speaks of.
        let open_on_failure = loaded.failure_mode == FailureMode::Open && loaded.world == World::Policy;
        PolicyAnswer { by: JudgedBy { answer: word, ..by.clone() }, answer, open_on_failure, beside }
    }
}

impl Member {
    fn look_up(&mut self, generation: &Generation, info: &Visit) {
        let now = generation.serving(&self.name, &info.id);
        let held = self.serving.as_ref().map(|serving| Arc::as_ptr(&serving.loaded));
        if held != now.map(Arc::as_ptr) {
            let serving = |loaded: &Arc<Loaded>| Serving {
                loaded: Arc::clone(loaded),
                by: loaded.judged_apart("failed"),
            };
            self.serving = now.map(serving);
        }
    }
}

impl Seat {
    async fn ask(
        &mut self,
        loaded: &Arc<Loaded>,
        info: &Visit,
        operation: &Operation,
        anew: bool,
    ) -> Result<PolicyDecision, Fault> {
        if !self.loaded.as_ref().is_some_and(|held| Arc::ptr_eq(held, loaded)) {
            self.instance = None;
            self.loaded = Some(Arc::clone(loaded));
        }
        if self.instance.as_ref().is_none_or(|instance| !instance.guest.is_usable()) {
            self.instance = None;
            self.instance = Some(Box::pin(PolicyInstance::open(loaded, info)).await?);
        }
        let answer = match &mut self.instance {
            Some(instance) => instance.decide(operation, anew).await,
            None => Err(fault::gone(&loaded.name)),
        };
        if self.instance.as_ref().is_some_and(|instance| !instance.guest.is_usable()) {
            self.instance = None;
        }
        answer
    }

    /// Asks a shadow, and tells what it said if that comes to something else than `active`.
    async fn ask_beside(
        &mut self,
        shadow: &Arc<Loaded>,
        info: &Visit,
        operation: &Operation,
        active: &Result<PolicyDecision, Fault>,
    ) -> Option<Beside> {
        let answer = shadow.watched(self.ask(shadow, info, operation, true).await);
        if !rollout::differs(&answer, active) {
            return None;
        }
        count(&shadow.bounds.metrics.differences);
        let what = match &answer {
            Ok(PolicyDecision { verdict: Verdict::Deny { code, reason }, .. }) => format!("{code}: {reason}"),
            Ok(PolicyDecision { verdict: Verdict::Hold { code, reason, .. }, .. }) => {
                format!("{code}: {reason}")
            }
            Ok(decision) => word(&decision.verdict).to_owned(),
            Err(fault) => fault.code.clone(),
        };
        Some(Beside { by: shadow.judged_by(rollout::shadow_word(&answer)), what })
    }
}

impl Reuse {
    fn of(said: &decide::Decision) -> Option<Self> {
        let reuse = if said.for_any_text { Self::AnyText } else { Self::SameText };
        said.reusable.then_some(reuse)
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Abstain => "abstain",
        Verdict::Allow => "allow",
        Verdict::Deny { .. } => "deny",
        Verdict::Hold { .. } => "hold",
        Verdict::Rewrite { .. } => "rewrite",
    }
}

/// What a policy said, made fit for people and the trail, or why it cannot be used.
fn checked(said: decide::Decision) -> Result<PolicyDecision, &'static str> {
    if said.findings.len() > MAX_FINDINGS {
        return Err("too many findings");
    }
    if said.tags.len() > MAX_TAGS {
        return Err("too many tags");
    }
    if said.findings.iter().any(|finding| finding.score > 100) {
        return Err("a score above 100");
    }
    let verdict = match said.verdict {
        decide::Verdict::Abstain => Verdict::Abstain,
        decide::Verdict::Allow => Verdict::Allow,
        decide::Verdict::Deny(why) => Verdict::Deny {
            code: clean(why.code, MAX_WORD_CHARS),
            reason: clean(why.reason, MAX_SENTENCE_CHARS),
        },
        decide::Verdict::Hold(ask) => {
            if ask.reviewers.len() > MAX_REVIEWERS {
                return Err("too many reviewers");
            }
            // Nobody must come to review because a name was misspelt.
            if ask.reviewers.iter().any(|reviewer| Grantee::parse(reviewer).is_err()) {
                return Err("a reviewer that is neither `group:NAME` nor `user:NAME`");
            }
            Verdict::Hold {
                code: clean(ask.code, MAX_WORD_CHARS),
                reason: clean(ask.reason, MAX_SENTENCE_CHARS),
                reviewers: ask.reviewers,
            }
        }
        decide::Verdict::Rewrite(text) => Verdict::Rewrite { text },
    };
    let findings = said.findings.into_iter().map(|finding| Finding {
        rule: clean(finding.rule, MAX_WORD_CHARS),
        place: clean(finding.place, MAX_WORD_CHARS),
        score: finding.score,
    });
    let tags = said.tags.into_iter().map(|tag| Attribute {
        name: clean(tag.name, MAX_WORD_CHARS),
        value: clean(tag.value, MAX_SENTENCE_CHARS),
    });
    Ok(PolicyDecision { verdict, findings: findings.collect(), tags: tags.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verdict() -> impl Strategy<Value = decide::Verdict> {
        let why = (any::<String>(), ".{0,2000}");
        let hold =
            (any::<String>(), any::<String>(), prop::collection::vec("(group|user|):[a-z ]{0,3}", 0..70));
        prop_oneof![
            Just(decide::Verdict::Abstain),
            Just(decide::Verdict::Allow),
            why.prop_map(|(code, reason)| decide::Verdict::Deny(decide::Explanation { code, reason })),
            hold.prop_map(|(code, reason, reviewers)| decide::Verdict::Hold(decide::HoldRequest {
                code,
                reason,
                reviewers
            })),
            any::<String>().prop_map(decide::Verdict::Rewrite),
        ]
    }

    proptest! {
        /// Whatever a policy says: it is refused, or small, fit to be shown, and the verdict it said.
        #[test]
        fn decisions_are_refused_or_fit_to_be_shown(
            verdict in verdict(),
            findings in prop::collection::vec((any::<String>(), any::<u8>()), 0..4),
            (more, tags) in (0..400_usize, 0..100_usize),
            value in any::<String>(),
        ) {
            let finding = |(rule, score): (String, u8)| decide::Finding { place: rule.clone(), rule, score };
            let mut all: Vec<_> = findings.into_iter().map(finding).collect();
            all.extend((0..more).map(|_| finding((String::new(), 0))));
            let too_sure = all.iter().any(|finding| finding.score > 100);
            let count = all.len();
            let word = match &verdict {
                decide::Verdict::Abstain => "abstain",
                decide::Verdict::Allow => "allow",
                decide::Verdict::Deny(_) => "deny",
                decide::Verdict::Hold(_) => "hold",
                decide::Verdict::Rewrite(_) => "rewrite",
            };
            let tag = decide::Attribute { name: value.clone(), value };
            match checked(decide::Decision { verdict, findings: all, tags: vec![tag; tags], reusable: false, for_any_text: false }) {
                Ok(said) => {
                    prop_assert!(!too_sure && count <= MAX_FINDINGS && tags <= MAX_TAGS);
                    prop_assert_eq!(super::word(&said.verdict), word);
                    let shown = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
                    prop_assert!(said.tags.iter().all(|tag| shown(&tag.name, MAX_WORD_CHARS) && shown(&tag.value, MAX_SENTENCE_CHARS)));
                    prop_assert!(said.findings.iter().all(|each| shown(&each.rule, MAX_WORD_CHARS) && shown(&each.place, MAX_WORD_CHARS)));
                    match &said.verdict {
                        Verdict::Deny { code, reason } => prop_assert!(shown(code, MAX_WORD_CHARS) && shown(reason, MAX_SENTENCE_CHARS)),
                        Verdict::Hold { code, reason, reviewers } => {
                            prop_assert!(shown(code, MAX_WORD_CHARS) && shown(reason, MAX_SENTENCE_CHARS));
                            prop_assert!(reviewers.len() <= MAX_REVIEWERS);
                            prop_assert!(reviewers.iter().all(|each| Grantee::parse(each).is_ok()));
                        }
                        _ => {}
                    }
                }
                Err(_) => prop_assert!(too_sure || count > MAX_FINDINGS || tags > MAX_TAGS || word == "hold"),
            }
        }
    }
}
