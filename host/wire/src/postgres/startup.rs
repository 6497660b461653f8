//! The packets without a type byte: what a connection opens with.
//!
//! **Job.** Read SSLRequest, GSSENCRequest, CancelRequest and StartupMessage from a client; write SSLRequest and StartupMessage
//! to an upstream.
//!
//! **What it does not do.** It does not know which packet may come when (`server_login` does), nor detect TLS that starts without
//! asking: the host looks at the first byte with [`looks_like_tls`] before there is a login at all.
//!
//! **Invariants.** `8 ≤ length ≤ 10,000`, judged on the first four bytes; the request code is judged on the next four. Every
//! text is UTF-8. A startup packet names its user, database and replication mode at most once, so no two readers
//! can understand it differently. Sessions in replication mode are refused: they carry raw pages and log records,
//! past every inspection and mask.
//! Source: PostgreSQL documentation, "Start-up", "SSL Session Encryption", "Message Formats".

use super::cancel::{CANCEL_REQUEST_CODE, CancelRequest};
use super::error::{ErrorReport, SqlState};
use super::frame::{Body, Inbox, length_word, put_text, untyped};
use super::names::{
    DatabaseName, InvalidName, MAX_NAME_BYTES, StartupParameters, UserName, is_protocol_option,
};
use super::negotiate::ProtocolVersion;

/// Longest opening packet, in bytes with its length word (PostgreSQL: `MAX_STARTUP_PACKET_LENGTH`).
pub const MAX_STARTUP_BYTES: usize = 10_000;

/// Request code of SSLRequest, 1234.5679.
const SSL_REQUEST_CODE: u32 = 80_877_103;

/// Request code of GSSENCRequest, 1234.5680.
const GSSENC_REQUEST_CODE: u32 = 80_877_104;

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE_RECORD: u8 = 0x16;

/// Whether a connection that starts with this byte starts with TLS, without SSLRequest (PostgreSQL 17,
/// `sslnegotiation=direct`). No opening packet of PostgreSQL can: its length would be above 10,000.
pub fn looks_like_tls(first_byte: u8) -> bool {
    first_byte == TLS_HANDSHAKE_RECORD
}

/// Whether a password may cross a connection in clear text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CleartextPolicy {
    /// Only inside TLS.
    #[default]
    OnlyOverTls,
    /// Also on a plain connection: for a loopback or a network that encrypts by itself.
    AllowOnPlain,
}

/// What a client asked for when it opened its session. Nothing of it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartupRequest {
    /// Who the client says it is.
    pub user: UserName,
    /// The database it wants; the user's name if it named none.
    pub database: DatabaseName,
    /// All other settings, in order.
    pub parameters: StartupParameters,
    /// The version both sides speak from here on.
    pub version: ProtocolVersion,
}

/// An opening packet.
#[derive(Debug)]
pub(crate) enum OpeningPacket {
    SslRequest,
    GssEncRequest,
    Cancel(CancelRequest),
    Startup(StartupMessage),
}

/// A StartupMessage, and what has to be said about it before going on.
#[derive(Debug)]
pub(crate) struct StartupMessage {
    pub(crate) request: StartupRequest,
    /// The client asked for exactly the version it gets.
    pub(crate) as_asked: bool,
    /// Protocol options we do not know: all of them.
    pub(crate) unknown_options: Vec<String>,
}

/// Why an opening packet is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartupFault {
    /// The length word is not in 8..=10,000 bytes, or not that of the request.
    #[error("an opening packet cannot have {length} bytes")]
    Length {
        /// What the packet says of itself.
        length: u32,
    },
    /// TLS began without SSLRequest where the host did not expect it.
    #[error("TLS began without SSLRequest")]
    DirectTls,
    /// Neither protocol 3 nor a request we know (or one that was made already).
    #[error("protocol {major}.{minor} is not spoken here")]
    Version {
        /// Upper half of the request code.
        major: u16,
        /// Lower half.
        minor: u16,
    },
    /// Texts that do not fit together.
    #[error("malformed opening packet: {0}")]
    Layout(&'static str),
    /// A name or value that is not UTF-8.
    #[error("startup parameters are not UTF-8")]
    NotUtf8,
    /// No `user`, or an empty one.
    #[error("no user name in the startup packet")]
    NoUser,
    /// A user or database name that PostgreSQL would cut.
    #[error("the {parameter} name {reason}")]
    Name {
        /// `user` or `database`.
        parameter: &'static str,
        /// What is wrong with it.
        reason: InvalidName,
    },
    /// `user`, `database` or `replication` given twice.
    #[error("{parameter:?} is given twice")]
    Twice {
        /// Which.
        parameter: &'static str,
    },
    /// A walsender was asked for.
    #[error("replication was asked for")]
    Replication,
}

