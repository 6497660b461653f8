//! The inspector between a real git and a real `git http-backend`, in one process and without WebAssembly:
//!
//! ```sh
//! cargo run -p weir-plugin-git --example relay -- 127.0.0.1:8090 127.0.0.1:8080 [--deny TEXT]… [--wait SECONDS] [--mask WORD]
//! git clone http://127.0.0.1:8090/team/app.git
//! ```
//!
//! It denies operations whose text begins with TEXT; pushes wait before they are judged, as held ones do; WORD becomes
//! `[…]` in what servers and hooks say. One request per connection, no TLS, and no compressed requests (so not for
//! histories of many commits).
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a tool for tests")]

#[path = "../tests/conversations/host.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
mod host;

use host::Host;
use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;
use weir_sdk::Fault;
use weir_sdk::http::{AnswerHead, Header, HttpInspector, RequestHead};

const PIECE: usize = 1 << 16;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, flags @ ..] = arguments.as_slice() else {
        eprintln!("usage: relay LISTEN UPSTREAM [--deny TEXT]… [--wait SECONDS] [--mask WORD]");
        return Ok(());
    };
    let value = |pair: &[String], flag: &str| (pair[0] == flag).then(|| pair[1].clone());
    let denied: Vec<String> = flags.chunks(2).filter_map(|pair| value(pair, "--deny")).collect();
    let wait = flags.chunks(2).find_map(|pair| value(pair, "--wait")).map_or(0, |text| text.parse().unwrap());
    let mask = flags.chunks(2).find_map(|pair| value(pair, "--mask"));
    let listener = TcpListener::bind(listen)?;
    for client in listener.incoming() {
        let (client, upstream, denied, mask) = (client?, upstream.clone(), denied.clone(), mask.clone());
        std::thread::spawn(move || {
            if let Err(error) = serve(client, &upstream, denied, wait, mask) {
                eprintln!("connection: {error}");
            }
        });
    }
    Ok(())
}

fn serve(
    client: TcpStream,
    upstream: &str,
    denied: Vec<String>,
    wait: u64,
    mask: Option<String>,
) -> Result<()> {
    let mut host = Host::judging(move |operation| {
        let no = denied.iter().any(|text| operation.text.starts_with(text.as_str()));
        eprintln!(
            "{} {} [{}] {}",
            if no { "deny " } else { "allow" },
            operation.kind,
            operation.action,
            operation.text
        );
        no.then(|| Fault::new("denied", format!("{} is not allowed here", operation.text)))
    });
    if let Some(word) = mask {
        host = host.masking(move |text| text.contains(&word).then(|| text.replace(&word, "[…]")));
    }
    let mut reader = BufReader::new(client.try_clone()?);
    let mut out = client;
    let (line, headers) = head(&mut reader)?;
    if headers.iter().any(|header| header.name == "expect") {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) =
        target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    let mut source = Body::of(&headers);
    let request_head = RequestHead {
        method: method.to_owned(),
        authority: upstream.to_owned(),
        path: path.to_owned(),
        query,
        has_body: !matches!(source, Body::Sized(0)),
        length: None,
        headers: headers.iter().map(|header| (&header.name, &header.value)).collect(),
    };
    let mut request = host.begin(&request_head);
    let mut to_upstream: Option<TcpStream> = None;
    let mut told = false;
    loop {
        let piece = source.next(&mut reader)?;
        let end = piece.is_empty();
        let before = request.operations.len();
        host.body(&mut request, &piece, end);
        if request.operations.len() > before && wait > 0 {
            if let Some(first) = host.inspector.waiting(request.exchange, "waits for a reviewer") {
                start(&mut out, first.status, &first.headers)?;
                chunk(&mut out, &first.body)?;
                told = true;
            }
            std::thread::sleep(Duration::from_secs(wait));
        }
        if request.refused.is_none() && !request.operations.is_empty() {
            if to_upstream.is_none() {
                let mut stream = TcpStream::connect(upstream)?;
                write!(stream, "{method} {target} HTTP/1.1\r\nHost: {upstream}\r\nConnection: close\r\n")?;
                let passed =
                    |name: &str| matches!(name, "content-type" | "git-protocol" | "user-agent" | "accept");
                for header in headers.iter().filter(|header| passed(&header.name)) {
                    write!(stream, "{}: {}\r\n", header.name, header.value)?;
                }
                let more = if request_head.has_body { "Transfer-Encoding: chunked\r\n\r\n" } else { "\r\n" };
                stream.write_all(more.as_bytes())?;
                to_upstream = Some(stream);
            }
            if let Some(stream) = &mut to_upstream
                && request_head.has_body
            {
                chunk(stream, &std::mem::take(&mut request.forwarded))?;
                if end {
                    stream.write_all(b"0\r\n\r\n")?;
                }
            }
        }
        if end {
            break;
        }
    }
    let Some(stream) = to_upstream else {
        let own = host.refusal(&request);
        if !told {
            start(&mut out, own.status, &own.headers)?;
        }
        chunk(&mut out, &own.body)?;
        return finish(out);
    };
    let mut reader = BufReader::new(stream);
    let (line, headers) = head(&mut reader)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(502);
    let mut source = Body::of(&headers);
    let given = headers.iter().map(|header| (&header.name, &header.value)).collect();
    let answer_head = AnswerHead { status, headers: given, has_body: true, length: None };
    let mut answer = host.answer_head(request.exchange, &answer_head);
    if !told {
        start(&mut out, status, &headers)?;
    }
    loop {
        let piece = source.next(&mut reader)?;
        chunk(&mut out, &host.answer_piece(&mut answer, &piece, piece.is_empty()))?;
        for each in answer.results.drain(..) {
            eprintln!("      {} '{}' {} {}", each.status, each.tag, each.code, each.message);
        }
        if piece.is_empty() {
            return finish(out);
        }
    }
}

