//! The stream that hyper gets instead of the client's: what it reads has gone through the [`Screen`].

use crate::Refusal;
use crate::screen::Screen;
use crate::server::Exchanges;
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io::{Error, ErrorKind, Result as IoResult};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::Sleep;
use weir_session::http::traffic::Sight;

/// Read at once.
const READ_BYTES: usize = 16 * 1024;
/// What is read ahead while hyper does not read: only so much of a body that nobody takes, so that the end of the
/// connection is seen behind a small one.
const AHEAD_BYTES: usize = 64 * 1024;

/// A client's stream that can tell whether something has come that no read has told of yet, its end included.
pub trait Unread {
    fn has_unread(&self) -> bool;
}

impl Unread for weir_net::Stream {
    fn has_unread(&self) -> bool {
        Self::has_unread(self)
    }
}

/// Its reads tell of everything at once.
impl Unread for DuplexStream {
    fn has_unread(&self) -> bool {
        false
    }
}

/// A client's connection of HTTP/1. Clones are the same one; all of them are used by one task.
pub(crate) struct Gate<S>(Arc<Mutex<Inner<S>>>);

struct Inner<S> {
    stream: S,
    screen: Screen,
    /// The client will send nothing more.
    ended: bool,
    head_time: Duration,
    /// Runs while a head has begun and is not whole.
    late: Option<Pin<Box<Sleep>>>,
    exchanges: Arc<Exchanges>,
    sight: Sight,
    /// Requests that somebody answers, or has.
    begun: u64,
}

impl<S> Clone for Gate<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Gate<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S, head_time: Duration, exchanges: Arc<Exchanges>) -> Self {
        let mut screen = Screen::default();
        screen.take(&first);
        let (sight, ended, late, begun) = (Sight::new(), false, None, 0);
        Self(Arc::new(Mutex::new(Inner { stream, screen, ended, head_time, late, exchanges, sight, begun })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this client is in sight while a request of it runs.
    pub(crate) fn sight(&self) -> Sight {
        self.lock().sight.clone()
    }

    /// Request number `number` (from 0) is to be answered: with what, when it is the one that was not understood.
    pub(crate) fn begins(&self, number: u64) -> Option<Refusal> {
        let mut inner = self.lock();
        inner.begun = number.saturating_add(1);
        inner.screen.refusal().filter(|(at, _)| *at == number).map(|(_, refusal)| refusal.clone())
    }

    /// Request number `number` was answered; see [`Screen::decided`].
    pub(crate) fn decided(&self, number: u64, switches: bool) {
        self.lock().screen.decided(number, switches);
    }

    pub(crate) fn has_refused(&self) -> bool {
        let inner = self.lock();
        inner.screen.refusal().is_some() || inner.screen.broken().is_some()
    }
}

impl<S: AsyncRead + Unpin> Gate<S> {
    /// Ready when the client closed or broke off while an exchange runs; reads ahead a little to see it.
    pub(crate) fn poll_gone(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.lock();
        let (news, _) = inner.poll_ahead(context);
        if inner.is_gone() {
            return Poll::Ready(());
        }
        let is_followed = inner.screen.has_more_than(inner.begun);
        inner.sight.set_blocked(is_followed && inner.screen.ready().len() >= AHEAD_BYTES);
        if news {
            // hyper, of the same task, waits for it.
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Reads what still comes, and forgets it.
    pub(crate) async fn drain(&self) {
        std::future::poll_fn(|context| {
            let mut inner = self.lock();
            while !inner.ended {
                if ready!(inner.poll_fill(context)).is_err() {
                    break;
                }
                inner.screen.forget();
            }
            Poll::Ready(())
        })
        .await;
    }
}

impl<S: AsyncRead + Unpin> Inner<S> {
    /// Reads as much as may be read ahead, and behind the end of a request what comes there. Whether anything came, and
    /// whether the context's task is woken by what comes next.
    fn poll_ahead(&mut self, context: &mut Context<'_>) -> (bool, bool) {
        let (mut news, mut waits) = (false, false);
        while !self.ended {
            let is_followed = self.screen.has_more_than(self.begun);
            if self.screen.ready().len() >= AHEAD_BYTES && (is_followed || !self.screen.is_between()) {
                break;
            }
            match self.poll_fill(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.ended = true,
                Poll::Pending => {
                    waits = true;
                    break;
                }
            }
            news = true;
        }
        (news, waits)
    }

    /// The client has closed or broken off under an exchange. Who speaks WebSocket may end behind its last words.
    fn is_gone(&self) -> bool {
        self.ended && !self.screen.has_switched() && self.exchanges.idle_after().is_none()
    }

    /// One read of the client, through the screen.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        // Not zeroed: it is looked at each time the connection's task runs, and mostly there is nothing to read.
        let mut space = [MaybeUninit::uninit(); READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
        match polled {
            Poll::Ready(Ok(())) => {
                self.ended = buffer.filled().is_empty();
                self.screen.take(buffer.filled());
                self.poll_late(context);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if self.poll_late(context) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Whether a head came too late, which is said once.
    fn poll_late(&mut self, context: &mut Context<'_>) -> bool {
        if !self.screen.is_inside_head() {
            self.late = None;
            return false;
        }
        let late = self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.head_time)));
        if late.as_mut().poll(context).is_pending() {
            return false;
        }
        self.late = None;
        self.screen.too_late();
        true
    }
}

impl<S: AsyncRead + Unread + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let mut inner = self.lock();
        while inner.screen.ready().is_empty() {
            if let Some(refusal) = inner.screen.broken() {
                return Poll::Ready(Err(Error::new(ErrorKind::InvalidData, refusal.message)));
            }
            if inner.ended {
                return Poll::Ready(Ok(()));
            }
            ready!(inner.poll_fill(context))?;
        }
        // A request that was held goes on now. If its client has gone meanwhile, that shows behind the last of its bytes:
        // so they are given only when it is known what comes behind them.
        if !inner.screen.has_switched() {
            let (_, waits) = inner.poll_ahead(context);
            // The end may be there and not have been told.
            if waits && inner.exchanges.idle_after().is_none() && inner.stream.has_unread() {
                return Poll::Pending;
            }
        }
        if inner.is_gone() {
            return Poll::Ready(Err(ErrorKind::ConnectionAborted.into()));
        }
        let length = inner.screen.ready().len().min(buffer.remaining());
        buffer.put_slice(inner.screen.ready().get(..length).unwrap_or_default());
        inner.screen.given(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.lock().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.lock().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.lock().stream).poll_shutdown(context)
    }
}

/// A connection of HTTP/2, whose first bytes were read already.
pub(crate) struct Prefixed<S> {
    first: Bytes,
    stream: S,
    waits: Waits,
}

/// Whether a connection waits for its client: it has read everything that has come. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Waits(Arc<AtomicBool>);

impl Waits {
    pub(crate) fn set(&self, waits: bool) {
        self.0.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Prefixed<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S, waits: Waits) -> Self {
        Self { first: first.into(), stream, waits }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        if self.first.is_empty() {
            let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
            self.waits.set(polled.is_pending());
            return polled;
        }
        let length = self.first.len().min(buffer.remaining());
        buffer.put_slice(self.first.get(..length).unwrap_or_default());
        self.first.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
