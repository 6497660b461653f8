//! What the API shows, as JSON. Server and client share these types.
//!
//! Readers ignore fields they do not know, so that fields can be added. Texts are as the host has them, masked where a
//! masker says so; nothing here is safe for a terminal before `render` has seen it.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use weir_model::{Attribute, Parameter, Principal};

/// `GET /v1/status`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    pub version: String,
    pub started_at: Timestamp,
    pub config_file: String,
    /// How often the configuration was applied: 1 after the start.
    pub generation: u64,
    /// Why the last reload was not applied; the old configuration goes on.
    pub reload_problem: Option<String>,
    pub trail: TrailView,
    pub resources: Vec<ResourceView>,
    pub sessions: u64,
    pub approvals: u64,
    pub plugins: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrailView {
    /// Records since the trail began.
    pub records: u64,
    /// Why it takes no records now: then everything is refused.
    pub problem: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourceView {
    pub name: String,
    pub protocol: String,
    pub listen: String,
    pub sessions: u64,
    /// Why nobody can use it now.
    pub problem: Option<String>,
}

/// One of `GET /v1/sessions`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    pub id: String,
    pub resource: String,
    pub protocol: String,
    pub who: PrincipalView,
    pub client_address: String,
    pub started_at: Timestamp,
    pub attributes: Vec<AttributeView>,
    /// What the client says of itself: not proven.
    pub claimed: Vec<AttributeView>,
}

/// A version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    pub digest: String,
    /// The generation it came with.
    pub generation: u64,
    /// Sessions that have an instance of it.
    pub sessions: u64,
    /// Whether it is what is asked now.
    pub serves: bool,
}

/// One of `GET /v1/plugins`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginView {
    pub name: String,
    pub file: String,
    /// SHA-256 of the file
    pub digest: String,
    /// `stream-inspector`, `policy`, …
    pub world: String,
    /// The generation that its serving version came with; the newest of all while none serves.
    pub generation: u64,
    /// `ready`, `kept` (a newer file was refused), `failed`, …
    pub state: String,
    pub calls: u64,
    pub mean_us: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub traps: u64,
    pub time_outs: u64,
    pub refusals: u64,
    /// Calls that hit a limit of memory or output.
    #[serde(default)]
    pub limit_hits: u64,
    /// Every version that serves or that a session still has, the oldest first.
    #[serde(default)]
    pub versions: Vec<VersionView>,
    /// What is wrong with it, or with the newer file that was refused.
    pub problem: Option<String>,
}

/// One of `GET /v1/approvals`, and `GET /v1/approvals/{id}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalView {
    pub id: String,
    pub session: String,
    pub resource: String,
    pub requester: PrincipalView,
    pub client_address: String,
    pub kind: String,
    pub action: String,
    /// The exact command.
    pub text: String,
    pub parameters: Vec<ParameterView>,
    pub objects: Vec<String>,
    pub attributes: Vec<AttributeView>,
    /// What the client says of itself: not proven.
    pub claimed: Vec<AttributeView>,
    /// SHA-256, hexadecimal: over the exact command, the session, the principal, the resource and the expiry.
    pub digest: String,
    /// The rule that asks.
    pub code: String,
    pub reason: String,
    /// `group:NAME` or `user:NAME`
    pub reviewers: Vec<String>,
    /// What the resource's reviewers have become since it was asked: who reviews must be among both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewers_now: Option<Vec<String>>,
    pub asked_at: Timestamp,
    pub expires_at: Timestamp,
    /// In a list, long texts are cut: the request by itself has all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shortened: bool,
}

/// Characters of a text in a list, and texts of each sort.
const LISTED_CHARS: usize = 4096;
const LISTED_TEXTS: usize = 64;

