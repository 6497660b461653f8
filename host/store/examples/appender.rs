//! Appends to a trail until it is killed or refused: what the tests kill.
//!
//! `appender FOLDER ROUND [TEXT_BYTES]` prints `SESSION OPERATION` for each intent that is durable, and ends with
//! code 3 at the first refusal.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use weir_audit::{Attempt, AuditHandle, Event, Outcome, Place, Status, WriterSettings};
use weir_model::{Action, Decision, Operation, ResourceName, SessionId, Verdict};
use weir_store::{Trail, TrailSettings};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, round, text @ ..] = arguments.as_slice() else { return ExitCode::from(64) };
    let text = "x".repeat(text.first().and_then(|bytes| bytes.parse().ok()).unwrap_or(200));
    // Rests often, so that a kill meets one.
    let writer = WriterSettings { max_records_between_rests: 1100, ..WriterSettings::default() };
    let trail =
        match Trail::open(Path::new(folder), TrailSettings { writer, ..TrailSettings::default() }).await {
            Ok(trail) => trail,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(4);
            }
        };
    let sessions: Vec<_> = (0..8)
        .map(|session| tokio::spawn(append(trail.handle(), format!("r{round}-s{session}"), text.clone())))
        .collect();
    for session in sessions {
        _ = session.await;
    }
    ExitCode::from(3)
}

async fn append(trail: AuditHandle, session: String, text: String) {
    let place = Place::new(&SessionId::new(session.as_str()), "ann", &ResourceName::new("customers"));
    let what = Arc::new(Operation {
        kind: "statement".to_owned(),
        action: Action::Read,
        text,
        objects: Vec::new(),
        parameters: Vec::new(),
        attributes: Vec::new(),
        claimed: Vec::new(),
    });
    let decision = Arc::new(Decision {
        verdict: Verdict::Allow,
        findings: Vec::new(),
        tags: weir_model::Tags::default(),
        judged_by: Vec::new(),
    });
    for operation in 0.. {
        let intent = Attempt {
            place: place.clone(),
            operation,
            continues: None,
            what: Arc::clone(&what),
            original: None,
            decision: Arc::clone(&decision),
            approval: None,
            masked: Vec::new(),
        };
        let Ok(receipt) = trail.record(vec![Event::Intent(intent)]).await else { return };
        if receipt.durable().await.is_err() {
            return;
        }
        // One write per line, unbuffered: what is said is said.
        let line = format!("{session} {operation}\n");
        if std::io::stdout().lock().write_all(line.as_bytes()).is_err() {
            return;
        }
        let outcome = Outcome {
            place: place.clone(),
            operation,
            status: Status::Ok,
            rows: None,
            tag: String::new(),
            error: None,
            bytes_to_client: 0,
            masked: Vec::new(),
            masked_by: vec![],
            duration: Duration::ZERO,
        };
        if trail.record(vec![Event::Outcome(outcome)]).await.is_err() {
            return;
        }
    }
}
