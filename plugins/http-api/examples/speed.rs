//! How fast answers are looked at: `cargo run --release -p weir-plugin-http-api --example speed`.
#![allow(clippy::unwrap_used, reason = "whoever runs it sees why it stops")]

use std::time::Instant;
use weir_plugin_http_api::HttpApi;
use weir_plugin_http_api::settings::Settings;
use weir_sdk::http::{AnswerHead, Headers, HttpInspector, RequestHead};

const ROUNDS: u32 = 20;

fn main() {
    let customer = r#"{"id": 1234, "email": "ann@example.com", "name": "Ann O'Neil", "note": "line\nline", "active": true, "address": {"street": "1 Main Street", "city": "Springfield"}}"#;
    let customers = format!("{{\"items\": [{}]}}", vec![customer; 10_000].join(",\n"));
    let numbers = format!("[{}0]", "1,".repeat(900_000));
    let keys: Vec<String> = (0..4000).map(|key| format!("\"field_{key}\": \"x\"")).collect();
    let keys = format!("[{{{0}}}, {{{0}}}]", keys.join(","));
    let long = format!("{{\"text\": \"{}\"}}", "word ".repeat(1_000_000));
    let events = format!("data: {customer}\n\n").repeat(10_000);
    for (what, content_type, body) in [
        ("customers", "application/json", &customers),
        ("numbers", "application/json", &numbers),
        ("many keys", "application/json", &keys),
        ("one string", "application/json", &long),
        ("events", "text/event-stream", &events),
    ] {
        measure(what, content_type, body.as_bytes());
    }
}

fn measure(what: &str, content_type: &str, body: &[u8]) {
    let mut inspector = HttpApi::new(Settings::default().rules().unwrap(), true);
    let head = RequestHead {
        method: "GET".to_owned(),
        authority: "api.example.com".to_owned(),
        path: "/v1/customers".to_owned(),
        query: None,
        headers: Headers::default(),
        has_body: false,
        length: None,
    };
    let answer = AnswerHead {
        status: 200,
        headers: [("content-type", content_type)].into_iter().collect(),
        has_body: true,
        length: None,
    };
    let start = Instant::now();
    let mut cells = 0;
    for exchange in 1..=ROUNDS {
        inspector.request(exchange, &head).unwrap();
        inspector.answer(exchange, &answer).unwrap();
        let outcome = inspector.answer_body(exchange, body, true).unwrap();
        assert!(outcome.refusal.is_none(), "{:?}", outcome.refusal);
        cells += outcome.values.cells.len() / 3;
        inspector.end(exchange);
    }
    let seconds = start.elapsed().as_secs_f64();
    let megabytes = body.len() as f64 * f64::from(ROUNDS) / 1e6;
    println!(
        "{what}: {:.2} MB, {:.0} MB/s, {:.1} million values/s",
        body.len() as f64 / 1e6,
        megabytes / seconds,
        cells as f64 / seconds / 1e6
    );
}
