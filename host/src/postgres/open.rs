//! The session begins: the inspector, the record, and the word that the client may speak.

use super::connect::told;
use super::{Connected, Opened, PostgresHouse, PostgresPorts, SeatedLeave, TurnedAway};
use crate::postgres::catalog::SessionCatalog;
use crate::reviews::SessionApprovals;
use crate::sessions::Cancels;
use crate::trail::{Opening, SessionTrail};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use weir_audit::{AuditDown, LoginStage, Place, SessionOpened};
use weir_guests::{InspectorLimits, SessionGuests, SessionJudges};
use weir_model::{Fault, SessionInfo};
use weir_net::Stream;
use weir_session::exchange::{Limits, Start};
use weir_wire::postgres::{
    Authenticated, BackendKey, CancelKey, ErrorReport, ProtocolVersion, Ready, SqlState, TransactionStatus,
    authentication_ok, backend_key_data, parameter_status, ready_for_query,
};

impl PostgresHouse {
    pub(super) async fn open_session(
        &self,
        connected: Connected,
    ) -> Result<(Start<PostgresPorts>, Stream, Stream), TurnedAway> {
        let Connected { identity, info, judges, reserved, database, claimed, upstream } = connected;
        let begun: Result<_, (ErrorReport, String)> = async {
            let guests =
                self.open_inspector(judges, &info, &upstream.ready).await.map_err(|fault| told(&fault))?;
            let key = self.key(&upstream.ready, identity.proven.version)?;
            let cancels = Cancels {
                key: key.clone(),
                upstream_key: upstream.ready.key.clone(),
                account: Arc::clone(&self.backend.account),
            };
            let certificate = identity.certificate.clone();
            let seat = reserved.enter(Arc::clone(&info), certificate, Some(cancels));
            // A reload may have been between the permit and the seat.
            if !self.shared.is_permitted(&info, identity.certificate.as_deref()) {
                let message = "the permission to open this resource has just ended".to_owned();
                return Err((ErrorReport::fatal(SqlState::INSUFFICIENT_PRIVILEGE, message.clone()), message));
            }
            let recorded = Arc::new(SessionInfo { claimed, ..SessionInfo::clone(&info) });
            let opening = Opening::queued(&self.shared.audit, SessionOpened::new(recorded)).await;
            Ok((guests, key, seat, opening.map_err(|down| not_recorded(&down))?))
        }
        .await;
        let (guests, key, seat, opening) = match begun {
            Ok(begun) => begun,
            Err((report, reason)) => return Err(identity.turned_away(LoginStage::Open, report, reason)),
        };
        let mut identity = identity;
        let welcome = welcome(&identity.proven, &upstream.ready, &key);
        // The client may speak while the record is on its way to the disk; nothing it says is forwarded before it is
        // there. If the client is gone already, the exchange finds out and the session ends in order.
        let _ = identity.stream.write_all(&welcome).await;
        let _ = identity.stream.flush().await;
        self.is_inside();
        let place = Place::of(&info);
        self.shared.opened.insert(info.id.clone(), Opened { place: place.clone(), since: Instant::now() });
        self.shared.metrics.session_opened(self.resource.name());

        let client = identity.stream;
        let limits = &self.resource.settings.limits;
        let start = Start {
            inspector: guests.inspector,
            policies: guests.policies,
            maskers: guests.maskers,
            catalog: SessionCatalog(self.backend.catalog(&database)),
            trail: SessionTrail {
                audit: self.shared.audit.clone(),
                place,
                metrics: self.shared.metrics.of(self.resource.name()),
                numbers_from: 0,
                opening: Mutex::new(opening),
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

    async fn open_inspector(
        &self,
        judges: SessionJudges,
        info: &SessionInfo,
        ready: &Ready,
    ) -> Result<SessionGuests, Fault> {
        let limits = &self.resource.settings.limits;
        let clamp = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
        let limits = InspectorLimits {
            max_operation_bytes: clamp(limits.max_operation_bytes),
            max_answer_bytes: clamp(limits.max_answer_bytes),
        };
        self.shared.guests.open_inspector(judges, info, &ready.parameters, limits).await
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

/// What the client reads when its session cannot be recorded, and what we keep.
fn not_recorded(down: &AuditDown) -> (ErrorReport, String) {
    let message = "the session could not be recorded, so it was not opened".to_owned();
    (ErrorReport::fatal(SqlState::CANNOT_CONNECT_NOW, message), down.to_string())
}

/// Everything between the client's proof and its first statement, in one write.
///
/// The client sees itself as who it logged in as; the account behind is none of its business.
fn welcome(proven: &Authenticated, ready: &Ready, key: &BackendKey) -> Vec<u8> {
    let mut bytes = proven.last_words.to_vec();
    bytes.extend(authentication_ok());
    for (name, value) in &ready.parameters {
        let value = if name == "session_authorization" { proven.user.as_str() } else { value };
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
