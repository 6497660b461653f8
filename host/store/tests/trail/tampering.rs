//! Whoever edits the file is found out, with the number of the first bad record.

use crate::events::*;
use sqlx::{Connection, SqliteConnection};
use std::path::Path;
use weir_audit::{Anchor, Broken, Fault, TrailReader, VerifyError, verify};
use weir_store::{Damage, OpenError, Reader, Trail};

/// Writes a small trail and closes it: host-started, ten operations of two records, host-stopped.
async fn written(state: &Path) -> Anchor {
    let trail = open(state).await;
    let place = place("s-1");
    for operation in 0..10 {
        record(&trail.handle(), intent(&place, operation, &format!("select name, '{operation}' from t")))
            .await
            .unwrap();
        record(&trail.handle(), outcome(&place, operation)).await.unwrap();
    }
    trail.stop("test").await;
    Reader::open(state).await.unwrap().head().await.unwrap()
}

async fn edit(state: &Path, sql: &'static str) {
    let url = format!("sqlite://{}", state.join("audit.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn verdict(state: &Path, anchor: Option<Anchor>) -> Result<u64, Broken> {
    let reader = Reader::open(state).await.unwrap();
    match verify(&reader, 1..=u64::MAX, anchor).await {
        Ok(verified) => Ok(verified.records),
        Err(VerifyError::Broken(broken)) => Err(broken),
        Err(VerifyError::Store(error)) => panic!("{error}"),
    }
}

#[tokio::test]
async fn every_change_to_the_file_is_found() {
    // Record 8 is the intent of operation 3: 1 + 2·3 + 1.
    let table: &[(&str, u64, Fault)] = &[
        ("UPDATE record SET seq = 100 WHERE seq = 8", 8, Fault::Missing),
        ("UPDATE record SET at = at + 1 WHERE seq = 8", 8, Fault::ColumnEdited("at")),
        ("UPDATE record SET kind = 'gap' WHERE seq = 8", 8, Fault::ColumnEdited("kind")),
        ("UPDATE record SET session = 's-2' WHERE seq = 8", 8, Fault::ColumnEdited("session")),
        ("UPDATE record SET operation = NULL WHERE seq = 8", 8, Fault::ColumnEdited("operation")),
        ("UPDATE record SET principal = 'bob' WHERE seq = 8", 8, Fault::ColumnEdited("principal")),
        ("UPDATE record SET resource = 'x' WHERE seq = 8", 8, Fault::ColumnEdited("resource")),
        ("UPDATE record SET verdict = 'deny' WHERE seq = 8", 8, Fault::ColumnEdited("verdict")),
        ("UPDATE record SET status = 'error' WHERE seq = 9", 9, Fault::ColumnEdited("status")),
        ("UPDATE record SET body = replace(body, 'ann', 'bob') WHERE seq = 8", 8, Fault::BodyEdited),
        ("UPDATE record SET body = 'x' WHERE seq = 8", 8, Fault::BodyEdited),
        ("UPDATE record SET payload = replace(payload, 'name', 'mail') WHERE seq = 8", 8, Fault::PayloadEdited),
        ("UPDATE record SET payload = '{}' WHERE seq = 9", 9, Fault::PayloadEdited),
        ("UPDATE record SET payload = NULL WHERE seq = 8", 8, Fault::PayloadMissing),
        ("UPDATE record SET payload = NULL, salt = NULL WHERE seq = 8", 8, Fault::PayloadMissing),
        ("UPDATE record SET salt = zeroblob(32) WHERE seq = 8", 8, Fault::PayloadEdited),
        ("UPDATE record SET salt = x'00' WHERE seq = 8", 8, Fault::PayloadEdited),
        ("UPDATE record SET hash = zeroblob(32) WHERE seq = 8", 8, Fault::BodyEdited),
        ("UPDATE record SET hash = x'00' WHERE seq = 8", 8, Fault::BodyEdited),
        ("DELETE FROM record WHERE seq = 8", 8, Fault::Missing),
        ("DELETE FROM record WHERE seq < 8", 1, Fault::TruncatedStart),
        ("DELETE FROM record WHERE seq < 8; UPDATE record SET seq = seq - 7", 1, Fault::Reordered(8)),
        (
            "UPDATE record SET seq = -8 WHERE seq = 8; UPDATE record SET seq = 8 WHERE seq = 10;
             UPDATE record SET seq = 10 WHERE seq = -8",
            8,
            Fault::Reordered(10),
        ),
        (
            "UPDATE record SET seq = -seq WHERE seq > 8; UPDATE record SET seq = 1 - seq WHERE seq < 0;
             INSERT INTO record SELECT 9, at, kind, session, operation, principal, resource, verdict, status, body,
             payload, salt, hash FROM record WHERE seq = 8",
            9,
            Fault::Reordered(8),
        ),
        ("DELETE FROM record WHERE seq > 15", 16, Fault::TruncatedEnd(22)),
    ];
    for (sql, seq, fault) in table {
        let folder = tempfile::tempdir().unwrap();
        let anchor = written(folder.path()).await;
        assert_eq!(verdict(folder.path(), Some(anchor)).await, Ok(22));
        edit(folder.path(), sql).await;
        assert_eq!(
            verdict(folder.path(), Some(anchor)).await,
            Err(Broken { seq: *seq, fault: fault.clone() }),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn python_finds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let anchor = written(folder.path()).await;
    let hash = weir_audit::chain::hex(&anchor.hash);
    let reader = Reader::open(folder.path()).await.unwrap();
    let said = python_says(&reader, folder.path(), Some((anchor.seq, hash.clone()))).await;
    assert_eq!(said, format!("ok 22 records, 0 erased, head {hash}"));
    for (sql, expected) in [
        (
            "UPDATE record SET payload = replace(payload, 'name', 'mail') WHERE seq = 20",
            "record 20: payload edited",
        ),
        ("UPDATE record SET payload = NULL, salt = NULL WHERE seq = 20", "record 20: payload missing"),
        (
            "UPDATE record SET body = replace(body, 'ann', 'bob') WHERE seq = 8",
            "record 8: body or hash edited",
        ),
        ("DELETE FROM record WHERE seq = 4", "record 4: missing or moved"),
    ] {
        edit(folder.path(), sql).await;
        assert_eq!(python_says(&reader, folder.path(), None).await, expected);
    }
}

#[tokio::test]
async fn a_gateway_does_not_start_on_a_broken_tail() {
    for (sql, seq) in [
        ("UPDATE record SET principal = 'bob' WHERE seq = 8", 8),
        ("DELETE FROM record WHERE seq = 8", 8),
        ("UPDATE meta SET value = '40' WHERE key = 'open_from'", 23),
    ] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path()).await;
        edit(folder.path(), sql).await;
        match Trail::open(folder.path(), settings()).await {
            Err(error @ OpenError::Broken { .. }) => {
                assert!(error.to_string().contains(&format!("record {seq}:")), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn erased_payloads_are_gone_and_the_trail_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path()).await;
    let trail = open(folder.path()).await;
    assert_eq!(trail.erase(vec![8..=9, 20..=20], "request 17", "dpo").await, Ok(2));
    assert_eq!(trail.erase(vec![8..=9, 20..=20], "request 17", "dpo").await, Ok(0));
    let verified = verify(&*trail.reader(), 1..=u64::MAX, None).await.unwrap();
    assert_eq!((verified.records, verified.erased), (25, 2));
    let said = python_says(&trail.reader(), folder.path(), None).await;
    assert!(said.starts_with("ok 25 records, 2 erased"), "{said}");
    trail.stop("test").await;
    std::fs::remove_file(folder.path().join("export.jsonl")).unwrap();
    let bytes: Vec<u8> = std::fs::read_dir(folder.path())
        .unwrap()
        .flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    for operation in 0..10 {
        let needle = format!("select name, '{operation}' from t");
        let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        // Record 8 is the intent of operation 3, record 20 of operation 9; record 9 has no payload.
        assert_eq!(found, operation != 3 && operation != 9, "{needle}");
    }
}

/// Marks everything as indexed, as the writer does while it rests; a small trail would never be.
const INDEX: &str =
    "INSERT INTO of_session SELECT session, ifnull(operation, -1), seq FROM record WHERE session NOT NULL;
    INSERT INTO period SELECT min(seq), max(seq), min(at), max(at) FROM record WHERE seq <= 10;
    INSERT INTO period SELECT min(seq), max(seq), min(at), max(at) FROM record WHERE seq > 10;
    UPDATE meta SET value = '22' WHERE key = 'indexed_to'";

#[tokio::test]
async fn what_the_chain_cannot_see_is_found() {
    let foreign = |name: &str| Damage::Foreign(name.to_owned());
    let forge =
        "INSERT INTO record SELECT 0, at, kind, session, operation, principal, resource, verdict, status,
        body, payload, salt, hash FROM record WHERE seq = 8; UPDATE record SET seq = -3 WHERE seq = 0";
    for (sql, damage, starts) in [
        (forge, Damage::Number(-3), false),
        (
            "CREATE TRIGGER quiet AFTER INSERT ON record BEGIN DELETE FROM record WHERE seq = new.seq; END",
            foreign("trigger `quiet`"),
            false,
        ),
        ("CREATE VIEW extra AS SELECT 1", foreign("view `extra`"), false),
        ("CREATE TABLE extra (x)", foreign("table `extra`"), false),
        ("CREATE INDEX extra ON record (kind)", foreign("index `extra`"), false),
        ("DROP INDEX record_rare", Damage::Missing("index `record_rare`".to_owned()), false),
        ("DELETE FROM of_session WHERE seq = 8", Damage::NotIndexed(8), true),
        ("UPDATE of_session SET operation = 77 WHERE seq = 8", Damage::NotIndexed(8), true),
        ("INSERT INTO of_session VALUES ('s-9', 1, 8)", Damage::IndexedTooMuch, true),
        ("DELETE FROM period", Damage::Times(1), true),
        ("DELETE FROM period WHERE first_seq = 11", Damage::Times(11), true),
        ("DELETE FROM period WHERE first_seq = 1", Damage::Times(11), true),
        ("UPDATE period SET max_at = 7 WHERE first_seq = 11", Damage::Times(11), true),
        (
            "UPDATE meta SET value = '400' WHERE key = 'indexed_to'",
            Damage::CutOff { head: 22, known: 400 },
            true,
        ),
        ("UPDATE meta SET value = '10' WHERE key = 'indexed_to'", Damage::IndexedTooMuch, true),
        ("DELETE FROM record", Damage::Empty, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path()).await;
        let reader = Reader::open(folder.path()).await.unwrap();
        assert_eq!((reader.foreign().await.unwrap(), reader.derived().await.unwrap()), (None, None));
        edit(folder.path(), INDEX).await;
        assert_eq!((reader.foreign().await.unwrap(), reader.derived().await.unwrap()), (None, None));
        edit(folder.path(), sql).await;
        let found = match reader.foreign().await.unwrap() {
            Some(damage) => Some(damage),
            None => reader.derived().await.unwrap(),
        };
        assert_eq!(found, Some(damage), "{sql}");
        reader.close().await;
        if !starts {
            let started = Trail::open(folder.path(), settings()).await;
            assert!(matches!(started, Err(OpenError::Damaged { .. })), "{sql}: {started:?}");
        }
    }
}
