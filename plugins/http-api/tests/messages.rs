//! Messages of a WebSocket.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;

use common::{Host, head};
use weir_sdk::http::{AnswerHead, Headers, HttpInspector, Operation, RequestOutcome, show};

const UPGRADE: (&str, &str) = ("upgrade", "websocket");

fn socket(settings: &str, masking: bool) -> (Host, Operation) {
    let mut host = Host::with(settings, masking);
    let outcome = host.inspector.request(1, &head("GET", "/v1/rooms/7?as=ann", &[UPGRADE], false)).unwrap();
    assert_eq!(outcome.show, show::MESSAGES);
    let answer = AnswerHead { status: 101, headers: Headers::default(), has_body: false, length: None };
    assert_eq!(host.inspector.answer(1, &answer).unwrap().show, show::UNSEEN);
    (host, outcome.operations[0].operation.clone())
}

fn parameters(operation: &Operation) -> Vec<(&str, &str)> {
    let each = operation.parameters.iter();
    each.map(|one| (one.name.as_str(), one.value.as_deref().unwrap_or("-"))).collect()
}

fn attribute<'a>(operation: &'a Operation, name: &str) -> Option<&'a str> {
    operation.attributes.iter().find(|one| one.name == name).map(|one| one.value.as_str())
}

fn operation(outcome: &RequestOutcome) -> &Operation {
    assert_eq!(outcome.operations.len(), 1);
    &outcome.operations[0].operation
}

#[test]
fn a_handshake_is_a_read_that_says_what_it_is() {
    let (_, operation) = socket("{}", false);
    assert_eq!((&*operation.kind, &*operation.action), ("http.request", "read"));
    assert_eq!(operation.text, "GET /v1/rooms/{id}");
    assert_eq!(attribute(&operation, "http-upgrade"), Some("websocket"));
}

#[test]
fn a_text_message_is_a_write_with_its_fields() {
    let (mut host, handshake) = socket("{}", false);
    let data = br#"{"say": "hi", "to": ["ann", null]}"#;
    let outcome = host.inspector.message(1, true, data).unwrap();
    assert_eq!((outcome.release as usize, outcome.refusal.is_none()), (data.len(), true));
    let said = operation(&outcome);
    assert_eq!(
        (&*said.kind, &*said.action, &*said.text),
        ("http.message", "write", "MESSAGE /v1/rooms/{id}")
    );
    let fields = [
        ("path.id", "7"),
        ("query.as", "ann"),
        ("body.say", "hi"),
        ("body.to[0]", "ann"),
        ("body.to[1]", "-"),
    ];
    assert_eq!(parameters(said), fields);
    assert_eq!(attribute(said, "http-method"), Some("MESSAGE"));
    assert_eq!(said.objects, handshake.objects);
}

#[test]
fn what_is_no_json_is_one_text_and_what_should_be_is_refused() {
    let (mut host, _) = socket("{}", false);
    for text in ["hello", "42[\"event\",{}]", "[DONE]", ""] {
        let outcome = host.inspector.message(1, true, text.as_bytes()).unwrap();
        assert!(outcome.refusal.is_none(), "{text}");
        assert_eq!(parameters(operation(&outcome)).last(), Some(&("body", text)));
    }
    for text in [r#"{"a": 1, "a": 2}"#, r#"{"a""#, "[1", "{"] {
        let outcome = host.inspector.message(1, true, text.as_bytes()).unwrap();
        assert_eq!(outcome.refusal.as_ref().map(|fault| &*fault.code), Some("malformed-json"), "{text}");
        assert_eq!((outcome.release, outcome.operations.len()), (0, 1));
    }
}

#[test]
fn numbers_of_messages_are_their_own() {
    let (mut host, _) = socket("{}", false);
    let mut ids: Vec<_> =
        (0..3).map(|_| host.inspector.message(1, true, b"x").unwrap().operations[0].id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn the_settings_say_what_a_message_does() {
    let settings = r#"{"actions": [{"methods": ["MESSAGE"], "path": "/v1/rooms/*", "action": "call"}]}"#;
    let (mut host, handshake) = socket(settings, false);
    assert_eq!(handshake.action, "read");
    assert_eq!(operation(&host.inspector.message(1, true, b"x").unwrap()).action, "call");
}

#[test]
fn binary_messages_pass_where_the_settings_say_so() {
    let (mut host, _) = socket("{}", true);
    let outcome = host.inspector.message(1, false, b"\0\x01").unwrap();
    assert_eq!(outcome.refusal.map(|fault| fault.code), Some("unseen-body".to_owned()));
    let outcome = host.inspector.answer_message(1, false, b"\0").unwrap();
    assert_eq!(outcome.refusal.map(|fault| fault.code), Some("answer-unseen".to_owned()));

    let (mut host, _) = socket(r#"{"binary_messages": ["/v1/**"]}"#, true);
    let outcome = host.inspector.message(1, false, b"\0\x01").unwrap();
    assert_eq!((outcome.release, outcome.refusal.is_none()), (2, true));
    assert_eq!(attribute(operation(&outcome), "http-body-bytes"), Some("2"));
    let outcome = host.inspector.answer_message(1, false, b"\0\x01").unwrap();
    assert_eq!((outcome.release, outcome.refusal.is_none()), (2, true));
}

#[test]
fn values_of_a_message_are_named_and_put_back() {
    let (mut host, _) = socket("{}", true);
    let data = br#"{"from": {"email": "ann@example.com"}, "n": 7}"#;
    let outcome = host.inspector.answer_message(1, true, data).unwrap();
    assert_eq!(outcome.release as usize, data.len());
    let columns: Vec<_> = outcome.values.columns.iter().map(|one| (one.source, one.relation)).collect();
    let relation = "MESSAGE /v1/rooms/{id}";
    assert_eq!(columns, [("from.email", relation), ("n", relation)].map(|(a, b)| (a.into(), b.into())));
    let spans = host.inspector.encode(1, &[0], b"***", &[3]).unwrap();
    assert_eq!(&data[spans.starts[0] as usize..spans.stops[0] as usize], b"ann@example.com");
    let refused = host.inspector.answer_message(1, true, br#"{"a": 1, "a": 2}"#).unwrap();
    assert_eq!(refused.refusal.map(|fault| fault.code), Some("answer-malformed-json".to_owned()));
}

#[test]
fn without_masking_no_message_is_looked_at() {
    let (mut host, _) = socket("{}", false);
    let outcome = host.inspector.answer_message(1, false, b"\0\xff").unwrap();
    assert_eq!((outcome.release, outcome.refusal.is_none(), outcome.values.cells.len()), (2, true, 0));
}

#[test]
fn messages_of_another_exchange_are_a_fault() {
    let mut host = Host::with("{}", true);
    host.inspector.request(2, &head("GET", "/", &[], false)).unwrap();
    assert!(host.inspector.message(2, true, b"x").is_err());
    assert!(host.inspector.answer_message(2, true, b"x").is_err());
}
