//! The URLs of upstreams, read piece by piece so that each wrong piece is shown.
//!
//! Not general URLs: each protocol has one form, and what a URL could say besides is refused.

pub(super) mod http;
pub(super) mod postgres;

use crate::document::{At, Report, Span};
use crate::problem::code;

/// How the URLs of a protocol look.
struct Form {
    protocol: &'static str,
    /// For messages: `postgres://USER@HOST:PORT/DATABASE`.
    shape: &'static str,
    schemes: &'static [&'static str],
    /// What to do when it is not of the form.
    shape_help: &'static str,
    /// What a host can be.
    host_help: &'static str,
    /// Whether a host may be the folder of a socket.
    sockets: bool,
}

/// Part of the URL, with where it begins in it.
#[derive(Clone, Copy)]
struct Piece<'u> {
    text: &'u str,
    start: usize,
}

struct Reader<'u> {
    url: &'u At<String>,
    report: &'u Report,
    form: &'static Form,
}

impl Reader<'_> {
    /// What is before an `@` may well be a password, and nobody shall see it.
    fn bad_shape<T>(&self, piece: Piece<'_>) -> Option<T> {
        if let Some((login, _)) = piece.split_at_last('@') {
            self.hide(login);
        }
        self.report
            .error(
                code::URL_SHAPE,
                self.span(piece),
                format!("`upstream` is not of the form {}", self.form.shape),
            )
            .help(self.form.shape_help);
        None
    }

    fn scheme(&self, scheme: Piece<'_>) -> bool {
        let fits = self.form.schemes.contains(&scheme.text);
        if !fits {
            let message =
                format!("\"{}\" is not a scheme of the protocol {}", scheme.text, self.form.protocol);
            self.report
                .error(code::URL_SCHEME, self.span(scheme), message)
                .help(format!("write `upstream = \"{}\"`", self.form.shape));
        }
        fits
    }

    /// The host, without brackets, and the port if there is one.
    fn host(&self, piece: Piece<'_>) -> Option<(String, Option<u16>)> {
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
                if name.is_empty()
                    || !(name.chars().all(fits) || (self.form.sockets && name.starts_with('/')))
                {
                    return self.bad_host(host);
                }
                (name, port)
            }
        };
        let port = match port {
            None => None,
            Some(port) => match port.text.parse::<u16>() {
                Ok(number) if number > 0 => Some(number),
                _ => {
                    let message = format!("`upstream`: \"{}\" is not a port", port.text);
                    self.report
                        .error(code::URL_PORT, self.span(port), message)
                        .help("a number from 1 to 65535");
                    return None;
                }
            },
        };
        Some((host, port))
    }

    fn bad_host(&self, host: Piece<'_>) -> Option<(String, Option<u16>)> {
        self.report
            .error(code::URL_HOST, self.span(host), format!("`upstream`: \"{}\" is not one host", host.text))
            .help(self.form.host_help);
        None
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

    /// What is before and from a place on.
    fn split_at(self, at: usize) -> Option<(Self, Self)> {
        let (before, behind) = self.text.split_at_checked(at)?;
        Some((Self { text: before, ..self }, Self { text: behind, start: self.start + at }))
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
