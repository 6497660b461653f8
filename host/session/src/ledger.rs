//! What the trail does not have yet: outcomes on their way to the disk, and what found no way there.
//!
//! A place in the queue is no promise: the group it goes with may fail. So an outcome is kept until its receipt
//! says that it is on disk, and brought again if not. The trail keeps the order and refuses everything behind a
//! group that failed, so an intent that is durable proves every outcome before it, or finds it here.

use crate::ports::{Entry, Receipt, RefusedBy};
use smallvec::SmallVec;
use std::collections::VecDeque;
use weir_model::Fault;

/// Nearly always one, which then needs no list.
pub(crate) type Entries = SmallVec<[Entry; 1]>;

/// How much of operations that were refused while the trail was down is kept to be told later. The trail
/// counts the others.
const MAX_MISSED_BYTES: usize = 64 * 1024;
/// What a refusal takes besides its texts.
const ENTRY_BYTES: usize = 512;

pub(crate) struct Ledger<R> {
    on_their_way: VecDeque<(Entries, R)>,
    /// to be brought before anything else
    waiting: Entries,
    /// what refusals among them take
    missed_bytes: usize,
}

impl<R: Receipt> Ledger<R> {
    pub(crate) fn new() -> Self {
        Self { on_their_way: VecDeque::new(), waiting: Entries::new(), missed_bytes: 0 }
    }

    pub(crate) fn waiting(&self) -> &[Entry] {
        &self.waiting
    }

    /// What waits is being recorded.
    pub(crate) fn take(&mut self) -> Entries {
        self.missed_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    pub(crate) fn put_back(&mut self, entries: Entries) {
        self.missed_bytes = entries.iter().map(bytes_of).sum();
        self.waiting = entries;
    }

    pub(crate) fn on_its_way(&mut self, entries: Entries, receipt: R) {
        self.on_their_way.push_back((entries, receipt));
    }

    /// Forgets what is on disk by now, and takes back what was lost.
    pub(crate) fn settle(&mut self) {
        let mut lost = Vec::new();
        while let Some((_, receipt)) = self.on_their_way.front_mut() {
            let Some(is_durable) = receipt.is_durable() else { break };
            let settled = self.on_their_way.pop_front();
            if !is_durable {
                lost.extend(settled.into_iter().flat_map(|(entries, _)| entries));
            }
        }
        self.take_back(lost);
    }

    /// The same, for all of it.
    pub(crate) async fn settle_all(&mut self) {
        let mut lost = Vec::new();
        while let Some((entries, receipt)) = self.on_their_way.pop_front() {
            if !receipt.durable().await {
                lost.extend(entries);
            }
        }
        self.take_back(lost);
    }

    fn take_back(&mut self, mut lost: Vec<Entry>) {
        if lost.is_empty() {
            return;
        }
        for entry in &mut lost {
            if let Entry::Outcome(outcome) = entry {
                outcome.again = true;
            }
        }
        self.waiting.insert_many(0, lost);
    }

    /// These could not be recorded, so what they speak of was refused. That is told when the trail is back, as
    /// far as there is room.
    pub(crate) fn missed(&mut self, entries: impl IntoIterator<Item = Entry>, why: &Fault) {
        for entry in entries {
            let entry = match entry {
                Entry::Intent(intent) => Entry::Refused { intent, by: RefusedBy::Trail, why: why.clone() },
                other => other,
            };
            let bytes = self.missed_bytes + bytes_of(&entry);
            if bytes <= MAX_MISSED_BYTES {
                self.missed_bytes = bytes;
                self.waiting.push(entry);
            }
        }
    }
}

/// Outcomes are always kept; refusals are what must be bounded.
fn bytes_of(entry: &Entry) -> usize {
    let Entry::Refused { intent, .. } = entry else { return 0 };
    let operation = &intent.operation;
    let values = operation.parameters.iter().filter_map(|parameter| parameter.value.as_ref());
    let facts = operation.attributes.iter().chain(&operation.claimed).map(|attribute| &attribute.value);
    let texts = values.chain(facts).chain(&operation.objects).chain(&intent.original).map(String::len);
    ENTRY_BYTES + operation.text.len() + texts.sum::<usize>()
}
