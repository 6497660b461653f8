//! Logging in at a PostgreSQL upstream with the gateway's own account.
//!
//! The password never leaves this file and `weir-wire`; the keys SCRAM derives from it are kept, because deriving
//! them anew at each login would cost 2.5 ms of CPU.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_config::settings::{self, Endpoint, PostgresUpstream, TlsMode};
use weir_net::{ClientTls, OwnCertificate, Stream, Verify};
use weir_wire::postgres::{
    CleartextPolicy, DatabaseName, EndPointHash, KeyRequest, Nonce, Password, Ready, ScramKeys,
    StartupParameters, UpstreamLogin, UpstreamLoginError, UpstreamLoginOptions, UpstreamStep, UpstreamTls,
    UserName,
};

/// How long an upstream may take from the first packet to its first ReadyForQuery.
const LOGIN_TIME: Duration = Duration::from_secs(30);
/// How long a TCP connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// One read of the login.
const READ_BYTES: usize = 4096;

/// Where and how to log in; one per resource.
pub(crate) struct Account {
    endpoint: Endpoint,
    user: UserName,
    password: Option<Password>,
    tls: Option<ClientTls>,
    /// the last keys derived, and for what
    keys: Mutex<Option<(KeyRequest, Arc<ScramKeys>)>>,
}

