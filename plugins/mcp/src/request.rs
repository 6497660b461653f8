//! The body of a request: its messages become operations, and what makes them wait for their answers is remembered.

use crate::head::{Head, attribute};
use crate::memory::{Asked, Exchange, Memory};
use crate::message::{self, Id, Kind, Message, Sender, Wrong, code};
use crate::operation;
use crate::tree::{self, Node};
use weir_sdk::http::{Fault, Found};

/// Messages of one batch: the host stages 512 operations for one write.
const MAX_BATCH: usize = 256;

/// What was found.
#[derive(Debug, Default)]
pub struct Read {
    pub operations: Vec<Found>,
    /// a tool that may not be called
    pub objection: Option<Fault>,
}

/// `waiting`: the operations of other exchanges with this id in this session of MCP, that have no answer yet.
///
/// # Errors
/// When the body is not what the head promises, or no message.
pub fn read(
    memory: &mut Memory,
    exchange: &mut Exchange,
    head: &Head,
    body: &[u8],
    waiting: &dyn Fn(&str, &Id) -> Vec<u32>,
) -> Result<Read, Wrong> {
    let root = tree::read(body).map_err(|problem| Wrong::new(code::PARSE, problem))?;
    let (messages, is_batch) = message::messages(&root, Sender::Client)?;
    exchange.is_batch = is_batch;
    allowed_batch(&messages, is_batch, head)?;
    said_the_same(&messages, head)?;
    let mut read = Read::default();
    for message in &messages {
        let answers = match &message.kind {
            Kind::Response { id: Some(id), .. } if memory.was_refused(&head.session, id) => {
                let message = "the server's request that this answers was refused, and has its answer";
                let why = Fault { code: "mcp-not-asked".to_owned(), message: message.to_owned() };
                read.objection.get_or_insert(why);
                None
            }
            Kind::Response { id: Some(id), .. } => memory.answers(&head.session, id),
            _ => None,
        };
        let method = answers.as_ref().and_then(|(method, _)| method.as_deref());
        let mut operation = operation::of_client(message, head, method)?;
        if let Some((method, asked)) = &answers {
            if let (Kind::Response { ok, .. }, Some(_), Some(first)) = (&message.kind, method, asked.first())
            {
                exchange.answers.push((*first, *ok));
            }
            let numbers: Vec<_> = asked.iter().map(u32::to_string).collect();
            operation.attributes.push(attribute("answers", &numbers.join(",")));
        }
        operation.claimed.extend_from_slice(memory.said_by_client(&head.session));
        let number = memory.next_operation();
        if let Kind::Request { id, method } = &message.kind {
            let asked = asked(memory, id, method, message, number);
            if let Some(tool) = asked.tool.as_deref().filter(|_| method == "tools/call") {
                operation
                    .attributes
                    .extend(memory.pins.digest(tool).map(|d| attribute("mcp-tool-digest", d)));
                operation.attributes.push(attribute("mcp-tool-known", memory.pins.known_by(tool)));
                if let Some(objection) = objection(memory, tool) {
                    exchange.objected.push(number);
                    read.objection.get_or_insert(objection);
                }
            }
            exchange.asked.push(asked);
            if method == "initialize" {
                exchange.client =
                    operation::client(message.params.and_then(|params| params.member("clientInfo")));
            }
            let meta = message.params.and_then(|params| params.member("_meta"));
            let token = meta.and_then(|meta| meta.member("progressToken")).and_then(token);
            exchange.progress = exchange.progress.take().or(token);
        }
        if let Some(cancelled) = cancelled(message) {
            let numbers: Vec<_> = waiting(&head.session, &cancelled).iter().map(u32::to_string).collect();
            // Of two requests with one id nobody knows which is meant.
            if let [number] = numbers.as_slice() {
                operation.attributes.push(attribute("cancels", number));
            }
        }
        read.operations.push(Found { id: number, continues: 0, operation });
    }
    Ok(read)
}

