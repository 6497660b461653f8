//! What is behind an HTTP resource: the pool of connections, the credential, the paths.

use super::program::{ProgramBody, Programs};
use crate::postgres::upstream::own_certificate;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use weir_config::settings::{Cookies, Credential, Endpoint, Http2, HttpResource, HttpServer, HttpUpstream};
use weir_http::{Pool, PoolOptions, UpstreamBody, Way, dial};
use weir_model::{Fault, FaultSource};
use weir_net::{ClientTls, ClientTlsError, Verify};
use weir_session::http::traffic::{AnswerHead, Broken, Frame, Header, Pipe, RequestHead, Source, Upstream};

/// For TCP, and again for TLS.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The upstream of an HTTP resource made ready.
pub(crate) struct HttpBackend {
    pub(crate) settings: HttpResource,
    /// `None`: a program, and each session has its own
    pool: Option<Arc<Pool>>,
    /// Of connections that may switch to WebSocket, which is spoken over HTTP/1.1 only; `None`: the upstream speaks
    /// HTTP/2 alone.
    sockets: Option<Arc<Pool>>,
    credential: Option<Header>,
    /// `https://api.internal:8443/base`: what the upstream calls itself in redirects
    own_url: String,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpBackendError {
    #[error(transparent)]
    Tls(#[from] ClientTlsError),
    #[error("an upstream of this kind is not served")]
    Unknown,
}

impl HttpBackend {
    pub(crate) fn of(settings: &HttpResource) -> Result<Self, HttpBackendError> {
        let server = match &settings.upstream {
            HttpUpstream::Server(server) => server,
            HttpUpstream::Program(_) => {
                let own_url = String::new();
                return Ok(Self {
                    settings: settings.clone(),
                    pool: None,
                    sockets: None,
                    credential: None,
                    own_url,
                });
            }
        };
        let Endpoint::Tcp { host, port } = &server.endpoint else { return Err(HttpBackendError::Unknown) };
        let (http2, alpn): (_, &[&str]) = match server.http2 {
            Http2::Auto => (weir_http::Http2::Auto, &["h2", "http/1.1"]),
            Http2::Never => (weir_http::Http2::Never, &["http/1.1"]),
            Http2::PriorKnowledge => (weir_http::Http2::PriorKnowledge, &["h2"]),
        };
        let tls = |alpn: &[&str]| match server.tls {
            true => {
                let own = server.shown.as_deref().map(own_certificate);
                ClientTls::load(Verify::Full, server.ca.as_deref(), alpn, own).map(Some)
            }
            false => Ok(None),
        };
        let authority = authority(server);
        let sockets = match server.http2 {
            Http2::PriorKnowledge => None,
            Http2::Auto | Http2::Never => {
                let options = PoolOptions::new(authority.clone(), server.tls);
                let options = PoolOptions { http2: weir_http::Http2::Never, ..options };
                let dial = dial(host.clone(), *port, tls(&["http/1.1"])?, CONNECT_TIME);
                Some(Pool::new(dial, options))
            }
        };
        let options = PoolOptions { http2, ..PoolOptions::new(authority, server.tls) };
        Ok(Self {
            settings: settings.clone(),
            sockets,
            pool: Some(Pool::new(dial(host.clone(), *port, tls(alpn)?, CONNECT_TIME), options)),
            credential: server.credential.as_ref().map(header),
            own_url: server.to_string(),
        })
    }

    /// A request as the upstream will be asked, so that this is what is judged and recorded: its path there.
    pub(crate) fn as_asked(&self, mut head: RequestHead) -> RequestHead {
        if let Some(path) = self.settings.upstream_path(&head.path) {
            head.path = path;
        }
        head
    }

    /// The programs of one session, when the upstream is one: none of them runs yet. `folder`: where they run unless
    /// the settings say it; `most`: bytes of a request, and of what a program says at once.
    pub(super) fn programs(
        &self,
        folder: PathBuf,
        name: String,
        most: (usize, usize),
    ) -> Option<Arc<Programs>> {
        let HttpUpstream::Program(program) = &self.settings.upstream else { return None };
        Some(Arc::new(Programs::new(program.clone(), folder, name, most)))
    }

    /// The way to the upstream for one exchange of the session that has these programs.
    pub(super) fn leg(self: &Arc<Self>, programs: Option<Arc<Programs>>) -> Leg {
        Leg(Arc::clone(self), programs)
    }

    /// What is forwarded, as the upstream gets it: with our credential in place of the client's, also where that is
    /// spelled so that some servers take it for the same.
    fn outward(&self, mut head: RequestHead) -> RequestHead {
        let own = self.credential.as_ref().map(|header| header.name.as_str());
        head.headers.retain(|header| match header.name.as_str() {
            "authorization" => false,
            "cookie" => self.settings.cookies == Cookies::Pass,
            name => own.is_none_or(|own| !is_one_variable(name, own)),
        });
        head.headers.extend(self.credential.clone());
        head
    }

    /// What the upstream sent, as it concerns the client: redirects to itself lead through us.
    fn inward(&self, mut head: AnswerHead) -> AnswerHead {
        if self.settings.cookies == Cookies::Drop {
            head.headers.retain(|header| header.name != "set-cookie");
        }
        for header in &mut head.headers {
            if matches!(header.name.as_str(), "location" | "content-location")
                && let Some(ours) = self.as_ours(&header.text())
            {
                header.value = ours.into();
            }
        }
        head
    }

    /// The path by which a client reaches what the upstream calls `url`; `None` when that is somewhere else.
    fn as_ours(&self, url: &str) -> Option<String> {
        let base = self.settings.server().map_or("", |server| server.base.as_str());
        let path = match url.strip_prefix(self.own_url.as_str()) {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => rest,
            Some(_) => return None,
            // A path alone is below the upstream's root.
            None => url.strip_prefix(base).filter(|_| url.starts_with('/') && !url.starts_with("//"))?,
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let prefix = match self.settings.strip_prefix && self.settings.path_prefix != "/" {
            true => self.settings.path_prefix.as_str(),
            false => "",
        };
        Some(format!("{prefix}{slash}{path}"))
    }
}

/// Whether a server that makes variables of headers (CGI, WSGI, PHP) has one for both: `x_api.key` is `HTTP_X_API_KEY`
/// there, as `x-api-key` is.
fn is_one_variable(one: &str, other: &str) -> bool {
    let same = |a: u8, b: u8| match a.is_ascii_alphanumeric() {
        true => a.eq_ignore_ascii_case(&b),
        false => !b.is_ascii_alphanumeric(),
    };
    one.len() == other.len() && one.bytes().zip(other.bytes()).all(|(a, b)| same(a, b))
}

fn authority(server: &HttpServer) -> String {
    let Endpoint::Tcp { host, port } = &server.endpoint else { return String::new() };
    let usual = if server.tls { 443 } else { 80 };
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    if *port == usual { host } else { format!("{host}:{port}") }
}

fn header(credential: &Credential) -> Header {
    match credential {
        Credential::Bearer(token) => Header::new("authorization", format!("Bearer {}", token.expose())),
        Credential::Basic { user, password } => {
            let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
            Header::new("authorization", format!("Basic {pair}"))
        }
        Credential::Header { name, value } => Header::new(name, value.expose().to_owned()),
    }
}

/// One exchange's way to the upstream and back.
#[derive(Clone)]
pub(super) struct Leg(Arc<HttpBackend>, Option<Arc<Programs>>);

impl Upstream for Leg {
    type Body = LegBody;

    async fn send(
        self,
        head: RequestHead,
        body: Pipe,
        length: Option<u64>,
    ) -> Result<(AnswerHead, LegBody), Fault> {
        let is_socket = head.asks_for_socket();
        if is_socket && self.0.sockets.is_none() {
            let message = "the upstream of this resource cannot speak WebSocket (a program, or HTTP/2 alone)";
            return Err(Fault::new(FaultSource::Upstream, "upstream-unreachable", message));
        }
        if let Some(programs) = self.1 {
            let (head, body) = Box::pin(programs.send(head, body)).await?;
            return Ok((head, LegBody::Program(body)));
        }
        let pool = if is_socket { &self.0.sockets } else { &self.0.pool };
        let Some(pool) = pool else {
            return Err(Fault::new(FaultSource::Host, "no-upstream", "the session has no program"));
        };
        let head = self.0.outward(head);
        let (head, body) = Way(Arc::clone(pool)).send(head, body, length).await?;
        Ok((self.0.inward(head), LegBody::Server(body)))
    }
}

/// What comes back, whoever sends it.
pub(super) enum LegBody {
    Server(UpstreamBody),
    Program(ProgramBody),
}

impl Source for LegBody {
    async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        match self {
            Self::Server(body) => body.next().await,
            Self::Program(body) => body.next().await,
        }
    }

    fn messages(&mut self, most: usize) {
        if let Self::Server(body) = self {
            body.messages(most);
        }
    }

    fn decode(&mut self) -> Result<(), Broken> {
        match self {
            Self::Server(body) => body.decode(),
            Self::Program(body) => body.decode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_config::settings::Auth;

    fn backend(prefix: &str, strip_prefix: bool, base: &str, cookies: Cookies) -> HttpBackend {
        let settings = HttpResource {
            hosts: vec![],
            path_prefix: prefix.into(),
            strip_prefix,
            auth: Auth { bearer: true, basic: true },
            cookies,
            upstream: HttpUpstream::Server(HttpServer {
                endpoint: Endpoint::Tcp { host: "api.internal".into(), port: 8080 },
                tls: false,
                base: base.into(),
                ca: None,
                ca_contents: None,
                shown: None,
                http2: Http2::Auto,
                credential: None,
            }),
        };
        let mut backend = HttpBackend::of(&settings).unwrap();
        backend.credential = Some(Header::new("x-api-key", "secret"));
        backend
    }

    #[test]
    fn the_clients_credentials_stay_here_and_ours_go_out() {
        let head = RequestHead {
            method: "GET".into(),
            authority: "api".into(),
            path: "/crm/a".into(),
            query: None,
            headers: vec![
                Header::new("authorization", "Bearer weir"),
                Header::new("x-api-key", "guess"),
                Header::new("x_api_key", "guess"),
                Header::new("x-api.key", "guess"),
                Header::new("x-api-keys", "another"),
                Header::new("cookie", "a=b"),
                Header::new("accept", "*/*"),
            ],
            has_body: false,
            length: None,
            runs_once: false,
        };
        let backend = backend("/crm", true, "/base", Cookies::Drop);
        let out = backend.outward(backend.as_asked(head));
        assert_eq!(out.path, "/base/a");
        let sent: Vec<_> = out.headers.iter().map(|header| (&*header.name, header.text())).collect();
        assert_eq!(
            sent,
            [("x-api-keys", "another".into()), ("accept", "*/*".into()), ("x-api-key", "secret".into())]
        );
    }

    #[test]
    fn redirects_of_the_upstream_to_itself_lead_through_us() {
        let backend = backend("/crm", true, "/base", Cookies::Pass);
        for (theirs, ours) in [
            ("http://api.internal:8080/base/a?b", Some("/crm/a?b")),
            ("http://api.internal:8080/base", Some("/crm/")),
            ("/base/a", Some("/crm/a")),
            ("http://api.internal:8080/basement", None),
            ("https://elsewhere/base/a", None),
            ("//elsewhere/base", None),
            ("a/b", None),
        ] {
            assert_eq!(backend.as_ours(theirs).as_deref(), ours, "{theirs}");
        }
    }
}
