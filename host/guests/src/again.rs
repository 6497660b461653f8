//! Decisions that serve again: what a policy said about an operation holds for those that differ from it in nothing but
//! the values of their parameters, if the policy says so (`decision.reusable`), and their text (`for-any-text`).
//!
//! They belong to one instance: a new version, other settings, a trap or the end of the session leave none of them.

use std::collections::VecDeque;
use weir_model::{Operation, Parameter, Verdict};
use weir_session::ports::PolicyDecision;

/// Decisions an instance keeps: statements and routes a session takes turns in.
const KEPT: usize = 16;
/// What a decision and its operation may take, in bytes. With all of them a session and policy keep 128 KiB.
const MAX_BYTES: usize = 8 * 1024;
/// What an entry of a list takes beside its texts: two or three of them, each with its own block of memory.
const ENTRY_BYTES: usize = 120;

/// Besides the values of their parameters, in what operations may differ that a decision serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    SameText,
    AnyText,
}

struct Kept {
    /// without values; without its text, when that does not count
    operation: Operation,
    reuse: Reuse,
    decision: PolicyDecision,
}

/// The decisions of one instance, the last used first.
#[derive(Default)]
pub(crate) struct Again(VecDeque<Kept>);

impl Again {
    /// What was said of an operation like this one.
    pub(crate) fn find(&mut self, operation: &Operation) -> Option<PolicyDecision> {
        let place = self.0.iter().position(|known| known.serves(operation))?;
        if place > 0 {
            let found = self.0.remove(place)?;
            self.0.push_front(found);
        }
        self.0.front().map(|found| found.decision.clone())
    }

    /// Keeps a decision that its policy calls reusable. One that stops or changes something is asked for each time.
    pub(crate) fn keep(&mut self, operation: &Operation, decision: &PolicyDecision, reuse: Reuse) {
        if !matches!(decision.verdict, Verdict::Allow | Verdict::Abstain)
            || bytes_of(operation, reuse).saturating_add(bytes_said(decision)) > MAX_BYTES
        {
            return;
        }
        let name = |parameter: &Parameter| Parameter { value: None, ..parameter.clone() };
        let operation = Operation {
            text: if reuse == Reuse::AnyText { String::new() } else { operation.text.clone() },
            parameters: operation.parameters.iter().map(name).collect(),
            kind: operation.kind.clone(),
            action: operation.action,
            objects: operation.objects.clone(),
            attributes: operation.attributes.clone(),
            claimed: operation.claimed.clone(),
        };
        self.0.truncate(KEPT - 1);
        self.0.push_front(Kept { operation, reuse, decision: decision.clone() });
    }
}

impl Kept {
    /// Whether the two operations differ in nothing but what does not count.
    fn serves(&self, other: &Operation) -> bool {
        // Each field by name: one that is new must not be forgotten here.
        let Operation { kind, action, text, objects, parameters, attributes, claimed } = &self.operation;
        let same = |(one, other): (&Parameter, &Parameter)| {
            let Parameter { name, type_name, value: _ } = one;
            *name == other.name && *type_name == other.type_name
        };
        (self.reuse == Reuse::AnyText || *text == other.text)
            && *kind == other.kind
            && *action == other.action
            && *objects == other.objects
            && *attributes == other.attributes
            && *claimed == other.claimed
            && parameters.len() == other.parameters.len()
            && parameters.iter().zip(&other.parameters).all(same)
    }
}

fn bytes_of(operation: &Operation, reuse: Reuse) -> usize {
    let Operation { kind, action: _, text, objects, parameters, attributes, claimed } = operation;
    let objects = objects.iter().map(String::len);
    let named = parameters.iter().map(|parameter| parameter.name.len() + parameter.type_name.len());
    let facts = attributes.iter().chain(claimed).map(|fact| fact.name.len() + fact.value.len());
    let text = if reuse == Reuse::AnyText { 0 } else { text.len() };
    kind.len() + text + entries(objects.chain(named).chain(facts))
}

fn bytes_said(decision: &PolicyDecision) -> usize {
    let findings = decision.findings.iter().map(|finding| finding.rule.len() + finding.place.len());
    let tags = decision.tags.iter().map(|tag| tag.name.len() + tag.value.len());
    entries(findings.chain(tags))
}

fn entries(texts: impl Iterator<Item = usize>) -> usize {
    texts.map(|bytes| bytes + ENTRY_BYTES).sum()
}

