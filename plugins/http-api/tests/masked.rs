//! The masker written for tables works on an API: columns named in its settings, and what it detects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod common;
use common::Host;
use std::cell::{Cell, RefCell};
use weir_plugin_pii_mask::masker::PiiMask;
use weir_plugin_pii_mask::settings::Settings;
use weir_sdk::Operation;
use weir_sdk::masker::{Batch, Column, Edits};

/// The texts with the edits applied; `Some(None)` becomes nothing, `None` stays.
fn edited(texts: &[String], edits: &Edits) -> Vec<Option<Option<String>>> {
    let mut done: Vec<Option<Option<String>>> = vec![None; texts.len()];
    let mut stops = vec![0; texts.len()];
    let mut from = 0;
    for edit in 0..edits.cells.len() {
        let cell = edits.cells[edit] as usize;
        let (start, stop, end) =
            (edits.starts[edit] as usize, edits.stops[edit] as usize, edits.ends[edit] as usize);
        let text = done[cell].get_or_insert_default().get_or_insert_default();
        text.push_str(&texts[cell][stops[cell]..start]);
        text.push_str(std::str::from_utf8(&edits.replacements[from..end]).unwrap());
        (stops[cell], from) = (stop, end);
    }
    for ((done, text), stop) in done.iter_mut().zip(texts).zip(stops) {
        if let Some(Some(done)) = done {
            done.push_str(&text[stop..]);
        }
    }
    for cell in &edits.nulls {
        done[*cell as usize] = Some(None);
    }
    done
}

fn masked(settings: &str, path: &str, content_type: &str, body: &str) -> String {
    let mut host = Host::new("{}");
    let operation: Operation = host.ask("GET", path, &[], None).operation;
    let (columns, texts) = (RefCell::new(Vec::<Column>::new()), RefCell::new(Vec::<String>::new()));
    let lines = [("content-type", content_type)];
    host.answer(200, &lines, &[body.as_bytes()], &|column, text| {
        columns.borrow_mut().push(column.clone());
        texts.borrow_mut().push(text.to_owned());
        None
    });
    let settings: Settings = serde_json::from_str(settings).unwrap();
    let mut masker = PiiMask::new(settings.rules().unwrap());
    // A column for each value: more than the host does, and the same to a masker.
    let (columns, texts) = (columns.into_inner(), texts.into_inner());
    let wanted = masker.plan_shape(1, &columns, &operation).wanted;
    let mut batch = Batch { cells: Vec::new(), ends: Vec::new(), columns: Vec::new() };
    let mut sent = Vec::new();
    for column in &wanted {
        sent.push(texts[*column as usize].clone());
        batch.cells.extend_from_slice(texts[*column as usize].as_bytes());
        batch.ends.push(batch.cells.len() as u32);
        batch.columns.push(*column);
    }
    let mut new = vec![None; texts.len()];
    if !wanted.is_empty() {
        let edits = masker.mask_shape(1, &batch).unwrap();
        for (column, text) in wanted.iter().zip(edited(&sent, &edits)) {
            new[*column as usize] = text;
        }
    }
    let next = Cell::new(0);
    host.ask("GET", path, &[], None);
    let got = host.answer(200, &lines, &[body.as_bytes()], &|_, _| {
        next.set(next.get() + 1);
        new[next.get() - 1].clone()
    });
    String::from_utf8(got.body).unwrap()
}

const NAMED: &str = r#"{"columns": ["*.ssn", "*customers*.full_name"], "detect": ["email", "card"]}"#;

#[test]
fn what_is_detected_is_hidden_and_the_rest_stays() {
    let body = r#"{"items": [{"email": "ann@example.com", "n": 4111111111111111, "note": "ask \u0061nn@example.com\n"}],
                   "total": 1, "by": {"bob@example.com": true}}"#;
    let expected = r#"{"items": [{"email": "[EMAIL]", "n": "[CARD]", "note": "ask [EMAIL]\n"}],
                   "total": 1, "by": {"[EMAIL]": true}}"#;
    assert_eq!(masked(NAMED, "/v1/customers", "application/json", body), expected);
}

