//! The client leg: weir plays the server.
//!
//! ```text
//! Opening ── SSLRequest ─► TlsHandshake ── tls_started ─► Opening
//!    │ └──── CancelRequest ─► Cancel, end
//!    └────── StartupMessage ─► AwaitCredential ── credential ─┬─► ScramFirst ─► ScramFinal ──┐
//!                                                             └─► AwaitPassword ─► AwaitVerdict ─► Proven
//! ```
//!
//! **Job.** Take a connection from its first byte to a proven user name, and stop there: AuthenticationOk is not written here,
//! so the host may still find that this user may not enter, or that the upstream is down.
//!
//! **What it does not do.** It looks up nobody and compares no clear password: the host answers
//! [`ServerStep::NeedCredential`] and [`ServerStep::CheckPassword`]. It keeps no deadline.
//!
//! **Invariants.** [`Authenticated`] comes only out of a proof: a SCRAM proof that fits a real verifier, or the host's word for a
//! clear password or a certificate. `SSLRequest` and `GSSENCRequest` are taken once each, and not inside TLS. Between SSLRequest and the handshake
//! not one byte is taken. A machine that refused stays refused.
//! Source: PostgreSQL documentation, "Start-up", "SASL Authentication", "SSL Session Encryption".

use std::collections::VecDeque;

use super::cancel::CancelRequest;
use super::error::ErrorReport;
use super::frame::{BadFrame, Body, Frame, Inbox, MAX_AUTH_FRAME_BYTES};
use super::names::{DatabaseName, StartupParameters, UserName};
use super::negotiate::{ProtocolVersion, negotiate_protocol_version};
use super::reply::authentication;
use super::scram::{MockScram, Nonce, ScramVerifier};
use super::scram_server::{ScramServer, ScramServerFinal};
use super::secret::{EndPointHash, Outgoing, Password};
use super::server_fault::ServerLoginError;
use super::startup::{CleartextPolicy, OpeningPacket, StartupRequest, opening_packet, refused_negotiation};

/// What a connection from a client is at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientTransport {
    /// Not encrypted, so far.
    Plain,
    /// TLS, started by the client without SSLRequest. With the hash of our certificate, SCRAM-SHA-256-PLUS is offered.
    Tls(Option<EndPointHash>),
}

/// Whether a plain connection can turn to TLS, or has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerTls {
    /// There is no certificate: SSLRequest is answered `N`.
    Absent,
    /// The client may choose.
    Offered,
    /// A session opened in plain is refused. Cancel requests are not: older clients always send them in plain.
    Required,
}

/// How clients log in at this listener.
#[derive(Debug, Clone)]
pub struct ServerLoginOptions {
    /// Whether there is TLS.
    pub tls: ServerTls,
    /// Where a password may be asked for in clear.
    pub cleartext: CleartextPolicy,
    /// What stands in for users that do not exist.
    pub mock: MockScram,
}

/// What the host has to do next.
#[derive(Debug)]
pub enum ServerStep {
    /// Read from the client, [`feed`](ServerLogin::feed) everything that was read, step again.
    NeedInput,
    /// Write this to the client and flush it, step again.
    Send(Outgoing),
    /// Accept a TLS handshake on the connection, then call [`tls_started`](ServerLogin::tls_started).
    StartTls,
    /// The connection is not a session but a cancel request: act on it, answer nothing, close. The login is over.
    Cancel(CancelRequest),
    /// Look the user up, then call [`credential`](ServerLogin::credential).
    NeedCredential(StartupRequest),
    /// Compare this password of the user, then call [`password_checked`](ServerLogin::password_checked).
    CheckPassword(Password),
    /// The client proved to be the user. The login is over.
    Authenticated(Authenticated),
}

/// How the user of a startup request may prove to be that user.
#[derive(Debug, Clone)]
pub enum Credential {
    /// With SCRAM against this verifier.
    Scram(ScramVerifier),
    /// With a password in clear, which the host compares: for passwords kept under other hashes, and for tokens. Where
    /// unknown users would be told apart by it, give it for them too, and refuse after comparing with something.
    Password,
    /// It is proven already: the certificate that the client showed in the TLS handshake is this user's, says the host.
    /// Inside TLS only.
    Proven,
    /// There is no such user: go through a SCRAM exchange that cannot succeed.
    Unknown,
    /// Not at all, for a reason the client may read.
    Reject(ErrorReport),
}

/// The host's word on a password in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// It is the user's.
    Accept,
    /// It is not, or there is no such user.
    Refuse,
}

