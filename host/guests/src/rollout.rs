//! Plugins that are tried: beside another (shadow) or for it (canary).
//!
//! Both belong to the plugin that a pipeline names, `of`. A *shadow* is asked what that one was asked, and where it
//! says something else that is told; what happens is never its doing. A *canary* takes the place of `of` in a share of
//! the sessions. It loses it for all of them at the first failure, or when it refuses or takes much more than `of` does
//! meanwhile. A session is in the share or not by its number, for its whole life.
//!
//! What a canary did wrong is known to the version that did it: a new file, or new settings, is a new try. A restart of
//! the gateway is none, nor is taking the plugin out of the configuration and putting it back ([`Past`]).

use crate::load::Loaded;
use crate::registry::GuestEvent;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use weir_model::{Digest, Fault, PluginName, SessionId, Verdict};
use weir_session::ports::PolicyDecision;

/// How a plugin takes part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Where pipelines name it.
    #[default]
    Enforce,
    Shadow {
        of: PluginName,
    },
    /// `share` of a hundred sessions.
    Canary {
        of: PluginName,
        share: u32,
    },
}

impl Mode {
    /// The plugin it stands beside or for.
    pub fn of(&self) -> Option<&PluginName> {
        match self {
            Self::Enforce => None,
            Self::Shadow { of } | Self::Canary { of, .. } => Some(of),
        }
    }
}

/// Those that are tried with one plugin.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    pub(crate) shadow: Option<Arc<Loaded>>,
    pub(crate) canary: Option<Arc<Loaded>>,
}

impl Beside {
    /// The canary, if this session is among those that have it.
    pub(crate) fn canary_for(&self, session: &SessionId) -> Option<&Arc<Loaded>> {
        self.canary.as_ref().filter(|canary| canary.probation.as_ref().is_some_and(|it| it.takes(session)))
    }

    pub(crate) fn shadow(&self) -> Option<&Arc<Loaded>> {
        self.shadow.as_ref().filter(|shadow| shadow.is_trusted())
    }
}

/// Before a canary is compared with what it stands for, both have answered so often.
const MIN_ANSWERS: u32 = 50;
/// Older answers count half whenever there are so many: what changes shows.
const MAX_ANSWERS: u32 = 1024;
/// So much more of its answers, in a hundred, are refusals or holds.
const JUMP_PERCENT: u32 = 20;
/// So many times longer it takes on average, and so long at least.
const SLOWER: u32 = 10;
const SLOW: Duration = Duration::from_millis(1);
/// A shadow that fails so often is asked no more: whoever waits for it waits for nothing.
const MAX_SHADOW_FAILURES: u32 = 3;

/// Tries that are over, and why: by what was tried.
#[derive(Default)]
pub(crate) struct Past(Mutex<BTreeMap<Digest, String>>);

impl Past {
    pub(crate) fn new(known: impl IntoIterator<Item = (Digest, String)>) -> Self {
        Self(Mutex::new(known.into_iter().collect()))
    }

    fn reason(&self, tried: &Digest) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tried).cloned()
    }

    fn keep(&self, tried: Digest, reason: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tried, reason.to_owned());
    }
}

/// What is tried: a file with its settings, in one way, with one plugin. The share is no part of it.
fn tried(loaded: &Loaded, mode: &Mode) -> Digest {
    let word = match mode {
        Mode::Enforce => "enforce",
        Mode::Shadow { .. } => "shadow",
        Mode::Canary { .. } => "canary",
    };
    let of = mode.of().map_or("", PluginName::as_str);
    let mut hasher = Sha256::new();
    for part in [loaded.name.as_str(), word, of, &loaded.settings] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(loaded.digest.0);
    Digest(hasher.finalize().into())
}

/// The try of one version.
pub(crate) struct Probation {
    plugin: PluginName,
    digest: Digest,
    mode: Mode,
    tried: Digest,
    past: Arc<Past>,
    over: OnceLock<String>,
    tallies: Mutex<Tallies>,
    events: UnboundedSender<GuestEvent>,
}

#[derive(Default)]
struct Tallies {
    own: Tally,
    /// of the plugin it stands for, in the other sessions
    other: Tally,
    failures: u32,
}

#[derive(Clone, Copy, Default)]
struct Tally {
    answers: u32,
    refusals: u32,
    took: Duration,
}

impl Tally {
    fn count(&mut self, refused: bool, took: Duration) {
        self.answers += 1;
        self.refusals += u32::from(refused);
        self.took += took;
        if self.answers >= MAX_ANSWERS {
            *self = Self { answers: self.answers / 2, refusals: self.refusals / 2, took: self.took / 2 };
        }
    }

    fn percent_refused(&self) -> u32 {
        (self.refusals * 100).checked_div(self.answers).unwrap_or(0)
    }

    fn average(&self) -> Duration {
        self.took.checked_div(self.answers).unwrap_or_default()
    }
}

