//! Copies bytes between each client and the upstream, both ways, and does nothing else.
//!
//! `floor HOST:PORT` listens on a free loopback port and prints `listening on ADDRESS`.

use std::io::{Error, Result};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// For each direction. Larger ones no longer make big results cheaper.
const BUFFER_BYTES: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    let upstream = std::env::args().nth(1).ok_or_else(|| Error::other("usage: floor HOST:PORT"))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let upstream = upstream.clone();
        tokio::spawn(async move {
            // A connection that ends in an error ends.
            let _ = copy(client, &upstream).await;
        });
    }
}

async fn copy(mut client: TcpStream, upstream: &str) -> Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}
