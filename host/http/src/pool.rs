//! Connections to one upstream, and one request over one of them.
//!
//! A request is sent once. Only when hyper gives it back untouched, because an idle connection was closed meanwhile,
//! is it sent over a new connection. A connection of HTTP/1 is used again when the whole answer was read and nobody
//! said `close`; one of HTTP/2 carries as many requests as the upstream allows.

use crate::body::PipeBody;
use crate::dial::{Dial, agreed_on_version_2, unreachable};
use crate::refusal::causes;
use crate::{Body, UpstreamBody, hygiene};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::{Body as HyperBody, Frame as HyperFrame, Incoming, SizeHint};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
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
    /// For how long they are kept. Best shorter than the upstream keeps them.
    pub idle_time: Duration,
    /// For a connection with all its handshakes.
    pub connect_time: Duration,
    /// From the last byte of the request to the head of the answer.
    pub answer_time: Duration,
    /// How long the upstream may say nothing when more of its answer is waited for. `None`: for ever.
    pub body_time: Option<Duration>,
}

impl PoolOptions {
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
/// Of an answer that nobody reads, on HTTP/1.
const BUFFER_BYTES: usize = 128 * 1024;

pub struct Pool {
    dial: Dial,
    options: PoolOptions,
    idle: Mutex<Vec<Idle>>,
    shared: Mutex<Vec<Shared>>,
    is_swept: AtomicBool,
}

struct Idle {
    line: Line,
    since: Instant,
}

type Connection = Pin<Box<http1::Connection<TokioIo<Stream>, PipeBody>>>;

/// A connection of HTTP/1. Whoever has a request on it drives it as well, which saves a task and its wakings; nobody
/// drives an idle one, so what came meanwhile (its end, or an answer nobody asked for) is seen when it is used next,
/// before anything is sent.
struct Line {
    sender: http1::SendRequest<PipeBody>,
    /// `None`: a task of its own drives it, or it has ended.
    connection: Option<Connection>,
}

impl Line {
    /// Lets a task drive it: a request whose body is still coming must go on also when nobody takes the answer.
    fn run_apart(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(async move { ended(connection.await) });
        }
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.connection, context);
    }
}

fn drive(connection: &mut Option<Connection>, context: &mut Context<'_>) {
    if let Some(Poll::Ready(end)) = connection.as_mut().map(|connection| connection.as_mut().poll(context)) {
        *connection = None;
        ended(end);
    }
}

/// The body of an answer, with what brings it.
struct Driven {
    incoming: Incoming,
    line: Option<Line>,
    pool: Arc<Pool>,
}

impl Driven {
    /// All of it was read.
    fn finish(&mut self) {
        if let Some(line) = self.line.take() {
            Arc::clone(&self.pool).give_back(line);
        }
    }
}

