//! Too much, too slow, too long.

use crate::house::{APPROVAL, House, Server};
use crate::raw::{basic, bearer, request, send, send_raw};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use weir_admin::{Auth, ServeError, serve};

const JSON: &str = "Content-Type: application/json";

fn review(lines: &[&str], body: &str) -> Vec<u8> {
    let login = basic("lea", "lea:secret");
    let lines: Vec<&str> = [login.as_str(), JSON].iter().chain(lines).copied().collect();
    request("POST", &format!("/v1/approvals/{APPROVAL}/approve"), &lines, body)
}

#[tokio::test]
async fn headers_that_are_too_large_or_too_many() {
    let server = Server::start().await;
    let large = format!("X-Large: {}", "x".repeat(20_000));
    assert_eq!(send(&server, &request("GET", "/healthz", &[&large], "")).await.status, 431);
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(send(&server, &request("GET", "/healthz", &many, "")).await.status, 431);
    let path = format!("/{}", "x".repeat(20_000));
    assert!(matches!(send(&server, &request("GET", &path, &[], "")).await.status, 414 | 431));
    assert_eq!(send(&server, b"\x16\x03\x01 not http\r\n\r\n").await.status, 400);
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let server = Server::start().await;
    let large = format!(r#"{{"comment":"{}"}}"#, "x".repeat(17_000));
    let answer = send(&server, &review(&[], &large)).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "body-too-large"));
    assert_eq!(answer.header("connection"), ["close"]);
    // Announced and never sent; and not announced but sent.
    let announced = send(&server, &review(&["Content-Length: 1000000000"], "")).await;
    assert_eq!(announced.code(), "body-too-large");
    let mut chunked = review(&["Transfer-Encoding: chunked"], "");
    chunked.extend(format!("8000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x8000)).into_bytes());
    assert_eq!(send(&server, &chunked).await.code(), "body-too-large");
    let fits = format!(r#"{{"comment":"{}"}}"#, "x".repeat(16_000));
    assert_eq!(send(&server, &review(&[], &fits)).await.status, 200);
    assert_eq!(server.house.notes().iter().filter(|note| note.starts_with("approve")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_headers_is_cut_off() {
    let server = Server::start().await;
    for opening in ["", "G", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let begun = Instant::now();
        stream.write_all(opening.as_bytes()).await.unwrap();
        let mut byte = [0];
        loop {
            // One byte a second would keep a timer alive that every byte winds up again.
            match tokio::time::timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(_)) => {}
                Err(_) if opening.is_empty() => {}
                Err(_) => drop(stream.write_all(b"x").await),
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{opening:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_dribbles_a_body_is_told_and_cut_off() {
    let server = Server::start().await;
    let answer = send(&server, &review(&["Content-Length: 10"], "")).await;
    assert_eq!((answer.status, answer.code().as_str()), (408, "body-too-slow"));
}

#[tokio::test(start_paused = true)]
async fn a_host_that_does_not_answer_is_waited_for_only_so_long() {
    let server = Server::start().await;
    server.house.slow.store(true, Ordering::SeqCst);
    let answer = send(&server, &review(&[], "{}")).await;
    assert_eq!((answer.status, answer.code().as_str()), (504, "too-slow"));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        server.house.notes().iter().any(|note| note.starts_with("approve")),
        "what has begun runs to its end"
    );
}

#[tokio::test]
async fn one_connection_many_requests() {
    let server = Server::start().await;
    let mut both = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    both.extend(request("GET", "/v1/plugins", &[&bearer(&server)], ""));
    let text = String::from_utf8(send_raw(&server, &both).await).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(text.ends_with("\r\n\r\n[]"));
    // Who is who is asked anew for each request.
    let mut two =
        format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\n{}\r\n\r\n", bearer(&server)).into_bytes();
    two.extend(request("GET", "/v1/status", &[], ""));
    let text = String::from_utf8(send_raw(&server, &two).await).unwrap();
    assert_eq!((text.matches(" 200 OK").count(), text.matches(" 401 Unauthorized").count()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn connections_that_keep_asking_end_too() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let begun = Instant::now();
    let mut answers = 0;
    let mut buffer = [0; 4096];
    while stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.is_ok() {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(_) => answers += 1,
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(begun.elapsed() < Duration::from_secs(200));
    }
    assert!(answers > 10, "{answers}");
}

#[tokio::test]
async fn shutting_down_lets_answers_out_and_nobody_in() {
    let mut server = Server::start().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(send(&server, &request("GET", "/healthz", &[], "")).await.status, 200);
    tokio::time::timeout(Duration::from_secs(4), server.stop())
        .await
        .expect("an idle connection holds nothing up");
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn it_serves_loopback_only() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let token = Server::start().await.token.clone();
    let served = serve(listener, Arc::new(House::default()), Auth::new(token), std::future::pending()).await;
    assert!(matches!(served, Err(ServeError::NotLoopback(_))));
}
