//! What plugins keep: small values by key, for each plugin apart, in a SQLite file beside the trail.
//!
//! Less is asked of it than of the trail: when a call returns, the system has the change, so it survives the end of the
//! process, however that comes; an end of the machine may cost the last moments (`synchronous=NORMAL`).

use crate::trail::private_file;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Row, Sqlite, Transaction};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Keys of one plugin.
pub const MAX_KEYS: i64 = 10_000;
/// Keys and values of one plugin together.
pub const MAX_BYTES: i64 = 16 << 20;

/// Why nothing was read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyValueError {
    #[error("{0}")]
    Down(String),
    #[error("this plugin keeps as much as it may: {MAX_KEYS} keys and 16 MiB")]
    Full,
    #[error("the value of `{0}` is no number, or the sum is none of 64 bits")]
    NotANumber(String),
}

impl From<sqlx::Error> for KeyValueError {
    fn from(error: sqlx::Error) -> Self {
        Self::Down(error.to_string())
    }
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct KeyValueOpenError {
    pub path: PathBuf,
    pub why: String,
}

/// The store of all plugins.
#[derive(Clone, Debug)]
pub struct KeyValue {
    pool: SqlitePool,
}

/// What each plugin keeps is counted as it changes: to add it up at each change would cost the more the more there is.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS total (plugin TEXT PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS kept (
    plugin TEXT NOT NULL,
    key    TEXT NOT NULL,
    value  BLOB NOT NULL,
    until  INTEGER,              -- milliseconds since 1970-01-01 UTC; null: for ever
    PRIMARY KEY (plugin, key)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS kept_more AFTER INSERT ON kept BEGIN
    INSERT INTO total VALUES (new.plugin, 1, octet_length(new.key) + length(new.value))
        ON CONFLICT DO UPDATE SET keys = keys + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER IF NOT EXISTS kept_anew AFTER UPDATE ON kept BEGIN
    UPDATE total SET bytes = bytes + length(new.value) - length(old.value) WHERE plugin = new.plugin;
END;
CREATE TRIGGER IF NOT EXISTS kept_less AFTER DELETE ON kept BEGIN
    UPDATE total SET keys = keys - 1, bytes = bytes - octet_length(old.key) - length(old.value)
        WHERE plugin = old.plugin;
END;";

impl KeyValue {
    /// Opens or creates `plugins.db` in the folder `state`, readable by its owner only.
    ///
    /// # Errors
    /// When it cannot be made, or is no such file.
    pub async fn open(state: &Path) -> Result<Self, KeyValueOpenError> {
        let path = state.join("plugins.db");
        let failed = |why: String| KeyValueOpenError { path: path.clone(), why };
        private_file(&path).map_err(|error| failed(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(2))
            .pragma("secure_delete", "FAST")
            .disable_statement_logging();
        // One: changes are in the order in which they came, and none waits for a lock.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(|error| failed(error.to_string()))?;
        sqlx::raw_sql(TABLES).execute(&pool).await.map_err(|error| failed(error.to_string()))?;
        let store = Self { pool };
        sqlx::query("DELETE FROM kept WHERE until <= ?")
            .bind(now_ms())
            .execute(&store.pool)
            .await
            .map_err(|error| failed(error.to_string()))?;
        Ok(store)
    }

    /// # Errors
    /// When the store does not work.
    pub async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        let query = "SELECT value FROM kept WHERE plugin = ? AND key = ? AND (until IS NULL OR until > ?)";
        let row = sqlx::query(query).bind(plugin).bind(key).bind(now_ms()).fetch_optional(&self.pool).await?;
        row.map(|row| row.try_get(0).map_err(KeyValueError::from)).transpose()
    }

    /// # Errors
    /// When the plugin keeps too much already, or the store does not work; nothing is changed then.
    pub async fn set(
        &self,
        plugin: &str,
        key: &str,
        value: &[u8],
        lifetime: Option<Duration>,
    ) -> Result<(), KeyValueError> {
        let mut change = self.pool.begin().await?;
        put(&mut change, plugin, key, value, lifetime.map(until)).await?;
        there_is_room(&mut change, plugin).await?;
        Ok(change.commit().await?)
    }

    /// # Errors
    /// When the store does not work.
    pub async fn delete(&self, plugin: &str, key: &str) -> Result<(), KeyValueError> {
        let delete = sqlx::query("DELETE FROM kept WHERE plugin = ? AND key = ?").bind(plugin).bind(key);
        delete.execute(&self.pool).await?;
        Ok(())
    }

    /// Adds to a decimal number, which is 0 when it is not there, and answers the sum.
    ///
    /// # Errors
    /// When what is there is no number; and as [`set`](Self::set).
    pub async fn add(
        &self,
        plugin: &str,
        key: &str,
        by: i64,
        lifetime: Option<Duration>,
    ) -> Result<i64, KeyValueError> {
        let mut change = self.pool.begin().await?;
        let query =
            "SELECT value, until FROM kept WHERE plugin = ? AND key = ? AND (until IS NULL OR until > ?)";
        let query = sqlx::query(query).bind(plugin).bind(key).bind(now_ms());
        let (before, until) = match query.fetch_optional(&mut *change).await? {
            Some(row) => {
                let value: Vec<u8> = row.try_get(0)?;
                let number = std::str::from_utf8(&value).ok().and_then(|text| text.parse::<i64>().ok());
                (number.ok_or_else(|| KeyValueError::NotANumber(key.to_owned()))?, row.try_get(1)?)
            }
            None => (0, lifetime.map(until)),
        };
        let sum = before.checked_add(by).ok_or_else(|| KeyValueError::NotANumber(key.to_owned()))?;
        put(&mut change, plugin, key, sum.to_string().as_bytes(), until).await?;
        there_is_room(&mut change, plugin).await?;
        change.commit().await?;
        Ok(sum)
    }

