//! What the trail keeps of an operation and its session, as a plugin would have seen it; or why that is not enough.

use serde::Serialize;
use serde_json::Value;
use weir_audit::Record;
use weir_model::{
    Action, Attribute, Operation, Parameter, Principal, PrincipalKind, ResourceName, SessionId, SessionInfo,
};

/// What secrets and withheld texts were replaced by (`weir_audit::redact`, `weir_session`).
const REPLACED: [&str; 2] = ["[redacted:", "[withheld:"];

/// Why a recorded operation cannot be judged truthfully.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Unjudged {
    /// Its payload has been erased.
    Erased,
    /// A secret in it was replaced before it was recorded.
    Redacted,
    /// A masker replaced something in it before it was recorded.
    Masked,
    /// A policy has put another text in its place; what the inspector said of the first one is not kept.
    Rewritten,
    /// What is known of its session is not in the trail, or was erased or redacted.
    Session,
    /// It was refused for another reason than a policy's, and what policies said is not kept.
    OtherReason,
    /// Nobody has an opinion, and the resource's `default` is not known: it is not in the configuration.
    Default,
    /// The record is not as this program writes it.
    Damaged,
    /// The candidate did not take the session.
    NotOpened,
}

impl Unjudged {
    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Erased => "their payload has been erased",
            Self::Redacted => "a secret in them was redacted before it was recorded",
            Self::Masked => "a masker has replaced values in them before they were recorded",
            Self::Rewritten => "a policy rewrote them; the facts of the first text are not kept",
            Self::Session => "the facts of their session are missing, erased or redacted",
            Self::OtherReason => "they were refused for another reason, and no policy's answer is kept",
            Self::Default => {
                "no policy has an opinion, and the resource's default is not in the configuration"
            }
            Self::Damaged => "their record cannot be read",
            Self::NotOpened => "the candidate did not take their session",
        }
    }
}

/// One policy's recorded answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) plugin: String,
    pub(super) word: String,
}

/// An operation with what was decided about it.
#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) operation: Operation,
    /// The host's decision.
    pub(super) verdict: String,
    pub(super) code: String,
    pub(super) reason: String,
    /// Policies only, in the order of the pipeline. An answer that failed open counts as abstaining.
    pub(super) answers: Vec<Answer>,
}

/// What a record comes to.
#[derive(Debug)]
pub(super) enum Seen {
    /// Nothing a policy would have been asked about.
    NotAsked,
    Unjudged(Unjudged),
    Operation(Box<Recorded>),
}

pub(super) fn operation(record: &Record) -> Seen {
    let Ok(body) = serde_json::from_str::<Value>(&record.body) else {
        return Seen::Unjudged(Unjudged::Damaged);
    };
    let detail = body.get("detail").unwrap_or(&Value::Null);
    if detail.get("continues").is_some() {
        return Seen::NotAsked;
    }
    let Some(payload) = &record.payload else {
        let erased = body.get("commit").is_some();
        return Seen::Unjudged(if erased { Unjudged::Erased } else { Unjudged::Damaged });
    };
    let Ok(payload) = serde_json::from_str::<Value>(payload) else {
        return Seen::Unjudged(Unjudged::Damaged);
    };
    let answers = answers(detail, &payload);
    let by = text(detail, "by");
    if record.kind == "refused" && answers.is_empty() {
        match by.as_str() {
            "policy" | "approval" => {}
            // It was never shown to a policy.
            "inspector" => return Seen::NotAsked,
            _ => return Seen::Unjudged(Unjudged::OtherReason),
        }
    }
    if payload.get("original").is_some() || record.verdict.as_deref() == Some("rewrite") {
        return Seen::Unjudged(Unjudged::Rewritten);
    }
    let seen_by_policies = ["text", "parameters", "attributes", "claimed"];
    let texts = seen_by_policies.iter().filter_map(|key| payload.get(key)).chain(detail.get("objects"));
    if texts.into_iter().any(is_replaced) {
        return Seen::Unjudged(Unjudged::Redacted);
    }
    if detail.get("masked").is_some() {
        return Seen::Unjudged(Unjudged::Masked);
    }
    let operation = Operation {
        kind: text(detail, "operation_kind"),
        action: Action::from_word(&text(detail, "action")),
        text: text(&payload, "text"),
        objects: texts_of(detail, "objects"),
        parameters: list(&payload, "parameters").iter().map(parameter).collect(),
        attributes: attributes(&payload, "attributes"),
        claimed: attributes(&payload, "claimed"),
    };
    Seen::Operation(Box::new(Recorded {
        operation,
        verdict: record.verdict.as_deref().unwrap_or_default().to_owned(),
        code: text(detail, "decision_code"),
        reason: text(&payload, "decision_reason"),
        answers,
    }))
}

