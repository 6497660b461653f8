//! The candidate before recorded operations: one worker per core, each with sessions of its own.

use super::recorded::{self, Answer, Recorded, Seen, Unjudged};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use weir_audit::{Record, TrailReader as _};
use weir_guests::offline::Workbench;
use weir_guests::{GuestMaskers, GuestPolicies, Loaded, World};
use weir_model::{Column, SessionInfo, Verdict};
use weir_session::ports::{Maskers as _, Policies as _, Round};
use weir_session::traffic::{Batch, TOP_BIT};
use weir_store::Reader;

/// Instances one worker keeps at once. A session that comes again after so many others gets a fresh one.
const MAX_INSTANCES: usize = 256;
/// Sessions whose facts one worker remembers.
const MAX_SESSIONS: usize = 50_000;
/// Records in which a session's first one is looked for: what the startup packet asks comes before it.
const FIRST_RECORDS: u32 = 100;

/// What would be otherwise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Change {
    pub(super) seq: u64,
    pub(super) at: String,
    pub(super) session: String,
    pub(super) operation: u64,
    pub(super) user: String,
    pub(super) resource: String,
    pub(super) text: String,
    pub(super) recorded: Said,
    pub(super) candidate: Said,
    /// Of a masker: texts of the operation it would hide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hidden: Vec<Hidden>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    /// The host's decision.
    pub(super) verdict: String,
    pub(super) code: String,
    pub(super) reason: String,
    /// The plugin's own answer; empty when it was not there.
    pub(super) answer: String,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Hidden {
    /// `statement`, or the name of a parameter or claim
    pub(super) name: String,
    pub(super) rules: Vec<String>,
    /// `null` when it would be hidden altogether
    pub(super) becomes: Option<String>,
}

/// What a worker came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) judged: u64,
    /// With the candidate in the place of the plugin of its name; the rest had none of that name.
    pub(super) replaced: u64,
    pub(super) not_asked: u64,
    pub(super) unjudged: BTreeMap<Unjudged, u64>,
    pub(super) changes: Vec<Change>,
    /// Cells that were hidden in answers: their values are not in the trail, so nothing is said of them.
    pub(super) cells_of_answers: u64,
    /// Answers of the candidate that were faults.
    pub(super) faults: u64,
    /// The first of them.
    pub(super) first_fault: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.judged += other.judged;
        self.replaced += other.replaced;
        self.not_asked += other.not_asked;
        self.cells_of_answers += other.cells_of_answers;
        self.faults += other.faults;
        self.first_fault = self.first_fault.take().or(other.first_fault);
        for (why, count) in other.unjudged {
            *self.unjudged.entry(why).or_default() += count;
        }
        self.changes.extend(other.changes);
    }
}

/// What all workers share.
pub(super) struct Trial {
    pub(super) bench: Workbench,
    pub(super) candidate: Arc<Loaded>,
    /// The plugin whose place it takes.
    pub(super) name: String,
    /// What each resource decides when nobody has an opinion.
    pub(super) defaults: BTreeMap<String, &'static str>,
    pub(super) trail: Reader,
}

enum Instance {
    Policy(Box<GuestPolicies>),
    Masker(Box<GuestMaskers>),
}

pub(super) struct Worker {
    trial: Arc<Trial>,
    sessions: HashMap<Arc<str>, Result<SessionInfo, Unjudged>>,
    instances: HashMap<Arc<str>, Instance>,
    /// Sessions with an instance, the one opened first at the front.
    opened: VecDeque<Arc<str>>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(trial: Arc<Trial>) -> Self {
        let (sessions, instances) = (HashMap::new(), HashMap::new());
        Self { trial, sessions, instances, opened: VecDeque::new(), tally: Tally::default() }
    }

    /// Judges what comes until there is no more.
    ///
    /// # Errors
    /// When the trail cannot be read.
    pub(super) async fn work(mut self, mut records: Receiver<Vec<Record>>) -> anyhow::Result<Tally> {
        while let Some(batch) = records.recv().await {
            for record in batch {
                self.take(&record).await?;
            }
        }
        Ok(self.tally)
    }

