//! The audit trail in a SQLite file: start, stop, erase.
//!
//! One process writes (`audit.lock`), any number may read. The file is in WAL mode with `synchronous=FULL`: a
//! commit returns after the log is flushed to the disk.
//!
//! Start-up, in this order, each step a reason not to start: lock → schema → tail of the chain → close what a
//! crash left open → `host-started`.

mod append;
mod erase;
mod inspect;
mod lock;
mod orphans;
mod read;
mod rows;
mod schema;
mod sessions;

pub use inspect::Damage;
pub(crate) use lock::private_file;
pub use read::Reader;

use append::Appender;
use lock::Lock;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use weir_audit::{
    AuditDown, AuditHandle, Broken, Event, Fault, HostStarted, HostStopped, Recovered, StoreError,
    VerifyError, Writer, WriterSettings, close_orphans, verify,
};

#[derive(Clone, Debug)]
pub struct TrailSettings {
    pub writer: WriterSettings,
    /// So many records at the end are verified before the gateway starts. A thousand take some milliseconds.
    pub verify_tail: u64,
    /// Our version, for the `host-started` record.
    pub version: String,
}

impl Default for TrailSettings {
    fn default() -> Self {
        Self {
            writer: WriterSettings::default(),
            verify_tail: 1000,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Why the trail could not be opened. Each is a reason not to start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{path} is in use: another gateway runs on this state folder")]
    InUse { path: PathBuf },
    #[error("{path}: {error}")]
    File { path: PathBuf, error: std::io::Error },
    #[error("{path} has schema version {found}, this program knows {known}: run the version that wrote it")]
    Schema { path: PathBuf, found: String, known: u32 },
    #[error(
        "{path} has been tampered with or damaged, so nothing may be added to it: {broken}. Keep the file for \
             examination, verify it as a whole, and start with another state folder or a restored copy"
    )]
    Broken { path: PathBuf, broken: Broken },
    #[error(
        "{path} has been tampered with or damaged, so nothing may be added to it: {damage}. Keep the file for \
             examination, and start with another state folder or a restored copy"
    )]
    Damaged { path: PathBuf, damage: Damage },
    #[error("{path}: {error}")]
    Store { path: PathBuf, error: StoreError },
    #[error("{path}: {error}")]
    Audit { path: PathBuf, error: AuditDown },
}

/// The open trail of a running gateway.
#[derive(Debug)]
pub struct Trail {
    handle: AuditHandle,
    reader: Arc<Reader>,
    writer: Writer,
    recovered: Recovered,
    path: PathBuf,
}

impl Trail {
    /// Opens or creates the trail in the folder `state` (created with mode 0700, the file with 0600), and records
    /// `host-started`.
    ///
    /// # Errors
    /// [`OpenError`]; nothing runs then.
    pub async fn open(state: &Path, settings: TrailSettings) -> Result<Self, OpenError> {
        let state = lock::folder(state)?;
        let path = state.join("audit.db");
        let lock = Lock::take(&state)?;
        lock::private_file(&path)?;
        let store = |error| OpenError::Store { path: path.clone(), error };

        let (mut appender, about) = Appender::open(&path, lock).await?;
        let reader = Arc::new(Reader::open_file(&path).await?);
        check_tail(&reader, &path, settings.verify_tail, about.open_from).await?;

        let head = appender.read_head().await.map_err(store)?;
        let orphans = orphans::find(&reader, about.open_from).await.map_err(store)?;
        let (head, recovered) = close_orphans(&mut appender, head, orphans).await.map_err(store)?;

        let (handle, writer) = Writer::start(appender, head, settings.writer);
        let started = Event::HostStarted(HostStarted { version: settings.version, instance: about.instance });
        if let Err(error) = record_now(&handle, started).await {
            writer.stop().await;
            return Err(OpenError::Audit { path, error });
        }
        Ok(Self { handle, reader, writer, recovered, path })
    }

    /// The door for events.
    pub fn handle(&self) -> AuditHandle {
        self.handle.clone()
    }

    /// The door for questions.
    pub fn reader(&self) -> Arc<Reader> {
        Arc::clone(&self.reader)
    }

    /// What start-up had to close.
    pub fn recovered(&self) -> Recovered {
        self.recovered
    }

    /// Deletes the payloads of these records for good, after a record that says so is durable. What stays is
    /// everything in their bodies; the chain still verifies. Doing it twice is harmless.
    ///
    /// # Errors
    /// [`AuditDown`] when the erasure could not be recorded, or not be carried out; try again then.
    pub async fn erase(
        &self,
        records: Vec<RangeInclusive<u64>>,
        reason: &str,
        actor: &str,
    ) -> Result<u64, AuditDown> {
        erase::erase(&self.path, &self.handle, records, reason, actor).await
    }

    /// Records `host-stopped`, stores what is queued, and closes the file. Events recorded later are refused.
    pub async fn stop(self, reason: &str) {
        let stopped = Event::HostStopped(HostStopped { reason: reason.to_owned() });
        if let Err(error) = record_now(&self.handle, stopped).await {
            tracing::error!(%error, "the end of the gateway could not be recorded");
        }
        // The writer's connection goes last: only one that may write can empty the log into the file.
        self.reader.close().await;
        self.writer.stop().await;
    }
}

async fn record_now(handle: &AuditHandle, event: Event) -> Result<(), AuditDown> {
    handle.record(vec![event]).await?.durable().await
}

async fn check_tail(reader: &Reader, path: &Path, records: u64, open_from: u64) -> Result<(), OpenError> {
    let failed = |error| OpenError::Store { path: path.to_owned(), error };
    let broken = |broken| OpenError::Broken { path: path.to_owned(), broken };
    if let Some(damage) = reader.foreign().await.map_err(failed)? {
        return Err(OpenError::Damaged { path: path.to_owned(), damage });
    }
    let head = weir_audit::TrailReader::head(reader).await.map_err(failed)?;
    if head.seq + 1 < open_from {
        return Err(broken(Broken { seq: head.seq + 1, fault: Fault::TruncatedEnd(open_from - 1) }));
    }
    let from = head.seq.saturating_sub(records) + 1;
    match verify(reader, from..=u64::MAX, None).await {
        Ok(_) => Ok(()),
        Err(VerifyError::Broken(fault)) => Err(broken(fault)),
        Err(VerifyError::Store(error)) => Err(failed(error)),
    }
}

/// What sqlx says, without its type.
fn failed(error: sqlx::Error) -> StoreError {
    StoreError(error.to_string())
}