/// Cells that maskers have changed in the answer of an outcome.
pub(super) fn cells(record: &Record) -> u64 {
    // Most have none, and need not be read.
    if !record.body.contains("\"masked\":") {
        return 0;
    }
    let body: Value = serde_json::from_str(&record.body).unwrap_or_default();
    let masked = body.pointer("/detail/masked").and_then(Value::as_array);
    masked.into_iter().flatten().filter_map(|rule| rule.get("cells").and_then(Value::as_u64)).sum()
}

/// The session of a `session-opened` record.
pub(super) fn session(record: &Record) -> Result<SessionInfo, Unjudged> {
    let body: Value = serde_json::from_str(&record.body).map_err(|_| Unjudged::Session)?;
    let payload = record.payload.as_deref().ok_or(Unjudged::Session)?;
    let payload: Value = serde_json::from_str(payload).map_err(|_| Unjudged::Session)?;
    if is_replaced(&payload) {
        return Err(Unjudged::Session);
    }
    let detail = body.get("detail").unwrap_or(&Value::Null);
    let on_behalf_of = text(detail, "on_behalf_of");
    let kind = PrincipalKind::from_word(&text(detail, "principal_kind")).ok_or(Unjudged::Session)?;
    Ok(SessionInfo {
        id: SessionId::new(record.session.as_deref().unwrap_or_default()),
        resource: ResourceName::new(record.resource.as_deref().unwrap_or_default()),
        protocol: text(detail, "protocol"),
        who: Principal {
            id: record.principal.as_deref().unwrap_or_default().to_owned(),
            kind,
            on_behalf_of: Some(on_behalf_of).filter(|person| !person.is_empty()),
            groups: texts_of(detail, "groups"),
        },
        client_address: text(&payload, "client_address"),
        started_ms: detail.get("started_ms").and_then(Value::as_u64).unwrap_or_default(),
        attributes: attributes(&payload, "attributes"),
        claimed: attributes(&payload, "claimed"),
    })
}

fn answers(detail: &Value, payload: &Value) -> Vec<Answer> {
    const WORDS: [&str; 6] = ["allow", "deny", "hold", "rewrite", "abstain", "failed"];
    let opened: Vec<String> = attributes(payload, "tags")
        .into_iter()
        .filter(|tag| tag.name == "failure-mode-opened")
        .map(|tag| tag.value)
        .collect();
    let judges = list(detail, "judged_by").iter();
    let answer = |judge: &Value| {
        let (plugin, word) = (text(judge, "plugin"), text(judge, "answer"));
        let word = match word.as_str() {
            "failed" if opened.contains(&plugin) => "abstain".to_owned(),
            _ => word,
        };
        WORDS.contains(&word.as_str()).then_some(Answer { plugin, word })
    };
    judges.filter_map(answer).collect()
}