    async fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        let Some(session) = record.session.clone() else { return Ok(()) };
        match &*record.kind {
            "session-opened" => {
                self.remember(session, recorded::session(record));
            }
            "session-ended" => {
                self.sessions.remove(&session);
                self.close(&session);
            }
            "outcome" => self.tally.cells_of_answers += recorded::cells(record),
            "intent" | "refused" => match recorded::operation(record) {
                Seen::NotAsked => self.tally.not_asked += 1,
                Seen::Unjudged(why) => self.unjudged(why),
                Seen::Operation(seen) => self.judge(record, session, *seen).await?,
            },
            _ => {}
        }
        Ok(())
    }

    fn unjudged(&mut self, why: Unjudged) {
        *self.tally.unjudged.entry(why).or_default() += 1;
    }

    fn remember(&mut self, session: Arc<str>, info: Result<SessionInfo, Unjudged>) {
        if self.sessions.len() >= MAX_SESSIONS {
            // They are read again when they are needed.
            self.sessions.clear();
        }
        self.sessions.insert(session, info);
    }

    fn close(&mut self, session: &Arc<str>) {
        if self.instances.remove(session).is_some() {
            self.opened.retain(|open| open != session);
        }
    }

    async fn session(&mut self, session: &Arc<str>) -> anyhow::Result<Result<SessionInfo, Unjudged>> {
        if let Some(info) = self.sessions.get(session) {
            return Ok(info.clone());
        }
        let first = self.trial.trail.of_session(session, None, 0, FIRST_RECORDS).await?;
        let opened = first.iter().find(|record| record.kind == "session-opened");
        let info = opened.map_or(Err(Unjudged::Session), recorded::session);
        self.remember(Arc::clone(session), info.clone());
        Ok(info)
    }

    async fn judge(&mut self, record: &Record, session: Arc<str>, seen: Recorded) -> anyhow::Result<()> {
        if !self.instances.contains_key(&session) {
            let info = match self.session(&session).await? {
                Ok(info) => info,
                Err(why) => {
                    self.unjudged(why);
                    return Ok(());
                }
            };
            let trial = &self.trial;
            let opened = match trial.candidate.world {
                World::Masker => {
                    trial.bench.masker(&trial.candidate, info).await.map(Box::new).map(Instance::Masker)
                }
                _ => trial.bench.policy(&trial.candidate, info).await.map(Box::new).map(Instance::Policy),
            };
            match opened {
                Ok(instance) => {
                    if self.opened.len() >= MAX_INSTANCES
                        && let Some(oldest) = self.opened.pop_front()
                    {
                        self.instances.remove(&oldest);
                    }
                    self.opened.push_back(Arc::clone(&session));
                    self.instances.insert(Arc::clone(&session), instance);
                }
                Err(fault) => {
                    self.tally.first_fault.get_or_insert(format!("{}: {}", fault.message, fault.detail));
                    self.unjudged(Unjudged::NotOpened);
                    return Ok(());
                }
            }
        }
        match self.instances.get_mut(&session) {
            Some(Instance::Policy(policy)) => {
                let answer = policy.decide(&seen.operation, Round::First).await.into_iter().next();
                let Some(answer) = answer else { return Ok(()) };
                let said = match answer.answer {
                    Ok(decision) => said(decision.verdict),
                    Err(fault) => {
                        self.tally.faults += 1;
                        self.tally.first_fault.get_or_insert(format!("{}: {}", fault.message, fault.detail));
                        let reason = format!("the policy {} could not decide", self.trial.name);
                        Said { verdict: "deny".into(), code: fault.code, reason, answer: "failed".into() }
                    }
                };
                self.compare(record, seen, said);
            }
            Some(Instance::Masker(masker)) => match hide(masker, &seen).await {
                Ok(hidden) => {
                    self.tally.judged += 1;
                    if !hidden.is_empty() {
                        let as_recorded = Said { verdict: seen.verdict.clone(), ..Said::default() };
                        let change = change(record, seen, as_recorded.clone(), as_recorded, hidden);
                        self.tally.changes.push(change);
                    }
                }
                Err(fault) => {
                    self.tally.faults += 1;
                    self.tally.first_fault.get_or_insert(fault);
                    self.close(&session);
                }
            },
            None => {}
        }
        Ok(())
    }

    fn compare(&mut self, record: &Record, seen: Recorded, candidate: Said) {
        let default = record.resource.as_deref().and_then(|name| self.trial.defaults.get(name)).copied();
        let Some(folded) = fold(&seen.answers, &self.trial.name, &candidate, default) else {
            return self.unjudged(Unjudged::Default);
        };
        let before = seen.answers.iter().find(|answer| answer.plugin == self.trial.name);
        self.tally.judged += 1;
        self.tally.replaced += u64::from(before.is_some());
        let answer = before.map(|answer| answer.word.clone()).unwrap_or_default();
        // The code and the reason are this plugin's only if nobody else said the same.
        let alone =
            !seen.answers.iter().any(|one| one.plugin != self.trial.name && one.word == folded.verdict);
        let its_own = alone && answer == seen.verdict && candidate.answer == folded.verdict;
        let other_words = its_own && (candidate.code != seen.code || candidate.reason != seen.reason);
        if folded.verdict == seen.verdict && !other_words {
            return;
        }
        let (code, reason) = (seen.code.clone(), seen.reason.clone());
        let recorded = Said { verdict: seen.verdict.clone(), code, reason, answer };
        self.tally.changes.push(change(record, seen, recorded, folded, Vec::new()));
    }
}

