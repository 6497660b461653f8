//! Why an upstream could not be logged in to.
//!
//! **Job.** One value per reason, with two texts: `Display` is for the log, where the upstream's own words are kept, quoted;
//! [`UpstreamLoginError::report`] is for the client, who asked for none of this.
//!
//! **What it does not do.** It passes on no text of the upstream: it may name the account behind the gateway, and before
//! authentication anybody may have written it. Only the SQLSTATEs that tell the client what to do are kept (busy, starting,
//! stopping, no such database).

use super::Fault;
use super::error::{ErrorReport, SqlState, UpstreamReport};
use super::scram_client::ScramUpstreamFault;
use super::upstream_options::UpstreamMethod;

/// Why the login at an upstream ended without success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamLoginError {
    /// The client's settings do not fit into a startup packet of 10,000 bytes.
    #[error("the startup packet would be longer than 10000 bytes")]
    StartupTooLong,
    /// TLS is required and the upstream has none.
    #[error("the upstream offers no TLS, which is required")]
    TlsUnavailable,
    /// The upstream answered SSLRequest with an error instead of a word. Its text is not read: nobody vouches for it.
    #[error("the upstream answered SSLRequest with an error")]
    ErrorBeforeTls,
    /// More than one byte answered SSLRequest (CVE-2021-23222).
    #[error("bytes came in front of the TLS handshake")]
    BytesBeforeTls,
    /// A message that has no place there.
    #[error("unexpected message of type {:?} {during}", char::from(*tag))]
    UnexpectedMessage {
        /// Its type byte.
        tag: u8,
        /// What was going on.
        during: &'static str,
    },
    /// A message that is too short or too long for its type.
    #[error("a message of type {:?} cannot have {length} bytes", char::from(*tag))]
    MessageLength {
        /// Its type byte.
        tag: u8,
        /// What it says of itself.
        length: u32,
    },
    /// A message whose fields do not fit it.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// The upstream asks for a method we do not have, such as GSSAPI.
    #[error("the upstream asks for authentication method {code}, which is not supported")]
    UnknownMethod {
        /// The code in its message.
        code: u32,
    },
    /// The upstream asks for a method the options do not accept.
    #[error("the upstream asks for {0:?}, which is not accepted here")]
    MethodNotAccepted(UpstreamMethod),
    /// The upstream offers none of the SASL mechanisms we have and accept.
    #[error("the upstream offers no SASL mechanism that is accepted here")]
    NoMechanism,
    /// The upstream offers channel binding on a plain connection: somebody took TLS off on the way.
    #[error("the upstream offers SCRAM-SHA-256-PLUS without TLS")]
    PlusWithoutTls,
    /// The upstream wants the password in clear on a plain connection.
    #[error("the upstream asks for a password in clear, which needs TLS")]
    CleartextNeedsTls,
    /// The upstream asks for a password and there is none.
    #[error("the upstream asks for a password and none is configured")]
    NoPassword,
    /// The password holds a NUL and cannot be sent.
    #[error("the configured password holds a NUL")]
    PasswordHoldsNul,
    /// The SCRAM exchange failed.
    #[error("SCRAM failed: {0}")]
    Scram(#[from] ScramUpstreamFault),
    /// The upstream refused.
    #[error("the upstream refused: {0}")]
    Refused(UpstreamReport),
    /// The upstream talks without end before it is ready.
    #[error("the upstream sent more than {limit_bytes} bytes before it was ready")]
    TooTalkative {
        /// How much it may.
        limit_bytes: usize,
    },
    /// The upstream closed the connection.
    #[error("the upstream closed the connection {during}")]
    Closed {
        /// What was going on.
        during: &'static str,
    },
    /// The machine was driven out of order: a mistake in the host.
    #[error("the login was driven out of order: {0}")]
    Misuse(&'static str),
}

impl UpstreamLoginError {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::StartupTooLong => Fault::Client,
            Self::NoPassword | Self::PasswordHoldsNul | Self::Misuse(_) => Fault::Host,
            _ => Fault::Upstream,
        }
    }

    /// The SQLSTATE of the upstream's refusal, if it refused and gave one.
    pub fn upstream_sqlstate(&self) -> Option<SqlState> {
        match self {
            Self::Refused(report) => report.sqlstate(),
            _ => None,
        }
    }

    /// What the client may read.
    pub fn report(&self) -> ErrorReport {
        let (sqlstate, message) = match self {
            Self::StartupTooLong => {
                (SqlState::PROTOCOL_VIOLATION, "the startup parameters are too long to be forwarded")
            }
            Self::Misuse(_) => {
                (SqlState::INTERNAL_ERROR, "the gateway failed to log in to the upstream database")
            }
            Self::Closed { .. } => {
                (SqlState::CONNECTION_FAILURE, "the upstream database closed the connection during the login")
            }
            Self::Refused(report) => refused(report),
            _ => (SqlState::CONNECTION_REJECTED, "the gateway could not log in to the upstream database"),
        };
        ErrorReport::fatal(sqlstate, message)
    }
}

