//! Requests that no handler sees.

use crate::scene::{Client, handler, read, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const GOOD: &str = "GET /good HTTP/1.1\r\nHost: x\r\n\r\n";

/// First a good request, then a bad one, and behind it what must never be a request.
async fn only_the_first(bad: &str) -> String {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let handler = handler(move |mut incoming| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let _ = read(&mut incoming.body).await;
            text(200, "served")
        }
    });
    let heard = Client::of(Arc::clone(&handler)).talk(&format!("{GOOD}{bad}{GOOD}{GOOD}")).await;
    assert_eq!(calls.load(Ordering::Relaxed), 1, "{bad:?}: {heard}");
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 1, "{bad:?}: {heard}");
    assert_eq!(handler.refusals.lock().unwrap().len(), 1, "{bad:?}");
    let refused = heard.split_once("served").unwrap().1.to_owned();
    assert!(refused.contains("\r\nconnection: close\r\n"), "{bad:?}: {refused}");
    refused
}

#[tokio::test]
async fn smuggling_is_refused_behind_the_answers_before_it() {
    for bad in [
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n 44\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: y\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: y\rTransfer-Encoding: chunked\r\n\r\n",
        "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: admin@x\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        // Only the head as a whole tells these.
        "POST / HTTP/1.1\r\nHost: x\r\ncontent_length: 44\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer_Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: 1.1.1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: DELETE\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Original-URL: /admin\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Content-Type\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nTrailer: content-length\r\n\r\n",
        "GET /a%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a%4 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /..\\admin HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let refused = only_the_first(bad).await;
        assert!(refused.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{bad:?}: {refused}");
    }
}

#[tokio::test]
async fn what_is_not_done_says_so() {
    for (bad, line) in [
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: x/1\r\n\r\n", "501 Not Implemented"),
        ("GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "400 Bad Request"),
        ("CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n", "501 Not Implemented"),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501 Not Implemented"),
        ("GET / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", "417 Expectation Failed"),
        ("GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported"),
    ] {
        let refused = only_the_first(bad).await;
        assert!(refused.starts_with(&format!("HTTP/1.1 {line}\r\n")), "{bad:?}: {refused}");
    }
    let websocket = only_the_first("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(
        websocket.ends_with("weir: bytes follow a request for WebSocket before its answer\n"),
        "{websocket}"
    );
}

#[tokio::test]
async fn a_body_with_a_wrong_chunk_is_broken_and_the_last() {
    for chunks in
        ["3\r\nabcd\r\n0\r\n\r\n", "g\r\n", "1\r\na\r\n0\r\nHost: y\r\n\r\n", "-1\r\n", "1 \r\na\r\n"]
    {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let handler = handler(move |mut incoming| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                let (_, trailers, broken) = read(&mut incoming.body).await;
                assert!(broken.is_some() && trailers.is_empty());
                text(400, "broken")
            }
        });
        let bad = format!("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{GOOD}");
        let heard = Client::of(handler).talk(&bad).await;
        assert_eq!(calls.load(Ordering::Relaxed), 1, "{chunks:?}: {heard}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(70_000));
    let refused = only_the_first(&large).await;
    assert!(refused.starts_with("HTTP/1.1 431 "), "{refused}");
}

#[tokio::test]
async fn a_head_near_the_limit_passes() {
    let handler = handler(|incoming| async move { text(200, &format!("{}", incoming.head.headers.len())) });
    let large = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n{}\r\n",
        "a".repeat(60_000),
        "A: b\r\n".repeat(97)
    );
    assert!(Client::of(handler).talk(&large).await.ends_with("98"));
}