impl Probation {
    /// `None` for a plugin that is not tried. One that misbehaved before is over as it begins; the event tells so.
    pub(crate) fn begin(
        loaded: &Loaded,
        mode: &Mode,
        past: &Arc<Past>,
        events: &UnboundedSender<GuestEvent>,
    ) -> Option<(Arc<Self>, Option<GuestEvent>)> {
        mode.of()?;
        let probation = Self {
            plugin: loaded.name.clone(),
            digest: loaded.digest,
            mode: mode.clone(),
            tried: tried(loaded, mode),
            past: Arc::clone(past),
            over: OnceLock::new(),
            tallies: Mutex::default(),
            events: events.clone(),
        };
        let event = past.reason(&probation.tried).and_then(|reason| {
            let _ = probation.over.set(reason.clone());
            probation.set_aside(reason, true)
        });
        Some((Arc::new(probation), event))
    }

    fn set_aside(&self, reason: String, again: bool) -> Option<GuestEvent> {
        let (name, digest, tried) = (self.plugin.clone(), self.digest, self.tried);
        let of = self.mode.of().cloned()?;
        tracing::error!(plugin = %name, digest = digest.short(), %of, reason, again, "plugin set aside");
        Some(GuestEvent::SetAside { name, digest, of, reason, tried, again })
    }

    /// Why it is over, if it is.
    pub(crate) fn over(&self) -> Option<&str> {
        self.over.get().map(String::as_str)
    }

    fn takes(&self, session: &SessionId) -> bool {
        let Mode::Canary { share, .. } = self.mode else { return false };
        let mut hasher = DefaultHasher::new();
        (self.plugin.as_str(), session.as_str()).hash(&mut hasher);
        self.over().is_none() && hasher.finish() % 100 < u64::from(share)
    }

    /// What the canary (`own`) or the plugin it stands for has answered.
    pub(crate) fn judged(&self, own: bool, answer: &Result<PolicyDecision, Fault>, took: Duration) {
        if self.over().is_some() {
            return;
        }
        if let Err(fault) = answer {
            if own {
                self.failed(fault);
            }
            return;
        }
        let refused = answer.as_ref().is_ok_and(|decision| refuses(&decision.verdict));
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        if own {
            tallies.own.count(refused, took);
        } else {
            tallies.other.count(refused, took);
        }
        let (own, other) = (tallies.own, tallies.other);
        drop(tallies);
        if own.answers < MIN_ANSWERS || other.answers < MIN_ANSWERS {
            return;
        }
        let (ours, theirs) = (own.percent_refused(), other.percent_refused());
        if ours >= theirs + JUMP_PERCENT {
            return self.end(format!("it refuses or holds {ours} % of what it is asked, not {theirs} %"));
        }
        let (ours, theirs) = (own.average(), other.average());
        if ours >= SLOW && ours >= theirs * SLOWER {
            self.end(format!("it takes {} µs on average, not {} µs", ours.as_micros(), theirs.as_micros()));
        }
    }

    /// It trapped, took too long, or gave an answer that is none.
    pub(crate) fn failed(&self, fault: &Fault) {
        let mut tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner);
        tallies.failures += 1;
        let failures = tallies.failures;
        drop(tallies);
        if matches!(self.mode, Mode::Canary { .. }) || failures >= MAX_SHADOW_FAILURES {
            self.end(format!("{} ({})", fault.message, fault.code));
        }
    }

    fn end(&self, reason: String) {
        if self.over.set(reason.clone()).is_err() {
            return;
        }
        self.past.keep(self.tried, &reason);
        if let Some(event) = self.set_aside(reason, false) {
            // Nobody listens any more: the host is going down.
            let _ = self.events.send(event);
        }
    }
}

fn refuses(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Deny { .. } | Verdict::Hold { .. })
}

/// What a shadow said, in words of the trail.
pub(crate) fn shadow_word(answer: &Result<PolicyDecision, Fault>) -> &'static str {
    match answer.as_ref().map(|decision| &decision.verdict) {
        Ok(Verdict::Abstain) => "shadow-abstain",
        Ok(Verdict::Allow) => "shadow-allow",
        Ok(Verdict::Deny { .. }) => "shadow-deny",
        Ok(Verdict::Hold { .. }) => "shadow-hold",
        Ok(Verdict::Rewrite { .. }) => "shadow-rewrite",
        Err(_) => "shadow-failed",
    }
}

