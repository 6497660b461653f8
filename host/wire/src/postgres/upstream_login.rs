//! The upstream leg: weir plays the client.
//!
//! ```text
//! SslReply ─► TlsHandshake ─► Authentication ─┬─► ScramFirst ─► AwaitKeys ─► ScramFinal ─┐
//!     └── 'N', if TLS is not required ──► ▲   ├─► (md5, cleartext) ──────────────────────┼─► AwaitOk ─► Greeting ─► Ready
//!                                             └─► (trust) ───────────────────────────────┘          ▲
//! ```
//!
//! **Job.** Take a fresh connection to the first ReadyForQuery with the gateway's own credentials and the client's settings, and
//! report what the upstream said of itself on the way.
//!
//! **What it does not do.** It verifies no certificate (the handshake is the host's), derives no keys (the host answers
//! [`UpstreamStep::NeedKeys`]) and never retries. It always asks for protocol 3.0, whatever the client speaks: all that 3.2
//! adds are longer cancel keys.
//!
//! **Invariants.** Exactly one byte answers SSLRequest. A password in clear crosses only TLS, unless allowed. After SCRAM, no
//! AuthenticationOk counts before the upstream's signature did. What an upstream may make us read or compute has limits.
//! Source: PostgreSQL documentation, "Start-up", "SASL Authentication".

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::cancel::{BackendKey, parse_backend_key};
use super::error::UpstreamReport;
use super::frame::{BadFrame, Body, Frame, Inbox, MAX_AUTH_FRAME_BYTES, typed};
use super::md5::md5_response;
use super::names::{DatabaseName, StartupParameters, UserName};
use super::negotiate::upstream_stays_at_3_0;
use super::scram::{KeyRequest, Nonce, ScramKeys};
use super::scram_client::{DEFAULT_MAX_ITERATIONS, Gs2Flag, ScramClient, ScramClientFinal, ScramClientKeys};
use super::scram_server::{SCRAM, SCRAM_PLUS};
use super::secret::{EndPointHash, Outgoing, Password};
use super::startup::{CleartextPolicy, ssl_request, startup_message_3_0};
use super::upstream_fault::UpstreamLoginError;

/// Largest message between AuthenticationOk and ReadyForQuery: settings are short, but a notice may quote much.
const MAX_GREETING_FRAME_BYTES: usize = 1024 * 1024;

/// Most that an upstream may send before it is ready, all messages together: 20 settings are 1 KiB.
const MAX_LOGIN_BYTES: usize = 4 * 1024 * 1024;

/// Longest error text in the format of protocol 2, which has no length and ends with a NUL.
const MAX_BARE_ERROR_BYTES: usize = 4096;

/// Whether the connection to an upstream is encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamTls {
    /// Stay plain.
    Off,
    /// Ask, and go on plain when there is none. Protects from nobody who can change bytes on the way.
    Prefer,
    /// Ask, and refuse to go on without.
    Require,
    /// TLS began without asking (PostgreSQL 17) and stands. With the certificate's hash, if it has one.
    Established(Option<EndPointHash>),
}

/// How a client of an upstream can prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamMethod {
    /// No proof asked.
    Trust,
    /// The password in clear.
    Cleartext,
    /// The password under MD5.
    Md5,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-256-PLUS: bound to the upstream's certificate.
    ScramSha256Plus,
}

impl UpstreamMethod {
    /// All methods there are.
    pub const ALL: [Self; 5] =
        [Self::Trust, Self::Cleartext, Self::Md5, Self::ScramSha256, Self::ScramSha256Plus];
}

/// How to log in at an upstream.
#[derive(Debug, Clone)]
pub struct UpstreamLoginOptions {
    /// The gateway's account.
    pub user: UserName,
    /// The database to open.
    pub database: DatabaseName,
    /// The client's settings.
    pub parameters: StartupParameters,
    /// Whether to encrypt.
    pub tls: UpstreamTls,
    /// For the methods `Cleartext` and `Md5`; SCRAM asks for keys instead.
    pub password: Option<Password>,
    /// Where `Cleartext` may be used.
    pub cleartext: CleartextPolicy,
    /// Methods the upstream may ask for. Leaving out `ScramSha256Plus` turns channel binding off; leaving out all others
    /// demands it.
    pub accept: Vec<UpstreamMethod>,
    /// Most SCRAM iterations the upstream may ask for.
    pub max_iterations: u32,
}

impl UpstreamLoginOptions {
    /// TLS required, no settings, no password, every method accepted but a password in clear only over TLS, and
    /// [`DEFAULT_MAX_ITERATIONS`].
    pub fn new(user: UserName, database: DatabaseName) -> Self {
        Self {
            user,
            database,
            parameters: StartupParameters::new(),
            tls: UpstreamTls::Require,
            password: None,
            cleartext: CleartextPolicy::OnlyOverTls,
            accept: UpstreamMethod::ALL.to_vec(),
            max_iterations: DEFAULT_MAX_ITERATIONS,
        }
    }
}

