//! Connecting to an upstream.

use std::time::Duration;
use tokio::net::TcpStream;

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot connect to {host}:{port}: {cause}")]
    Refused {
        host: String,
        port: u16,
        #[source]
        cause: std::io::Error,
    },
    #[error("{host}:{port} did not answer within {} s", within.as_secs_f32())]
    TimedOut { host: String, port: u16, within: Duration },
}

/// How long an upstream may be silent before the kernel asks whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Connects over TCP, trying each address of the name.
///
/// # Errors
/// When nobody answers there, or not in time.
pub async fn connect(host: &str, port: u16, within: Duration) -> Result<TcpStream, ConnectError> {
    let named = |cause| ConnectError::Refused { host: host.to_owned(), port, cause };
    let socket = match tokio::time::timeout(within, TcpStream::connect((host, port))).await {
        Ok(connected) => connected.map_err(named)?,
        Err(_) => return Err(ConnectError::TimedOut { host: host.to_owned(), port, within }),
    };
    socket.set_nodelay(true).map_err(named)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    socket2::SockRef::from(&socket).set_tcp_keepalive(&keepalive).map_err(named)?;
    Ok(socket)
}
