//! The inspector between a real client and a real server, in one process and without WebAssembly:
//!
//! ```sh
//! cargo run -p weir-plugin-postgres --example proxy -- 127.0.0.1:6432 127.0.0.1:5432 [--mask | --look | --same] [--log]
//! ```
//!
//! Logins pass as they are (so the server must not ask for more than the client sends in one go); with
//! `--mask` every text with an `@` in it becomes `[EMAIL]`, with `--look` every value is shown and kept, with `--same`
//! every value is replaced by itself.
#![allow(clippy::indexing_slicing, reason = "a tool for tests")]

#[path = "../tests/conversations/host.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
mod host;

use host::Host;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use weir_sdk::inspector::Limits;

const LIMITS: Limits = Limits { max_operation: 16 << 20, max_answer: 16 << 20 };

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, flags @ ..] = arguments.as_slice() else {
        eprintln!("usage: proxy LISTEN UPSTREAM [--mask | --look | --same] [--log]");
        return Ok(());
    };
    let masks = flags.iter().any(|flag| flag == "--mask");
    let same = flags.iter().any(|flag| flag == "--same");
    let looks = flags.iter().any(|flag| flag == "--look");
    let logs = flags.iter().any(|flag| flag == "--log");
    let listener = TcpListener::bind(listen)?;
    for client in listener.incoming() {
        let (client, upstream) = (client?, upstream.clone());
        std::thread::spawn(move || {
            if let Err(error) = serve(client, &upstream, masks, looks, same, logs) {
                eprintln!("session: {error}");
            }
        });
    }
    Ok(())
}

fn serve(
    mut client: TcpStream,
    upstream: &str,
    masks: bool,
    looks: bool,
    same: bool,
    logs: bool,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    loop {
        let mut length = [0; 4];
        client.read_exact(&mut length)?;
        let mut rest = vec![0; u32::from_be_bytes(length) as usize - 4];
        client.read_exact(&mut rest)?;
        if rest.len() == 4 {
            client.write_all(b"N")?;
            continue;
        }
        server.write_all(&length)?;
        server.write_all(&rest)?;
        break;
    }
    let mut host = if masks {
        Host::with(LIMITS, true).mask(|text| text.contains('@').then(|| Some("[EMAIL]".into())))
    } else if same {
        Host::with(LIMITS, true).mask(|text| Some(Some(text.to_owned())))
    } else {
        Host::with(LIMITS, looks)
    };
    loop {
        let mut header = [0; 5];
        if server.read_exact(&mut header).is_err() {
            return Ok(());
        }
        let [kind, length @ ..] = header;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        server.read_exact(&mut body)?;
        client.write_all(&header)?;
        client.write_all(&body)?;
        if kind == b'Z' {
            break;
        }
    }
    let (tell, heard) = mpsc::channel();
    // A client is read again only when its bytes are dealt with, so that it feels what the server feels.
    let (go_on, allowed) = mpsc::channel();
    let mut allowed = Some(allowed);
    for (is_client, mut stream) in [(true, client.try_clone()?), (false, server.try_clone()?)] {
        let tell = tell.clone();
        let allowed = if is_client { allowed.take() } else { None };
        std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let count = stream.read(&mut buffer).unwrap_or(0);
                if tell.send((is_client, buffer[..count].to_vec())).is_err() || count == 0 {
                    return;
                }
                if allowed.as_ref().is_some_and(|allowed| allowed.recv().is_err()) {
                    return;
                }
            }
        });
    }
    for (is_client, bytes) in heard {
        if bytes.is_empty() {
            break;
        }
        let (to_server, to_client) = if is_client {
            let to_server = host.client(&bytes);
            (to_server, std::mem::take(&mut host.to_client))
        } else {
            let to_client = host.server(&bytes);
            (std::mem::take(&mut host.to_server), to_client)
        };
        if server.write_all(&to_server).is_err() | client.write_all(&to_client).is_err() {
            break;
        }
        if is_client && go_on.send(()).is_err() {
            break;
        }
        let log = host.take_log();
        if logs || host.dead.is_some() {
            log.iter().for_each(|line| eprintln!("{line}"));
        }
        host.seen.clear();
        host.operations.clear();
        host.results.clear();
        host.shapes.clear();
        if host.dead.is_some() {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
    client.shutdown(std::net::Shutdown::Both)
}
