//! Who is let in where, and who is not.

use crate::house::{APPROVAL, Server};
use crate::raw::{basic, bearer, request, send};
use std::sync::atomic::Ordering;
use std::time::Duration;

const JSON: &str = "Content-Type: application/json";

#[tokio::test]
async fn every_route_with_every_caller() {
    let server = Server::start().await;
    let approve = format!("/v1/approvals/{APPROVAL}/approve");
    let deny = format!("/v1/approvals/{APPROVAL}/deny");
    let show = format!("/v1/approvals/{APPROVAL}");
    // method, path; status for nobody, operator, reviewer, wrong token, wrong password
    let matrix = [
        ("GET", "/healthz", [200, 200, 200, 200, 200]),
        ("GET", "/metrics", [401, 200, 403, 401, 401]),
        ("GET", "/v1/status", [401, 200, 403, 401, 401]),
        ("GET", "/v1/sessions", [401, 200, 403, 401, 401]),
        ("DELETE", "/v1/sessions/s-1", [401, 200, 403, 401, 401]),
        ("GET", "/v1/plugins", [401, 200, 403, 401, 401]),
        ("GET", "/v1/approvals", [401, 200, 200, 401, 401]),
        ("GET", show.as_str(), [401, 200, 200, 401, 401]),
        ("POST", approve.as_str(), [401, 403, 200, 401, 401]),
        ("POST", deny.as_str(), [401, 403, 200, 401, 401]),
    ];
    for (row, (method, path, expected)) in matrix.into_iter().enumerate() {
        let callers = [
            "X-Nothing: here".to_owned(),
            bearer(&server),
            basic("lea", "lea:secret"),
            format!("Authorization: Bearer {}x", server.secret),
            // Each a name of its own, so that none runs out of attempts.
            basic(&format!("nobody-{row}"), "lea:secret"),
        ];
        for (caller, status) in callers.iter().zip(expected) {
            let body = if method == "POST" { "{}" } else { "" };
            let answer = send(&server, &request(method, path, &[caller, JSON], body)).await;
            // The bucket of wrong tokens is small, and shared by all who have none.
            let throttled = answer.status == 429 && caller.contains("Bearer");
            assert!(answer.status == status || throttled, "{method} {path} {caller}: {}", answer.status);
            match status {
                401 if !throttled => {
                    assert_eq!(answer.header("www-authenticate").len(), 2);
                    let expected =
                        if caller.starts_with('X') { "unauthenticated" } else { "wrong-credentials" };
                    assert_eq!(answer.code(), expected);
                }
                403 => {
                    let expected = if method == "POST" { "names-no-person" } else { "operator-only" };
                    assert_eq!(answer.code(), expected);
                }
                _ => {}
            }
            assert_eq!(answer.header("cache-control"), ["no-store"]);
            assert_eq!(answer.header("x-content-type-options"), ["nosniff"]);
            assert!(answer.head.iter().all(|(name, _)| !name.starts_with("access-control")));
            assert!(answer.body.is_ascii());
        }
    }
    let notes = server.house.notes();
    let done = |what: &str| notes.iter().filter(|note| note.starts_with(what)).count();
    assert_eq!((done("killed"), done("approve"), done("deny")), (1, 1, 1));
    assert_eq!(done("failed nobody-"), matrix.len() - 1);
    assert_eq!(done("failed operator 127.0.0.1"), 5, "then they come too fast, and are not looked at");
}

