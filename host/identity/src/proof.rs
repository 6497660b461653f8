//! What a client shows: in clear, through TLS, a password or a token, or a certificate that TLS has checked. One door for
//! every protocol that has such a thing: HTTP's bearer and Basic, PostgreSQL's password message, and TLS of both.

use std::time::SystemTime;

use weir_model::{CertificateFacts, Digest, Principal, ResourceName};
use weir_wire::postgres::Password;

use crate::token::{Tokens, parts};
use crate::{Refusal, Users};

/// What a client shows. Secrets are in memory that is wiped.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// A token alone; it says itself whose it is.
    Bearer(&'a Password),
    /// A name with a password, or with a token in its place. With a token the name is the user's, or empty.
    Basic { user: &'a str, password: &'a Password },
    /// A certificate whose chain and key have been checked, and perhaps a name, which then must be its user's.
    Certificate { user: Option<&'a str>, shown: &'a CertificateFacts },
}

/// Who it is, and how that was proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    pub principal: Principal,
    /// The ID of the token; `None` for a password. Keep it with the session: [`Tokens::standing`] says when the session
    /// must end.
    pub token: Option<String>,
    /// The fingerprint of the certificate, if it was one.
    pub certificate: Option<Digest>,
}

impl Proven {
    /// A word for the trail: `password`, `token` and its ID, `certificate` and its fingerprint.
    pub fn method(&self) -> String {
        match (&self.token, &self.certificate) {
            (Some(id), _) => format!("token {id}"),
            (None, Some(sha256)) => format!("certificate {sha256}"),
            (None, None) => "password".to_owned(),
        }
    }
}

/// Who shows this, if it is enough to be let in here.
///
/// A token costs microseconds. A password is slow by design (2 ms, or some 20 ms and 19 MiB if any user has an Argon2id
/// hash), whoever it is for: run that where it hurts nobody. What has the form of a token is never tried as a password.
///
/// # Errors
/// The [`Refusal`] is for the log; to the client they are all the same.
pub fn identify(
    users: &Users,
    tokens: &Tokens,
    proof: Proof<'_>,
    resource: &ResourceName,
    now: SystemTime,
) -> Result<Proven, Refusal> {
    let (name, secret) = match proof {
        Proof::Bearer(secret) => (None, secret),
        Proof::Basic { user, password } => (Some(user), password),
        Proof::Certificate { user, shown } => return by_certificate(users, user, shown, now),
    };
    match (parts(secret.expose()), name) {
        (Some((id, secret)), name) => {
            let token = tokens.proven(id, secret)?;
            let name = name.filter(|name| !name.is_empty()).unwrap_or(&token.user);
            token.standing(name, resource, now)?;
            let principal = users.principal(&token.user, now)?;
            Ok(Proven { principal, token: Some(token.id.clone()), certificate: None })
        }
        (None, Some(name)) => {
            let principal = users.verify_password(name, secret, now)?;
            Ok(Proven { principal, token: None, certificate: None })
        }
        (None, None) => Err(Refusal::NoToken),
    }
}

