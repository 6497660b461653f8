//! `api.example.com`, `*.example.com`, `localhost:8443`: what clients may call a resource.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::document::{At, Report};
use crate::problem::code;
use crate::settings::{HostName, HostPattern};

/// A name has at most so many characters, a label of it at most [`LABEL`] (RFC 1035, 2.3.4).
const NAME: usize = 253;
const LABEL: usize = 63;

/// `None`, and reported, when it is none.
pub(super) fn pattern(text: &At<String>, report: &Report) -> Option<At<HostPattern>> {
    match parse(&text.value) {
        Ok(pattern) => Some(At::new(pattern, text.span)),
        Err(help) => {
            report
                .error(
                    code::BAD_HOST,
                    text.span,
                    format!("`hosts`: \"{}\" is not the name of a host", text.value),
                )
                .help(help);
            None
        }
    }
}

/// # Errors
/// What to write instead.
fn parse(text: &str) -> Result<HostPattern, String> {
    let usual =
        || "write a name, with a port if that matters: \"api.example.com\", \"localhost:8443\"".to_owned();
    if text.contains("://") {
        return Err("write the name without a scheme and a path: \"api.example.com\"".to_owned());
    }
    let (host, port) = match text.rsplit_once(':') {
        // The last colon of an address in brackets is its own.
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            _ if host.contains(':') && !host.starts_with('[') => {
                return Err("write an address of IPv6 in brackets: \"[::1]:8443\"".to_owned());
            }
            Ok(number) if number > 0 && !port.starts_with('+') => (host, Some(number)),
            _ => return Err("a port is a number from 1 to 65535".to_owned()),
        },
        _ => (text, None),
    };
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| usual())?;
        return Ok(HostPattern { name: HostName::Exactly(format!("[{address}]")), port });
    }
    if host == "*" {
        return Err("leave `hosts` out for any host".to_owned());
    }
    let (below, name) = match host.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, host),
    };
    if name.contains('*') {
        return Err("a `*` stands for the first labels only: \"*.example.com\"".to_owned());
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        return Err(format!("write it in lower case: \"{}\"", text.to_ascii_lowercase()));
    }
    if !is_name(name) || (below && name.parse::<Ipv4Addr>().is_ok()) {
        return Err(usual());
    }
    let name = name.to_owned();
    Ok(HostPattern { name: if below { HostName::Below(name) } else { HostName::Exactly(name) }, port })
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let label = |label: &str| !label.is_empty() && label.len() <= LABEL && label.bytes().all(fits);
    name.len() <= NAME && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_addresses_and_ports_are_read_and_nothing_else() {
        for good in [
            "localhost",
            "api.example.com",
            "*.example.com:443",
            "10.0.0.1:8443",
            "[::1]",
            "[::1]:8443",
            "a_b.c-d",
        ] {
            assert_eq!(parse(good).map(|pattern| pattern.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "*",
            "*.",
            "*.*.com",
            "a.*.com",
            "*a.com",
            "a..b",
            ".a",
            "a.",
            "a b",
            "a/b",
            "A.com",
            "a:0",
            "a:x",
            "a:65536",
            "a:+1",
            "a:",
            ":80",
            "::1",
            "[::1",
            "[::1]x",
            "[a]",
            "*.10.0.0.1",
            "https://a.com",
            "ä.com",
            "u@a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"a".repeat(64)).is_err());
        assert!(parse(&["a"; 128].join(".")).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(text in "[a-z0-9.*:\\[\\]_-]{1,20}") {
            if let Ok(pattern) = parse(&text) {
                // Addresses of IPv6 and ports with zeros in front have several forms; reading again changes nothing.
                prop_assert_eq!(parse(&pattern.to_string()), Ok(pattern));
            }
        }
    }
}
