use crate::Body;
use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame as HyperFrame;
use proptest::prelude::*;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;
use weir_model::RefusedBy;
use weir_session::http::traffic::{Broken, Frame, Header, Source};

/// A body of these pieces.
struct Pieces(std::vec::IntoIter<Result<HyperFrame<Bytes>, Broken>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<HyperFrame<Bytes>, Broken>>> {
        Poll::Ready(self.0.next())
    }
}

fn body(encoding: &str, frames: Vec<Result<HyperFrame<Bytes>, Broken>>) -> Body {
    let headers = [Header::new("content-encoding", encoding.as_bytes().to_vec())];
    Body::from_raw(Pieces(frames.into_iter()).boxed_unsync(), &headers, RefusedBy::Upstream, None)
}

fn cut(bytes: &[u8], size: usize) -> Vec<Result<HyperFrame<Bytes>, Broken>> {
    bytes.chunks(size.max(1)).map(|piece| Ok(HyperFrame::data(Bytes::copy_from_slice(piece)))).collect()
}

/// What comes of it, and how it ends.
async fn all(mut body: Body) -> (Vec<u8>, Vec<Header>, Option<Broken>) {
    let (mut data, mut trailers) = (Vec::new(), Vec::new());
    while let Some(frame) = body.next().await {
        match frame {
            Ok(Frame::Data(bytes)) => data.extend_from_slice(&bytes),
            Ok(Frame::Trailers(headers)) => trailers = headers,
            Ok(Frame::Message(_)) => panic!("a message in a body"),
            Err(broken) => {
                assert!(body.next().await.is_none(), "it goes on");
                return (data, trailers, Some(broken));
            }
        }
    }
    (data, trailers, None)
}

async fn decoded(encoding: &str, encoded: &[u8], size: usize) -> (Vec<u8>, Option<Broken>) {
    let mut body = body(encoding, cut(encoded, size));
    body.decode().unwrap();
    let (data, _, broken) = all(body).await;
    (data, broken)
}

macro_rules! encode {
    ($encoder:ident, $text:expr) => {{
        let mut encoder = $encoder::with_quality(Vec::new(), async_compression::Level::Fastest);
        encoder.write_all($text).await.unwrap();
        encoder.shutdown().await.unwrap();
        encoder.into_inner()
    }};
}

async fn encoded(encoding: &str, text: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" | "x-gzip" => encode!(GzipEncoder, text),
        "deflate" => encode!(ZlibEncoder, text),
        "br" => encode!(BrotliEncoder, text),
        "zstd" => encode!(ZstdEncoder, text),
        other => panic!("{other}"),
    }
}

const ALL: [&str; 5] = ["gzip", "x-gzip", "deflate", "br", "zstd"];

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(length)
    .collect()
}