impl StartupFault {
    /// What the client may read.
    pub fn report(&self) -> ErrorReport {
        use StartupFault as F;
        match self {
            F::Length { .. } => {
                ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "invalid length of startup packet")
            }
            F::DirectTls => ErrorReport::fatal(
                SqlState::PROTOCOL_VIOLATION,
                "TLS was started without SSLRequest, which is not possible here",
            ),
            F::Version { major, minor } => ErrorReport::fatal(
                SqlState::FEATURE_NOT_SUPPORTED,
                format!("unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.2"),
            ),
            F::Layout(what) => {
                ErrorReport::fatal(SqlState::PROTOCOL_VIOLATION, "invalid startup packet layout")
                    .with_detail(*what)
            }
            F::NotUtf8 => ErrorReport::fatal(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "names and values in the startup packet must be UTF-8",
            ),
            F::NoUser => ErrorReport::fatal(
                SqlState::INVALID_AUTHORIZATION,
                "no PostgreSQL user name specified in startup packet",
            ),
            F::Name { parameter, .. } => ErrorReport::fatal(
                SqlState::NAME_TOO_LONG,
                format!("the {parameter} name must have 1 to {MAX_NAME_BYTES} bytes"),
            ),
            F::Twice { parameter } => ErrorReport::fatal(
                SqlState::PROTOCOL_VIOLATION,
                format!("startup parameter \"{parameter}\" is given twice"),
            ),
            F::Replication => ErrorReport::fatal(
                SqlState::FEATURE_NOT_SUPPORTED,
                "replication connections are not allowed through this gateway",
            )
            .with_detail("Replication carries data past every inspection and mask."),
        }
    }
}

/// The next opening packet, once it is whole.
pub(crate) fn opening_packet(inbox: &mut Inbox) -> Result<Option<OpeningPacket>, StartupFault> {
    let Some(length) = length_word(inbox.peek()) else { return Ok(None) };
    let bad_length = StartupFault::Length { length };
    if inbox.peek().first().copied().is_some_and(looks_like_tls) {
        return Err(StartupFault::DirectTls);
    }
    let size = usize::try_from(length).map_err(|_| bad_length.clone())?;
    if !(8..=MAX_STARTUP_BYTES).contains(&size) {
        return Err(bad_length);
    }

    let Some(code) = inbox.peek().get(4..).and_then(length_word) else { return Ok(None) };
    let [major, minor] = halves(code);
    let length_fits = match code {
        SSL_REQUEST_CODE | GSSENC_REQUEST_CODE => size == 8,
        CANCEL_REQUEST_CODE => (16..=268).contains(&size),
        _ if major == 3 => true,
        _ => return Err(StartupFault::Version { major, minor }),
    };
    if !length_fits {
        return Err(bad_length);
    }

    let Some(packet) = inbox.take(size) else { return Ok(None) };
    let after_code = packet.get(8..).unwrap_or_default();
    Ok(Some(match code {
        SSL_REQUEST_CODE => OpeningPacket::SslRequest,
        GSSENC_REQUEST_CODE => OpeningPacket::GssEncRequest,
        CANCEL_REQUEST_CODE => OpeningPacket::Cancel(CancelRequest::parse(after_code).ok_or(bad_length)?),
        _ => OpeningPacket::Startup(startup_message(minor, after_code)?),
    }))
}

