//! The derived tables: filled in bulk, while the writer rests.

use super::failed;
use sqlx::{Connection, SqliteConnection};
use weir_audit::StoreError;

/// Indexes the records above `from` up to `to`, and remembers both marks; all or nothing.
pub(super) async fn index(
    connection: &mut SqliteConnection,
    from: u64,
    to: u64,
    open_from: u64,
) -> Result<(), StoreError> {
    let mut transaction = connection.begin().await.map_err(failed)?;
    // Sorted, so that every page of the table is touched once.
    for statement in [
        "INSERT INTO of_session SELECT session, ifnull(operation, -1), seq FROM record
            WHERE seq > ?1 AND seq <= ?2 AND session IS NOT NULL ORDER BY 1, 2, 3",
        "INSERT INTO period SELECT min(seq), max(seq), min(at), max(at) FROM record
            WHERE seq > ?1 AND seq <= ?2 HAVING count(*) > 0",
    ] {
        let insert = sqlx::query(statement).bind(from.cast_signed()).bind(to.cast_signed());
        insert.execute(&mut *transaction).await.map_err(failed)?;
    }
    for (key, value) in [("indexed_to", to), ("open_from", open_from)] {
        let update =
            sqlx::query("UPDATE meta SET value = ?2 WHERE key = ?1").bind(key).bind(value.to_string());
        update.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}
