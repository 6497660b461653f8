//! The settings a client brings in its startup packet: operations like any other.
//!
//! `options=-c role=admin` does what `SET role = admin` does, so it is judged like it and recorded like it, before
//! the upstream gets it. Only what says how answers look, or who is calling, is not worth a question; it is kept
//! with the session.

use super::PostgresHouse;
use super::upstream::UpstreamError;
use crate::trail::{Opening, SessionTrail};
use std::sync::{Arc, Mutex};
use weir_audit::{LoginStage, Place};
use weir_guests::SessionJudges;
use weir_model::{Action, Attribute, Decision, Fault, JudgedBy, Operation, SessionInfo, Verdict};
use weir_session::decide::fold;
use weir_session::masking::{self, labelled};
use weir_session::ports::{Entry, Intent, Outcome, Policies, Round, Trail};
use weir_session::traffic::Status;
use weir_wire::postgres::{ErrorReport, SqlState, StartupParameters};

/// Settings that change nothing but the form of answers, or only describe the client: what every driver sends.
/// Everything else is judged.
const FORM_ONLY: [&str; 5] =
    ["application_name", "datestyle", "timezone", "intervalstyle", "extra_float_digits"];
/// Spellings of the encoding in which texts are judged.
const UTF8: [&str; 5] = ["utf8", "utf-8", "unicode", "'utf-8'", "'utf8'"];
/// A driver sends five settings; each one that is judged costs calls and records.
const MAX_SETTINGS: usize = 128;
/// Operations of a session are numbered by its inspector from 1 on in 32 bits; those of its first packet lie behind.
const NUMBERS_FROM: u64 = 1 << 32;

/// Every setting the client brings, those inside `options` included, by lower-case name, in the order in which they
/// take effect.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Brought(Vec<(String, String)>);

/// What cannot be told, so it cannot be judged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotToBeJudged {
    #[error("the connection's `options` may hold `-c name=value` and `--name=value` only")]
    Options,
    #[error("the connection brings more than {MAX_SETTINGS} settings")]
    TooMany,
}

/// A setting was not allowed, or could not be recorded.
pub(super) struct SettingRefused {
    pub(super) stage: LoginStage,
    pub(super) report: ErrorReport,
    pub(super) reason: String,
    pub(super) judged_by: Vec<JudgedBy>,
}

/// Settings whose intents are on disk and whose outcome is not known yet.
pub(super) struct Recorded {
    trail: SessionTrail,
    count: u32,
    since: std::time::Instant,
}

pub(super) fn brought(parameters: &StartupParameters) -> Result<Brought, NotToBeJudged> {
    let mut all = Vec::new();
    for (name, value) in parameters.iter() {
        if name.eq_ignore_ascii_case("options") {
            all.extend(of_options(value)?);
        } else {
            all.push((name.to_ascii_lowercase(), value.to_owned()));
        }
    }
    if all.len() > MAX_SETTINGS { Err(NotToBeJudged::TooMany) } else { Ok(Brought(all)) }
}

impl Brought {
    /// What the client says of itself: kept as claimed context, never as identity.
    pub(super) fn claims(&self) -> Vec<Attribute> {
        let claimed = |(name, value): &&(String, String)| form_only(name, value) || name.contains('.');
        let kept = self.0.iter().filter(claimed);
        kept.map(|(name, value)| Attribute::new(name.clone(), value.clone())).collect()
    }

    /// The settings that must be judged, each as the statement that would do the same.
    fn operations(&self) -> Vec<Operation> {
        let judged = self.0.iter().filter(|(name, value)| !form_only(name, value));
        judged.map(|(name, value)| operation(name, value)).collect()
    }
}

fn form_only(name: &str, value: &str) -> bool {
    FORM_ONLY.contains(&name)
        || (name == "client_encoding" && UTF8.contains(&value.to_ascii_lowercase().as_str()))
}

fn operation(name: &str, value: &str) -> Operation {
    let quoted: Vec<_> = name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
    Operation {
        kind: "sql.startup".into(),
        action: Action::Session,
        text: format!("SET {} TO '{}'", quoted.join("."), value.replace('\'', "''")),
        objects: vec![name.to_owned()],
        parameters: vec![],
        attributes: vec![],
        claimed: vec![],
    }
}

