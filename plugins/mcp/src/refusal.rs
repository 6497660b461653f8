//! What a client reads instead of an answer.
//!
//! A tool's call gets a result of the tool that says no: a model reads it and can act on it, where an error of the
//! protocol would be its client's. Everything else gets an error of JSON-RPC. Both are answers to the request, so their
//! HTTP status is 200; only what is no request has another one.

use crate::memory::{Asked, Exchange};
use crate::message::{Id, code};
use crate::sse;
use serde_json::json;
use weir_sdk::http::{Fault, Header, OwnAnswer, is_unavailable};

/// The host's word for a request that its client took back while it waited.
const CANCELLED: &str = "cancelled-by-client";

/// The answer to one request.
fn reply(asked: &Asked, text: &str, why: &Fault, is_stateless: bool) -> String {
    let id = asked.id.json();
    if asked.method == "tools/call" {
        let mut result = json!({"content": [{"type": "text", "text": text}], "isError": true});
        if let Some(members) = result.as_object_mut().filter(|_| is_stateless) {
            members.insert("resultType".to_owned(), json!("complete"));
        }
        return format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    }
    let error = json!({"code": code::REFUSED, "message": text, "data": {"code": why.code}});
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// The host's codes for what the upstream did or could not do, and our own for its answers.
fn is_of_upstream(why: &Fault) -> bool {
    why.code.starts_with("upstream") || why.code.starts_with("answer")
}

/// Policies and reviewers refuse operations; the host does when it cannot do its own part.
fn by_policy(why: &Fault) -> String {
    let who = if is_unavailable(&why.code) { "refused by the gateway" } else { "refused by policy" };
    format!("{who} ({}): {}", why.code, why.message)
}

fn headers(content_type: &str) -> Vec<Header> {
    [("content-type", content_type), ("cache-control", "no-store")]
        .map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() })
        .to_vec()
}

/// The error that a server gets in place of the client's answer: refused for good, as a person's "no" would be.
pub fn to_server(id: &Id, why: &Fault) -> String {
    let error = json!({"code": code::REFUSED, "message": by_policy(why), "data": {"code": why.code}});
    format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, id.json())
}

/// For `refuse`. Once the client was told to wait (see [`waiting`]) it has the head of an event stream, so what is said
/// here is events then, whatever the status.
pub fn answer(exchange: &Exchange, refused: &[u32], why: &Fault) -> OwnAnswer {
    let is_stateless = exchange.head.as_ref().is_some_and(crate::head::Head::is_stateless);
    // Whoever takes a request back gets no answer to it (MCP, "Cancellation"), if there is a way to say nothing.
    let reads_events = exchange.head.as_ref().is_some_and(|head| head.accepts_events);
    let is_silent = why.code == CANCELLED && (exchange.told > 0 || reads_events);
    let replies: Vec<String> = exchange
        .asked
        .iter()
        .filter(|asked| !(is_silent && refused.contains(&asked.operation)))
        .map(|asked| {
            let is_refused = if exchange.objected.is_empty() { refused } else { &exchange.objected };
            let text = if !is_refused.is_empty() && !is_refused.contains(&asked.operation) {
                "not sent, because another message of the same request was refused".to_owned()
            } else if is_of_upstream(why) {
                format!("failed ({}): {}", why.code, why.message)
            } else if refused.is_empty() || !exchange.objected.is_empty() {
                format!("refused ({}): {}", why.code, why.message)
            } else {
                by_policy(why)
            };
            reply(asked, &text, why, is_stateless)
        })
        .collect();
    let has_head = exchange.told > 0;
    if is_silent && replies.is_empty() {
        let body = sse::comment("cancelled").into_bytes();
        return OwnAnswer { status: 200, headers: headers("text/event-stream"), body };
    }
    // What cannot be read at all (an HTTP status of its own) has no ids that could be answered.
    if replies.is_empty() || exchange.trouble.is_some() && !has_head {
        return nothing_parsed(exchange, refused, why, has_head);
    }
    let wants_events = exchange.head.as_ref().is_some_and(|head| !head.accepts_json && head.accepts_events);
    let (content_type, body) = if has_head || wants_events {
        ("text/event-stream", replies.iter().map(|reply| sse::write(reply)).collect())
    } else if exchange.is_batch {
        ("application/json", format!("[{}]", replies.join(",")))
    } else {
        ("application/json", replies.concat())
    };
    OwnAnswer { status: 200, headers: headers(content_type), body: body.into_bytes() }
}

