//! The upstream: a seat, the client's settings judged and recorded, and only then the login.

use super::settings::{self, Brought};
use super::upstream::UpstreamError;
use super::{Connected, Identity, PostgresHouse, TurnedAway};
use std::sync::Arc;
use weir_access::Permit;
use weir_audit::LoginStage;
use weir_guests::SessionJudges;
use weir_model::{Attribute, CERTIFICATE, Fault, LOGIN_METHOD, SessionId, SessionInfo, TOKEN_ID};
use weir_wire::postgres::{DatabaseName, ErrorReport, SqlState};

impl PostgresHouse {
    /// Logs in at the upstream. Demands the permit: nobody gets here without.
    pub(super) async fn connect_upstream(
        &self,
        identity: Identity,
        permit: Permit,
    ) -> Result<Connected, TurnedAway> {
        let limits = (self.shared.max_sessions, self.resource.settings.limits.max_sessions_per_user);
        let reserved = self.shared.sessions.reserve(permit.resource(), &permit.principal().id, limits);
        let reserved = match reserved {
            Ok(reserved) => reserved,
            Err(too_many) => {
                let reason = too_many.to_string();
                let report = ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, reason.clone());
                return Err(identity.turned_away(LoginStage::Seat, report, reason));
            }
        };
        let database = match self.database(identity.proven.database.as_str()) {
            Ok(database) => database,
            Err(report) => {
                let reason = report.message.clone();
                return Err(identity.turned_away(LoginStage::Connect, report, reason));
            }
        };
        let brought = match settings::brought(&identity.proven.parameters) {
            Ok(brought) => brought,
            Err(what) => {
                let report = ErrorReport::fatal(SqlState::INSUFFICIENT_PRIVILEGE, what.to_string());
                return Err(identity.turned_away(LoginStage::Settings, report, what.to_string()));
            }
        };
        let info = Arc::new(self.info(&identity, &permit, &database, &brought));
        let mut judges = match self.open_judges(&info).await {
            Ok(judges) => judges,
            Err(fault) => {
                let (report, reason) = told(&fault);
                return Err(identity.turned_away(LoginStage::Open, report, reason));
            }
        };
        // On disk before the upstream hears of them.
        let (settings, claimed) = match self.judge_settings(&mut judges, &info, &brought).await {
            Ok(judged) => judged,
            Err(refused) => {
                let mut turned_away = identity.turned_away(refused.stage, refused.report, refused.reason);
                turned_away.why.judged_by = refused.judged_by;
                return Err(turned_away);
            }
        };
        let parameters = identity.proven.parameters.clone();
        let upstream = self.backend.account.log_in(database.clone(), parameters).await;
        settings.done(upstream.as_ref().err()).await;
        match upstream {
            Ok(upstream) => Ok(Connected { identity, info, judges, reserved, database, claimed, upstream }),
            Err(error) => Err(self.upstream_refused(identity, &error)),
        }
    }

    fn info(
        &self,
        identity: &Identity,
        permit: &Permit,
        database: &DatabaseName,
        brought: &Brought,
    ) -> SessionInfo {
        SessionInfo {
            id: SessionId::new(uuid::Uuid::now_v7().simple().to_string()),
            resource: permit.resource().clone(),
            protocol: "postgres".into(),
            who: permit.principal().clone(),
            client_address: identity.client.to_string(),
            started_ms: crate::shared::now_ms(),
            attributes: [
                Attribute::new("database", database.as_str()),
                Attribute::new("permitted-by", permit.because().to_string()),
                Attribute::new(LOGIN_METHOD, identity.method.as_str()),
            ]
            .into_iter()
            .chain(identity.token.iter().map(|id| Attribute::new(TOKEN_ID, id.as_str())))
            .chain(
                identity
                    .certificate
                    .iter()
                    .map(|shown| Attribute::new(CERTIFICATE, shown.facts().sha256.to_string())),
            )
            .collect(),
            claimed: brought.claims(),
        }
    }

    async fn open_judges(&self, info: &SessionInfo) -> Result<SessionJudges, Fault> {
        self.shared.guests.open_judges(info, &self.resource.settings.pipeline).await
    }

    fn upstream_refused(&self, identity: Identity, error: &UpstreamError) -> TurnedAway {
        tracing::warn!(resource = %self.resource.name(), %error, "the upstream did not let us in");
        let report = match error {
            UpstreamError::Login(error) => error.report(),
            _ => ErrorReport::fatal(
                SqlState::CONNECTION_FAILURE,
                "the gateway cannot reach the database of this resource",
            ),
        };
        let mut turned_away = identity.turned_away(LoginStage::Connect, report, error.to_string());
        if let (UpstreamError::Login(error), Some(words)) = (error, &mut turned_away.words)
            && let Some(message) = error.about_settings()
        {
            words.message = message;
        }
        turned_away
    }

    /// The database of the upstream's URL, or another one that the configuration lists and the client names.
    fn database(&self, asked: &str) -> Result<DatabaseName, ErrorReport> {
        let upstream = &self.backend.upstream;
        let name = if upstream.databases.iter().any(|listed| listed == asked) {
            asked
        } else if upstream.databases.is_empty() || asked == upstream.database {
            &upstream.database
        } else {
            return Err(ErrorReport::fatal(
                SqlState::INVALID_CATALOG_NAME,
                format!("database \"{asked}\" is not among the databases of this resource"),
            ));
        };
        DatabaseName::new(name.to_owned())
            .map_err(|error| ErrorReport::fatal(SqlState::INVALID_CATALOG_NAME, error.to_string()))
    }
}

/// What the client reads of a fault before its session begins, and what we keep.
pub(super) fn told(fault: &Fault) -> (ErrorReport, String) {
    let sqlstate = SqlState::parse(&fault.code).unwrap_or(SqlState::CANNOT_CONNECT_NOW);
    let report = ErrorReport::fatal(sqlstate, fault.message.clone());
    (report, format!("{}: {}", fault.message, fault.detail))
}
