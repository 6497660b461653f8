//! Operations: what was wanted, what was decided, what came of it.

use super::session::micros;
use super::{Place, applied, attributes, beside};
use crate::canon::Object;
use crate::redact::redact_named;
use std::sync::Arc;
use std::time::Duration;
use weir_model::{Applied, Decision, JudgedBy, Operation, Verdict};

pub use weir_model::{RefusedBy, Status};

/// An operation with the host's decision: the content of an intent, and of a refusal.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub place: Place,
    /// The operation's number in its session.
    pub operation: u64,
    /// The earlier operation this one goes on with (fetching more of a cursor, the next part of an upload).
    pub continues: Option<u64>,
    /// Exactly what is sent, except for what maskers replaced in it before it came here.
    pub what: Arc<Operation>,
    /// What the client sent, when a policy has put another text in its place; masked too.
    pub original: Option<String>,
    pub decision: Arc<Decision>,
    /// The approval this operation used, or was refused by.
    pub approval: Option<String>,
    /// What maskers replaced in all of it.
    pub masked: Vec<Applied>,
}

/// An operation that never reached the upstream.
#[derive(Clone, Debug)]
pub struct Refused {
    pub attempt: Attempt,
    pub by: RefusedBy,
    /// As the client got it.
    pub code: String,
    /// As the client got it.
    pub message: String,
}

/// The upstream's error.
#[derive(Clone, Debug)]
pub struct Failure {
    pub code: String,
    /// Already masked.
    pub message: String,
}

/// What came of an intent. There is at most one for each.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub place: Place,
    /// The intent's number.
    pub operation: u64,
    pub status: Status,
    pub rows: Option<u64>,
    /// The upstream's own word, such as `UPDATE 3`; empty when there is none.
    pub tag: String,
    pub error: Option<Failure>,
    pub bytes_to_client: u64,
    /// Cells changed in the answer, by rule.
    pub masked: Vec<Applied>,
    /// The plugins that masked it.
    pub masked_by: Vec<JudgedBy>,
    /// From the first byte sent to the last byte of the answer.
    pub duration: Duration,
}

impl Attempt {
    pub(super) fn verdict(&self) -> &'static str {
        match self.decision.verdict {
            Verdict::Abstain => "abstain",
            Verdict::Allow => "allow",
            Verdict::Deny { .. } => "deny",
            Verdict::Hold { .. } => "hold",
            Verdict::Rewrite { .. } => "rewrite",
        }
    }

    pub(super) fn detail(&self, out: &mut Object<'_>, refused: Option<&Refused>) {
        out.word("action", self.what.action.as_word());
        out.maybe_word("approval", self.approval.as_deref());
        out.maybe_word("by", refused.map(|refused| refused.by.as_word()));
        out.maybe_number("continues", self.continues);
        if let Verdict::Deny { code, .. } | Verdict::Hold { code, .. } = &self.decision.verdict {
            out.text("decision_code", code);
        }
        out.objects("findings", &self.decision.findings, |out, finding| {
            out.text("place", &finding.place);
            out.text("rule", &finding.rule);
            out.number("score", finding.score.into());
        });
        judges(out, "judged_by", &self.decision.judged_by);
        applied(out, "masked", &self.masked);
        out.texts("objects", &self.what.objects);
        out.text("operation_kind", &self.what.kind);
        out.text("refusal_code", refused.map_or("", |refused| &refused.code));
    }

    pub(super) fn payload(&self, out: &mut Object<'_>, refused: Option<&Refused>) {
        attributes(out, "attributes", &self.what.attributes);
        beside(out, &self.masked);
        attributes(out, "claimed", &self.what.claimed);
        if let Verdict::Deny { reason, .. } | Verdict::Hold { reason, .. } = &self.decision.verdict {
            out.text("decision_reason", reason);
        }
        out.text("original", self.original.as_deref().unwrap_or_default());
        out.objects("parameters", &self.what.parameters, |out, parameter| {
            out.text("name", &parameter.name);
            out.text("type", &parameter.type_name);
            if let Some(value) = &parameter.value {
                out.redacted("value", &redact_named(&parameter.name, value));
            }
        });
        out.text("refusal_message", refused.map_or("", |refused| &refused.message));
        attributes(out, "tags", &self.decision.tags);
        out.text("text", &self.what.text);
    }
}

pub(super) fn judges(out: &mut Object<'_>, key: &'static str, judges: &[JudgedBy]) {
    out.objects(key, judges, |out, judge| {
        out.word("answer", judge.answer);
        out.digest("digest", &judge.digest);
        out.word("plugin", judge.plugin.as_str());
    });
}

impl Refused {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        self.attempt.detail(out, Some(self));
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        self.attempt.payload(out, Some(self));
    }
}

impl Outcome {
    pub(super) fn detail(&self, out: &mut Object<'_>) {
        out.number("bytes_to_client", self.bytes_to_client);
        out.number("duration_us", micros(self.duration));
        if let Some(failure) = &self.error {
            out.text("error_code", &failure.code);
        }
        applied(out, "masked", &self.masked);
        judges(out, "masked_by", &self.masked_by);
        out.maybe_number("rows", self.rows);
        out.text("tag", &self.tag);
    }

    pub(super) fn payload(&self, out: &mut Object<'_>) {
        beside(out, &self.masked);
        if let Some(failure) = &self.error {
            out.text("error_message", &failure.message);
        }
    }
}