/// What a client's own startup settings can be refused with: undefined_object, invalid_parameter_value,
/// cant_change_runtime_param.
const OF_SETTINGS: [&str; 3] = ["42704", "22023", "55P02"];

impl UpstreamLoginError {
    /// The upstream's refusal of a setting the *client* brought, word for word: the client reads what it would
    /// read without us. Such a text names the setting and nothing of the gateway's account.
    pub fn about_settings(&self) -> Option<Vec<u8>> {
        match self {
            Self::Refused(report) => {
                let state = report.sqlstate()?;
                OF_SETTINGS.contains(&state.as_str()).then(|| report.to_error_response())
            }
            _ => None,
        }
    }
}

fn refused(report: &UpstreamReport) -> (SqlState, &'static str) {
    match report.sqlstate() {
        Some(state @ SqlState::TOO_MANY_CONNECTIONS) => {
            (state, "the upstream database has too many connections")
        }
        Some(state @ SqlState::CANNOT_CONNECT_NOW) => {
            (state, "the upstream database is starting up or shutting down")
        }
        Some(state @ SqlState::ADMIN_SHUTDOWN) => (state, "the upstream database is shutting down"),
        Some(state @ SqlState::INVALID_CATALOG_NAME) => {
            (state, "the database does not exist at the upstream")
        }
        _ => (SqlState::CONNECTION_REJECTED, "the upstream database refused the gateway's login"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_reads_no_word_of_the_upstream() {
        let refused = |body: &[u8]| UpstreamLoginError::Refused(UpstreamReport::parse(body));
        let error = refused(b"SFATAL\0C28P01\0Mno password for \"gateway_account\"\0\0");
        assert_eq!(error.report().sqlstate, SqlState::CONNECTION_REJECTED);
        assert_eq!(error.report().message, "the upstream database refused the gateway's login");
        assert_eq!(error.upstream_sqlstate(), Some(SqlState::INVALID_PASSWORD));
        assert!(error.to_string().contains("gateway_account"));

        let busy = refused(b"SFATAL\0C53300\0Msorry\0\0");
        assert_eq!(busy.report().sqlstate, SqlState::TOO_MANY_CONNECTIONS);
        assert!(!busy.report().message.contains("sorry"));
        assert_eq!(busy.fault(), Fault::Upstream);
    }

    #[test]
    fn a_setting_of_the_clients_own_is_refused_in_the_upstreams_words() {
        let body = b"SFATAL\0C42704\0Munrecognized configuration parameter \"x\"\0Rfind_option\0\0";
        let error = UpstreamLoginError::Refused(UpstreamReport::parse(body));
        let words = error.about_settings().unwrap();
        assert_eq!(words.get(5..), Some(&body[..]));
        let login = UpstreamLoginError::Refused(UpstreamReport::parse(b"SFATAL\0C28P01\0Mno\0\0"));
        assert_eq!(login.about_settings(), None);
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(UpstreamLoginError::StartupTooLong.fault(), Fault::Client);
        assert_eq!(UpstreamLoginError::NoPassword.fault(), Fault::Host);
        assert_eq!(UpstreamLoginError::TlsUnavailable.fault(), Fault::Upstream);
    }
}
