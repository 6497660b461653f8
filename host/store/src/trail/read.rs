//! Reading: a few read-only connections beside the writer, or in another process.
//!
//! A read sees the trail as of one commit and holds back the emptying of the log only while it lasts, so
//! everything long goes page by page.

use super::rows::{COLUMNS, record};
use super::{OpenError, failed};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions, QueryBuilder, Row, Sqlite, SqliteConnection};
use std::path::Path;
use std::time::Duration;
use weir_audit::{
    BoxFuture, Filter, Head, Record, StoreError, TrailReader, UNPROVEN_KIND, claimed_in_payload,
    digest_in_body, needle_in_payload,
};

/// Connections, each with a thread of its own.
const CONNECTIONS: u32 = 3;

/// The trail of a running or stopped gateway, read-only.
#[derive(Clone, Debug)]
pub struct Reader {
    pool: SqlitePool,
}

impl Reader {
    /// Opens the trail in the folder `state`, which must exist. Needs no lock.
    ///
    /// # Errors
    /// When there is no trail or it cannot be read.
    pub async fn open(state: &Path) -> Result<Self, OpenError> {
        let path = state.join("audit.db");
        let path = path.canonicalize().map_err(|error| OpenError::File { path, error })?;
        Self::open_file(&path).await
    }

    pub(super) async fn open_file(path: &Path) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(Duration::from_secs(5))
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await;
        let pool = pool.map_err(|error| OpenError::Store { path: path.to_owned(), error: failed(error) })?;
        Ok(Self { pool })
    }

    /// Closes the connections; later questions fail.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A number before which no record of this moment or later stands. Microseconds since 1970-01-01 UTC; the host's
    /// clock may step back, so records of before may follow.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn first_since(&self, since_us: i64) -> Result<u64, StoreError> {
        let filter = Filter { since_us: Some(since_us), ..Filter::default() };
        let (first, _) = self.bounds(&filter).await?;
        Ok(u64::try_from(first).unwrap_or(0))
    }

    pub(super) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    async fn fetch(&self, mut query: QueryBuilder<Sqlite>) -> Result<Vec<Record>, StoreError> {
        let rows = query.build().fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(record).collect()
    }

    async fn find(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let mut query = select();
        let (first, last) = self.bounds(filter).await?;
        query.push(" AND seq >= ").push_bind(first).push(" AND seq <= ").push_bind(last);
        if let Some(since) = filter.since_us {
            query.push(" AND at >= ").push_bind(since);
        }
        if let Some(until) = filter.until_us {
            query.push(" AND at < ").push_bind(until);
        }
        for (column, value) in [
            (" AND resource = ", &filter.resource),
            (" AND kind = ", &filter.kind),
            (" AND verdict = ", &filter.verdict),
            (" AND status = ", &filter.status),
        ] {
            if let Some(value) = value {
                query.push(column).push_bind(value.clone());
            }
        }
        if let Some(user) = &filter.principal {
            // The name that was proven, or the one that was claimed.
            query.push(" AND (principal = ").push_bind(user.clone());
            query.push(" OR (principal IS NULL AND kind = ");
            query.push_bind(UNPROVEN_KIND);
            query.push(" AND instr(payload, ").push_bind(claimed_in_payload(user)).push(") > 0))");
        }
        if filter.kind.as_ref().is_some_and(|kind| kind != "intent" && kind != "outcome") {
            // The index of rare kinds needs to be told that it fits.
            query.push(" AND kind NOT IN ('intent', 'outcome')");
        }
        match (&filter.session, filter.operation) {
            (Some(session), operation) => in_session(&mut query, session, operation),
            (None, Some(operation)) => _ = query.push(" AND operation = ").push_bind(operation.cast_signed()),
            (None, None) => {}
        }
        if let Some(digest) = &filter.plugin {
            query.push(" AND instr(body, ").push_bind(digest_in_body(digest)).push(") > 0");
        }
        if let Some(needle) = filter.needle() {
            query.push(" AND instr(lower(payload), ").push_bind(needle_in_payload(&needle)).push(") > 0");
            query.push(
                " AND EXISTS (SELECT 1 FROM json_tree(payload) WHERE type = 'text' AND instr(lower(atom), ",
            );
            query.push_bind(needle).push(") > 0)");
        }
        query.push(" ORDER BY seq DESC LIMIT ").push_bind(i64::from(filter.limit()));
        self.fetch(query).await
    }

    /// The numbers between which everything the filter's times allow must be, from the periods' times.
    async fn bounds(&self, filter: &Filter) -> Result<(i64, i64), StoreError> {
        let last = filter.before_seq.map_or(i64::MAX, |before| signed(before).saturating_sub(1));
        if filter.since_us.is_none() && filter.until_us.is_none() {
            return Ok((0, last));
        }
        let row = sqlx::query(
            "WITH indexed(seq) AS (SELECT cast(value AS INTEGER) FROM meta WHERE key = 'indexed_to')
             SELECT (SELECT coalesce(min(first_seq), (SELECT seq + 1 FROM indexed)) FROM period WHERE max_at >= ?1),
                    (SELECT coalesce(max(last_seq), 0) FROM period WHERE min_at < ?2),
                    EXISTS (SELECT 1 FROM record WHERE seq > (SELECT seq FROM indexed) AND at < ?2)",
        )
        .bind(filter.since_us.unwrap_or(i64::MIN))
        .bind(filter.until_us.unwrap_or(i64::MAX))
        .fetch_one(&self.pool)
        .await
        .map_err(failed)?;
        let until = if row.get::<bool, _>(2) { i64::MAX } else { row.get(1) };
        Ok((row.get(0), last.min(until)))
    }
}

