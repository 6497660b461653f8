//! What git 2.47 and its `http-backend` said to each other, and what becomes of it. `recorded/` holds the bodies of
//! requests (`.ask`) and of their answers, as they were on the wire.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

#[allow(unreachable_pub, reason = "shared with an example")]
mod host;
mod pushing;
mod reading;

use host::{Host, Request};
use weir_sdk::http::{Operation, RequestHead, ResultInfo};

macro_rules! recorded {
    ($name:literal) => {
        include_bytes!(concat!("recorded/", $name)).as_slice()
    };
}
pub(crate) use recorded;

/// A request whose body comes in pieces.
fn ask(host: &mut Host, head: &RequestHead, pieces: &[&[u8]]) -> Request {
    let mut request = host.begin(head);
    for piece in pieces {
        host.body(&mut request, piece, false);
    }
    if head.has_body {
        host.body(&mut request, b"", true);
    }
    request
}

/// An operation as text, one fact a line.
fn told(operation: &Operation) -> Vec<String> {
    let mut lines = vec![format!("{} {}: {}", operation.kind, operation.action, operation.text)];
    lines.extend(operation.objects.iter().map(|object| format!("on {object}")));
    lines.extend(operation.attributes.iter().map(|each| format!("{} {}", each.name, each.value)));
    lines.extend(operation.claimed.iter().map(|each| format!("claims {} {}", each.name, each.value)));
    for parameter in &operation.parameters {
        lines.push(format!("{} = {}", parameter.name, parameter.value.as_deref().unwrap_or("nothing")));
    }
    lines
}

fn ended(results: &[ResultInfo]) -> Vec<String> {
    results
        .iter()
        .map(|each| format!("{} {}|{}|{}", each.status, each.tag, each.code, each.message))
        .collect()
}

fn texts(request: &Request) -> Vec<&str> {
    request.operations.iter().map(|found| found.operation.text.as_str()).collect()
}
