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
use super::negotiate::upstream_stays_at_3_0;
use super::scram::{KeyRequest, Nonce, ScramKeys};
use super::scram_client::{Gs2Flag, ScramClient, ScramClientFinal, ScramClientKeys};
use super::scram_server::{SCRAM, SCRAM_PLUS};
use super::secret::{EndPointHash, Outgoing};
use super::startup::{CleartextPolicy, ssl_request, startup_message_3_0};
use super::upstream_fault::UpstreamLoginError;
use super::upstream_options::{UpstreamLoginOptions, UpstreamMethod, UpstreamTls};

/// Largest message between AuthenticationOk and ReadyForQuery: settings are short, but a notice may quote much.
const MAX_GREETING_FRAME_BYTES: usize = 1024 * 1024;

/// Most that an upstream may send before it is ready, all messages together: 20 settings are 1 KiB.
const MAX_LOGIN_BYTES: usize = 4 * 1024 * 1024;

/// Longest error text in the format of protocol 2, which has no length and ends with a NUL.
const MAX_BARE_ERROR_BYTES: usize = 4096;

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
mod tests;
