//! `[admin]`: the address of the admin API, the web pages and the metrics.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// `[admin]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Always a loopback address: whoever reaches it is an operator of this machine.
    pub listen: SocketAddr,
}

/// Near the ports of the listeners in our examples (6432 and on), and taken by nothing well known.
pub(crate) const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6440);

impl Default for Admin {
    fn default() -> Self {
        Self { listen: LISTEN }
    }
}
