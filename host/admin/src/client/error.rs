//! What can go wrong between the `weir` command and the gateway, told to the person at the terminal.

use crate::render::line;
use crate::views::ErrorView;
use std::io;
use std::net::SocketAddr;

/// Its text is safe for a terminal, whoever listens at the address.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("nothing listens on {address}: is `weir run` running? admin.listen is {address}")]
    NotRunning { address: SocketAddr },
    #[error("the admin API is on a loopback address, and {0} is none: nothing was sent")]
    NotLoopback(SocketAddr),
    #[error("{} is no id", line(.0))]
    NoId(String),
    #[error("a name for the admin API is not empty and has no colon")]
    NoName,
    #[error("the gateway at {address} did not answer in time; what was asked may still take effect")]
    TimedOut { address: SocketAddr },
    #[error("the connection to {address} failed: {source}")]
    Connection { address: SocketAddr, source: io::Error },
    /// The gateway has answered no.
    #[error("{}", refusal(.error))]
    Refused { status: u16, error: ErrorView },
    #[error("what listens on {address} does not speak like this version of the gateway: {}", line(.what))]
    Garbled { address: SocketAddr, what: String },
}

fn refusal(error: &ErrorView) -> String {
    let mut text = line(&error.message);
    if !error.help.is_empty() {
        text.push_str("\nhelp: ");
        text.push_str(&line(&error.help));
    }
    text
}