/// First line and headers.
fn head(reader: &mut impl BufRead) -> Result<(String, Vec<Header>)> {
    let mut lines =
        reader.by_ref().lines().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()));
    let first = lines.next().ok_or_else(|| Error::other("no head"))??;
    let mut headers = vec![];
    for line in lines {
        let line = line?;
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push(Header { name: name.to_ascii_lowercase(), value: value.trim().to_owned() });
    }
    Ok((first, headers))
}

enum Body {
    Chunked,
    Sized(usize),
    Done,
}

impl Body {
    fn of(headers: &[Header]) -> Self {
        let value = |name: &str| {
            headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
        };
        match value("transfer-encoding") {
            Some(_) => Self::Chunked,
            None => Self::Sized(value("content-length").and_then(|text| text.parse().ok()).unwrap_or(0)),
        }
    }

    /// The next piece, empty at the end.
    fn next(&mut self, reader: &mut impl BufRead) -> Result<Vec<u8>> {
        let mut line = String::new();
        let size = match self {
            Self::Chunked => {
                reader.read_line(&mut line)?;
                usize::from_str_radix(line.trim(), 16).map_err(Error::other)?
            }
            Self::Sized(left) => {
                let size = (*left).min(PIECE);
                *left -= size;
                size
            }
            Self::Done => 0,
        };
        let mut piece = vec![0; size];
        reader.read_exact(&mut piece)?;
        if matches!(self, Self::Chunked) {
            reader.read_line(&mut line)?;
        }
        if size == 0 {
            *self = Self::Done;
        }
        Ok(piece)
    }
}

fn start(out: &mut TcpStream, status: u16, headers: &[Header]) -> Result<()> {
    write!(out, "HTTP/1.1 {status} Answer\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n")?;
    let ours = |name: &str| matches!(name, "connection" | "transfer-encoding" | "content-length");
    for header in headers.iter().filter(|header| !ours(&header.name)) {
        write!(out, "{}: {}\r\n", header.name, header.value)?;
    }
    out.write_all(b"\r\n")
}

fn chunk(out: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    write!(out, "{:x}\r\n", bytes.len())?;
    out.write_all(bytes)?;
    out.write_all(b"\r\n")
}

fn finish(mut out: TcpStream) -> Result<()> {
    out.write_all(b"0\r\n\r\n")?;
    out.shutdown(Shutdown::Write)
}