/// What a negotiation request is called when it comes where it may not: a version we do not speak.
pub(crate) fn refused_negotiation(packet: &OpeningPacket) -> StartupFault {
    let code = match packet {
        OpeningPacket::GssEncRequest => GSSENC_REQUEST_CODE,
        _ => SSL_REQUEST_CODE,
    };
    let [major, minor] = halves(code);
    StartupFault::Version { major, minor }
}

fn halves(code: u32) -> [u16; 2] {
    let [a, b, c, d] = code.to_be_bytes();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

fn startup_message(minor: u16, texts: &[u8]) -> Result<StartupMessage, StartupFault> {
    let version = ProtocolVersion::at_most_minor(minor);
    let mut user = None;
    let mut database = None;
    let mut replication = None;
    let mut parameters = StartupParameters::new();
    let mut unknown_options = Vec::new();

    let mut texts = Body::new(texts);
    loop {
        let name = texts.text().ok_or(StartupFault::Layout("The list of parameters has no end."))?;
        if name.is_empty() {
            break;
        }
        let value = texts.text().ok_or(StartupFault::Layout("A parameter has no value."))?;
        let name = std::str::from_utf8(name).map_err(|_| StartupFault::NotUtf8)?;
        let value = std::str::from_utf8(value).map_err(|_| StartupFault::NotUtf8)?;
        match name {
            "user" => once(&mut user, "user", value)?,
            "database" => once(&mut database, "database", value)?,
            "replication" => once(&mut replication, "replication", value)?,
            option if is_protocol_option(option) => unknown_options.push(option.to_owned()),
            // Reserved names were taken above and a text has no NUL: this cannot fail.
            setting => parameters
                .push(setting, value)
                .map_err(|_| StartupFault::Layout("A parameter has an impossible name."))?,
        }
    }
    if !texts.is_empty() {
        return Err(StartupFault::Layout("Something follows the end of the list of parameters."));
    }

    if replication.is_some_and(|mode| !is_off(mode)) {
        return Err(StartupFault::Replication);
    }
    let user = user.filter(|name| !name.is_empty()).ok_or(StartupFault::NoUser)?;
    let user = UserName::new(user).map_err(|reason| StartupFault::Name { parameter: "user", reason })?;
    let database = match database.filter(|name| !name.is_empty()) {
        Some(name) => {
            DatabaseName::new(name).map_err(|reason| StartupFault::Name { parameter: "database", reason })?
        }
        None => DatabaseName::of_user(&user),
    };
    Ok(StartupMessage {
        request: StartupRequest { user, database, parameters, version },
        as_asked: version.code() == (0x0003_0000 | u32::from(minor)),
        unknown_options,
    })
}

fn once<'a>(slot: &mut Option<&'a str>, parameter: &'static str, value: &'a str) -> Result<(), StartupFault> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(StartupFault::Twice { parameter }),
    }
}

/// The words that leave a session an ordinary one. PostgreSQL also takes their beginnings; nobody sends those.
fn is_off(mode: &str) -> bool {
    ["false", "off", "no", "0"].iter().any(|off| mode.eq_ignore_ascii_case(off))
}

/// SSLRequest, 8 bytes.
pub(crate) fn ssl_request() -> Vec<u8> {
    untyped(&SSL_REQUEST_CODE.to_be_bytes())
}