/// What the host has to do next.
#[derive(Debug)]
pub enum UpstreamStep {
    /// Read from the upstream, [`feed`](UpstreamLogin::feed) everything that was read, step again.
    NeedInput,
    /// Write this to the upstream and flush it, step again.
    Send(Outgoing),
    /// Make the TLS handshake, then call [`tls_started`](UpstreamLogin::tls_started).
    StartTls,
    /// Find or [derive](KeyRequest::derive) these keys, then call [`keys`](UpstreamLogin::keys).
    NeedKeys(KeyRequest),
    /// The upstream waits for the first statement. The login is over.
    Ready(Ready),
}

/// What an upstream said of itself until it was ready.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ready {
    /// Its settings (ParameterStatus) in order, the last value of each. Text that is not UTF-8 is repaired.
    pub parameters: Vec<(String, String)>,
    /// What to cancel its session with. Some proxies give none.
    pub key: Option<BackendKey>,
    /// What it had to say (NoticeResponse).
    pub notices: Vec<UpstreamReport>,
    /// How we proved ourselves.
    pub method: UpstreamMethod,
    /// Bytes after ReadyForQuery.
    pub leftover: Vec<u8>,
}

enum State {
    SslReply,
    TlsHandshake,
    Authentication,
    ScramFirst(ScramClient, UpstreamMethod),
    AwaitKeys(ScramClientKeys, UpstreamMethod),
    ScramFinal(ScramClientFinal, UpstreamMethod),
    /// We did our part; the method is proven as far as the upstream has to prove itself.
    AwaitOk(UpstreamMethod),
    Greeting(UpstreamMethod),
    Ended,
}

impl State {
    fn during(&self) -> &'static str {
        match self {
            Self::SslReply | Self::TlsHandshake => "in answer to SSLRequest",
            Self::Authentication => "in answer to the startup packet",
            Self::ScramFirst(..) | Self::AwaitKeys(..) | Self::ScramFinal(..) => "in the middle of SCRAM",
            Self::AwaitOk(_) => "in answer to the proof",
            Self::Greeting(_) => "between AuthenticationOk and ReadyForQuery",
            Self::Ended => "after the login",
        }
    }

    /// The limit of each type of message that may come now.
    fn limit(&self, tag: u8) -> Option<usize> {
        match (self, tag) {
            (Self::Greeting(_), b'S' | b'K' | b'N' | b'E' | b'Z') => Some(MAX_GREETING_FRAME_BYTES),
            (Self::Greeting(_), _) => None,
            (Self::Authentication, b'v') => Some(MAX_AUTH_FRAME_BYTES),
            (_, b'R' | b'N' | b'E') => Some(MAX_AUTH_FRAME_BYTES),
            _ => None,
        }
    }
}

/// The login at one upstream; see the module's text.
pub struct UpstreamLogin {
    options: UpstreamLoginOptions,
    nonce: Nonce,
    startup: Vec<u8>,
    encrypted: bool,
    binding: Option<EndPointHash>,
    inbox: Inbox,
    received_bytes: usize,
    parameters: Vec<(String, String)>,
    key: Option<BackendKey>,
    notices: Vec<UpstreamReport>,
    /// Steps that were decided and not yet given out.
    due: VecDeque<UpstreamStep>,
    state: State,
}

impl UpstreamLogin {
    /// A login on a fresh connection, with a fresh nonce.
    ///
    /// # Errors
    /// The startup packet would be too long.
    pub fn new(options: UpstreamLoginOptions, nonce: Nonce) -> Result<Self, UpstreamLoginError> {
        let startup = startup_message_3_0(&options.user, &options.database, &options.parameters)
            .ok_or(UpstreamLoginError::StartupTooLong)?;
        let (encrypted, binding, asks) = match &options.tls {
            UpstreamTls::Off => (false, None, false),
            UpstreamTls::Prefer | UpstreamTls::Require => (false, None, true),
            UpstreamTls::Established(binding) => (true, binding.clone(), false),
        };
        let mut login = Self {
            options,
            nonce,
            startup,
            encrypted,
            binding,
            inbox: Inbox::default(),
            received_bytes: 0,
            parameters: Vec::new(),
            key: None,
            notices: Vec::new(),
            due: VecDeque::new(),
            state: State::SslReply,
        };
        if asks {
            login.send(ssl_request());
        } else {
            login.start();
        }
        Ok(login)
    }

