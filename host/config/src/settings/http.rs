//! What a `[[resource]]` of the protocol `http` has besides what all have: which requests are its own, how clients
//! prove who they are, and where requests go.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use weir_model::Digest;

use super::{Endpoint, Knob, OwnCertificate, Secret};

/// `hosts`, `path_prefix`, `strip_prefix`, `auth`, `cookies` and `upstream` of a `[[resource]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResource {
    /// What clients may call it; empty: anything. Nothing twice, sorted.
    pub hosts: Vec<HostPattern>,
    /// The paths that are its own: this one and all below it. `/`, or begins with `/` and does not end with one; no
    /// empty, `.` or `..` segment, no percent sign.
    pub path_prefix: String,
    /// Whether the upstream sees paths without `path_prefix`.
    pub strip_prefix: bool,
    pub auth: Auth,
    pub cookies: Cookies,
    pub upstream: HttpUpstream,
}

/// A name that clients may use for a resource: `api.example.com`, `*.example.com`, `localhost:8443`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPattern {
    pub name: HostName,
    /// `None`: whatever port the client names.
    pub port: Option<u16>,
}

/// Lower case; addresses of IPv6 in brackets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    Exactly(String),
    /// Every name below this one, not itself: `*.example.com` without `*.`.
    Below(String),
}

/// How well a resource fits a request: the largest is the one that gets it. The longest prefix counts first, then the
/// host: named in full, below a name, any; a longer name before a shorter one, with a port before without.
///
/// Two resources on one address never fit a request equally well; the checks see to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fit {
    prefix: usize,
    host: HostFit,
}

/// Kind (0 any, 1 below a name, 2 in full), length of the name, whether the port is named.
type HostFit = (u8, usize, bool);

/// How clients may prove who they are. At least one is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `authorization: Bearer …`, a token of the gateway.
    pub bearer: bool,
    /// `authorization: Basic …`, a user's name and password.
    pub basic: bool,
}

/// What becomes of the client's `cookie`, and of the upstream's `set-cookie`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookies {
    Pass,
    Drop,
}

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpUpstream {
    Server(HttpServer),
    Program(Program),
}

/// `upstream = "https://…"`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServer {
    /// Always TCP, the name in lower case.
    pub endpoint: Endpoint,
    /// With TLS, its certificate must be that of the host of `endpoint`.
    pub tls: bool,
    /// In front of every path: empty, or like `path_prefix` but never `/`.
    pub base: String,
    /// The authorities whose signature counts, in PEM; `None`: those of the system. Exists.
    pub ca: Option<PathBuf>,
    /// Of what it holds: other authorities are a change.
    pub ca_contents: Option<Digest>,
    /// What the gateway shows in the TLS handshake. Only with TLS.
    pub shown: Option<Box<OwnCertificate>>,
    pub http2: Http2,
    /// What the upstream gets in place of what the client proved itself with.
    pub credential: Option<Credential>,
}

/// Whether HTTP/2 is spoken with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Http2 {
    /// Over TLS, when the upstream chooses it (ALPN); never in the clear.
    Auto,
    Never,
    /// Always, also in the clear.
    PriorKnowledge,
}

/// What the gateway proves itself with at the upstream. Fit for a header: no line ends, no control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    Bearer(Secret),
    /// The user has no `:`.
    Basic {
        user: String,
        password: Secret,
    },
    Header {
        /// Lower case.
        name: String,
        value: Secret,
    },
}

/// Of one process. What a runtime reserves without using it does not count, so this is far above what servers of tools
/// need, and below what would hurt a machine at once.
pub const PROGRAM_MEMORY: Knob<u64> = Knob { default: 2 << 30, least: 16 << 20, most: 1 << 40 };

/// `upstream = { command = […] }`: a program that speaks MCP on its standard input and output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments. Not empty. A relative program is looked for in `PATH`.
    pub command: Vec<String>,
    /// Set for the program, on top of the little that it inherits.
    pub env: BTreeMap<String, Variable>,
    /// Where it runs. Exists. `None`: in the gateway's folder for state, as the host sees fit.
    pub cwd: Option<PathBuf>,
    /// Bytes of data that one process of it may have (`RLIMIT_DATA`).
    pub memory: u64,
}

