//! Messages of a server: answers are paired with their requests, lists of tools cut, what is asked of the client found,
//! values gathered.

use crate::catalog;
use crate::cells::Cells;
use crate::head::attribute;
use crate::memory::{Ask, Asked, Exchange, Memory};
use crate::message::{Id, Kind, Message, Wrong, code};
use crate::operation;
use crate::tree::Node;
use crate::values::{Mode, Walk, named};
use weir_sdk::http::{Fault, Found, Operation, ResultInfo};

/// The longest error text that is recorded, in bytes.
const MAX_ERROR: usize = 2000;

/// What the messages of one call come to.
#[derive(Debug, Default)]
pub struct Gathered {
    pub cells: Cells,
    /// bytes that go, ascending
    pub cuts: Vec<(usize, usize)>,
    pub results: Vec<ResultInfo>,
    pub operations: Vec<Found>,
    /// what stands for these operations in the bytes
    pub asks: Vec<Ask>,
    /// the request for which the message that was taken last wants more
    pub asked: Option<Asked>,
}

/// Whether a message wants something of the client that must be allowed.
pub fn asks(message: &Message<'_, '_>) -> bool {
    match &message.kind {
        Kind::Request { method, .. } => method != "ping",
        Kind::Response { .. } => wanted(message).next().is_some(),
        Kind::Notification { .. } => false,
    }
}

/// What a result wants before there is one (`inputRequests`, 2026-07-28).
fn wanted<'n, 'a>(message: &Message<'n, 'a>) -> impl Iterator<Item = &'n Node<'a>> {
    let requests = message.body.and_then(|body| body.member("inputRequests"));
    requests.map(Node::members).unwrap_or_default().iter().map(|(_, request)| request)
}

fn internal(text: &str) -> Wrong {
    Wrong::new(code::INTERNAL, text)
}

fn full(fault: Fault) -> Wrong {
    Wrong::new(code::INTERNAL, fault.message)
}

/// Takes in one message. `at` maps places in its JSON to places in the bytes of the call.
///
/// # Errors
/// When it may not go to the client.
pub fn take(
    memory: &mut Memory,
    exchange: &mut Exchange,
    message: &Message<'_, '_>,
    at: &dyn Fn(usize) -> usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    match &message.kind {
        Kind::Request { id, method } => {
            let session = exchange.session().to_owned();
            if let Some(mut operation) = operation::of_server(method, message.params, &session)? {
                operation.attributes.push(attribute("mcp-request-id", &id.json()));
                let number = found(memory, gathered, operation);
                memory.server_asks(&session, id.clone(), method, number);
            } else {
                memory.server_pings(&session, id.clone());
            }
            parameters(memory, message, method, None, at, gathered)
        }
        Kind::Notification { method } => {
            parameters(memory, message, method, Some("notification"), at, gathered)
        }
        Kind::Response { id, ok } => response(memory, exchange, message, id.as_ref(), *ok, at, gathered),
    }
}

fn found(memory: &mut Memory, gathered: &mut Gathered, operation: Operation) -> u32 {
    let id = memory.next_operation();
    gathered.operations.push(Found { id, continues: 0, operation });
    id
}

fn parameters(
    memory: &Memory,
    message: &Message<'_, '_>,
    method: &str,
    label: Option<&'static str>,
    at: &dyn Fn(usize) -> usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    let Some(params) = message.params.filter(|_| memory.masking) else { return Ok(()) };
    let relation = format!("mcp:{method}");
    let mut walk = Walk { cells: &mut gathered.cells, at, relation: &relation, label };
    walk.node(params, None, "", &mut String::new(), Mode::Protocol).map_err(full)
}

fn response(
    memory: &mut Memory,
    exchange: &mut Exchange,
    message: &Message<'_, '_>,
    id: Option<&Id>,
    ok: bool,
    at: &dyn Fn(usize) -> usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    let body = message.body.ok_or_else(|| internal("the server sent an empty response"))?;
    let asked = pair(memory, exchange, id);
    let is_own_answer = exchange.head.as_ref().is_some_and(|head| head.verb == crate::head::Verb::Post);
    if asked.is_none() && ok && is_own_answer {
        return Err(internal("the server answered a request that was not made"));
    }
    match &asked {
        Some(asked) if !asked.answered => {
            gathered.results.push(result(asked.operation, asked, body, ok));
        }
        Some(_) => {}
        // An error about the whole body, or one whose request nobody here knows: it ends what this exchange asked.
        None if !ok => {
            for asked in exchange.asked.iter_mut().filter(|asked| !asked.answered) {
                asked.answered = true;
                gathered.results.push(result(asked.operation, asked, body, ok));
            }
        }
        None => {}
    }
    let mut hidden = Vec::new();
    if let Some(asked) = asked.as_ref().filter(|_| ok) {
        if asked.method == "tools/list" {
            hidden = catalog::hidden(body, &memory.offer, &mut memory.pins)?;
        }
        let task = body.member("task").and_then(|task| task.member_text("taskId"));
        if let (Some(task), Some(tool)) = (task, &asked.tool) {
            memory.task(task, tool);
        }
    } else if ok && body.member("tools").is_some_and(|tools| !tools.elements().is_empty()) {
        // A stream that goes on from a session of ours that is over: what holds for lists of tools holds here too.
        hidden = catalog::hidden(body, &memory.offer, &mut memory.pins)?;
    }
    for request in wanted(message).filter(|_| ok) {
        let method =
            request.member_text("method").ok_or_else(|| internal("the server wants something unnamed"))?;
        let operation = operation::of_server(method, request.member("params"), exchange.session())?;
        if let Some(operation) = operation {
            found(memory, gathered, operation);
        }
        gathered.asked = asked.clone();
    }
    let list = body.member("tools").filter(|_| hidden.contains(&true));
    gathered.cuts.extend(
        list.map(|list| catalog::cuts(list, &hidden))
            .unwrap_or_default()
            .into_iter()
            .map(|(start, stop)| (at(start), at(stop.saturating_sub(1)) + 1)),
    );
    if memory.masking { values(message, asked.as_ref(), body, ok, &hidden, at, gathered) } else { Ok(()) }
}

