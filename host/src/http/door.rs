//! From an accepted connection to an exchange.

use super::identify::{Denied, Proofs, Shown};
use super::returning::{Moment, Returning};
use super::{own_answer, unavailable};
use crate::resource::{Kind, ResourceRuntime};
use crate::sessions::lock;
use crate::shared::Shared;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use weir_http::{Credentials, Handler, Incoming, Limits, Peer, Refusal, Secret, serve_connection};
use weir_model::ResourceName;
use weir_net::{Arrival, ClientCertificate, Listener, Stream, is_about_certificate};
use weir_session::http::traffic::{Answer, Header};

/// After a failed accept (out of file descriptors), how long before the next try.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// The first byte of TLS: a handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Which resources a listener serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Serves {
    /// Those that are configured on this address.
    Address(SocketAddr),
    /// One, on a port of its own.
    One(ResourceName),
}

impl Serves {
    fn is_of(&self, resource: &ResourceRuntime) -> bool {
        match self {
            Self::Address(address) => resource.settings.listen == *address,
            Self::One(name) => resource.name() == name,
        }
    }
}

/// Accepts clients until told to stop; what runs goes on by itself.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    serves: Serves,
    listener: Listener,
    stopped: watch::Receiver<bool>,
) {
    tracing::info!(address = %listener.address(), "listening for HTTP");
    let places = Arc::new(Semaphore::new(shared.max_sessions.min(Semaphore::MAX_PERMITS)));
    let proofs = Arc::new(Proofs::default());
    let mut stop = stopped.clone();
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let arrival = match accepted {
            Ok(arrival) => arrival,
            Err(error) => {
                tracing::warn!(address = %listener.address(), %error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // No answer: a flood must cost less than that.
            tracing::debug!(client = %arrival.client, "too many connections");
            continue;
        };
        let door = Door {
            shared: Arc::clone(&shared),
            serves: serves.clone(),
            proofs: Arc::clone(&proofs),
            port: listener.address().port(),
            certificate: None,
            last: Mutex::default(),
        };
        tokio::spawn(door.client(arrival, place, stopped.clone()));
    }
    tracing::info!(address = %listener.address(), "no longer listening");
}

struct Door {
    shared: Arc<Shared>,
    serves: Serves,
    proofs: Arc<Proofs>,
    port: u16,
    /// What the client of this connection has shown in its TLS handshake.
    certificate: Option<Arc<ClientCertificate>>,
    /// Who came last.
    last: Mutex<Option<Returning>>,
}

impl Door {
    async fn client(mut self, arrival: Arrival, place: OwnedSemaphorePermit, stopped: watch::Receiver<bool>) {
        let client = arrival.client;
        let Some(first) = self.any() else { return };
        let within = first.settings.limits.login_timeout;
        let (stream, certificate) = match tokio::time::timeout(within, begin(&first, arrival)).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(NotBegun::Broken(error))) => {
                return tracing::debug!(%client, error, "a connection did not begin");
            }
            Ok(Err(NotBegun::Certificate(reason))) => {
                return super::identify::certificate_refused(&self.shared, &first, client.ip(), reason).await;
            }
            Err(_) => return tracing::debug!(%client, "a client did not say anything in time"),
        };
        self.certificate = certificate;
        let peer = Peer { address: client.ip(), secure: stream.is_tls() };
        let limits = Limits { head_time: within, ..Limits::default() };
        serve_connection(stream, peer, limits, Arc::new(self), stopped).await;
        drop(place);
    }

    /// All resources of an address have the same certificate.
    fn any(&self) -> Option<Arc<ResourceRuntime>> {
        self.shared.running().resources.values().find(|resource| self.serves.is_of(resource)).cloned()
    }

    /// Whose request it is. Behind several resources there may be one server, which takes `/%63rm` for `/crm`: what
    /// could be another resource's is nobody's.
    fn route(&self, incoming: &Incoming) -> Route {
        let (host, port) = host_and_port(&incoming.head.authority, self.port);
        let running = self.shared.running();
        let here = running.resources.values().filter(|resource| self.serves.is_of(resource));
        let fitting = |path: &str| {
            let fitting = here.clone().filter_map(|resource| {
                let Kind::Http(backend) = &resource.kind else { return None };
                Some((backend.settings.fits(&host, port, path)?, resource))
            });
            fitting.max_by_key(|(fit, _)| *fit)
        };
        let Some((fit, found)) = fitting(&incoming.head.path) else { return Route::Nobody };
        if here.clone().nth(1).is_none() {
            // There is no other whose it could be.
            return Route::To(Arc::clone(found));
        }
        let is_one = readings(&incoming.head.path).iter().all(|path| {
            let same = fitting(path).is_none_or(|(_, other)| Arc::ptr_eq(other, found));
            // Few servers take `/CRM` for `/crm`, and a prefix may have capitals: it counts if it says more.
            let lower = fitting(&path.to_ascii_lowercase());
            same && lower.is_none_or(|(other_fit, other)| Arc::ptr_eq(other, found) || other_fit <= fit)
        });
        if is_one { Route::To(Arc::clone(found)) } else { Route::Unclear }
    }
}