/// How a client proved itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginMechanism {
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-256-PLUS: bound to our certificate.
    ScramSha256Plus,
    /// A password in clear that the host accepted.
    Password,
    /// The certificate of the TLS handshake, whose owner the host knows.
    Certificate,
}

/// A user name with its proof, and what the user asked for. Only a [`ServerLogin`] makes one.
#[derive(Debug)]
#[non_exhaustive]
pub struct Authenticated {
    /// The proven user.
    pub user: UserName,
    /// The database asked for.
    pub database: DatabaseName,
    /// The other settings asked for, in order.
    pub parameters: StartupParameters,
    /// The version spoken with this client.
    pub version: ProtocolVersion,
    /// How the user was proven.
    pub mechanism: LoginMechanism,
    /// Bytes the client sent beyond the login: the start of what it will say once it is told to be ready.
    pub leftover: Vec<u8>,
    /// The end of the SCRAM exchange, if there was one: the client gets it before anything else. PostgreSQL, too, keeps it
    /// until there is more to say, and saves a packet.
    pub last_words: Outgoing,
}

enum State {
    Opening,
    TlsHandshake,
    AwaitCredential(StartupRequest),
    AwaitPassword(StartupRequest),
    AwaitVerdict(StartupRequest),
    ScramFirst(StartupRequest, ScramServer),
    ScramFinal(StartupRequest, ScramServerFinal),
    /// with the end of the SCRAM exchange
    Proven(StartupRequest, LoginMechanism, Outgoing),
    Ended,
}

/// The login of one client; see the module's text.
pub struct ServerLogin {
    options: ServerLoginOptions,
    transport: ClientTransport,
    /// SSLRequest may still come.
    may_ask_tls: bool,
    /// GSSENCRequest may still come.
    may_ask_gss: bool,
    inbox: Inbox,
    /// Steps that were decided and not yet given out.
    due: VecDeque<ServerStep>,
    state: State,
}

impl ServerLogin {
    /// A login on a fresh connection. The host has looked at the first byte
    /// ([`looks_like_tls`](super::looks_like_tls)) and done the handshake if the client began with one.
    pub fn new(options: ServerLoginOptions, transport: ClientTransport) -> Self {
        let plain = transport == ClientTransport::Plain;
        Self {
            options,
            transport,
            may_ask_tls: plain,
            may_ask_gss: plain,
            inbox: Inbox::default(),
            due: VecDeque::new(),
            state: State::Opening,
        }
    }