fn change(record: &Record, seen: Recorded, recorded: Said, candidate: Said, hidden: Vec<Hidden>) -> Change {
    Change {
        seq: record.seq,
        at: weir_audit::clock::rfc3339(record.at_us),
        session: record.session.as_deref().unwrap_or_default().to_owned(),
        operation: record.operation.unwrap_or_default(),
        user: record.principal.as_deref().unwrap_or_default().to_owned(),
        resource: record.resource.as_deref().unwrap_or_default().to_owned(),
        text: seen.operation.text,
        recorded,
        candidate,
        hidden,
    }
}

fn said(verdict: Verdict) -> Said {
    let word = super::word(&verdict).to_owned();
    let (code, reason) = match verdict {
        Verdict::Deny { code, reason } | Verdict::Hold { code, reason, .. } => (code, reason),
        Verdict::Rewrite { text } => (String::new(), text),
        Verdict::Allow | Verdict::Abstain => (String::new(), String::new()),
    };
    Said { verdict: word.clone(), code, reason, answer: word }
}

/// As the host folds: a heavier word wins.
fn weight(word: &str) -> u8 {
    match word {
        "allow" => 1,
        "rewrite" => 2,
        "hold" => 3,
        "deny" | "failed" => 4,
        _ => 0,
    }
}

/// The host's decision with the candidate in the place of the plugin of its name, or besides. `None`: nobody has an
/// opinion, and the default is not known.
fn fold(answers: &[Answer], name: &str, candidate: &Said, default: Option<&str>) -> Option<Said> {
    let others = answers.iter().filter(|answer| answer.plugin != name);
    let heaviest = others.max_by_key(|answer| weight(&answer.word));
    if let Some(other) = heaviest.filter(|other| weight(&other.word) > weight(&candidate.verdict)) {
        let verdict = if other.word == "failed" { "deny" } else { &other.word };
        let (code, reason) = (String::new(), format!("as {} said", other.plugin));
        return Some(Said { verdict: verdict.to_owned(), code, reason, answer: candidate.answer.clone() });
    }
    if weight(&candidate.verdict) > 0 {
        return Some(candidate.clone());
    }
    let verdict = default?.to_owned();
    let reason = "no policy has an opinion: the resource's default".to_owned();
    Some(Said { verdict, code: String::new(), reason, answer: candidate.answer.clone() })
}

