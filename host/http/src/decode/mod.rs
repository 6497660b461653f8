//! Undoing `content-encoding`, as a stream and within bounds.

#[cfg(test)]
mod tests;

use crate::body::{Raw, incoming};
use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Buf, Bytes, BytesMut};
use hyper::body::Body as _;
use std::io::{Error, ErrorKind, Result as IoResult};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use weir_model::RefusedBy;
use weir_session::http::traffic::{Broken, Frame, Header};

/// What one read gives at most. As large as a TLS record.
const PIECE_BYTES: usize = 16 * 1024;
/// Encodings one over the other. Nobody needs two; more is for hiding.
const MAX_LAYERS: usize = 2;
/// A body that grows more than this, and beyond [`FREE_BYTES`], is a bomb. Texts grow tenfold, logs of one line perhaps
/// fifty; what is made to grow does so a thousandfold and more (gzip's limit is 1032, brotli and zstd have none).
const MAX_RATIO: u64 = 100;
/// Decoded bytes that may come of anything: they are never held at once, so they cost time only, and not much of it.
const FREE_BYTES: u64 = 64 * 1024 * 1024;
/// Windows of zstd: 8 MiB, which is what RFC 9659 allows senders; more would be memory for whoever asks.
const ZSTD_WINDOW_LOG: u32 = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    /// With zlib's frame, as the RFC says; without it, it is damaged.
    Deflate,
    Brotli,
    Zstd,
}

/// The encodings of a body, in the order they were applied.
///
/// # Errors
/// When one is not known, or there are too many.
pub(crate) fn codings(headers: &[Header]) -> Result<Vec<Coding>, String> {
    let mut found = Vec::new();
    for header in headers.iter().filter(|header| header.name == "content-encoding") {
        for word in header.text().split(',').map(|word| word.trim().to_ascii_lowercase()) {
            found.push(match word.as_str() {
                "" | "identity" => continue,
                "gzip" | "x-gzip" => Coding::Gzip,
                "deflate" => Coding::Deflate,
                "br" => Coding::Brotli,
                "zstd" => Coding::Zstd,
                _ => return Err("the body's content-encoding is not one of gzip, deflate, br, zstd".to_owned()),
            });
        }
    }
    if found.len() > MAX_LAYERS {
        return Err(format!("the body is encoded more than {MAX_LAYERS} times"));
    }
    Ok(found)
}

/// A decoded body.
pub(crate) struct Decoder {
    reader: Pin<Box<dyn AsyncRead + Send>>,
    shared: Arc<Shared>,
    piece: BytesMut,
    given: u64,
    ended: bool,
    from: RefusedBy,
}

#[derive(Default)]
struct Shared {
    /// Encoded bytes that came.
    taken: AtomicU64,
    trailers: Mutex<Option<Frame>>,
}

impl Decoder {
    pub(crate) fn new(raw: Reader, codings: &[Coding], from: RefusedBy) -> Self {
        let raw = Reader { from, ..raw };
        let shared = Arc::clone(&raw.shared);
        let mut source: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(raw);
        for coding in codings.iter().rev() {
            source = Box::pin(BufReader::with_capacity(PIECE_BYTES, layer(*coding, source)));
        }
        Self { reader: source, shared, piece: BytesMut::new(), given: 0, ended: false, from }
    }

