//! Names, addresses and people: the small languages inside of texts.

use std::net::SocketAddr;

use weir_model::Grantee;

use crate::document::{At, Fields, Report};
use crate::problem::code;

/// A name in files, logs and rules: lower-case words joined by `-`, at most 63 characters.
pub(crate) fn name(what: &str, name: At<String>, report: &Report) -> Option<At<String>> {
    let text = &name.value;
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if text.len() <= 63 && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.split('-').all(word) {
        return Some(name);
    }
    report.error(code::BAD_NAME, name.span, format!("\"{text}\" cannot be the name of a {what}")).help(
        "write lower-case letters and digits, words joined by `-`, a letter first, at most 63: `orders-eu`",
    );
    None
}

/// A list of `group:NAME` and `user:NAME`.
pub(crate) fn grantees(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<Vec<At<Grantee>>>> {
    let report = fields.report();
    let list = fields.different_texts(key)?;
    Some(list.map(|texts| texts.into_iter().filter_map(|text| grantee(key, &text, report)).collect()))
}

fn grantee(key: &str, text: &At<String>, report: &Report) -> Option<At<Grantee>> {
    match Grantee::parse(&text.value) {
        Ok(grantee) => Some(At::new(grantee, text.span)),
        Err(_) => {
            let message = format!("`{key}`: \"{}\" is neither a group nor a user", text.value);
            let help = match text.value.contains(':') {
                true => "write `group:NAME` or `user:NAME`".to_owned(),
                false => format!("write \"group:{0}\" or \"user:{0}\"", text.value),
            };
            report.error(code::BAD_GRANTEE, text.span, message).help(help);
            None
        }
    }
}

/// An address to listen on: an IP address and a port.
pub(crate) fn address(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<At<SocketAddr>> {
    let report = fields.report();
    let text = fields.text(key)?;
    if let Ok(address) = text.value.parse() {
        return Some(At::new(address, text.span));
    }
    let port = text.value.rsplit(':').next().filter(|port| port.parse::<u16>().is_ok()).unwrap_or("6432");
    report
        .error(code::BAD_ADDRESS, text.span, format!("`{key}`: \"{}\" is not an address and a port", text.value))
        .help(format!(
            "write \"127.0.0.1:{port}\" for this machine only, \"0.0.0.0:{port}\" for everyone (IPv6: \"[::]:{port}\")"
        ));
    None
}
