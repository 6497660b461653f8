//! The proof: SCRAM against a verifier, or a password in clear against a hash.

use super::greet::{Talk, drive, fresh_nonce};
use super::{Greeting, Identity, PostgresHouse, TurnedAway};
use std::sync::Arc;
use std::time::SystemTime;
use weir_access::Permit;
use weir_audit::LoginStage;
use weir_wire::postgres::{Credential, ErrorReport, PasswordVerdict, ServerStep, SqlState};

impl PostgresHouse {
    pub(super) async fn identify_client(&self, greeting: Greeting) -> Result<Identity, TurnedAway> {
        let Greeting { stream, login, request, client } = greeting;
        let name = request.user.as_str().to_owned();
        let users = Arc::clone(&self.shared.running().users);
        let mut talk = Talk { stream, login, client, claimed_user: name.clone() };
        // Why an unknown or locked user does not get in is for our log; the client goes through the motions.
        let mut refusal = None;
        let credential = match users.credential(&name, SystemTime::now()) {
            weir_identity::Credential::Scram(verifier) => Credential::Scram(verifier),
            weir_identity::Credential::Password => Credential::Password,
            weir_identity::Credential::Unknown(why) => {
                refusal = Some(why);
                Credential::Unknown
            }
        };
        let nonce = match fresh_nonce() {
            Ok(nonce) => nonce,
            Err(report) => return Err(talk.turned_away(Some(report), "no randomness".into())),
        };
        if let Err(error) = talk.login.credential(credential, nonce) {
            return Err(talk.turned_away(Some(error.report()), error.to_string()));
        }
        loop {
            match drive(&mut talk).await {
                Ok(ServerStep::CheckPassword(password)) => {
                    let (users, name) = (Arc::clone(&users), name.clone());
                    // Slow on purpose (argon2): off the I/O threads.
                    let checked = tokio::task::spawn_blocking(move || {
                        users.verify_password(&name, &password, SystemTime::now())
                    });
                    let verdict = match checked.await {
                        Ok(Ok(_)) => PasswordVerdict::Accept,
                        Ok(Err(_)) | Err(_) => PasswordVerdict::Refuse,
                    };
                    if let Err(error) = talk.login.password_checked(verdict) {
                        return Err(talk.turned_away(Some(error.report()), error.to_string()));
                    }
                }
                Ok(ServerStep::Authenticated(proven)) => {
                    return match users.principal(proven.user.as_str(), SystemTime::now()) {
                        Ok(principal) => Ok(Identity { stream: talk.stream, proven, principal, client }),
                        Err(reason) => {
                            let report = ErrorReport::fatal(
                                SqlState::INVALID_PASSWORD,
                                format!("password authentication failed for user \"{name}\""),
                            );
                            Err(talk.turned_away(Some(report), reason.to_string()))
                        }
                    };
                }
                Ok(_) => return Err(talk.turned_away(None, "the login took a step it cannot take".into())),
                Err((report, reason)) => {
                    let reason = refusal.map_or(reason, |why| why.to_string());
                    return Err(talk.turned_away(report, reason));
                }
            }
        }
    }

    pub(super) fn authorize_principal(&self, identity: Identity) -> Result<(Identity, Permit), TurnedAway> {
        match self.resource.rules.authorize(&identity.principal) {
            Ok(permit) => Ok((identity, permit)),
            Err(denied) => {
                let report = ErrorReport::fatal(SqlState::INSUFFICIENT_PRIVILEGE, denied.to_string());
                Err(identity.turned_away(LoginStage::Authorize, report, denied.to_string()))
            }
        }
    }
}