fn by_certificate(
    users: &Users,
    name: Option<&str>,
    shown: &CertificateFacts,
    now: SystemTime,
) -> Result<Proven, Refusal> {
    let principal = users.of_certificate(shown, now)?;
    if name.is_some_and(|name| name != principal.id) {
        return Err(Refusal::CertificateOfOther { certificate: shown.sha256, owner: principal.id });
    }
    Ok(Proven { principal, token: None, certificate: Some(shown.sha256) })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use weir_model::{CertificateName, PrincipalKind};
    use weir_wire::postgres::ScramVerifier;

    use super::*;
    use crate::token::{NewToken, Token, new_token};
    use crate::{Account, Verifier};

    const NOW: SystemTime = UNIX_EPOCH;
    const HOUR: Duration = Duration::from_secs(3600);

    fn account(name: &str, disabled: bool) -> Account {
        let verifier = ScramVerifier::derive(&Password::new("hunter2"), b"sixteen bytes...", 4096).unwrap();
        Account {
            principal: Principal {
                id: name.into(),
                kind: PrincipalKind::Human,
                on_behalf_of: None,
                groups: vec!["engineers".into()],
            },
            password: Some(Verifier::Scram(verifier)),
            tokens: true,
            certificates: vec![CertificateName::CommonName(name.into())],
            disabled,
            expires: None,
        }
    }

    struct Scene {
        users: Users,
        tokens: Tokens,
        made: NewToken,
    }

    impl Scene {
        fn new(change: impl FnOnce(&mut Token)) -> Self {
            let users = Users::new([account("ann", false), account("bob", false), account("dora", true)]);
            let made = new_token().unwrap();
            let mut token = Token {
                id: made.id.clone(),
                user: "ann".into(),
                hash: made.hash,
                expires: NOW + HOUR,
                revoked: false,
                resources: Vec::new(),
            };
            change(&mut token);
            Self { users: users.unwrap(), tokens: Tokens::new([token]), made }
        }

        fn at(&self, name: Option<&str>, text: &str, now: SystemTime) -> Result<(String, String), Refusal> {
            let secret = Password::new(text);
            let proof = match name {
                Some(user) => Proof::Basic { user, password: &secret },
                None => Proof::Bearer(&secret),
            };
            let here = ResourceName::new("here");
            let proven = identify(&self.users, &self.tokens, proof, &here, now)?;
            Ok((proven.principal.id.clone(), proven.method()))
        }

        fn bearer(&self) -> Result<(String, String), Refusal> {
            self.at(None, &self.made.text, NOW)
        }
    }

    #[test]
    fn a_token_is_its_user_however_it_comes() {
        let scene = Scene::new(|_| {});
        let is_ann = Ok(("ann".to_owned(), format!("token {}", scene.made.id)));
        for name in [None, Some("ann"), Some("")] {
            assert_eq!(scene.at(name, &scene.made.text, NOW), is_ann, "{name:?}");
        }
        let refused = scene.at(Some("bob"), &scene.made.text, NOW);
        assert_eq!(refused, Err(Refusal::TokenOfOther(scene.made.id.clone())));
    }

    #[test]
    fn a_password_works_with_its_name_only() {
        let scene = Scene::new(|_| {});
        assert_eq!(scene.at(Some("ann"), "hunter2", NOW), Ok(("ann".into(), "password".into())));
        assert_eq!(scene.at(Some("ann"), "hunter3", NOW), Err(Refusal::WrongPassword));
        assert_eq!(scene.at(None, "hunter2", NOW), Err(Refusal::NoToken));
        assert_eq!(scene.at(Some(""), "hunter2", NOW), Err(Refusal::UnknownUser));
    }

    #[test]
    fn a_token_ends_with_its_hour_its_revocation_and_its_user() {
        let id = |scene: &Scene| scene.made.id.clone();
        let scene = Scene::new(|_| {});
        let late = scene.at(None, &scene.made.text, NOW + HOUR);
        assert_eq!(late, Err(Refusal::TokenExpired(id(&scene))));
        let scene = Scene::new(|token| token.revoked = true);
        assert_eq!(scene.bearer(), Err(Refusal::TokenRevoked(id(&scene))));
        let scene = Scene::new(|token| token.user = "dora".into());
        assert_eq!(scene.bearer(), Err(Refusal::Disabled));
        let scene = Scene::new(|token| token.user = "zoe".into());
        assert_eq!(scene.bearer(), Err(Refusal::UnknownUser));
        let scene = Scene::new(|token| token.resources = vec![ResourceName::new("there")]);
        assert_eq!(scene.bearer(), Err(Refusal::TokenElsewhere(id(&scene))));
        let scene = Scene::new(|token| token.resources = vec![ResourceName::new("here")]);
        assert!(scene.bearer().is_ok());
    }

    #[test]
    fn a_certificate_and_a_name_are_of_one_user() {
        let scene = Scene::new(|_| {});
        let sha256 = Digest([7; 32]);
        let names = vec![CertificateName::CommonName("ann".into())];
        let shown = CertificateFacts { sha256, names, expires: NOW + HOUR };
        let at = |user| {
            let proof = Proof::Certificate { user, shown: &shown };
            identify(&scene.users, &scene.tokens, proof, &ResourceName::new("here"), NOW)
                .map(|proven| (proven.principal.id.clone(), proven.method()))
        };
        let is_ann = Ok(("ann".to_owned(), format!("certificate {sha256}")));
        assert_eq!(at(None), is_ann);
        assert_eq!(at(Some("ann")), is_ann);
        for other in ["bob", "Ann", "", "zoe"] {
            let refused = Refusal::CertificateOfOther { certificate: sha256, owner: "ann".into() };
            assert_eq!(at(Some(other)), Err(refused), "{other}");
        }
    }

    #[test]
    fn one_wrong_character_of_the_secret_is_enough() {
        let scene = Scene::new(|_| {});
        let text = scene.made.text.as_str();
        for at in 18..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(scene.at(None, &wrong, NOW), Err(Refusal::WrongToken(scene.made.id.clone())), "{at}");
        }
        let other = new_token().unwrap();
        assert_eq!(scene.at(None, &other.text, NOW), Err(Refusal::UnknownToken(other.id.clone())));
    }

    #[test]
    fn the_sessions_of_a_token_are_asked_about_by_its_id() {
        let scene = Scene::new(|_| {});
        let here = ResourceName::new("here");
        let stands = |user, now| scene.tokens.standing(&scene.made.id, user, &here, now);
        assert_eq!(stands("ann", NOW), Ok(()));
        assert!(stands("bob", NOW).is_err() && stands("ann", NOW + HOUR).is_err());
        assert!(Tokens::default().standing(&scene.made.id, "ann", &here, NOW).is_err(), "it is gone");
        assert_eq!(scene.tokens.next_expiry(NOW), Some(NOW + HOUR));
        assert_eq!(scene.tokens.next_expiry(NOW + HOUR), None);
    }
}
