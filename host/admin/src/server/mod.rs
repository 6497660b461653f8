//! The server: connections, and the limits of each.
//!
//! One task per connection, at most [`MAX_CONNECTIONS`]; further ones wait in the kernel's queue. A connection costs at
//! most a header buffer and a body buffer, and lives at most [`CONNECTION_TIME`] (a reader who never reads included).
//!
//! Shutting down: no new connections, answers that are being made go out, and whoever is not done after [`LAST_WORD`]
//! is cut off.

mod answer;
mod body;
mod front;
mod problem;
mod reply;
mod route;

pub(crate) use route::is_id;

use crate::{AdminApi, Auth};
use answer::Door;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// A few terminals, a scraper and a browser with six connections each, several times over.
const MAX_CONNECTIONS: usize = 64;
/// Also how long an idle connection is kept.
const HEADER_TIME: Duration = Duration::from_secs(10);
const CONNECTION_TIME: Duration = Duration::from_secs(120);
const LAST_WORD: Duration = Duration::from_secs(5);
const MAX_HEADERS: usize = 64;
/// Twice what browsers send with cookies of other services on `localhost`.
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// When accepting fails (no file descriptors left), trying again at once would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("the admin API listens on loopback addresses only, and {0} is none")]
    NotLoopback(SocketAddr),
    #[error("the admin API's listener has no address: {0}")]
    Listener(#[from] std::io::Error),
}

/// Serves the admin API until `shutdown` resolves.
///
/// # Errors
/// At once, when the listener is not on a loopback address.
pub async fn serve<A: AdminApi>(
    listener: TcpListener,
    api: Arc<A>,
    auth: Auth,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        return Err(ServeError::NotLoopback(address));
    }
    tracing::info!(%address, "admin api listens");
    let door = Arc::new(Door { api, auth: Arc::new(auth) });
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let next = async {
            let seat = Arc::clone(&seats).acquire_owned().await;
            (seat, listener.accept().await)
        };
        let (seat, accepted) = tokio::select! {
            biased;
            () = shutdown.as_mut() => break,
            next = next => next,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, peer)) => {
                let (door, stopping) = (Arc::clone(&door), stopping.clone());
                connections.spawn(async move {
                    let _seat = seat;
                    connection(stream, peer.ip(), door, stopping).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin api could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while connections.join_next().await.is_some() {}
    Ok(())
}

async fn connection<A: AdminApi>(
    stream: TcpStream,
    peer: IpAddr,
    door: Arc<Door<A>>,
    mut stopping: watch::Receiver<bool>,
) {
    let service = service_fn(move |request| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEADER_BYTES)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let enough = async {
        let stop = async { drop(stopping.wait_for(|stop| *stop).await) };
        // Either way it is time to go.
        let _ = tokio::time::timeout(CONNECTION_TIME, stop).await;
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = enough => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(LAST_WORD, connection.as_mut()).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "admin connection ended badly");
    }
}
