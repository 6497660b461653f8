//! A body on its way out: pieces, or why it breaks off. One that is here already needs no channel.

use super::traffic::{Broken, Frame};
use bytes::Bytes;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The end that an upstream takes a request's body from.
#[derive(Debug)]
pub struct Pipe(Inner);

#[derive(Debug)]
enum Inner {
    Channel(mpsc::Receiver<Result<Frame, Broken>>),
    Here(Option<Bytes>),
}

impl Pipe {
    /// No body.
    pub fn nothing() -> Self {
        Self::whole(Bytes::new())
    }

    /// All of a body.
    pub fn whole(bytes: Bytes) -> Self {
        Self(Inner::Here(Some(bytes).filter(|bytes| !bytes.is_empty())))
    }

    /// What is left of a body that was here from the beginning.
    ///
    /// # Errors
    /// Gives it back when it comes in pieces.
    pub fn into_whole(self) -> Result<Bytes, Self> {
        match self.0 {
            Inner::Here(bytes) => Ok(bytes.unwrap_or_default()),
            Inner::Channel(_) => Err(self),
        }
    }

    /// The next piece; `None` at the end. Cancel safe.
    pub async fn recv(&mut self) -> Option<Result<Frame, Broken>> {
        std::future::poll_fn(|context| self.poll_recv(context)).await
    }

    /// [`recv`](Self::recv) for who polls.
    pub fn poll_recv(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame, Broken>>> {
        match &mut self.0 {
            Inner::Channel(receiver) => receiver.poll_recv(context),
            Inner::Here(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::Data(bytes)))),
        }
    }
}

impl From<mpsc::Receiver<Result<Frame, Broken>>> for Pipe {
    fn from(receiver: mpsc::Receiver<Result<Frame, Broken>>) -> Self {
        Self(Inner::Channel(receiver))
    }
}
