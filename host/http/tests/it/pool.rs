//! Requests to an upstream of bare bytes.

use crate::scene::{data, read};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use weir_http::{Pool, PoolOptions, dial};
use weir_model::{FaultSource, RefusedBy};
use weir_session::http::traffic::{AnswerHead, Broken, Frame, Header, Pipe, RequestHead};

/// An upstream that answers by script, one answer per request, over as many connections as come. An answer that ends
/// with `!` closes the connection behind it.
struct Upstream {
    pool: Arc<Pool>,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn upstream(answers: &[&str]) -> Upstream {
    with_options(answers, PoolOptions::new("up.example:8080", false)).await
}

async fn with_options(answers: &[&str], options: PoolOptions) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answers: VecDeque<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
    let answers = Arc::new(Mutex::new(answers));
    let (connections, requests) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
    let (counted, kept) = (Arc::clone(&connections), Arc::clone(&requests));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let (answers, kept) = (Arc::clone(&answers), Arc::clone(&kept));
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                loop {
                    if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                        return;
                    }
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                    let chunked = head.contains("transfer-encoding: chunked");
                    let length =
                        head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                    let length = length.map_or(0, |length| length.parse().unwrap());
                    if (chunked && !(body.contains("0\r\n") && body.ends_with("\r\n\r\n")))
                        || body.len() < length
                    {
                        continue;
                    }
                    bytes.clear();
                    kept.lock().unwrap().push(text);
                    let answer = answers.lock().unwrap().pop_front();
                    let Some(answer) = answer else {
                        std::future::pending::<String>().await;
                        return;
                    };
                    stream.write_all(answer.trim_end_matches('!').as_bytes()).await.unwrap();
                    if answer.ends_with('!') {
                        return;
                    }
                }
            });
        }
    });
    let pool = Pool::new(dial("127.0.0.1".to_owned(), port, None, Duration::from_secs(5)), options);
    Upstream { pool, connections, requests }
}

impl Upstream {
    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Sends a request and reads all of the answer.
    async fn asked(&self, path: &str) -> Result<(AnswerHead, String, Option<Broken>), weir_model::Fault> {
        let (head, mut body) = self.pool.exchange(get(path), nothing(), Some(0)).await?;
        let (data, _, broken) = read(&mut body).await;
        // The connection is given back by a task.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok((head, String::from_utf8(data).unwrap(), broken))
    }
}

fn get(path: &str) -> RequestHead {
    RequestHead {
        method: "GET".into(),
        authority: "client.example".to_owned(),
        path: path.to_owned(),
        query: None,
        headers: Vec::new(),
        has_body: false,
        length: Some(0),
        runs_once: false,
    }
}

fn post(path: &str, length: Option<u64>) -> RequestHead {
    RequestHead { method: "POST".into(), has_body: true, length, ..get(path) }
}

fn nothing() -> Pipe {
    Pipe::nothing()
}

fn pipe(frames: Vec<Result<Frame, Broken>>) -> Pipe {
    let (sender, pipe) = mpsc::channel(frames.len().max(1));
    for frame in frames {
        sender.try_send(frame).unwrap();
    }
    pipe.into()
}

