//! What the chain of hashes cannot see: rows and tables that are none of ours, and derived tables that would make
//! searches miss records which are there.

use super::failed;
use super::read::Reader;
use super::schema::TABLES;
use sqlx::{Connection, Row, SqliteConnection};
use std::collections::BTreeSet;
use weir_audit::StoreError;

/// What is wrong with a store besides its records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    #[error("record {0}: no record has such a number, somebody has put it there")]
    Number(i64),
    #[error("the store has the {0}, which is none of its own")]
    Foreign(String),
    #[error("the store lacks the {0}, or it was changed")]
    Missing(String),
    #[error("the trail is empty: all of its records are gone, or none was ever written")]
    Empty,
    #[error(
        "the trail ends with record {head}, and records up to {known} had been indexed: its end was cut off"
    )]
    CutOff { head: i64, known: i64 },
    #[error("record {0} is not in the index of sessions, or not as it is: searches would miss it")]
    NotIndexed(i64),
    #[error("the index of sessions names records that are not there")]
    IndexedTooMuch,
    #[error("the index of times does not fit the records from {0} on: searches would miss some of them")]
    Times(i64),
    #[error("the file is damaged: {0}")]
    File(String),
}

/// Kind, name, table and definition of everything in a store.
type Objects = BTreeSet<(String, String, String, String)>;

impl Reader {
    /// Rows and objects that are none of ours. Quick, however long the trail is.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn foreign(&self) -> Result<Option<Damage>, StoreError> {
        let mut own = SqliteConnection::connect("sqlite::memory:").await.map_err(failed)?;
        sqlx::raw_sql(TABLES).execute(&mut own).await.map_err(failed)?;
        let wanted = objects(&mut own).await?;
        let mut connection = self.pool().acquire().await.map_err(failed)?;
        let found = objects(&mut connection).await?;
        if let Some((kind, name, ..)) = found.iter().find(|(kind, name, ..)| !names(&wanted, kind, name)) {
            return Ok(Some(Damage::Foreign(format!("{kind} `{name}`"))));
        }
        if let Some((kind, name, ..)) = wanted.difference(&found).next() {
            return Ok(Some(Damage::Missing(format!("{kind} `{name}`"))));
        }
        let low = one(&mut connection, "SELECT min(seq) FROM record WHERE seq < 1").await?;
        Ok(low.map(Damage::Number))
    }

    /// Whether the file is sound and searches find everything: the derived tables against the records, which should
    /// have been verified before. Reads all of the trail, as of one moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn derived(&self) -> Result<Option<Damage>, StoreError> {
        let mut connection = self.pool().acquire().await.map_err(failed)?;
        let mut moment = connection.begin().await.map_err(failed)?;
        let damage = derived(&mut moment).await?;
        moment.rollback().await.map_err(failed)?;
        Ok(damage)
    }
}

async fn derived(connection: &mut SqliteConnection) -> Result<Option<Damage>, StoreError> {
    let Some(head) = one(connection, "SELECT max(seq) FROM record").await? else {
        return Ok(Some(Damage::Empty));
    };
    let known = "SELECT cast(value AS INTEGER) FROM meta WHERE key = 'indexed_to'";
    let Some(known) = one(connection, known).await? else {
        return Ok(Some(Damage::Missing("mark `indexed_to`".to_owned())));
    };
    if known > head {
        return Ok(Some(Damage::CutOff { head, known }));
    }
    let said = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await.map_err(failed)?;
    let said: String = said.try_get(0).map_err(failed)?;
    if said != "ok" {
        return Ok(Some(Damage::File(said)));
    }
    let missing = "SELECT min(seq) FROM record r WHERE seq <= ?1 AND session IS NOT NULL AND NOT EXISTS
        (SELECT 1 FROM of_session o
         WHERE o.session = r.session AND o.operation = ifnull(r.operation, -1) AND o.seq = r.seq)";
    if let Some(seq) = one_up_to(connection, missing, known).await? {
        return Ok(Some(Damage::NotIndexed(seq)));
    }
    // Each of them is there, so as many rows are the same rows.
    let more = "SELECT nullif((SELECT count(*) FROM of_session),
        (SELECT count(*) FROM record WHERE seq <= ?1 AND session IS NOT NULL))";
    if one_up_to(connection, more, known).await?.is_some() {
        return Ok(Some(Damage::IndexedTooMuch));
    }
    // Every stretch begins behind the one before and has the times of its records; the last one ends at the mark.
    let stretches = "SELECT min(first_seq) FROM
        (SELECT *, lag(last_seq, 1, 0) OVER (ORDER BY first_seq) AS before FROM period) p
        WHERE first_seq <> before + 1
           OR min_at IS NOT (SELECT min(at) FROM record WHERE seq BETWEEN p.first_seq AND p.last_seq)
           OR max_at IS NOT (SELECT max(at) FROM record WHERE seq BETWEEN p.first_seq AND p.last_seq)";
    if let Some(seq) = one(connection, stretches).await? {
        return Ok(Some(Damage::Times(seq)));
    }
    let end = "SELECT nullif((SELECT coalesce(max(last_seq), 0) FROM period), ?1)";
    Ok(one_up_to(connection, end, known).await?.map(|last| Damage::Times(last.saturating_add(1))))
}

fn names(objects: &Objects, kind: &str, name: &str) -> bool {
    objects.iter().any(|(own_kind, own_name, ..)| own_kind == kind && own_name == name)
}

async fn objects(connection: &mut SqliteConnection) -> Result<Objects, StoreError> {
    let rows = sqlx::query("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema");
    let rows = rows.fetch_all(connection).await.map_err(failed)?;
    let read = |row: &sqlx::sqlite::SqliteRow| -> Result<_, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, meaning(row.try_get(3)?)))
    };
    rows.iter().map(|row| read(row).map_err(failed)).collect()
}

/// A definition without its comments and line ends, which may differ between versions of this program.
fn meaning(sql: &str) -> String {
    let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

async fn one(connection: &mut SqliteConnection, sql: &'static str) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(sql).fetch_optional(connection).await.map_err(failed)?;
    row.map_or(Ok(None), |row| row.try_get(0).map_err(failed))
}

async fn one_up_to(
    connection: &mut SqliteConnection,
    sql: &'static str,
    seq: i64,
) -> Result<Option<i64>, StoreError> {
    let row = sqlx::query(sql).bind(seq).fetch_optional(connection).await.map_err(failed)?;
    row.map_or(Ok(None), |row| row.try_get(0).map_err(failed))
}