#[tokio::test]
async fn health_tells_the_unknown_only_what_is_down() {
    let server = Server::start().await;
    let up = send(&server, &request("GET", "/healthz", &[], "")).await;
    assert_eq!((up.status, up.body.as_str()), (200, "ok\n"));
    server.house.trail_down.store(true, Ordering::SeqCst);
    let down = send(&server, &request("GET", "/healthz", &[], "")).await;
    assert_eq!((down.status, down.code().as_str()), (503, "unhealthy"));
    assert!(down.body.contains("the trail takes no records"));
    let head = send(&server, &request("HEAD", "/metrics", &[&bearer(&server)], "")).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn only_requests_meant_for_this_server() {
    let server = Server::start().await;
    for (lines, status) in [
        ("Host: 127.0.0.1:9", 200),
        ("Host: [::1]", 200),
        ("Host: evil.example", 421),
        ("Host: localhost.evil.example:6440", 421),
        ("Host: 10.0.0.1", 421),
        ("Host: ", 421),
        ("X-No: host", 400),
        ("Host: localhost\r\nHost: localhost", 400),
        ("Host: localhost\r\nX-Forwarded-Host: evil.example", 200),
        ("Host: localhost:6440\r\nOrigin: http://localhost:6440", 200),
        ("Host: localhost:6440\r\nOrigin: http://localhost:3000", 403),
        ("Host: localhost:6440\r\nOrigin: https://localhost:6440", 403),
        ("Host: localhost\r\nOrigin: http://evil.example", 403),
        ("Host: localhost\r\nOrigin: null", 403),
        ("Host: localhost\r\nSec-Fetch-Site: none", 200),
        ("Host: localhost\r\nSec-Fetch-Site: same-site", 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site", 403),
    ] {
        // With and without the right token: it opens nothing here.
        for line in [bearer(&server), "X-Nobody: yes".to_owned()] {
            let text = format!("GET /healthz HTTP/1.1\r\n{lines}\r\n{line}\r\nConnection: close\r\n\r\n");
            let answer = send(&server, text.as_bytes()).await;
            assert_eq!(answer.status, status, "{lines}: {}", answer.body);
        }
    }
    let absolute = "GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert_eq!(send(&server, absolute.as_bytes()).await.code(), "foreign-host");
    let preflight = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"];
    let answer = send(&server, &request("OPTIONS", "/v1/approvals/a/approve", &preflight, "")).await;
    assert_eq!(answer.code(), "foreign-page");
}

#[tokio::test]
async fn wrong_addresses_and_methods() {
    let server = Server::start().await;
    for path in ["/", "/v1", "/v2/status", "/v1/approvals/a%2fb", "/v1/approvals/..", "/healthz/"] {
        let answer = send(&server, &request("GET", path, &[&bearer(&server)], "")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "not-found"), "{path}");
    }
    for (method, path, allow) in [
        ("POST", "/healthz", "GET, HEAD"),
        ("DELETE", "/v1/sessions", "GET, HEAD"),
        ("GET", "/v1/sessions/s-1", "DELETE"),
        ("GET", "/v1/approvals/apr-1/approve", "POST"),
        ("PUT", "/v1/approvals/apr-1/deny", "POST"),
        ("OPTIONS", "/v1/status", "GET, HEAD"),
        ("TRACE", "/v1/status", "GET, HEAD"),
        ("PROPFIND", "/metrics", "GET, HEAD"),
    ] {
        let answer = send(&server, &request(method, path, &[], "")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, vec![allow]), "{method} {path}");
    }
    for (id, status, code) in [("none", 404, "no-such-session"), ("s-1", 503, "not-recorded")] {
        server.house.trail_down.store(status == 503, Ordering::SeqCst);
        let path = format!("/v1/sessions/{id}");
        let answer = send(&server, &request("DELETE", &path, &[&bearer(&server)], "")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
    }
}

#[tokio::test]
async fn credentials_that_cannot_be_read() {
    let server = Server::start().await;
    let twice = format!("{}\r\n{}", bearer(&server), bearer(&server));
    for line in [
        "Authorization: ",
        "Authorization: Bearer",
        "Authorization: Digest x",
        "Authorization: Basic !!!",
        "Authorization: Basic bm9jb2xvbg==",
        "Authorization: Basic OnNlY3JldA==",
        "Authorization: Basic //86eA==",
        &basic(&"n".repeat(129), "x"),
        &basic("lea", &"x".repeat(1025)),
        &twice,
    ] {
        let answer = send(&server, &request("GET", "/v1/approvals", &[line], "")).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "unauthenticated"), "{line}");
    }
    assert!(server.house.notes().is_empty());
    let lower = format!("authorization: bearer {}", server.secret);
    assert_eq!(send(&server, &request("GET", "/v1/status", &[&lower], "")).await.status, 200);
}

#[tokio::test]
async fn guesses_are_few_and_recorded() {
    let server = Server::start().await;
    let attempt = async |password: &str| {
        send(&server, &request("GET", "/v1/approvals", &[&basic("lea", password)], "")).await
    };
    for _ in 0..20 {
        assert_eq!(attempt("lea:secret").await.status, 200, "who knows the password is never held up");
    }
    for _ in 0..5 {
        assert_eq!(attempt("guess").await.status, 401);
    }
    let refused = attempt("lea:secret").await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "too-many-attempts"));
    let seconds: u64 = refused.header("retry-after")[0].parse().unwrap();
    assert!((1..=10).contains(&seconds));
    let notes = server.house.notes();
    assert_eq!(notes.iter().filter(|note| *note == "failed lea 127.0.0.1").count(), 5);
    assert_eq!(notes.iter().filter(|note| *note == "checked lea").count(), 25);
    let other = send(&server, &request("GET", "/v1/approvals", &[&basic("bob", "bob:secret")], "")).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn wrong_tokens_do_not_hold_up_the_right_one() {
    let server = Server::start().await;
    let wrong = request("GET", "/v1/status", &["Authorization: Bearer x"], "");
    for _ in 0..5 {
        assert_eq!(send(&server, &wrong).await.status, 401);
    }
    assert_eq!(send(&server, &wrong).await.status, 429);
    assert_eq!(send(&server, &request("GET", "/v1/status", &[&bearer(&server)], "")).await.status, 200);
}

/// Hanging up before the answer hides no failure.
#[tokio::test]
async fn a_failure_is_recorded_though_the_caller_is_gone() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request("GET", "/v1/approvals", &[&basic("eve", "guess")], "")).await.unwrap();
    drop(stream);
    for _ in 0..100 {
        if server.house.notes().contains(&"failed eve 127.0.0.1".to_owned()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", server.house.notes());
}