/// What a masker would hide of the texts that the trail keeps of an operation.
async fn hide(masker: &mut GuestMaskers, seen: &Recorded) -> Result<Vec<Hidden>, String> {
    let labelled = |name: &str, type_name: &str, label: &str| Column {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        labels: vec![label.to_owned()],
        ..Column::default()
    };
    let operation = &seen.operation;
    let mut texts = vec![(labelled("statement", "", "statement"), operation.text.as_str())];
    for parameter in &operation.parameters {
        if let Some(value) = &parameter.value {
            texts.push((labelled(&parameter.name, &parameter.type_name, "parameter"), value));
        }
    }
    let claimed = operation.claimed.iter();
    texts.extend(claimed.map(|claim| (labelled(&claim.name, "", "parameter"), claim.value.as_str())));
    let columns: Vec<Column> = texts.iter().map(|(column, _)| column.clone()).collect();
    let failed = |fault: weir_model::Fault| format!("{}: {}", fault.message, fault.detail);
    let plan = masker.plan(0, &columns, operation).await.map_err(failed)?;
    let (mut batch, mut places) = (Batch::default(), Vec::new());
    for (index, (column, text)) in (0..=u16::MAX).zip(&texts) {
        if plan.wanted.contains(&index) {
            batch.push(text.as_bytes(), index).map_err(|_| "too much text".to_owned())?;
            places.push(column.name.clone());
        }
    }
    if batch.is_empty() {
        return Ok(Vec::new());
    }
    let masked = masker.mask(0, &batch).await.map_err(failed)?;
    let rules: Vec<String> = masked.applied.iter().map(|applied| applied.rule.clone()).collect();
    let (mut hidden, mut from) = (Vec::new(), 0);
    for (cell, end) in masked.cells.iter().zip(&masked.ends) {
        let text = masked.texts.get(from..*end as usize).unwrap_or_default();
        from = *end as usize;
        let becomes = (cell & TOP_BIT == 0).then(|| String::from_utf8_lossy(text).into_owned());
        let name = places.get((cell & !TOP_BIT) as usize).cloned().unwrap_or_default();
        hidden.push(Hidden { name, rules: rules.clone(), becomes });
    }
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(words: &[(&str, &str)]) -> Vec<Answer> {
        words.iter().map(|(plugin, word)| Answer { plugin: (*plugin).into(), word: (*word).into() }).collect()
    }

    fn candidate(word: &str) -> Said {
        Said { verdict: word.into(), code: "c".into(), reason: "r".into(), answer: word.into() }
    }

    #[test]
    fn the_candidate_takes_the_place_of_its_name_and_the_others_stay() {
        let recorded = answers(&[("guard", "deny"), ("other", "allow")]);
        let folded =
            |word, default| fold(&recorded, "guard", &candidate(word), default).map(|said| said.verdict);
        assert_eq!(folded("allow", None).as_deref(), Some("allow"));
        assert_eq!(folded("abstain", None).as_deref(), Some("allow"));
        assert_eq!(folded("hold", None).as_deref(), Some("hold"));
        let besides = fold(&recorded, "new", &candidate("allow"), None).unwrap();
        assert_eq!((besides.verdict.as_str(), besides.reason.as_str()), ("deny", "as guard said"));
    }

    #[test]
    fn without_an_opinion_the_default_decides_if_it_is_known() {
        let recorded = answers(&[("guard", "allow")]);
        let folded =
            |default| fold(&recorded, "guard", &candidate("abstain"), default).map(|said| said.verdict);
        assert_eq!(folded(Some("deny")).as_deref(), Some("deny"));
        assert_eq!(folded(None), None);
        let failed = answers(&[("other", "failed")]);
        assert_eq!(fold(&failed, "guard", &candidate("hold"), None).unwrap().verdict, "deny");
    }
}
