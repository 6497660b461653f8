//! The upstream: which database, with which of the client's settings.

use super::upstream::UpstreamError;
use super::{Connected, Identity, PostgresHouse, TurnedAway};
use weir_access::Permit;
use weir_wire::postgres::{DatabaseName, ErrorReport, SqlState};

impl PostgresHouse {
    /// Logs in at the upstream. Demands the permit: nobody gets here without.
    pub(super) async fn connect_upstream(
        &self,
        identity: Identity,
        permit: Permit,
    ) -> Result<Connected, TurnedAway> {
        let database = match self.database(identity.proven.database.as_str()) {
            Ok(database) => database,
            Err(report) => {
                let reason = report.message.clone();
                return Err(identity.turned_away(report, reason));
            }
        };
        let parameters = identity.proven.parameters.clone();
        match self.resource.account.log_in(database.clone(), parameters).await {
            Ok(upstream) => Ok(Connected { identity, permit, database, upstream }),
            Err(error) => {
                tracing::warn!(resource = %self.resource.name(), %error, "the upstream did not let us in");
                let report = match &error {
                    UpstreamError::Login(error) => error.report(),
                    _ => ErrorReport::fatal(
                        SqlState::CONNECTION_FAILURE,
                        "the gateway cannot reach the database of this resource",
                    ),
                };
                let mut turned_away = identity.turned_away(report, error.to_string());
                if let (UpstreamError::Login(error), Some(words)) = (&error, &mut turned_away.words)
                    && let Some(message) = error.about_settings()
                {
                    words.message = message;
                }
                Err(turned_away)
            }
        }
    }

    /// The database of the upstream's URL, or another one that the configuration lists and the client names.
    fn database(&self, asked: &str) -> Result<DatabaseName, ErrorReport> {
        let upstream = &self.resource.settings.upstream;
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
