//! A connection of HTTP/1 to an upstream, driven by whoever has a request on it.

use crate::body::PipeBody;
use crate::pool::{Pool, Tried, ended};
use bytes::Bytes;
use http::Request;
use hyper::body::{Body as HyperBody, Frame as HyperFrame, Incoming, SizeHint};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io::Result as IoResult;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weir_net::Stream;

/// Of an answer that nobody reads.
const BUFFER_BYTES: usize = 128 * 1024;

type Connection = Pin<Box<http1::Connection<TokioIo<Listening>, PipeBody>>>;

/// Whoever has a request on it drives it as well, which saves a task and its wakings; nobody drives an idle one, so what
/// came meanwhile (its end, or an answer nobody asked for) is seen when it is used next, before anything is sent.
pub(crate) struct Line {
    sender: http1::SendRequest<PipeBody>,
    /// `None`: a task of its own drives it, or it has ended.
    connection: Option<Connection>,
    /// Something came since the last request was sent.
    has_heard: Arc<AtomicBool>,
}

impl Line {
    pub(crate) async fn begin(stream: Stream) -> Result<Self, hyper::Error> {
        let has_heard = Arc::<AtomicBool>::default();
        let stream = Listening { stream, has_heard: Arc::clone(&has_heard) };
        let (sender, connection) =
            http1::Builder::new().max_buf_size(BUFFER_BYTES).handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)), has_heard })
    }

    pub(crate) async fn exchange(&mut self, request: Request<PipeBody>) -> Tried {
        self.has_heard.store(false, Ordering::Release);
        let Self { sender, connection, .. } = self;
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

    /// Lets a task drive it: a request whose body is still coming must go on also when nobody takes the answer.
    pub(crate) fn run_apart(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(async move { ended(connection.await) });
        }
    }

    pub(crate) fn drive(&mut self, context: &mut Context<'_>) {
        drive(&mut self.connection, context);
    }

    /// It can take a request, as far as is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it can take a request, as soon as that is known.
    pub(crate) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Not a byte came since the last request was sent.
    pub(crate) fn is_silent(&self) -> bool {
        !self.has_heard.load(Ordering::Acquire)
    }
}

fn drive(connection: &mut Option<Connection>, context: &mut Context<'_>) {
    if let Some(Poll::Ready(end)) = connection.as_mut().map(|connection| connection.as_mut().poll(context)) {
        *connection = None;
        ended(end);
    }
}

/// Notes that something comes.
struct Listening {
    stream: Stream,
    has_heard: Arc<AtomicBool>,
}

impl AsyncRead for Listening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.has_heard.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Listening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The body of an answer, with what brings it.
pub(crate) struct Driven {
    incoming: Incoming,
    line: Option<Line>,
    pool: Arc<Pool>,
}

impl Driven {
    pub(crate) fn new(incoming: Incoming, line: Line, pool: Arc<Pool>) -> Self {
        let mut driven = Self { incoming, line: Some(line), pool };
        if driven.incoming.is_end_stream() {
            driven.finish();
        }
        driven
    }

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
