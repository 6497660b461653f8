//! Operations of a session that wait for a person, and may be taken back by another exchange of the same session.

use super::session::lock;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Operations that were taken back before they waited: so many are remembered. Their numbers never come again.
const MOST_EARLY: usize = 256;
/// The attribute by which an inspector says which operations an operation takes back.
const CANCELS: &str = "cancels";

#[derive(Default)]
pub(super) struct Holds(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    waiting: HashMap<u32, watch::Sender<bool>>,
    early: VecDeque<u32>,
}

/// One operation that waits; it does no longer when this is dropped.
pub(super) struct Hold {
    holds: Arc<Holds>,
    operation: u32,
    cancelled: watch::Receiver<bool>,
}

impl Holds {
    pub(super) fn hold(self: &Arc<Self>, operation: u32) -> Hold {
        let mut inner = lock(&self.0);
        let sender = watch::Sender::new(inner.early.contains(&operation));
        let cancelled = sender.subscribe();
        inner.waiting.insert(operation, sender);
        Hold { holds: Arc::clone(self), operation, cancelled }
    }

    /// This operation is allowed and recorded: what it takes back is taken back.
    pub(super) fn cancelled_by(&self, operation: &weir_model::Operation) {
        let said = operation.attributes.iter().find(|attribute| attribute.name == CANCELS);
        let Some(said) = said else { return };
        let mut inner = lock(&self.0);
        for number in said.value.split(',').filter_map(|number| number.parse().ok()) {
            if let Some(waiting) = inner.waiting.get(&number) {
                waiting.send_replace(true);
                continue;
            }
            if inner.early.len() >= MOST_EARLY {
                inner.early.pop_front();
            }
            inner.early.push_back(number);
        }
    }
}

impl Hold {
    pub(super) fn is_cancelled(&self) -> bool {
        *self.cancelled.borrow()
    }

    /// Resolves when it is taken back. Cancel safe.
    pub(super) async fn cancelled(&mut self) {
        // The sender lives as long as this.
        let _ = self.cancelled.wait_for(|cancelled| *cancelled).await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        lock(&self.holds.0).waiting.remove(&self.operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weir_model::{Action, Attribute, Operation};

    fn cancelling(numbers: &str) -> Operation {
        Operation {
            kind: "toy".into(),
            action: Action::Session,
            text: String::new(),
            objects: vec![],
            parameters: vec![],
            attributes: vec![Attribute::new(CANCELS, numbers)],
            claimed: vec![],
        }
    }

    #[tokio::test]
    async fn what_is_taken_back_is_so_whether_it_waits_already_or_not_yet() {
        let holds = Arc::<Holds>::default();
        let (mut first, other) = (holds.hold(1), holds.hold(2));
        holds.cancelled_by(&cancelling("1,3"));
        first.cancelled().await;
        assert!(first.is_cancelled() && !other.is_cancelled());
        assert!(holds.hold(3).is_cancelled());
        drop((first, other));
        assert!(lock(&holds.0).waiting.is_empty());
    }
}
