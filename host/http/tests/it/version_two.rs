//! HTTP/2 on both legs: a real client against our server, our pool against our server.

use crate::scene::{Client, PEER, data, echo, frames, handler, read, text};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Frame as HyperFrame, Incoming as HyperBody};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use weir_http::{Handler, Http2, Limits, Pool, PoolOptions, dial, serve_connection};
use weir_session::http::traffic::{Frame, Header, RequestHead};

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

async fn connected<H: Handler>(handler: Arc<H>) -> (SendRequest<Body>, watch::Sender<bool>) {
    let Client { stream, stop, .. } = Client::of(handler);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    (sender, stop)
}

fn request(method: &str, uri: &str) -> http::request::Builder {
    Request::builder().method(method).uri(uri)
}

fn empty() -> Body {
    Empty::new().boxed_unsync()
}

async fn heard(answer: Response<HyperBody>) -> (StatusCode, String, Option<HeaderMap>) {
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (status, String::from_utf8(body.to_bytes().to_vec()).unwrap(), trailers)
}

#[tokio::test]
async fn requests_are_served_beside_each_other() {
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let handler = handler(move |incoming| {
        let both = Arc::clone(&both);
        async move {
            // Resolves only when the other is here as well.
            both.wait().await;
            text(200, &format!("{} {}", incoming.head.authority, incoming.head.path))
        }
    });
    let (mut sender, _stop) = connected(handler).await;
    let first = sender.send_request(request("GET", "http://X.example/1").body(empty()).unwrap());
    let second = sender.send_request(request("GET", "http://x.example/2").body(empty()).unwrap());
    let (first, second) = tokio::join!(first, second);
    assert_eq!(heard(first.unwrap()).await.1, "x.example /1");
    assert_eq!(heard(second.unwrap()).await.1, "x.example /2");
}

#[tokio::test]
async fn bodies_and_trailers_pass_both_ways() {
    let handler = handler(|mut incoming| async move {
        let (body, trailers, _) = read(&mut incoming.body).await;
        assert_eq!(incoming.head.headers, [Header::new("te", &b"trailers"[..])]);
        assert_eq!(trailers, [Header::new("x-sum", &b"1"[..])]);
        let back = vec![Header::new("grpc-status", &b"0"[..])];
        frames(Vec::new(), vec![Ok(Frame::Data(body.into())), Ok(Frame::Trailers(back))])
    });
    let (mut sender, _stop) = connected(handler).await;
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", http::HeaderValue::from_static("1"));
    let (feed, mut fed) = mpsc::channel(2);
    feed.try_send(Ok::<_, Infallible>(HyperFrame::data(Bytes::from_static(b"abc")))).unwrap();
    feed.try_send(Ok(HyperFrame::trailers(trailers))).unwrap();
    drop(feed);
    let body = Polled(move |context: &mut Context<'_>| fed.poll_recv(context));
    let answer = sender
        .send_request(
            request("POST", "http://x/").header("te", "trailers").body(body.boxed_unsync()).unwrap(),
        )
        .await
        .unwrap();
    let (status, body, trailers) = heard(answer).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "abc"));
    assert_eq!(trailers.unwrap()["grpc-status"], "0");
}

#[tokio::test]
async fn a_client_that_is_answered_early_may_send_the_rest() {
    let (mut sender, _stop) = connected(handler(|_| async { text(200, "early") })).await;
    for target in ["http://x/", "http://x/a%z"] {
        let (feed, mut fed) = mpsc::channel(1);
        let body = Polled(move |context: &mut Context<'_>| fed.poll_recv(context));
        let asked = request("POST", target).body(body.boxed_unsync()).unwrap();
        let answer = sender.send_request(asked).await.unwrap();
        let (status, ..) = heard(answer).await;
        assert!(status == StatusCode::OK || status == StatusCode::BAD_REQUEST);
        for _ in 0..5 {
            let piece = HyperFrame::data(Bytes::from_static(&[b'x'; 10_000]));
            feed.send(Ok::<_, Infallible>(piece)).await.unwrap();
        }
    }
}

/// A body from a function.
struct Polled<F>(F);

impl<F> hyper::body::Body for Polled<F>
where
    F: FnMut(&mut Context<'_>) -> Poll<Option<Result<HyperFrame<Bytes>, Infallible>>> + Unpin,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<HyperFrame<Bytes>, Infallible>>> {
        (self.0)(context)
    }
}