fn allowed_batch(messages: &[Message<'_, '_>], is_batch: bool, head: &Head) -> Result<(), Wrong> {
    if !is_batch {
        return Ok(());
    }
    let invalid = |text: &str| Err(Wrong::new(code::INVALID_REQUEST, text));
    if !head.may_batch() {
        return invalid("this version of MCP has no batches");
    }
    if messages.len() > MAX_BATCH {
        return Err(Wrong::new(code::INVALID_REQUEST, format!("a batch has at most {MAX_BATCH} messages")));
    }
    let mut ids: Vec<&Id> = Vec::new();
    for message in messages {
        if let Kind::Request { id, method } = &message.kind {
            if method == "initialize" {
                return invalid("`initialize` cannot be part of a batch");
            }
            if ids.contains(&id) {
                return invalid("two requests of a batch have the same `id`");
            }
            ids.push(id);
        }
    }
    Ok(())
}

/// Since 2026-07-28 headers repeat what the body says, for those who only read heads. They must not read other things.
fn said_the_same(messages: &[Message<'_, '_>], head: &Head) -> Result<(), Wrong> {
    let said = &head.said;
    if said.method.is_none() && said.name.is_none() && said.parameters.is_empty() {
        return Ok(());
    }
    let mismatch = |header: &str| {
        Err(Wrong::new(
            code::HEADER_MISMATCH,
            format!("the header `{header}` and the body say different things"),
        ))
    };
    let [message] = messages else { return mismatch("Mcp-Method") };
    let method = match &message.kind {
        Kind::Request { method, .. } | Kind::Notification { method } => method.as_str(),
        Kind::Response { .. } => return mismatch("Mcp-Method"),
    };
    if said.method.as_deref().is_some_and(|said| said != method) {
        return mismatch("Mcp-Method");
    }
    if said.name.is_some() && said.name.as_deref() != operation::target(method, message.params) {
        return mismatch("Mcp-Name");
    }
    let mut values: Vec<String> = Vec::new();
    if let Some(arguments) = message.params.and_then(|params| params.member("arguments")) {
        crate::path::leaves(
            arguments,
            &mut String::new(),
            crate::path::Style::Parameter,
            &mut |_, leaf: &Node<'_>| {
                values.extend(leaf.leaf().and_then(|(_, text)| text).map(str::to_owned));
                true
            },
        );
    }
    // Which argument a header repeats stands in the tool's schema; that it repeats one can be seen here.
    match said.parameters.iter().all(|said| values.contains(said)) {
        true => Ok(()),
        false => mismatch("Mcp-Param-…"),
    }
}

fn asked(memory: &Memory, id: &Id, method: &str, message: &Message<'_, '_>, operation: u32) -> Asked {
    let target = operation::target(method, message.params);
    let tool = match method {
        "tools/call" => target.map(str::to_owned),
        "tasks/result" => target.and_then(|task| memory.tool_of_task(task)).map(str::to_owned),
        _ => None,
    };
    let relation = match (&tool, method) {
        (Some(tool), _) => format!("mcp:{tool}"),
        // The result of a task nobody here has seen begin: of which tool is not known.
        (None, "tasks/result") => String::new(),
        (None, method) => format!("mcp:{method}"),
    };
    Asked { id: id.clone(), method: method.to_owned(), tool, relation, operation, answered: false }
}

/// Why a tool may not be called, whatever policies say.
fn objection(memory: &Memory, tool: &str) -> Option<Fault> {
    if !memory.offer.has(tool) {
        let message = format!("the tool `{tool}` is not offered to you");
        return Some(Fault { code: "mcp-tool-not-offered".to_owned(), message });
    }
    let message = memory.pins.objection(tool)?;
    let code = if memory.pins.is_changed(tool) { "mcp-tool-changed" } else { "mcp-tool-unknown" };
    Some(Fault { code: code.to_owned(), message })
}

/// The id of the request that a client takes back.
fn cancelled(message: &Message<'_, '_>) -> Option<Id> {
    match &message.kind {
        Kind::Notification { method } if method == "notifications/cancelled" => {
            Id::of(message.params?.member("requestId")?)
        }
        _ => None,
    }
}

/// A token as it stands in the message: a string or an integer.
fn token(node: &Node<'_>) -> Option<String> {
    match &node.value {
        tree::Value::Text(text) => Some(serde_json::Value::from(&**text).to_string()),
        tree::Value::Number(digits) => Some((*digits).to_owned()),
        _ => None,
    }
}
