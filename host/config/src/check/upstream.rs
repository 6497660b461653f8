//! The upstream of a resource of the protocol `postgres`: its URL, password, authorities and databases.

use super::Context;
use super::url::postgres as url;
use crate::document::{Report, Span};
use crate::problem::code;
use crate::raw;
use crate::secret::{self, Reference};
use crate::settings::{Endpoint, OwnCertificate, PostgresUpstream, TlsMode};

/// `None` when the URL or the password cannot be used, which has been reported.
pub(super) fn postgres(written: &raw::Resource, context: Context<'_>) -> Option<PostgresUpstream> {
    let report = context.report;
    let password = written
        .password
        .as_ref()
        .map(|reference| secret::resolve(reference, context.folder, context.outside, report));
    let ca = written.upstream_ca.as_ref().map(|path| context.file("upstream_ca", path));
    let shown = own_certificate(written, context);
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
    if tls == TlsMode::Disable {
        without_tls(written, "sslmode=disable", report);
    }
    let ca = match ca {
        Some(found) => Some(found?.0),
        None => None,
    };
    Some(PostgresUpstream {
        shown: if mentions_certificate(written) { Some(shown?) } else { None },
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

pub(super) fn mentions_certificate(written: &raw::Resource) -> bool {
    written.upstream_certificate.is_some() || written.upstream_key_key.is_some()
}

/// The gateway's own certificate. `None` when there is none, or it cannot be used, which has been reported.
pub(super) fn own_certificate(written: &raw::Resource, context: Context<'_>) -> Option<OwnCertificate> {
    let certificate =
        written.upstream_certificate.as_ref().map(|path| context.file("upstream_certificate", path));
    let key = written
        .upstream_key
        .as_ref()
        .map(|reference| secret::resolve(reference, context.folder, context.outside, context.report));
    let alone = match (&written.upstream_certificate, written.upstream_key_key) {
        (Some(path), None) => {
            Some((path.span, "upstream_certificate", "upstream_key = { file = \"weir.key\" }"))
        }
        (None, Some(span)) => Some((span, "upstream_key", "upstream_certificate = \"weir.pem\"")),
        _ => None,
    };
    if let Some((span, key, other)) = alone {
        context
            .report
            .error(code::CERTIFICATE_WITHOUT_KEY, span, format!("`{key}` is of no use alone"))
            .help(format!("write both, with `{other}`"));
    }
    let certificate = certificate??.0;
    let key_file = match &written.upstream_key.as_ref()?.value {
        Reference::File(path) => Some(context.path(path)),
        Reference::Variable(_) | Reference::Command(_) => None,
    };
    Some(OwnCertificate { contents: context.contents(&[&certificate]), certificate, key: key??, key_file })
}

/// A certificate that nobody gets to see.
pub(super) fn without_tls(written: &raw::Resource, what: &str, report: &Report) {
    if let Some(path) = &written.upstream_certificate {
        let message = format!("{what} has no TLS handshake in which `upstream_certificate` could be shown");
        report
            .error(code::CERTIFICATE_WITHOUT_TLS, path.span, message)
            .help("talk TLS to the upstream, or leave it out");
    }
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
