//! Getting a connection to an upstream.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;
use weir_model::{Fault, FaultSource};
use weir_net::{ClientTls, Stream};

/// Makes a connection, each time it is called.
pub type Dial = Box<dyn Fn() -> Dialed + Send + Sync>;
pub(crate) type Dialed = Pin<Box<dyn Future<Output = Result<Stream, Fault>> + Send>>;

/// TCP to `host`, and TLS over it with `tls`, which also names the versions of HTTP that are offered. `within` counts
/// for each of the two.
pub fn dial(host: String, port: u16, tls: Option<ClientTls>, within: Duration) -> Dial {
    Box::new(move || {
        let (host, tls) = (host.clone(), tls.clone());
        Box::pin(async move {
            let socket = weir_net::connect(&host, port, within)
                .await
                .map_err(|error| unreachable("the upstream cannot be reached", error.to_string()))?;
            let Some(tls) = tls else { return Ok(Stream::Plain(socket)) };
            match tokio::time::timeout(within, tls.connect(&host, socket)).await {
                Ok(Ok((stream, _))) => Ok(stream),
                Ok(Err(error)) => Err(unreachable("TLS with the upstream failed", error.to_string())),
                Err(_) => {
                    Err(unreachable("TLS with the upstream took too long", format!("more than {within:?}")))
                }
            }
        })
    })
}

pub(crate) fn unreachable(message: &str, detail: String) -> Fault {
    Fault::new(FaultSource::Upstream, "upstream-unreachable", message).with_detail(detail)
}

/// Whether TLS agreed on HTTP/2.
pub(crate) fn agreed_on_version_2(stream: &Stream) -> bool {
    matches!(stream, Stream::ToUpstream(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2"))
}