#[tokio::test]
async fn a_connection_is_used_again_when_its_answer_was_read() {
    let upstream =
        upstream(&[OK, OK, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", OK])
            .await;
    for expected in ["ok", "ok", "a", "ok"] {
        let (head, body, broken) = upstream.asked("/").await.unwrap();
        assert_eq!((head.status, body.as_str(), broken), (200, expected, None));
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_connection_is_not_used_again_otherwise() {
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let upstream_ = upstream(&[closing, OK]).await;
    for _ in 0..2 {
        upstream_.asked("/").await.unwrap();
    }
    assert_eq!(upstream_.connections(), 2);

    let unread = upstream(&["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", OK]).await;
    let (_, body) = unread.pool.exchange(get("/"), nothing(), Some(0)).await.unwrap();
    drop(body);
    tokio::time::sleep(Duration::from_millis(20)).await;
    unread.asked("/").await.unwrap();
    assert_eq!(unread.connections(), 2);

    // Bytes that belong to no answer.
    let more = upstream(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", OK]).await;
    for _ in 0..2 {
        assert_eq!(more.asked("/").await.unwrap().1, "ok");
    }
    assert_eq!(more.connections(), 2);
}

#[tokio::test]
async fn two_requests_at_a_time_have_two_connections() {
    let upstream = upstream(&[OK, OK, OK]).await;
    let (first, second) = tokio::join!(upstream.asked("/1"), upstream.asked("/2"));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(upstream.connections(), 2);
    upstream.asked("/3").await.unwrap();
    assert_eq!(upstream.connections(), 2);
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_meanwhile_is_no_error() {
    let upstream = upstream(&["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!", OK]).await;
    let (_, mut body) = upstream.pool.exchange(get("/"), nothing(), Some(0)).await.unwrap();
    read(&mut body).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (head, mut body) =
        upstream.pool.exchange(post("/", Some(2)), pipe(vec![data("hi")]), Some(2)).await.unwrap();
    assert_eq!((head.status, read(&mut body).await.0.as_slice()), (200, b"ok".as_slice()));
    assert!(upstream.requests.lock().unwrap()[1].ends_with("\r\n\r\nhi"));
}

#[tokio::test]
async fn what_could_have_been_sent_is_not_sent_again() {
    let upstream = upstream(&[OK, "!", OK]).await;
    upstream.asked("/1").await.unwrap();
    let posted = upstream.pool.exchange(post("/2", Some(2)), pipe(vec![data("hi")]), Some(2)).await;
    let fault = posted.map(|(head, _)| head).unwrap_err();
    assert_eq!((fault.source, fault.code.as_str()), (FaultSource::Upstream, "upstream-broken"));
    assert_eq!(fault.message, "the upstream broke off before it answered");
    assert_eq!(upstream.requests.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_may_be_repeated_is_sent_once_more_when_a_used_connection_says_nothing() {
    let closing = upstream(&[OK, "!", OK]).await;
    closing.asked("/1").await.unwrap();
    let (head, body, _) = closing.asked("/2").await.unwrap();
    assert_eq!((head.status, body.as_str()), (200, "ok"));
    let paths: Vec<_> = closing.requests.lock().unwrap().iter().map(|text| text[..6].to_owned()).collect();
    assert_eq!(
        (paths, closing.connections()),
        (["GET /1", "GET /2", "GET /2"].map(str::to_owned).to_vec(), 2)
    );

    // Not behind the first byte of an answer, not twice, and not on a connection nobody used before.
    for answers in [&[OK, "HTTP/1.1 2!", OK][..], &[OK, "!", "!", OK], &["!", OK]] {
        let closing = upstream(answers).await;
        if answers.len() > 2 {
            closing.asked("/1").await.unwrap();
        }
        assert_eq!(closing.asked("/2").await.unwrap_err().code, "upstream-broken");
        assert_eq!(closing.requests.lock().unwrap().len(), answers.len() - 1);
    }
}

#[tokio::test]
async fn the_upstream_gets_its_own_name_and_nothing_of_the_client_s_connection() {
    let upstream = upstream(&[OK]).await;
    let headers = [
        "connection",
        "x-keep",
        "te",
        "host",
        "transfer-encoding",
        "content-length",
        "upgrade",
        "keep-alive",
    ]
    .map(|name| Header::new(name, &b"7"[..]));
    let head =
        RequestHead { query: Some("a=b".to_owned()), headers: headers.to_vec(), ..post("/p", Some(2)) };
    let (_, mut body) = upstream.pool.exchange(head, pipe(vec![data("hi")]), Some(2)).await.unwrap();
    read(&mut body).await;
    let request = upstream.requests.lock().unwrap()[0].clone();
    let mut lines: Vec<_> = request.split("\r\n").collect();
    lines[1..4].sort_unstable();
    assert_eq!(
        lines,
        ["POST /p?a=b HTTP/1.1", "content-length: 2", "host: up.example:8080", "x-keep: 7", "", "hi"]
    );
}

#[tokio::test]
async fn a_body_of_unknown_length_is_chunked_with_its_trailers() {
    let upstream = upstream(&[OK]).await;
    let head = RequestHead { headers: vec![Header::new("trailer", &b"x-sum"[..])], ..post("/", None) };
    let frames = vec![data("ab"), Ok(Frame::Trailers(vec![Header::new("x-sum", &b"1"[..])]))];
    upstream.pool.exchange(head, pipe(frames), None).await.unwrap();
    let request = upstream.requests.lock().unwrap()[0].clone();
    assert!(request.ends_with("\r\n\r\n2\r\nab\r\n0\r\nx-sum: 1\r\n\r\n"), "{request}");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_reach_its_end() {
    let broken = || Err(Broken { by: RefusedBy::Client, message: "gone".to_owned() });
    for (frames, length) in [
        (vec![data("ab"), broken()], None),
        (vec![data("ab"), broken()], Some(5)),
        (vec![data("ab")], Some(5)),
        (vec![data("abc")], Some(2)),
    ] {
        let upstream = upstream(&[OK]).await;
        let answered = upstream.pool.exchange(post("/", length), pipe(frames), length).await;
        assert_eq!(answered.unwrap_err().code, "request-broken");
        assert!(upstream.requests.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_passed_on_is_a_fault() {
    for bad in [
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok!",
        "HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n!",
        "HTTP/1.1 200 OK\r\nX : y\r\n\r\n!",
        "SSH-2.0-OpenSSH_9.2\r\n\r\n!",
        "!",
    ] {
        let upstream = upstream(&[bad]).await;
        let answered = upstream.asked("/").await;
        let fault = answered.map(|answer| format!("{bad:?} passes: {answer:?}")).unwrap_err();
        assert_eq!(
            (fault.source, fault.code.as_str()),
            (FaultSource::Upstream, "upstream-broken"),
            "{bad:?}"
        );
        assert!(!fault.detail.is_empty(), "{bad:?}");
    }
}

#[tokio::test]
async fn an_answer_with_two_framings_is_not_passed_on() {
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n!";
    let upstream = upstream(&[both]).await;
    // hyper takes the chunks and forgets the length: then it must not be told to anybody.
    match upstream.asked("/").await {
        Ok((head, body, _)) => assert_eq!((head.length, body.as_str()), (None, "a")),
        Err(fault) => assert_eq!(fault.code, "upstream-broken"),
    }
}

#[tokio::test]
async fn what_belongs_to_the_upstream_s_connection_stays_there() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 1\r\n\
        Proxy-Authenticate: b\r\nAlt-Svc: h3\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nUpgrade: h2c\r\n\r\nok";
    let (head, ..) = upstream(&[answer]).await.asked("/").await.unwrap();
    let cookies = vec![Header::new("set-cookie", &b"a"[..]), Header::new("set-cookie", &b"b"[..])];
    assert_eq!(head, AnswerHead { status: 200, headers: cookies, has_body: true, length: Some(2) });
}

#[tokio::test]
async fn answers_in_between_are_left_out() {
    let answer = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{OK}");
    let upstream = upstream(&[&answer]).await;
    let (head, body, _) = upstream.asked("/").await.unwrap();
    assert_eq!((head.status, body.as_str(), head.headers.len()), (200, "ok", 0));
}

#[tokio::test]
async fn an_answer_without_a_body_says_so() {
    let upstream =
        upstream(&["HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"]).await;
    let request = RequestHead { method: "HEAD".into(), ..get("/") };
    let (head, mut body) = upstream.pool.exchange(request, nothing(), Some(0)).await.unwrap();
    assert_eq!((head.has_body, head.length), (false, Some(12)));
    assert!(read(&mut body).await.0.is_empty());
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (head, ..) = upstream.asked("/").await.unwrap();
    assert_eq!((head.has_body, head.length), (false, Some(0)));
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_broken() {
    for short in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n!",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\ng\r\n",
    ] {
        let (_, body, broken) = upstream(&[short]).await.asked("/").await.unwrap();
        let broken = broken.unwrap_or_else(|| panic!("{short:?} is whole"));
        assert_eq!((body.as_str(), broken.by), ("ab", RefusedBy::Upstream), "{short:?}");
        assert!(broken.message.starts_with("the upstream broke off in its body: "), "{}", broken.message);
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_not_waited_for() {
    let options = PoolOptions { answer_time: Duration::from_millis(100), ..PoolOptions::new("x", false) };
    let fault = with_options(&[], options).await.asked("/").await.unwrap_err();
    assert_eq!(fault.code, "upstream-late");
    // As long as the body is not all sent, nobody waits for the answer.
    let options = PoolOptions { answer_time: Duration::from_millis(100), ..PoolOptions::new("x", false) };
    let upstream = with_options(&[OK], options).await;
    let (sender, body) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        sender.send(data("hi")).await.unwrap();
    });
    let (head, _) = upstream.pool.exchange(post("/", None), body.into(), None).await.unwrap();
    assert_eq!(head.status, 200);
}

#[tokio::test]
async fn an_upstream_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let dial = dial("127.0.0.1".to_owned(), port, None, Duration::from_secs(5));
    let pool = Pool::new(dial, PoolOptions::new("x", false));
    let fault = pool.exchange(get("/"), nothing(), Some(0)).await.unwrap_err();
    assert_eq!((fault.source, fault.code.as_str()), (FaultSource::Upstream, "upstream-unreachable"));
    assert!(fault.detail.contains("127.0.0.1"), "{}", fault.detail);
}

#[tokio::test]
async fn idle_connections_are_closed_after_their_time() {
    let options = PoolOptions { idle_time: Duration::from_millis(50), ..PoolOptions::new("x", false) };
    let upstream = with_options(&[OK, OK], options).await;
    upstream.asked("/").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    upstream.asked("/").await.unwrap();
    assert_eq!(upstream.connections(), 2);
}
