//! One `[[resource]]`.

use std::collections::BTreeSet;

use weir_model::{Grantee, PluginName, ResourceName};

use super::{Context, http, limits, upstream};
use crate::document::{At, Report};
use crate::problem::code;
use crate::raw;
use crate::settings::{
    ClientAuthorities, ClientProof, Fallback, Limits, ListenerTls, Protocol, Resource, ResourceKind,
};

/// `None` when something it cannot be without is missing or wrong, which has been reported.
pub(super) fn resource(written: &raw::Resource, base: &Limits, context: Context<'_>) -> Option<Resource> {
    let report = context.report;
    // All of them before the first `?`: each reports what it finds.
    let limits = limits::limits(&written.limits, base);
    let kind = match written.protocol.as_ref().map(|at| at.value) {
        Some(Protocol::Http) => http::http(written, context).map(ResourceKind::Http),
        // One mistake is told once: most likely this is no URL of PostgreSQL.
        None if !is_postgres_url(written.upstream.as_ref()) => None,
        Some(Protocol::Postgres) | None => upstream::postgres(written, context).map(ResourceKind::Postgres),
    };
    let tls = written.tls.as_ref().and_then(|tls| listener_tls(tls, context));
    if let Some(tls) = &written.tls {
        client_certificates(tls, written.protocol.as_ref().map(|at| at.value), report);
    }
    let pipeline = written.pipeline.as_ref().map(|pipeline| self::pipeline(pipeline, report));
    if let Some(listen) = &written.listen
        && !written.mentions_tls
        && !listen.value.ip().is_loopback()
    {
        let message = format!("clients of {} talk in the clear over the network", listen.value);
        report
            .warning(code::PLAIN_LISTENER, listen.span, message)
            .help("add `tls = { certificate = \"server.pem\", key = \"server.key\" }`");
    }
    let plain = |list: &Option<At<Vec<At<Grantee>>>>| -> Vec<Grantee> {
        list.iter().flat_map(|list| &list.value).map(|grantee| grantee.value.clone()).collect()
    };
    Some(Resource {
        name: ResourceName::new(written.name.as_ref()?.value.as_str()),
        kind: kind.filter(|_| written.protocol.is_some())?,
        listen: written.listen.as_ref()?.value,
        tls,
        allow: plain(&written.allow),
        reviewers: plain(&written.reviewers),
        pipeline: pipeline?,
        fallback: written.default.as_ref().map_or(Fallback::Deny, |at| at.value),
        limits,
    })
}

fn is_postgres_url(upstream: Option<&raw::Upstream>) -> bool {
    matches!(upstream, Some(raw::Upstream::Url(url)) if !url.value.starts_with("http"))
}

fn listener_tls(written: &raw::ListenerTls, context: Context<'_>) -> Option<ListenerTls> {
    let certificate = written.certificate.as_ref().and_then(|path| context.file("certificate", path));
    let key = written.key.as_ref().and_then(|path| {
        let (full, thing) = context.file("key", path)?;
        if thing.others_may_read || thing.others_may_write {
            let message = format!("the private key \"{}\" is open to anybody on this machine", path.value);
            context
                .report
                .warning(code::KEY_FILE_READABLE, path.span, message)
                .help(format!("run `chmod 600 {}`", full.display()));
        }
        Some(full)
    });
    let required = written.required.as_ref().is_none_or(|at| at.value);
    let clients = client_authorities(written, context);
    let (certificate, key) = (certificate?.0, key?);
    let contents = context.contents(&[&certificate, &key]);
    let clients = if written.mentions_client_ca { Some(clients?) } else { None };
    Some(ListenerTls { certificate, key, contents, required, clients })
}

/// `None` when there are none, or a file cannot be used, which has been reported.
fn client_authorities(written: &raw::ListenerTls, context: Context<'_>) -> Option<ClientAuthorities> {
    let ca = written.client_ca.as_ref().and_then(|path| context.file("client_ca", path));
    let crl = written.client_crl.as_ref().map(|path| context.file("client_crl", path));
    let ca = ca?.0;
    // What could not be used has been reported.
    let crl = match crl {
        Some(found) => Some(found?.0),
        None => None,
    };
    let contents = match &crl {
        Some(crl) => context.contents(&[&ca, crl]),
        None => context.contents(&[&ca]),
    };
    let proof = written.client_certificates.as_ref().map_or(ClientProof::Optional, |at| at.value);
    Some(ClientAuthorities { ca, crl, contents, proof })
}

/// Keys about certificates of clients that mean nothing, or not what they say.
fn client_certificates(written: &raw::ListenerTls, protocol: Option<Protocol>, report: &Report) {
    let crl = written.client_crl.as_ref().map(|path| ("client_crl", path.span));
    let proof = written.client_certificates.as_ref().map(|word| ("client_certificates", word.span));
    for (key, span) in crl.into_iter().chain(proof).filter(|_| !written.mentions_client_ca) {
        let message = format!("`{key}` means nothing without `client_ca`");
        report
            .error(code::CLIENT_CA_MISSING, span, message)
            .help("name the authorities that sign clients' certificates: `client_ca = \"clients-ca.pem\"`");
    }
    let insists = written.client_certificates.as_ref().filter(|at| at.value == ClientProof::Required);
    let in_clear = written.required.as_ref().is_some_and(|at| !at.value);
    // For http `required = false` is wrong in itself.
    if let Some(at) = insists.filter(|_| in_clear && protocol != Some(Protocol::Http)) {
        report
            .error(
                code::CLIENT_CERTIFICATES_IN_CLEAR,
                at.span,
                "clients without TLS show no certificate, and `required = false` lets them in",
            )
            .help("leave out `required = false`, or write `client_certificates = \"optional\"`");
    }
}

fn pipeline(written: &At<Vec<At<PluginName>>>, report: &Report) -> Vec<PluginName> {
    let mut seen = BTreeSet::new();
    for name in &written.value {
        if !seen.insert(&name.value) {
            let message = format!("the pipeline names {} twice", name.value);
            report
                .error(code::REPEATED_PLUGIN, name.span, message)
                .help("a plugin sees every operation once");
        }
    }
    written.value.iter().map(|name| name.value.clone()).collect()
}
