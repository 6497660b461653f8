//! What may be there only once: names of resources, addresses to listen on.

use std::net::SocketAddr;

use super::routes;
use crate::document::{Report, Span};
use crate::problem::code;
use crate::raw;
use crate::settings::Admin;

pub(super) fn names(resources: &[raw::Resource], report: &Report) {
    let names: Vec<_> = resources.iter().filter_map(|resource| resource.name.as_ref()).collect();
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names.iter().take(index).find(|earlier| earlier.value == name.value) {
            report
                .error(
                    code::DUPLICATE_RESOURCE,
                    name.span,
                    format!("two resources are called {}", name.value),
                )
                .note(format!("the first is at {}", report.place(first.span)));
        }
    }
}

/// Two listeners cannot have one address; nor one port, if either takes all addresses of the machine. Port 0
/// means any free one. Resources of HTTP share a listener when their address is the very same.
pub(super) fn addresses(file: &raw::File<'_>, admin: &Admin, report: &Report) {
    struct Taken<'r> {
        address: SocketAddr,
        span: Option<Span>,
        resource: Option<&'r raw::Resource>,
    }
    let of_admin = Taken {
        address: admin.listen,
        span: file.admin.listen.as_ref().map(|listen| listen.span),
        resource: None,
    };
    let of_resources = file.resources.iter().filter_map(|resource| {
        let listen = resource.listen.as_ref()?;
        Some(Taken { address: listen.value, span: Some(listen.span), resource: Some(resource) })
    });
    let all: Vec<Taken<'_>> = std::iter::once(of_admin).chain(of_resources).collect();
    let clash = |a: &Taken<'_>, b: &Taken<'_>| {
        let everywhere = a.address.ip().is_unspecified() || b.address.ip().is_unspecified();
        let same = a.address.port() == b.address.port() && (a.address.ip() == b.address.ip() || everywhere);
        let shared = a.resource.zip(b.resource).is_some_and(|(a, b)| routes::may_share(a, b));
        a.address.port() != 0 && same && !shared
    };
    for (index, taken) in all.iter().enumerate() {
        let Some(first) = all.iter().take(index).find(|earlier| clash(earlier, taken)) else { continue };
        let note = match first.span {
            Some(first) => format!("the other one is at {}", report.place(first)),
            None => "the other one is [admin], which listens there unless told otherwise".to_owned(),
        };
        report
            .error(
                code::DUPLICATE_LISTEN,
                taken.span,
                format!("two listeners cannot share {}", taken.address),
            )
            .note(note)
            .help("give one of them another port");
    }
}
