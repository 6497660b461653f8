//! Connections to one upstream, and one request over one of them.
//!
//! A request is sent once, with two exceptions, both for a connection that was used before and that the upstream closed
//! meanwhile: hyper gave the request back untouched; or nothing of an answer came, and the request is of a method that
//! changes nothing (RFC 9110, section 9.2.1) and has no body. Then it is sent once more, over a new connection. A connection
//! of HTTP/1 is used again when the whole answer was read and nobody said `close`; one of HTTP/2 carries as many
//! requests as the upstream allows.

use crate::body::PipeBody;
use crate::dial::{Dial, agreed_on_version_2, unreachable};
use crate::line::{Driven, Line};
use crate::refusal::causes;
use crate::{Body, UpstreamBody, hygiene};
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{TrySendError, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::time::Instant;
use weir_model::{Fault, FaultSource, RefusedBy};
use weir_net::Stream;
use weir_session::http::traffic::{AnswerHead, Broken, Pipe, RequestHead, Upstream};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http2 {
    /// When TLS agrees on it.
    #[default]
    Auto,
    /// HTTP/1 only.
    Never,
    /// Without asking, also without TLS.
    PriorKnowledge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolOptions {
    /// What the upstream is called: `host` or `host:port`.
    pub authority: String,
    /// `https`, of which HTTP/2 tells the upstream.
    pub secure: bool,
    pub http2: Http2,
    /// Connections of HTTP/1 that are kept without a request.
    pub max_idle: usize,
    /// For how long they may be used again. Best shorter than the upstream keeps them. They are closed within twice that.
    pub idle_time: Duration,
    /// For a connection with all its handshakes.
    pub connect_time: Duration,
    /// From the last byte of the request to the head of the answer.
    pub answer_time: Duration,
    /// How long the upstream may say nothing when more of its answer is waited for. `None`: for ever.
    pub body_time: Option<Duration>,
}

impl PoolOptions {
    /// With what serves most: HTTP/2 when TLS agrees, 32 idle connections for 30 s, 10 s to connect, 300 s for an answer's
    /// head, no limit for its body.
    pub fn new(authority: impl Into<String>, secure: bool) -> Self {
        Self {
            authority: authority.into(),
            secure,
            http2: Http2::Auto,
            max_idle: 32,
            idle_time: Duration::from_secs(30),
            connect_time: Duration::from_secs(10),
            // What answers later has to be asked again, or streams.
            answer_time: Duration::from_secs(300),
            // Streams of events are silent for hours.
            body_time: None,
        }
    }
}

/// How long a connection whose answer was read may take until it can be used again: its request must be sent as well.
const SETTLE_TIME: Duration = Duration::from_secs(1);
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME: Duration = Duration::from_secs(20);
/// Of an answer that nobody reads, on HTTP/2.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// Requests at a time on one connection: what RFC 9113 asks servers to allow at least. Where it is less, hyper lets
/// requests wait.
const MAX_STREAMS: usize = 100;
const MAX_HEAD_BYTES: u32 = 64 * 1024;

/// The connections to one upstream. Idle ones are closed in time as long as the pool is there.
pub struct Pool {
    dial: Dial,
    options: PoolOptions,
    /// The header that names the upstream; none when it cannot be written.
    host: Option<HeaderValue>,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    is_swept: AtomicBool,
}

struct Idle {
    line: Line,
    since: Instant,
}

/// A connection of HTTP/2.
#[derive(Clone)]
struct Shared {
    sender: http2::SendRequest<PipeBody>,
    streams: Arc<AtomicUsize>,
}

/// A connection for one request.
enum Lease {
    One(Line),
    Two(http2::SendRequest<PipeBody>, OneStream),
}

/// A place among the streams of a connection.
struct OneStream(Arc<AtomicUsize>);

impl Drop for OneStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pool").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Pool {
    /// `dial` makes a connection, with TLS if there is to be any. None is made before the first request.
    pub fn new<F, D>(dial: F, options: PoolOptions) -> Arc<Self>
    where
        F: Fn() -> D + Send + Sync + 'static,
        D: Future<Output = Result<Stream, Fault>> + Send + 'static,
    {
        Arc::new(Self {
            dial: Box::new(move || Box::pin(dial())),
            host: HeaderValue::from_str(&options.authority).ok(),
            options,
            idle: Mutex::default(),
            shared: Mutex::default(),
            is_swept: AtomicBool::new(false),
        })
    }

    /// One request and the head of its answer. `length`: of the body, when it is known. The host is the upstream's,
    /// whatever the head says. Dropping the future, or the body before its end, ends the exchange at the upstream.
    ///
    /// # Errors
    /// When the upstream cannot be reached (`upstream-unreachable`: then it has done nothing), its answer does not come
    /// (`upstream-late`, `upstream-broken`) or cannot be passed on (`upstream-broken`), the request's head cannot be
    /// sent (`request-unsendable`), or its body breaks off (`request-broken`).
    pub async fn exchange(
        self: &Arc<Self>,
        head: RequestHead,
        body: Pipe,
        length: Option<u64>,
    ) -> Result<(AnswerHead, UpstreamBody), Fault> {
        if head.asks_for_socket() {
            return Box::pin(self.switch(head, body)).await;
        }
        let mut body = if head.has_body { PipeBody::new(body, length) } else { PipeBody::nothing() };
        if let Some(lease) = self.lease() {
            match self.send(lease, &head, body, may_repeat(&head)).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::NotAtAll(back) => body = back,
            }
        }
        let lease = Box::pin(self.connect()).await?;
        match self.send(lease, &head, body, false).await? {
            Sent::Answer(answer) => Ok(*answer),
            Sent::NotAtAll(_) => {
                Err(unreachable("the upstream closed the connection", "before a request was sent".to_owned()))
            }
        }
    }

    async fn send(
        self: &Arc<Self>,
        mut lease: Lease,
        head: &RequestHead,
        body: PipeBody,
        may_repeat: bool,
    ) -> Result<Sent, Fault> {
        if let Lease::One(line) = &mut lease
            && !body.is_here()
        {
            line.run_apart();
        }
        let (body, taken) = body.taken();
        let answer_time = self.options.answer_time;
        let request = self.request(head, body, matches!(lease, Lease::Two(..)))?;
        let late = async {
            if let Some(taken) = taken {
                let _ = taken.await;
            }
            tokio::time::sleep(answer_time).await;
        };
        let (answer, lease) = tokio::select! {
            biased;
            answer = lease.exchange(request) => answer,
            () = late => {
                let within = answer_time.as_secs();
                return Err(Fault::new(
                    FaultSource::Upstream,
                    "upstream-late",
                    format!("the upstream did not answer within {within} s"),
                ));
            }
        };
        match answer {
            Ok(answer) => self
                .received(answer, lease, head.method == "HEAD")
                .map(|answer| Sent::Answer(Box::new(answer))),
            Err(mut error) => match error.take_message() {
                Some(request) => Ok(Sent::NotAtAll(request.into_body())),
                None if may_repeat && lease.is_silent() => Ok(Sent::NotAtAll(PipeBody::nothing())),
                None => Err(not_answered(error.error())),
            },
        }
    }

    fn received(
        self: &Arc<Self>,
        answer: Response<Incoming>,
        lease: Lease,
        bodiless: bool,
    ) -> Result<(AnswerHead, UpstreamBody), Fault> {
        let (parts, body) = answer.into_parts();
        let head = hygiene::answer_head(&parts, bodiless, body.is_end_stream())
            .map_err(|why| broken("the upstream's answer cannot be passed on", why.to_owned()))?;
        let (from, patience) = (RefusedBy::Upstream, self.options.body_time);
        let body = match lease {
            Lease::One(line) => {
                let body = Driven::new(body, line, Arc::clone(self));
                Body::new(body, &head.headers, from, patience)
            }
            Lease::Two(_, stream) => {
                let mut body = Body::new(body, &head.headers, from, patience);
                body.keep(stream);
                body
            }
        };
        Ok((head, body))
    }

    pub(crate) fn options(&self) -> &PoolOptions {
        &self.options
    }

    /// A new connection, without any HTTP on it yet.
    pub(crate) async fn dialed(&self) -> Result<Stream, Fault> {
        (self.dial)().await
    }

    pub(crate) fn request(
        &self,
        head: &RequestHead,
        body: PipeBody,
        version_2: bool,
    ) -> Result<Request<PipeBody>, Fault> {
        let unsendable = |why: String| {
            Fault::new(FaultSource::Host, "request-unsendable", "the request cannot be sent").with_detail(why)
        };
        let mut headers = hygiene::outgoing(&head.headers, version_2).map_err(unsendable)?;
        if !head.has_body && matches!(head.method.as_str(), "POST" | "PUT" | "PATCH") {
            // Nothing is something with these: without a length, servers ask for one (RFC 9110, section 8.6).
            headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let target = match &head.query {
            Some(query) => format!("{}?{query}", head.path),
            None => head.path.clone(),
        };
        let uri = if version_2 {
            let scheme = if self.options.secure { "https" } else { "http" };
            Uri::builder()
                .scheme(scheme)
                .authority(self.options.authority.as_str())
                .path_and_query(target)
                .build()
        } else {
            let host = self.host.clone();
            headers
                .insert(http::header::HOST, host.ok_or_else(|| unsendable("its host is none".to_owned()))?);
            Uri::builder().path_and_query(target).build()
        };
        let mut request = Request::new(body);
        *request.method_mut() =
            head.method.parse().map_err(|_| unsendable("its method is no token".to_owned()))?;
        *request.uri_mut() = uri.map_err(|error| unsendable(error.to_string()))?;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// A connection that is there already.
    fn lease(&self) -> Option<Lease> {
        let mut shared = locked(&self.shared);
        shared.retain(|one| !one.sender.is_closed() && one.sender.is_ready());
        let has_room = |one: &Shared| one.streams.load(Ordering::Relaxed) < MAX_STREAMS;
        if let Some(lease) = shared.iter().find(|one| has_room(one)).map(Shared::lease) {
            // Others are there when many asked at a time: those without a request are not needed.
            shared.retain(|one| one.streams.load(Ordering::Relaxed) > 0);
            return Some(lease);
        }
        drop(shared);
        let mut idle = locked(&self.idle);
        let now = Instant::now();
        while let Some(one) = idle.pop() {
            if self.is_fresh(&one, now) {
                return Some(Lease::One(one.line));
            }
        }
        None
    }

    async fn connect(&self) -> Result<Lease, Fault> {
        let within = self.options.connect_time;
        tokio::time::timeout(within, self.connected()).await.unwrap_or_else(|_| {
            Err(unreachable(
                "the upstream cannot be reached",
                format!("not within {} s", within.as_secs_f32()),
            ))
        })
    }

    async fn connected(&self) -> Result<Lease, Fault> {
        let stream = (self.dial)().await?;
        let version_2 = match self.options.http2 {
            Http2::Auto => agreed_on_version_2(&stream),
            Http2::PriorKnowledge => true,
            Http2::Never => false,
        };
        let failed = |error: hyper::Error| unreachable("the upstream does not speak HTTP", causes(&error));
        if !version_2 {
            return Ok(Lease::One(Line::begin(stream).await.map_err(failed)?));
        }
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_header_list_size(MAX_HEAD_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIME)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(failed)?;
        tokio::spawn(async move { ended(connection.await) });
        let shared = Shared { sender, streams: Arc::default() };
        let lease = shared.lease();
        locked(&self.shared).push(shared);
        Ok(lease)
    }

    /// The whole answer was read: the connection can be used again, as soon as hyper says so.
    pub(crate) fn give_back(self: Arc<Self>, mut line: Line) {
        // It has to see that all is read and sent; whoever uses it next drives it on.
        line.drive(&mut Context::from_waker(Waker::noop()));
        if line.is_ready() {
            return self.keep(line);
        }
        if line.is_closed() {
            return;
        }
        line.run_apart();
        tokio::spawn(async move {
            if matches!(tokio::time::timeout(SETTLE_TIME, line.ready()).await, Ok(true)) {
                self.keep(line);
            }
        });
    }

    fn keep(self: Arc<Self>, line: Line) {
        let mut idle = locked(&self.idle);
        let now = Instant::now();
        if idle.len() >= self.options.max_idle {
            self.sweep(&mut idle, now);
        }
        if idle.len() < self.options.max_idle {
            idle.push(Idle { line, since: now });
        }
        drop(idle);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweeper(Arc::downgrade(&self), self.options.idle_time));
        }
    }

    fn sweep(&self, idle: &mut Vec<Idle>, now: Instant) {
        idle.retain(|one| self.is_fresh(one, now));
    }

    fn is_fresh(&self, one: &Idle, now: Instant) -> bool {
        one.line.is_ready() && now.saturating_duration_since(one.since) < self.options.idle_time
    }
}