/// The request a response answers: of this exchange, or left behind by an earlier one. It is marked as answered; the
/// answer tells whether it was already.
fn pair(memory: &mut Memory, exchange: &mut Exchange, id: Option<&Id>) -> Option<Asked> {
    let id = id?;
    let session = exchange.session().to_owned();
    let own = exchange.asked.iter_mut().find(|asked| asked.id == *id);
    let asked = own.or_else(|| memory.left(&session, id))?;
    let before = asked.clone();
    asked.answered = true;
    Some(before)
}

fn values(
    message: &Message<'_, '_>,
    asked: Option<&Asked>,
    body: &Node<'_>,
    ok: bool,
    hidden: &[bool],
    at: &dyn Fn(usize) -> usize,
    gathered: &mut Gathered,
) -> Result<(), Wrong> {
    let relation = asked.map(|asked| asked.relation.as_str()).unwrap_or_default();
    let label = (!ok).then_some("error");
    let mut walk = Walk { cells: &mut gathered.cells, at, relation, label };
    let mode = match asked.map(|asked| asked.method.as_str()) {
        _ if !ok => Mode::Protocol,
        Some("initialize" | "server/discover" | "tools/list" | "prompts/list") => Mode::Prose,
        _ => Mode::Protocol,
    };
    for (key, value) in message.whole.members() {
        match &**key {
            "jsonrpc" | "id" => {}
            "result" if hidden.contains(&true) => {
                for (key, value) in body.members() {
                    if key != "tools" {
                        walk.member(body, key, value, &mut named(key).to_owned(), mode).map_err(full)?;
                        continue;
                    }
                    for (tool, _) in value.elements().iter().zip(hidden).filter(|(_, hidden)| !**hidden) {
                        walk.node(tool, Some(body), key, &mut "tools[]".to_owned(), mode).map_err(full)?;
                    }
                }
            }
            "result" => walk.node(value, None, "", &mut String::new(), mode).map_err(full)?,
            "error" => error(&mut walk, value)?,
            key => walk
                .member(message.whole, key, value, &mut named(key).to_owned(), Mode::Free)
                .map_err(full)?,
        }
    }
    Ok(())
}

/// `message` and what lies in `data`; the code is a number of the protocol.
fn error(walk: &mut Walk<'_>, error: &Node<'_>) -> Result<(), Wrong> {
    for (key, value) in error.members().iter().filter(|(key, _)| key != "code") {
        let mode = if key == "message" { Mode::Protocol } else { Mode::Free };
        walk.member(error, key, value, &mut format!("error.{}", named(key)), mode).map_err(full)?;
    }
    Ok(())
}

fn result(operation: u32, asked: &Asked, body: &Node<'_>, ok: bool) -> ResultInfo {
    let mut info = ResultInfo {
        operation,
        status: 0,
        rows: 0,
        tag: "ok".to_owned(),
        code: String::new(),
        message: String::new(),
    };
    if !ok {
        info.status = 1;
        info.tag = "error".to_owned();
        info.code = match body.member("code").map(|code| &code.value) {
            Some(crate::tree::Value::Number(digits)) => (*digits).chars().take(20).collect(),
            _ => "error".to_owned(),
        };
        info.message = shortened(body.member_text("message").unwrap_or_default());
        return info;
    }
    if body.member("isError").is_some_and(|error| error.value == crate::tree::Value::Bool(true)) {
        let texts = body.member("content").map(Node::elements).unwrap_or_default();
        info.status = 1;
        info.tag = "error".to_owned();
        info.code = "tool-error".to_owned();
        info.message = shortened(texts.iter().find_map(|text| text.member_text("text")).unwrap_or_default());
        return info;
    }
    if body.member("inputRequests").is_some() || body.member_text("resultType") == Some("input_required") {
        info.tag = "input-required".to_owned();
    } else if asked.method == "tools/call" && body.member("task").is_some_and(Node::is_object) {
        info.tag = "task".to_owned();
    }
    const LISTS: [&str; 8] =
        ["content", "contents", "tools", "resources", "prompts", "resourceTemplates", "messages", "tasks"];
    let list = LISTS.iter().find_map(|list| body.member(list));
    info.rows = list.map_or(0, |list| list.elements().len() as u64);
    info
}

/// What a server asked has its answer, which the server has taken.
pub fn answered((operation, ok): (u32, bool)) -> ResultInfo {
    let (status, tag, code) = if ok { (0, "ok", "") } else { (1, "error", "error") };
    ResultInfo {
        operation,
        status,
        rows: 0,
        tag: tag.to_owned(),
        code: code.to_owned(),
        message: String::new(),
    }
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(MAX_ERROR);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
