//! Memory for messages that are inspected whole, of all sessions over HTTP together.
//!
//! Each is bounded by itself, but a client may have a hundred of them on each of its connections. Small ones are not
//! counted: of those there are no more than what connections buffer anyway.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use weir_model::{Fault, FaultSource};

/// What is counted at once; so much of each message is free.
const UNIT_BYTES: usize = 64 * 1024;
/// One session may have this part of it: what waits for approval must not keep others out.
const PART: usize = 4;
/// A message that finds no room waits so long for others to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// The room of the gateway.
#[derive(Clone, Debug)]
pub struct Room {
    all: Arc<Semaphore>,
    units: usize,
}

/// The room of one session.
#[derive(Debug)]
pub(super) struct Share {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

/// What a message has of it, until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Place {
    units: usize,
    permits: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

impl Room {
    /// At most so many bytes; at least some.
    pub fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).clamp(PART, Semaphore::MAX_PERMITS);
        Self { all: Arc::new(Semaphore::new(units)), units }
    }

    /// For a session whose messages have at most so many bytes: one of them fits in any case, if it fits at all.
    pub(super) fn share(&self, largest: usize) -> Share {
        let own = (self.units / PART).max(largest / UNIT_BYTES).min(self.units);
        Share { all: Arc::clone(&self.all), own: Arc::new(Semaphore::new(own)) }
    }
}

impl Share {
    /// Makes room for a message of so many bytes, of which `place` may have some already.
    ///
    /// # Errors
    /// When there is none for too long.
    pub(super) async fn grow(&self, place: &mut Place, bytes: usize) -> Result<(), Fault> {
        let units = bytes / UNIT_BYTES;
        let more = units.saturating_sub(place.units);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let taken = timeout(PATIENCE, async {
            // Its own first: who waits for that takes nothing of the others'.
            let own = Arc::clone(&self.own).acquire_many_owned(more).await.ok()?;
            Some((own, Arc::clone(&self.all).acquire_many_owned(more).await.ok()?))
        });
        let Ok(Some((own, all))) = taken.await else {
            let message = "too much is being inspected just now: try again later, or send less at once";
            return Err(Fault::new(FaultSource::Host, "busy", message));
        };
        match &mut place.permits {
            Some(permits) => {
                permits.0.merge(own);
                permits.1.merge(all);
            }
            None => place.permits = Some((own, all)),
        }
        place.units = units;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: usize = UNIT_BYTES;

    #[tokio::test(start_paused = true)]
    async fn a_session_has_its_part_and_all_have_the_whole() {
        let room = Room::new(8 * UNIT);
        let shares: Vec<_> = (0..5).map(|_| room.share(UNIT)).collect();
        let mut places: Vec<_> = (0..5).map(|_| Place::default()).collect();
        // Small ones are free.
        shares[0].grow(&mut places[0], UNIT - 1).await.unwrap();
        assert_eq!(room.all.available_permits(), 8);
        for at in 0..4 {
            shares[at].grow(&mut places[at], UNIT).await.unwrap();
            shares[at].grow(&mut places[at], 2 * UNIT + 5).await.unwrap();
            // Twice the same is counted once.
            shares[at].grow(&mut places[at], 2 * UNIT + 9).await.unwrap();
        }
        assert_eq!(shares[0].grow(&mut Place::default(), UNIT).await.unwrap_err().code, "busy");
        assert_eq!(shares[4].grow(&mut places[4], UNIT).await.unwrap_err().code, "busy");
        places.remove(0);
        shares[4].grow(&mut places[3], UNIT).await.unwrap();
        drop(places);
        assert_eq!(room.all.available_permits(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_what_becomes_free() {
        let room = Room::new(4 * UNIT);
        let share = room.share(UNIT);
        let mut first = Place::default();
        share.grow(&mut first, UNIT).await.unwrap();
        let waiting = tokio::spawn(async move {
            let mut second = Place::default();
            share.grow(&mut second, UNIT).await.is_ok()
        });
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
