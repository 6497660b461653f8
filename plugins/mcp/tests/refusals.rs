//! What a client reads when something does not pass.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests")]

mod common;

use common::*;
use serde_json::{Value, json};
use weir_sdk::http::HttpInspector;

const CALL: &str =
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"drop","arguments":{}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#;

fn host() -> Host {
    Host::new(ANY, &[], true)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The messages of an event stream.
fn events(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with("\n\n"));
    text.lines().filter_map(|line| line.strip_prefix("data: ")).map(parsed).collect()
}

#[test]
fn a_refused_call_is_a_result_that_a_model_can_act_on() {
    let mut host = host();
    let sent = host.post(CALL);
    let (status, content_type, body) =
        host.refuse(&sent, &[sent.operations[0].id], "tool-policy", "not \"now\"");
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    let text = "refused by policy (tool-policy): not \"now\"";
    let result = json!({"content": [{"type": "text", "text": text}], "isError": true});
    assert_eq!(parsed(&body), json!({"jsonrpc": "2.0", "id": 7, "result": result}));
}

#[test]
fn a_gateway_in_trouble_does_not_blame_a_policy() {
    let mut host = host();
    let sent = host.post(CALL);
    let (_, _, body) = host.refuse(&sent, &[sent.operations[0].id], "58030", "not recorded");
    let text = "refused by the gateway (58030): not recorded";
    assert_eq!(parsed(&body)["result"]["content"][0]["text"], text);
}

#[test]
fn since_2026_a_result_says_that_it_is_complete() {
    let mut host = host();
    let mut headers = JSON.to_vec();
    headers.push(("mcp-protocol-version", "2026-07-28"));
    let sent = host.send("POST", &headers, Some(CALL));
    let (_, _, body) = host.refuse(&sent, &[sent.operations[0].id], "p", "no");
    assert_eq!(parsed(&body)["result"]["resultType"], "complete");
}

#[test]
fn who_reads_only_events_gets_an_event() {
    let mut host = host();
    let headers = [("content-type", "application/json"), ("accept", "text/event-stream")];
    let sent = host.send("POST", &headers, Some(CALL));
    let (status, content_type, body) = host.refuse(&sent, &[sent.operations[0].id], "p", "no");
    assert_eq!((status, content_type.as_str()), (200, "text/event-stream"));
    assert_eq!(events(&body)[0]["result"]["isError"], true);
}

#[test]
fn other_requests_get_an_error_and_keep_their_id() {
    let mut host = host();
    let sent = host.post(LIST);
    let (status, _, body) = host.refuse(&sent, &[sent.operations[0].id], "p", "no");
    let error = json!({"code": -32003, "message": "refused by policy (p): no", "data": {"code": "p"}});
    assert_eq!((status, parsed(&body)), (200, json!({"jsonrpc": "2.0", "id": "a", "error": error})));
    // The same when the upstream cannot be reached.
    let sent = host.post(LIST);
    let (_, _, body) = host.refuse(&sent, &[], "upstream-unreachable", "no connection");
    assert_eq!(parsed(&body)["error"]["message"], "failed (upstream-unreachable): no connection");
}

#[test]
fn a_batch_is_answered_as_one() {
    let mut host = host();
    let note = r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#;
    let sent = host.post(&format!("[{CALL},{note},{LIST}]"));
    assert_eq!(sent.operations.len(), 3);
    let (status, _, body) = host.refuse(&sent, &[sent.operations[0].id], "p", "no");
    let body = parsed(&body);
    assert_eq!((status, body.as_array().unwrap().len()), (200, 2));
    assert_eq!(body[0]["result"]["content"][0]["text"], "refused by policy (p): no");
    assert!(body[1]["error"]["message"].as_str().unwrap().starts_with("not sent"));
    // A version without batches has none.
    let mut headers = JSON.to_vec();
    headers.push(("mcp-protocol-version", "2025-06-18"));
    assert!(host.send("POST", &headers, Some(&format!("[{LIST}]"))).refusal.is_some());
}

#[test]
fn what_is_no_message_is_an_error_of_json_rpc() {
    for (body, code) in [
        ("{", -32700),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32700),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, -32602),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
    ] {
        let mut host = host();
        let sent = host.post(body);
        let refusal = sent.refusal.as_ref().unwrap();
        let (status, content_type, answer) = host.refuse(&sent, &[], &refusal.code, &refusal.message);
        let answer = parsed(&answer);
        assert_eq!((status, content_type.as_str()), (400, "application/json"), "{body}");
        assert_eq!((&answer["id"], answer["error"]["code"].as_i64()), (&Value::Null, Some(code)), "{body}");
    }
}

