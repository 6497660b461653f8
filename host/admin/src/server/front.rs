//! What is checked before anything else: that the request was meant for this server, by a program of this machine.
//!
//! A page on the web can make a browser send requests to a loopback address, and with a name of its own that resolves
//! to it (DNS rebinding) it can even read the answers, since browser and page agree on the name. The page cannot,
//! however, lie about that name: it stands in `Host`. And of what a page sends under the right name, the browser says
//! where it comes from: in `Origin` and `Sec-Fetch-Site`.

use super::problem::Problem;
use hyper::header::{HOST, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{HeaderMap, StatusCode, Uri};
use std::net::IpAddr;

pub(super) fn check(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    let host = the_only(headers, HOST.as_str())?
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "no-host", "the request has no Host"))?;
    let named = [Some(host), uri.authority().map(Authority::as_str)];
    if !named.into_iter().flatten().all(is_loopback) {
        let message = "this server answers only to `localhost` and loopback addresses";
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "foreign-host", message).help(
            "reach it by the address of `admin.listen`; through a proxy, let it send `Host: localhost`",
        ));
    }
    let foreign = || {
        Problem::new(
            StatusCode::FORBIDDEN,
            "foreign-page",
            "pages of other origins may not use the admin API",
        )
    };
    let ours = |origin: &str| {
        origin
            .split_once("://")
            .is_some_and(|(scheme, from)| scheme == "http" && from.eq_ignore_ascii_case(host))
    };
    if the_only(headers, ORIGIN.as_str())?.is_some_and(|origin| !ours(origin)) {
        return Err(foreign());
    }
    match the_only(headers, "sec-fetch-site")? {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(foreign()),
    }
}

/// A header that may stand there once. Twice, two readers could see two different requests.
fn the_only<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let bad =
        || Problem::new(StatusCode::BAD_REQUEST, "bad-header", format!("the header {name} is malformed"));
    let mut all = headers.get_all(name).iter();
    let first = all.next().map(|value| value.to_str().map_err(|_| bad())).transpose()?;
    if all.next().is_some() { Err(bad()) } else { Ok(first) }
}

/// Whether this is `localhost` or a loopback address, with or without a port (which a tunnel may change).
fn is_loopback(authority: &str) -> bool {
    let Ok(parsed) = authority.parse::<Authority>() else { return false };
    let host = parsed.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    !authority.contains('@')
        && (host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_ours() {
        for ours in
            ["localhost", "LocalHost:6440", "127.0.0.1", "127.0.0.1:1", "127.3.2.1:80", "[::1]", "[::1]:6440"]
        {
            assert!(is_loopback(ours), "{ours}");
        }
        for other in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
            "localhost@evil.example",
            "evil@localhost",
            "localhost,evil",
            "foo.localhost",
            "127.0.0.1:80:80",
        ] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
