//! A client's connection: HTTP/1 or HTTP/2, told by its first bytes, and the limits of each.
//!
//! Everything of a connection runs inside [`serve_connection`]'s future, streams of HTTP/2 in tasks that end with it:
//! whoever drops the future, ends the connection. A handler's future is dropped when its client goes away.

use crate::body::PipeBody;
use crate::gate::{Gate, Prefixed, Unread, Waits};
use crate::hygiene::{self, MAX_HEADERS};
use crate::screen::MAX_HEAD_BYTES;
use crate::websocket::{self, Leg, Offer, Side};
use crate::{Body, ClientBody, Credentials, Refusal};
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, SEC_WEBSOCKET_VERSION};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::{Body as _, Incoming as HyperBody};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use weir_model::RefusedBy;
use weir_session::http::traffic::{Answer, Pipe, RequestHead, Sight};

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    pub address: IpAddr,
    /// Inside TLS.
    pub secure: bool,
}

/// A request that is well-formed. What proves who sends it is apart from the rest.
#[derive(Debug)]
pub struct Incoming {
    pub head: RequestHead,
    pub credentials: Option<Credentials>,
    pub body: ClientBody,
    pub client: IpAddr,
    pub secure: bool,
}

/// Answers requests. On HTTP/2, several at a time.
pub trait Handler: Send + Sync + 'static {
    /// Dropped when the client goes away before there is an answer. Later its end is seen by the answer's body: the
    /// pipe is closed. It is closed as well when the announced length was taken, or there is none to take.
    fn handle(&self, incoming: Incoming) -> impl Future<Output = Answer> + Send;

    /// A request was refused before it could be judged; for metrics and logs.
    fn refused(&self, _peer: Peer, _refusal: &Refusal) {}
}

/// What a client may take of time and room. Heads are at most 64 KiB and 100 headers, whatever is set here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a head, from its first byte; for a new connection from the beginning.
    pub head_time: Duration,
    /// How long a connection is kept on which nothing happens.
    pub keep_alive_time: Duration,
    /// How long a client may say nothing when more of its body is waited for. `None`: for ever.
    pub body_time: Option<Duration>,
    /// Requests at a time on one connection of HTTP/2.
    pub max_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(15),
            // Longer than most clients keep theirs, so that they close and do not run into a closed one.
            keep_alive_time: Duration::from_secs(120),
            // Streams of gRPC may be silent for minutes.
            body_time: Some(Duration::from_secs(300)),
            // As most servers; a browser opens one connection.
            max_streams: 100,
        }
    }
}

const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Of a body that nobody asks for, this much is read ahead and no more.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Of an answer that the client does not read.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Streams reset by the client before anybody looked at them (CVE-2023-44487), and by us for errors that the client
/// makes (CVE-2025-8671): beyond, the connection ends.
const MAX_CLIENT_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 100;
/// hyper's own buffer must hold one head and some of what comes behind.
const HYPER_BUFFER_BYTES: usize = 2 * MAX_HEAD_BYTES;
/// After a refusal, what the client still sends is read for so long, or its end of TCP would throw the refusal away.
const LINGER: Duration = Duration::from_millis(500);