    /// Cancel safe: what was read is in `piece` at once.
    pub(crate) async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        if self.ended {
            return None;
        }
        self.piece.reserve(PIECE_BYTES);
        let read = self.reader.read_buf(&mut self.piece).await;
        let taken = self.shared.taken.load(Ordering::Relaxed);
        match read {
            Ok(0) => {}
            Ok(read) => {
                self.given = self.given.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
                if self.given > FREE_BYTES && self.given / MAX_RATIO > taken {
                    return Some(Err(self.broken("the body grows without measure when it is decoded")));
                }
                return Some(Ok(Frame::Data(self.piece.split().freeze())));
            }
            // No bytes at all: some servers announce an encoding for nothing.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && taken == 0 => {}
            Err(error) => {
                return Some(Err(match error.get_ref().and_then(|cause| cause.downcast_ref::<Broken>()) {
                    Some(broken) => {
                        self.ended = true;
                        broken.clone()
                    }
                    None => self.broken("the body's content-encoding is damaged, or ends too early"),
                }));
            }
        }
        self.ended = true;
        self.shared.trailers.lock().unwrap_or_else(PoisonError::into_inner).take().map(Ok)
    }

    fn broken(&mut self, message: &str) -> Broken {
        self.ended = true;
        let by = if self.from == RefusedBy::Upstream { RefusedBy::Upstream } else { RefusedBy::Inspector };
        Broken { by, message: message.to_owned() }
    }
}

fn layer(coding: Coding, source: Pin<Box<dyn AsyncBufRead + Send>>) -> Pin<Box<dyn AsyncRead + Send>> {
    match coding {
        Coding::Gzip => {
            // Members one after the other are one body (RFC 1952, section 2.2).
            let mut decoder = GzipDecoder::new(source);
            decoder.multiple_members(true);
            Box::pin(Whole(decoder))
        }
        Coding::Zstd => {
            let limits = [DParameter::window_log_max(ZSTD_WINDOW_LOG)];
            let mut decoder = ZstdDecoder::with_params(source, &limits);
            decoder.multiple_members(true);
            Box::pin(Whole(decoder))
        }
        Coding::Deflate => Box::pin(Whole(ZlibDecoder::new(source))),
        Coding::Brotli => Box::pin(Whole(BrotliDecoder::new(source))),
    }
}

/// A decoder behind whose end there is nothing: bytes there would pass unseen.
struct Whole<D>(D);

trait Decodes: AsyncRead + Unpin {
    fn rest(&mut self) -> Pin<&mut (dyn AsyncBufRead + Send)>;
}

macro_rules! decodes {
    ($($decoder:ident),*) => {$(
        impl Decodes for $decoder<Pin<Box<dyn AsyncBufRead + Send>>> {
            fn rest(&mut self) -> Pin<&mut (dyn AsyncBufRead + Send)> {
                self.get_mut().as_mut()
            }
        }
    )*};
}
decodes!(GzipDecoder, ZlibDecoder, BrotliDecoder, ZstdDecoder);

impl<D: Decodes> AsyncRead for Whole<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(context, buffer))?;
        if buffer.filled().len() > before || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let rest = ready!(self.0.rest().poll_fill_buf(context))?;
        if rest.is_empty() { Poll::Ready(Ok(())) } else { Poll::Ready(Err(ErrorKind::InvalidData.into())) }
    }
}

/// The encoded body as bytes to read.
pub(crate) struct Reader {
    raw: Raw,
    chunk: Bytes,
    shared: Arc<Shared>,
    from: RefusedBy,
}

impl Reader {
    pub(crate) fn new(raw: Raw) -> Self {
        Self { raw, chunk: Bytes::new(), shared: Arc::default(), from: RefusedBy::Client }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(context))?;
        let length = chunk.len().min(buffer.remaining());
        buffer.put_slice(chunk.get(..length).unwrap_or_default());
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<IoResult<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            let frame = match ready!(Pin::new(&mut this.raw).poll_frame(context)) {
                None => break,
                Some(Ok(frame)) => incoming(frame, this.from),
                Some(Err(broken)) => Some(Err(broken)),
            };
            match frame {
                None => {}
                Some(Err(broken)) => return Poll::Ready(Err(Error::other(broken))),
                Some(Ok(Frame::Data(data))) => {
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    this.shared.taken.fetch_add(length, Ordering::Relaxed);
                    this.chunk = data;
                }
                Some(Ok(trailers)) => {
                    *this.shared.trailers.lock().unwrap_or_else(PoisonError::into_inner) = Some(trailers);
                }
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(mut self: Pin<&mut Self>, amount: usize) {
        let amount = amount.min(self.chunk.len());
        self.chunk.advance(amount);
    }
}
