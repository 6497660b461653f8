//! `postgres://USER@HOST:PORT/DATABASE?sslmode=MODE`, read piece by piece so that each wrong piece is shown.
//!
//! Not a general URL: what libpq would take besides (several hosts, a service, parameters that change how a
//! session behaves) is refused, because the gateway would not do it.

use std::path::PathBuf;

use crate::document::{At, Report, Span};
use crate::nearest;
use crate::problem::code;
use crate::settings::{Endpoint, POSTGRES_PORT, TlsMode};

/// What a URL says.
#[derive(Debug)]
pub(super) struct Url {
    pub(super) endpoint: Endpoint,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) sslmode: Option<At<TlsMode>>,
}

const SHAPE: &str = "postgres://USER@HOST:PORT/DATABASE";

/// Part of the URL, with where it begins in it.
#[derive(Clone, Copy)]
struct Piece<'u> {
    text: &'u str,
    start: usize,
}

struct Reader<'u> {
    url: &'u At<String>,
    report: &'u Report,
}

/// `None`, and everything that is wrong with it reported.
pub(super) fn read(url: &At<String>, report: &Report) -> Option<Url> {
    let reader = Reader { url, report };
    let whole = Piece { text: &url.value, start: 0 };
    let Some((scheme, rest)) = whole.split_at_first("://") else {
        return reader.bad_shape(whole);
    };
    let scheme_fits = reader.scheme(scheme);
    let (before_query, query) = rest.cut("?");
    let (authority, path) = before_query.cut("/");
    // `@` only behind the host: most likely a password with `/` or `?` in it.
    let Some((login, host)) = authority.split_at_last('@') else {
        if rest.text.contains('@') {
            return reader.bad_shape(whole);
        }
        if let Some(port) = authority.cut(":").1.filter(|port| port.text.parse::<u16>().is_err()) {
            reader.hide(port);
        }
        reader.no_user(authority);
        return None;
    };
    let (user, password) = login.cut(":");
    let no_password = reader.no_password(password);
    let user = match user.text.is_empty() {
        true => {
            reader.no_user(host);
            None
        }
        false => reader.decode(user),
    };
    let endpoint = reader.endpoint(host);
    let database = reader.database(whole, path);
    let sslmode = reader.parameters(query);
    if !scheme_fits || !no_password {
        return None;
    }
    Some(Url { endpoint: endpoint?, user: user?, database: database?, sslmode: sslmode? })
}

