//! The tables, and how connections are set up.
//!
//! `record` is the trail. It has no index but its number and one for rare kinds: every index costs each commit
//! a page per place it touches, and an index by session touches as many places as sessions are active (measured:
//! half as much CPU again per record in groups of 16). What searches need beyond that is *derived*: tables
//! filled in bulk while the writer rests, up to record `indexed_to`; the few records behind it are scanned. Derived
//! tables are no part of the trail and can be rebuilt from it.
//!
//! - `of_session`: where the records of a session, and of an operation, are.
//! - `period`: stretches of records with the range of their times, because times need not ascend.
//! - `meta`: `schema`, `instance`, `indexed_to`, and `open_from`, below which nothing is open.

use super::{OpenError, failed};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use weir_audit::StoreError;

/// What this program reads and writes.
pub(super) const VERSION: u32 = 1;

pub(super) const TABLES: &str = "
CREATE TABLE record (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,  -- microseconds since 1970-01-01 UTC
    kind      TEXT NOT NULL,
    session   TEXT,
    operation INTEGER,
    principal TEXT,
    resource  TEXT,
    verdict   TEXT,
    status    TEXT,
    body      TEXT NOT NULL,     -- canonical JSON, hashed
    payload   TEXT,              -- canonical JSON, committed to in the body, erasable
    salt      BLOB,              -- erased together with the payload
    hash      BLOB NOT NULL
) STRICT;
CREATE INDEX record_rare ON record (kind, seq) WHERE kind NOT IN ('intent', 'outcome');
CREATE TABLE of_session (
    session   TEXT NOT NULL,
    operation INTEGER NOT NULL,  -- -1: not about an operation
    seq       INTEGER NOT NULL,
    PRIMARY KEY (session, operation, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE period (
    first_seq INTEGER PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    min_at    INTEGER NOT NULL,
    max_at    INTEGER NOT NULL
) STRICT;
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A group of records takes some such pages; each page is a frame of the log with two system calls.
const PAGE_BYTES: u32 = 8192;

/// A commit that brings the log above so many pages empties it into the file at once. Normally that
/// happens before, while the writer rests.
const LOG_PAGES: &str = "2000";

/// The pages of the log, and some: what is indexed while the writer rests is not read from the disk again. In KiB, which
/// SQLite spells as a negative number.
const CACHE: &str = "-24576";

/// The log file is cut back to this after it has been larger.
const LOG_BYTES: &str = "67108864";

/// What the file says of itself.
#[derive(Debug)]
pub(super) struct About {
    pub(super) instance: String,
    pub(super) open_from: u64,
    pub(super) indexed_to: u64,
}

/// A connection that writes durably.
pub(super) async fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .page_size(PAGE_BYTES)
        .busy_timeout(Duration::from_secs(1))
        // Pages that are split must not keep copies of what may be erased later.
        .pragma("secure_delete", "FAST")
        .pragma("wal_autocheckpoint", LOG_PAGES)
        .pragma("cache_size", CACHE)
        .pragma("journal_size_limit", LOG_BYTES)
        .disable_statement_logging();
    options.connect().await.map_err(failed)
}

/// Creates the tables in an empty file; checks the version of another.
pub(super) async fn prepare(connection: &mut SqliteConnection, path: &Path) -> Result<About, OpenError> {
    let store = |error| OpenError::Store { path: path.to_owned(), error: failed(error) };
    let tables =
        sqlx::query("SELECT count(*) FROM sqlite_schema").fetch_one(&mut *connection).await.map_err(store)?;
    if tables.get::<i64, _>(0) == 0 {
        create(connection).await.map_err(|error| OpenError::Store { path: path.to_owned(), error })?;
    }
    let found = meta(connection, "schema").await.unwrap_or_default();
    if found != VERSION.to_string() {
        return Err(OpenError::Schema { path: path.to_owned(), found, known: VERSION });
    }
    let instance = meta(connection, "instance").await.map_err(store)?;
    let open_from = meta(connection, "open_from").await.map_err(store)?;
    let indexed_to = meta(connection, "indexed_to").await.map_err(store)?;
    Ok(About {
        instance,
        open_from: open_from.parse().unwrap_or(1),
        indexed_to: indexed_to.parse().unwrap_or(0),
    })
}

async fn create(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(|error| StoreError(error.to_string()))?;
    let mut transaction = connection.begin().await.map_err(failed)?;
    sqlx::raw_sql(TABLES).execute(&mut *transaction).await.map_err(failed)?;
    let version = VERSION.to_string();
    let instance = weir_audit::chain::hex(&random);
    for (key, value) in
        [("schema", &*version), ("instance", &*instance), ("open_from", "1"), ("indexed_to", "0")]
    {
        let insert = sqlx::query("INSERT INTO meta VALUES (?, ?)").bind(key).bind(value);
        insert.execute(&mut *transaction).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

async fn meta(connection: &mut SqliteConnection, key: &str) -> Result<String, sqlx::Error> {
    let row = sqlx::query("SELECT value FROM meta WHERE key = ?").bind(key).fetch_one(connection).await?;
    row.try_get(0)
}
