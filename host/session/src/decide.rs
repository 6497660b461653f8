//! Folding the verdicts of a pipeline into one decision: deny over hold over rewrite over allow.
//!
//! Pure. A policy that could not answer counts as a deny, unless the configuration names it open; if nobody
//! has an opinion, the resource's default decides.

use crate::ports::{Answers, Beside, PolicyAnswer, RefusedBy};
use weir_model::{Attribute, Decision, Fault, FaultSource, JudgedBy, Tags, Verdict};

/// A resource's answer when every policy abstains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Default {
    Deny,
    Allow,
}

/// The folded answer. `failed` tells which policy could not answer, when that is why it is a deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folded {
    pub decision: Decision,
    pub failed: Option<Fault>,
}

impl Folded {
    /// Who refuses, if this is a refusal.
    pub fn refused_by(&self) -> RefusedBy {
        match self.failed {
            Some(_) => RefusedBy::Plugin,
            None => RefusedBy::Policy,
        }
    }
}

/// How much a verdict weighs; a heavier one wins, of equals the first.
fn weight(verdict: &Verdict) -> u8 {
    match verdict {
        Verdict::Abstain => 0,
        Verdict::Allow => 1,
        Verdict::Rewrite { .. } => 2,
        Verdict::Hold { .. } => 3,
        Verdict::Deny { .. } => 4,
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Abstain => "abstain",
        Verdict::Allow => "allow",
        Verdict::Rewrite { .. } => "rewrite",
        Verdict::Hold { .. } => "hold",
        Verdict::Deny { .. } => "deny",
    }
}

/// Mostly one policy alone has something to say: its list is taken as it is.
fn add<T>(all: &mut Vec<T>, more: Vec<T>) {
    match all.is_empty() {
        true => *all = more,
        false => all.extend(more),
    }
}

/// Folds the answers of all policies of a pipeline. `judged_by` starts with who took part before (the
/// inspector).
pub fn fold(answers: Answers, default: Default, mut judged_by: Vec<JudgedBy>) -> Folded {
    let mut verdict = Verdict::Abstain;
    let mut failed = None;
    let (mut findings, mut tags) = (Vec::new(), Tags::default());
    for PolicyAnswer { by, answer, open_on_failure, beside } in answers {
        let candidate = match answer {
            Ok(decision) => {
                judged_by.push(JudgedBy { answer: word(&decision.verdict), ..by });
                add(&mut findings, decision.findings);
                tags.add(decision.tags);
                decision.verdict
            }
            Err(fault) => {
                let name = by.plugin.clone();
                judged_by.push(JudgedBy { answer: "failed", ..by });
                if open_on_failure {
                    tags.add(Tags::from_iter([Attribute::new("failure-mode-opened", name.as_str())]));
                    Verdict::Abstain
                } else {
                    let code = fault.code.clone();
                    if failed.is_none() {
                        failed = Some(fault);
                    }
                    Verdict::Deny { code, reason: format!("the policy {name} could not decide") }
                }
            }
        };
        if let Some(Beside { by, what }) = beside {
            tags.add(Tags::from_iter([Attribute::new(by.answer, format!("{}: {what}", by.plugin))]));
            judged_by.push(by);
        }
        if weight(&candidate) > weight(&verdict) {
            verdict = candidate;
        }
    }
    if verdict == Verdict::Abstain {
        verdict = match default {
            Default::Allow => Verdict::Allow,
            Default::Deny => Verdict::Deny {
                code: "no-policy-allows".into(),
                reason: "no policy allows this operation".into(),
            },
        };
    }
    // Only a deny that comes from the failure itself is the plugin's; a policy's own deny stands for itself.
    let failed = failed.filter(
        |fault| matches!(&verdict, Verdict::Deny { code, .. } if *code == fault.code && fault.source == FaultSource::Plugin),
    );
    Folded { decision: Decision { verdict, findings, tags, judged_by }, failed }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::PolicyDecision;
    use weir_model::{Digest, PluginName};

    fn answer(verdict: Verdict) -> PolicyAnswer {
        PolicyAnswer {
            by: JudgedBy { plugin: PluginName::new("p"), digest: Digest([0; 32]), answer: "" },
            answer: Ok(PolicyDecision { verdict, findings: vec![], tags: Tags::default() }),
            open_on_failure: false,
            beside: None,
        }
    }

    fn deny() -> Verdict {
        Verdict::Deny { code: "no".into(), reason: "no".into() }
    }

    fn hold() -> Verdict {
        Verdict::Hold { code: "ask".into(), reason: "ask".into(), reviewers: vec![] }
    }

    fn rewrite() -> Verdict {
        Verdict::Rewrite { text: "select 1".into() }
    }

    fn folded(verdicts: Vec<Verdict>, default: Default) -> Verdict {
        fold(verdicts.into_iter().map(answer).collect(), default, vec![]).decision.verdict
    }

    #[test]
    fn the_heavier_verdict_wins_in_any_order() {
        let ladder = [Verdict::Abstain, Verdict::Allow, rewrite(), hold(), deny()];
        for (low, lighter) in ladder.iter().enumerate() {
            for heavier in &ladder[low + 1..] {
                assert_eq!(folded(vec![lighter.clone(), heavier.clone()], Default::Deny), *heavier);
                assert_eq!(folded(vec![heavier.clone(), lighter.clone()], Default::Deny), *heavier);
            }
        }
    }

    #[test]
    fn without_an_opinion_the_default_decides() {
        assert_eq!(folded(vec![Verdict::Abstain], Default::Allow), Verdict::Allow);
        assert!(matches!(folded(vec![Verdict::Abstain], Default::Deny), Verdict::Deny { .. }));
        assert!(matches!(folded(vec![], Default::Deny), Verdict::Deny { .. }));
    }

    #[test]
    fn a_shadow_is_recorded_and_decides_nothing() {
        let mut shadowed = answer(Verdict::Allow);
        let by = JudgedBy { plugin: PluginName::new("next"), digest: Digest([1; 32]), answer: "shadow-deny" };
        shadowed.beside = Some(Beside { by: by.clone(), what: "no".into() });
        let decision = fold(Answers::from_vec(vec![shadowed]), Default::Deny, vec![]).decision;
        assert_eq!(decision.verdict, Verdict::Allow);
        assert_eq!(decision.judged_by.last(), Some(&by));
        assert_eq!(*decision.tags, [Attribute::new("shadow-deny", "next: no")]);
    }

    #[test]
    fn a_policy_that_fails_denies_unless_it_is_named_open() {
        let mut broken = answer(Verdict::Allow);
        broken.answer = Err(Fault::new(FaultSource::Plugin, "plugin-trapped", "trap"));
        let closed =
            fold(Answers::from_vec(vec![answer(Verdict::Allow), broken.clone()]), Default::Allow, vec![]);
        assert!(matches!(closed.decision.verdict, Verdict::Deny { .. }));
        assert_eq!(closed.refused_by(), RefusedBy::Plugin);

        broken.open_on_failure = true;
        let open = fold(Answers::from_vec(vec![answer(Verdict::Allow), broken]), Default::Deny, vec![]);
        assert_eq!(open.decision.verdict, Verdict::Allow);
        assert!(open.decision.tags.iter().any(|tag| tag.name == "failure-mode-opened"));
    }
}
