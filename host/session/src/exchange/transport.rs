//! Between the buffers of an exchange and its two streams.

use crate::buffer::{Inlet, Outlet, READ_BYTES, Sent};
use bytes::BufMut;
use std::pin::Pin;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads once. Cancel safe: what was read is in the buffer.
pub(super) async fn receive<R: AsyncRead + Unpin>(
    stream: &mut R,
    inlet: &mut Inlet,
) -> std::io::Result<usize> {
    stream.read_buf(&mut inlet.room().limit(READ_BYTES)).await
}

/// Writes what there is; when there is nothing left, makes the transport let go of what it holds back.
pub(super) async fn send<W: AsyncWrite + Unpin>(out: &mut W, bytes: &[u8]) -> std::io::Result<Sent> {
    if bytes.is_empty() {
        return out.flush().await.map(|()| Sent::All);
    }
    match out.write(bytes).await? {
        0 => Err(std::io::ErrorKind::WriteZero.into()),
        count => Ok(Sent::Bytes(count)),
    }
}

/// Writes and flushes as far as the transport takes it without waiting.
pub(super) async fn send_at_once<W: AsyncWrite + Unpin>(
    out: &mut W,
    outlet: &mut Outlet,
) -> std::io::Result<()> {
    std::future::poll_fn(|context| {
        while !outlet.is_done() {
            let sent = match outlet.bytes() {
                [] => Pin::new(&mut *out).poll_flush(context).map_ok(|()| Sent::All),
                bytes => Pin::new(&mut *out).poll_write(context, bytes).map_ok(Sent::Bytes),
            };
            match sent {
                Poll::Ready(Ok(Sent::Bytes(0))) => {
                    return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
                }
                Poll::Ready(Ok(sent)) => outlet.sent(sent),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
