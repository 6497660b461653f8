//! The client that the `weir` command uses: one connection, opened again when the gateway has closed it.
//!
//! Credentials go to loopback addresses only, and only inside the `Authorization` header. A call that changes something
//! is sent once: when its connection breaks, nobody knows whether it took effect, and the error says so.

mod error;

pub use error::ClientError;

use crate::OperatorToken;
use crate::server::is_id;
use crate::views::{
    ApprovalView, ErrorBody, PluginView, ReviewBody, ReviewedView, SessionView, StatusView, Vote,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// Longer than the server takes to say that it was too slow.
const ANSWER_TIME: Duration = Duration::from_secs(40);
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Thousands of sessions, or the largest operation of the defaults that waits: 8 MiB twice, and JSON may spell a byte with
/// six.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;

/// What the caller shows.
#[derive(Clone)]
pub enum Credentials {
    Operator(OperatorToken),
    Reviewer {
        name: String,
        password: String,
    },
    /// Enough for [`AdminClient::health`].
    Nobody,
}

/// Calls to one gateway.
pub struct AdminClient {
    address: SocketAddr,
    authorization: Option<HeaderValue>,
    connection: SendRequest<Full<Bytes>>,
}

impl AdminClient {
    /// Opens the connection; credentials are shown with the first call.
    ///
    /// # Errors
    /// When nothing listens there, the address is not a loopback one, or the name cannot be sent.
    pub async fn connect(address: SocketAddr, credentials: Credentials) -> Result<Self, ClientError> {
        if !address.ip().is_loopback() {
            return Err(ClientError::NotLoopback(address));
        }
        let authorization = authorization(credentials)?;
        Ok(Self { address, authorization, connection: dial(address).await? })
    }

    /// # Errors
    /// [`ClientError::Refused`] with the reason when the gateway is there but cannot work.
    pub async fn health(&mut self) -> Result<(), ClientError> {
        self.text(Method::GET, "/healthz", None).await.map(drop)
    }

    /// The counters in the text format of Prometheus.
    ///
    /// # Errors
    /// See [`ClientError`]; the same for all calls below.
    pub async fn metrics(&mut self) -> Result<String, ClientError> {
        self.text(Method::GET, "/metrics", None).await
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn status(&mut self) -> Result<StatusView, ClientError> {
        self.json(Method::GET, "/v1/status", None).await
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn sessions(&mut self) -> Result<Vec<SessionView>, ClientError> {
        self.json(Method::GET, "/v1/sessions", None).await
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn kill_session(&mut self, id: &str) -> Result<(), ClientError> {
        let path = format!("/v1/sessions/{}", checked(id)?);
        self.text(Method::DELETE, &path, None).await.map(drop)
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn plugins(&mut self) -> Result<Vec<PluginView>, ClientError> {
        self.json(Method::GET, "/v1/plugins", None).await
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn approvals(&mut self) -> Result<Vec<ApprovalView>, ClientError> {
        self.json(Method::GET, "/v1/approvals", None).await
    }

    /// # Errors
    /// See [`ClientError`].
    pub async fn approval(&mut self, id: &str) -> Result<ApprovalView, ClientError> {
        let path = format!("/v1/approvals/{}", checked(id)?);
        self.json(Method::GET, &path, None).await
    }

    /// Approves or denies. `looked_at` is the digest of what the reviewer has seen; always give it where there is one.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn review(
        &mut self,
        id: &str,
        vote: Vote,
        comment: &str,
        looked_at: Option<&str>,
    ) -> Result<ReviewedView, ClientError> {
        let path = format!("/v1/approvals/{}/{}", checked(id)?, vote.as_word());
        let body = ReviewBody { comment: comment.to_owned(), digest: looked_at.map(str::to_owned) };
        let body = serde_json::to_vec(&body).map_err(|error| self.garbled(error))?;
        self.json(Method::POST, &path, Some(body)).await
    }

    async fn json<T: DeserializeOwned>(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<T, ClientError> {
        let text = self.text(method, path, body).await?;
        serde_json::from_str(&text).map_err(|error| self.garbled(error))
    }

    async fn text(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<String, ClientError> {
        let exchange = self.exchange(method, path, body);
        let answered = tokio::time::timeout(ANSWER_TIME, exchange).await;
        let (status, text) = answered.map_err(|_| ClientError::TimedOut { address: self.address })??;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        match serde_json::from_str::<ErrorBody>(&text) {
            Ok(ErrorBody { error }) => Err(ClientError::Refused { status, error }),
            Err(_) => Err(self.garbled(format!("HTTP status {status}"))),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, String), ClientError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request =
            request.body(Full::from(body.unwrap_or_default())).map_err(|error| self.garbled(error))?;
        let response = match self.connection.try_send_request(request).await {
            Ok(response) => response,
            // The gateway closes idle connections: then nothing was sent, and the request comes back.
            Err(mut unsent) => match unsent.take_message() {
                Some(request) => {
                    self.connection = dial(self.address).await?;
                    self.connection.send_request(request).await.map_err(|error| self.broken(error))?
                }
                None => return Err(self.broken(unsent.into_error())),
            },
        };
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let bytes = body.map_err(|error| self.broken(error))?.to_bytes();
        let text = String::from_utf8(bytes.into()).map_err(|error| self.garbled(error))?;
        Ok((status, text))
    }

    fn garbled(&self, what: impl ToString) -> ClientError {
        ClientError::Garbled { address: self.address, what: what.to_string() }
    }

    fn broken(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Connection { address: self.address, source: io::Error::other(error) }
    }
}

fn checked(id: &str) -> Result<&str, ClientError> {
    if is_id(id) { Ok(id) } else { Err(ClientError::NoId(id.to_owned())) }
}

fn authorization(credentials: Credentials) -> Result<Option<HeaderValue>, ClientError> {
    let text = match credentials {
        Credentials::Nobody => return Ok(None),
        Credentials::Operator(token) => format!("Bearer {}", token.expose()),
        Credentials::Reviewer { name, .. } if name.is_empty() || name.contains(':') => {
            return Err(ClientError::NoName);
        }
        Credentials::Reviewer { name, password } => {
            format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
        }
    };
    // Base64 fits into a header whatever it encodes.
    let mut value = HeaderValue::try_from(text).map_err(|_| ClientError::NoName)?;
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn dial(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, ClientError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::ConnectionRefused => ClientError::NotRunning { address },
        _ => ClientError::Connection { address, source },
    };
    let connect = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address));
    let stream = connect.await.map_err(|_| ClientError::TimedOut { address })?.map_err(failed)?;
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| failed(io::Error::other(error)))?;
    // Ends when the sender is dropped or the gateway hangs up; what went wrong is told to the sender as well.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}
