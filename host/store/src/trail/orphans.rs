//! What a crash left open: intents without outcome, holds without a review.

use super::{Reader, failed};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_audit::{Orphan, Place, StoreError};
use weir_model::{Digest, ResourceName, SessionId};

/// Looks at the records from `open_from` on only; what is below is settled.
pub(super) async fn find(reader: &Reader, open_from: u64) -> Result<Vec<Orphan>, StoreError> {
    let operations = "
        WITH recent AS MATERIALIZED (
            SELECT seq, kind, session, principal, resource, operation FROM record
            WHERE seq >= ?1 AND kind IN ('intent', 'outcome') AND session IS NOT NULL AND operation IS NOT NULL)
        SELECT DISTINCT session, principal, resource, operation FROM recent
        WHERE kind = 'intent'
            AND (session, operation) NOT IN (SELECT session, operation FROM recent WHERE kind = 'outcome')
        ORDER BY seq";
    let holds = "
        SELECT session, principal, resource, operation, body FROM record
        WHERE kind = 'held' AND kind NOT IN ('intent', 'outcome') AND seq >= ?1
            AND body ->> '$.detail.approval' NOT IN (
                SELECT body ->> '$.detail.approval' FROM record
                WHERE kind = 'reviewed' AND kind NOT IN ('intent', 'outcome') AND seq >= ?1
                    AND body ->> '$.detail.approval' IS NOT NULL)
        ORDER BY seq";
    let from = open_from.cast_signed();
    let mut orphans = Vec::new();
    for row in sqlx::query(operations).bind(from).fetch_all(reader.pool()).await.map_err(failed)? {
        let (place, operation) = place(&row).map_err(failed)?;
        orphans.push(Orphan::Operation { place, operation });
    }
    for row in sqlx::query(holds).bind(from).fetch_all(reader.pool()).await.map_err(failed)? {
        let (place, operation) = place(&row).map_err(failed)?;
        let body: String = row.try_get(4).map_err(failed)?;
        let body: Value = serde_json::from_str(&body).map_err(|error| StoreError(error.to_string()))?;
        let detail = |key: &str| body.pointer(key).and_then(Value::as_str).unwrap_or_default();
        let approval = detail("/detail/approval").to_owned();
        let digest = parse_digest(detail("/detail/digest"));
        orphans.push(Orphan::Hold { place, operation, approval, digest });
    }
    Ok(orphans)
}

fn place(row: &SqliteRow) -> Result<(Place, u64), sqlx::Error> {
    let text = |column: usize| row.try_get::<Option<String>, _>(column).map(Option::unwrap_or_default);
    let place = Place::new(&SessionId::new(text(0)?), &text(1)?, &ResourceName::new(text(2)?));
    Ok((place, row.try_get::<i64, _>(3)?.cast_unsigned()))
}

/// Zeros for anything that is no digest: the end of the hold matters more.
fn parse_digest(hex: &str) -> Digest {
    let mut digest = [0; 32];
    for (at, byte) in digest.iter_mut().enumerate() {
        let pair = hex.get(at * 2..at * 2 + 2).unwrap_or("00");
        *byte = u8::from_str_radix(pair, 16).unwrap_or(0);
    }
    Digest(digest)
}