impl PostgresHouse {
    /// Has the settings judged and their intents recorded. Also answers the client's claims as the trail may keep
    /// them.
    pub(super) async fn judge_settings(
        &self,
        judges: &mut SessionJudges,
        info: &SessionInfo,
        brought: &Brought,
    ) -> Result<(Recorded, Vec<Attribute>), SettingRefused> {
        let mut intents = Vec::new();
        for (id, operation) in (1..).zip(brought.operations()) {
            let answers = judges.policies.decide(&operation, Round::First).await;
            let decision = fold(answers, self.resource.default(), Vec::new()).decision;
            let name = operation.objects.first().map(String::as_str).unwrap_or_default();
            if let Some(why) = refusal(&decision.verdict) {
                return Err(SettingRefused::denied(name, &why, decision.judged_by));
            }
            intents.push((id, operation, decision));
        }
        self.record_settings(judges, info, intents).await.map_err(SettingRefused::failed)
    }

    async fn record_settings(
        &self,
        judges: &mut SessionJudges,
        info: &SessionInfo,
        intents: Vec<(u32, Operation, Decision)>,
    ) -> Result<(Recorded, Vec<Attribute>), Fault> {
        let mut claimed = info.claimed.clone();
        let maskers = &mut judges.maskers;
        let mut entries = Vec::with_capacity(intents.len());
        for (id, mut operation, decision) in intents {
            let about = operation.clone();
            let columns = [labelled("statement", "statement")];
            let masked = masking::texts(maskers, &columns, &mut [&mut operation.text], &about).await?;
            entries.push(Entry::Intent(Intent {
                id,
                continues: 0,
                operation: Arc::new(operation),
                original: None,
                decision: Arc::new(decision),
                approval: None,
                masked,
            }));
        }
        if !claimed.is_empty() {
            let columns: Vec<_> = claimed.iter().map(|claim| labelled(&claim.name, "parameter")).collect();
            let mut texts: Vec<_> = claimed.iter_mut().map(|claim| &mut claim.value).collect();
            masking::texts(maskers, &columns, &mut texts, &operation("", "")).await?;
        }
        let trail = SessionTrail {
            audit: self.shared.audit.clone(),
            place: Place::of(info),
            metrics: self.shared.metrics.of(self.resource.name()),
            numbers_from: NUMBERS_FROM,
            // There is no session yet.
            opening: Mutex::new(Opening::OnDisk),
        };
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        if count > 0 {
            trail.durable(&entries).await?;
        }
        Ok((Recorded { trail, count, since: std::time::Instant::now() }, claimed))
    }
}

impl Recorded {
    /// The upstream has answered. What stays without an outcome, because the trail is down, becomes `unknown` at the
    /// next start.
    pub(super) async fn done(self, failed: Option<&UpstreamError>) {
        if self.count == 0 {
            return;
        }
        let outcome = |id| {
            let (status, code, message) = match failed {
                None => (Status::Ok, String::new(), String::new()),
                // Its words may hold the values that the maskers have just hidden.
                Some(UpstreamError::Login(error)) => {
                    let code = error.report().sqlstate.as_str().to_owned();
                    (Status::Error, code, "the upstream refused the login".to_owned())
                }
                Some(_) => {
                    (Status::Unknown, String::new(), "the connection broke during the login".to_owned())
                }
            };
            Entry::Outcome(Outcome {
                id,
                status,
                rows: 0,
                tag: String::new(),
                code,
                message,
                bytes_to_client: 0,
                masked: vec![],
                masked_by: vec![],
                took: self.since.elapsed(),
                again: false,
            })
        };
        let outcomes: Vec<_> = (1..=self.count).map(outcome).collect();
        if self.trail.queued(&outcomes).await.is_err() {
            tracing::warn!("outcomes of a login's settings could not be recorded");
        }
    }
}