fn is_replaced(value: &Value) -> bool {
    match value {
        Value::String(text) => REPLACED.iter().any(|mark| text.contains(mark)),
        Value::Array(items) => items.iter().any(is_replaced),
        Value::Object(fields) => fields.values().any(is_replaced),
        _ => false,
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn texts_of(value: &Value, key: &str) -> Vec<String> {
    list(value, key).iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn attributes(value: &Value, key: &str) -> Vec<Attribute> {
    list(value, key).iter().map(|each| Attribute::new(text(each, "name"), text(each, "value"))).collect()
}

fn parameter(value: &Value) -> Parameter {
    Parameter {
        name: text(value, "name"),
        type_name: text(value, "type"),
        value: value.get("value").and_then(Value::as_str).map(ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn record(kind: &'static str, detail: &str, payload: Option<&str>) -> Record {
        Record {
            seq: 1,
            at_us: 0,
            kind: Cow::Borrowed(kind),
            session: Some("s".into()),
            operation: Some(1),
            principal: Some("ann".into()),
            resource: Some("customers".into()),
            verdict: Some("allow".into()),
            status: None,
            body: format!(r#"{{"commit":"x","detail":{detail}}}"#),
            payload: payload.map(Into::into),
            salt: None,
            hash: [0; 32],
        }
    }

    const DETAIL: &str = r#"{"action":"read","judged_by":[{"answer":"inspect","plugin":"postgres"},{"answer":"allow","plugin":"guard"}],"objects":["t"],"operation_kind":"sql.query"}"#;

    #[test]
    fn an_operation_is_read_back_as_it_was() {
        let payload = r#"{"attributes":[{"name":"a","value":"b"}],"parameters":[{"name":"$1","type":"int4"},{"name":"$2","type":"text","value":""}],"text":"select 1"}"#;
        let Seen::Operation(seen) = operation(&record("intent", DETAIL, Some(payload))) else { panic!() };
        assert_eq!(seen.operation.action, Action::Read);
        assert_eq!(seen.operation.parameters[0].value, None);
        assert_eq!(seen.operation.parameters[1].value.as_deref(), Some(""));
        assert_eq!(seen.operation.attributes, [Attribute::new("a", "b")]);
        assert_eq!(seen.answers, [Answer { plugin: "guard".into(), word: "allow".into() }]);
    }

    #[test]
    fn what_is_not_all_there_is_not_judged() {
        let why = |kind, detail: &str, payload| match operation(&record(kind, detail, payload)) {
            Seen::Unjudged(why) => Some(why),
            _ => None,
        };
        assert_eq!(why("intent", DETAIL, None), Some(Unjudged::Erased));
        assert_eq!(
            why("intent", DETAIL, Some(r#"{"text":"alter user x password [redacted:password]"}"#)),
            Some(Unjudged::Redacted)
        );
        let nested =
            r#"{"parameters":[{"name":"$1","value":"[withheld: a masker failed]"}],"text":"select $1"}"#;
        assert_eq!(why("intent", DETAIL, Some(nested)), Some(Unjudged::Redacted));
        assert_eq!(
            why("intent", r#"{"masked":[{"cells":1,"rule":"email"}]}"#, Some(r#"{"text":"x"}"#)),
            Some(Unjudged::Masked)
        );
        assert_eq!(why("intent", DETAIL, Some(r#"{"original":"a","text":"b"}"#)), Some(Unjudged::Rewritten));
        assert_eq!(
            why("refused", r#"{"by":"plugin"}"#, Some(r#"{"text":"b"}"#)),
            Some(Unjudged::OtherReason)
        );
        assert_eq!(why("intent", DETAIL, Some(r#"{"decision_reason":"[redacted:url]","text":"b"}"#)), None);
    }

    #[test]
    fn what_no_policy_was_asked_is_left_out() {
        let seen = operation(&record("refused", r#"{"by":"inspector"}"#, Some(r#"{"text":"b"}"#)));
        assert!(matches!(seen, Seen::NotAsked));
        assert!(matches!(operation(&record("intent", r#"{"continues":3}"#, Some("{}"))), Seen::NotAsked));
    }
}