impl Handler for Door {
    async fn handle(&self, incoming: Incoming) -> Answer {
        let resource = match self.route(&incoming) {
            Route::To(resource) => resource,
            Route::Nobody => {
                return own_answer(404, Vec::new(), "no resource of this gateway has this host and path");
            }
            Route::Unclear => {
                return own_answer(400, Vec::new(), "this path could be read as one of another resource");
            }
        };
        let Kind::Http(backend) = &resource.kind else {
            return own_answer(404, Vec::new(), "this is no HTTP resource");
        };
        if resource.settings.tls.as_ref().is_some_and(|tls| tls.required) && !incoming.secure {
            return own_answer(403, Vec::new(), "this resource is only served over TLS");
        }
        let Incoming { head, credentials, body, client, secure } = incoming;
        let last = match self.certificate {
            // Of a certificate more is asked than whether it has expired.
            Some(_) => None,
            None => lock(&self.last)
                .as_ref()
                .and_then(|last| last.session(&self.shared, &resource, credentials.as_ref())),
        };
        if let Some((session, programs)) = last {
            return session.exchange(backend.as_asked(head), body, backend.leg(programs)).await;
        }
        let token = match &credentials {
            Some(Credentials::Bearer(token)) if self.certificate.is_none() => {
                Some((Moment::now(&self.shared), Secret::new(token.expose().to_vec())))
            }
            _ => None,
        };
        let shown = Shown { credentials, certificate: self.certificate.clone(), client, secure };
        let proven = match self.proofs.identify(&self.shared, &resource, shown).await {
            Ok(proven) => proven,
            Err(Denied::Who { told }) => {
                return own_answer(401, challenges(backend.settings.auth, &resource), told);
            }
            Err(Denied::Later { seconds }) => {
                let after = vec![Header::new("retry-after", seconds.to_string())];
                let told =
                    format!("too many wrong passwords or tokens from this address: try again in {seconds} s");
                return own_answer(429, after, &told);
            }
            Err(Denied::Not { told }) => return own_answer(403, Vec::new(), &told),
        };
        let id = proven.token.clone();
        match self.shared.http.session(&self.shared, &resource, proven, client).await {
            Ok((session, programs)) => {
                if let (Some((moment, secret)), Some(id)) = (token, id) {
                    let (of, to) = ((&*id, &*session.info().who.id), (&session, programs.as_ref()));
                    *lock(&self.last) = Returning::new(&self.shared, moment, secret, of, &resource, to);
                }
                session.exchange(backend.as_asked(head), body, backend.leg(programs)).await
            }
            Err(fault) => unavailable(&fault),
        }
    }

    fn refused(&self, peer: Peer, refusal: &Refusal) {
        tracing::info!(client = %peer.address, status = refusal.status, "a request was refused unread: {}", refusal.message);
    }
}

/// How clients may prove who they are (RFC 7617, RFC 6750).
fn challenges(auth: weir_config::settings::Auth, resource: &ResourceRuntime) -> Vec<Header> {
    let name = resource.name();
    let mut headers = Vec::new();
    if auth.basic {
        let basic = format!("Basic realm=\"weir {name}\", charset=\"UTF-8\"");
        headers.push(Header::new("www-authenticate", basic));
    }
    if auth.bearer {
        headers.push(Header::new("www-authenticate", format!("Bearer realm=\"weir {name}\"")));
    }
    headers
}

