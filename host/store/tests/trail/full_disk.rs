//! A full disk ends in refusals and in recovery, never in a broken file or a lost acknowledged record.

use crate::events::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use weir_audit::{AuditDown, AuditHandle, verify};
use weir_store::Reader;

/// A small file system of its own, unmounted in the end.
struct Small(PathBuf);

impl Small {
    /// `None` where mounting is not permitted.
    fn mount(at: &Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "none"]).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// What came of recording large intents for a while.
#[derive(Default)]
struct Tried {
    acknowledged: BTreeSet<u64>,
    refused: u64,
}

impl Tried {
    /// Until the store has refused `refusals` more of them. A small gap record may still fit where a large intent
    /// does not, so the store may seem to work again in between.
    async fn until_refused(&mut self, handle: &AuditHandle, from: u64, refusals: u64) {
        let place = place("s-1");
        let text = format!("select '{}'", "x".repeat(3000));
        let enough = self.refused + refusals;
        for operation in from..from + 5000 {
            match record(handle, intent(&place, operation, &text)).await {
                Ok(()) => _ = self.acknowledged.insert(operation),
                Err(AuditDown::Store(_)) => {
                    self.refused += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(other) => panic!("{other}"),
            }
            if self.refused == enough {
                return;
            }
        }
        panic!("5000 records of 3 KiB fit on the disk");
    }
}

async fn healthy_again(handle: &AuditHandle) -> bool {
    for _ in 0..100 {
        if handle.is_healthy() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test]
async fn refused_while_full_recovered_when_freed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(folder.path()) else {
        eprintln!("mounting is not permitted here: the limit on the file's size stands in for a full disk");
        return;
    };
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 900 * 1024]).unwrap();
    let state = folder.path().join("state");
    let trail = open(&state).await;
    let handle = trail.handle();

    let mut tried = Tried::default();
    tried.until_refused(&handle, 0, 20).await;
    assert!(tried.acknowledged.len() > 10);
    // What was acknowledged is there even now.
    verify(&*trail.reader(), 1..=u64::MAX, None).await.unwrap();

    std::fs::remove_file(&ballast).unwrap();
    assert!(healthy_again(&handle).await, "space was freed");
    record(&handle, intent(&place("s-1"), 10_000, "select 1")).await.unwrap();
    tried.acknowledged.insert(10_000);
    let all = everything(&trail.reader()).await;
    let gaps = all.iter().filter(|record| &*record.kind == "gap");
    let told = gaps.map(|gap| {
        let body: serde_json::Value = serde_json::from_str(&gap.body).unwrap();
        body["detail"]["events"].as_u64().unwrap()
    });
    assert_eq!(told.sum::<u64>(), tried.refused);

    // Full again, and killed while full: the next start works once there is space.
    tried.until_refused(&handle, 20_000, 5).await;
    let mut acknowledged = tried.acknowledged;
    drop(trail);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let remount = Command::new("mount").args(["-o", "remount,size=8m"]).arg(folder.path()).status().unwrap();
    assert!(remount.success());
    open(&state).await.stop("test").await;

    let reader = Reader::open(&state).await.unwrap();
    verify(&reader, 1..=u64::MAX, None).await.unwrap();
    for record in everything(&reader).await {
        if &*record.kind == "intent" {
            acknowledged.remove(&record.operation.unwrap());
        }
    }
    assert!(acknowledged.is_empty(), "lost: {acknowledged:?}");
    reader.close().await;
    drop(small);
}

/// Works without mounting: a process that may not write files above a size. The system answers with an error
/// (and a signal, which the example ignores as every shell can tell it to).
#[tokio::test]
async fn refused_at_the_limit_of_the_file_size() {
    let folder = tempfile::tempdir().unwrap();
    let example =
        std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/appender");
    let script = "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$1\" 0 3000";
    let output = Command::new("sh").args(["-c", script]).arg(example).arg(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        output.status.code(),
        Some(3),
        "it ends when it is refused: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut acknowledged: BTreeSet<&str> = said.lines().collect();
    assert!(acknowledged.len() > 10);
    open(folder.path()).await.stop("test").await;
    let reader = Reader::open(folder.path()).await.unwrap();
    verify(&reader, 1..=u64::MAX, None).await.unwrap();
    for record in everything(&reader).await {
        if let (Some(session), Some(operation)) = (&record.session, record.operation) {
            acknowledged.remove(&*format!("{session} {operation}"));
        }
    }
    assert!(acknowledged.is_empty(), "lost: {acknowledged:?}");
}
