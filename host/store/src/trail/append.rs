//! Appending groups: one statement for a small group, one transaction for any.
//!
//! Measured: through sqlx a statement costs some ten microseconds for the hop to the connection's thread, so rows
//! must not go one by one. A statement with one `VALUES` list for the whole group costs about half the CPU of
//! handing the group over as JSON (`json_each`), because nothing is spelled and parsed again. A statement is
//! compiled once per group size and kept; groups above [`ROWS`] go as several statements in one transaction.

use super::lock::Lock;
use super::schema::{self, About};
use super::{OpenError, failed, sessions};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Connection, Encode, Sqlite, SqliteConnection, Type};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_audit::{Head, Record, StoreError, TrailStore};

/// Rows in one statement at most. sqlx keeps a hundred compiled statements, SQLite takes 32766 parameters.
const ROWS: usize = 64;

/// Of the table of records.
const COLUMNS: usize = 13;

/// Below so many unindexed records a rest is not worth a commit of its own.
const WORTH_A_REST: u64 = 1024;

/// The only writer of a trail. Holds the connection; `None` after a failure, until it is opened again.
#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    connection: Option<SqliteConnection>,
    /// The statement for a group of n rows, at n - 1.
    statements: Vec<&'static str>,
    words: Words,
    appended_to: u64,
    indexed_to: u64,
    /// Given back when the writer has let go of the store, however it ends.
    _lock: Lock,
}

impl Appender {
    pub(super) async fn open(path: &Path, lock: Lock) -> Result<(Self, About), OpenError> {
        let store = |error| OpenError::Store { path: path.to_owned(), error };
        let mut connection = schema::connect(path).await.map_err(store)?;
        let about = schema::prepare(&mut connection, path).await?;
        let mut appender = Self {
            path: path.to_owned(),
            connection: Some(connection),
            statements: statements(),
            words: Words::default(),
            appended_to: 0,
            indexed_to: about.indexed_to,
            _lock: lock,
        };
        appender.read_head().await.map_err(store)?;
        Ok((appender, about))
    }

    pub(super) async fn read_head(&mut self) -> Result<Head, StoreError> {
        let head = super::read::head(self.connection().await?).await?;
        self.appended_to = head.seq;
        Ok(head)
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        connected(&mut self.connection, &self.path).await
    }

    async fn insert(&mut self, mut group: Vec<Record>) -> Result<(), StoreError> {
        let Self { path, connection, statements, words, .. } = self;
        let connection = connected(connection, path).await?;
        if group.len() <= ROWS {
            return execute(connection, statements, words, group).await;
        }
        let mut transaction = connection.begin().await.map_err(failed)?;
        while !group.is_empty() {
            let behind = group.split_off(group.len().min(ROWS));
            let first = std::mem::replace(&mut group, behind);
            execute(&mut transaction, statements, words, first).await?;
        }
        transaction.commit().await.map_err(failed)
    }
}

/// The connection there is, or a new one.
async fn connected<'c>(
    connection: &'c mut Option<SqliteConnection>,
    path: &Path,
) -> Result<&'c mut SqliteConnection, StoreError> {
    let open = match connection.take() {
        Some(open) => open,
        None => schema::connect(path).await?,
    };
    Ok(connection.insert(open))
}

impl TrailStore for Appender {
    async fn append(&mut self, group: Vec<Record>) -> Result<(), StoreError> {
        let Some(last) = group.last().map(|record| record.seq) else { return Ok(()) };
        let inserted = self.insert(group).await;
        match &inserted {
            Ok(()) => self.appended_to = last,
            // Whatever state the connection is in, the next one begins with what is on the disk.
            Err(_) => self.connection = None,
        }
        inserted
    }

    async fn head(&mut self) -> Result<Head, StoreError> {
        self.read_head().await
    }

