//! What became of a call of `record`: the writer says it once, whoever has the receipt hears it.
//!
//! Callers record one thing after the other, so each keeps the few places this needs, and uses one again when nobody
//! else holds it.

use crate::handle::AuditDown;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Places a caller keeps: what it has on the way to the disk at once.
const KEPT: usize = 4;

type Outcome = Result<(), AuditDown>;

#[derive(Debug)]
enum State {
    Open(Option<Waker>),
    Said(Outcome),
}

#[derive(Debug)]
struct Place(Mutex<State>);

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, outcome: Outcome) {
        let before = std::mem::replace(&mut *self.state(), State::Said(outcome));
        if let State::Open(Some(waiting)) = before {
            waiting.wake();
        }
    }
}

/// The writer's end. Dropped without a word, it says that the writer has stopped.
#[derive(Debug)]
pub(crate) struct Teller(Arc<Place>);

impl Teller {
    pub(crate) fn say(self, outcome: Outcome) {
        self.0.say(outcome);
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        let is_open = matches!(&*self.0.state(), State::Open(_));
        if is_open {
            self.0.say(Err(AuditDown::Stopped));
        }
    }
}

/// The caller's end.
#[derive(Debug)]
pub(crate) struct Hearer(Arc<Place>);

impl Hearer {
    /// What was said, if it was.
    pub(crate) fn heard(&self) -> Option<Outcome> {
        match &*self.0.state() {
            State::Said(outcome) => Some(outcome.clone()),
            State::Open(_) => None,
        }
    }

    pub(crate) async fn hear(self) -> Outcome {
        poll_fn(|context| match &mut *self.0.state() {
            State::Said(outcome) => Poll::Ready(outcome.clone()),
            State::Open(waiting) => {
                if !waiting.as_ref().is_some_and(|known| known.will_wake(context.waker())) {
                    *waiting = Some(context.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

/// The places of one caller.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<Vec<Arc<Place>>>);

impl Places {
    /// Two ends for one call.
    pub(crate) fn ends(&self) -> (Teller, Hearer) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for place in kept.iter_mut() {
            // Only a place that nobody else holds can be had so.
            if let Some(unused) = Arc::get_mut(place) {
                *unused.0.get_mut().unwrap_or_else(PoisonError::into_inner) = State::Open(None);
                return (Teller(Arc::clone(place)), Hearer(Arc::clone(place)));
            }
        }
        let place = Arc::new(Place(Mutex::new(State::Open(None))));
        if kept.len() < KEPT {
            kept.push(Arc::clone(&place));
        }
        (Teller(Arc::clone(&place)), Hearer(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_call_hears_its_own_outcome_and_places_serve_again() {
        let places = Places::default();
        let (first, second) = (places.ends(), places.ends());
        second.0.say(Err(AuditDown::Full));
        assert_eq!((first.1.heard(), second.1.heard()), (None, Some(Err(AuditDown::Full))));
        let waits = tokio::spawn(first.1.hear());
        tokio::task::yield_now().await;
        first.0.say(Ok(()));
        assert_eq!(waits.await.unwrap(), Ok(()));
        assert_eq!(second.1.hear().await, Err(AuditDown::Full));
        let third = places.ends();
        assert_eq!(third.1.heard(), None, "what was said before is gone");
        assert_eq!(places.0.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_writer_that_goes_without_a_word_has_stopped() {
        let (teller, hearer) = Places::default().ends();
        let waits = tokio::spawn(hearer.hear());
        tokio::task::yield_now().await;
        drop(teller);
        assert_eq!(waits.await.unwrap(), Err(AuditDown::Stopped));
    }
}