impl HyperBody for Driven {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<HyperFrame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let mut polled = Pin::new(&mut this.incoming).poll_frame(context);
        if polled.is_pending()
            && let Some(line) = &mut this.line
        {
            // It has said what it waits for, and may find it now.
            line.drive(context);
            polled = Pin::new(&mut this.incoming).poll_frame(context);
        }
        match &polled {
            Poll::Ready(Some(Err(_))) => this.line = None,
            Poll::Ready(None) => this.finish(),
            Poll::Ready(Some(Ok(frame))) if frame.is_trailers() || this.incoming.is_end_stream() => {
                this.finish()
            }
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
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
    pub fn new<F, D>(dial: F, options: PoolOptions) -> Arc<Self>
    where
        F: Fn() -> D + Send + Sync + 'static,
        D: Future<Output = Result<Stream, Fault>> + Send + 'static,
    {
        Arc::new(Self {
            dial: Box::new(move || Box::pin(dial())),
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
    /// (`upstream-late`, `upstream-broken`) or cannot be passed on (`upstream-broken`), or the request's body breaks off
    /// (`request-broken`).
    pub async fn exchange(
        self: &Arc<Self>,
        head: RequestHead,
        body: Pipe,
        length: Option<u64>,
    ) -> Result<(AnswerHead, UpstreamBody), Fault> {
        if head.asks_for_socket() {
            return self.switch(head, body).await;
        }
        let mut body = if head.has_body { PipeBody::new(body, length) } else { PipeBody::nothing() };
        if let Some(lease) = self.lease() {
            match self.send(lease, &head, body).await? {
                Sent::Answer(answer) => return Ok(*answer),
                Sent::NotAtAll(back) => body = back,
            }
        }
        let lease = self.connect().await?;
        match self.send(lease, &head, body).await? {
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
    ) -> Result<Sent, Fault> {
        if let Lease::One(line) = &mut lease
            && !body.is_here()
        {
            line.run_apart();
        }
        let (body, taken) = body.taken();
        let request = self.request(head, body, matches!(lease, Lease::Two(..)))?;
        let late = async {
            let _ = taken.await;
            tokio::time::sleep(self.options.answer_time).await;
        };
        let (answer, lease) = tokio::select! {
            answer = lease.exchange(request) => answer,
            () = late => {
                let within = self.options.answer_time.as_secs();
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
                let mut body = Driven { incoming: body, line: Some(line), pool: Arc::clone(self) };
                if body.is_end_stream() {
                    body.finish();
                }
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
            let host = HeaderValue::from_str(&self.options.authority);
            headers.insert(http::header::HOST, host.map_err(|error| unsendable(error.to_string()))?);
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
        self.sweep(&mut idle);
        idle.pop().map(|one| Lease::One(one.line))
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
            let (sender, connection) = http1::Builder::new()
                .max_buf_size(BUFFER_BYTES)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(failed)?;
            return Ok(Lease::One(Line { sender, connection: Some(Box::pin(connection)) }));
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
    fn give_back(self: Arc<Self>, mut line: Line) {
        // It has to see that all is read and sent; whoever uses it next drives it on.
        line.drive(&mut Context::from_waker(Waker::noop()));
        if line.sender.is_ready() {
            return self.keep(line);
        }
        if line.sender.is_closed() {
            return;
        }
        line.run_apart();
        tokio::spawn(async move {
            if matches!(tokio::time::timeout(SETTLE_TIME, line.sender.ready()).await, Ok(Ok(()))) {
                self.keep(line);
            }
        });
    }

    fn keep(self: Arc<Self>, line: Line) {
        let mut idle = locked(&self.idle);
        self.sweep(&mut idle);
        if idle.len() < self.options.max_idle {
            idle.push(Idle { line, since: Instant::now() });
        }
        drop(idle);
        if !self.is_swept.swap(true, Ordering::Relaxed) {
            tokio::spawn(sweeper(Arc::downgrade(&self), self.options.idle_time));
        }
    }

    fn sweep(&self, idle: &mut Vec<Idle>) {
        idle.retain(|one| one.line.sender.is_ready() && one.since.elapsed() < self.options.idle_time);
    }
}

enum Sent {
    Answer(Box<(AnswerHead, UpstreamBody)>),
    /// Nothing of it has left.
    NotAtAll(PipeBody),
}

impl Shared {
    fn lease(&self) -> Lease {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Lease::Two(self.sender.clone(), OneStream(Arc::clone(&self.streams)))
    }
}

type Tried = Result<Response<Incoming>, TrySendError<Request<PipeBody>>>;

impl Lease {
    async fn exchange(mut self, request: Request<PipeBody>) -> (Tried, Self) {
        let tried = match &mut self {
            Self::One(Line { sender, connection }) => {
                let mut sent = std::pin::pin!(sender.try_send_request(request));
                std::future::poll_fn(|context| {
                    if let Poll::Ready(tried) = sent.as_mut().poll(context) {
                        return Poll::Ready(tried);
                    }
                    drive(connection, context);
                    sent.as_mut().poll(context)
                })
                .await
            }
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
        pool.sweep(&mut locked(&pool.idle));
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