    /// Takes bytes that were read from the upstream: all that were read, in order.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.inbox.feed(bytes);
    }

    /// What to do next.
    ///
    /// # Errors
    /// The login failed: close the connection. Every later step fails too.
    pub fn step(&mut self) -> Result<UpstreamStep, UpstreamLoginError> {
        loop {
            if let Some(step) = self.due.pop_front() {
                return Ok(step);
            }
            if let Some(step) = self.advance()? {
                return Ok(step);
            }
        }
    }

    /// The handshake asked for by [`UpstreamStep::StartTls`] is done. With the hash of the upstream's certificate, if it
    /// has one, the channel can be bound.
    ///
    /// # Errors
    /// Bytes were fed since the upstream's word, or no handshake was asked for.
    pub fn tls_started(&mut self, binding: Option<EndPointHash>) -> Result<(), UpstreamLoginError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::TlsHandshake if self.inbox.is_empty() => {
                self.encrypted = true;
                self.binding = binding;
                self.start();
                Ok(())
            }
            State::TlsHandshake => Err(UpstreamLoginError::BytesBeforeTls),
            _ => Err(UpstreamLoginError::Misuse("no TLS handshake was asked for")),
        }
    }

    /// The answer to [`UpstreamStep::NeedKeys`].
    ///
    /// # Errors
    /// No keys were asked for.
    pub fn keys(&mut self, keys: &ScramKeys) -> Result<(), UpstreamLoginError> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::AwaitKeys(scram, method) => {
                let (client_final, next) = scram.client_final(keys);
                self.send(typed(b'p', client_final.as_bytes()));
                self.state = State::ScramFinal(next, method);
                Ok(())
            }
            _ => Err(UpstreamLoginError::Misuse("no keys were asked for")),
        }
    }

    /// The error for a connection that the upstream closed now.
    pub fn closed(&self) -> UpstreamLoginError {
        UpstreamLoginError::Closed { during: self.state.during() }
    }

    fn start(&mut self) {
        let startup = std::mem::take(&mut self.startup);
        self.send(startup);
        self.state = State::Authentication;
    }

    /// One stage further: gives the next step, or `None` if there is more to take. Whatever fails leaves `Ended` behind.
    fn advance(&mut self) -> Result<Option<UpstreamStep>, UpstreamLoginError> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        match state {
            State::SslReply => return self.ssl_reply(),
            State::TlsHandshake | State::AwaitKeys(..) => {
                return Err(UpstreamLoginError::Misuse("stepped before the question was answered"));
            }
            State::Ended => return Err(UpstreamLoginError::Misuse("stepped after the end")),
            _ => {}
        }
        let Some(frame) = self.message(&state)? else {
            self.state = state;
            return Ok(Some(UpstreamStep::NeedInput));
        };
        match (frame.tag, state) {
            (b'E', _) => Err(UpstreamLoginError::Refused(UpstreamReport::parse(&frame.body))),
            (b'N', state) => {
                self.notices.push(UpstreamReport::parse(&frame.body));
                self.state = state;
                Ok(None)
            }
            (b'R', state) => self.authentication(state, &frame.body),
            (b'v', state) => {
                if !upstream_stays_at_3_0(&frame.body) {
                    return Err(UpstreamLoginError::Malformed("NegotiateProtocolVersion"));
                }
                self.state = state;
                Ok(None)
            }
            (_, State::Greeting(method)) => self.greeting(method, &frame),
            (tag, state) => Err(UpstreamLoginError::UnexpectedMessage { tag, during: state.during() }),
        }
    }

    fn ssl_reply(&mut self) -> Result<Option<UpstreamStep>, UpstreamLoginError> {
        match (self.inbox.peek(), &self.options.tls) {
            ([], _) => {
                self.state = State::SslReply;
                return Ok(Some(UpstreamStep::NeedInput));
            }
            // An error of an upstream that could not even fork; it may be of any length.
            ([b'E', ..], _) => return Err(UpstreamLoginError::ErrorBeforeTls),
            ([_, _, ..], _) => return Err(UpstreamLoginError::BytesBeforeTls),
            ([b'S'], _) => {
                self.due.push_back(UpstreamStep::StartTls);
                self.state = State::TlsHandshake;
            }
            ([b'N'], UpstreamTls::Prefer) => self.start(),
            ([b'N'], _) => return Err(UpstreamLoginError::TlsUnavailable),
            ([tag], _) => {
                let during = State::SslReply.during();
                return Err(UpstreamLoginError::UnexpectedMessage { tag: *tag, during });
            }
        }
        self.inbox.take_rest();
        Ok(None)
    }

    fn authentication(
        &mut self,
        state: State,
        body: &[u8],
    ) -> Result<Option<UpstreamStep>, UpstreamLoginError> {
        let during = state.during();
        let mut body = Body::new(body);
        let code = body.word().ok_or(UpstreamLoginError::Malformed("authentication message"))?;
        match (state, code) {
            (State::Authentication, 0) => {
                self.accept(UpstreamMethod::Trust)?;
                self.state = State::Greeting(UpstreamMethod::Trust);
            }
            (State::Authentication, 3) => self.cleartext()?,
            (State::Authentication, 5) => {
                let salt = body.rest().try_into();
                self.md5(salt.map_err(|_| UpstreamLoginError::Malformed("AuthenticationMD5Password"))?)?;
            }
            (State::Authentication, 10) => self.sasl(body.rest())?,
            (State::Authentication, code) => return Err(UpstreamLoginError::UnknownMethod { code }),
            (State::ScramFirst(scram, method), 11) => {
                let (request, next) = scram.server_first(body.rest(), self.options.max_iterations)?;
                self.due.push_back(UpstreamStep::NeedKeys(request));
                self.state = State::AwaitKeys(next, method);
            }
            (State::ScramFinal(scram, method), 12) => {
                scram.verify(body.rest())?;
                self.state = State::AwaitOk(method);
            }
            (State::AwaitOk(method), 0) => self.state = State::Greeting(method),
            // Above all: AuthenticationOk before the upstream's signature.
            _ => return Err(UpstreamLoginError::UnexpectedMessage { tag: b'R', during }),
        }
        Ok(None)
    }

    fn cleartext(&mut self) -> Result<(), UpstreamLoginError> {
        self.accept(UpstreamMethod::Cleartext)?;
        if !self.encrypted && self.options.cleartext == CleartextPolicy::OnlyOverTls {
            return Err(UpstreamLoginError::CleartextNeedsTls);
        }
        let password = self.options.password.as_ref().ok_or(UpstreamLoginError::NoPassword)?.expose();
        if password.contains(&0) {
            return Err(UpstreamLoginError::PasswordHoldsNul);
        }
        let body = Zeroizing::new([password, &[0]].concat());
        self.send(typed(b'p', &body));
        self.state = State::AwaitOk(UpstreamMethod::Cleartext);
        Ok(())
    }

    fn md5(&mut self, salt: [u8; 4]) -> Result<(), UpstreamLoginError> {
        self.accept(UpstreamMethod::Md5)?;
        let password = self.options.password.as_ref().ok_or(UpstreamLoginError::NoPassword)?;
        let answer = md5_response(&self.options.user, password, salt);
        let body = Zeroizing::new([answer.as_bytes(), &[0]].concat());
        self.send(typed(b'p', &body));
        self.state = State::AwaitOk(UpstreamMethod::Md5);
        Ok(())
    }

    /// AuthenticationSASL: names of mechanisms, each with its NUL, and an empty one at the end.
    fn sasl(&mut self, mechanisms: &[u8]) -> Result<(), UpstreamLoginError> {
        let malformed = UpstreamLoginError::Malformed("AuthenticationSASL");
        let mut names = Body::new(mechanisms);
        let (mut plain_offered, mut plus_offered) = (false, false);
        loop {
            match names.text() {
                Some(b"") => break,
                Some(name) => {
                    plain_offered |= name == SCRAM.as_bytes();
                    plus_offered |= name == SCRAM_PLUS.as_bytes();
                }
                None => return Err(malformed),
            }
        }
        if !names.is_empty() {
            return Err(malformed);
        }
        if plus_offered && !self.encrypted {
            return Err(UpstreamLoginError::PlusWithoutTls);
        }

        let accepts_plus = self.accept(UpstreamMethod::ScramSha256Plus).is_ok();
        let binding = self.binding.clone().filter(|_| accepts_plus);
        let (method, name, flag) = match binding {
            Some(hash) if plus_offered => {
                (UpstreamMethod::ScramSha256Plus, SCRAM_PLUS, Gs2Flag::EndPoint(hash))
            }
            _ if !plain_offered => return Err(UpstreamLoginError::NoMechanism),
            Some(_) => (UpstreamMethod::ScramSha256, SCRAM, Gs2Flag::NotOffered),
            None => (UpstreamMethod::ScramSha256, SCRAM, Gs2Flag::Unsupported),
        };
        self.accept(method)?;

        let scram = ScramClient::new(flag, self.nonce.clone());
        let client_first = scram.client_first();
        let mut body = name.as_bytes().to_vec();
        body.push(0);
        // A flag and a nonce of ours: far below 64 KiB.
        let length = u32::try_from(client_first.len()).unwrap_or(u32::MAX);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(client_first.as_bytes());
        self.send(typed(b'p', &body));
        self.state = State::ScramFirst(scram, method);
        Ok(())
    }

    fn greeting(
        &mut self,
        method: UpstreamMethod,
        frame: &Frame,
    ) -> Result<Option<UpstreamStep>, UpstreamLoginError> {
        let mut body = Body::new(&frame.body);
        match frame.tag {
            b'S' => {
                let (name, value) = (body.text(), body.text());
                let (Some(name), Some(value), true) = (name, value, body.is_empty()) else {
                    return Err(UpstreamLoginError::Malformed("ParameterStatus"));
                };
                self.parameter(String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            }
            b'K' => {
                let key = parse_backend_key(&frame.body);
                self.key = Some(key.ok_or(UpstreamLoginError::Malformed("BackendKeyData"))?);
            }
            b'Z' if frame.body.as_slice() == b"I" => {
                return Ok(Some(UpstreamStep::Ready(Ready {
                    parameters: std::mem::take(&mut self.parameters),
                    key: self.key.take(),
                    notices: std::mem::take(&mut self.notices),
                    method,
                    leftover: self.inbox.take_rest(),
                })));
            }
            // No transaction can be open before the first statement.
            b'Z' => return Err(UpstreamLoginError::Malformed("ReadyForQuery")),
            tag => {
                let during = State::Greeting(method).during();
                return Err(UpstreamLoginError::UnexpectedMessage { tag, during });
            }
        }
        self.state = State::Greeting(method);
        Ok(None)
    }

    fn parameter(&mut self, name: std::borrow::Cow<'_, str>, value: std::borrow::Cow<'_, str>) {
        match self.parameters.iter_mut().find(|(own, _)| *own == name) {
            Some((_, own)) => *own = value.into_owned(),
            None => self.parameters.push((name.into_owned(), value.into_owned())),
        }
    }

    fn accept(&self, method: UpstreamMethod) -> Result<(), UpstreamLoginError> {
        if self.options.accept.contains(&method) {
            Ok(())
        } else {
            Err(UpstreamLoginError::MethodNotAccepted(method))
        }
    }

    fn message(&mut self, state: &State) -> Result<Option<Frame>, UpstreamLoginError> {
        match self.inbox.typed(|tag| state.limit(tag)) {
            Ok(None) => Ok(None),
            Ok(Some(frame)) => {
                let frame_bytes = frame.body.len().saturating_add(5);
                self.received_bytes = self.received_bytes.saturating_add(frame_bytes);
                if self.received_bytes > MAX_LOGIN_BYTES {
                    return Err(UpstreamLoginError::TooTalkative { limit_bytes: MAX_LOGIN_BYTES });
                }
                Ok(Some(frame))
            }
            Err(BadFrame::Length { tag: b'E', .. }) if !matches!(state, State::Greeting(_)) => {
                self.bare_error()
            }
            Err(BadFrame::Length { tag, length }) => Err(UpstreamLoginError::MessageLength { tag, length }),
            Err(BadFrame::Unexpected { tag }) => {
                Err(UpstreamLoginError::UnexpectedMessage { tag, during: state.during() })
            }
        }
    }

    /// An error in the format of protocol 2, `E` and a text up to NUL: what very old servers, and some poolers that run
    /// out of something, send to anybody.
    fn bare_error<T>(&self) -> Result<Option<T>, UpstreamLoginError> {
        let text = self.inbox.peek().get(1..).unwrap_or_default();
        let window = text.get(..MAX_BARE_ERROR_BYTES).unwrap_or(text);
        match Body::new(window).text() {
            Some(text) => Err(UpstreamLoginError::Refused(UpstreamReport::bare(text))),
            None if window.len() == MAX_BARE_ERROR_BYTES => {
                Err(UpstreamLoginError::Refused(UpstreamReport::bare(window)))
            }
            None => Ok(None),
        }
    }

    fn send(&mut self, bytes: Vec<u8>) {
        self.due.push_back(UpstreamStep::Send(Outgoing::new(bytes)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::error::{ErrorReport, SqlState};
    use crate::postgres::reply::{
        TransactionStatus, authentication, authentication_ok, parameter_status, ready_for_query,
    };

    fn options(tls: UpstreamTls) -> UpstreamLoginOptions {
        let mut options =
            UpstreamLoginOptions::new(UserName::new("u").unwrap(), DatabaseName::new("d").unwrap());
        options.tls = tls;
        options.password = Some(Password::new("pw"));
        options
    }

    fn login(options: UpstreamLoginOptions) -> UpstreamLogin {
        UpstreamLogin::new(options, Nonce::from_random([1; 18])).unwrap()
    }

    /// Steps until there is something else to do than to send.
    fn drain(login: &mut UpstreamLogin) -> (Vec<u8>, Result<UpstreamStep, UpstreamLoginError>) {
        let mut sent = Vec::new();
        loop {
            match login.step() {
                Ok(UpstreamStep::Send(bytes)) => sent.extend_from_slice(&bytes),
                other => return (sent, other),
            }
        }
    }

    /// What a plain login says to an answer to its startup packet.
    fn answer(
        options: UpstreamLoginOptions,
        input: &[u8],
    ) -> (Vec<u8>, Result<UpstreamStep, UpstreamLoginError>) {
        let mut login = login(options);
        drain(&mut login).1.unwrap();
        login.feed(input);
        drain(&mut login)
    }

    fn refusal(options: UpstreamLoginOptions, input: &[u8]) -> UpstreamLoginError {
        answer(options, input).1.unwrap_err()
    }

    const STARTUP: &[u8] = b"\0\0\0\x1b\0\x03\0\0user\0u\0database\0d\0\0";

    #[test]
    fn the_answer_to_ssl_request_is_one_byte() {
        let check = |tls: UpstreamTls, reply: &[u8], expect: Result<&str, UpstreamLoginError>| {
            let mut login = login(options(tls));
            let (sent, step) = drain(&mut login);
            assert_eq!(sent, [0, 0, 0, 8, 4, 210, 22, 47]);
            assert!(matches!(step, Ok(UpstreamStep::NeedInput)));
            login.feed(reply);
            let (sent, step) = drain(&mut login);
            let told = step.map(|step| match step {
                UpstreamStep::StartTls => "tls",
                UpstreamStep::NeedInput if sent == STARTUP => "plain",
                _ => "?",
            });
            assert_eq!(told, expect);
        };
        use UpstreamLoginError as E;
        check(UpstreamTls::Require, b"S", Ok("tls"));
        check(UpstreamTls::Prefer, b"S", Ok("tls"));
        check(UpstreamTls::Prefer, b"N", Ok("plain"));
        check(UpstreamTls::Require, b"N", Err(E::TlsUnavailable));
        check(UpstreamTls::Require, b"SR", Err(E::BytesBeforeTls));
        check(UpstreamTls::Prefer, b"NR", Err(E::BytesBeforeTls));
        check(UpstreamTls::Prefer, b"E", Err(E::ErrorBeforeTls));
        check(UpstreamTls::Prefer, b"E\0\0\0\x05\0", Err(E::ErrorBeforeTls));
        let during = "in answer to SSLRequest";
        check(UpstreamTls::Prefer, b"G", Err(E::UnexpectedMessage { tag: b'G', during }));
    }

    #[test]
    fn bytes_in_front_of_the_handshake_are_refused() {
        let mut login = login(options(UpstreamTls::Require));
        drain(&mut login).1.unwrap();
        login.feed(b"S");
        assert!(matches!(drain(&mut login).1, Ok(UpstreamStep::StartTls)));
        login.feed(b"R");
        assert_eq!(login.tls_started(None), Err(UpstreamLoginError::BytesBeforeTls));
        assert!(login.step().is_err());
    }

    #[test]
    fn trust_and_a_greeting() {
        let input = [
            authentication_ok(),
            parameter_status("server_version", "15.1"),
            ErrorReport::new(crate::postgres::Severity::Notice, SqlState::SUCCESSFUL_COMPLETION, "hi")
                .to_notice_response(),
            parameter_status("TimeZone", "UTC"),
            parameter_status("server_version", "15.2"),
            b"K\0\0\0\x0c\0\0\0\x07abcd".to_vec(),
            ready_for_query(TransactionStatus::Idle),
            b"rest".to_vec(),
        ]
        .concat();
        let (sent, step) = answer(options(UpstreamTls::Off), &input);
        assert_eq!(sent, b"");
        let Ok(UpstreamStep::Ready(ready)) = step else { panic!("{step:?}") };
        assert_eq!(
            ready.parameters,
            [("server_version".into(), "15.2".into()), ("TimeZone".into(), "UTC".into())]
        );
        let key = ready.key.unwrap();
        assert_eq!((key.process_id, key.key.expose()), (7, b"abcd".as_slice()));
        assert_eq!(ready.notices[0].message(), "hi");
        assert_eq!(ready.method, UpstreamMethod::Trust);
        assert_eq!(ready.leftover, b"rest");
    }

    #[test]
    fn a_key_is_not_demanded() {
        let input = [authentication_ok(), ready_for_query(TransactionStatus::Idle)].concat();
        let (_, step) = answer(options(UpstreamTls::Off), &input);
        assert!(matches!(step, Ok(UpstreamStep::Ready(Ready { key: None, .. }))));
    }

    #[test]
    fn a_password_in_clear_crosses_only_tls() {
        let ask = authentication(3, &[]);
        let plain = options(UpstreamTls::Off);
        assert_eq!(refusal(plain.clone(), &ask), UpstreamLoginError::CleartextNeedsTls);
        let allowed = UpstreamLoginOptions { cleartext: CleartextPolicy::AllowOnPlain, ..plain };
        assert_eq!(answer(allowed, &ask).0, b"p\0\0\0\x07pw\0");
        let tls = options(UpstreamTls::Established(None));
        assert_eq!(answer(tls.clone(), &ask).0, b"p\0\0\0\x07pw\0");
        let none = UpstreamLoginOptions { password: None, ..tls.clone() };
        assert_eq!(refusal(none, &ask), UpstreamLoginError::NoPassword);
        let nul = UpstreamLoginOptions { password: Some(Password::new("a\0b")), ..tls };
        assert_eq!(refusal(nul, &ask), UpstreamLoginError::PasswordHoldsNul);
    }

    #[test]
    fn md5_answers_with_user_password_and_salt() {
        let (sent, _) = answer(options(UpstreamTls::Off), &authentication(5, &[1, 2, 3, 4]));
        let answer = md5_response(&UserName::new("u").unwrap(), &Password::new("pw"), [1, 2, 3, 4]);
        assert_eq!(sent, [b"p\0\0\0\x28", answer.as_bytes(), b"\0"].concat());
        assert_eq!(
            refusal(options(UpstreamTls::Off), &authentication(5, &[1, 2, 3])),
            UpstreamLoginError::Malformed("AuthenticationMD5Password")
        );
    }

    #[test]
    fn the_mechanism_and_the_flag_tell_the_truth() {
        let hash = EndPointHash::new([7; 32]);
        let bound = UpstreamTls::Established(Some(hash.clone()));
        let unbound = UpstreamTls::Established(None);
        let no_plus = vec![UpstreamMethod::ScramSha256];
        let only_plus = vec![UpstreamMethod::ScramSha256Plus];
        let all = UpstreamMethod::ALL.to_vec();
        let check = |tls: &UpstreamTls,
                     accept: &Vec<UpstreamMethod>,
                     offer: &[u8],
                     expect: Result<&str, UpstreamLoginError>| {
            let options = UpstreamLoginOptions { accept: accept.clone(), ..options(tls.clone()) };
            let (sent, step) = answer(options, &authentication(10, offer));
            let told = step.map(|_| sent[5..].escape_ascii().to_string());
            assert_eq!(told, expect.map(str::to_owned));
        };
        use UpstreamLoginError as E;
        let both = b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0".as_slice();
        let plain = b"OAUTHBEARER\0SCRAM-SHA-256\0\0".as_slice();
        let p = r"SCRAM-SHA-256-PLUS\x00\x00\x00\x005p=tls-server-end-point,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
        let n = r"SCRAM-SHA-256\x00\x00\x00\x00 n,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
        let y = r"SCRAM-SHA-256\x00\x00\x00\x00 y,,n=,r=AQEBAQEBAQEBAQEBAQEBAQEB";
        check(&bound, &all, both, Ok(p));
        check(&bound, &all, plain, Ok(y));
        check(&bound, &no_plus, both, Ok(n));
        check(&bound, &no_plus, plain, Ok(n));
        check(&unbound, &all, both, Ok(n));
        check(&UpstreamTls::Off, &all, plain, Ok(n));
        check(&UpstreamTls::Off, &all, both, Err(E::PlusWithoutTls));
        check(&bound, &only_plus, plain, Err(E::MethodNotAccepted(UpstreamMethod::ScramSha256)));
        check(&bound, &all, b"OAUTHBEARER\0\0", Err(E::NoMechanism));
        check(&bound, &all, b"\0", Err(E::NoMechanism));
        check(&bound, &all, b"SCRAM-SHA-256\0", Err(E::Malformed("AuthenticationSASL")));
        check(&bound, &all, b"SCRAM-SHA-256\0\0x", Err(E::Malformed("AuthenticationSASL")));
    }

    #[test]
    fn methods_that_are_not_accepted_or_known() {
        let only_scram =
            |tls| UpstreamLoginOptions { accept: vec![UpstreamMethod::ScramSha256], ..options(tls) };
        let check = |input: Vec<u8>, expect: UpstreamLoginError| {
            assert_eq!(refusal(only_scram(UpstreamTls::Off), &input), expect);
        };
        use UpstreamLoginError as E;
        check(authentication_ok(), E::MethodNotAccepted(UpstreamMethod::Trust));
        check(authentication(3, &[]), E::MethodNotAccepted(UpstreamMethod::Cleartext));
        check(authentication(5, &[0; 4]), E::MethodNotAccepted(UpstreamMethod::Md5));
        check(authentication(7, &[]), E::UnknownMethod { code: 7 });
        check(authentication(11, b"r=x"), E::UnknownMethod { code: 11 });
        check(b"R\0\0\0\x06\0\0".to_vec(), E::Malformed("authentication message"));
    }

    #[test]
    fn errors_in_every_shape_end_the_login_as_errors() {
        let check = |input: &[u8], message: &str| match refusal(options(UpstreamTls::Off), input) {
            UpstreamLoginError::Refused(report) => assert_eq!(report.message(), message),
            other => panic!("{other:?}"),
        };
        let modern = ErrorReport::fatal(SqlState::TOO_MANY_CONNECTIONS, "sorry").to_error_response();
        check(&modern, "sorry");
        check(b"E\0\0\0\x04", "");
        check(b"E\0\0\0\x0dMno state", "no state");
        check(b"EFATAL:  very old\n\0", "FATAL:  very old");
        check(&[b"E".as_slice(), &[b'x'; 5000]].concat(), &"x".repeat(4096));
        check(b"E\0\0\0\0", "");
    }

    #[test]
    fn what_has_no_place_is_refused() {
        use UpstreamLoginError as E;
        let check = |input: &[&[u8]], expect: E| {
            assert_eq!(refusal(options(UpstreamTls::Off), &input.concat()), expect);
        };
        let ok = authentication_ok();
        let startup = "in answer to the startup packet";
        let greeting = "between AuthenticationOk and ReadyForQuery";
        check(&[b"Z"], E::UnexpectedMessage { tag: b'Z', during: startup });
        check(&[b"S"], E::UnexpectedMessage { tag: b'S', during: startup });
        check(&[&ok, b"R"], E::UnexpectedMessage { tag: b'R', during: greeting });
        check(&[&ok, b"D"], E::UnexpectedMessage { tag: b'D', during: greeting });
        check(&[&ok, b"Z\0\0\0\x05T"], E::Malformed("ReadyForQuery"));
        check(&[&ok, b"Z\0\0\0\x04"], E::Malformed("ReadyForQuery"));
        check(&[&ok, b"K\0\0\0\x0b\0\0\0\x07abc"], E::Malformed("BackendKeyData"));
        check(&[&ok, b"S\0\0\0\x06a\0"], E::Malformed("ParameterStatus"));
        check(&[&ok, b"S\0\0\0\x09a\0b\0c"], E::Malformed("ParameterStatus"));
        check(&[b"R\0\x01\0\x01"], E::MessageLength { tag: b'R', length: 65_537 });
        check(&[b"R\0\0\0\x03"], E::MessageLength { tag: b'R', length: 3 });
        check(&[&ok, b"N\xff\xff\xff\xff"], E::MessageLength { tag: b'N', length: u32::MAX });
        check(&[b"v\0\0\0\x0c\0\x03\0\x02\0\0\0\0"], E::Malformed("NegotiateProtocolVersion"));
    }

    #[test]
    fn a_needless_negotiation_is_tolerated() {
        let input = [
            b"v\0\0\0\x0c\0\x03\0\0\0\0\0\0".to_vec(),
            authentication_ok(),
            ready_for_query(TransactionStatus::Idle),
        ];
        assert!(matches!(answer(options(UpstreamTls::Off), &input.concat()).1, Ok(UpstreamStep::Ready(_))));
    }

    #[test]
    fn an_upstream_that_talks_without_end_is_left() {
        let mut login = login(options(UpstreamTls::Off));
        drain(&mut login).1.unwrap();
        login.feed(&authentication_ok());
        let notice = typed(b'N', &[b"M".as_slice(), &vec![b'x'; 1_000_000], b"\0\0"].concat());
        for _ in 0..4 {
            login.feed(&notice);
            drain(&mut login).1.unwrap();
        }
        login.feed(&notice);
        let limit_bytes = MAX_LOGIN_BYTES;
        assert_eq!(drain(&mut login).1.unwrap_err(), UpstreamLoginError::TooTalkative { limit_bytes });
    }

    #[test]
    fn settings_of_a_client_may_be_too_long() {
        let mut options = options(UpstreamTls::Off);
        options.parameters.push("a", "x".repeat(10_000)).unwrap();
        let result = UpstreamLogin::new(options, Nonce::from_random([1; 18]));
        assert_eq!(result.err(), Some(UpstreamLoginError::StartupTooLong));
    }

    #[test]
    fn closing_and_misuse() {
        let mut login = login(options(UpstreamTls::Require));
        assert_eq!(login.closed(), UpstreamLoginError::Closed { during: "in answer to SSLRequest" });
        let keys = KeyRequest { salt: vec![1], iterations: 1 }.derive(&Password::new("x"));
        assert!(matches!(login.keys(&keys), Err(UpstreamLoginError::Misuse(_))));
        assert!(matches!(
            super::UpstreamLogin::new(options(UpstreamTls::Off), Nonce::from_random([1; 18]))
                .unwrap()
                .tls_started(None),
            Err(UpstreamLoginError::Misuse(_))
        ));
    }
}
