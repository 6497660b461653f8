//! Reading the trail: the questions a store answers, and what is built from the answers.

use crate::chain::{Anchor, Head};
use crate::port::StoreError;
use crate::record::Record;
use crate::search::Filter;
use crate::verify::{Broken, Verified, Verifier, erased_ranges};
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Records read at a time where all of them are read.
const PAGE: u32 = 1000;

/// The trail, read-only. Reading neither waits for the writer nor makes it wait.
///
/// Every method fails only when the store does.
pub trait TrailReader: Send + Sync {
    /// Records the filter asks for, newest first.
    fn search<'a>(&'a self, filter: &'a Filter) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// Records with numbers above `seq`, oldest first.
    fn after(&self, seq: u64, limit: u32) -> BoxFuture<'_, Result<Vec<Record>, StoreError>>;

    /// Records of a session, or of one of its operations, with numbers above `seq`, oldest first.
    fn of_session<'a>(
        &'a self,
        session: &'a str,
        operation: Option<u64>,
        seq: u64,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// Every record of this kind, oldest first. For rare kinds.
    fn of_kind<'a>(&'a self, kind: &'a str) -> BoxFuture<'a, Result<Vec<Record>, StoreError>>;

    /// The last record.
    fn head(&self) -> BoxFuture<'_, Result<Head, StoreError>>;
}

/// Everything the trail knows of one operation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperationView {
    /// What was sent, who judged it, and the decision.
    pub intent: Option<Record>,
    /// What was refused, instead of or before an intent.
    pub refused: Option<Record>,
    pub held: Option<Record>,
    /// Approval, denial, use: oldest first.
    pub reviews: Vec<Record>,
    pub outcome: Option<Record>,
    /// Anything else with its number.
    pub others: Vec<Record>,
}

/// Why a verification ended without a verdict, or with a bad one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the trail is broken: {0}")]
    Broken(#[from] Broken),
    #[error("the trail cannot be read: {0}")]
    Store(#[from] StoreError),
}

/// The record with this number.
///
/// # Errors
/// When the store fails.
pub async fn show_record(trail: &dyn TrailReader, seq: u64) -> Result<Option<Record>, StoreError> {
    let found = trail.after(seq.saturating_sub(1), 1).await?;
    Ok(found.into_iter().find(|record| record.seq == seq))
}

/// One operation with its intent, decision, approval and outcome; `None` when the trail does not know it.
///
/// # Errors
/// When the store fails.
pub async fn show_operation(
    trail: &dyn TrailReader,
    session: &str,
    operation: u64,
) -> Result<Option<OperationView>, StoreError> {
    let records = trail.of_session(session, Some(operation), 0, PAGE).await?;
    if records.is_empty() {
        return Ok(None);
    }
    let mut view = OperationView::default();
    for record in records {
        match &*record.kind {
            "intent" => view.intent = Some(record),
            "refused" => view.refused = Some(record),
            "held" => view.held = Some(record),
            "reviewed" => view.reviews.push(record),
            "outcome" => view.outcome = Some(record),
            _ => view.others.push(record),
        }
    }
    Ok(Some(view))
}

/// Verifies the records of `range`, as far as they exist; `1..=u64::MAX` is everything.
///
/// The record before the range is taken as good, and so is the beginning of the trail. The anchor, if it lies
/// in the range or behind it, must be in the trail.
///
/// # Errors
/// With the first bad record, or when the store fails.
pub async fn verify(
    trail: &dyn TrailReader,
    range: RangeInclusive<u64>,
    anchor: Option<Anchor>,
) -> Result<Verified, VerifyError> {
    let before = (*range.start()).max(1) - 1;
    let head = match before {
        0 => Head::EMPTY,
        seq => show_record(trail, seq)
            .await?
            .map(|record| Head { seq, hash: record.hash })
            .ok_or(Broken { seq, fault: crate::verify::Fault::Missing })?,
    };
    let erasures = trail.of_kind("payloads-erased").await?;
    let erasures = erasures.iter().flat_map(|record| erased_ranges(&record.body)).collect();
    let anchor = anchor.filter(|anchor| anchor.seq <= *range.end());
    let mut verifier = Verifier::new(head, anchor, erasures);
    loop {
        let page = trail.after(verifier.head().seq, PAGE).await?;
        let Some(last) = page.last().map(|record| record.seq) else { break };
        for record in page.iter().take_while(|record| record.seq <= *range.end()) {
            verifier.check(record)?;
        }
        if last >= *range.end() {
            break;
        }
    }
    Ok(verifier.finish()?)
}

/// Hands every record above `seq` to `take`, oldest first, page by page; `take` says whether it wants more.
/// Returns the number of the last record handed out.
///
/// # Errors
/// When the store fails.
pub async fn export(
    trail: &dyn TrailReader,
    mut seq: u64,
    mut take: impl FnMut(&Record) -> std::ops::ControlFlow<()> + Send,
) -> Result<u64, StoreError> {
    loop {
        let page = trail.after(seq, PAGE).await?;
        if page.is_empty() {
            return Ok(seq);
        }
        for record in &page {
            seq = record.seq;
            if take(record).is_break() {
                return Ok(seq);
            }
        }
    }
}