/// A StartupMessage of protocol 3.0; `None` if it is above 10,000 bytes.
pub(crate) fn startup_message_3_0(
    user: &UserName,
    database: &DatabaseName,
    parameters: &StartupParameters,
) -> Option<Vec<u8>> {
    let mut body = ProtocolVersion::V3_0.code().to_be_bytes().to_vec();
    let identity = [("user", user.as_str()), ("database", database.as_str())];
    for (name, value) in identity.into_iter().chain(parameters.iter()) {
        let grown = body.len().saturating_add(name.len()).saturating_add(value.len());
        if grown > MAX_STARTUP_BYTES {
            return None;
        }
        put_text(&mut body, name);
        put_text(&mut body, value);
    }
    body.push(0);
    let packet = untyped(&body);
    (packet.len() <= MAX_STARTUP_BYTES).then_some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<OpeningPacket>, StartupFault> {
        let mut inbox = Inbox::default();
        inbox.feed(bytes);
        opening_packet(&mut inbox)
    }

    fn startup(code: u32, texts: &[u8]) -> Vec<u8> {
        untyped(&[&code.to_be_bytes(), texts].concat())
    }

    fn message(code: u32, texts: &[u8]) -> Result<StartupMessage, StartupFault> {
        match read(&startup(code, texts))? {
            Some(OpeningPacket::Startup(message)) => Ok(message),
            other => panic!("{other:?}"),
        }
    }

    const V3_0: u32 = 0x0003_0000;

    #[test]
    fn requests_have_eight_bytes() {
        assert!(matches!(read(&[0, 0, 0, 8, 4, 210, 22, 47]), Ok(Some(OpeningPacket::SslRequest))));
        assert!(matches!(read(&[0, 0, 0, 8, 4, 210, 22, 48]), Ok(Some(OpeningPacket::GssEncRequest))));
        assert!(matches!(read(&[0, 0, 0, 8, 4, 210, 22]), Ok(None)));
        assert_eq!(read(&[0, 0, 0, 9, 4, 210, 22, 47]).unwrap_err(), StartupFault::Length { length: 9 });
        assert_eq!(ssl_request(), [0, 0, 0, 8, 4, 210, 22, 47]);
    }

    #[test]
    fn lengths_are_judged_before_the_packet_is_there() {
        let check = |bytes: &[u8], length: u32| {
            assert_eq!(read(bytes).unwrap_err(), StartupFault::Length { length });
        };
        check(&[0, 0, 0, 0], 0);
        check(&[0, 0, 0, 7], 7);
        check(&[0, 0, 0x27, 0x11], 10_001);
        check(&[0xff, 0xff, 0xff, 0xff], u32::MAX);
        check(b"GET ", u32::from_be_bytes(*b"GET "));
        assert!(matches!(read(&[0, 0, 0x27, 0x10, 0, 3, 0, 0]), Ok(None)));
        assert_eq!(read(&[0x16, 3, 1, 2]).unwrap_err(), StartupFault::DirectTls);
        assert!(looks_like_tls(0x16) && !looks_like_tls(0));
    }

    #[test]
    fn a_cancel_key_may_be_long_in_3_2() {
        let classic = [0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 9, 9, 9, 9];
        assert!(matches!(read(&classic), Ok(Some(OpeningPacket::Cancel(_)))));
        let long = startup(CANCEL_REQUEST_CODE, &[7; 4 + 256]);
        assert!(matches!(read(&long), Ok(Some(OpeningPacket::Cancel(_)))));
        let too_long = startup(CANCEL_REQUEST_CODE, &[7; 4 + 257]);
        assert_eq!(read(&too_long).unwrap_err(), StartupFault::Length { length: 269 });
        assert_eq!(read(&[0, 0, 0, 12, 4, 210, 22, 46]).unwrap_err(), StartupFault::Length { length: 12 });
    }

    #[test]
    fn a_startup_message_gives_names_and_settings_in_order() {
        let texts = b"user\0alice\0DateStyle\0ISO\0database\0shop\0options\0-c a=b\0replication\0off\0\0";
        let message = message(V3_0, texts).unwrap();
        assert_eq!(message.request.user.as_str(), "alice");
        assert_eq!(message.request.database.as_str(), "shop");
        assert_eq!(
            message.request.parameters.iter().collect::<Vec<_>>(),
            [("DateStyle", "ISO"), ("options", "-c a=b")]
        );
        assert!(message.as_asked && message.unknown_options.is_empty());
    }

    #[test]
    fn the_database_defaults_to_the_user() {
        let check = |texts: &[u8]| {
            assert_eq!(message(V3_0, texts).unwrap().request.database.as_str(), "alice");
        };
        check(b"user\0alice\0\0");
        check(b"user\0alice\0database\0\0\0");
    }

    #[test]
    fn versions_are_answered_with_what_we_speak() {
        let check = |code: u32, version: ProtocolVersion, as_asked: bool| {
            let message = message(code, b"user\0u\0\0").unwrap();
            assert_eq!((message.request.version, message.as_asked), (version, as_asked));
        };
        check(0x0003_0000, ProtocolVersion::V3_0, true);
        check(0x0003_0001, ProtocolVersion::V3_0, false);
        check(0x0003_0002, ProtocolVersion::V3_2, true);
        check(0x0003_0003, ProtocolVersion::V3_2, false);
        check(0x0003_270f, ProtocolVersion::V3_2, false);
        let refused = |major, minor| StartupFault::Version { major, minor };
        assert_eq!(read(&[0, 0, 0, 8, 0, 2, 0, 0]).unwrap_err(), refused(2, 0));
        assert_eq!(read(&[0, 0, 0, 9, 0, 4, 0, 1]).unwrap_err(), refused(4, 1));
    }

    #[test]
    fn protocol_options_are_all_unknown_and_never_settings() {
        let message = message(V3_0, b"user\0u\0_pq_.test_protocol_negotiation\0\0_pq_.b\0x\0\0").unwrap();
        assert_eq!(message.unknown_options, ["_pq_.test_protocol_negotiation", "_pq_.b"]);
        assert_eq!(message.request.parameters, StartupParameters::new());
    }

    #[test]
    fn what_does_not_hold_together_is_refused() {
        let check = |texts: &[u8], expect: &str| {
            let fault = message(V3_0, texts).unwrap_err();
            assert_eq!(fault.to_string(), expect);
            assert_eq!(fault.report().severity, crate::postgres::Severity::Fatal);
        };
        check(b"", "malformed opening packet: The list of parameters has no end.");
        check(b"user\0u\0", "malformed opening packet: The list of parameters has no end.");
        check(b"user\0u", "malformed opening packet: A parameter has no value.");
        check(
            b"user\0u\0\0x",
            "malformed opening packet: Something follows the end of the list of parameters.",
        );
        check(b"\0", "no user name in the startup packet");
        check(b"user\0\0\0", "no user name in the startup packet");
        check(b"user\0u\0a\0\xff\0\0", "startup parameters are not UTF-8");
        check(b"user\0\xe4\0\0", "startup parameters are not UTF-8");
        check(b"user\0u\0user\0root\0\0", "\"user\" is given twice");
        check(b"user\0u\0replication\0true\0\0", "replication was asked for");
        check(b"user\0u\0replication\0database\0\0", "replication was asked for");
        check(b"user\0u\0replication\0\0\0", "replication was asked for");
        check(b"user\0u\0replication\x00off\0replication\x00on\0\0", "\"replication\" is given twice");
        let long = [b"user\0".as_slice(), &[b'x'; 64], b"\0\0"].concat();
        check(&long, "the user name has 64 bytes, more than 63");
    }

    #[test]
    fn our_startup_message_is_read_back_and_has_a_limit() {
        let (user, database) = (UserName::new("u").unwrap(), DatabaseName::new("d").unwrap());
        let mut parameters = StartupParameters::new();
        parameters.push("a", "b").unwrap();
        let packet = startup_message_3_0(&user, &database, &parameters).unwrap();
        assert_eq!(packet, b"\0\0\0\x1f\0\x03\0\0user\0u\0database\0d\0a\0b\0\0");
        let Ok(Some(OpeningPacket::Startup(message))) = read(&packet) else { panic!() };
        assert_eq!(message.request.parameters, parameters);

        parameters.push("long", "x".repeat(9_963)).unwrap();
        let packet = startup_message_3_0(&user, &database, &parameters).unwrap();
        assert_eq!(packet.len(), 10_000);
        assert!(matches!(read(&packet), Ok(Some(OpeningPacket::Startup(_)))));
        parameters.remove("long");
        parameters.push("long", "x".repeat(9_964)).unwrap();
        assert!(startup_message_3_0(&user, &database, &parameters).is_none());
        parameters.push("longer", "x".repeat(1 << 20)).unwrap();
        assert!(startup_message_3_0(&user, &database, &parameters).is_none());
    }
}