impl ApprovalView {
    /// As part of a list: one large request must not keep reviewers from seeing the others.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let mut is_shortened = false;
        let mut cut = |text: &mut String| {
            if let Some((at, _)) = text.char_indices().nth(LISTED_CHARS) {
                text.truncate(at);
                text.push('…');
                is_shortened = true;
            }
        };
        cut(&mut self.text);
        let counts = [self.parameters.len(), self.objects.len(), self.attributes.len(), self.claimed.len()];
        self.parameters.truncate(LISTED_TEXTS);
        self.objects.truncate(LISTED_TEXTS);
        self.attributes.truncate(LISTED_TEXTS);
        self.claimed.truncate(LISTED_TEXTS);
        for parameter in &mut self.parameters {
            cut(&mut parameter.name);
            parameter.value.iter_mut().for_each(&mut cut);
        }
        self.objects.iter_mut().for_each(&mut cut);
        for attribute in self.attributes.iter_mut().chain(&mut self.claimed) {
            cut(&mut attribute.name);
            cut(&mut attribute.value);
        }
        self.is_shortened = is_shortened || counts.iter().any(|count| *count > LISTED_TEXTS);
        self
    }

    /// Whether this person is among the reviewers, or has asked (or their agent has).
    pub(crate) fn concerns(&self, who: &Principal) -> bool {
        self.is_reviewer(who) || self.is_own(who)
    }

    pub(crate) fn is_reviewer(&self, who: &Principal) -> bool {
        self.was_reviewer(who) && self.reviewers_now.as_deref().is_none_or(|now| covered(now, who))
    }

    /// When it was asked.
    pub(crate) fn was_reviewer(&self, who: &Principal) -> bool {
        covered(&self.reviewers, who)
    }

    /// The same rule as `Principal::same_person`.
    pub(crate) fn is_own(&self, who: &Principal) -> bool {
        let person = who.on_behalf_of.as_deref().unwrap_or(&who.id);
        self.requester.on_behalf_of.as_deref().unwrap_or(&self.requester.id) == person
    }
}

fn covered(grantees: &[String], who: &Principal) -> bool {
    let mut grantees = grantees.iter().filter_map(|text| weir_model::Grantee::parse(text).ok());
    grantees.any(|grantee| grantee.covers(who))
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalView {
    pub id: String,
    /// `human`, `agent` or `service`
    pub kind: String,
    pub on_behalf_of: Option<String>,
    pub groups: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeView {
    pub name: String,
    pub value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterView {
    pub name: String,
    pub type_name: String,
    /// `null` for NULL and for a value nobody could read.
    pub value: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vote {
    Approve,
    Deny,
}

impl Vote {
    pub fn as_word(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
        }
    }
}

/// The body of `POST /v1/approvals/{id}/approve` and `…/deny`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewBody {
    #[serde(default)]
    pub comment: String,
    /// What the reviewer has looked at: the review has no effect on anything else.
    #[serde(default)]
    pub digest: Option<String>,
}

/// The answer to a review that has taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewedView {
    pub id: String,
    pub vote: Vote,
    pub by: String,
    pub digest: String,
}

/// The answer to everything that is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    pub error: ErrorView,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorView {
    /// Short and stable, for programs.
    pub code: String,
    pub message: String,
    /// What to do about it; may be empty.
    pub help: String,
}

impl From<&Principal> for PrincipalView {
    fn from(who: &Principal) -> Self {
        Self {
            id: who.id.clone(),
            kind: who.kind.as_word().to_owned(),
            on_behalf_of: who.on_behalf_of.clone(),
            groups: who.groups.clone(),
        }
    }
}

impl From<&Attribute> for AttributeView {
    fn from(attribute: &Attribute) -> Self {
        Self { name: attribute.name.clone(), value: attribute.value.clone() }
    }
}

impl From<&Parameter> for ParameterView {
    fn from(parameter: &Parameter) -> Self {
        Self {
            name: parameter.name.clone(),
            type_name: parameter.type_name.clone(),
            value: parameter.value.clone(),
        }
    }
}
