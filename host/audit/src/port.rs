//! What the trail asks of a store. The store implements it; nothing here knows SQL.

use crate::chain::Head;
use crate::record::Record;
use std::future::Future;

/// A store failed. What it was doing is in the message; whether anything was stored must be asked anew.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Where records are appended. Exactly one writer holds it.
pub trait TrailStore: Send + 'static {
    /// Stores the group, in order, in one transaction. `Ok` means durable: on the disk, not only in a cache.
    ///
    /// # Errors
    /// When the group is not known to be durable. Some or all of it may have been stored nevertheless; the writer
    /// asks for the [`head`](Self::head) before it goes on.
    fn append(&mut self, group: Vec<Record>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The last stored record, read from the store itself, after whatever repair a failed append needs.
    ///
    /// # Errors
    /// When the store does not work.
    fn head(&mut self) -> impl Future<Output = Result<Head, StoreError>> + Send;

    /// Nothing is waiting, or much has been written since the last call: time for the store's own housekeeping.
    /// Everything below record `open_from` is settled: no intent and no hold among them is still open.
    ///
    /// A failure here must not lose anything; the store reports it in its own log.
    fn rest(&mut self, open_from: u64) -> impl Future<Output = ()> + Send;

    /// No more records will come.
    fn close(self) -> impl Future<Output = ()> + Send;
}
