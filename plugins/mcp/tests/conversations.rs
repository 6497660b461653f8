//! What real clients and real servers said to each other (`conversations/record.mjs`, `record.py`), through the
//! inspector.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::*;
use serde_json::Value;

struct Recorded {
    method: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
    status: u16,
    answer_headers: Vec<(String, String)>,
    answer: String,
}

/// The TypeScript SDK with its server "everything", version 2025-11-25.
const EVERYTHING: &str = include_str!("conversations/everything.json");
/// The Python SDK with itself, version 2026-07-28: no sessions, no requests of the server.
const STATELESS: &str = include_str!("conversations/stateless.json");

fn conversation(text: &str) -> Vec<Recorded> {
    let all: Value = serde_json::from_str(text).unwrap();
    let pairs = |value: &Value| -> Vec<(String, String)> { serde_json::from_value(value.clone()).unwrap() };
    let of = |value: &Value| Recorded {
        method: value["method"].as_str().unwrap().into(),
        headers: pairs(&value["headers"]),
        body: value["body"].as_str().map(str::to_owned),
        status: value["status"].as_u64().unwrap() as u16,
        answer_headers: pairs(&value["answer_headers"]),
        answer: value["answer"].as_str().unwrap().into(),
    };
    all.as_array().unwrap().iter().map(of).collect()
}

