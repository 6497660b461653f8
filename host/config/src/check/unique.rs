//! What may be there only once: names of resources, addresses to listen on.

use std::net::SocketAddr;

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
/// means any free one.
pub(super) fn addresses(file: &raw::File<'_>, admin: &Admin, report: &Report) {
    let of_admin = (admin.listen, file.admin.listen.as_ref().map(|listen| listen.span));
    let of_resources = file.resources.iter().filter_map(|resource| resource.listen.as_ref());
    let addresses: Vec<(SocketAddr, Option<Span>)> = std::iter::once(of_admin)
        .chain(of_resources.map(|listen| (listen.value, Some(listen.span))))
        .collect();
    let clash = |a: SocketAddr, b: SocketAddr| {
        let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
        a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || everywhere)
    };
    for (index, (address, span)) in addresses.iter().enumerate() {
        let Some((_, first)) = addresses.iter().take(index).find(|(earlier, _)| clash(*earlier, *address))
        else {
            continue;
        };
        let note = match first {
            Some(first) => format!("the other one is at {}", report.place(*first)),
            None => "the other one is [admin], which listens there unless told otherwise".to_owned(),
        };
        report
            .error(code::DUPLICATE_LISTEN, *span, format!("two listeners cannot share {address}"))
            .note(note)
            .help("give one of them another port");
    }
}