    async fn rest(&mut self, open_from: u64) {
        if self.appended_to < self.indexed_to + WORTH_A_REST {
            return;
        }
        if let Err(error) = self.tidy(open_from).await {
            tracing::warn!(%error, "the audit store could not tidy up; it will try again");
        }
    }

    async fn close(mut self) {
        // A last connection that closes empties the log into the file and removes it.
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "the audit store did not close properly");
        }
    }
}

impl Appender {
    /// Fills the derived tables and empties the log into the file.
    async fn tidy(&mut self, open_from: u64) -> Result<(), StoreError> {
        let (from, to) = (self.indexed_to, self.appended_to);
        let connection = self.connection().await?;
        sessions::index(connection, from, to, open_from).await?;
        // Readers may keep it from finishing; the next one goes on.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(&mut *connection).await.map_err(failed)?;
        self.indexed_to = to;
        Ok(())
    }
}

/// `INSERT INTO record VALUES (?,…),(?,…)…` for 1 to [`ROWS`] rows. They live as long as the program, which opens
/// one trail: leaked once, 60 KiB together.
fn statements() -> Vec<&'static str> {
    use std::sync::OnceLock;
    static TEXTS: OnceLock<Vec<String>> = OnceLock::new();
    let row = format!("({})", ["?"; COLUMNS].join(","));
    let text = |rows: usize| format!("INSERT INTO record VALUES {}", vec![row.as_str(); rows].join(","));
    TEXTS.get_or_init(|| (1..=ROWS).map(text).collect()).iter().map(String::as_str).collect()
}

/// The words of our own that columns hold. A binding must own its text, and what the connection's thread gives back is dear:
/// each word is copied once. They are few: looking through them is quicker than a map.
#[derive(Debug, Default)]
struct Words(Vec<(&'static str, Arc<str>)>);

impl Words {
    fn shared(&mut self, word: Cow<'static, str>) -> Arc<str> {
        let word = match word {
            Cow::Borrowed(word) => word,
            Cow::Owned(word) => return word.into(),
        };
        if let Some((_, shared)) = self.0.iter().find(|(known, _)| *known == word) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = word.into();
        self.0.push((word, Arc::clone(&shared)));
        shared
    }
}

async fn execute(
    connection: &mut SqliteConnection,
    statements: &[&'static str],
    words: &mut Words,
    records: Vec<Record>,
) -> Result<(), StoreError> {
    let statement = records.len().checked_sub(1).and_then(|at| statements.get(at));
    let statement = statement.ok_or_else(|| StoreError("a group of an impossible size".to_owned()))?;
    let mut arguments = SqliteArguments::default();
    arguments.reserve(records.len() * COLUMNS, 0);
    for record in records {
        bind(&mut arguments, words, record).map_err(failed)?;
    }
    sqlx::query_with(*statement, arguments).execute(connection).await.map(|_| ()).map_err(failed)
}

fn add<'v>(
    arguments: &mut SqliteArguments,
    value: impl Encode<'v, Sqlite> + Type<Sqlite>,
) -> Result<(), sqlx::Error> {
    arguments.add(value).map_err(sqlx::Error::Encode)
}

fn bind(arguments: &mut SqliteArguments, words: &mut Words, record: Record) -> Result<(), sqlx::Error> {
    add(arguments, record.seq.cast_signed())?;
    add(arguments, record.at_us)?;
    add(arguments, words.shared(record.kind))?;
    add(arguments, record.session)?;
    add(arguments, record.operation.map(u64::cast_signed))?;
    add(arguments, record.principal)?;
    add(arguments, record.resource)?;
    add(arguments, record.verdict.map(|word| words.shared(word)))?;
    add(arguments, record.status.map(|word| words.shared(word)))?;
    add(arguments, record.body)?;
    add(arguments, record.payload)?;
    add(arguments, record.salt.map(Vec::from))?;
    add(arguments, Vec::from(record.hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_their_rows() {
        let statements = statements();
        assert_eq!(statements.len(), ROWS);
        assert_eq!(statements[1].matches('?').count(), 26);
    }
}
