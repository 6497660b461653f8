//! `https://HOST:PORT/BASE`, `http://…`

use super::{Form, Piece, Reader};
use crate::document::{At, Report};
use crate::problem::code;
use crate::raw::path;
use crate::settings::{Endpoint, HTTP_PORT, HTTPS_PORT};

/// What a URL says.
#[derive(Debug)]
pub(in crate::check) struct Url {
    pub(in crate::check) endpoint: Endpoint,
    pub(in crate::check) tls: bool,
    /// Empty, or begins with a slash and does not end with one.
    pub(in crate::check) base: String,
}

const FORM: Form = Form {
    protocol: "http",
    shape: "https://HOST:PORT/PATH",
    schemes: &["https", "http"],
    shape_help: "for example `upstream = \"https://api.internal:8443/base\"`",
    host_help: "a name, or an address (IPv6 in brackets)",
    sockets: false,
};

/// `None`, and everything that is wrong with it reported.
pub(in crate::check) fn read(url: &At<String>, report: &Report) -> Option<Url> {
    let reader = Reader { url, report, form: &FORM };
    let whole = Piece { text: &url.value, start: 0 };
    let Some((scheme, rest)) = whole.split_at_first("://") else {
        return reader.bad_shape(whole);
    };
    let mut fits = reader.scheme(scheme);
    let tls = scheme.text == "https";
    // A password may have any of `/?#` in it: whatever is before the last `@` is not shown.
    let rest = match rest.split_at_last('@') {
        Some((login, rest)) => {
            reader.no_login(login);
            fits = false;
            rest
        }
        None => rest,
    };
    let end = rest.text.find(['/', '?', '#']).unwrap_or(rest.text.len());
    let (authority, path) = rest.split_at(end)?;
    let end = path.text.find(['?', '#']).unwrap_or(path.text.len());
    let (path, query) = path.split_at(end)?;
    fits &= reader.no_query(query);
    let host = reader.host(authority);
    // `https://host/` is what people write for no path at all.
    let base = if path.text == "/" { "" } else { path.text };
    fits &= path::is_good("upstream", base, reader.span(path), report);
    let (host, port) = host?;
    let port = port.unwrap_or(if tls { HTTPS_PORT } else { HTTP_PORT });
    let endpoint = Endpoint::Tcp { host: host.to_ascii_lowercase(), port };
    fits.then(|| Url { endpoint, tls, base: base.to_owned() })
}

impl Reader<'_> {
    fn no_login(&self, login: Piece<'_>) {
        self.hide(login);
        self.report
            .error(code::URL_LOGIN, self.span(login), "a login does not belong into `upstream`")
            .help(
                "take it out with its `@`, and write \
                 `credential = { basic = { user = \"USER\", password = { env = \"NAME\" } } }` below `upstream`",
            );
    }

    /// Keys of an API stand there at times, so it is not shown.
    fn no_query(&self, query: Piece<'_>) -> bool {
        if query.text.is_empty() {
            return true;
        }
        self.hide(query);
        self.report
            .error(
                code::URL_QUERY,
                self.span(query),
                "`upstream` ends with its path: requests have queries of their own",
            )
            .help("take out `?` or `#` and all behind it");
        false
    }
}
