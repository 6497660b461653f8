//! Why a client was not let in.
//!
//! **Job.** One value per reason, with two texts: `Display` is for the log and may say anything but secrets;
//! [`ServerLoginError::report`] is for the client, in PostgreSQL's own words where it has some.
//!
//! **Invariants.** A wrong password and an unknown user give the same report. Texts from the wire are quoted in the log.

use super::Fault;
use super::error::{ErrorReport, SqlState};
use super::names::UserName;
use super::scram_server::{ScramFault, password_failed};
use super::startup::StartupFault;

/// Why the login of a client ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerLoginError {
    /// The opening packet is refused.
    #[error(transparent)]
    Startup(#[from] StartupFault),
    /// A session was opened in plain where TLS is required.
    #[error("the client opened its session without TLS")]
    TlsRequired,
    /// Bytes came between SSLRequest and the handshake: somebody wants them taken for encrypted ones
    /// (CVE-2021-23214).
    #[error("bytes came in front of the TLS handshake")]
    BytesBeforeTls,
    /// Not a message of type `p` during authentication.
    #[error("expected a message of type p, got {:?}", char::from(*tag))]
    UnexpectedMessage {
        /// Its type byte.
        tag: u8,
    },
    /// A message of less than 4 bytes or more than 64 KiB during authentication.
    #[error("an authentication message cannot have {length} bytes")]
    MessageLength {
        /// What it says of itself.
        length: u32,
    },
    /// A message whose fields do not fit it.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// A password would have to cross a plain connection.
    #[error("a password in clear needs TLS")]
    CleartextNeedsTls,
    /// An empty password, which no account has.
    #[error("empty password for user {:?}", user.as_str())]
    EmptyPassword {
        /// Whose it should have been.
        user: UserName,
    },
    /// The host says the password in clear is not the right one.
    #[error("wrong password for user {:?}", user.as_str())]
    WrongPassword {
        /// Whose it should have been.
        user: UserName,
    },
    /// The SCRAM exchange failed.
    #[error("SCRAM failed for user {:?}: {fault}", user.as_str())]
    Scram {
        /// Who the client said it is.
        user: UserName,
        /// How it failed.
        fault: ScramFault,
    },
    /// The host refused the startup request before any proof.
    #[error("refused by the host: {:?}", .0.message)]
    Rejected(ErrorReport),
    /// The client closed the connection. Ordinary for a client that looks whether a port is open, or that goes
    /// to ask its user for a password.
    #[error("the client closed the connection {during}")]
    Closed {
        /// What was going on.
        during: &'static str,
    },
    /// The machine was driven out of order: a mistake in the host.
    #[error("the login was driven out of order: {0}")]
    Misuse(&'static str),
}

impl ServerLoginError {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Misuse(_) => Fault::Host,
            _ => Fault::Client,
        }
    }

    /// What the client may read. Send it as ErrorResponse and close.
    pub fn report(&self) -> ErrorReport {
        let violation = |text: String| ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, text);
        match self {
            Self::Startup(fault) => fault.report(),
            Self::TlsRequired => {
                ErrorReport::fatal(SqlState::INVALID_AUTHORIZATION, "this gateway requires TLS")
                    .with_hint("Connect with sslmode=require or stricter.")
            }
            Self::BytesBeforeTls => violation("received unencrypted data after SSL request".to_owned())
                .with_detail(
                    "This could be either a client-software bug or evidence of an attempted \
                     man-in-the-middle attack.",
                ),
            Self::UnexpectedMessage { tag } => {
                violation(format!("expected password response, got message type {tag}"))
            }
            Self::MessageLength { .. } => violation("invalid length of authentication message".to_owned()),
            Self::Malformed(what) => violation(format!("malformed {what}")),
            Self::CleartextNeedsTls => ErrorReport::fatal(
                SqlState::INVALID_AUTHORIZATION,
                "this login needs a password in clear text, which needs TLS",
            )
            .with_hint("Connect with sslmode=require or stricter."),
            Self::EmptyPassword { .. } => {
                ErrorReport::fatal(SqlState::INVALID_PASSWORD, "empty password returned by client")
            }
            Self::WrongPassword { user } => password_failed(user),
            Self::Scram { user, fault } => fault.report(user),
            Self::Rejected(report) => report.clone(),
            Self::Closed { .. } => {
                ErrorReport::fatal(SqlState::CONNECTION_FAILURE, "the connection was closed during the login")
            }
            Self::Misuse(_) => {
                ErrorReport::fatal(SqlState::INTERNAL_ERROR, "the gateway failed to handle the login")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_password_and_an_unknown_user_read_alike() {
        let user = UserName::new("alice").unwrap();
        let wrong = ServerLoginError::WrongPassword { user: user.clone() };
        let unknown = ServerLoginError::Scram { user, fault: ScramFault::Proof };
        assert_eq!(wrong.report(), unknown.report());
        assert_eq!(wrong.report().message, "password authentication failed for user \"alice\"");
        assert_eq!(wrong.report().sqlstate, SqlState::INVALID_PASSWORD);
    }

    #[test]
    fn the_log_quotes_what_came_from_the_wire() {
        let user = UserName::new("a\nb").unwrap();
        assert_eq!(ServerLoginError::WrongPassword { user }.to_string(), r#"wrong password for user "a\nb""#);
        assert_eq!(
            ServerLoginError::UnexpectedMessage { tag: b'\n' }.to_string(),
            r"expected a message of type p, got '\n'"
        );
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(ServerLoginError::TlsRequired.fault(), Fault::Client);
        assert_eq!(ServerLoginError::Misuse("x").fault(), Fault::Host);
    }
}