impl TrailReader for Reader {
    fn search<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(self.find(filter))
    }

    fn after(&self, seq: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut query = select();
            query.push(" AND seq > ").push_bind(signed(seq));
            query.push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit));
            self.fetch(query).await
        })
    }

    fn of_session<'a>(
        &'a self,
        session: &'a str,
        operation: Option<u64>,
        seq: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut query = select();
            in_session(&mut query, session, operation);
            query.push(" AND seq > ").push_bind(signed(seq));
            query.push(" ORDER BY seq LIMIT ").push_bind(i64::from(limit));
            self.fetch(query).await
        })
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>> {
        Box::pin(async move {
            let mut query = select();
            query.push(" AND kind NOT IN ('intent', 'outcome') AND kind = ").push_bind(kind.to_owned());
            query.push(" ORDER BY seq");
            self.fetch(query).await
        })
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>> {
        Box::pin(async move {
            let mut connection = self.pool.acquire().await.map_err(failed)?;
            head(&mut connection).await
        })
    }
}

/// The last record, or [`Head::EMPTY`].
pub(super) async fn head(connection: &mut SqliteConnection) -> Result<Head, StoreError> {
    let row = sqlx::query("SELECT seq, hash FROM record ORDER BY seq DESC LIMIT 1");
    let Some(row) = row.fetch_optional(connection).await.map_err(failed)? else { return Ok(Head::EMPTY) };
    let seq: i64 = row.try_get(0).map_err(failed)?;
    let hash: Vec<u8> = row.try_get(1).map_err(failed)?;
    let hash = hash.try_into().map_err(|_| StoreError(format!("record {seq} has no proper hash")))?;
    Ok(Head { seq: seq.cast_unsigned(), hash })
}

fn select() -> QueryBuilder<Sqlite> {
    QueryBuilder::new(format!("SELECT {COLUMNS} FROM record WHERE true"))
}

/// The records of a session: those indexed, and those not indexed yet.
fn in_session(query: &mut QueryBuilder<Sqlite>, session: &str, operation: Option<u64>) {
    // The derived table only says where to look.
    query.push(" AND session = ").push_bind(session.to_owned());
    query.push(" AND seq IN (SELECT seq FROM of_session WHERE session = ").push_bind(session.to_owned());
    if let Some(operation) = operation {
        query.push(" AND operation = ").push_bind(operation.cast_signed());
    }
    query.push(
        " UNION ALL SELECT seq FROM record
          WHERE seq > (SELECT cast(value AS INTEGER) FROM meta WHERE key = 'indexed_to') AND session = ",
    );
    query.push_bind(session.to_owned());
    if let Some(operation) = operation {
        query.push(" AND operation = ").push_bind(operation.cast_signed());
    }
    query.push(")");
}

fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
