//! The session begins: plugins, a seat, the record, and the word that the client may speak.

use super::startup;
use super::{Connected, Opened, PostgresHouse, PostgresPorts, SeatedLeave, TurnedAway};
use crate::postgres::catalog::SessionCatalog;
use crate::reviews::SessionApprovals;
use crate::trail::SessionTrail;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use weir_audit::{Event, Place, SessionOpened};
use weir_guests::{InspectorLimits, SessionGuests};
use weir_model::{Attribute, Fault, SessionId, SessionInfo, Verdict};
use weir_net::Stream;
use weir_session::decide::fold;
use weir_session::exchange::{Limits, Start};
use weir_session::ports::{Inspector, Policies, Round};
use weir_wire::postgres::{
    BackendKey, CancelKey, ErrorReport, ProtocolVersion, Ready, SqlState, TransactionStatus,
    authentication_ok, backend_key_data, parameter_status, ready_for_query,
};

impl PostgresHouse {
    pub(super) async fn open_session(
        &self,
        connected: Connected,
    ) -> Result<(Start<PostgresPorts>, Stream, Stream), TurnedAway> {
        let Connected { identity, permit, database, upstream } = connected;
        let settings = startup::settings(&identity.proven.parameters);
        let info = Arc::new(SessionInfo {
            id: SessionId::new(uuid::Uuid::now_v7().simple().to_string()),
            resource: permit.resource().clone(),
            protocol: "postgres".into(),
            who: permit.principal().clone(),
            client_address: identity.client.to_string(),
            started_ms: crate::shared::now_ms(),
            attributes: vec![
                Attribute::new("database", database.as_str()),
                Attribute::new("permitted-by", permit.because().to_string()),
            ],
            claimed: startup::claims(&settings),
        });
        let refuse = |sqlstate: SqlState, message: String, reason: String| {
            (ErrorReport::fatal(sqlstate, message), reason)
        };
        let begun: Result<_, (ErrorReport, String)> = async {
            let guests = self.open_guests(&info, &upstream.ready).await.map_err(|fault| {
                let sqlstate = SqlState::parse(&fault.code).unwrap_or(SqlState::CANNOT_CONNECT_NOW);
                refuse(sqlstate, fault.message.clone(), format!("{}: {}", fault.message, fault.detail))
            })?;
            let guests = self.judge_startup(guests, &settings).await?;
            let key = self.key(&upstream.ready, identity.proven.version)?;
            let seat = self
                .shared
                .sessions
                .enter(
                    Arc::clone(&info),
                    key.clone(),
                    upstream.ready.key.clone(),
                    Arc::clone(&self.resource.account),
                    (
                        self.shared.running().config.settings().server.max_sessions,
                        self.resource.settings.limits.max_sessions_per_user,
                    ),
                )
                .map_err(|too_many| {
                    refuse(SqlState::TOO_MANY_CONNECTIONS, too_many.to_string(), too_many.to_string())
                })?;
            let event = Event::SessionOpened(SessionOpened::new(Arc::clone(&info)));
            self.shared.record_durably(event).await.map_err(|down| {
                let message = "the session could not be recorded, so it was not opened".to_owned();
                refuse(SqlState::CANNOT_CONNECT_NOW, message, down.to_string())
            })?;
            Ok((guests, key, seat))
        }
        .await;
        let (guests, key, seat) = match begun {
            Ok(begun) => begun,
            Err((report, reason)) => return Err(identity.turned_away(report, reason)),
        };
        let place = Place::of(&info);
        self.shared.opened.insert(info.id.clone(), Opened { place: place.clone(), since: Instant::now() });
        self.shared.metrics.session_opened(self.resource.name());

        let mut client = identity.stream;
        let welcome = welcome(identity.proven.user.as_str(), &upstream.ready, &key);
        // If the client is gone already, the exchange finds out and the session ends in order.
        let _ = client.write_all(&welcome).await;
        let _ = client.flush().await;
        let limits = &self.resource.settings.limits;
        let start = Start {
            inspector: guests.inspector,
            policies: guests.policies,
            maskers: guests.maskers,
            catalog: SessionCatalog(self.resource.catalog(&database)),
            trail: SessionTrail {
                audit: self.shared.audit.clone(),
                place,
                metrics: self.shared.metrics.of(self.resource.name()),
            },
            approvals: SessionApprovals {
                approvals: Arc::clone(&self.shared.approvals),
                reviewers: self.resource.settings.reviewers.clone(),
            },
            leave: SeatedLeave { leave: seat.leave(), _seat: seat },
            limits: Limits {
                max_operation_bytes: usize::try_from(limits.max_operation_bytes).unwrap_or(usize::MAX),
                max_answer_bytes: usize::try_from(limits.max_answer_bytes).unwrap_or(usize::MAX),
                buffer_bytes: usize::try_from(limits.buffer_bytes).unwrap_or(usize::MAX),
                idle_timeout: limits.idle_timeout,
                approval_timeout: limits.approval_timeout,
            },
            default: self.resource.default(),
            farewell: |fault| closing_words(fault).to_error_response(),
            client_ahead: identity.proven.leftover,
            upstream_ahead: upstream.ready.leftover,
            info: Arc::unwrap_or_clone(info),
        };
        Ok((start, client, upstream.stream))
    }

