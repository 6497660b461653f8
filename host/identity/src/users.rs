//! All local users of one generation of the configuration.

use std::collections::{BTreeSet, HashMap};
use std::time::SystemTime;

use weir_model::{CertificateFacts, CertificateName, Principal};
use weir_wire::postgres::{Password, ScramVerifier};

use crate::work::StandIns;
use crate::{Account, Refusal, Verifier};

/// The local users. Immutable: another users file makes another one.
#[derive(Clone, Debug)]
pub struct Users {
    accounts: HashMap<String, Account>,
    /// Whose a name is.
    certificates: HashMap<CertificateName, BTreeSet<String>>,
    stand_ins: StandIns,
}

/// Two accounts have one name, so it would be a matter of luck who logs in with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("two users are called {0}")]
pub struct DuplicateName(pub String);

/// How somebody with a name can prove to be that user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// With a SCRAM exchange against this.
    Scram(ScramVerifier),
    /// With the password itself, or a token: ask for it through TLS and call [`identify`](crate::identify).
    Password,
    /// With either, as the connection allows: in clear it may be a token as well.
    Either(ScramVerifier),
    /// Not at all. The protocol goes through a SCRAM exchange that cannot succeed, and the log is told why.
    Unknown(Refusal),
}

impl Users {
    /// # Errors
    /// When a name is there twice.
    pub fn new(accounts: impl IntoIterator<Item = Account>) -> Result<Self, DuplicateName> {
        let mut by_name = HashMap::new();
        for account in accounts {
            if let Some(earlier) = by_name.insert(account.principal.id.clone(), account) {
                return Err(DuplicateName(earlier.principal.id));
            }
        }
        let stand_ins = StandIns::new(by_name.values().filter_map(|account| account.password.as_ref()));
        let mut certificates: HashMap<CertificateName, BTreeSet<String>> = HashMap::new();
        for account in by_name.values() {
            for name in &account.certificates {
                certificates.entry(name.clone()).or_default().insert(account.principal.id.clone());
            }
        }
        Ok(Self { accounts: by_name, certificates, stand_ins })
    }

    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The user of that name, let in or not. Names are compared exactly.
    pub fn account(&self, name: &str) -> Option<&Account> {
        self.accounts.get(name)
    }

    /// How many SCRAM iterations most users have: what a stand-in for unknown users must have, too.
    pub fn usual_iterations(&self) -> u32 {
        self.stand_ins.iterations()
    }

    /// How somebody can prove to be `name`. Cheap.
    ///
    /// Who has no password may have tokens, and is asked in clear. So names of that kind, like those with an Argon2id
    /// hash or with `tokens`, can be told from unknown ones, which go through SCRAM: make them unguessable, or give
    /// them a password.
    ///
    /// Having proven it says who it is, not that it is let in: ask [`principal`](Self::principal) afterwards.
    pub fn credential(&self, name: &str, now: SystemTime) -> Credential {
        match self.let_in(name, now).map(|account| (&account.password, account.tokens)) {
            Err(refusal) => Credential::Unknown(refusal),
            Ok((Some(Verifier::Scram(verifier)), true)) => Credential::Either(verifier.clone()),
            Ok((Some(Verifier::Scram(verifier)), false)) => Credential::Scram(verifier.clone()),
            Ok((None, false)) => Credential::Unknown(Refusal::NoPassword),
            Ok((None, true) | (Some(Verifier::Argon2(_)), _)) => Credential::Password,
        }
    }

    /// The principal behind a name that has been proven. Cheap.
    ///
    /// # Errors
    /// When the user is not known or not let in, or it is an agent and its human is not.
    pub fn principal(&self, name: &str, now: SystemTime) -> Result<Principal, Refusal> {
        self.let_in(name, now).map(|account| account.principal.clone())
    }

    /// Whether the password is that of the user, and if so, who it is.
    ///
    /// Slow by design, and equally slow for all names: 2 ms, and some 20 ms and 19 MiB more if any user has an Argon2id
    /// hash. Run it where that hurts nobody.
    ///
    /// # Errors
    /// When it is not, or as for [`principal`](Self::principal).
    pub fn verify_password(
        &self,
        name: &str,
        password: &Password,
        now: SystemTime,
    ) -> Result<Principal, Refusal> {
        let account = self.let_in(name, now);
        let verifier = account.as_ref().ok().and_then(|account| account.password.as_ref());
        let fits = self.stand_ins.compare(verifier, password);
        let account = account?;
        if account.password.is_none() {
            return Err(Refusal::NoPassword);
        }
        if fits { Ok(account.principal.clone()) } else { Err(Refusal::WrongPassword) }
    }