/// It changes nothing (RFC 9110, 9.2.1), so twice is as good as once, and there is no body that would be gone. To be
/// idempotent is not enough, and what was approved once runs once.
fn may_repeat(head: &RequestHead) -> bool {
    !head.has_body && !head.runs_once && matches!(&*head.method, "GET" | "HEAD" | "OPTIONS")
}

enum Sent {
    Answer(Box<(AnswerHead, UpstreamBody)>),
    /// Nothing of it has left, or it may be sent once more.
    NotAtAll(PipeBody),
}

impl Shared {
    fn lease(&self) -> Lease {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Lease::Two(self.sender.clone(), OneStream(Arc::clone(&self.streams)))
    }
}

pub(crate) type Tried = Result<Response<Incoming>, TrySendError<Request<PipeBody>>>;

impl Lease {
    /// Nothing of an answer came. Of HTTP/2, the upstream says itself what it has not looked at.
    fn is_silent(&self) -> bool {
        matches!(self, Self::One(line) if line.is_silent())
    }

    async fn exchange(mut self, request: Request<PipeBody>) -> (Tried, Self) {
        let tried = match &mut self {
            Self::One(line) => line.exchange(request).await,
            Self::Two(sender, _) => sender.try_send_request(request).await,
        };
        (tried, self)
    }
}