/// The value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    Plain(String),
    Secret(Secret),
}

/// Upstreams are asked on these unless told otherwise.
pub(crate) const HTTP_PORT: u16 = 80;
pub(crate) const HTTPS_PORT: u16 = 443;

impl HttpResource {
    /// How well this resource fits a request; `None`: not at all.
    ///
    /// `host` is in lower case and without port, `port` that of the request's authority or else of its scheme, `path`
    /// as it is sent. The path must have no dot segments: whoever lets `/crm/../x` through asks for trouble. What does
    /// not begin with a slash (`OPTIONS *`) fits nothing.
    pub fn fits(&self, host: &str, port: u16, path: &str) -> Option<Fit> {
        let prefix = if self.path_prefix == "/" { "" } else { self.path_prefix.as_str() };
        let own = path.strip_prefix(prefix).is_some_and(|rest| match rest.is_empty() {
            true => !prefix.is_empty(),
            false => rest.starts_with('/'),
        });
        let host = match self.hosts.is_empty() {
            true => Some((0, 0, false)),
            false => self.hosts.iter().filter_map(|pattern| pattern.fits(host, port)).max(),
        };
        host.filter(|_| own).map(|host| Fit { prefix: self.path_prefix.len(), host })
    }

    /// The path that the upstream is asked for: without `path_prefix` if that is stripped, behind the upstream's
    /// base; `None` when that is the same. `path` is one of this resource's own.
    pub fn upstream_path(&self, path: &str) -> Option<String> {
        let rest = match self.strip_prefix && self.path_prefix != "/" {
            true => path.strip_prefix(self.path_prefix.as_str()).unwrap_or(path),
            false => path,
        };
        let base = match &self.upstream {
            HttpUpstream::Server(server) => server.base.as_str(),
            HttpUpstream::Program(_) => "",
        };
        let slash = if rest.is_empty() { "/" } else { "" };
        let is_same = base.is_empty() && rest.len() == path.len() && slash.is_empty();
        (!is_same).then(|| format!("{base}{slash}{rest}"))
    }

    pub fn server(&self) -> Option<&HttpServer> {
        match &self.upstream {
            HttpUpstream::Server(server) => Some(server),
            HttpUpstream::Program(_) => None,
        }
    }
}

impl HostPattern {
    fn fits(&self, host: &str, port: u16) -> Option<HostFit> {
        if self.port.is_some_and(|own| own != port) {
            return None;
        }
        let has_port = self.port.is_some();
        match &self.name {
            HostName::Exactly(name) => (name == host).then_some((2, name.len(), has_port)),
            HostName::Below(name) => host
                .strip_suffix(name.as_str())
                .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
                .then_some((1, name.len(), has_port)),
        }
    }
}

impl fmt::Display for HostPattern {
    /// As in the file.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            HostName::Exactly(name) => out.write_str(name)?,
            HostName::Below(name) => write!(out, "*.{name}")?,
        }
        match self.port {
            Some(port) => write!(out, ":{port}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for HttpServer {
    /// Its URL.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}{}", if self.tls { "https" } else { "http" }, self.endpoint, self.base)
    }
}

impl Cookies {
    pub(crate) const WORDS: [(&str, Self); 2] = [("pass", Self::Pass), ("drop", Self::Drop)];
}

impl Http2 {
    pub(crate) const WORDS: [(&str, Self); 3] =
        [("auto", Self::Auto), ("never", Self::Never), ("prior-knowledge", Self::PriorKnowledge)];

