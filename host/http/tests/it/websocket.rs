//! WebSocket on both legs, byte by byte at either end.

use crate::scene::{Client, handler, text};
use crate::through::{copied, head, upstream};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use weir_http::{Handler, Incoming, Pool, Way};
use weir_session::http::traffic::{Answer, Source, Upstream};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, other\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
const MOST: usize = 1000;
/// `Hello` in a text frame of a client, with a mask of zeros.
const HELLO: &[u8] = b"\x81\x85\0\0\0\0Hello";

/// Hands messages on.
fn hands_on(pool: Arc<Pool>) -> Arc<impl Handler> {
    handler(move |mut incoming: Incoming| {
        let way = Way(Arc::clone(&pool));
        async move {
            incoming.body.messages(MOST);
            match way.send(incoming.head, copied(incoming.body, Arc::default()), Some(0)).await {
                Ok((head, mut body)) => {
                    body.messages(MOST);
                    let body = copied(body, Arc::default());
                    Answer { status: head.status, headers: head.headers, body, length: None }
                }
                Err(fault) => text(502, &format!("{} {}", fault.message, fault.detail)),
            }
        }
    })
}

fn line<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
}

/// The head of the upstream's switch, with `more` lines.
fn switch(asked: &str, more: &str) -> String {
    let key = line(asked, "sec-websocket-key:");
    let accept = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = STANDARD.encode(accept);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

async fn begun(more: &str) -> (Client, TcpStream, String) {
    let (listener, pool) = upstream().await;
    let mut client = Client::of(hands_on(pool));
    client.say(ASK).await;
    let (mut stream, _) = listener.accept().await.unwrap();
    let asked = head(&mut stream).await;
    stream.write_all(switch(&asked, more).as_bytes()).await.unwrap();
    (client, stream, asked)
}

async fn open() -> (Client, TcpStream) {
    let (mut client, stream, _) = begun("").await;
    client.hear("\r\n\r\n").await;
    (client, stream)
}

async fn frame(stream: &mut (impl AsyncReadExt + Unpin), length: usize) -> Vec<u8> {
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

/// A frame of ours to the upstream: its first byte, and what it says.
async fn unmasked(stream: &mut TcpStream, length: usize) -> (u8, Vec<u8>) {
    let frame = frame(stream, 2 + 4 + length).await;
    assert_eq!(frame[1], 0x80 | length as u8);
    let (key, payload) = frame[2..].split_at(4);
    (frame[0], payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect())
}

#[tokio::test]
async fn each_leg_has_a_handshake_of_its_own() {
    let (mut client, _stream, asked) = begun("Sec-WebSocket-Protocol: other\r\nX-More: 1\r\n").await;
    assert_eq!(line(&asked, "sec-websocket-version:"), "13");
    assert_eq!(line(&asked, "sec-websocket-protocol:"), "chat, other");
    assert_eq!(line(&asked, "upgrade:"), "websocket");
    assert!(!asked.contains("deflate") && !asked.contains("dGhlIHNhbXBsZSBub25jZQ=="), "{asked}");
    let heard = client.hear("\r\n\r\n").await.to_ascii_lowercase();
    assert!(heard.starts_with("http/1.1 101 "), "{heard}");
    assert_eq!(line(&heard, "sec-websocket-accept:"), "s3pplmbitxaq9kygzzhzrbk+xoo=");
    assert_eq!(line(&heard, "sec-websocket-protocol:"), "other");
    assert_eq!(line(&heard, "x-more:"), "1");
    assert_eq!(heard.matches("sec-websocket-accept").count(), 1);
}

#[tokio::test]
async fn messages_pass_whole_and_masked_anew() {
    let (mut client, mut stream) = open().await;
    for piece in HELLO {
        client.stream.write_all(&[*piece]).await.unwrap();
    }
    assert_eq!(unmasked(&mut stream, 5).await, (0x81, b"Hello".to_vec()));
    stream.write_all(b"\x02\x01a\x89\x01p\x80\x01b").await.unwrap();
    assert_eq!(frame(&mut client.stream, 4).await, b"\x82\x02ab");
    // The ping between them was ours to answer.
    assert_eq!(unmasked(&mut stream, 1).await, (0x8a, b"p".to_vec()));
}

#[tokio::test]
async fn a_close_goes_to_the_other_side_and_both_connections_end() {
    let (mut client, mut stream) = open().await;
    client.stream.write_all(b"\x88\x82\0\0\0\0\x03\xe8").await.unwrap();
    assert_eq!(unmasked(&mut stream, 2).await, (0x88, vec![0x03, 0xe8]));
    stream.write_all(b"\x88\x02\x03\xe8").await.unwrap();
    assert_eq!(frame(&mut client.stream, 4).await, b"\x88\x02\x03\xe8");
    assert_eq!(client.hear_all().await, "");
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn frames_that_break_the_rules_end_the_connection() {
    for (sent, code) in
        [(&b"\x81\x05Hello"[..], 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\x82\xfe\x03\xe9", 1009)]
    {
        let (mut client, mut stream) = open().await;
        client.stream.write_all(sent).await.unwrap();
        let said = frame(&mut client.stream, 4).await;
        assert_eq!((said[0], u16::from_be_bytes([said[2], said[3]])), (0x88, code), "{sent:?}");
        client.hear_all().await;
        // Nothing of it reached the upstream but the end.
        assert_eq!(unmasked(&mut stream, 2).await.0, 0x88);
    }
    let (mut client, mut stream) = open().await;
    stream.write_all(b"\xc1\x00").await.unwrap();
    assert_eq!(frame(&mut client.stream, 1).await, [0x88]);
}

#[tokio::test]
async fn an_upstream_that_switches_otherwise_than_asked_is_not_passed_on() {
    for more in ["Sec-WebSocket-Protocol: third\r\n", "Sec-WebSocket-Extensions: x\r\n", "Upgrade: h2c\r\n"] {
        let (mut client, _stream, _) = begun(more).await;
        let heard = client.hear("passed on").await;
        assert!(heard.starts_with("HTTP/1.1 502 "), "{more}: {heard}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_switch_is_heard_and_http_goes_on() {
    let (listener, pool) = upstream().await;
    let mut client = Client::of(hands_on(pool));
    for _ in 0..2 {
        client.say(ASK).await;
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone").await.unwrap();
        let heard = client.hear("none").await;
        assert!(heard.starts_with("HTTP/1.1 404 "), "{heard}");
    }
}

#[tokio::test]
async fn bytes_before_the_answer_end_the_connection() {
    let (begun, calls) = (Arc::new(Notify::new()), Arc::<AtomicUsize>::default());
    let (waits, counted) = (Arc::clone(&begun), Arc::clone(&calls));
    let handler = handler(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        waits.notify_one();
        std::future::pending()
    });
    let mut client = Client::of(handler);
    client.say(ASK).await;
    begun.notified().await;
    client.say("GET /b HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(client.hear_all().await, "");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_handshake_of_another_version_hears_which_is_spoken() {
    let asked = ASK.replace("Version: 13", "Version: 8");
    let heard = Client::of(handler(async |_| text(200, "served"))).talk(&asked).await;
    assert!(heard.starts_with("HTTP/1.1 426 "), "{heard}");
    assert!(heard.to_ascii_lowercase().contains("sec-websocket-version: 13"), "{heard}");
}

#[tokio::test]
async fn a_switch_that_nobody_asked_for_is_an_error() {
    let mut client = Client::of(handler(async |_| Answer { status: 101, ..text(200, "") }));
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let heard = client.hear("cannot be sent").await;
    assert!(heard.starts_with("HTTP/1.1 500 "), "{heard}");
}
