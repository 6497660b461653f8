//! Verdicts of single plugins, and the host's decision over them.

use crate::{Attribute, Digest, PluginName};
use std::ops::Deref;
use std::sync::Arc;

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

/// What policies say beside their verdict. Shared, because a decision that serves again has the same for each operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Option<Arc<[Attribute]>>);

impl Tags {
    /// Puts more behind them.
    pub fn add(&mut self, more: Self) {
        match self.is_empty() {
            true => *self = more,
            false if more.is_empty() => {}
            false => *self = self.iter().chain(&*more).cloned().collect(),
        }
    }

    /// One to be changed here, and nowhere else.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Attribute> {
        Arc::make_mut(self.0.as_mut()?).get_mut(at)
    }
}

impl Deref for Tags {
    type Target = [Attribute];

    fn deref(&self) -> &[Attribute] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl FromIterator<Attribute> for Tags {
    fn from_iter<All: IntoIterator<Item = Attribute>>(all: All) -> Self {
        let mut all = all.into_iter().peekable();
        Self(all.peek().is_some().then(|| all.collect()))
    }
}

/// The host's answer: the fold of all verdicts (deny over hold over rewrite over allow).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub verdict: Verdict,
    pub findings: Vec<Finding>,
    pub tags: Tags,
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
