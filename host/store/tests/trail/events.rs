//! Events and small helpers for the tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use weir_audit::{
    Attempt, AuditDown, AuditHandle, Event, Held, LoginFailed, LoginStage, Outcome, Place, Record, Review,
    Reviewed, Status, TrailReader, WriterSettings, export, export_line,
};
use weir_model::{
    Action, Attribute, Decision, Digest, JudgedBy, Operation, Parameter, PluginName, ResourceName, SessionId,
    Verdict,
};
use weir_store::{Reader, Trail, TrailSettings};

pub(crate) fn place(session: &str) -> Place {
    Place::new(&SessionId::new(session), "ann", &ResourceName::new("customers"))
}

pub(crate) fn intent(place: &Place, operation: u64, text: &str) -> Event {
    Event::Intent(Attempt {
        place: place.clone(),
        operation,
        continues: None,
        what: Arc::new(Operation {
            kind: "statement".into(),
            action: Action::Read,
            text: text.into(),
            objects: vec!["t".into()],
            parameters: vec![Parameter {
                name: "$1".into(),
                type_name: "text".into(),
                value: Some("v".into()),
            }],
            attributes: Vec::new(),
            claimed: vec![Attribute::new("application_name", "psql")],
        }),
        original: None,
        decision: Arc::new(Decision {
            verdict: Verdict::Allow,
            findings: Vec::new(),
            tags: weir_model::Tags::default(),
            judged_by: vec![JudgedBy {
                plugin: PluginName::new("g"),
                digest: Digest([3; 32]),
                answer: "allow",
            }],
        }),
        approval: None,
        masked: Vec::new(),
    })
}

pub(crate) fn outcome(place: &Place, operation: u64) -> Event {
    Event::Outcome(Outcome {
        place: place.clone(),
        operation,
        status: Status::Ok,
        rows: Some(1),
        tag: "SELECT 1".into(),
        error: None,
        bytes_to_client: 1,
        masked: Vec::new(),
        masked_by: vec![],
        duration: Duration::from_micros(1),
    })
}

/// Somebody who called itself `claimed`, and may have proven to be `principal`.
pub(crate) fn turned_away(claimed: &str, principal: Option<&str>) -> Event {
    Event::LoginFailed(LoginFailed {
        resource: ResourceName::new("customers"),
        stage: LoginStage::Identify,
        principal: principal.map(Into::into),
        claimed_user: claimed.into(),
        client_address: "10.0.0.9".into(),
        code: "28P01".into(),
        reason: "the password is wrong".into(),
        judged_by: Vec::new(),
    })
}

pub(crate) fn held(place: &Place, operation: u64) -> Event {
    Event::Held(Held {
        place: place.clone(),
        operation,
        approval: format!("a-{operation}"),
        digest: Digest([5; 32]),
        reviewers: vec!["group:leads".into()],
        code: "big".into(),
        reason: "many rows".into(),
        expires_ms: 1,
    })
}

pub(crate) fn reviewed(place: &Place, operation: u64, review: Review) -> Event {
    Event::Reviewed(Reviewed {
        place: place.clone(),
        operation,
        approval: format!("a-{operation}"),
        digest: Digest([5; 32]),
        review,
        reviewer: Some("cyd".into()),
        comment: "go on".into(),
    })
}

pub(crate) async fn record(handle: &AuditHandle, event: Event) -> Result<(), AuditDown> {
    handle.record(vec![event]).await?.durable().await
}

pub(crate) fn settings() -> TrailSettings {
    let writer = WriterSettings {
        first_retry: Duration::from_millis(10),
        max_retry: Duration::from_millis(50),
        max_records_between_rests: 1500,
        ..WriterSettings::default()
    };
    TrailSettings { writer, ..TrailSettings::default() }
}

pub(crate) async fn open(state: &Path) -> Trail {
    Trail::open(state, settings()).await.unwrap()
}

pub(crate) async fn everything(reader: &Reader) -> Vec<Record> {
    let mut records = Vec::new();
    export(reader, 0, |record| {
        records.push(record.clone());
        std::ops::ControlFlow::Continue(())
    })
    .await
    .unwrap();
    records
}

pub(crate) async fn kinds(reader: &Reader) -> Vec<String> {
    reader.after(0, 10_000).await.unwrap().into_iter().map(|record| record.kind.into_owned()).collect()
}

/// What the verifier in Python says of an export of the trail.
pub(crate) async fn python_says(reader: &Reader, folder: &Path, anchor: Option<(u64, String)>) -> String {
    let lines: Vec<String> =
        everything(reader).await.iter().map(|record| export_line(record) + "\n").collect();
    let file = folder.join("export.jsonl");
    std::fs::write(&file, lines.concat()).unwrap();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../audit/tests/verify.py");
    let mut python = Command::new("python3");
    python.arg(script).arg(file);
    if let Some((seq, hash)) = anchor {
        python.args([seq.to_string(), hash]);
    }
    let output = python.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}
