//! The proof: the certificate of the TLS handshake, SCRAM against a verifier, or in clear a password against a hash, or a
//! token. Whoever shows a certificate is the user whom it names, or nobody: it is not followed by another question.
//!
//! SCRAM cannot carry a token: it proves that both sides know a secret that the server has named by its salt, before it
//! knows which of a user's tokens will come. So users with `tokens = true` are asked in clear, inside TLS or on this
//! machine. Where that is not so, they can still prove their password with SCRAM.

use super::greet::{Talk, drive, fresh_nonce};
use super::{Greeting, Identity, PostgresHouse, TurnedAway};
use crate::guesses::{Attempt, TooMany, has_form_of_token};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use weir_access::Permit;
use weir_audit::LoginStage;
use weir_identity::{Proof, Proven, Users, identify};
use weir_net::{ClientCertificate, Stream};
use weir_wire::postgres::{
    CleartextPolicy, Credential, ErrorReport, LoginMechanism, PasswordVerdict, ServerStep, SqlState,
};

impl PostgresHouse {
    pub(super) async fn identify_client(&self, greeting: Greeting) -> Result<Identity, TurnedAway> {
        let Greeting { stream, login, request, client } = greeting;
        let name = request.user.as_str().to_owned();
        let users = Arc::clone(&self.shared.running().users);
        let mut talk = Talk { stream, login, client, claimed_user: name.clone() };
        // Why an unknown or locked user does not get in is for our log; the client goes through the motions.
        let mut refusal = None;
        let mut shown = None;
        let certificate = match self.certificate(&talk.stream, &users, &name) {
            Ok(Some((certificate, proven))) => {
                shown = Some(proven);
                Some(certificate)
            }
            Ok(None) => None,
            Err(reason) => {
                let report = ErrorReport::fatal(
                    SqlState::INVALID_AUTHORIZATION,
                    format!("certificate authentication failed for user \"{name}\""),
                );
                return Err(talk.turned_away(Some(report), reason));
            }
        };
        let credential = match users.credential(&name, SystemTime::now()) {
            _ if certificate.is_some() => Credential::Proven,
            weir_identity::Credential::Scram(verifier) => Credential::Scram(verifier),
            weir_identity::Credential::Password => Credential::Password,
            weir_identity::Credential::Either(verifier) => {
                let in_clear = self.resource.cleartext(client) == CleartextPolicy::AllowOnPlain;
                if talk.stream.is_tls() || in_clear {
                    Credential::Password
                } else {
                    Credential::Scram(verifier)
                }
            }
            weir_identity::Credential::Unknown(why) => {
                refusal = Some(why);
                Credential::Unknown
            }
        };
        let guesses = &self.shared.guesses;
        let mut attempt = None;
        // A certificate is not guessed, and what comes in clear may be a token.
        if matches!(credential, Credential::Scram(_) | Credential::Unknown) {
            match guesses.take(&name, client).await {
                Ok(taken) => tokio::time::sleep(attempt.insert(taken).delay).await,
                Err(too_many) => return Err(too_many_wrong(talk, too_many)),
            }
        }
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
                    let (tokens, resource) = (self.shared.tokens(), self.resource.name().clone());
                    let is_token = has_form_of_token(&users, &tokens, &password, &resource);
                    if !is_token {
                        match guesses.take(&name, client).await {
                            Ok(taken) => tokio::time::sleep(attempt.insert(taken).delay).await,
                            Err(too_many) => return Err(too_many_wrong(talk, too_many)),
                        }
                    }
                    let _place = guesses.place().await;
                    // Slow on purpose (argon2): off the I/O threads.
                    let checked = tokio::task::spawn_blocking(move || {
                        let proof = Proof::Basic { user: &name, password: &password };
                        identify(&users, &tokens, proof, &resource, SystemTime::now())
                    });
                    let (verdict, why) = match checked.await {
                        Ok(Ok(proven)) => {
                            shown = Some(proven);
                            (PasswordVerdict::Accept, None)
                        }
                        Ok(Err(why)) => {
                            let wrong =
                                if is_token { guesses.wrong_token(client, Instant::now()) } else { Ok(()) };
                            if let Err(too_many) = wrong {
                                return Err(too_many_wrong(talk, too_many));
                            }
                            (PasswordVerdict::Refuse, Some(why.to_string()))
                        }
                        Err(_) => (PasswordVerdict::Refuse, None),
                    };
                    if let Err(error) = talk.login.password_checked(verdict) {
                        let reason = why.unwrap_or_else(|| error.to_string());
                        return Err(talk.turned_away(Some(error.report()), reason));
                    }
                }
                Ok(ServerStep::Authenticated(proven)) => {
                    if let Some(attempt) = attempt.take() {
                        guesses.right(attempt, Instant::now());
                    }
                    return match users.principal(proven.user.as_str(), SystemTime::now()) {
                        Ok(principal) => {
                            let method = method(proven.mechanism, shown.as_ref());
                            let token = shown.and_then(|shown| shown.token);
                            let stream = talk.stream;
                            Ok(Identity { stream, proven, principal, method, token, certificate, client })
                        }
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
                    // psql comes without a password first, and goes when it is asked for one.
                    if let Some(attempt) = attempt.take_if(|_: &mut Attempt<'_>| report.is_none()) {
                        guesses.give_back(attempt);
                    }
                    let reason = refusal.map_or(reason, |why| why.to_string());
                    return Err(talk.turned_away(report, reason));
                }
            }
        }
    }

    /// The certificate that the client has shown, if it is good and the user's.
    fn certificate(
        &self,
        stream: &Stream,
        users: &Users,
        user: &str,
    ) -> Result<Option<(Arc<ClientCertificate>, Proven)>, String> {
        let Some(tls) = &self.resource.tls else { return Ok(None) };
        let Some(certificate) = tls.client_certificate(stream)? else { return Ok(None) };
        let facts = certificate.facts();
        self.resource.stands(&certificate).map_err(|why| format!("certificate {}: {why}", facts.sha256))?;
        let proof = Proof::Certificate { user: Some(user), shown: facts };
        let (tokens, now) = (self.shared.tokens(), SystemTime::now());
        let proven = identify(users, &tokens, proof, self.resource.name(), now);
        let proven = proven.map_err(|refusal| refusal.to_string())?;
        Ok(Some((certificate, proven)))
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

/// The same whether or not there is such a user.
fn too_many_wrong(talk: Talk, too_many: TooMany) -> TurnedAway {
    let message = format!(
        "too many wrong passwords for user \"{}\" from this address: try again in {} s",
        talk.claimed_user,
        too_many.seconds()
    );
    let report = ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, message.clone());
    talk.turned_away(Some(report), message).unread()
}

/// A word of how somebody was proven, for the trail.
fn method(mechanism: LoginMechanism, shown: Option<&Proven>) -> String {
    match mechanism {
        LoginMechanism::ScramSha256 => "scram-sha-256".to_owned(),
        LoginMechanism::ScramSha256Plus => "scram-sha-256-plus".to_owned(),
        LoginMechanism::Password | LoginMechanism::Certificate => {
            shown.map_or_else(|| "password".to_owned(), Proven::method)
        }
    }
}