#[test]
fn what_is_no_request_has_a_status() {
    let mut host = host();
    let get = host.send("GET", &[("accept", "text/event-stream")], None);
    assert_eq!(get.operations.iter().map(brief).collect::<Vec<_>>(), ["mcp.stream session GET"]);
    assert_eq!(host.refuse(&get, &[get.operations[0].id], "p", "no").0, 403);
    assert_eq!(host.refuse(&get, &[], "upstream-unreachable", "no").0, 502);
    let note = host.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    assert_eq!(host.refuse(&note, &[note.operations[0].id], "p", "no").0, 403);
    let put = host.send("PUT", JSON, Some("{}"));
    assert_eq!(host.refuse(&put, &[], "not-mcp", "x").0, 405);
    let form = host.send("POST", &[("content-type", "text/plain")], Some("{}"));
    assert_eq!(host.refuse(&form, &[], "x", "x").0, 415);
}

#[test]
fn headers_and_body_must_say_the_same() {
    let with = |name: &'static str, value: &'static str| {
        let mut headers = JSON.to_vec();
        headers.push((name, value));
        let call = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"drop","arguments":{"a":[5]}}}"#;
        host().send("POST", &headers, Some(call)).refusal.map(|refusal| refusal.message)
    };
    assert_eq!(with("mcp-method", "tools/call"), None);
    assert_eq!(with("mcp-name", "drop"), None);
    assert_eq!(with("mcp-name", "=?base64?ZHJvcA==?="), None);
    assert_eq!(with("mcp-param-a", "5"), None);
    assert!(with("mcp-method", "ping").unwrap().contains("Mcp-Method"));
    assert!(with("mcp-name", "echo").unwrap().contains("Mcp-Name"));
    assert!(with("mcp-param-a", "6").unwrap().contains("Mcp-Param"));
}

const WAITS: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call",
    "params":{"name":"drop","_meta":{"progressToken":"t\"1"}}}"#;

#[test]
fn who_waits_is_told_and_refused_by_events() {
    let mut host = host();
    let sent = host.post(WAITS);
    let first = host.mcp.waiting(sent.exchange, "waits for a \"reviewer\"").unwrap();
    assert_eq!(first.status, 200);
    assert!(first.headers.iter().any(|header| header.value == "text/event-stream"));
    let second = host.mcp.waiting(sent.exchange, "still").unwrap();
    let told: Vec<Value> =
        [first, second].iter().flat_map(|own| events(std::str::from_utf8(&own.body).unwrap())).collect();
    assert_eq!(told[0]["method"], "notifications/progress");
    assert_eq!(told[0]["params"]["progressToken"], "t\"1");
    assert_eq!(told[0]["params"]["message"], "waits for a \"reviewer\"");
    assert!(told[0]["params"]["progress"].as_f64() < told[1]["params"]["progress"].as_f64());
    let (_, content_type, body) = host.refuse(&sent, &[sent.operations[0].id], "p", "denied");
    assert_eq!(content_type, "text/event-stream");
    assert_eq!(events(&body)[0]["result"]["isError"], true);
}

#[test]
fn who_did_not_ask_for_progress_is_not_told() {
    let mut host = host();
    let sent = host.post(CALL);
    assert!(host.mcp.waiting(sent.exchange, "m").is_none());
    let only_json = [("content-type", "application/json"), ("accept", "application/json")];
    let sent = host.send("POST", &only_json, Some(WAITS));
    assert!(host.mcp.waiting(sent.exchange, "m").is_none());
}

#[test]
fn after_waiting_an_answer_in_json_becomes_an_event() {
    let answer = "{\"jsonrpc\":\"2.0\",\r\n \"id\":7,\n\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"a\\nb\"}]}}\n";
    for mask in [&unmasked as Mask<'_>, &stars] {
        let mut host = host();
        let sent = host.post(WAITS);
        host.mcp.waiting(sent.exchange, "m").unwrap();
        let received = host.answer(sent.exchange, (200, IS_JSON, answer), 9, mask, true);
        let message = &events(&received.body)[0];
        assert_eq!(events(&received.body).len(), 1);
        let text = &message["result"]["content"][0]["text"];
        assert!(text == "a\nb" || text == "*\"*", "{text}");
        assert_eq!(received.results[0].status, 0);
    }
}
