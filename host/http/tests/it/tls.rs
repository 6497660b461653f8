//! Both legs inside TLS, where ALPN chooses the version.

use crate::scene::{PEER, handler, read, text};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use weir_http::{Http2, Limits, Peer, Pool, PoolOptions, dial, serve_connection};
use weir_net::{ClientTls, ServerTls, Verify};
use weir_session::http::traffic::RequestHead;

struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn of(name: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let signed = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), signed.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What a server that offers `offered` answers a pool that offers `wanted`.
async fn spoken(offered: &'static [&'static str], wanted: &[&str], http2: Http2) -> String {
    let certificate = Certificate::of("localhost");
    let server =
        ServerTls::load(&certificate.path("cert.pem"), &certificate.path("key.pem"), offered, None).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let handler = handler(|incoming| async move { text(200, &format!("secure: {}", incoming.secure)) });
    tokio::spawn(async move {
        let (_stop, stopping) = watch::channel(false);
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok((stream, _)) = server.accept(socket).await else { continue };
            let peer = Peer { secure: stream.is_tls(), ..PEER };
            let handler = Arc::clone(&handler);
            tokio::spawn(serve_connection(stream, peer, Limits::default(), handler, stopping.clone()));
        }
    });
    let tls = ClientTls::load(Verify::Full, Some(&certificate.path("cert.pem")), wanted, None).unwrap();
    let dial = dial("localhost".to_owned(), port, Some(tls), Duration::from_secs(5));
    let pool = Pool::new(dial, PoolOptions { http2, ..PoolOptions::new(format!("localhost:{port}"), true) });
    let head = RequestHead {
        method: "GET".into(),
        authority: "x".to_owned(),
        path: "/".to_owned(),
        query: None,
        headers: Vec::new(),
        has_body: false,
        length: Some(0),
        runs_once: false,
    };
    match pool.exchange(head, mpsc::channel(1).1.into(), Some(0)).await {
        Ok((_, mut body)) => String::from_utf8(read(&mut body).await.0).unwrap(),
        Err(fault) => format!("{}: {}", fault.code, fault.detail),
    }
}

#[tokio::test]
async fn either_version_is_spoken() {
    for (offered, wanted, http2) in [
        (&["h2", "http/1.1"][..], &["h2", "http/1.1"][..], Http2::Auto),
        (&["http/1.1"][..], &["h2", "http/1.1"][..], Http2::Auto),
        (&["h2", "http/1.1"][..], &["http/1.1"][..], Http2::Never),
        (&[][..], &["h2", "http/1.1"][..], Http2::Auto),
    ] {
        assert_eq!(spoken(offered, wanted, http2).await, "secure: true", "{offered:?} {wanted:?}");
    }
}

#[tokio::test]
async fn versions_that_do_not_meet_are_unreachable() {
    let answer = spoken(&["h2"], &["http/1.1"], Http2::Never).await;
    assert!(answer.starts_with("upstream-unreachable: "), "{answer}");
}
