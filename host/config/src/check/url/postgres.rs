//! `postgres://USER@HOST:PORT/DATABASE?sslmode=MODE`
//!
//! What libpq would take besides (several hosts, a service, parameters that change how a session behaves) is refused,
//! because the gateway would not do it.

use std::path::PathBuf;

use super::{Form, Piece, Reader};
use crate::document::{At, Report};
use crate::problem::code;
use crate::settings::{Endpoint, POSTGRES_PORT, TlsMode};
use weir_model::nearest;

/// What a URL says.
#[derive(Debug)]
pub(in crate::check) struct Url {
    pub(in crate::check) endpoint: Endpoint,
    pub(in crate::check) user: String,
    pub(in crate::check) database: String,
    pub(in crate::check) sslmode: Option<At<TlsMode>>,
}

const SHAPE: &str = "postgres://USER@HOST:PORT/DATABASE";

const FORM: Form = Form {
    protocol: "postgres",
    shape: SHAPE,
    schemes: &["postgres", "postgresql"],
    shape_help: "in a name, write `/` as %2F, `@` as %40, `:` as %3A, `?` as %3F",
    host_help: "a name, an address (IPv6 in brackets), or the folder of a socket: %2Frun%2Fpostgresql",
    sockets: true,
};

/// `None`, and everything that is wrong with it reported.
pub(in crate::check) fn read(url: &At<String>, report: &Report) -> Option<Url> {
    let reader = Reader { url, report, form: &FORM };
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
        let (host, port) = self.host(piece)?;
        let port = port.unwrap_or(POSTGRES_PORT);
        Some(match host.starts_with('/') {
            true => Endpoint::Unix(PathBuf::from(host).join(format!(".s.PGSQL.{port}"))),
            false => Endpoint::Tcp { host, port },
        })
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
}
