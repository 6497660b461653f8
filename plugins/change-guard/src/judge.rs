//! One operation against all rules.

use crate::names::{Name, is_sql};
use crate::reach::{self, Reach};
use crate::settings::{Answer, AttributePattern, Rule};
use weir_sdk::policy::{Decision, HoldRequest, Operation, Verdict};

/// What client and trail are told: why, in one word.
const CODE: &str = "protected";

pub struct Guard {
    rules: Vec<Rule>,
}

/// Why a rule speaks of an operation.
enum Found<'r> {
    /// This pattern of it.
    Pattern(&'r str),
    /// Nobody can tell what the operation touches.
    NotKnown,
}

impl Guard {
    pub fn new(rules: Vec<Rule>) -> Self {
        Self { rules }
    }

    pub fn judge(&self, operation: &Operation) -> Decision {
        let concerned = self.rules.iter().filter(|rule| {
            rule.kinds.iter().any(|kind| kind.matches(&operation.kind))
                && rule.actions.cover(&operation.action)
                && !rule.unless.iter().any(|pattern| is_always(pattern, operation))
        });
        let mut names = None;
        let mut held = None;
        for rule in concerned {
            let names = names.get_or_insert_with(|| all_names(operation));
            let Some(found) = finds(rule, operation, names) else { continue };
            match rule.answer {
                Answer::Deny => return decision(rule, &found),
                Answer::Hold if held.is_none() => held = Some((rule, found)),
                Answer::Hold => {}
            }
        }
        match held {
            // It waits when it runs.
            Some(_) if reach::runs_later(operation) => Decision::abstain(),
            Some((rule, found)) => decision(rule, &found),
            None => Decision::abstain(),
        }
    }
}

fn all_names(operation: &Operation) -> Vec<Name> {
    let name = |name: &String| Name::of(&operation.kind, name);
    let mut names: Vec<Name> = operation.objects.iter().map(name).collect();
    // An SQL text names things in a hundred ways; its objects are those names, read.
    if !is_sql(&operation.kind) {
        names.push(name(&operation.text));
        // `DELETE /v1/customers/{id}` is also `DELETE /v1/customers/7`.
        if let Some((verb, _)) = operation.text.split_once(' ') {
            names.extend(operation.objects.iter().map(|object| name(&format!("{verb} {object}"))));
        }
    }
    names
}

/// The attribute is there, and has no other value besides.
fn is_always(pattern: &AttributePattern, operation: &Operation) -> bool {
    let mut named = operation.attributes.iter().filter(|attribute| attribute.name == pattern.name).peekable();
    named.peek().is_some() && named.all(|attribute| pattern.value.matches(&attribute.value.to_lowercase()))
}

fn finds<'r>(rule: &'r Rule, operation: &Operation, names: &[Name]) -> Option<Found<'r>> {
    let object = rule.objects.iter().find(|pattern| names.iter().any(|name| pattern.matches(name)));
    if let Some(pattern) = object {
        return Some(Found::Pattern(&pattern.text));
    }
    let attribute = rule.attributes.iter().find(|pattern| {
        let named = operation.attributes.iter().filter(|attribute| attribute.name == pattern.name);
        named.into_iter().any(|attribute| pattern.value.matches(&attribute.value.to_lowercase()))
    });
    if let Some(pattern) = attribute {
        return Some(Found::Pattern(&pattern.text));
    }
    let changes = !matches!(operation.action.as_str(), "read" | "session");
    let unseen = !rule.objects.is_empty() && changes && reach::of(operation) == Reach::Anything;
    unseen.then_some(Found::NotKnown)
}

/// The patterns are the operator's words; what they matched is the client's, and not repeated.
fn decision(rule: &Rule, found: &Found<'_>) -> Decision {
    let (place, why) = match found {
        Found::Pattern(pattern) => (*pattern, format!("it changes what is protected (`{pattern}`)")),
        Found::NotKnown => ("*", "it may change what is protected: what it touches is not known".to_owned()),
    };
    let reason = if rule.reason.is_empty() { why } else { rule.reason.clone() };
    let decision = match rule.answer {
        Answer::Deny => Decision::deny(CODE, reason),
        Answer::Hold => Decision::of(Verdict::Hold(HoldRequest {
            code: CODE.to_owned(),
            reason,
            reviewers: rule.reviewers.clone(),
        })),
    };
    decision.tag("protected", place)
}
