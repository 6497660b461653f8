//! Start-up after a crash: what the last process left open is closed in its name.
//!
//! Runs before the writer, alone with the store, so that nothing new can come between an orphan and its end.
//! Doing it twice is harmless: what is closed is no orphan any more.

use crate::chain::Head;
use crate::clock::Moment;
use crate::event::{Event, Outcome, Place, Recovered, Review, Reviewed, Status};
use crate::port::{StoreError, TrailStore};
use crate::record::Draft;
use std::time::Duration;
use weir_model::{Abandoned, Digest};

/// Records per transaction.
const GROUP: usize = 512;

/// Something without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// An intent without outcome. The upstream may or may not have executed it.
    Operation { place: Place, operation: u64 },
    /// A held operation without a review. Its client is gone, so it will never be executed.
    Hold { place: Place, operation: u64, approval: String, digest: Digest },
}

/// Closes the orphans, then records a `recovered` event if there were any. Returns the new head.
///
/// # Errors
/// When the store fails; what was closed until then stays closed.
pub async fn close_orphans<S: TrailStore>(
    store: &mut S,
    mut head: Head,
    orphans: Vec<Orphan>,
) -> Result<(Head, Recovered), StoreError> {
    let mut recovered = Recovered { operations: 0, holds: 0 };
    for orphan in &orphans {
        match orphan {
            Orphan::Operation { .. } => recovered.operations += 1,
            Orphan::Hold { .. } => recovered.holds += 1,
        }
    }
    if orphans.is_empty() {
        return Ok((head, recovered));
    }
    let mut events: Vec<_> = orphans.into_iter().map(Orphan::end).collect();
    events.push(Event::Recovered(recovered));
    for group in events.chunks(GROUP) {
        let mut records = Vec::with_capacity(group.len());
        for event in group {
            let draft = Draft::new(event).map_err(|error| StoreError(error.to_string()))?;
            records.push(draft.seal(&mut head, &Moment::now()));
        }
        store.append(records).await?;
    }
    Ok((head, recovered))
}

impl Orphan {
    fn end(self) -> Event {
        match self {
            Self::Operation { place, operation } => Event::Outcome(Outcome {
                place,
                operation,
                status: Status::Unknown,
                rows: None,
                tag: String::new(),
                error: None,
                bytes_to_client: 0,
                masked: Vec::new(),
                masked_by: vec![],
                duration: Duration::ZERO,
            }),
            Self::Hold { place, operation, approval, digest } => Event::Reviewed(Reviewed {
                place,
                operation,
                approval,
                digest,
                review: Review::Abandoned(Abandoned::HostStopped),
                reviewer: None,
                comment: String::new(),
            }),
        }
    }
}