#[tokio::test]
async fn every_encoding_comes_back_however_it_is_cut() {
    for encoding in ALL {
        for text in [b"".to_vec(), b"x".to_vec(), b"hello hello hello".repeat(50), noise(100_000)] {
            let bytes = encoded(encoding, &text).await;
            for size in [1, 7, 1000, usize::MAX] {
                assert_eq!(decoded(encoding, &bytes, size).await, (text.clone(), None), "{encoding} {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_body_cut_short_anywhere_is_broken() {
    for encoding in ALL {
        let bytes = encoded(encoding, &noise(300)).await;
        for length in 1..bytes.len() {
            let (_, broken) = decoded(encoding, &bytes[..length], 50).await;
            assert!(broken.is_some(), "{encoding} passes with {length} of {} bytes", bytes.len());
        }
    }
}

#[tokio::test]
async fn what_stands_behind_the_end_breaks_it() {
    for encoding in ALL {
        let mut bytes = encoded(encoding, b"seen").await;
        bytes.extend_from_slice(b"unseen");
        for size in [1, 5, usize::MAX] {
            let (_, broken) = decoded(encoding, &bytes, size).await;
            assert!(broken.is_some(), "{encoding} {size}");
        }
    }
}

#[tokio::test]
async fn members_behind_each_other_are_one_body() {
    for encoding in ["gzip", "zstd"] {
        let bytes = [encoded(encoding, b"one ").await, encoded(encoding, b"two").await].concat();
        for size in [1, 10, usize::MAX] {
            assert_eq!(
                decoded(encoding, &bytes, size).await,
                (b"one two".to_vec(), None),
                "{encoding} {size}"
            );
        }
    }
}

#[tokio::test]
async fn a_damaged_body_is_broken_by_who_sends_it() {
    // Brotli and zstd, as they are used, have no checksum.
    for encoding in ["gzip", "deflate"] {
        let mut bytes = encoded(encoding, &noise(1000)).await;
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        let last = bytes.len() - 1;
        bytes[last] ^= 0xff;
        let (_, broken) = decoded(encoding, &bytes, 100).await;
        let broken = broken.unwrap_or_else(|| panic!("{encoding} passes"));
        assert_eq!(broken.by, RefusedBy::Upstream);
        assert_eq!(broken.message, "the body's content-encoding is damaged, or ends too early");
    }
    assert!(decoded("deflate", b"not zlib", 100).await.1.is_some());
}

#[tokio::test]
async fn two_layers_are_undone_and_three_are_not() {
    let bytes = encoded("gzip", &encoded("br", b"inner").await).await;
    assert_eq!(decoded("br, gzip", &bytes, 3).await, (b"inner".to_vec(), None));
    let with_more = encoded("gzip", &[encoded("br", b"inner").await, b"unseen".to_vec()].concat()).await;
    assert!(decoded("br, gzip", &with_more, 3).await.1.is_some());
    let broken = body("gzip, gzip, gzip", Vec::new()).decode().unwrap_err();
    assert_eq!(
        (broken.by, broken.message.as_str()),
        (RefusedBy::Inspector, "the body is encoded more than 2 times")
    );
}

#[tokio::test]
async fn an_encoding_that_is_not_known_is_refused_and_identity_is_none() {
    for encoding in ["compress", "gzip;q=1", "gzip, compress", "aws-chunked"] {
        assert!(body(encoding, cut(b"x", 1)).decode().is_err(), "{encoding}");
    }
    for encoding in ["", "identity", "Identity, "] {
        assert_eq!(decoded(encoding, b"plain", 2).await, (b"plain".to_vec(), None));
    }
}

#[tokio::test]
async fn a_body_that_is_not_to_be_decoded_passes_as_it_comes() {
    let (data, _, broken) = all(body("unheard-of", cut(b"bytes", 2))).await;
    assert_eq!((data.as_slice(), broken), (b"bytes".as_slice(), None));
}

#[tokio::test]
async fn a_bomb_is_refused_before_it_has_gone_off() {
    let zeros = vec![0; 70 * 1024 * 1024];
    for encoding in ["gzip", "br", "zstd"] {
        let bytes = encoded(encoding, &zeros).await;
        let (data, broken) = decoded(encoding, &bytes, usize::MAX).await;
        let broken =
            broken.unwrap_or_else(|| panic!("{encoding} passes with {} of {}", bytes.len(), data.len()));
        assert_eq!(broken.message, "the body grows without measure when it is decoded");
        assert!(data.len() <= 65 * 1024 * 1024, "{encoding} gave {}", data.len());
    }
}

#[tokio::test]
async fn a_window_that_wants_much_memory_is_refused() {
    use async_compression::Level;
    use async_compression::zstd::CParameter;
    for (log, fits) in [(23, true), (27, false)] {
        let parameters = [CParameter::window_log(log)];
        let mut encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Fastest, &parameters);
        encoder.write_all(&noise(10_000)).await.unwrap();
        encoder.shutdown().await.unwrap();
        assert_eq!(decoded("zstd", &encoder.into_inner(), 100).await.1.is_none(), fits, "{log}");
    }
}

#[tokio::test]
async fn trailers_come_last_and_a_break_comes_through() {
    let mut frames = cut(&encoded("gzip", b"text").await, 5);
    let mut trailers = http::HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("1"));
    frames.push(Ok(HyperFrame::trailers(trailers)));
    let mut decoding = body("gzip", frames);
    decoding.decode().unwrap();
    let (data, trailers, broken) = all(decoding).await;
    assert_eq!((data.as_slice(), broken), (b"text".as_slice(), None));
    assert_eq!(trailers, [Header::new("x-sum", &b"1"[..])]);

    let gone = Broken { by: RefusedBy::Upstream, message: "it is gone".to_owned() };
    let mut frames = cut(&encoded("gzip", &noise(500)).await[..200], 50);
    frames.push(Err(gone.clone()));
    let mut decoding = body("gzip", frames);
    decoding.decode().unwrap();
    assert_eq!(all(decoding).await.2, Some(gone));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_bytes_make_it_fail_otherwise_than_broken(
        encoding in prop::sample::select(vec!["gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip"]),
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        size in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let _ = runtime.block_on(decoded(encoding, &bytes, size));
    }
}