/// A connection that waits for its first statement.
pub(crate) struct Upstream {
    pub(crate) stream: Stream,
    pub(crate) ready: Ready,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error(transparent)]
    Connect(#[from] weir_net::ConnectError),
    #[error("TLS with the upstream failed: {0}")]
    Tls(std::io::Error),
    #[error("the upstream broke the connection during the login: {0}")]
    Broken(std::io::Error),
    #[error(transparent)]
    Login(#[from] UpstreamLoginError),
    #[error("the upstream did not finish the login within {} s", LOGIN_TIME.as_secs())]
    Late,
    #[error("the keys for the upstream's password could not be derived")]
    Keys,
    #[error("there is no randomness: {0}")]
    Random(getrandom::Error),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("the account's name: {0}")]
    User(#[from] weir_wire::postgres::InvalidName),
    #[error(transparent)]
    Tls(#[from] weir_net::ClientTlsError),
    #[error("upstreams behind Unix sockets are not supported yet: name a host and a port")]
    UnixSocket,
}

/// As the room of TLS takes it.
pub(crate) fn own_certificate(shown: &settings::OwnCertificate) -> OwnCertificate<'_> {
    OwnCertificate { certificate: &shown.certificate, key: shown.key.expose() }
}

impl Account {
    /// Reads what the configuration says about the upstream: loads the authorities to trust.
    pub(crate) fn of(upstream: &PostgresUpstream) -> Result<Self, AccountError> {
        let ca = upstream.ca.as_deref();
        let own = upstream.shown.as_ref().map(own_certificate);
        let tls = |verify| ClientTls::load(verify, ca, &["postgresql"], own).map(Some);
        let tls = match upstream.tls {
            TlsMode::Disable => None,
            TlsMode::Require => tls(Verify::Require)?,
            TlsMode::VerifyCa => tls(Verify::Ca)?,
            TlsMode::VerifyFull => tls(Verify::Full)?,
        };
        if matches!(upstream.endpoint, Endpoint::Unix(_)) {
            return Err(AccountError::UnixSocket);
        }
        Ok(Self {
            endpoint: upstream.endpoint.clone(),
            user: UserName::new(upstream.user.clone())?,
            password: upstream.password.as_ref().map(|secret| Password::new(secret.expose().as_bytes())),
            tls,
            keys: Mutex::new(None),
        })
    }

    /// Opens a session of the gateway's account with the client's settings.
    pub(crate) async fn log_in(
        &self,
        database: DatabaseName,
        parameters: StartupParameters,
    ) -> Result<Upstream, UpstreamError> {
        let stream = Stream::Plain(self.dial().await?);
        let login = self.drive(stream, database, parameters);
        tokio::time::timeout(LOGIN_TIME, login).await.map_err(|_| UpstreamError::Late)?
    }

    /// A bare connection: for cancel requests. Inside TLS where the account uses it.
    pub(crate) async fn dial_for_cancel(&self) -> Result<Stream, UpstreamError> {
        let socket = self.dial().await?;
        let Some(tls) = &self.tls else { return Ok(Stream::Plain(socket)) };
        let mut socket = socket;
        socket.write_all(&SSL_REQUEST).await.map_err(UpstreamError::Broken)?;
        let mut answer = [0];
        socket.read_exact(&mut answer).await.map_err(UpstreamError::Broken)?;
        if answer != *b"S" {
            return Err(UpstreamError::Login(UpstreamLoginError::TlsUnavailable));
        }
        let (stream, _) = tls.connect(self.host(), socket).await.map_err(UpstreamError::Tls)?;
        Ok(stream)
    }

    async fn dial(&self) -> Result<tokio::net::TcpStream, UpstreamError> {
        match &self.endpoint {
            Endpoint::Tcp { host, port } => Ok(weir_net::connect(host, *port, CONNECT_TIME).await?),
            Endpoint::Unix(_) => Err(UpstreamError::Broken(std::io::ErrorKind::Unsupported.into())),
        }
    }

    fn host(&self) -> &str {
        match &self.endpoint {
            Endpoint::Tcp { host, .. } => host,
            Endpoint::Unix(_) => "localhost",
        }
    }

    async fn drive(
        &self,
        mut stream: Stream,
        database: DatabaseName,
        parameters: StartupParameters,
    ) -> Result<Upstream, UpstreamError> {
        let mut options = UpstreamLoginOptions::new(self.user.clone(), database);
        options.parameters = parameters;
        options.password = self.password.clone();
        options.tls = if self.tls.is_some() { UpstreamTls::Require } else { UpstreamTls::Off };
        if self.endpoint.is_local() {
            options.cleartext = CleartextPolicy::AllowOnPlain;
        }
        let mut login = UpstreamLogin::new(options, nonce()?)?;
        loop {
            match login.step()? {
                UpstreamStep::NeedInput => {
                    let mut buffer = [0; READ_BYTES];
                    match stream.read(&mut buffer).await.map_err(UpstreamError::Broken)? {
                        0 => return Err(login.closed().into()),
                        count => login.feed(buffer.get(..count).unwrap_or_default()),
                    }
                }
                UpstreamStep::Send(bytes) => {
                    stream.write_all(&bytes).await.map_err(UpstreamError::Broken)?;
                    stream.flush().await.map_err(UpstreamError::Broken)?;
                }
                UpstreamStep::StartTls => {
                    let (Stream::Plain(socket), Some(tls)) = (stream, &self.tls) else {
                        return Err(UpstreamError::Tls(std::io::ErrorKind::Unsupported.into()));
                    };
                    let (encrypted, end_point) =
                        tls.connect(self.host(), socket).await.map_err(UpstreamError::Tls)?;
                    stream = encrypted;
                    login.tls_started(end_point.map(EndPointHash::new))?;
                }
                UpstreamStep::NeedKeys(request) => login.keys(&*self.keys(request).await?)?,
                UpstreamStep::Ready(ready) => return Ok(Upstream { stream, ready }),
            }
        }
    }

    /// The keys for this salt and count: those of the last login, or newly derived off the I/O threads.
    async fn keys(&self, request: KeyRequest) -> Result<Arc<ScramKeys>, UpstreamError> {
        if let Some((known, keys)) = &*self.keys.lock().unwrap_or_else(PoisonError::into_inner)
            && *known == request
        {
            return Ok(Arc::clone(keys));
        }
        let password = self.password.clone().ok_or(UpstreamLoginError::NoPassword)?;
        let wanted = request.clone();
        let derived = tokio::task::spawn_blocking(move || wanted.derive(&password)).await;
        let keys = Arc::new(derived.map_err(|_| UpstreamError::Keys)?);
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some((request, Arc::clone(&keys)));
        Ok(keys)
    }
}

/// SSLRequest: length 8, code 1234.5679.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// A fresh nonce for one SCRAM exchange.
pub(crate) fn nonce() -> Result<Nonce, UpstreamError> {
    let mut random = [0; weir_wire::postgres::NONCE_RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(UpstreamError::Random)?;
    Ok(Nonce::from_random(random))
}
