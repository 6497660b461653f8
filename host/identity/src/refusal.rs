//! Why somebody is not let in: one text for all clients, another for the log.

use weir_model::{Digest, Fault, FaultSource};

/// Why somebody is not let in. The text is for the log and never for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such user")]
    UnknownUser,
    #[error("the user has no password")]
    NoPassword,
    #[error("the password is wrong")]
    WrongPassword,
    #[error("the user is disabled")]
    Disabled,
    #[error("the user has expired")]
    Expired,
    /// A bearer that has not even the form of a token.
    #[error("what the client showed is no token")]
    NoToken,
    #[error("token {0}: there is no such token")]
    UnknownToken(String),
    #[error("token {0}: its secret is wrong")]
    WrongToken(String),
    #[error("token {0}: it has been revoked")]
    TokenRevoked(String),
    #[error("token {0}: it has expired")]
    TokenExpired(String),
    #[error("token {0}: it is another user's")]
    TokenOfOther(String),
    #[error("token {0}: it is not for this resource")]
    TokenElsewhere(String),
    #[error("certificate {0}: no user has any of its names")]
    UnknownCertificate(Digest),
    #[error("certificate {certificate}: it names more than one user: {}", users.join(", "))]
    CertificateOfMany { certificate: Digest, users: Vec<String> },
    #[error("certificate {certificate}: it is {owner}'s")]
    CertificateOfOther { certificate: Digest, owner: String },
    #[error("certificate {0}: it has expired")]
    CertificateExpired(Digest),
    /// An agent whose human is not let in either.
    #[error("the agent acts for {owner}: {reason}")]
    Owner { owner: String, reason: Box<Refusal> },
}

impl Refusal {
    /// The refusal as everybody else passes it on: PostgreSQL's own words for the client, this one's for the log.
    pub fn fault(&self, name: &str) -> Fault {
        let message = format!("password authentication failed for user \"{name}\"");
        Fault::new(FaultSource::Client, "28P01", message).with_detail(self.to_string())
    }

    /// A word for metrics and the trail: `wrong-password`.
    pub fn as_word(&self) -> &'static str {
        match self {
            Self::UnknownUser => "unknown-user",
            Self::NoPassword => "no-password",
            Self::WrongPassword => "wrong-password",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::NoToken => "no-token",
            Self::UnknownToken(_) => "unknown-token",
            Self::WrongToken(_) => "wrong-token",
            Self::TokenRevoked(_) => "token-revoked",
            Self::TokenExpired(_) => "token-expired",
            Self::TokenOfOther(_) => "token-of-other",
            Self::TokenElsewhere(_) => "token-elsewhere",
            Self::UnknownCertificate(_) => "unknown-certificate",
            Self::CertificateOfMany { .. } => "certificate-of-many",
            Self::CertificateOfOther { .. } => "certificate-of-other",
            Self::CertificateExpired(_) => "certificate-expired",
            Self::Owner { .. } => "owner",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_read_the_same_whatever_the_reason() {
        let owner = Refusal::Owner { owner: "ann".into(), reason: Box::new(Refusal::Expired) };
        assert_eq!(owner.to_string(), "the agent acts for ann: the user has expired");
        let reasons = [
            Refusal::UnknownUser,
            Refusal::NoPassword,
            Refusal::WrongPassword,
            Refusal::Disabled,
            Refusal::TokenRevoked("k".into()),
            Refusal::UnknownCertificate(Digest([1; 32])),
            owner,
        ];
        let faults: Vec<Fault> = reasons.iter().map(|reason| reason.fault("x")).collect();
        for (fault, reason) in faults.iter().zip(&reasons) {
            assert_eq!((&fault.message, &fault.code), (&faults[0].message, &faults[0].code));
            assert_eq!(fault.detail, reason.to_string());
        }
    }
}