/// Whether a shadow's answer comes to something else. Findings, tags and wording do not.
pub(crate) fn differs(
    shadow: &Result<PolicyDecision, Fault>,
    active: &Result<PolicyDecision, Fault>,
) -> bool {
    let essence = |answer: &Result<PolicyDecision, Fault>| {
        answer.as_ref().ok().map(|decision| match &decision.verdict {
            Verdict::Abstain => ("abstain", String::new(), Vec::new()),
            Verdict::Allow => ("allow", String::new(), Vec::new()),
            Verdict::Deny { code, .. } => ("deny", code.clone(), Vec::new()),
            Verdict::Hold { code, reviewers, .. } => ("hold", code.clone(), reviewers.clone()),
            Verdict::Rewrite { text } => ("rewrite", text.clone(), Vec::new()),
        })
    };
    essence(shadow) != essence(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canary(share: u32) -> (Probation, tokio::sync::mpsc::UnboundedReceiver<GuestEvent>) {
        let (events, told) = tokio::sync::mpsc::unbounded_channel();
        let mode = Mode::Canary { of: PluginName::new("old"), share };
        let (over, tallies) = (OnceLock::new(), Mutex::default());
        (
            Probation {
                plugin: PluginName::new("new"),
                digest: Digest([1; 32]),
                mode,
                tried: Digest([2; 32]),
                past: Arc::default(),
                over,
                tallies,
                events,
            },
            told,
        )
    }

    fn said(verdict: Verdict) -> Result<PolicyDecision, Fault> {
        Ok(PolicyDecision { verdict, findings: vec![], tags: weir_model::Tags::default() })
    }

    fn deny() -> Result<PolicyDecision, Fault> {
        said(Verdict::Deny { code: "no".into(), reason: "no".into() })
    }

    const QUICK: Duration = Duration::from_micros(5);

    #[test]
    fn a_share_is_that_share_and_a_session_keeps_its_side() {
        for share in [1, 10, 50, 100] {
            let (canary, _) = canary(share);
            let taken: Vec<_> =
                (0..10_000).map(|n| canary.takes(&SessionId::new(format!("session-{n}")))).collect();
            let count = taken.iter().filter(|taken| **taken).count() as u32;
            assert!(count.abs_diff(share * 100) <= 300, "{share}: {count}");
            assert!((0..100).all(|n| canary.takes(&SessionId::new(format!("session-{n}"))) == taken[n]));
        }
    }

    #[test]
    fn one_failure_ends_it_and_is_told_once() {
        let (canary, mut told) = canary(100);
        let fault = Fault::new(weir_model::FaultSource::Plugin, "plugin-trap", "plugin new stopped");
        canary.judged(true, &Err(fault.clone()), QUICK);
        canary.judged(true, &Err(fault), QUICK);
        assert_eq!(canary.over(), Some("plugin new stopped (plugin-trap)"));
        assert!(!canary.takes(&SessionId::new("a".to_owned())));
        assert!(matches!(told.try_recv(), Ok(GuestEvent::SetAside { .. })));
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn a_failure_of_the_old_one_is_not_its_fault() {
        let (canary, _told) = canary(50);
        let fault = Fault::new(weir_model::FaultSource::Plugin, "plugin-trap", "plugin old stopped");
        canary.judged(false, &Err(fault), QUICK);
        assert_eq!(canary.over(), None);
    }

    #[test]
    fn refusing_more_ends_it_and_refusing_as_much_does_not() {
        for (own, other, over) in [(4, 4, false), (2, 4, true), (4, 2, false)] {
            let (canary, _told) = canary(50);
            for n in 0..2000 {
                let answer = |every| if n % every == 0 { deny() } else { said(Verdict::Allow) };
                canary.judged(true, &answer(own), QUICK);
                canary.judged(false, &answer(other), QUICK);
            }
            assert_eq!(canary.over().is_some(), over, "{own} {other}");
        }
    }

    #[test]
    fn what_begins_later_shows_too() {
        let (canary, _told) = canary(50);
        for _ in 0..100_000 {
            canary.judged(true, &said(Verdict::Allow), QUICK);
            canary.judged(false, &said(Verdict::Allow), QUICK);
        }
        for _ in 0..MAX_ANSWERS {
            canary.judged(true, &deny(), QUICK);
        }
        assert!(canary.over().is_some());
    }

    #[test]
    fn much_slower_ends_it() {
        for (own, over) in [(Duration::from_micros(500), false), (Duration::from_millis(2), true)] {
            let (canary, _told) = canary(50);
            for _ in 0..MIN_ANSWERS {
                canary.judged(true, &said(Verdict::Allow), own);
                canary.judged(false, &said(Verdict::Allow), QUICK);
            }
            assert_eq!(canary.over().is_some(), over);
        }
    }

    #[test]
    fn a_shadow_differs_by_what_it_would_do() {
        assert!(differs(&deny(), &said(Verdict::Allow)));
        assert!(differs(&said(Verdict::Abstain), &said(Verdict::Allow)));
        let other_words = said(Verdict::Deny { code: "no".into(), reason: "never".into() });
        assert!(!differs(&deny(), &other_words));
        let other_code = said(Verdict::Deny { code: "never".into(), reason: "no".into() });
        assert!(differs(&deny(), &other_code));
    }
}
