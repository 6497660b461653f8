//! The upstream of a resource of the protocol `postgres`: its URL, password, authorities and databases.

use super::Context;
use super::url::postgres as url;
use crate::document::{Report, Span};
use crate::problem::code;
use crate::raw;
use crate::secret;
use crate::settings::{Endpoint, PostgresUpstream, TlsMode};

/// `None` when the URL or the password cannot be used, which has been reported.
pub(super) fn postgres(written: &raw::Resource, context: Context<'_>) -> Option<PostgresUpstream> {
    let report = context.report;
    let password = written
        .password
        .as_ref()
        .map(|reference| secret::resolve(reference, context.folder, context.outside, report));
    let ca = written.upstream_ca.as_ref().map(|path| context.file("upstream_ca", path));
    let databases =
        written.databases.iter().flat_map(|list| &list.value).map(|name| name.value.clone()).collect();

    let Some(raw::Upstream::Url(text)) = &written.upstream else { return None };
    let url = url::read(text, report)?;
    let tls = tls_mode(&url);
    let span = url.sslmode.as_ref().map_or(text.span, |mode| mode.span);
    if !url.endpoint.is_local()
        && let Some(what) = weakness(tls)
    {
        report
            .warning(code::WEAK_SSLMODE, span, format!("sslmode={}: {what}", tls.as_word()))
            .help("sslmode=verify-full, with `upstream_ca` if the upstream's authority is your own");
    }
    if let Some(path) = &written.upstream_ca
        && tls < TlsMode::VerifyCa
    {
        let why = format!("sslmode={} looks at no certificate", tls.as_word());
        unused_ca(path.span, &why, "sslmode=verify-full uses it", report);
    }
    let ca = match ca {
        Some(found) => Some(found?.0),
        None => None,
    };
    Some(PostgresUpstream {
        ca_contents: ca.as_deref().map(|ca| context.contents(&[ca])),
        endpoint: url.endpoint,
        user: url.user,
        password: match password {
            Some(secret) => Some(secret?),
            None => None,
        },
        database: url.database,
        databases,
        tls,
        ca,
    })
}

/// Authorities that nothing is checked with.
pub(super) fn unused_ca(span: Span, why: &str, help: &str, report: &Report) {
    let message = format!("{why}, so `upstream_ca` is not used");
    report.warning(code::UNUSED_CA, span, message).help(help);
}

/// The strictest unless told otherwise. A socket in the file system knows no TLS, as in libpq.
fn tls_mode(url: &url::Url) -> TlsMode {
    match (&url.endpoint, &url.sslmode) {
        (Endpoint::Unix(_), _) => TlsMode::Disable,
        (Endpoint::Tcp { .. }, Some(mode)) => mode.value,
        (Endpoint::Tcp { .. }, None) => TlsMode::VerifyFull,
    }
}

fn weakness(mode: TlsMode) -> Option<&'static str> {
    match mode {
        TlsMode::Disable => Some("everything goes over the network in the clear"),
        TlsMode::Require => Some("nobody checks who answers, so whoever sits in between reads everything"),
        TlsMode::VerifyCa => Some("any server with a certificate of the same authority passes for this one"),
        TlsMode::VerifyFull => None,
    }
}