    /// The principal that a certificate stands for. Cheap. Whether the certificate is to be believed has been asked before.
    ///
    /// # Errors
    /// When its names are those of nobody or of more than one, or as for [`principal`](Self::principal).
    pub fn of_certificate(&self, shown: &CertificateFacts, now: SystemTime) -> Result<Principal, Refusal> {
        if shown.expires <= now {
            return Err(Refusal::CertificateExpired(shown.sha256));
        }
        let named: BTreeSet<&String> =
            shown.names.iter().filter_map(|name| self.certificates.get(name)).flatten().collect();
        let mut named = named.into_iter();
        match (named.next(), named.next()) {
            (Some(user), None) => self.principal(user, now),
            (None, _) => Err(Refusal::UnknownCertificate(shown.sha256)),
            (Some(first), Some(second)) => {
                let users = [first, second].into_iter().chain(named).cloned().collect();
                Err(Refusal::CertificateOfMany { certificate: shown.sha256, users })
            }
        }
    }

    fn let_in(&self, name: &str, now: SystemTime) -> Result<&Account, Refusal> {
        let account = self.account(name).ok_or(Refusal::UnknownUser)?;
        account.standing(now)?;
        if let Some(owner) = &account.principal.on_behalf_of {
            let standing =
                self.account(owner).ok_or(Refusal::UnknownUser).and_then(|owner| owner.standing(now));
            standing.map_err(|reason| Refusal::Owner { owner: owner.clone(), reason: Box::new(reason) })?;
        }
        Ok(account)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use weir_model::{Digest, PrincipalKind};

    use super::*;

    const NOW: SystemTime = UNIX_EPOCH;

    fn account(name: &str, password: Option<&str>) -> Account {
        let verifier = |password| {
            Verifier::Scram(
                ScramVerifier::derive(&Password::new(password), b"sixteen bytes...", 4096).unwrap(),
            )
        };
        Account {
            principal: Principal {
                id: name.into(),
                kind: PrincipalKind::Human,
                on_behalf_of: None,
                groups: vec!["engineers".into()],
            },
            password: password.map(verifier),
            tokens: false,
            certificates: Vec::new(),
            disabled: false,
            expires: None,
        }
    }

    fn agent(name: &str, owner: &str) -> Account {
        let mut agent = account(name, Some("agent"));
        agent.principal.kind = PrincipalKind::Agent;
        agent.principal.on_behalf_of = Some(owner.into());
        agent
    }

    fn users() -> Users {
        let disabled = Account { disabled: true, ..account("dora", Some("dora")) };
        let expiring =
            Account { expires: Some(NOW + Duration::from_secs(10)), ..account("eve", Some("eve")) };
        Users::new([
            account("ann", Some("hunter2")),
            account("bob", None),
            disabled,
            expiring,
            agent("ann-cursor", "ann"),
            agent("dora-cursor", "dora"),
            agent("lost", "nobody"),
        ])
        .unwrap()
    }

    fn verify(name: &str, password: &str) -> Result<String, Refusal> {
        users().verify_password(name, &Password::new(password), NOW).map(|principal| principal.id)
    }

    #[test]
    fn the_right_password_of_a_good_user_gives_its_principal() {
        assert_eq!(verify("ann", "hunter2"), Ok("ann".into()));
        assert_eq!(verify("ann-cursor", "agent"), Ok("ann-cursor".into()));
        let ann = users().principal("ann", NOW).unwrap();
        assert_eq!(
            (ann.kind, ann.groups.as_slice()),
            (PrincipalKind::Human, ["engineers".to_owned()].as_slice())
        );
    }

    #[test]
    fn everybody_else_is_refused_with_a_reason_for_the_log() {
        let owner = |owner: &str, reason| Refusal::Owner { owner: owner.into(), reason: Box::new(reason) };
        for (name, password, reason) in [
            ("ann", "hunter3", Refusal::WrongPassword),
            ("ann", "", Refusal::WrongPassword),
            ("Ann", "hunter2", Refusal::UnknownUser),
            ("", "", Refusal::UnknownUser),
            ("bob", "", Refusal::NoPassword),
            ("dora", "dora", Refusal::Disabled),
            ("dora-cursor", "agent", owner("dora", Refusal::Disabled)),
            ("lost", "agent", owner("nobody", Refusal::UnknownUser)),
        ] {
            assert_eq!(verify(name, password), Err(reason.clone()), "{name} {password}");
            if !matches!(reason, Refusal::WrongPassword) {
                assert_eq!(users().credential(name, NOW), Credential::Unknown(reason), "{name}");
            }
        }
    }

    #[test]
    fn who_has_an_argon2_hash_is_asked_for_the_password() {
        let hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZSBzYWx0IGhlcmU$ZmFrZSBoYXNoIGZha2UgaGFzaCBmYWtlIGhhc2gh";
        let ann = Account { password: Verifier::parse(hash).ok(), ..account("ann", None) };
        let users = Users::new([ann, account("bob", Some("bob"))]).unwrap();
        assert_eq!(users.credential("ann", NOW), Credential::Password);
        let refused = users.verify_password("ann", &Password::new("bob"), NOW);
        assert_eq!(refused, Err(Refusal::WrongPassword));
        assert!(users.verify_password("bob", &Password::new("bob"), NOW).is_ok());
    }

    #[test]
    fn expiry_is_a_moment() {
        let users = users();
        let at = |seconds| {
            users.principal("eve", NOW + Duration::from_secs(seconds)).map(|principal| principal.id)
        };
        assert_eq!(at(9), Ok("eve".into()));
        assert_eq!(at(10), Err(Refusal::Expired));
        assert!(matches!(users.credential("eve", NOW), Credential::Scram(_)));
        let later = NOW + Duration::from_secs(11);
        assert_eq!(users.credential("eve", later), Credential::Unknown(Refusal::Expired));
    }

    #[test]
    fn a_certificate_stands_for_the_one_user_that_it_names() {
        let name = |text: &str| CertificateName::parse(text).unwrap();
        let with = |user: &str, names: &[&str]| Account {
            certificates: names.iter().map(|text| name(text)).collect(),
            ..account(user, None)
        };
        let dora = Account { disabled: true, ..with("dora", &["cn:dora"]) };
        let agent =
            Account { certificates: vec![name("uri:spiffe://x/agent")], ..agent("dora-cursor", "dora") };
        let users = Users::new([
            with("ann", &["email:ann@x", "uri:spiffe://x/ann", "uri:spiffe://x/both"]),
            with("bob", &["dns:bob.x", "uri:spiffe://x/both"]),
            dora,
            agent,
        ])
        .unwrap();
        let expires = NOW + Duration::from_secs(10);
        let sha256 = Digest([7; 32]);
        let shown = |names: &[&str]| CertificateFacts {
            sha256,
            names: names.iter().map(|text| name(text)).collect(),
            expires,
        };
        let at = |names: &[&str], now| users.of_certificate(&shown(names), now).map(|who| who.id);
        let of_many = |users: &[&str]| {
            let users = users.iter().map(|user| (*user).to_owned()).collect();
            Err(Refusal::CertificateOfMany { certificate: sha256, users })
        };
        assert_eq!(at(&["dns:x", "email:ann@x", "uri:spiffe://x/ann"], NOW), Ok("ann".into()));
        assert_eq!(at(&["email:ANN@x", "cn:ann"], NOW), Err(Refusal::UnknownCertificate(sha256)));
        assert_eq!(at(&[], NOW), Err(Refusal::UnknownCertificate(sha256)));
        assert_eq!(at(&["dns:bob.x", "email:ann@x"], NOW), of_many(&["ann", "bob"]));
        assert_eq!(at(&["uri:spiffe://x/both"], NOW), of_many(&["ann", "bob"]));
        assert_eq!(at(&["email:ann@x"], expires), Err(Refusal::CertificateExpired(sha256)));
        assert_eq!(at(&["cn:dora"], NOW), Err(Refusal::Disabled));
        assert!(matches!(at(&["uri:spiffe://x/agent"], NOW), Err(Refusal::Owner { .. })));
    }

    #[test]
    fn a_name_is_one_user() {
        let twice = Users::new([account("ann", None), account("ann", None)]);
        assert_eq!(twice.err(), Some(DuplicateName("ann".into())));
    }

    /// Coarse, because other tests run beside: without the stand-in the difference would be a factor of thousands.
    #[test]
    fn unknown_names_take_as_long_as_known_ones() {
        let users = users();
        let time = |name: &str| {
            (0..5)
                .map(|_| {
                    let start = std::time::Instant::now();
                    let _ = users.verify_password(name, &Password::new("wrong"), NOW);
                    start.elapsed()
                })
                .min()
                .unwrap()
        };
        let known = time("ann");
        for name in ["zoe", "bob", "dora"] {
            assert!(time(name) > known / 4, "{name}");
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_a_verifier() {
        let printed = format!("{:?}", users());
        assert!(printed.contains("SCRAM") && !printed.contains('$'), "{printed}");
    }
}
