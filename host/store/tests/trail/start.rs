//! Start and stop: privacy of the files, one writer, what a crash left open.

use crate::events::*;
use std::os::unix::fs::PermissionsExt;
use weir_audit::{Filter, Recovered, Review, TrailReader, show_operation, verify};
use weir_store::{OpenError, Reader, Trail};

#[tokio::test]
async fn files_belong_to_their_owner() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("deep/state");
    let trail = open(&state).await;
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&state), 0o700);
    for file in ["audit.db", "audit.db-wal", "audit.db-shm", "audit.lock"] {
        assert_eq!(mode(&state.join(file)), 0o600, "{file}");
    }
    trail.stop("test").await;
}

#[tokio::test]
async fn a_second_gateway_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    let second = Trail::open(folder.path(), settings()).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    trail.stop("test").await;
    open(folder.path()).await.stop("test").await;
}

#[tokio::test]
async fn another_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).await.stop("test").await;
    let url = format!("sqlite://{}", folder.path().join("audit.db").display());
    let mut connection = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.unwrap();
    sqlx::raw_sql("UPDATE meta SET value = '7' WHERE key = 'schema'").execute(&mut connection).await.unwrap();
    let error = Trail::open(folder.path(), settings()).await.unwrap_err();
    assert!(error.to_string().contains("schema version 7"), "{error}");
}

#[tokio::test]
async fn a_reader_needs_a_trail() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Reader::open(folder.path()).await, Err(OpenError::File { .. })));
}

#[tokio::test]
async fn an_orderly_stop_leaves_nothing_to_close() {
    let folder = tempfile::tempdir().unwrap();
    let trail = open(folder.path()).await;
    let place = place("s-1");
    record(&trail.handle(), intent(&place, 1, "select 1")).await.unwrap();
    record(&trail.handle(), outcome(&place, 1)).await.unwrap();
    trail.stop("signal").await;
    let trail = open(folder.path()).await;
    assert_eq!(trail.recovered(), Recovered { operations: 0, holds: 0 });
    let expected = ["host-started", "intent", "outcome", "host-stopped", "host-started"];
    assert_eq!(kinds(&trail.reader()).await, expected);
    // The same trail, by its own word.
    let started = trail
        .reader()
        .search(&Filter { kind: Some("host-started".into()), ..Filter::default() })
        .await
        .unwrap();
    let instance =
        |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap()["detail"]["instance"].clone();
    assert_eq!(instance(&started[0].body), instance(&started[1].body));
    trail.stop("test").await;
}

#[tokio::test]
async fn what_a_crash_left_open_is_closed_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (place("s-1"), place("s-2"));
    let trail = open(folder.path()).await;
    let handle = trail.handle();
    // Enough for the derived tables to be filled, with something open before, between and behind.
    record(&handle, intent(&one, 0, "select pg_sleep(9999)")).await.unwrap();
    record(&handle, held(&two, 70)).await.unwrap();
    for operation in 1..1500 {
        let events = vec![intent(&one, operation, "select 1"), outcome(&one, operation)];
        let receipt = handle.record(events).await.unwrap();
        if operation % 100 == 0 {
            receipt.durable().await.unwrap();
        }
    }
    for event in [
        // The same number in another session is another operation.
        intent(&two, 5, "select 2"),
        held(&two, 71),
        reviewed(&two, 71, Review::Approve),
    ] {
        record(&handle, event).await.unwrap();
    }
    // No orderly stop: as if the process had died, except that the lock is given back.
    drop(trail);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;

    let trail = open(folder.path()).await;
    assert_eq!(trail.recovered(), Recovered { operations: 2, holds: 1 });
    let reader = trail.reader();
    for (session, operation) in [("s-1", 0), ("s-2", 5)] {
        let view = show_operation(&*reader, session, operation).await.unwrap().unwrap();
        assert!(view.intent.is_some());
        assert_eq!(view.outcome.unwrap().status.as_deref(), Some("unknown"));
    }
    let view = show_operation(&*reader, "s-2", 70).await.unwrap().unwrap();
    assert_eq!(view.reviews.len(), 1);
    assert_eq!(view.reviews[0].status.as_deref(), Some("host-stopped"));
    assert!(view.reviews[0].body.contains(&"05".repeat(32)), "the digest of the hold");
    let tail: Vec<_> = kinds(&reader).await.into_iter().rev().take(5).collect();
    assert_eq!(tail, ["host-started", "recovered", "reviewed", "outcome", "outcome"]);
    verify(&*reader, 1..=u64::MAX, None).await.unwrap();
    drop(trail);
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let trail = open(folder.path()).await;
    assert_eq!(trail.recovered(), Recovered { operations: 0, holds: 0 });
    trail.stop("test").await;
}
