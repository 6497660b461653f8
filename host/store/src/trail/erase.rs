//! Erasing payloads: first the record that says so, then the deletion.
//!
//! If the process dies in between, the payload is still there and the trail verifies; erasing again finishes.
//! The bytes are overwritten, not only unlinked, and the log that still has them is emptied.

use super::{failed, schema};
use sqlx::Connection;
use std::ops::RangeInclusive;
use std::path::Path;
use weir_audit::{AuditDown, AuditHandle, Event, PayloadsErased, StoreError};

pub(super) async fn erase(
    path: &Path,
    handle: &AuditHandle,
    records: Vec<RangeInclusive<u64>>,
    reason: &str,
    actor: &str,
) -> Result<u64, AuditDown> {
    let erased =
        PayloadsErased { records: records.clone(), reason: reason.to_owned(), actor: actor.to_owned() };
    handle.record(vec![Event::PayloadsErased(erased)]).await?.durable().await?;
    delete(path, records).await.map_err(|error| AuditDown::Store(error.to_string().into()))
}

/// A connection of its own: the writer goes on between the ranges.
async fn delete(path: &Path, records: Vec<RangeInclusive<u64>>) -> Result<u64, StoreError> {
    let mut connection = schema::connect(path).await?;
    sqlx::query("PRAGMA secure_delete = ON").fetch_optional(&mut connection).await.map_err(failed)?;
    let mut erased = 0;
    for range in records {
        let update = sqlx::query(
            "UPDATE record SET payload = NULL, salt = NULL WHERE seq BETWEEN ? AND ? AND payload IS NOT NULL",
        );
        let update = update.bind(signed(*range.start())).bind(signed(*range.end()));
        erased += update.execute(&mut connection).await.map_err(failed)?.rows_affected();
    }
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_optional(&mut connection).await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    Ok(erased)
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
