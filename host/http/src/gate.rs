//! The stream that hyper gets instead of the client's: what it reads has gone through the [`Screen`].

use crate::Refusal;
use crate::screen::Screen;
use bytes::{Buf, Bytes};
use std::future::Future;
use std::io::{Error, ErrorKind, Result as IoResult};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Read at once.
const READ_BYTES: usize = 16 * 1024;
/// What is read ahead while hyper does not read: only so much of a body that nobody takes, so that the end of the
/// connection is seen behind a small one.
const AHEAD_BYTES: usize = 64 * 1024;

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
}

impl<S> Clone for Gate<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Gate<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S, head_time: Duration) -> Self {
        let mut screen = Screen::default();
        screen.take(&first);
        Self(Arc::new(Mutex::new(Inner { stream, screen, ended: false, head_time, late: None })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What request number `number` (from 0) is to be answered with, when it is the one that was not understood.
    pub(crate) fn refusal_of(&self, number: u64) -> Option<Refusal> {
        self.lock().screen.refusal().filter(|(at, _)| *at == number).map(|(_, refusal)| refusal.clone())
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
    pub(crate) fn poll_gone(&self, context: &mut Context<'_>, exchange_runs: bool) -> Poll<()> {
        let mut inner = self.lock();
        let mut news = false;
        while inner.screen.ready().len() < AHEAD_BYTES && !inner.ended {
            match inner.poll_fill(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => inner.ended = true,
                Poll::Pending => break,
            }
            news = true;
        }
        if inner.ended && exchange_runs {
            return Poll::Ready(());
        }
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

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
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

/// A stream whose first bytes were read already.
pub(crate) struct Prefixed<S> {
    first: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    pub(crate) fn new(first: Vec<u8>, stream: S) -> Self {
        Self { first: first.into(), stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
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