/// Why there is no connection.
enum NotBegun {
    Broken(String),
    /// The client's certificate is not good, or missing.
    Certificate(String),
}

impl From<&str> for NotBegun {
    fn from(reason: &str) -> Self {
        Self::Broken(reason.to_owned())
    }
}

/// TLS if the client begins with it, with the certificate it shows.
async fn begin(
    resource: &ResourceRuntime,
    arrival: Arrival,
) -> Result<(Stream, Option<Arc<ClientCertificate>>), NotBegun> {
    let mut first = [0];
    match arrival.socket.peek(&mut first).await {
        Ok(1) => {}
        Ok(_) => return Err("it hung up".into()),
        Err(error) => return Err(NotBegun::Broken(error.to_string())),
    }
    match (first, &resource.tls) {
        ([TLS_HANDSHAKE], Some(tls)) => {
            let (stream, _) = tls.accept(arrival.socket).await.map_err(|error| {
                let reason = format!("the TLS handshake failed: {error}");
                let refused = is_about_certificate(&error);
                if refused { NotBegun::Certificate(reason) } else { NotBegun::Broken(reason) }
            })?;
            let certificate = tls.client_certificate(&stream).map_err(NotBegun::Certificate)?;
            Ok((stream, certificate))
        }
        ([TLS_HANDSHAKE], None) => Err("it began with TLS, and there is no certificate (`tls`)".into()),
        _ => Ok((Stream::Plain(arrival.socket), None)),
    }
}

enum Route {
    To(Arc<ResourceRuntime>),
    Nobody,
    Unclear,
}

/// How often escapes are undone: servers do it once, some twice.
const DECODED: usize = 3;

/// What else servers may take a path for: escapes undone, slashes merged, parameters cut off, dot
/// segments resolved.
fn readings(path: &str) -> Vec<String> {
    let mut decoded = vec![path.to_owned()];
    for _ in 0..DECODED {
        let Some(next) = decoded.last().and_then(|last| undone(last)) else { break };
        decoded.push(next);
    }
    let mut all = Vec::new();
    for path in decoded {
        let path = path.replace('\\', "/");
        all.push(resolved(path.split('/')));
        all.push(resolved(path.split('/').map(|segment| segment.split(';').next().unwrap_or_default())));
        all.push(path);
    }
    all
}

/// Escapes read once; none when there is none.
fn undone(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    (bytes.len() < path.len()).then(|| String::from_utf8_lossy(&bytes).into_owned())
}

fn resolved<'a>(segments: impl Iterator<Item = &'a str>) -> String {
    let mut kept = Vec::new();
    for segment in segments {
        match segment {
            "" | "." => {}
            ".." => _ = kept.pop(),
            segment => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// The authority in lower case, and its port or the listener's own.
fn host_and_port(authority: &str, own: u16) -> (Cow<'_, str>, u16) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => match port.parse() {
            Ok(port) => (lower(host), port),
            Err(_) => (lower(authority), own),
        },
        _ => (lower(authority), own),
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_servers_might() {
        for path in
            ["/%63rm/a", "//crm/a", "/crm;x/a", "/x/../crm/a", "/x%2f..%2fcrm/a", "/%2563rm/a", "/%5ccrm/a"]
        {
            assert!(readings(path).iter().any(|reading| reading == "/crm/a"), "{path}: {:?}", readings(path));
        }
        assert!(readings("/open/%63rm").iter().all(|reading| reading.starts_with("/open")));
    }

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        for (authority, host, port) in [
            ("API.example.com", "api.example.com", 1),
            ("api:8443", "api", 8443),
            ("[::1]", "[::1]", 1),
            ("[::1]:80", "[::1]", 80),
            ("127.0.0.1:9", "127.0.0.1", 9),
        ] {
            assert_eq!(host_and_port(authority, 1), (host.into(), port));
        }
    }
}
