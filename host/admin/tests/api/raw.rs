//! Requests as bytes, answers as text: nothing in between is polite.

use crate::house::Server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lines, lower case names
    pub(crate) head: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let head = lines.map(|line| line.split_once(": ").unwrap());
        let head = head.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, head, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Vec<&str> {
        self.head.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The code of the error it tells.
    pub(crate) fn code(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        for part in ["message", "help"] {
            assert!(value["error"][part].is_string(), "{}", self.body);
        }
        value["error"]["code"].as_str().unwrap().to_owned()
    }
}

/// Sends the bytes and reads until the server closes.
pub(crate) async fn send(server: &Server, bytes: &[u8]) -> Answer {
    Answer::parse(&send_raw(server, bytes).await)
}

pub(crate) async fn send_raw(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut all = Vec::new();
    // A reset after the answer is an end as well.
    let _ = stream.read_to_end(&mut all).await;
    all
}

/// A request like a polite client sends, with these header lines besides.
pub(crate) fn request(method: &str, path: &str, lines: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for line in lines {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

pub(crate) fn bearer(server: &Server) -> String {
    format!("Authorization: Bearer {}", server.secret)
}

/// The header of a reviewer, whose password is `NAME:secret`.
pub(crate) fn basic(name: &str, password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("{name}:{password}")))
}