impl Reader<'_> {
    /// What is before an `@` may well be a password, and nobody shall see it.
    fn bad_shape<T>(&self, piece: Piece<'_>) -> Option<T> {
        if let Some((login, _)) = piece.split_at_last('@') {
            self.hide(login);
        }
        self.report
            .error(code::URL_SHAPE, self.span(piece), format!("`upstream` is not of the form {SHAPE}"))
            .help("in a name, write `/` as %2F, `@` as %40, `:` as %3A, `?` as %3F");
        None
    }

    fn scheme(&self, scheme: Piece<'_>) -> bool {
        let fits = matches!(scheme.text, "postgres" | "postgresql");
        if !fits {
            let message = format!("\"{}\" is not a scheme of the protocol postgres", scheme.text);
            self.report
                .error(code::URL_SCHEME, self.span(scheme), message)
                .help(format!("write `upstream = \"{SHAPE}\"`"));
        }
        fits
    }

    fn no_user(&self, host: Piece<'_>) {
        self.report
            .error(code::URL_USER, self.span(host), "`upstream` does not say which user the gateway is there")
            .help(format!("write it in front of the host: {SHAPE}"));
    }

    fn no_password(&self, password: Option<Piece<'_>>) -> bool {
        let Some(password) = password else { return true };
        self.hide(password);
        self.report
            .error(code::URL_PASSWORD, self.span(password), "a password does not belong into `upstream`")
            .help("take it out with its colon, and write `password = { env = \"NAME\" }` below `upstream`");
        false
    }

    fn endpoint(&self, piece: Piece<'_>) -> Option<Endpoint> {
        let (host, port) = match piece.text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, rest)) => {
                let behind = piece.start + address.len() + 2;
                let port = rest.strip_prefix(':').map(|text| Piece { text, start: behind + 1 });
                if address.parse::<std::net::Ipv6Addr>().is_err() || (port.is_none() && !rest.is_empty()) {
                    return self.bad_host(piece);
                }
                (address.to_owned(), port)
            }
            None => {
                let (host, port) = piece.cut(":");
                let name = self.decode(host)?;
                let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
                if name.is_empty() || !(name.starts_with('/') || name.chars().all(fits)) {
                    return self.bad_host(host);
                }
                (name, port)
            }
        };
        let port = match port {
            None => POSTGRES_PORT,
            Some(port) => match port.text.parse::<u16>() {
                Ok(number) if number > 0 => number,
                _ => {
                    let message = format!("`upstream`: \"{}\" is not a port", port.text);
                    self.report
                        .error(code::URL_PORT, self.span(port), message)
                        .help("a number from 1 to 65535");
                    return None;
                }
            },
        };
        Some(match host.starts_with('/') {
            true => Endpoint::Unix(PathBuf::from(host).join(format!(".s.PGSQL.{port}"))),
            false => Endpoint::Tcp { host, port },
        })
    }

    fn bad_host(&self, host: Piece<'_>) -> Option<Endpoint> {
        self.report
            .error(code::URL_HOST, self.span(host), format!("`upstream`: \"{}\" is not one host", host.text))
            .help("a name, an address (IPv6 in brackets), or the folder of a socket: %2Frun%2Fpostgresql");
        None
    }

    fn database(&self, whole: Piece<'_>, path: Option<Piece<'_>>) -> Option<String> {
        match path {
            Some(path) if !path.text.is_empty() => self.decode(path),
            _ => {
                self.report
                    .error(code::URL_DATABASE, self.span(whole), "`upstream` names no database")
                    .help(format!("write it behind the host: {SHAPE}"));
                None
            }
        }
    }

    /// `None` when one of them is wrong; `Some(None)` when none says anything.
    fn parameters(&self, query: Option<Piece<'_>>) -> Option<Option<At<TlsMode>>> {
        let mut sslmode = None;
        let mut all_fit = true;
        let mut rest = query;
        while let Some(piece) = rest {
            let (parameter, more) = piece.cut("&");
            rest = more;
            let (name, value) = parameter.cut("=");
            let value = value.unwrap_or(Piece { text: "", start: name.start + name.text.len() });
            match name.text {
                "sslmode" => match TlsMode::WORDS.iter().find(|(word, _)| *word == value.text) {
                    Some((_, mode)) => sslmode = Some(At::new(*mode, self.span(value))),
                    None => {
                        self.bad_sslmode(value);
                        all_fit = false;
                    }
                },
                "" if parameter.text.is_empty() => {}
                _ => {
                    if name.text.contains("pass") {
                        self.hide(value);
                    }
                    self.bad_parameter(name);
                    all_fit = false;
                }
            }
        }
        all_fit.then_some(sslmode)
    }

    fn bad_sslmode(&self, mode: Piece<'_>) {
        let words: Vec<&str> = TlsMode::WORDS.iter().map(|(word, _)| *word).collect();
        let help = match mode.text {
            "allow" | "prefer" => {
                "this would fall back to the clear, which anybody in between can arrange; write \
                                   sslmode=verify-full"
                    .to_owned()
            }
            other => nearest::suggest(other, &words, "it can be"),
        };
        let message = format!("`upstream`: sslmode cannot be \"{}\"", mode.text);
        self.report.error(code::URL_SSLMODE, self.span(mode), message).help(help);
    }

    fn bad_parameter(&self, name: Piece<'_>) {
        let help = match name.text {
            "sslrootcert" => "write `upstream_ca = \"ca.pem\"` below `upstream`",
            "password" => "write `password = { env = \"NAME\" }` below `upstream`",
            _ => "`sslmode` is the only one",
        };
        let message = format!("`upstream` has no parameter \"{}\"", name.text);
        self.report.error(code::URL_PARAMETER, self.span(name), message).help(help);
    }

    /// `%2F` to `/`.
    fn decode(&self, piece: Piece<'_>) -> Option<String> {
        let mut bytes = Vec::with_capacity(piece.text.len());
        let mut rest = piece.text.as_bytes();
        let mut fits = true;
        while let Some((first, more)) = rest.split_first() {
            rest = more;
            if *first != b'%' {
                bytes.push(*first);
                continue;
            }
            let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
            let byte =
                hex.filter(|hex| !hex.starts_with('+')).and_then(|hex| u8::from_str_radix(hex, 16).ok());
            // A zero would end the name early at the other side.
            fits &= byte.is_some_and(|byte| byte != 0);
            bytes.push(byte.unwrap_or_default());
            rest = rest.get(2..).unwrap_or_default();
        }
        let text = String::from_utf8(bytes).ok().filter(|_| fits);
        if text.is_none() {
            let message = format!("`upstream`: \"{}\" has a `%` that stands for no character", piece.text);
            self.report.error(code::URL_ESCAPE, self.span(piece), message).help("write a `%` itself as %25");
        }
        text
    }

    fn hide(&self, piece: Piece<'_>) {
        self.report.hide(self.span(piece));
    }

    fn span(&self, piece: Piece<'_>) -> Span {
        let end = piece.start + piece.text.len();
        self.report.source().inside(&self.url.value, self.url.span, piece.start, end)
    }
}

impl<'u> Piece<'u> {
    /// What is before and behind the first `mark`.
    fn split_at_first(self, mark: &str) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_once(mark)?;
        let start = self.start + before.len() + mark.len();
        Some((Self { text: before, ..self }, Self { text: behind, start }))
    }

    fn split_at_last(self, mark: char) -> Option<(Self, Self)> {
        let (before, behind) = self.text.rsplit_once(mark)?;
        let start = self.start + before.len() + mark.len_utf8();
        Some((Self { text: before, ..self }, Self { text: behind, start }))
    }

    /// Like `split_at_first`, but all of it is before when there is no `mark`.
    fn cut(self, mark: &str) -> (Self, Option<Self>) {
        match self.split_at_first(mark) {
            Some((before, behind)) => (before, Some(behind)),
            None => (self, None),
        }
    }
}
