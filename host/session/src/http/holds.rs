//! Operations of a session that wait for a person, and may be taken back by another exchange of the same session.

use super::session::lock;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use weir_model::{Abandoned, Fault, FaultSource, RefusedBy};

/// Questions of upstreams that nobody has allowed: so many are remembered, the newest.
const MOST_QUESTIONS: usize = 4096;
/// Operations that were taken back before they waited: so many are remembered. Their numbers never come again.
const MOST_EARLY: usize = 256;
/// The attribute by which an inspector says which operations an operation takes back.
const CANCELS: &str = "cancels";
/// The attribute by which an inspector says which operations of the upstream an operation answers.
const ANSWERS: &str = "answers";

fn numbers<'a>(operation: &'a weir_model::Operation, name: &str) -> Option<impl Iterator<Item = u32> + 'a> {
    let said = operation.attributes.iter().find(|attribute| attribute.name == name)?;
    Some(said.value.split(',').filter_map(|number| number.parse().ok()))
}

/// Why an operation waits no longer, though nobody has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GivenUp {
    /// The client took it back.
    Cancelled,
    ClientGone,
    UpstreamGone,
    /// The connection it is of has been quiet for too long.
    Idle,
}

impl GivenUp {
    pub(super) fn abandoned(self) -> Abandoned {
        match self {
            Self::Cancelled => Abandoned::Cancelled,
            Self::ClientGone => Abandoned::ClientGone,
            Self::UpstreamGone => Abandoned::UpstreamGone,
            Self::Idle => Abandoned::SessionFailed,
        }
    }

    /// What its record says.
    pub(super) fn refusal(self) -> (RefusedBy, Fault) {
        let (by, source, code, message) = match self {
            Self::Cancelled => {
                (RefusedBy::Client, FaultSource::Client, "cancelled-by-client", "the client cancelled it")
            }
            Self::ClientGone => (RefusedBy::Client, FaultSource::Client, CLIENT_GONE, "the client went away"),
            Self::UpstreamGone => {
                (RefusedBy::Upstream, FaultSource::Upstream, "upstream-gone", "the upstream went away")
            }
            Self::Idle => (RefusedBy::Host, FaultSource::Host, "idle", "nothing was said for too long"),
        };
        (by, Fault::new(source, code, format!("{message} while it waited for approval")))
    }
}

pub(super) const CLIENT_GONE: &str = "client-gone";

#[derive(Default)]
pub(super) struct Holds(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    waiting: HashMap<u32, watch::Sender<Option<GivenUp>>>,
    early: VecDeque<(u32, GivenUp)>,
    /// what upstreams ask, and what was not allowed: the client was not told of it
    questions: BTreeSet<u32>,
}

/// One operation that waits; it does no longer when this is dropped.
pub(super) struct Hold {
    holds: Arc<Holds>,
    operation: u32,
    given_up: watch::Receiver<Option<GivenUp>>,
}

impl Holds {
    pub(super) fn hold(self: &Arc<Self>, operation: u32) -> Hold {
        let mut inner = lock(&self.0);
        let early = inner.early.iter().find(|(number, _)| *number == operation);
        let sender = watch::Sender::new(early.map(|(_, why)| *why));
        let given_up = sender.subscribe();
        inner.waiting.insert(operation, sender);
        Hold { holds: Arc::clone(self), operation, given_up }
    }

    /// An upstream asks this, and it is not decided yet.
    pub(super) fn asks(&self, questions: impl IntoIterator<Item = u32>) {
        let mut inner = lock(&self.0);
        inner.questions.extend(questions);
        while inner.questions.len() > MOST_QUESTIONS {
            inner.questions.pop_first();
        }
    }

    /// It may be asked: the client is told.
    pub(super) fn asked(&self, questions: impl IntoIterator<Item = u32>) {
        let mut inner = lock(&self.0);
        for question in questions {
            inner.questions.remove(&question);
        }
    }

    /// Whether this operation answers a question that its client has not been asked.
    pub(super) fn answers_too_early(&self, operation: &weir_model::Operation) -> bool {
        numbers(operation, ANSWERS).is_some_and(|mut answered| {
            let inner = lock(&self.0);
            answered.any(|question| inner.questions.contains(&question))
        })
    }

    /// This operation is allowed and recorded: what it takes back is taken back.
    pub(super) fn cancelled_by(&self, operation: &weir_model::Operation) {
        if let Some(numbers) = numbers(operation, CANCELS) {
            self.give_up(numbers, GivenUp::Cancelled);
        }
    }

    /// These wait no longer, nor will they when they come to it.
    pub(super) fn give_up(&self, operations: impl IntoIterator<Item = u32>, why: GivenUp) {
        let mut inner = lock(&self.0);
        for number in operations {
            if let Some(waiting) = inner.waiting.get(&number) {
                waiting.send_if_modified(|given_up| given_up.replace(why).is_none());
                continue;
            }
            if inner.early.len() >= MOST_EARLY {
                inner.early.pop_front();
            }
            inner.early.push_back((number, why));
        }
    }
}

impl Hold {
    pub(super) fn given_up(&self) -> Option<GivenUp> {
        *self.given_up.borrow()
    }

    /// Resolves when it is given up. Cancel safe.
    pub(super) async fn is_given_up(&mut self) -> GivenUp {
        let why = self.given_up.wait_for(Option::is_some).await.ok().and_then(|why| *why);
        match why {
            Some(why) => why,
            // The sender lives as long as this.
            None => std::future::pending().await,
        }
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

    #[test]
    fn a_question_is_answered_when_it_was_asked() {
        let holds = Arc::<Holds>::default();
        holds.asks([5, 6]);
        let answers = |numbers: &str| {
            let mut operation = cancelling("");
            operation.attributes = vec![Attribute::new(ANSWERS, numbers)];
            holds.answers_too_early(&operation)
        };
        assert!(answers("5") && answers("4,6") && !answers("4") && !answers(""));
        holds.asked([5]);
        assert!(!answers("5") && answers("5,6") && !holds.answers_too_early(&cancelling("6")));
    }

    #[tokio::test]
    async fn what_is_taken_back_is_so_whether_it_waits_already_or_not_yet() {
        let holds = Arc::<Holds>::default();
        let (mut first, other) = (holds.hold(1), holds.hold(2));
        holds.cancelled_by(&cancelling("1,3"));
        assert_eq!(first.is_given_up().await, GivenUp::Cancelled);
        assert!(other.given_up().is_none());
        assert_eq!(holds.hold(3).given_up(), Some(GivenUp::Cancelled));
        drop((first, other));
        assert!(lock(&holds.0).waiting.is_empty());
    }
}