/// There is no request that could be answered: an HTTP status, and an error of JSON-RPC for nobody.
fn nothing_parsed(exchange: &Exchange, refused: &[u32], why: &Fault, has_head: bool) -> OwnAnswer {
    let (status, rpc) = match &exchange.trouble {
        Some((status, wrong)) => (*status, wrong.rpc),
        None if is_of_upstream(why) => (502, code::INTERNAL),
        None if is_unavailable(&why.code) => (503, code::INTERNAL),
        None if !refused.is_empty() => (403, code::REFUSED),
        None if why.code.contains("too-large") => (413, code::INVALID_REQUEST),
        None if exchange.head.is_some() => (403, code::REFUSED),
        None => (400, code::INVALID_REQUEST),
    };
    let text = if refused.is_empty() { why.message.clone() } else { by_policy(why) };
    if has_head {
        return OwnAnswer {
            status: 200,
            headers: headers("text/event-stream"),
            body: sse::comment(&text).into_bytes(),
        };
    }
    let error = json!({"code": rpc, "message": text, "data": {"code": why.code}});
    let mut headers = headers("application/json");
    if status == 405 {
        headers.push(Header { name: "allow".to_owned(), value: "POST, GET, DELETE".to_owned() });
    }
    let body = json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string();
    OwnAnswer { status, headers, body: body.into_bytes() }
}

/// For `refuse-asked`: a request of the server's is swallowed (a comment stands in its place; the server gets no
/// answer), a result that wanted more becomes a refusal of the request. What was released together with it goes on, but
/// nobody has masked it: its values are hidden.
pub fn asked(exchange: &Exchange, in_events: bool, why: &Fault) -> Vec<u8> {
    let comment = || sse::comment(&by_policy(why)).into_bytes();
    let asking = &exchange.asking;
    let is_stateless = exchange.head.as_ref().is_some_and(crate::head::Head::is_stateless);
    let mut changes: Vec<(usize, usize, Vec<u8>)> = Vec::new();
    for ask in &asking.asks {
        let instead = match &ask.asked {
            Some(asked) => {
                let reply = reply(asked, &by_policy(why), why, is_stateless);
                if in_events { sse::write(&reply).into_bytes() } else { reply.into_bytes() }
            }
            None => comment(),
        };
        changes.push((ask.start, ask.stop, instead));
    }
    let Ok(hidden) = exchange.cells.encode_all("[hidden]") else { return comment() };
    let mut from = 0;
    for ((start, stop), end) in hidden.starts.iter().zip(&hidden.stops).zip(&hidden.ends) {
        let text = hidden.texts.get(from..*end as usize).unwrap_or_default();
        changes.push((*start as usize, *stop as usize, text.to_vec()));
        from = *end as usize;
    }
    changes.extend(asking.cuts.iter().map(|(start, stop)| (*start, *stop, Vec::new())));
    changes.sort_by_key(|(start, stop, _)| (*start, std::cmp::Reverse(*stop)));
    let (mut told, mut done) = (Vec::new(), 0);
    for (start, stop, text) in changes {
        // What lies within an ask is gone with it.
        if start < done {
            continue;
        }
        told.extend_from_slice(asking.bytes.get(done..start).unwrap_or_default());
        told.extend_from_slice(&text);
        done = stop;
    }
    told.extend_from_slice(asking.bytes.get(done..).unwrap_or_default());
    told
}

/// For `waiting`: the head of an event stream and a sign of life, for a client that asked for such and reads events.
/// Progress must go up, also beyond what the server says later, so it goes up by thousandths.
pub fn waiting(exchange: &mut Exchange, message: &str) -> Option<OwnAnswer> {
    let reads_events = exchange.head.as_ref().is_some_and(|head| head.accepts_events);
    let token = exchange.progress.clone().filter(|_| reads_events)?;
    exchange.told = exchange.told.saturating_add(1);
    let progress = f64::from(exchange.told) / 1000.0;
    let message = serde_json::Value::from(message);
    let event = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{progress},"message":{message}}}}}"#
    );
    Some(OwnAnswer {
        status: 200,
        headers: headers("text/event-stream"),
        body: sse::write(&event).into_bytes(),
    })
}
