//! From rows back to records.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use std::borrow::Cow;
use std::sync::Arc;
use weir_audit::{Record, StoreError};

/// Every column, in the order [`record`] reads them. Another database needs other types, not another order.
pub(super) const COLUMNS: &str =
    "seq, at, kind, session, operation, principal, resource, verdict, status, body, payload, salt, hash";

/// A column of a wrong type or length is read as something that fails verification, not as an error: a trail
/// that was edited must still be readable as far as possible.
pub(super) fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    let read = || -> Result<Record, sqlx::Error> {
        let text = |column: usize| row.try_get::<Option<String>, _>(column);
        let salt: Option<Vec<u8>> = row.try_get(11)?;
        let hash: Vec<u8> = row.try_get(12)?;
        Ok(Record {
            seq: row.try_get::<i64, _>(0)?.cast_unsigned(),
            at_us: row.try_get(1)?,
            kind: Cow::Owned(row.try_get(2)?),
            session: text(3)?.map(Arc::from),
            operation: row.try_get::<Option<i64>, _>(4)?.map(i64::cast_unsigned),
            principal: text(5)?.map(Arc::from),
            resource: text(6)?.map(Arc::from),
            verdict: text(7)?.map(Cow::Owned),
            status: text(8)?.map(Cow::Owned),
            body: row.try_get(9)?,
            payload: text(10)?.map(Arc::from),
            salt: salt.map(|bytes| bytes.try_into().unwrap_or([0; 32])),
            hash: hash.try_into().unwrap_or([0; 32]),
        })
    };
    read().map_err(super::failed)
}