/// Closes what is idle for too long, as long as there is the pool.
async fn sweeper(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.sweep(&mut locked(&pool.idle), Instant::now());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn unreachable_upstream(detail: String) -> Fault {
    unreachable("the upstream cannot be reached", detail)
}

pub(crate) fn broken(message: &str, detail: String) -> Fault {
    Fault::new(FaultSource::Upstream, "upstream-broken", message).with_detail(detail)
}

/// Either the upstream broke off, or the request's body did, and then that is why.
pub(crate) fn not_answered(error: &hyper::Error) -> Fault {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if let Some(body) = cause.downcast_ref::<Broken>() {
            let source = if body.by == RefusedBy::Client { FaultSource::Client } else { FaultSource::Host };
            return Fault::new(source, "request-broken", body.message.clone());
        }
        next = cause.source();
    }
    broken("the upstream broke off before it answered", causes(error))
}

pub(crate) fn ended(ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(error = causes(&error), "upstream connection ended badly");
    }
}

/// The way to a pool's upstream, for one exchange of a session.
#[derive(Clone, Debug)]
pub struct Way(pub Arc<Pool>);

impl Upstream for Way {
    type Body = UpstreamBody;

    async fn send(
        self,
        head: RequestHead,
        body: Pipe,
        length: Option<u64>,
    ) -> Result<(AnswerHead, UpstreamBody), Fault> {
        self.0.exchange(head, body, length).await
    }
}
