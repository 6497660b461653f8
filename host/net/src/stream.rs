//! One byte stream, plain or inside TLS.

use socket2::SockRef;
use std::io::ErrorKind;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{client, server};

/// A TCP connection, perhaps inside TLS, of either direction.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    FromClient(Box<server::TlsStream<TcpStream>>),
    ToUpstream(Box<client::TlsStream<TcpStream>>),
}

impl Stream {
    pub fn is_tls(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Whether bytes, or the end, have come that no read has told of yet. Asked of the kernel: who took the last bytes there
    /// were hears of what came right behind them only when the runtime has looked again. Never waits.
    pub fn has_unread(&self) -> bool {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::FromClient(stream) => stream.get_ref().0,
            Self::ToUpstream(stream) => stream.get_ref().0,
        };
        let peeked = SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]);
        !peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// Calls one method on whichever stream this is.
macro_rules! on_each {
    ($self:expr, $method:ident ( $($argument:expr),* )) => {
        match $self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::FromClient(stream) => Pin::new(stream).$method($($argument),*),
            Stream::ToUpstream(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        on_each!(self, poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        on_each!(self, poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        on_each!(self, poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        on_each!(self, poll_shutdown(context))
    }
}
