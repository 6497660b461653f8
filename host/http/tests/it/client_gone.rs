//! A client that goes away ends what it asked for.

use crate::scene::{Client, frames, handler, read, text};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use weir_session::http::traffic::{Answer, Frame};

const MANY: Duration = Duration::from_secs(5);

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// A handler that takes for ever is dropped when its client closes after saying this.
async fn dropped_after(request: &str) {
    let (begun, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begins, tell) = (Arc::clone(&begun), Arc::clone(&dropped));
    let handler = handler(move |incoming| {
        let (begins, told) = (Arc::clone(&begins), Told(Arc::clone(&tell)));
        async move {
            begins.notify_one();
            std::future::pending::<()>().await;
            drop((told, incoming));
            text(200, "")
        }
    });
    let mut client = Client::of(handler);
    client.say(request).await;
    begun.notified().await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    drop(client.stream);
    tokio::time::timeout(MANY, dropped.notified()).await.expect("the handler goes on");
    tokio::time::timeout(MANY, client.served).await.expect("the connection goes on").unwrap();
}

#[tokio::test]
async fn before_the_answer() {
    dropped_after("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
}

#[tokio::test]
async fn while_nobody_reads_its_body() {
    let small = "x".repeat(20_000);
    dropped_after(&format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n{small}")).await;
}

#[tokio::test]
async fn while_a_pipelined_request_waits() {
    dropped_after("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET").await;
}

#[tokio::test]
async fn in_the_middle_of_its_body() {
    let (seen, mut sees) = mpsc::channel(1);
    let handler = handler(move |mut incoming| {
        let seen = seen.clone();
        async move {
            let (body, _, broken) = read(&mut incoming.body).await;
            seen.send((body, broken.is_some())).await.unwrap();
            text(200, "")
        }
    });
    let mut client = Client::of(handler);
    client.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").await;
    drop(client.stream);
    // Either the body is broken, or the handler is gone: never a whole body.
    assert!(tokio::time::timeout(MANY, sees.recv()).await.unwrap().is_none_or(|(_, broken)| broken));
}

#[tokio::test]
async fn during_the_answer_its_producer_is_told() {
    let told = Arc::new(Notify::new());
    let tell = Arc::clone(&told);
    let handler = handler(move |_| {
        let tell = Arc::clone(&tell);
        async move {
            let (sender, body) = mpsc::channel(1);
            tokio::spawn(async move {
                sender.send(Ok(Frame::Data(Bytes::from_static(b"first")))).await.unwrap();
                sender.closed().await;
                tell.notify_one();
            });
            Answer { body: body.into(), ..frames(Vec::new(), Vec::new()) }
        }
    });
    let mut client = Client::of(handler);
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.hear("first").await;
    drop(client.stream);
    tokio::time::timeout(MANY, told.notified()).await.expect("the producer goes on");
}

#[tokio::test]
async fn who_does_not_read_stops_the_producer() {
    let (made, mut makes) = mpsc::unbounded_channel();
    let handler = handler(move |_| {
        let made = made.clone();
        async move {
            let (sender, body) = mpsc::channel(1);
            tokio::spawn(async move {
                while sender.send(Ok(Frame::Data(Bytes::from_static(&[b'x'; 16 * 1024])))).await.is_ok() {
                    made.send(()).unwrap();
                }
            });
            Answer { body: body.into(), ..frames(Vec::new(), Vec::new()) }
        }
    });
    let mut client = Client::of(handler);
    client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut count = 0;
    while tokio::time::timeout(Duration::from_millis(300), makes.recv()).await.is_ok() {
        count += 1;
        assert!(count < 100, "an answer that nobody reads is made without end");
    }
    // 64 KiB in the client's pipe, the rest is ours: a little more than hyper's buffer.
    assert!(count * 16 < 64 + 512, "{count} pieces of 16 KiB are on their way");
}