#[tokio::test]
async fn a_head_that_is_ambiguous_is_refused_and_the_rest_goes_on() {
    let (mut sender, _stop) = connected(echo()).await;
    for (bad, status) in [
        (request("GET", "http://x/").header("host", "y"), 400),
        (request("GET", "http://a@x/"), 400),
        (request("GET", "http://x/").header("content_length", "1"), 400),
        (request("GET", "http://x/").header("x-http-method-override", "PUT"), 400),
        (request("GET", "http://x/a%z"), 400),
        (request("TRACE", "http://x/"), 501),
        (request("GET", "http://x/").header("expect", "x"), 417),
    ] {
        let answer = sender.send_request(bad.body(empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    let crumbs =
        request("GET", "http://x/ok").header("cookie", "a=1").header("cookie", "b=2").header("host", "x");
    let answer = sender.send_request(crumbs.body(empty()).unwrap()).await.unwrap();
    assert_eq!(heard(answer).await.1, "GET /ok ");
}

#[tokio::test]
async fn crumbs_of_cookies_are_one_value() {
    let handler = handler(|incoming| async move { text(200, &incoming.head.headers[0].text()) });
    let (mut sender, _stop) = connected(handler).await;
    let crumbs = request("GET", "http://x/").header("cookie", "a=1").header("cookie", "b=2");
    let answer = sender.send_request(crumbs.body(empty()).unwrap()).await.unwrap();
    assert_eq!(heard(answer).await.1, "a=1; b=2");
}

/// A handler without end, and how to know that it was dropped.
fn endless() -> (Arc<impl Handler>, Arc<Notify>) {
    let dropped = Arc::new(Notify::new());
    struct Told(Arc<Notify>);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let tell = Arc::clone(&dropped);
    let handler = handler(move |_| {
        let told = Told(Arc::clone(&tell));
        async move {
            std::future::pending::<()>().await;
            drop(told);
            text(200, "")
        }
    });
    (handler, dropped)
}

#[tokio::test]
async fn a_stream_that_is_reset_ends_its_handler() {
    let (handler, dropped) = endless();
    let (mut sender, _stop) = connected(handler).await;
    let asked = sender.send_request(request("GET", "http://x/").body(empty()).unwrap());
    assert!(tokio::time::timeout(Duration::from_millis(50), asked).await.is_err());
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.expect("the handler goes on");
}

#[tokio::test]
async fn a_connection_that_is_dropped_ends_its_handlers() {
    let (handler, dropped) = endless();
    let Client { stream, served, .. } = Client::of(handler);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, Body>(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let asked = sender.send_request(request("GET", "http://x/").body(empty()).unwrap());
    let asked = tokio::spawn(asked);
    tokio::time::sleep(Duration::from_millis(50)).await;
    served.abort();
    tokio::time::timeout(Duration::from_secs(5), dropped.notified()).await.expect("the handler goes on");
    assert!(asked.await.unwrap().is_err());
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_the_streams() {
    let handler = handler(|_| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        text(200, "done")
    });
    let (mut sender, stop) = connected(handler).await;
    let asked = sender.send_request(request("GET", "http://x/").body(empty()).unwrap());
    let asked = tokio::spawn(asked);
    tokio::time::sleep(Duration::from_millis(30)).await;
    stop.send(true).unwrap();
    assert_eq!(heard(asked.await.unwrap().unwrap()).await.1, "done");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(sender.is_closed());
}

/// Our server, and a pool that speaks HTTP/2 with it.
async fn ours<H: Handler>(handler: Arc<H>) -> (Arc<Pool>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        let (_stop, stopping) = watch::channel(false);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(serve_connection(
                weir_net::Stream::Plain(stream),
                PEER,
                Limits::default(),
                Arc::clone(&handler),
                stopping.clone(),
            ));
        }
    });
    let options = PoolOptions { http2: Http2::PriorKnowledge, ..PoolOptions::new("up.example", false) };
    (Pool::new(dial("127.0.0.1".to_owned(), port, None, Duration::from_secs(5)), options), connections)
}

fn head(method: &str, path: &str) -> RequestHead {
    RequestHead {
        method: method.into(),
        authority: "client".to_owned(),
        path: path.to_owned(),
        query: Some("q".to_owned()),
        headers: Vec::new(),
        has_body: method == "POST",
        length: None,
        runs_once: false,
    }
}

#[tokio::test]
async fn a_pool_shares_its_connection() {
    let handler = handler(|mut incoming| async move {
        let (body, ..) = read(&mut incoming.body).await;
        tokio::time::sleep(Duration::from_millis(30)).await;
        let head = incoming.head;
        text(200, &format!("{} {:?} {}", head.authority, head.query, String::from_utf8_lossy(&body)))
    });
    let (pool, connections) = ours(handler).await;
    let (_, mut body) = pool.exchange(head("GET", "/"), mpsc::channel(1).1.into(), Some(0)).await.unwrap();
    assert_eq!(read(&mut body).await.0, b"up.example Some(\"q\") ");
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let pool = Arc::clone(&pool);
        tasks.push(tokio::spawn(async move {
            let (feed, pipe) = mpsc::channel(1);
            feed.try_send(data("body")).unwrap();
            drop(feed);
            let (answer, mut body) = pool.exchange(head("POST", "/"), pipe.into(), None).await.unwrap();
            assert!(answer.has_body);
            read(&mut body).await.0
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), b"up.example Some(\"q\") body");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}