#[test]
fn named_fields_are_hidden_wherever_they_stand() {
    let body = r#"{"people": [{"ssn": "078-05-1120", "full_name": "Ann"}, {"ssn": 78051120}], "ssn": ["1", "2"],
                   "deep": {"full_name": "Bob", "id": 7}}"#;
    let got = masked(NAMED, "/v1/customers/7", "application/json", body);
    for value in ["078-05-1120", "78051120", "Ann", "Bob", "\"1\"", "\"2\""] {
        assert!(!got.contains(value), "{value} in {got}");
    }
    let read: serde_json::Value = serde_json::from_str(&got).unwrap();
    assert_eq!(read["deep"]["id"], 7);
    // The other pattern is about customers only.
    let got = masked(NAMED, "/v1/pets", "application/json", r#"{"full_name": "Rex", "ssn": "1"}"#);
    assert!(got.contains("Rex") && !got.contains("\"1\""), "{got}");
}

#[test]
fn events_are_masked_like_anything_else() {
    let body = "data: {\"to\": \"ann@example.com\"}\n\ndata: mail bob@example.com\ndata: now\n\n";
    let expected = "data: {\"to\": \"[EMAIL]\"}\n\ndata: mail [EMAIL]\ndata: now\n\n";
    assert_eq!(masked(NAMED, "/v1/events", "text/event-stream", body), expected);
}

#[test]
fn headers_lose_what_is_personal_and_stay_useful() {
    let ann = "ann@example.com";
    for (name, text, expected) in [
        ("location", "/v1/customers?email=ann@example.com&page=2", "/v1/customers?email=[EMAIL]&page=2"),
        ("location", "/v1/customers/9003", "/v1/customers/9003"),
        ("x-owner", ann, "[EMAIL]"),
        (
            "link",
            "<https://api.example.com/v1?page=3>; rel=\"next\"",
            "<https://api.example.com/v1?page=3>; rel=\"next\"",
        ),
        ("link", "</v1?after=ann@example.com>; rel=\"next\"", "</v1?after=[EMAIL]>; rel=\"next\""),
        ("etag", ann, ann),
    ] {
        let mut host = Host::new("{}");
        let operation = host.ask("POST", "/v1/customers", &[], None).operation;
        let mask = |column: &Column, text: &str| masked_cell(NAMED, column, &operation, text);
        let got = host.answer(201, &[(name, text)], &[], &mask);
        assert_eq!(got.headers[0].1, expected);
    }
}

/// What the masker makes of one value.
fn masked_cell(settings: &str, column: &Column, operation: &Operation, text: &str) -> Option<Option<String>> {
    let settings: Settings = serde_json::from_str(settings).unwrap();
    let mut masker = PiiMask::new(settings.rules().unwrap());
    if masker.plan_shape(1, std::slice::from_ref(column), operation).wanted.is_empty() {
        return None;
    }
    let batch = Batch { cells: text.as_bytes().to_vec(), ends: vec![text.len() as u32], columns: vec![0] };
    let edits = masker.mask_shape(1, &batch).unwrap();
    edited(&[text.to_owned()], &edits).remove(0)
}

#[test]
fn a_card_written_with_an_exponent_is_a_card() {
    let body = r#"{"a": 4.111111111111111e15, "b": 4111111111111111E0, "c": 1.5e3, "d": 2e-7}"#;
    let got = masked("{}", "/v1/x", "application/json", body);
    assert_eq!(got, r#"{"a": "[CARD]", "b": "[CARD]", "c": 1.5e3, "d": 2e-7}"#);
}

#[test]
fn a_key_with_a_dot_takes_no_hint_from_another() {
    let body = r#"{"type.password": "x", "type": {"password": "hunter22-long"}}"#;
    let got = masked("{}", "/v1/x", "application/json", body);
    assert!(!got.contains("hunter22"), "{got}");
}