#[cfg(test)]
mod tests {
    use super::Reuse::{AnyText, SameText};
    use super::*;
    use weir_model::{Action, Attribute, Tags};

    fn operation() -> Operation {
        Operation {
            kind: "sql.query".into(),
            action: Action::Read,
            text: "select $1".into(),
            objects: vec!["t".into()],
            parameters: vec![Parameter {
                name: "$1".into(),
                type_name: "int4".into(),
                value: Some("1".into()),
            }],
            attributes: vec![Attribute::new("sql-class", "read")],
            claimed: vec![Attribute::new("app", "psql")],
        }
    }

    fn said(verdict: Verdict) -> PolicyDecision {
        PolicyDecision { verdict, findings: vec![], tags: Tags::from_iter([Attribute::new("by", "me")]) }
    }

    #[test]
    fn only_the_values_of_parameters_may_differ() {
        let mut again = Again::default();
        again.keep(&operation(), &said(Verdict::Allow), SameText);
        let with = |change: fn(&mut Operation)| {
            let mut other = operation();
            change(&mut other);
            other
        };
        for same in [
            operation(),
            with(|o| o.parameters[0].value = Some("2".into())),
            with(|o| o.parameters[0].value = None),
        ] {
            assert_eq!(again.find(&same), Some(said(Verdict::Allow)));
        }
        let changes: [fn(&mut Operation); 11] = [
            |o| o.kind.push('x'),
            |o| o.action = Action::Write,
            |o| o.text.push(' '),
            |o| o.objects.push("u".into()),
            |o| o.parameters.push(o.parameters[0].clone()),
            |o| o.parameters.clear(),
            |o| o.parameters[0].name = "$2".into(),
            |o| o.parameters[0].type_name = "text".into(),
            |o| o.attributes[0].value = "write".into(),
            |o| o.attributes.push(Attribute::new("a", "b")),
            |o| o.claimed[0].value = "other".into(),
        ];
        for change in changes {
            assert_eq!(again.find(&with(change)), None);
        }
    }

    #[test]
    fn the_text_may_differ_besides_when_it_was_not_looked_at() {
        let mut again = Again::default();
        let huge = Operation { text: "x".repeat(MAX_BYTES), ..operation() };
        again.keep(&huge, &said(Verdict::Allow), AnyText);
        assert_eq!(again.find(&operation()), Some(said(Verdict::Allow)));
        let value = vec![Parameter { value: None, ..operation().parameters.remove(0) }];
        let other = Operation { text: "another".into(), parameters: value, ..operation() };
        assert_eq!(again.find(&other), Some(said(Verdict::Allow)));
        let attributes = vec![Attribute::new("sql-class", "write")];
        assert_eq!(again.find(&Operation { attributes, ..other }), None);
    }

    #[test]
    fn what_stops_an_operation_is_never_kept() {
        let mut again = Again::default();
        let (code, reason) = (String::new(), String::new());
        again.keep(
            &operation(),
            &said(Verdict::Deny { code: code.clone(), reason: reason.clone() }),
            SameText,
        );
        again.keep(&operation(), &said(Verdict::Hold { code, reason, reviewers: vec![] }), SameText);
        again.keep(&operation(), &said(Verdict::Rewrite { text: "x".into() }), SameText);
        assert_eq!(again.find(&operation()), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_last_used_stays() {
        let mut again = Again::default();
        let of = |number: usize| Operation { text: format!("select {number}"), ..operation() };
        again.keep(
            &Operation { text: "x".repeat(MAX_BYTES), ..operation() },
            &said(Verdict::Allow),
            SameText,
        );
        let many = vec![String::new(); MAX_BYTES / ENTRY_BYTES];
        again.keep(&Operation { objects: many, ..operation() }, &said(Verdict::Allow), SameText);
        let tags = Tags::from_iter(vec![Attribute::new("by", "x".repeat(MAX_BYTES / 8)); 8]);
        again.keep(&operation(), &PolicyDecision { tags, ..said(Verdict::Allow) }, SameText);
        assert!(again.0.is_empty());
        for number in 0..KEPT {
            again.keep(&of(number), &said(Verdict::Abstain), SameText);
        }
        assert!(again.find(&of(0)).is_some());
        again.keep(&of(KEPT), &said(Verdict::Abstain), SameText);
        assert_eq!(again.0.len(), KEPT);
        assert!(again.find(&of(0)).is_some() && again.find(&of(1)).is_none());
    }
}
