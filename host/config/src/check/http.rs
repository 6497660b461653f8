//! What a resource of the protocol `http` has besides what all have.

use std::collections::BTreeMap;

use super::{Context, files::Absent, url};
use crate::document::At;
use crate::problem::code;
use crate::raw;
use crate::secret::{self, Reference};
use crate::settings::{
    Auth, Cookies, Credential, Http2, HttpResource, HttpServer, HttpUpstream, PROGRAM_MEMORY, Program,
    Secret, Variable,
};

/// `None` when something it cannot be without is missing or wrong, which has been reported.
pub(super) fn http(written: &raw::Resource, context: Context<'_>) -> Option<HttpResource> {
    let own = &written.http;
    tls_is_required(written, context);
    let upstream = match written.upstream.as_ref()? {
        raw::Upstream::Url(text) => server(written, text, context).map(HttpUpstream::Server),
        raw::Upstream::Program(program) => {
            of_servers_only(written, context);
            self::program(program, context).map(HttpUpstream::Program)
        }
    };
    let mut hosts: Vec<_> =
        own.hosts.iter().flat_map(|list| &list.value).map(|host| host.value.clone()).collect();
    hosts.sort();
    Some(HttpResource {
        hosts,
        path_prefix: own.path_prefix.as_ref().map_or("/", |at| at.value.as_str()).to_owned(),
        strip_prefix: own.strip_prefix.as_ref().is_some_and(|at| at.value),
        auth: auth(own.auth.as_ref()),
        cookies: own.cookies.as_ref().map_or(Cookies::Pass, |at| at.value),
        upstream: upstream?,
    })
}

fn auth(written: Option<&At<Vec<At<raw::Proof>>>>) -> Auth {
    let may = |proof| written.is_none_or(|list| list.value.iter().any(|at| at.value == proof));
    Auth { bearer: may(raw::Proof::Bearer), basic: may(raw::Proof::Basic) }
}

fn server(written: &raw::Resource, text: &At<String>, context: Context<'_>) -> Option<HttpServer> {
    let report = context.report;
    let ca = written.upstream_ca.as_ref().map(|path| context.file("upstream_ca", path));
    let credential = written.http.credential.as_ref().map(|written| credential(written, context));
    let shown = super::upstream::own_certificate(written, context);
    let url = url::http::read(text, report)?;
    if !url.tls {
        super::upstream::without_tls(written, "http://", report);
    }
    if !url.tls && !url.endpoint.is_local() {
        report
            .warning(
                code::PLAIN_UPSTREAM,
                text.span,
                "everything goes over the network in the clear, credentials included",
            )
            .help("write https://, with `upstream_ca` if the upstream's authority is your own");
    }
    if let Some(path) = &written.upstream_ca
        && !url.tls
    {
        super::upstream::unused_ca(path.span, "http:// looks at no certificate", "https:// uses it", report);
    }
    // What could not be used has been reported.
    let ca = match ca {
        Some(found) => Some(found?.0),
        None => None,
    };
    Some(HttpServer {
        shown: if super::upstream::mentions_certificate(written) { Some(Box::new(shown?)) } else { None },
        ca_contents: ca.as_deref().map(|ca| context.contents(&[ca])),
        ca,
        endpoint: url.endpoint,
        tls: url.tls,
        base: url.base,
        http2: written.http.http2.as_ref().map_or(Http2::Auto, |at| at.value),
        credential: match credential {
            Some(credential) => Some(credential?),
            None => None,
        },
    })
}

fn credential(written: &raw::Credential, context: Context<'_>) -> Option<Credential> {
    Some(match written {
        raw::Credential::Bearer(token) => Credential::Bearer(sendable(token, context, is_field_value)?),
        raw::Credential::Basic { user, password } => Credential::Basic {
            password: sendable(password, context, |text| !text.contains(char::is_control))?,
            user: user.value.clone(),
        },
        raw::Credential::Header { name, value } => {
            Credential::Header { value: sendable(value, context, is_field_value)?, name: name.value.clone() }
        }
    })
}

/// The secret, if it can be sent: a line end in it would be the end of its header.
fn sendable(reference: &At<Reference>, context: Context<'_>, fits: impl Fn(&str) -> bool) -> Option<Secret> {
    let secret = secret::resolve(reference, context.folder, context.outside, context.report)?;
    if fits(secret.expose()) {
        return Some(secret);
    }
    let message =
        format!("the secret from {} has characters that cannot be sent in a header", secret.origin());
    context
        .report
        .error(code::SECRET_NOT_SENDABLE, reference.span, message)
        .help("printable ASCII without a space at either end can; a password of `basic` may be other text, too, on one line");
    None
}

fn is_field_value(text: &str) -> bool {
    text.trim() == text && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

fn program(written: &raw::Program, context: Context<'_>) -> Option<Program> {
    let mut complete = true;
    let mut env = BTreeMap::new();
    for (name, value) in &written.env {
        let value = match value {
            raw::Variable::Plain(text) => Some(Variable::Plain(text.clone())),
            raw::Variable::Secret(reference) => {
                secret::resolve(reference, context.folder, context.outside, context.report)
                    .map(Variable::Secret)
            }
        };
        complete &= value.is_some();
        env.extend(value.map(|value| (name.clone(), value)));
    }
    let cwd =
        written.cwd.as_ref().map(|path| context.folder("cwd", &path.value, Some(path.span), Absent::Refuse));
    let memory = written.memory.as_ref().map_or(PROGRAM_MEMORY.default, |memory| memory.value);
    Some(Program { command: written.command.clone()?, env, cwd, memory }).filter(|_| complete)
}

/// Keys about a connection to a server, beside a program.
fn of_servers_only(written: &raw::Resource, context: Context<'_>) {
    let by_variable = "give it to the program: `env = { KEY = { env = \"NAME\" } }`";
    let nothing = "leave it out";
    let keys = [
        ("credential", written.http.credential_key, by_variable),
        ("http2", written.http.http2_key, nothing),
        ("upstream_ca", written.upstream_ca.as_ref().map(|path| path.span), nothing),
        ("upstream_certificate", written.upstream_certificate.as_ref().map(|path| path.span), nothing),
        ("upstream_key", written.upstream_key_key, nothing),
    ];
    for (key, span, help) in keys {
        if let Some(span) = span {
            context
                .report
                .error(
                    code::NOT_FOR_PROGRAMS,
                    span,
                    format!("`{key}` means nothing for an upstream that is a program"),
                )
                .help(help);
        }
    }
}

/// Clients of HTTP begin with TLS or do not: there is no asking for it.
fn tls_is_required(written: &raw::Resource, context: Context<'_>) {
    let required = written.tls.as_ref().and_then(|tls| tls.required.as_ref());
    if let Some(span) = required.filter(|at| !at.value).map(|at| at.span) {
        let message = "`required` cannot be false: with `tls`, an address speaks TLS and nothing else";
        context
            .report
            .error(code::TLS_REQUIRED, span, message)
            .help("for clients in the clear, write another resource without `tls`, on an address of its own");
    }
}