impl SettingRefused {
    fn denied(name: &str, why: &str, judged_by: Vec<JudgedBy>) -> Self {
        let reason = format!("the connection's setting \"{name}\" is refused: {why}");
        let report = ErrorReport::fatal(SqlState::INSUFFICIENT_PRIVILEGE, reason.clone());
        Self { stage: LoginStage::Settings, report, reason, judged_by }
    }

    fn failed(fault: Fault) -> Self {
        let (report, reason) = super::connect::told(&fault);
        Self { stage: LoginStage::Open, report, reason, judged_by: Vec::new() }
    }
}

/// Why a verdict lets nobody in. A login cannot wait for people, and its settings cannot be written anew.
fn refusal(verdict: &Verdict) -> Option<String> {
    match verdict {
        Verdict::Allow | Verdict::Abstain => None,
        Verdict::Deny { reason, .. } => Some(reason.clone()),
        Verdict::Hold { reason, .. } => Some(format!("{reason} (it cannot wait for approval here)")),
        Verdict::Rewrite { .. } => Some("a policy rewrites it, which cannot be done here".into()),
    }
}

/// The command line in `options`: `-c name=value` and `--name=value`, blanks escaped by a backslash
/// (PostgreSQL, `pg_split_opts`). The server knows more switches, and takes several in one word (`-Ec role=x`): a
/// word that is neither form is refused.
fn of_options(text: &str) -> Result<Vec<(String, String)>, NotToBeJudged> {
    let mut words = words(text).into_iter();
    let mut settings = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("-c"), word.strip_prefix("--")) {
            (Some(""), _) => words.next().unwrap_or_default(),
            (Some(attached), _) => attached.to_owned(),
            (None, Some(long)) => long.to_owned(),
            (None, None) => return Err(NotToBeJudged::Options),
        };
        let (name, value) = assignment.split_once('=').ok_or(NotToBeJudged::Options)?;
        if name.is_empty() {
            return Err(NotToBeJudged::Options);
        }
        // The server takes `-` for `_` in names given here.
        settings.push((name.to_ascii_lowercase().replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut inside) = (Vec::new(), String::new(), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                inside = true;
                word.extend(characters.next());
            }
            blank if blank.is_ascii_whitespace() || blank == '\u{b}' => {
                if std::mem::take(&mut inside) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                inside = true;
                word.push(other);
            }
        }
    }
    if inside {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Brought, NotToBeJudged> {
        let mut parameters = StartupParameters::new();
        for (name, value) in pairs {
            parameters.push(*name, *value).unwrap();
        }
        brought(&parameters)
    }

    fn texts(brought: &Brought) -> Vec<String> {
        brought.operations().into_iter().map(|operation| operation.text).collect()
    }

    #[test]
    fn options_are_settings() {
        let found = of(&[("options", r"-c role=admin --search-path=a\ b -cgw.conv=42")]).unwrap().0;
        let expected = [("role", "admin"), ("search_path", "a b"), ("gw.conv", "42")];
        let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn options_that_are_no_settings_are_refused() {
        for text in
            ["-Ec role=admin", "-Ecrole=admin", "-O", "-d 3", "role=admin", "--", "-c", "-c role", "--=x"]
        {
            assert_eq!(of(&[("options", text)]), Err(NotToBeJudged::Options), "{text}");
        }
        let many = "-c a.b=c ".repeat(MAX_SETTINGS + 1);
        assert_eq!(of(&[("options", &many)]), Err(NotToBeJudged::TooMany));
    }

    #[test]
    fn only_what_changes_meaning_is_judged() {
        let found = of(&[
            ("application_name", "psql"),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("options", r"-c App.tenant=1 -c role=o'brien"),
        ]);
        let found = found.unwrap();
        assert_eq!(texts(&found), [r#"SET "app"."tenant" TO '1'"#, r#"SET "role" TO 'o''brien'"#]);
        let claims: Vec<_> = found.claims().into_iter().map(|claim| claim.name).collect();
        assert_eq!(claims, ["application_name", "client_encoding", "datestyle", "app.tenant"]);
        assert_eq!(texts(&of(&[("client_encoding", "SJIS")]).unwrap()).len(), 1);
        assert_eq!(texts(&of(&[("statement_timeout", "0")]).unwrap()).len(), 1);
    }
}
