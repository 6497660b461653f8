//! Verdicts of single plugins, and the host's decision over them.

use crate::{Attribute, Digest, PluginName};

/// One policy's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Abstain,
    Allow,
    Deny { code: String, reason: String },
    Hold { code: String, reason: String, reviewers: Vec<String> },
    Rewrite { text: String },
}

/// Something noticed, for the trail. Never the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: String,
    pub place: String,
    /// 0 to 100.
    pub score: u8,
}

/// A plugin that took part in judging, inspecting or masking an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedBy {
    pub plugin: PluginName,
    pub digest: Digest,
    /// `inspect`, `allow`, `deny`, `hold`, `rewrite`, `abstain`, `mask` or `failed`.
    pub answer: &'static str,
}

/// The host's answer: the fold of all verdicts (deny over hold over rewrite over allow).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub tags: Vec<Attribute>,
    pub judged_by: Vec<JudgedBy>,
}

/// What a masking rule did to an answer: how often it changed a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    pub rule: String,
    pub cells: u64,
    /// Not done at all: what a shadow came to instead, for the record. `rule` says in which column and how.
    pub beside: Option<JudgedBy>,
}
