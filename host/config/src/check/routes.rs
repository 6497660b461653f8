//! Resources of the protocol `http` may share an address, as long as every request is of one of them only.

use std::net::SocketAddr;

use crate::document::{Report, Span};
use crate::problem::code;
use crate::raw;
use crate::settings::{ClientProof, HostPattern, Protocol};

/// What tells apart the requests of resources on one address.
struct Route<'r> {
    listen: SocketAddr,
    /// Empty: any host.
    hosts: Vec<(&'r HostPattern, Span)>,
    /// `None` when what is written is no prefix, which has been reported.
    prefix: &'r str,
    /// Where to point when there are no `hosts`.
    place: Span,
    resource: &'r raw::Resource,
}

/// Whether two resources may be on the same address: both are of HTTP, and it is the very same.
pub(super) fn may_share(a: &raw::Resource, b: &raw::Resource) -> bool {
    let is_http = |resource: &raw::Resource| {
        resource.protocol.as_ref().is_some_and(|protocol| protocol.value == Protocol::Http)
    };
    let same = a.listen.as_ref().map(|at| at.value) == b.listen.as_ref().map(|at| at.value);
    is_http(a) && is_http(b) && same
}

pub(super) fn different(resources: &[raw::Resource], report: &Report) {
    let routes: Vec<Route<'_>> = resources.iter().filter_map(route).collect();
    for (index, route) in routes.iter().enumerate() {
        let earlier =
            || routes.iter().take(index).filter(|earlier| may_share(earlier.resource, route.resource));
        if let Some(first) = earlier().find(|first| !same_tls(first.resource, route.resource)) {
            let message = format!("resources that share {} must have the same `tls`", route.listen);
            report
                .error(code::SHARED_LISTEN, route.listen_span(), message)
                .note(format!("the other one is at {}", report.place(first.listen_span())))
                .help("write the same `tls` for both, or give one of them another port");
        }
        let clash = earlier().find_map(|first| first.clash(route).map(|(a, b)| (first, a, b)));
        if let Some((_, first, span)) = clash {
            let message = format!("two resources on {} have the same host and `path_prefix`", route.listen);
            report
                .error(code::DUPLICATE_ROUTE, span, message)
                .note(format!("the first is at {}", report.place(first)))
                .help("give them different `hosts` or `path_prefix`: the longest prefix that fits a request wins");
        }
    }
}

fn route(resource: &raw::Resource) -> Option<Route<'_>> {
    let listen = resource.listen.as_ref()?;
    // Port 0 is a different one each time.
    if listen.value.port() == 0 {
        return None;
    }
    let hosts = resource.http.hosts.iter().flat_map(|list| &list.value);
    let prefix = resource.http.path_prefix.as_ref();
    Some(Route {
        listen: listen.value,
        hosts: hosts.map(|host| (&host.value, host.span)).collect(),
        prefix: prefix.map_or("/", |at| at.value.as_str()),
        place: prefix.map_or(listen.span, |at| at.span),
        resource,
    })
}

impl Route<'_> {
    fn listen_span(&self) -> Span {
        self.resource.listen.as_ref().map_or(self.place, |at| at.span)
    }

    /// Where both say the same, in the first and in the second.
    fn clash(&self, other: &Self) -> Option<(Span, Span)> {
        if self.prefix != other.prefix {
            return None;
        }
        if self.hosts.is_empty() && other.hosts.is_empty() {
            return Some((self.place, other.place));
        }
        let same = |(host, span): &(&HostPattern, Span)| {
            self.hosts.iter().find(|(own, _)| own == host).map(|(_, first)| (*first, *span))
        };
        other.hosts.iter().find_map(same)
    }
}

/// As written; what could not be read is not compared, since that has been reported.
fn same_tls(a: &raw::Resource, b: &raw::Resource) -> bool {
    match (&a.tls, &b.tls) {
        (Some(a), Some(b)) => {
            let text = |tls: &raw::ListenerTls| {
                let value = |at: &Option<crate::document::At<String>>| at.as_ref().map(|at| at.value.clone());
                let proof = tls.client_certificates.as_ref().map(|at| at.value);
                let files = [&tls.certificate, &tls.key, &tls.client_ca, &tls.client_crl].map(value);
                (files, proof.unwrap_or(ClientProof::Optional))
            };
            text(a) == text(b)
        }
        _ => a.mentions_tls == b.mentions_tls,
    }
}
