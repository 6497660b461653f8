//! A client's connection, a handler that hands everything on, and an upstream: both legs together.

use crate::scene::{Client, PEER, handler};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use weir_http::{Handler, Incoming, Pool, PoolOptions, Way, dial, identity_head};
use weir_session::http::traffic::{Answer, Frame, Pipe, Source, Upstream};

/// Frames that a pipe may hold.
const PIPE: usize = 4;

/// Hands on, and counts the bytes of answers.
fn hands_on(pool: Arc<Pool>, passed: Arc<AtomicU64>, decode: bool) -> Arc<impl Handler> {
    handler(move |incoming: Incoming| {
        let (way, passed) = (Way(Arc::clone(&pool)), Arc::clone(&passed));
        async move {
            assert_eq!(incoming.client, PEER.address);
            let length = incoming.head.length;
            let request = copied(incoming.body, Arc::default());
            match way.send(incoming.head, request, length).await {
                Ok((head, mut body)) => {
                    let (mut headers, mut length) = (head.headers, head.length);
                    if decode {
                        body.decode().unwrap();
                        identity_head(&mut headers);
                        length = None;
                    }
                    Answer { status: head.status, headers, body: copied(body, passed), length }
                }
                Err(fault) => crate::scene::text(502, &fault.message),
            }
        }
    })
}

pub(crate) fn copied(mut body: impl Source, passed: Arc<AtomicU64>) -> Pipe {
    let (sender, pipe) = mpsc::channel(PIPE);
    tokio::spawn(async move {
        loop {
            let frame = tokio::select! {
                frame = body.next() => frame,
                () = sender.closed() => return,
            };
            let Some(frame) = frame else { return };
            if let Ok(Frame::Data(data)) = &frame {
                passed.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
            if sender.send(frame).await.is_err() {
                return;
            }
        }
    });
    pipe.into()
}

pub(crate) async fn upstream() -> (TcpListener, Arc<Pool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dial = dial("127.0.0.1".to_owned(), port, None, Duration::from_secs(5));
    (listener, Pool::new(dial, PoolOptions::new("up", false)))
}

/// Until the empty line.
pub(crate) async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_read_stops_the_upstream() {
    let (listener, pool) = upstream().await;
    let passed = Arc::<AtomicU64>::default();
    let mut client = Client::of(hands_on(pool, Arc::clone(&passed), false));
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    head(&mut stream).await;
    let sending = tokio::spawn(async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 16 * 1024]).await.is_ok() {}
    });
    let mut before = u64::MAX;
    while before != passed.load(Ordering::Relaxed) {
        before = passed.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // The client's pipe, hyper's two buffers, and five frames.
    assert!(before > 0 && before < 2 * 1024 * 1024, "{before} bytes are on their way");
    assert!(!sending.is_finished());
    // When it goes, the upstream is told.
    drop(client.stream);
    tokio::time::timeout(Duration::from_secs(5), sending).await.expect("the upstream is still read").unwrap();
}

#[tokio::test]
async fn an_upstream_that_does_not_read_stops_the_client() {
    let (listener, pool) = upstream().await;
    let mut client = Client::of(hands_on(pool, Arc::default(), false));
    client.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000000\r\n\r\n").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    head(&mut stream).await;
    let mut said = 0;
    while tokio::time::timeout(Duration::from_millis(500), client.stream.write_all(&[b'x'; 16 * 1024]))
        .await
        .is_ok()
    {
        said += 16;
        // The kernel takes some megabytes for the socket between us and the upstream.
        assert!(said < 64 * 1024, "a body that nobody reads is taken without end");
    }
}

#[tokio::test]
async fn a_large_body_passes_both_ways_unchanged() {
    let (listener, pool) = upstream().await;
    let mut client = Client::of(hands_on(pool, Arc::default(), false));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        let mut body = vec![0; 3_000_000];
        stream.read_exact(&mut body).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        stream.write_all(&body).await.unwrap();
    });
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.say("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n").await;
    let (mut reads, mut writes) = tokio::io::split(client.stream);
    let sent = body.clone();
    let sending = tokio::spawn(async move {
        writes.write_all(&sent).await.unwrap();
        writes
    });
    let mut heard = Vec::new();
    reads.read_to_end(&mut heard).await.unwrap();
    assert!(heard.ends_with(&body) && heard.starts_with(b"HTTP/1.1 200 OK\r\n"));
    sending.await.unwrap();
}

#[tokio::test]
async fn events_pass_one_by_one() {
    let (listener, pool) = upstream().await;
    let mut client = Client::of(hands_on(pool, Arc::default(), false));
    client.say("GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n").await;
    let (mut stream, _) = listener.accept().await.unwrap();
    head(&mut stream).await;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await.unwrap();
    client.hear("transfer-encoding: chunked").await;
    for at in 0..5 {
        let event = format!("data: {at}\n\n");
        stream.write_all(event.as_bytes()).await.unwrap();
        client.hear(&event).await;
    }
}

#[tokio::test]
async fn a_compressed_answer_can_be_given_decoded() {
    use std::io::Write;
    let (listener, pool) = upstream().await;
    let client = Client::of(hands_on(pool, Arc::default(), true));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        // `hello hello hello`, by gzip.
        let body = [
            0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x90, 0,
            0x80, 0x88, 0xf9, 0xe5, 0x11, 0, 0, 0,
        ];
        let mut answer = Vec::new();
        write!(
            answer,
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: \"a\"\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        answer.extend_from_slice(&body);
        stream.write_all(&answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    let heard = client.talk("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(heard.contains("etag: W/\"a\"\r\n") && !heard.contains("gzip"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n11\r\nhello hello hello\r\n0\r\n\r\n"), "{heard}");
}