    async fn open_guests(&self, info: &SessionInfo, ready: &Ready) -> Result<SessionGuests, Fault> {
        let limits = &self.resource.settings.limits;
        let clamp = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        self.shared
            .guests
            .open_session(
                info,
                &self.resource.settings.pipeline,
                &ready.parameters,
                InspectorLimits {
                    max_operation_bytes: clamp(limits.max_operation_bytes),
                    max_answer_bytes: clamp(limits.max_answer_bytes),
                },
            )
            .await
    }

    /// The client's startup settings are judged like the statements that would do the same.
    async fn judge_startup(
        &self,
        mut guests: SessionGuests,
        settings: &[(String, String)],
    ) -> Result<SessionGuests, (ErrorReport, String)> {
        for operation in startup::operations(settings) {
            let answers = guests.policies.decide(&operation, Round::First).await;
            let folded = fold(answers, self.resource.default(), vec![guests.inspector.judged_by()]);
            let why = match folded.decision.verdict {
                Verdict::Allow | Verdict::Abstain => continue,
                Verdict::Deny { reason, .. } => reason,
                Verdict::Hold { reason, .. } => format!("{reason} (it cannot wait for approval here)"),
                Verdict::Rewrite { .. } => "a policy rewrites it, which cannot be done here".into(),
            };
            let what = operation.objects.first().map(String::as_str).unwrap_or_default();
            let message = format!("the connection's setting \"{what}\" is refused: {why}");
            return Err((ErrorReport::fatal(SqlState::INSUFFICIENT_PRIVILEGE, message.clone()), message));
        }
        Ok(guests)
    }

    /// What the client may cancel with: the upstream's process id where it is free, so that clients who compare
    /// it find what they expect, and a secret of our own.
    fn key(&self, ready: &Ready, version: ProtocolVersion) -> Result<BackendKey, (ErrorReport, String)> {
        let no_randomness = |error: getrandom::Error| {
            let message = "the gateway has no randomness".to_owned();
            (ErrorReport::fatal(SqlState::INTERNAL_ERROR, message), error.to_string())
        };
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(no_randomness)?;
        let mut process_id = ready.key.as_ref().map_or(0, |key| key.process_id);
        while process_id == 0 || !self.shared.sessions.is_free(process_id) {
            process_id = getrandom::u32().map_err(no_randomness)? >> 1;
        }
        Ok(BackendKey { process_id, key: CancelKey::from_random(secret, version) })
    }
}

/// Everything between the proof and the first statement, in one write.
///
/// The client sees itself as who it logged in as; the account behind is none of its business.
fn welcome(user: &str, ready: &Ready, key: &BackendKey) -> Vec<u8> {
    let mut bytes = authentication_ok();
    for (name, value) in &ready.parameters {
        let value = if name == "session_authorization" { user } else { value };
        bytes.extend(parameter_status(name, value));
    }
    bytes.extend(backend_key_data(key));
    bytes.extend(ready_for_query(TransactionStatus::Idle));
    bytes
}

/// A fault as PostgreSQL's clients read it.
fn closing_words(fault: &Fault) -> ErrorReport {
    let sqlstate = SqlState::parse(&fault.code).unwrap_or(SqlState::INTERNAL_ERROR);
    ErrorReport::fatal(sqlstate, fault.message.clone())
}