/// Serves one client until it goes, is idle too long, or `stopping` becomes true and what runs is done.
pub async fn serve_connection<S, H>(
    mut stream: S,
    peer: Peer,
    limits: Limits,
    handler: Arc<H>,
    stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unread + Unpin + Send + 'static,
    H: Handler,
{
    let mut first = Vec::with_capacity(H2_PREFACE.len());
    let read = tokio::time::timeout(limits.head_time, first_bytes(&mut stream, &mut first));
    let version_2 = tokio::select! {
        read = read => match read {
            Ok(Ok(Some(version_2))) => version_2,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => return tracing::debug!(%error, "client broke off before its first request"),
            Err(_) => return tracing::debug!("client sent no request in time"),
        },
        () = stop(stopping.clone()) => return,
    };
    let door = Arc::new(Door { peer, limits, handler, exchanges: Arc::default() });
    if version_2 {
        let waits = Waits::default();
        version_two(Prefixed::new(first, stream, waits.clone()), waits, door, stopping).await;
    } else {
        let gate = Gate::new(first, stream, limits.head_time, Arc::clone(&door.exchanges));
        version_one(gate, door, stopping).await;
    }
}

/// Whether they are those of HTTP/2; `None` when there are none.
async fn first_bytes(
    stream: &mut (impl AsyncRead + Unpin),
    first: &mut Vec<u8>,
) -> std::io::Result<Option<bool>> {
    while first.len() < H2_PREFACE.len() {
        let left = u64::try_from(H2_PREFACE.len() - first.len()).unwrap_or(0);
        if stream.take(left).read_buf(first).await? == 0 {
            return Ok(if first.is_empty() { None } else { Some(false) });
        }
        if !H2_PREFACE.starts_with(first) {
            return Ok(Some(false));
        }
    }
    Ok(Some(true))
}

struct Door<H> {
    peer: Peer,
    limits: Limits,
    handler: Arc<H>,
    exchanges: Arc<Exchanges>,
}

/// Counts, so that idleness is seen.
#[derive(Default)]
pub(crate) struct Exchanges {
    begun: AtomicU64,
    over: AtomicU64,
}

/// One that runs.
struct Running(Arc<Exchanges>);

impl Exchanges {
    fn begin(self: &Arc<Self>) -> Running {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    /// How many there were, if none runs.
    pub(crate) fn idle_after(&self) -> Option<u64> {
        let over = self.over.load(Ordering::Relaxed);
        (over == self.begun.load(Ordering::Relaxed)).then_some(over)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.over.fetch_add(1, Ordering::Relaxed);
    }
}

async fn version_one<S, H>(gate: Gate<S>, door: Arc<Door<H>>, stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unread + Unpin + Send + 'static,
    H: Handler,
{
    let keep_alive_time = door.limits.keep_alive_time;
    let served = AtomicU64::new(0);
    let verdicts = gate.clone();
    let slot = Arc::new(Slot::default());
    let switched = Arc::clone(&slot);
    let exchanges = Arc::clone(&door.exchanges);
    let service = service_fn(move |request: Request<HyperBody>| {
        let number = served.fetch_add(1, Ordering::Relaxed);
        let (door, verdicts, slot) = (Arc::clone(&door), verdicts.clone(), Arc::clone(&slot));
        async move {
            let response = match verdicts.begins(number) {
                Some(refusal) => door.refuse(&refusal, Version::HTTP_11),
                None => door.answer(request, Some(&slot), verdicts.sight()).await,
            };
            verdicts.decided(number, response.status() == StatusCode::SWITCHING_PROTOCOLS);
            Ok::<_, Infallible>(response)
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            // Without a timer: the gate has one for the head, and idleness is looked at now and then (below), which costs a
            // request nothing.
            .max_headers(MAX_HEADERS)
            .max_buf_size(HYPER_BUFFER_BYTES)
            .serve_connection(TokioIo::new(gate.clone()), service)
            .with_upgrades()
    );
    let enough = async {
        tokio::select! {
            () = stop(stopping) => {}
            () = idle(&exchanges, keep_alive_time) => {}
        }
    };
    let mut enough = std::pin::pin!(enough);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = client_gone(&gate) => return,
        () = enough.as_mut() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = client_gone(&gate) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = crate::refusal::causes(&error), "client connection ended badly");
    }
    let switched = switched.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(switched) = switched {
        return switched.run().await;
    }
    if gate.has_refused() {
        let _ = tokio::time::timeout(LINGER, gate.drain()).await;
    }
}

/// A connection that is no longer HTTP, as soon as its last answer is written.
struct Switched {
    leg: Leg,
    from: Pipe,
    upgrade: OnUpgrade,
    _running: Running,
}

type Slot = Mutex<Option<Switched>>;

impl Switched {
    async fn run(self) {
        match self.upgrade.await {
            Ok(upgraded) => self.leg.run(TokioIo::new(upgraded), self.from).await,
            Err(error) => {
                tracing::debug!(error = crate::refusal::causes(&error), "a connection did not switch");
            }
        }
    }
}

/// Resolves when the client closes while an exchange runs: also when hyper does not read, because nobody takes the body.
async fn client_gone<S: AsyncRead + Unpin>(gate: &Gate<S>) {
    std::future::poll_fn(|context| gate.poll_gone(context)).await;
}

async fn stop(mut stopping: watch::Receiver<bool>) {
    if stopping.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

async fn version_two<S, H>(
    stream: Prefixed<S>,
    waits: Waits,
    door: Arc<Door<H>>,
    stopping: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unread + Unpin + Send + 'static,
    H: Handler,
{
    let limits = door.limits;
    let exchanges = Arc::clone(&door.exchanges);
    let sight = Sight::new();
    let seen = sight.clone();
    let service = service_fn(move |request: Request<HyperBody>| {
        let (door, sight) = (Arc::clone(&door), seen.clone());
        async move { Ok::<_, Infallible>(door.answer(request, None, sight).await) }
    });
    let streams = Streams::default();
    let _ends = EndsAll(streams.clone());
    // Without pings: one could not be answered behind an answer that the client takes its time to read. A machine that is gone
    // is noticed by TCP.
    let mut connection = std::pin::pin!(
        http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
            .max_concurrent_streams(limits.max_streams)
            .max_pending_accept_reset_streams(MAX_CLIENT_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    let enough = async {
        tokio::select! {
            () = stop(stopping) => {}
            () = idle(&exchanges, limits.keep_alive_time) => {}
        }
    };
    // A client that does not take our answers to its pings is not read any further: its end would not be seen.
    let mut connection = std::pin::pin!(Watched { connection: connection.as_mut(), waits, sight });
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = enough => {
            connection.connection.as_mut().graceful_shutdown();
            connection.as_mut().await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = crate::refusal::causes(&error), "client connection ended badly");
    }
}

/// A connection of HTTP/2, and whether its client is in sight.
struct Watched<C> {
    connection: C,
    waits: Waits,
    sight: Sight,
}

impl<C: Future + Unpin> Future for Watched<C> {
    type Output = C::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<C::Output> {
        self.waits.set(false);
        let polled = Pin::new(&mut self.connection).poll(context);
        self.sight.set_blocked(!self.waits.get());
        polled
    }
}

/// Runs the streams of one connection, each as a task.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(stream);
    }
}

/// Whoever drops a connection ends its streams, at once and whatever they wait for.
struct EndsAll(Streams);

impl Drop for EndsAll {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Resolves when nothing ran for at least so long.
async fn idle(exchanges: &Exchanges, time: Duration) {
    loop {
        let before = exchanges.idle_after();
        tokio::time::sleep(time).await;
        if before.is_some() && exchanges.idle_after() == before {
            return;
        }
    }
}

impl<H: Handler> Door<H> {
    /// `slot`: for a connection that switches. `sight`: of its client.
    async fn answer(
        &self,
        request: Request<HyperBody>,
        slot: Option<&Slot>,
        sight: Sight,
    ) -> Response<PipeBody> {
        let running = self.exchanges.begin();
        let (mut parts, body) = request.into_parts();
        let version_2 = parts.version >= Version::HTTP_2;
        let judged = match hygiene::request_head(&parts, body.is_end_stream()) {
            Ok(judged) => judged,
            Err(refusal) => {
                if version_2 {
                    drop(Body::new(body, &[], RefusedBy::Client, None).linger());
                }
                return self.refuse(&refusal, parts.version);
            }
        };
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let (body, offered) = match (judged.offer, upgrade) {
            (None, _) => {
                let body = Body::new(body, &judged.head.headers, RefusedBy::Client, self.limits.body_time);
                let body = body.in_sight(sight).asked_for(parts.headers.contains_key(EXPECT));
                (if version_2 { body.linger() } else { body }, None)
            }
            (Some(offer), Some(upgrade)) => {
                let (leg, took, start) = websocket::pair(Side::Client);
                (Body::messages(took, start), Some((offer, leg, upgrade)))
            }
            (Some(_), None) => {
                return self.refuse(&Refusal::not_done("this connection cannot switch"), parts.version);
            }
        };
        let incoming = Incoming {
            head: judged.head,
            credentials: judged.credentials,
            body,
            client: self.peer.address,
            secure: self.peer.secure,
        };
        let answer = self.handler.handle(incoming).await;
        if answer.status == StatusCode::SWITCHING_PROTOCOLS.as_u16()
            && let (Some((offer, leg, upgrade)), Some(slot)) = (offered, slot)
        {
            let Some(response) = switch(&answer, &offer) else {
                return plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be sent");
            };
            let switched = Switched { leg, from: answer.body, upgrade, _running: running };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(switched);
            return response;
        }
        let is_head = parts.method == Method::HEAD;
        respond(answer, is_head, version_2).map(|body| body.until_dropped(running))
    }

    fn refuse(&self, refusal: &Refusal, version: Version) -> Response<PipeBody> {
        self.handler.refused(self.peer, refusal);
        let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = plain(status, refusal.message);
        if version < Version::HTTP_2 {
            // Who is not understood once is not read any further.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UPGRADE_REQUIRED {
            // RFC 6455, section 4.4.
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// The head behind which the connection speaks WebSocket; `None` when it cannot be written.
fn switch(answer: &Answer, offer: &Offer) -> Option<Response<PipeBody>> {
    let mut headers = hygiene::outgoing(&answer.headers, false).ok()?;
    websocket::answer_headers(offer, &mut headers);
    let mut response = Response::new(PipeBody::unsaid());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = headers;
    Some(response)
}

fn respond(answer: Answer, is_head: bool, version_2: bool) -> Response<PipeBody> {
    let Some(status) = StatusCode::from_u16(answer.status).ok().filter(|status| status.as_u16() >= 200)
    else {
        tracing::error!(status = answer.status, "an answer has a status that ends nothing");
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be sent");
    };
    let mut headers = match hygiene::outgoing(&answer.headers, version_2) {
        Ok(headers) => headers,
        Err(error) => {
            tracing::error!(error, "an answer's head cannot be sent");
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be sent");
        }
    };
    headers.remove("te");
    let body = match status.as_u16() {
        204 | 205 => PipeBody::nothing(),
        code if is_head || code == 304 => {
            if let Some(length) = answer.length {
                headers.insert(CONTENT_LENGTH, length.into());
            }
            PipeBody::unsaid()
        }
        _ => PipeBody::new(answer.body, answer.length),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn plain(status: StatusCode, message: &str) -> Response<PipeBody> {
    let mut response = Response::new(PipeBody::text(format!("weir: {message}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
