//! What a client of HTTP/1 gets.

use crate::scene::{Client, data, echo, frames, handler, read, text};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use weir_http::{Credentials, Limits};
use weir_model::RefusedBy;
use weir_session::http::traffic::{Answer, Broken, Frame, Header, RequestHead};

const CLOSE: &str = "GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let mut client = Client::of(echo());
    client.say("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.hear("GET /a ").await.starts_with("HTTP/1.1 200 OK\r\n"));
    client.say("POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(client.hear("POST /b abc").await.contains("content-length: 11\r\n"));
    let heard = client.talk(CLOSE).await;
    assert!(heard.contains("connection: close") && heard.ends_with("GET /last "), "{heard}");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let chunked = "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;e\r\nbc\r\n0\r\nSum: 6\r\n\r\n";
    let all = format!("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi{chunked}{CLOSE}");
    let heard = Client::of(echo()).talk(&all).await;
    let bodies: Vec<_> =
        heard.split("\r\n\r\n").skip(1).map(|rest| rest.split("HTTP/1.1").next().unwrap()).collect();
    assert_eq!(bodies, ["POST /1 hi", "POST /2 abc sum=6", "GET /last "]);
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let mut client = Client::of(echo());
    let all = format!(
        "POST /1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n{CLOSE}"
    );
    for byte in all.chars() {
        client.say(&byte.to_string()).await;
        tokio::task::yield_now().await;
    }
    let heard = client.hear_all().await;
    assert!(heard.contains("POST /1 abc") && heard.ends_with("GET /last "), "{heard}");
}

#[tokio::test]
async fn a_handler_sees_no_credentials_no_hops_and_no_hearsay() {
    let seen: Arc<Mutex<Option<(RequestHead, bool)>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let handler = handler(move |incoming| {
        let bearer = matches!(&incoming.credentials, Some(Credentials::Bearer(secret)) if secret.expose() == b"s3cret");
        *kept.lock().unwrap() = Some((incoming.head, bearer));
        async { text(200, "") }
    });
    Client::of(handler)
        .talk(
            "POST /p%41?q=1 HTTP/1.1\r\nHost: Example.org:80\r\nAuthorization: Bearer s3cret\r\nProxy-Authorization: x\r\n\
             X-Forwarded-For: 1.2.3.4\r\nForwarded: for=1\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
             TE: gzip\r\nContent-Length: 0\r\nAccept: a\r\nAccept: b\r\nExpect: 100-continue\r\n\r\n",
        )
        .await;
    let (head, bearer) = seen.lock().unwrap().take().unwrap();
    assert!(bearer);
    let expected = RequestHead {
        method: "POST".into(),
        authority: "example.org:80".to_owned(),
        path: "/p%41".to_owned(),
        query: Some("q=1".to_owned()),
        headers: vec![Header::new("accept", &b"a"[..]), Header::new("accept", &b"b"[..])],
        has_body: false,
        length: Some(0),
        runs_once: false,
    };
    assert_eq!(head, expected);
}

#[tokio::test]
async fn a_client_that_waits_for_permission_gets_it_when_the_body_is_wanted() {
    let mut client = Client::of(echo());
    client.say("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n").await;
    assert_eq!(client.hear("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.say("ok").await;
    client.hear("POST / ok").await;
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_chunked_and_its_trailers_pass() {
    let handler = handler(|_| async {
        let trailers = vec![Header::new("x-sum", &b"1"[..]), Header::new("content-length", &b"9"[..])];
        let announced = vec![Header::new("trailer", &b"x-sum"[..]), Header::new("connection", &b"x"[..])];
        frames(announced, vec![data("ab"), data(""), data("c"), Ok(Frame::Trailers(trailers))])
    });
    let heard = Client::of(handler)
        .talk("GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: close\r\n\r\n")
        .await;
    assert!(heard.contains("transfer-encoding: chunked\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nx-sum: 1\r\n\r\n"), "{heard}");
    assert!(!heard.contains("connection: x"), "{heard}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_has_no_end() {
    for breaks in [Some(Broken { by: RefusedBy::Upstream, message: "gone".to_owned() }), None] {
        let handler = handler(move |_| {
            let breaks = breaks.clone();
            async move {
                match breaks {
                    Some(broken) => frames(Vec::new(), vec![data("ab"), Err(broken)]),
                    // Shorter than announced.
                    None => Answer { length: Some(9), ..text(200, "ab") },
                }
            }
        });
        let heard = Client::of(handler).talk("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(!heard.ends_with("0\r\n\r\n"), "{heard}");
    }
}

#[tokio::test]
async fn a_longer_answer_than_announced_is_cut() {
    let handler = handler(|_| async { Answer { length: Some(1), ..text(200, "abc") } });
    let heard = Client::of(handler).talk(CLOSE).await;
    assert!(!heard.contains("abc"), "{heard}");
}

#[tokio::test]
async fn answers_without_a_body_have_none() {
    for (method, status, length, told) in [
        ("HEAD", 200, Some(12), Some("content-length: 12")),
        ("HEAD", 200, None, None),
        ("GET", 304, Some(12), None),
        ("GET", 204, Some(0), None),
    ] {
        let handler = handler(move |_| async move { Answer { length, ..text(status, "never sent!!") } });
        let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let heard = Client::of(handler).talk(&request).await;
        assert!(heard.ends_with("\r\n\r\n") && !heard.contains("never"), "{method} {status}: {heard}");
        match told {
            Some(told) => assert!(heard.contains(told), "{method} {status}: {heard}"),
            None => assert!(!heard.contains("content-length"), "{method} {status}: {heard}"),
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_none_becomes_an_error() {
    for answer in [100, 101, 99, 1000] {
        let handler = handler(move |_| async move { text(answer, "x") });
        assert!(Client::of(handler).talk(CLOSE).await.starts_with("HTTP/1.1 500 "), "{answer}");
    }
    let handler = handler(|_| async {
        Answer { headers: vec![Header::new("x", &b"a\r\nb: c"[..])], ..text(200, "x") }
    });
    assert!(Client::of(handler).talk(CLOSE).await.starts_with("HTTP/1.1 500 "));
}

#[tokio::test]
async fn what_nobody_reads_does_not_reach_the_next_request() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&calls);
    let handler = handler(move |incoming| {
        kept.lock().unwrap().push(incoming.head.path.clone());
        async move { text(200, &incoming.head.path) }
    });
    let mut client = Client::of(handler);
    client.say("POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\n\r\n").await;
    client.hear("/1").await;
    // hyper closes, or skips it.
    let _ = client.stream.write_all(b"GET /2 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    drop(client.stream);
    client.served.await.unwrap();
    assert_eq!(*calls.lock().unwrap(), ["/1"]);
}

#[tokio::test]
async fn a_gateway_that_stops_finishes_what_runs_and_no_more() {
    let (go, mut wait) = mpsc::channel::<()>(1);
    let (begun, mut begins) = mpsc::channel::<()>(1);
    let wait = Arc::new(tokio::sync::Mutex::new(move || wait.try_recv().is_ok()));
    let handler = handler(move |_| {
        let (wait, begun) = (Arc::clone(&wait), begun.clone());
        async move {
            begun.send(()).await.unwrap();
            while !(wait.lock().await)() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            text(200, "done")
        }
    });
    let mut client = Client::of(handler);
    client.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    begins.recv().await.unwrap();
    client.stop.send(true).unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    go.send(()).await.unwrap();
    assert!(client.hear_all().await.ends_with("done"));
    client.served.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_ends_at_once_when_the_gateway_stops() {
    let mut client = Client::of(echo());
    client.say("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    client.hear("GET /1").await;
    client.stop.send(true).unwrap();
    assert_eq!(client.hear_all().await, "");
}

#[tokio::test(start_paused = true)]
async fn time_limits_hold() {
    // No request at all.
    assert_eq!(Client::of(echo()).hear_all().await, "");
    // A head that does not end, first or second.
    let heard = Client::of(echo()).talk("GET / HTTP/1.1\r\nHost: ").await;
    assert!(heard.starts_with("HTTP/1.1 408 "), "{heard}");
    let heard = Client::of(echo()).talk("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /").await;
    assert!(heard.starts_with("HTTP/1.1 200 OK") && heard.contains("HTTP/1.1 408 "), "{heard}");
    // Nothing behind an answer.
    let before = tokio::time::Instant::now();
    let heard = Client::of(echo()).talk("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(heard.ends_with("GET /1 ") && before.elapsed() >= Limits::default().keep_alive_time);
    // A body that does not come.
    let heard = Client::of(echo()).talk("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc").await;
    assert!(heard.contains("POST / abc broken: nothing more of the body came within 300 s"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn an_exchange_may_take_its_time() {
    let handler = handler(|mut incoming| async move {
        tokio::time::sleep(Duration::from_secs(900)).await;
        let (body, ..) = read(&mut incoming.body).await;
        text(200, &format!("late {}", body.len()))
    });
    let mut client = Client::of(handler);
    client.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").await;
    client.hear("late 3").await;
}
