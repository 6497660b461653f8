//! Where clients knock. Bound early, so that a wrong address is told before anything starts; served late.

use socket2::TcpKeepalive;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// A bound address.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

/// A connection that has come in and has no rights yet.
#[derive(Debug)]
pub struct Arrival {
    pub socket: TcpStream,
    pub client: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {cause}{}", help(.cause.kind()))]
pub struct BindError {
    pub address: SocketAddr,
    /// Told by the message already, so it is not a source: it would be told twice.
    pub cause: std::io::Error,
}

/// How to go on.
fn help(kind: std::io::ErrorKind) -> &'static str {
    match kind {
        std::io::ErrorKind::AddrInUse => {
            ": another program listens there, perhaps another weir (`ss -ltnp` tells which)"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            ": that is no address of this machine (`ip address` lists them)"
        }
        std::io::ErrorKind::PermissionDenied => {
            ": ports below 1024 are not everybody's; take another one, or grant CAP_NET_BIND_SERVICE"
        }
        _ => "",
    }
}

/// Connections the kernel may keep waiting for us.
const BACKLOG: i32 = 1024;
/// A client that is gone without a word is noticed within two minutes: well within the time people take to review.
const SILENCE_BEFORE_PROBES: Duration = Duration::from_secs(60);
const PROBE_INTERVAL: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;

impl Listener {
    /// Binds now. Port 0 takes a free one; [`Listener::address`] tells which.
    ///
    /// # Errors
    /// When the address is taken or not ours.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bound = || -> std::io::Result<TcpListener> {
            let socket = socket2::Socket::new(
                socket2::Domain::for_address(address),
                socket2::Type::STREAM,
                Some(socket2::Protocol::TCP),
            )?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            // Whoever comes in inherits these. Requests and answers are small and wait for each other: never hold them back.
            socket.set_tcp_nodelay(true)?;
            // A client may wait for hours and say nothing: only probes tell that its machine is gone. There is no limit
            // for unacknowledged bytes (TCP_USER_TIMEOUT): it would also cut who does not read for a while.
            let probes = TcpKeepalive::new()
                .with_time(SILENCE_BEFORE_PROBES)
                .with_interval(PROBE_INTERVAL)
                .with_retries(PROBES);
            socket.set_tcp_keepalive(&probes)?;
            socket.listen(BACKLOG)?;
            TcpListener::from_std(socket.into())
        };
        let named = |cause| BindError { address, cause };
        let socket = bound().map_err(named)?;
        let address = socket.local_addr().map_err(named)?;
        Ok(Self { socket, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The bare socket, for a server that accepts by itself.
    pub fn into_inner(self) -> TcpListener {
        self.socket
    }

    /// The next connection. Cancel safe.
    ///
    /// # Errors
    /// When the process is out of file descriptors or the connection broke already; the listener goes on.
    pub async fn accept(&self) -> std::io::Result<Arrival> {
        let (socket, client) = self.socket.accept().await?;
        Ok(Arrival { socket, client })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockRef;

    #[tokio::test]
    async fn whoever_comes_in_is_probed() {
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let (_client, arrival) = tokio::join!(TcpStream::connect(listener.address()), listener.accept());
        let arrival = arrival.unwrap();
        let socket = SockRef::from(&arrival.socket);
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), SILENCE_BEFORE_PROBES);
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), PROBE_INTERVAL);
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), PROBES);
    }
}
