//! Names of result columns, whatever their alias: looked up in the upstream's catalog.
//!
//! Over a connection of the gateway's own, never over a client's: a client's session carries the client's
//! settings (`search_path`, …) and must not run statements nobody asked for. What that connection cannot see
//! (temporary tables, tables of a transaction that is still open) stays without a name; maskers then see the
//! column's visible name and its values.

use super::upstream::Account;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Mutex;
use weir_model::{Column, Fault, FaultSource};
use weir_net::Stream;
use weir_session::ports::{self, Named};
use weir_session::traffic::WireColumn;
use weir_wire::postgres::{DatabaseName, StartupParameters};

/// How long a name is believed: a renamed column is known by its new name after this.
const BELIEVE: Duration = Duration::from_secs(30);
/// How long a lookup may take before the result it is needed for is refused.
const LOOKUP_TIME: Duration = Duration::from_secs(10);
/// Relations remembered for one resource and database; past it, all is forgotten and asked anew.
const MAX_RELATIONS: usize = 20_000;
/// Largest answer of the catalog: a relation has at most 1600 columns with names of 63 bytes.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The catalog of one database of one resource.
pub(crate) struct Catalog {
    account: Arc<Account>,
    database: DatabaseName,
    known: std::sync::Mutex<HashMap<u32, Known>>,
    /// one lookup at a time; the connection is opened when it is first needed
    connection: Mutex<Option<Stream>>,
}

#[derive(Clone)]
struct Known {
    relation: Option<Arc<Relation>>,
    at: Instant,
}

/// A table, view or composite type, and its columns by number.
struct Relation {
    name: String,
    columns: HashMap<u16, String>,
}

impl Catalog {
    pub(crate) fn new(account: Arc<Account>, database: DatabaseName) -> Self {
        Self { account, database, known: std::sync::Mutex::new(HashMap::new()), connection: Mutex::new(None) }
    }

    fn remembered(&self, id: u32) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.get(&id).filter(|known| known.at.elapsed() < BELIEVE).cloned()
    }

    fn remember(&self, id: u32, relation: Option<Arc<Relation>>) -> Known {
        let new = Known { relation, at: Instant::now() };
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if known.len() >= MAX_RELATIONS {
            known.clear();
        }
        known.insert(id, new.clone());
        new
    }

    async fn relation(&self, id: u32) -> Result<Known, Fault> {
        if let Some(relation) = self.remembered(id) {
            return Ok(relation);
        }
        let mut connection = self.connection.lock().await;
        if let Some(relation) = self.remembered(id) {
            return Ok(relation);
        }
        let asked = tokio::time::timeout(LOOKUP_TIME, self.ask(&mut connection, id)).await;
        let unavailable = |detail: String| {
            Fault::new(
                FaultSource::Upstream,
                "58000",
                "the columns of this result could not be looked up, so they cannot be masked",
            )
            .with_detail(detail)
        };
        let relation = match asked {
            Ok(Ok(relation)) => relation.map(Arc::new),
            Ok(Err(detail)) => {
                *connection = None;
                return Err(unavailable(detail));
            }
            Err(_) => {
                *connection = None;
                return Err(unavailable("the catalog did not answer in time".into()));
            }
        };
        Ok(self.remember(id, relation))
    }

    async fn ask(&self, connection: &mut Option<Stream>, id: u32) -> Result<Option<Relation>, String> {
        if let Some(stream) = connection.as_mut() {
            // The upstream may have closed it since; then a new one is tried once.
            if let Ok(relation) = query(stream, id).await {
                return Ok(relation);
            }
        }
        *connection = None;
        let mut parameters = StartupParameters::new();
        for (name, value) in [("application_name", "weir catalog"), ("search_path", "pg_catalog")] {
            parameters.push(name, value).map_err(|error| error.to_string())?;
        }
        let upstream = self
            .account
            .log_in(self.database.clone(), parameters)
            .await
            .map_err(|error| error.to_string())?;
        let stream = connection.insert(upstream.stream);
        query(stream, id).await
    }
}

/// The catalog as one session holds it.
pub(crate) struct SessionCatalog(pub(crate) Arc<Catalog>);

impl ports::Catalog for SessionCatalog {
    async fn columns(&self, wire: Vec<WireColumn>) -> Result<Named, Fault> {
        let mut until = None;
        let mut columns = Vec::with_capacity(wire.len());
        for column in wire {
            let relation = match column.relation_id {
                0 => None,
                id => {
                    let known = self.0.relation(id).await?;
                    let end = tokio::time::Instant::from_std(known.at + BELIEVE);
                    until = until.into_iter().chain([end]).min();
                    known.relation
                }
            };
            let source = relation.as_ref().and_then(|relation| relation.columns.get(&column.column_number));
            columns.push(Column {
                name: column.name,
                relation: relation.as_ref().map(|relation| relation.name.clone()).unwrap_or_default(),
                source: source.cloned().unwrap_or_default(),
                type_name: column.type_name,
                labels: Vec::new(),
            });
        }
        Ok(Named { columns, until })
    }
}

/// One simple query; its only variable part is a number. Rows of four text columns.
async fn query(stream: &mut Stream, id: u32) -> Result<Option<Relation>, String> {
    let text = format!(
        "SELECT n.nspname, c.relname, a.attnum, a.attname FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE c.oid = {id}\0"
    );
    let length = u32::try_from(text.len() + 4).map_err(|error| error.to_string())?;
    let mut message = vec![b'Q'];
    message.extend_from_slice(&length.to_be_bytes());
    message.extend_from_slice(text.as_bytes());
    stream.write_all(&message).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut relation: Option<Relation> = None;
    let mut failure = None;
    let mut total = 0usize;
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.map_err(|error| error.to_string())?;
        let [tag, length @ ..] = head;
        let length =
            (u32::from_be_bytes(length) as usize).checked_sub(4).ok_or("a message without length")?;
        total += length;
        if total > MAX_ANSWER_BYTES {
            return Err("the catalog's answer is too large".into());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.map_err(|error| error.to_string())?;
        match tag {
            b'D' => {
                let fields = fields(&body).ok_or("a malformed row")?;
                if let [schema, name, number, column] = fields.as_slice() {
                    let relation = relation.get_or_insert_with(|| Relation {
                        name: format!("{schema}.{name}"),
                        columns: HashMap::new(),
                    });
                    if let Ok(number) = number.parse() {
                        relation.columns.insert(number, column.clone());
                    }
                }
            }
            b'E' => failure = Some("the catalog refused the lookup".to_owned()),
            b'Z' => return failure.map_or(Ok(relation), Err),
            _ => {}
        }
    }
}

/// The fields of a DataRow in text format.
fn fields(mut body: &[u8]) -> Option<Vec<String>> {
    let (count, rest) = body.split_first_chunk::<2>()?;
    body = rest;
    (0..u16::from_be_bytes(*count))
        .map(|_| {
            let (length, rest) = body.split_first_chunk::<4>()?;
            let (field, rest) = rest.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
            body = rest;
            Some(String::from_utf8_lossy(field).into_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_fields() {
        let row = [&[0, 2, 0, 0, 0, 1][..], b"a", &[0, 0, 0, 2], b"bc"].concat();
        assert_eq!(fields(&row).unwrap(), ["a", "bc"]);
        for cut in 0..row.len() {
            assert!(fields(&row[..cut]).is_none(), "{cut}");
        }
    }
}