    pub fn as_word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Never => "never",
            Self::PriorKnowledge => "prior-knowledge",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(hosts: &[(&str, Option<u16>)], prefix: &str, strip: bool, base: &str) -> HttpResource {
        let pattern = |(name, port): &(&str, Option<u16>)| HostPattern {
            name: match name.strip_prefix("*.") {
                Some(name) => HostName::Below(name.to_owned()),
                None => HostName::Exactly((*name).to_owned()),
            },
            port: *port,
        };
        HttpResource {
            hosts: hosts.iter().map(pattern).collect(),
            path_prefix: prefix.to_owned(),
            strip_prefix: strip,
            auth: Auth { bearer: true, basic: true },
            cookies: Cookies::Pass,
            upstream: HttpUpstream::Server(HttpServer {
                endpoint: Endpoint::Tcp { host: "api.internal".to_owned(), port: 443 },
                tls: true,
                base: base.to_owned(),
                ca: None,
                ca_contents: None,
                shown: None,
                http2: Http2::Auto,
                credential: None,
            }),
        }
    }

    #[test]
    fn a_prefix_is_made_of_whole_segments() {
        let crm = resource(&[], "/crm", false, "");
        for own in ["/crm", "/crm/", "/crm/a/b"] {
            assert!(crm.fits("x", 80, own).is_some(), "{own}");
        }
        for other in ["/", "/cr", "/crmx", "/CRM", "/a/crm", "*", ""] {
            assert!(crm.fits("x", 80, other).is_none(), "{other}");
        }
        let all = resource(&[], "/", false, "");
        for (path, fits) in
            [("/", true), ("/crm", true), ("//", true), ("*", false), ("", false), ("crm", false)]
        {
            assert_eq!(all.fits("x", 80, path).is_some(), fits, "{path}");
        }
    }

    #[test]
    fn hosts_are_names_or_all_below_a_name_and_a_port_counts_where_it_is_named() {
        let of = |name, port| resource(&[(name, port)], "/", false, "");
        assert!(of("api.example.com", None).fits("api.example.com", 8443, "/").is_some());
        assert!(of("api.example.com", Some(8443)).fits("api.example.com", 8443, "/").is_some());
        assert!(of("api.example.com", Some(8443)).fits("api.example.com", 443, "/").is_none());
        let below = of("*.example.com", None);
        for (host, fits) in [
            ("a.example.com", true),
            ("a.b.example.com", true),
            ("example.com", false),
            (".example.com", false),
            ("badexample.com", false),
        ] {
            assert_eq!(below.fits(host, 443, "/").is_some(), fits, "{host}");
        }
    }

    #[test]
    fn the_longest_prefix_wins_and_then_the_host_that_says_most() {
        let ranked = [
            resource(&[("b.a.com", None)], "/x/y", false, ""),
            resource(&[("c.b.a.com", Some(443))], "/x", false, ""),
            resource(&[("c.b.a.com", None)], "/x", false, ""),
            resource(&[("*.b.a.com", None)], "/x", false, ""),
            resource(&[("*.a.com", Some(443))], "/x", false, ""),
            resource(&[("*.a.com", None)], "/x", false, ""),
            resource(&[], "/x", false, ""),
            resource(&[("c.b.a.com", None)], "/", false, ""),
        ];
        assert!(ranked[0].fits("c.b.a.com", 443, "/x/y").is_none());
        let fits: Vec<_> =
            ranked[1..].iter().map(|one| one.fits("c.b.a.com", 443, "/x/y").unwrap()).collect();
        assert!(fits.is_sorted_by(|better, worse| better > worse), "{fits:?}");
    }

    #[test]
    fn the_upstream_sees_its_base_and_the_prefix_unless_that_is_stripped() {
        let path = |strip, prefix, base, path: &str| {
            resource(&[], prefix, strip, base).upstream_path(path).unwrap_or_else(|| path.to_owned())
        };
        assert_eq!(path(false, "/crm", "", "/crm/a"), "/crm/a");
        assert_eq!(path(true, "/crm", "", "/crm/a"), "/a");
        assert_eq!(path(true, "/crm", "", "/crm"), "/");
        assert_eq!(path(true, "/crm", "/base", "/crm/"), "/base/");
        assert_eq!(path(true, "/", "/base", "/a"), "/base/a");
        assert_eq!(path(false, "/crm", "/base", "/crm"), "/base/crm");
    }
}
