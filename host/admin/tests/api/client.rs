//! The client, against the server.

use crate::house::{APPROVAL, Server, digest};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use weir_admin::views::Vote;
use weir_admin::{AdminClient, ClientError, Credentials};

async fn operator(server: &Server) -> AdminClient {
    AdminClient::connect(server.address, Credentials::Operator(server.token.clone())).await.unwrap()
}

async fn reviewer(server: &Server, name: &str) -> AdminClient {
    let credentials = Credentials::Reviewer { name: name.into(), password: format!("{name}:secret") };
    AdminClient::connect(server.address, credentials).await.unwrap()
}

fn code(error: ClientError) -> (u16, String) {
    match error {
        ClientError::Refused { status, error } => (status, error.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_call() {
    let server = Server::start().await;
    let mut client = operator(&server).await;
    client.health().await.unwrap();
    assert_eq!(client.metrics().await.unwrap(), "# HELP up Up.\n# TYPE up gauge\nup 1\n");
    assert_eq!(client.status().await.unwrap().trail.records, 7);
    assert_eq!(client.sessions().await.unwrap()[0].id, "s-1");
    client.kill_session("s-1").await.unwrap();
    assert_eq!(code(client.kill_session("none").await.unwrap_err()), (404, "no-such-session".into()));
    assert!(client.plugins().await.unwrap().is_empty());
    assert_eq!(client.approvals().await.unwrap().len(), 3);
    let shown = client.approval(APPROVAL).await.unwrap();
    assert_eq!((shown.digest, shown.text.as_str()), (digest(), "delete from t -- \u{9b}\u{202e}"));
    let review = client.review(APPROVAL, Vote::Deny, "no", None).await;
    assert_eq!(code(review.unwrap_err()), (403, "names-no-person".into()));

    let mut lea = reviewer(&server, "lea").await;
    let done = lea.review(APPROVAL, Vote::Deny, "a \"reason\"\n", Some(&digest())).await.unwrap();
    assert_eq!((done.vote, done.by.as_str()), (Vote::Deny, "lea"));
    assert!(server.house.notes().contains(&"deny apr-1 by lea: a \"reason\"\n".to_owned()));
    let other = lea.review(APPROVAL, Vote::Approve, "", Some("other")).await;
    assert_eq!(code(other.unwrap_err()), (409, "other-digest".into()));
    assert_eq!(code(lea.status().await.unwrap_err()), (403, "operator-only".into()));

    let mut nobody = AdminClient::connect(server.address, Credentials::Nobody).await.unwrap();
    nobody.health().await.unwrap();
    let error = nobody.status().await.unwrap_err();
    assert!(error.to_string().starts_with("say who you are\nhelp: operators show"), "{error}");
    server.house.trail_down.store(true, Ordering::SeqCst);
    assert_eq!(code(nobody.health().await.unwrap_err()), (503, "unhealthy".into()));
}

#[tokio::test]
async fn it_says_what_is_wrong() {
    let mut server = Server::start().await;
    let mut client = operator(&server).await;
    for id in ["", "../status", "a/b", "a b", "a\x1b[2J", "é"] {
        let error = client.approval(id).await.unwrap_err();
        assert!(matches!(error, ClientError::NoId(_)) && !error.to_string().contains('\x1b'), "{error}");
    }
    let address = server.address;
    server.stop().await;
    let expected = format!("nothing listens on {address}: is `weir run` running? admin.listen is {address}");
    assert_eq!(client.status().await.unwrap_err().to_string(), expected);
    let gone = AdminClient::connect(address, Credentials::Nobody).await.map(drop);
    assert_eq!(gone.unwrap_err().to_string(), expected);
    let far = AdminClient::connect("192.0.2.1:6440".parse().unwrap(), Credentials::Nobody).await.map(drop);
    assert!(matches!(far, Err(ClientError::NotLoopback(_))));
    let colon = Credentials::Reviewer { name: "a:b".into(), password: String::new() };
    assert!(matches!(AdminClient::connect(address, colon).await.map(drop), Err(ClientError::NoName)));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_opened_again() {
    let server = Server::start().await;
    let mut client = operator(&server).await;
    for _ in 0..3 {
        client.status().await.unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
}

/// Whatever has taken the gateway's port, the terminal stays whole.
#[tokio::test]
async fn something_else_listens_there() {
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "does not speak like this version"),
        ("HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\n\x1b[2J", "HTTP status 500"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\u{9b}", "does not speak like this version"),
        ("\x1b[2J nonsense\r\n\r\n", "the connection to 127.0.0.1"),
        ("", "the connection to 127.0.0.1"),
        (
            "HTTP/1.1 403 No\r\nContent-Length: 69\r\n\r\n{\"error\":{\"code\":\"x\",\"message\":\"\\u001b[2J\",\"help\":\"\\u202e\",\"more\":1}}",
            "\\u{1b}[2J\nhelp: \\u{202e}",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        });
        let mut client = AdminClient::connect(address, Credentials::Nobody).await.unwrap();
        let text = client.status().await.unwrap_err().to_string();
        assert!(text.contains(expected), "{text:?}");
        assert!(text.chars().all(|letter| matches!(letter, '\n' | ' '..='~')), "{text:?}");
    }
}
