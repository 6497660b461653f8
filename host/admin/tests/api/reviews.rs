//! Reviews: by whom, of what, and what becomes of them.

use crate::house::{APPROVAL, CHANGED, Server, digest};
use crate::raw::{Answer, basic, request, send};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use weir_admin::views::ApprovalView;

const JSON: &str = "Content-Type: application/json";

fn login(name: &str) -> String {
    basic(name, &format!("{name}:secret"))
}

async fn approve(server: &Server, who: &str, id: &str, body: &str) -> Answer {
    let path = format!("/v1/approvals/{id}/approve");
    send(server, &request("POST", &path, &[&login(who), JSON], body)).await
}

#[tokio::test]
async fn what_was_looked_at_is_what_is_approved() {
    let server = Server::start().await;
    for (looked_at, status) in [
        (digest(), 200),
        (digest().to_uppercase(), 200),
        ("cd".repeat(32), 409),
        (digest()[..12].to_owned(), 409),
        (String::new(), 409),
    ] {
        let body = format!(r#"{{ "comment": "fine", "digest": "{looked_at}" }}"#);
        let answer = approve(&server, "lea", APPROVAL, &body).await;
        assert_eq!(answer.status, status, "{looked_at}");
        if status == 409 {
            assert_eq!(answer.code(), "other-digest");
            assert!(answer.body.contains(&digest()));
        } else {
            let expected = format!(r#"{{"id":"apr-1","vote":"approve","by":"lea","digest":"{}"}}"#, digest());
            assert_eq!(answer.body, expected);
        }
    }
    let done = server.house.notes().iter().filter(|note| *note == "approve apr-1 by lea: fine").count();
    assert_eq!(done, 2);
}

#[tokio::test]
async fn not_ones_own_not_a_stranger_not_what_is_gone_not_unrecorded() {
    let server = Server::start().await;
    for (who, id, status, code) in [
        ("ann", APPROVAL, 403, "own-request"),
        ("ann-agent", APPROVAL, 403, "own-request"),
        ("bob", APPROVAL, 403, "not-reviewer"),
        ("lea", "apr-2", 403, "not-reviewer"),
        ("lea", CHANGED, 403, "not-reviewer"),
        ("max-agent", APPROVAL, 403, "not-a-person"),
        ("ci", APPROVAL, 403, "not-a-person"),
        ("lea", "apr-9", 404, "not-waiting"),
    ] {
        // A wrong digest tells a stranger nothing about the right one.
        for body in ["{}", r#"{"digest":"x"}"#] {
            let answer = approve(&server, who, id, body).await;
            assert_eq!((answer.status, answer.code().as_str()), (status, code), "{who} {id}");
            assert!(!answer.body.contains(&digest()));
        }
    }
    server.house.trail_down.store(true, Ordering::SeqCst);
    let answer = approve(&server, "lea", APPROVAL, "{}").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "not-recorded"));
    assert!(server.house.notes().iter().all(|note| note.starts_with("checked")));
}

#[tokio::test]
async fn a_reviewer_sees_what_concerns_them() {
    let server = Server::start().await;
    for (who, ids) in [
        ("lea", vec!["apr-1"]),
        ("bob", vec![]),
        ("max", vec!["apr-1", "apr-3"]),
        ("ann", vec!["apr-1", "apr-2", "apr-3"]),
        ("ann-agent", vec!["apr-1", "apr-2", "apr-3"]),
    ] {
        let answer = send(&server, &request("GET", "/v1/approvals", &[&login(who)], "")).await;
        let seen: Vec<ApprovalView> = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(seen.iter().map(|asked| asked.id.as_str()).collect::<Vec<_>>(), ids, "{who}");
        for id in ["apr-1", "apr-2", "apr-3"] {
            let answer =
                send(&server, &request("GET", &format!("/v1/approvals/{id}"), &[&login(who)], "")).await;
            assert_eq!(answer.status, if ids.contains(&id) { 200 } else { 404 }, "{who} {id}");
        }
    }
}

#[tokio::test]
async fn bodies_that_are_none() {
    let server = Server::start().await;
    for body in
        ["[]", "{", "{}x", r#"{"coment":"typo"}"#, r#"{"comment":1}"#, r#"{"digest":"a","digest":"b"}"#]
    {
        let answer = approve(&server, "lea", APPROVAL, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad-body"), "{body}");
    }
    let path = format!("/v1/approvals/{APPROVAL}/approve");
    for lines in [
        vec!["X-No: type"],
        vec!["Content-Type: text/plain"],
        vec!["Content-Type: application/x-www-form-urlencoded"],
        vec![JSON, "Content-Encoding: gzip"],
    ] {
        let login = login("lea");
        let lines: Vec<&str> = lines.into_iter().chain([login.as_str()]).collect();
        let answer = send(&server, &request("POST", &path, &lines, "{}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (415, "not-json"), "{lines:?}");
    }
    let lines = [login("lea"), "content-type: Application/JSON; charset=utf-8".to_owned()];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(send(&server, &request("POST", &path, &lines, "{}")).await.status, 200);
}

/// Nobody hears the answer, but what the trail says and what happens stay the same.
#[tokio::test]
async fn a_review_goes_on_when_its_reviewer_hangs_up() {
    let server = Server::start().await;
    server.house.slow.store(true, Ordering::SeqCst);
    let path = format!("/v1/approvals/{APPROVAL}/deny");
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&request("POST", &path, &[&login("lea"), JSON], r#"{"comment":"no"}"#)).await.unwrap();
    while !server.house.notes().contains(&"review begun".to_owned()) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    tokio::time::sleep(Duration::from_millis(50)).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(server.house.notes().contains(&"deny apr-1 by lea: no".to_owned()), "{:?}", server.house.notes());
}