    /// All keys of one plugin with what is kept under them.
    ///
    /// # Errors
    /// When the store does not work.
    pub async fn all(&self, plugin: &str) -> Result<Vec<(String, Vec<u8>)>, KeyValueError> {
        let query = "SELECT key, value FROM kept WHERE plugin = ? AND (until IS NULL OR until > ?)";
        let rows = sqlx::query(query).bind(plugin).bind(now_ms()).fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// No question comes any more.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

async fn put(
    change: &mut Transaction<'_, Sqlite>,
    plugin: &str,
    key: &str,
    value: &[u8],
    until: Option<i64>,
) -> Result<(), KeyValueError> {
    let insert = "INSERT INTO kept VALUES (?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET value = excluded.value, until = excluded.until";
    let insert = sqlx::query(insert);
    insert.bind(plugin).bind(key).bind(value).bind(until).execute(&mut **change).await?;
    Ok(())
}

/// Refuses the change when the plugin keeps too much with it; what has expired goes first.
async fn there_is_room(change: &mut Transaction<'_, Sqlite>, plugin: &str) -> Result<(), KeyValueError> {
    if fits(change, plugin).await? {
        return Ok(());
    }
    let expired = sqlx::query("DELETE FROM kept WHERE plugin = ? AND until <= ?").bind(plugin).bind(now_ms());
    expired.execute(&mut **change).await?;
    if fits(change, plugin).await? { Ok(()) } else { Err(KeyValueError::Full) }
}

async fn fits(change: &mut Transaction<'_, Sqlite>, plugin: &str) -> Result<bool, KeyValueError> {
    let query = sqlx::query("SELECT keys <= ? AND bytes <= ? FROM total WHERE plugin = ?");
    let row = query.bind(MAX_KEYS).bind(MAX_BYTES).bind(plugin).fetch_optional(&mut **change).await?;
    row.map_or(Ok(true), |row| row.try_get(0).map_err(KeyValueError::from))
}

fn until(lifetime: Duration) -> i64 {
    now_ms().saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX))
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn store() -> (tempfile::TempDir, KeyValue) {
        let folder = tempfile::tempdir().unwrap();
        let store = KeyValue::open(folder.path()).await.unwrap();
        (folder, store)
    }

    #[tokio::test]
    async fn what_is_kept_is_there_for_its_plugin_and_after_a_restart() {
        let (folder, store) = store().await;
        store.set("a", "k", b"1", None).await.unwrap();
        store.set("a", "k", b"2", None).await.unwrap();
        assert_eq!(store.get("b", "k").await.unwrap(), None);
        store.close().await;
        let store = KeyValue::open(folder.path()).await.unwrap();
        assert_eq!(store.get("a", "k").await.unwrap(), Some(b"2".to_vec()));
        store.delete("a", "k").await.unwrap();
        assert_eq!(store.get("a", "k").await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_has_expired_is_not_there() {
        let (_folder, store) = store().await;
        store.set("a", "gone", b"1", Some(Duration::ZERO)).await.unwrap();
        store.set("a", "stays", b"1", Some(Duration::from_secs(60))).await.unwrap();
        assert_eq!(store.get("a", "gone").await.unwrap(), None);
        assert_eq!(store.get("a", "stays").await.unwrap(), Some(b"1".to_vec()));
        assert_eq!(store.add("a", "gone", 5, None).await.unwrap(), 5);
    }

    #[tokio::test]
    async fn numbers_are_added_at_once() {
        let (_folder, store) = store().await;
        let all = (0..50).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.add("a", "n", 2, None).await.unwrap() })
        });
        let mut sums = Vec::new();
        for each in all.collect::<Vec<_>>() {
            sums.push(each.await.unwrap());
        }
        sums.sort_unstable();
        assert_eq!(sums, (1..=50).map(|n| n * 2).collect::<Vec<_>>());
        store.set("a", "text", b"x", None).await.unwrap();
        assert_eq!(store.add("a", "text", 1, None).await, Err(KeyValueError::NotANumber("text".into())));
        assert!(store.add("a", "n", i64::MAX, None).await.is_err());
        assert_eq!(store.get("a", "n").await.unwrap(), Some(b"100".to_vec()));
    }

    #[tokio::test]
    async fn nobody_keeps_more_than_may_be() {
        let (_folder, store) = store().await;
        let large = vec![0; 1 << 20];
        for n in 0..15 {
            store.set("a", &format!("{n}"), &large, Some(Duration::ZERO)).await.unwrap();
        }
        let twice = vec![0; 2 << 20];
        // The expired ones make room.
        store.set("a", "more", &twice, None).await.unwrap();
        for n in 0..7 {
            store.set("a", &format!("kept-{n}"), &twice[..(2 << 20) - 100], None).await.unwrap();
        }
        assert_eq!(store.set("a", "too-much", &twice, None).await, Err(KeyValueError::Full));
        assert_eq!(store.get("a", "too-much").await.unwrap(), None);
        store.set("b", "k", &twice, None).await.unwrap();
        store.delete("a", "more").await.unwrap();
        store.set("a", "kept-0", b"small", None).await.unwrap();
        store.set("a", "again", &twice, None).await.unwrap();
    }
}