fn borrowed(headers: &[(String, String)]) -> Vec<(&str, &str)> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Each exchange's operations, and what was received.
fn replay(
    text: &str,
    host: &mut Host,
    piece: usize,
    mask: Mask<'_>,
    allow: bool,
) -> Vec<(Vec<String>, Received)> {
    let mut all = Vec::new();
    for recorded in conversation(text) {
        // Nobody answers what was not asked.
        if !allow && recorded.body.as_deref().is_some_and(|body| body.starts_with(r#"{"result""#)) {
            continue;
        }
        let sent = host.send(&recorded.method, &borrowed(&recorded.headers), recorded.body.as_deref());
        assert!(sent.refusal.is_none(), "{:?} {:?}", recorded.body, sent.refusal);
        let head = borrowed(&recorded.answer_headers);
        let received =
            host.answer(sent.exchange, (recorded.status, &head, &recorded.answer), piece, mask, allow);
        weir_sdk::http::HttpInspector::end(&mut host.mcp, sent.exchange);
        assert!(received.refusal.is_none(), "{:?} {:?}", recorded.body, received.refusal);
        all.push((sent.operations.iter().map(brief).collect(), received));
    }
    all
}

#[test]
fn a_conversation_passes_byte_by_byte_unchanged() {
    for text in [EVERYTHING, STATELESS] {
        let recorded = conversation(text);
        for (masking, piece) in [(true, 1), (true, 7), (true, usize::MAX), (false, 1), (false, usize::MAX)] {
            let mut host = Host::new(ANY, &[], masking);
            let all = replay(text, &mut host, piece, &unmasked, true);
            for ((_, received), recorded) in all.iter().zip(&recorded) {
                assert_eq!(received.body, recorded.answer, "in pieces of {piece}");
                assert!(masking || received.values.is_empty());
            }
        }
    }
}

#[test]
fn its_operations_values_and_results_do_not_depend_on_the_pieces() {
    let seen = |piece| {
        let mut host = Host::new(ANY, &[], true);
        let of = |(operations, received): (Vec<String>, Received)| {
            let asked: Vec<_> = received.asked.iter().map(brief).collect();
            let results: Vec<_> =
                received.results.iter().map(|r| (r.operation, r.status, r.tag.clone())).collect();
            (operations, received.values, asked, results)
        };
        replay(EVERYTHING, &mut host, piece, &unmasked, true).into_iter().map(of).collect::<Vec<_>>()
    };
    let whole = seen(usize::MAX);
    assert_eq!(whole, seen(1));
    assert_eq!(whole, seen(13));
    let operations: Vec<&str> = whole.iter().flat_map(|seen| seen.0.iter().map(String::as_str)).collect();
    assert_eq!(operations, OPERATIONS);
    let asked: Vec<&str> = whole.iter().flat_map(|seen| seen.2.iter().map(String::as_str)).collect();
    assert_eq!(
        asked,
        [
            "mcp.roots call roots/list",
            "mcp.sampling call sampling/createMessage",
            "mcp.elicitation call elicitation/create"
        ]
    );
    let values: Vec<&str> = whole.iter().flat_map(|seen| seen.1.iter().map(String::as_str)).collect();
    for value in [
        "text|mcp:echo|content[].text| = Echo: hello ann@example.com",
        "conditions|mcp:get-structured-content|structuredContent.conditions| = Cloudy",
        "conditions|mcp:get-structured-content|content[].text.conditions| = Cloudy",
        "temperature|mcp:get-structured-content|structuredContent.temperature| = 33",
        "message|mcp:prompts/get|error.message|error = MCP error -32602: Prompt no-such-prompt not found",
    ] {
        assert!(values.contains(&value), "{value}\n{values:#?}");
    }
    // Every request got its result, and every question of the server.
    let requests = operations.iter().filter(|text| {
        !["mcp.notification", "mcp.response", "mcp.stream", "mcp.end"]
            .iter()
            .any(|kind| text.starts_with(kind))
    });
    assert_eq!(whole.iter().map(|seen| seen.3.len()).sum::<usize>(), requests.count() + asked.len());
    let errors = whole.iter().flat_map(|seen| &seen.3).filter(|(_, status, _)| *status == 1).count();
    assert_eq!(errors, 3);
}

const OPERATIONS: [&str; 27] = [
    "mcp.request session initialize",
    "mcp.notification session notifications/initialized",
    "mcp.stream session GET",
    "mcp.request read tools/list",
    "mcp.tool-call call echo",
    "mcp.tool-call call get-sum",
    "mcp.tool-call call get-sum",
    "mcp.tool-call call get-structured-content",
    "mcp.response session roots/list",
    "mcp.tool-call call get-annotated-message",
    "mcp.tool-call call get-resource-reference",
    "mcp.tool-call call trigger-long-running-operation",
    "mcp.tool-call call trigger-sampling-request",
    "mcp.response session sampling/createMessage",
    "mcp.tool-call call trigger-elicitation-request",
    "mcp.response session elicitation/create",
    "mcp.tool-call call get-roots-list",
    "mcp.tool-call call no-such-tool",
    "mcp.request read resources/list",
    "mcp.request read resources/templates/list",
    "mcp.resource-read read demo://resource/static/document/architecture.md",
    "mcp.resource-read read demo://resource/dynamic/blob/1",
    "mcp.request read prompts/list",
    "mcp.prompt-get read args-prompt",
    "mcp.prompt-get read no-such-prompt",
    "mcp.request session ping",
    "mcp.end session DELETE",
];

#[test]
fn without_sessions_the_same_is_seen() {
    let mut host = Host::new(ANY, &[], true);
    let all = replay(STATELESS, &mut host, 3, &unmasked, true);
    let operations: Vec<&str> = all.iter().flat_map(|(seen, _)| seen.iter().map(String::as_str)).collect();
    assert_eq!(
        operations,
        [
            "mcp.request session server/discover",
            "mcp.request read tools/list",
            "mcp.tool-call call find",
            "mcp.tool-call call slow",
            "mcp.tool-call call fail",
            "mcp.tool-call call pay",
            "mcp.tool-call call pay",
            "mcp.request read resources/list",
            "mcp.resource-read read demo://customers",
            "mcp.resource-read read demo://nobody",
        ]
    );
    let asked: Vec<String> = all.iter().flat_map(|(_, received)| received.asked.iter().map(brief)).collect();
    assert_eq!(asked, ["mcp.elicitation call elicitation/create"]);
    let results: Vec<_> =
        all.iter().map(|(_, received)| (received.results.len(), received.results[0].status)).collect();
    assert_eq!(results, [0, 0, 0, 0, 1, 0, 0, 0, 0, 1].map(|status| (1, status)));
    let values: Vec<&str> = all.iter().flat_map(|(_, seen)| seen.values.iter().map(String::as_str)).collect();
    for value in [
        "email|mcp:find|structuredContent.result[].email| = ann@example.com",
        "email|mcp:find|content[].text.email| = ann@example.com",
        "message|mcp:notifications/progress|message|notification = half of ann@example.com",
        "text|mcp:resources/read|contents[].text| = ann@example.com",
    ] {
        assert!(values.contains(&value), "{value}\n{values:#?}");
    }
}

/// The messages of an answer, whichever way they come.
fn messages(answer: &str) -> Vec<Value> {
    if answer.starts_with('{') {
        return vec![serde_json::from_str(answer).unwrap()];
    }
    let lines = answer.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn masked_it_is_still_a_conversation() {
    for text in [EVERYTHING, STATELESS] {
        let recorded = conversation(text);
        let mut host = Host::new(ANY, &[], true);
        for ((_, received), recorded) in replay(text, &mut host, 5, &stars, true).iter().zip(&recorded) {
            let (before, after) = (messages(&recorded.answer), messages(&received.body));
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                for key in [
                    "/jsonrpc",
                    "/id",
                    "/method",
                    "/params/progressToken",
                    "/error/code",
                    "/result/resultType",
                ] {
                    assert_eq!(before.pointer(key), after.pointer(key), "{key}");
                }
                for tool in 0..2 {
                    for key in ["name", "inputSchema/type", "inputSchema/required"] {
                        let key = format!("/result/tools/{tool}/{key}");
                        assert_eq!(before.pointer(&key), after.pointer(&key), "{key}");
                    }
                }
            }
            for secret in
                ["ann@example.com", "Cloudy", "Operation failed", "What's weather", "not found", "Pay?"]
            {
                assert!(!received.body.contains(secret), "{secret}: {}", received.body);
            }
        }
    }
}

#[test]
fn what_the_server_may_not_ask_does_not_reach_the_client() {
    let mut host = Host::new(ANY, &[], true);
    let all = replay(EVERYTHING, &mut host, 11, &unmasked, false);
    let text: String = all.iter().map(|(_, received)| received.body.as_str()).collect();
    assert!(!text.contains("sampling/createMessage") && !text.contains("roots/list"));
    assert_eq!(text.matches(": refused by policy (no-asking): not allowed\n\n").count(), 3);
    // What stands beside it in the same stream does.
    assert!(text.contains("LLM sampling result"));
}
