//! Where clients knock. Bound early, so that a wrong address is told before anything starts; served late.

use std::net::SocketAddr;
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
#[error("cannot listen on {address}: {cause}")]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub cause: std::io::Error,
}

/// Connections the kernel may keep waiting for us.
const BACKLOG: i32 = 1024;

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
        // Requests and answers are small and wait for each other: never hold them back.
        socket.set_nodelay(true)?;
        Ok(Arrival { socket, client })
    }
}