    /// Takes bytes that were read from the client: all that were read, in order.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.inbox.feed(bytes);
    }

    /// What to do next.
    ///
    /// # Errors
    /// The client is refused: send [`ServerLoginError::report`] and close. Every later step fails too.
    pub fn step(&mut self) -> Result<ServerStep, ServerLoginError> {
        loop {
            if let Some(step) = self.due.pop_front() {
                return Ok(step);
            }
            if let Some(step) = self.advance()? {
                return Ok(step);
            }
        }
    }

    /// The handshake asked for by [`ServerStep::StartTls`] is done. With the hash of our certificate, SCRAM-SHA-256-PLUS is
    /// offered.
    ///
    /// # Errors
    /// Bytes were fed since SSLRequest, or no handshake was asked for.
    pub fn tls_started(&mut self, binding: Option<EndPointHash>) -> Result<(), ServerLoginError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::TlsHandshake if self.inbox.is_empty() => {
                self.transport = ClientTransport::Tls(binding);
                self.state = State::Opening;
                Ok(())
            }
            State::TlsHandshake => Err(ServerLoginError::BytesBeforeTls),
            _ => Err(ServerLoginError::Misuse("no TLS handshake was asked for")),
        }
    }

    /// The answer to [`ServerStep::NeedCredential`], and a fresh nonce.
    ///
    /// # Errors
    /// The credential is a refusal, or asks for a password in clear where that is not allowed, or was not asked for.
    pub fn credential(&mut self, credential: Credential, nonce: Nonce) -> Result<(), ServerLoginError> {
        let State::AwaitCredential(request) = std::mem::replace(&mut self.state, State::Ended) else {
            return Err(ServerLoginError::Misuse("no credential was asked for"));
        };
        let binding = match &self.transport {
            ClientTransport::Plain => None,
            ClientTransport::Tls(binding) => binding.clone(),
        };
        match credential {
            Credential::Reject(report) => return Err(ServerLoginError::Rejected(report)),
            Credential::Proven if self.transport == ClientTransport::Plain => {
                return Err(ServerLoginError::Misuse("a certificate was shown without TLS"));
            }
            Credential::Proven => {
                self.state = State::Proven(request, LoginMechanism::Certificate, Outgoing::new(Vec::new()));
            }
            Credential::Scram(verifier) => {
                self.offer_scram(request, ScramServer::new(verifier, nonce, binding));
            }
            Credential::Unknown => {
                let scram = ScramServer::for_unknown(&self.options.mock, &request.user, nonce, binding);
                self.offer_scram(request, scram);
            }
            Credential::Password => {
                let allowed = self.options.cleartext == CleartextPolicy::AllowOnPlain;
                if self.transport == ClientTransport::Plain && !allowed {
                    return Err(ServerLoginError::CleartextNeedsTls);
                }
                self.send(authentication(3, &[]));
                self.state = State::AwaitPassword(request);
            }
        }
        Ok(())
    }

    /// The answer to [`ServerStep::CheckPassword`].
    ///
    /// # Errors
    /// The verdict is a refusal, or was not asked for.
    pub fn password_checked(&mut self, verdict: PasswordVerdict) -> Result<(), ServerLoginError> {
        match (std::mem::replace(&mut self.state, State::Ended), verdict) {
            (State::AwaitVerdict(request), PasswordVerdict::Accept) => {
                self.state = State::Proven(request, LoginMechanism::Password, Outgoing::new(Vec::new()));
                Ok(())
            }
            (State::AwaitVerdict(request), PasswordVerdict::Refuse) => {
                Err(ServerLoginError::WrongPassword { user: request.user })
            }
            _ => Err(ServerLoginError::Misuse("no password was to be checked")),
        }
    }

    /// The error for a connection that the client closed now.
    pub fn closed(&self) -> ServerLoginError {
        let during = match self.state {
            State::Opening if self.inbox.is_empty() => "before it opened a session",
            State::Opening => "in the middle of its opening packet",
            State::TlsHandshake => "before the TLS handshake",
            State::AwaitPassword(_) | State::ScramFirst(..) => "when it was asked for a password",
            State::ScramFinal(..) => "in the middle of SCRAM",
            State::AwaitCredential(_) | State::AwaitVerdict(_) | State::Proven(..) | State::Ended => {
                "while the gateway was working on its login"
            }
        };
        ServerLoginError::Closed { during }
    }

    /// One stage further: gives the next step, or `None` if steps are due. Whatever fails leaves `Ended` behind.
    fn advance(&mut self) -> Result<Option<ServerStep>, ServerLoginError> {
        let wait = Ok(Some(ServerStep::NeedInput));
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Opening => match opening_packet(&mut self.inbox)? {
                Some(packet) => self.open(packet)?,
                None => {
                    self.state = State::Opening;
                    return wait;
                }
            },
            State::AwaitPassword(request) => match self.message()? {
                Some(message) => self.password(request, &message)?,
                None => {
                    self.state = State::AwaitPassword(request);
                    return wait;
                }
            },
            State::ScramFirst(request, scram) => match self.message()? {
                Some(message) => self.scram_first(request, scram, &message)?,
                None => {
                    self.state = State::ScramFirst(request, scram);
                    return wait;
                }
            },
            State::ScramFinal(request, scram) => match self.message()? {
                Some(message) => self.scram_final(request, scram, &message)?,
                None => {
                    self.state = State::ScramFinal(request, scram);
                    return wait;
                }
            },
            State::Proven(request, mechanism, last_words) => {
                let StartupRequest { user, database, parameters, version } = request;
                let leftover = self.inbox.take_rest();
                let proven =
                    Authenticated { user, database, parameters, version, mechanism, leftover, last_words };
                return Ok(Some(ServerStep::Authenticated(proven)));
            }
            State::TlsHandshake | State::AwaitCredential(_) | State::AwaitVerdict(_) => {
                return Err(ServerLoginError::Misuse("stepped before the question was answered"));
            }
            State::Ended => return Err(ServerLoginError::Misuse("stepped after the end")),
        }
        Ok(None)
    }

    fn open(&mut self, packet: OpeningPacket) -> Result<(), ServerLoginError> {
        match packet {
            OpeningPacket::SslRequest if self.may_ask_tls => {
                self.may_ask_tls = false;
                if self.options.tls == ServerTls::Absent {
                    self.send(b"N".to_vec());
                    self.state = State::Opening;
                } else if self.inbox.is_empty() {
                    // From here on everything is inside TLS, where nothing is left to negotiate.
                    self.may_ask_gss = false;
                    self.send(b"S".to_vec());
                    self.due.push_back(ServerStep::StartTls);
                    self.state = State::TlsHandshake;
                } else {
                    // Refused before 'S', while the client still reads plain answers.
                    return Err(ServerLoginError::BytesBeforeTls);
                }
            }
            OpeningPacket::GssEncRequest if self.may_ask_gss => {
                self.may_ask_gss = false;
                self.send(b"N".to_vec());
                self.state = State::Opening;
            }
            OpeningPacket::SslRequest | OpeningPacket::GssEncRequest => {
                return Err(refused_negotiation(&packet).into());
            }
            OpeningPacket::Cancel(request) => self.due.push_back(ServerStep::Cancel(request)),
            OpeningPacket::Startup(message) => {
                if self.transport == ClientTransport::Plain && self.options.tls == ServerTls::Required {
                    return Err(ServerLoginError::TlsRequired);
                }
                let request = message.request;
                if !message.as_asked || !message.unknown_options.is_empty() {
                    self.send(negotiate_protocol_version(request.version, &message.unknown_options));
                }
                self.due.push_back(ServerStep::NeedCredential(request.clone()));
                self.state = State::AwaitCredential(request);
            }
        }
        Ok(())
    }

    fn offer_scram(&mut self, request: StartupRequest, scram: ScramServer) {
        let mut mechanisms = Vec::new();
        for name in scram.offer() {
            mechanisms.extend_from_slice(name.as_bytes());
            mechanisms.push(0);
        }
        mechanisms.push(0);
        self.send(authentication(10, &mechanisms));
        self.state = State::ScramFirst(request, scram);
    }

    fn password(&mut self, request: StartupRequest, message: &Frame) -> Result<(), ServerLoginError> {
        let mut body = Body::new(&message.body);
        let password = body.text().filter(|_| body.is_empty());
        let password = password.ok_or(ServerLoginError::Malformed("password message"))?;
        if password.is_empty() {
            return Err(ServerLoginError::EmptyPassword { user: request.user });
        }
        self.due.push_back(ServerStep::CheckPassword(Password::new(password)));
        self.state = State::AwaitVerdict(request);
        Ok(())
    }

    /// SASLInitialResponse: the mechanism, and client-first with its length.
    fn scram_first(
        &mut self,
        request: StartupRequest,
        scram: ScramServer,
        message: &Frame,
    ) -> Result<(), ServerLoginError> {
        let malformed = ServerLoginError::Malformed("SASLInitialResponse");
        let mut body = Body::new(&message.body);
        let (Some(mechanism), Some(length)) = (body.text(), body.word()) else { return Err(malformed) };
        // All ones would mean "no initial response"; it does not fit any message and is refused with the others.
        let client_first = body.rest();
        if usize::try_from(length) != Ok(client_first.len()) {
            return Err(malformed);
        }
        match scram.first(mechanism, client_first) {
            Ok((server_first, next)) => {
                self.send(authentication(11, server_first.as_bytes()));
                self.state = State::ScramFinal(request, next);
                Ok(())
            }
            Err(fault) => Err(ServerLoginError::Scram { user: request.user, fault }),
        }
    }

    /// SASLResponse: client-final alone.
    fn scram_final(
        &mut self,
        request: StartupRequest,
        scram: ScramServerFinal,
        message: &Frame,
    ) -> Result<(), ServerLoginError> {
        let mechanism =
            if scram.is_plus() { LoginMechanism::ScramSha256Plus } else { LoginMechanism::ScramSha256 };
        match scram.finish(&message.body) {
            Ok(server_final) => {
                let last_words = Outgoing::new(authentication(12, server_final.as_bytes()));
                self.state = State::Proven(request, mechanism, last_words);
                Ok(())
            }
            Err(fault) => Err(ServerLoginError::Scram { user: request.user, fault }),
        }
    }

    /// The next message of type `p`: the only type a client has during authentication.
    fn message(&mut self) -> Result<Option<Frame>, ServerLoginError> {
        let limit = |tag| (tag == b'p').then_some(MAX_AUTH_FRAME_BYTES);
        self.inbox.typed(limit).map_err(|bad| match bad {
            BadFrame::Unexpected { tag } => ServerLoginError::UnexpectedMessage { tag },
            BadFrame::Length { length, .. } => ServerLoginError::MessageLength { length },
        })
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.due.push_back(ServerStep::Send(Outgoing::new(bytes)));
    }
}

#[cfg(test)]
mod tests;
