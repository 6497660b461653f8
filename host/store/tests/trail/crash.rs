//! `kill -9` at random moments: nothing acknowledged is missing, and the chain holds.

use crate::events::*;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use weir_audit::{Filter, TrailReader, verify};
use weir_store::Reader;

/// At least so many kills, and as many more as a busy machine needs to acknowledge something before it dies.
const ROUNDS: u64 = 25;
const MOST_ROUNDS: u64 = 300;
const ENOUGH: usize = 200;

/// The example next to the test's own binary; cargo builds it together with the tests.
fn appender() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join("examples/appender")
}

#[tokio::test]
async fn acknowledged_records_survive_kill_nine() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..MOST_ROUNDS {
        if round >= ROUNDS && acknowledged.len() > ENOUGH {
            break;
        }
        let mut child = Command::new(appender())
            .arg(folder.path())
            .arg(round.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Primes, so that the moments spread over start-up, appending and resting.
        std::thread::sleep(Duration::from_millis(37 + round * 61 % 307));
        child.kill().unwrap();
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        // A line that was cut off was not said.
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        acknowledged.extend(whole.lines().map(str::to_owned));
    }
    assert!(acknowledged.len() > ENOUGH, "only {} acknowledged", acknowledged.len());

    let reader = Reader::open(folder.path()).await.unwrap();
    let verified = verify(&reader, 1..=u64::MAX, None).await.unwrap();
    for record in everything(&reader).await {
        if &*record.kind == "intent" {
            let operation = record.operation.unwrap();
            acknowledged.remove(&format!("{} {operation}", record.session.unwrap()));
        }
    }
    assert!(acknowledged.is_empty(), "lost: {acknowledged:?}");
    reader.close().await;

    // The last crash is healed too, and every intent has an outcome.
    open(folder.path()).await.stop("test").await;
    let reader = Reader::open(folder.path()).await.unwrap();
    assert!(reader.head().await.unwrap().seq > verified.head.seq);
    let of = |kind: &str| Filter { kind: Some(kind.into()), limit: Some(10_000), ..Filter::default() };
    let recovered = reader.search(&of("recovered")).await.unwrap();
    assert!(!recovered.is_empty());
    let open: i64 = everything(&reader)
        .await
        .iter()
        .map(|r| match &*r.kind {
            "intent" => 1,
            "outcome" => -1,
            _ => 0,
        })
        .sum();
    assert_eq!(open, 0);
    let said = python_says(&reader, folder.path(), None).await;
    assert!(said.starts_with("ok "), "{said}");
}
