//! What a `[[resource]]` of the protocol `http` has besides what all have, as written.

use super::{host, path};
use crate::document::{At, Entry, Fields, Report, Span, choose};
use crate::problem::code;
use crate::secret::{self, Reference};
use crate::settings::{Cookies, HostPattern, Http2};

#[derive(Debug, Default)]
pub(crate) struct Http {
    pub(crate) hosts: Option<At<Vec<At<HostPattern>>>>,
    pub(crate) path_prefix: Option<At<String>>,
    pub(crate) strip_prefix: Option<At<bool>>,
    pub(crate) http2: Option<At<Http2>>,
    pub(crate) credential: Option<Credential>,
    /// Where `credential` is, good or not.
    pub(crate) credential_key: Option<Span>,
    pub(crate) http2_key: Option<Span>,
    pub(crate) auth: Option<At<Vec<At<Proof>>>>,
    pub(crate) cookies: Option<At<Cookies>>,
}

/// What the upstream gets.
#[derive(Debug)]
pub(crate) enum Credential {
    Bearer(At<Reference>),
    Basic { user: At<String>, password: At<Reference> },
    Header { name: At<String>, value: At<Reference> },
}

/// How a client may prove who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Bearer,
    Basic,
}

const PROOFS: [(&str, Proof); 2] = [("bearer", Proof::Bearer), ("basic", Proof::Basic)];

/// All keys of this file. Those of other protocols are told that they do not belong there.
pub(super) const KEYS: [&str; 7] =
    ["hosts", "path_prefix", "strip_prefix", "http2", "credential", "auth", "cookies"];

/// What a connection or its framing is about: the gateway's own business, whatever a credential says.
const NOT_FOR_CREDENTIALS: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "cookie",
];

impl Http {
    pub(super) fn read(fields: &mut Fields<'_, '_>) -> Self {
        let report = fields.report();
        let http = Self {
            hosts: fields.different_texts("hosts").map(|list| {
                list.map(|texts| texts.iter().filter_map(|text| host::pattern(text, report)).collect())
            }),
            path_prefix: fields.text("path_prefix").filter(|text| {
                let path = if text.value == "/" { "" } else { text.value.as_str() };
                path::is_good("path_prefix", path, text.span, report)
            }),
            strip_prefix: fields.flag("strip_prefix"),
            http2_key: fields.take("http2").map(|entry| entry.key.span),
            http2: fields.word("http2", &Http2::WORDS),
            credential_key: fields.take("credential").map(|entry| entry.key.span),
            credential: fields.take("credential").and_then(|entry| credential(entry, report)),
            auth: fields.different_texts("auth").map(|list| {
                list.map(|words| {
                    words.iter().filter_map(|word| choose("auth", word, &PROOFS, report)).collect()
                })
            }),
            cookies: fields.word("cookies", &Cookies::WORDS),
        };
        if let Some(span) = fields.empty_list("auth") {
            report
                .error(code::EMPTY_AUTH, span, "with an empty `auth`, nobody could prove who they are")
                .help("leave it out for both ways, or name one: `auth = [\"bearer\"]`");
        }
        http
    }
}

/// Exactly one of three shapes. Whatever else is there may hold a secret and is not shown.
fn credential(entry: &Entry, report: &Report) -> Option<Credential> {
    let node = &entry.node;
    if !node.is_table() {
        secret::refuse_literal("credential", node, report);
        return None;
    }
    let known = ["bearer", "basic", "header", "value"];
    let given: Vec<&str> = known.into_iter().filter(|key| node.entry(key).is_some()).collect();
    let mut fields = Fields::open(node, "`credential`", "resource.credential", report)?;
    let bearer = fields.take("bearer").and_then(|entry| secret::read(entry, report));
    if let Some(entry) = fields.take("basic").filter(|entry| !entry.node.is_table()) {
        secret::hide(&entry.node, report);
    }
    let basic = fields.table("basic").and_then(|fields| basic(fields, report));
    let header = fields.text("header").and_then(|name| header(name, report));
    let value = fields.take("value").and_then(|entry| secret::read(entry, report));
    fields.finish();
    match given.as_slice() {
        ["bearer"] => bearer.map(Credential::Bearer),
        ["basic"] => basic,
        ["header", "value"] => header.zip(value).map(|(name, value)| Credential::Header { name, value }),
        _ => {
            secret::hide(node, report);
            report
                .error(code::CREDENTIAL_SHAPE, node.span, "`credential` does not say what the upstream gets")
                .help(
                    "write one of `{ bearer = { env = \"NAME\" } }`, \
                     `{ basic = { user = \"USER\", password = { env = \"NAME\" } } }` and \
                     `{ header = \"x-api-key\", value = { env = \"NAME\" } }`",
                );
            None
        }
    }
}

fn basic(mut fields: Fields<'_, '_>, report: &Report) -> Option<Credential> {
    fields.require("user", "user = \"weir\"");
    fields.require("password", "password = { env = \"NAME\" }");
    let user = fields.text("user").filter(|user| {
        let fits = !user.value.contains(|c: char| c == ':' || c.is_control());
        if !fits {
            let message = format!("`user`: \"{}\" cannot be sent as a user", user.value.escape_debug());
            report
                .error(code::CREDENTIAL_USER, user.span, message)
                .help("the user ends at the first `:`, and has no control characters");
        }
        fits
    });
    let password = fields.take("password").and_then(|entry| secret::read(entry, report));
    fields.finish();
    user.zip(password).map(|(user, password)| Credential::Basic { user, password })
}

/// In lower case. A `token` of RFC 9110, 5.6.2.
fn header(name: At<String>, report: &Report) -> Option<At<String>> {
    let name = name.map(|name| name.to_ascii_lowercase());
    let is_token =
        name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if is_token && !NOT_FOR_CREDENTIALS.contains(&name.value.as_str()) {
        return Some(name);
    }
    let message = format!("`header`: \"{}\" cannot be the header of a credential", name.value.escape_debug());
    report.error(code::CREDENTIAL_HEADER, name.span, message).help(match is_token {
        true => "this header is about the connection or the body; name the one that the upstream looks at: `x-api-key`",
        false => "write letters, digits and `-`: `x-api-key`",
    });
    None
}
