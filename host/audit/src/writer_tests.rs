use super::*;
use crate::event::HostStopped;
use crate::verify::Verifier;
use std::collections::VecDeque;

/// What the store does with an append.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Stores,
    Fails,
    /// The worst case: stored, but reported as failed.
    StoresAndFails,
    Hangs,
}

#[derive(Default)]
struct Inner {
    records: Vec<Record>,
    fates: VecDeque<Fate>,
    groups: Vec<usize>,
    rests: Vec<u64>,
    closed: bool,
    heads_fail: usize,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Inner>>);

impl Memory {
    fn with(fates: &[Fate]) -> Self {
        let memory = Self::default();
        memory.inner().fates.extend(fates);
        memory
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn kinds(&self) -> Vec<String> {
        self.inner().records.iter().map(|record| record.kind.to_string()).collect()
    }

    /// Verifies what is stored.
    fn assert_chain(&self) {
        let mut verifier = Verifier::new(Head::EMPTY, None, Vec::new());
        self.inner().records.iter().for_each(|record| verifier.check(record).unwrap());
    }
}

impl TrailStore for Memory {
    async fn append(&mut self, group: Vec<Record>) -> Result<(), StoreError> {
        let fate = self.inner().fates.pop_front().unwrap_or(Fate::Stores);
        if fate == Fate::Hangs {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        if fate != Fate::Fails {
            let mut inner = self.inner();
            inner.groups.push(group.len());
            inner.records.extend(group);
        }
        match fate {
            Fate::Stores | Fate::Hangs => Ok(()),
            Fate::Fails | Fate::StoresAndFails => Err(StoreError("disk full".into())),
        }
    }

    async fn head(&mut self) -> Result<Head, StoreError> {
        let mut inner = self.inner();
        if inner.heads_fail > 0 {
            inner.heads_fail -= 1;
            return Err(StoreError("still full".into()));
        }
        Ok(inner.records.last().map_or(Head::EMPTY, |last| Head { seq: last.seq, hash: last.hash }))
    }

    async fn rest(&mut self, open_from: u64) {
        self.inner().rests.push(open_from);
    }

    async fn close(self) {
        self.inner().closed = true;
    }
}

fn settings() -> WriterSettings {
    WriterSettings {
        first_retry: Duration::from_millis(10),
        max_retry: Duration::from_millis(20),
        patience: Duration::from_millis(50),
        ..WriterSettings::default()
    }
}

fn event() -> Event {
    Event::HostStopped(HostStopped { reason: "test".into() })
}

async fn record(handle: &AuditHandle) -> Result<(), AuditDown> {
    handle.record(vec![event()]).await?.durable().await
}

async fn until_healthy(handle: &AuditHandle) {
    while !handle.is_healthy() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn groups_form_while_the_store_is_busy() {
    let memory = Memory::with(&[Fate::Hangs]);
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings());
    let first = handle.record(vec![event()]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut receipts = Vec::new();
    for _ in 0..20 {
        receipts.push(handle.record(vec![event(), event()]).await.unwrap());
    }
    first.durable().await.unwrap();
    for receipt in receipts {
        receipt.durable().await.unwrap();
    }
    assert_eq!(memory.inner().groups, [1, 40]);
    assert_eq!(*handle.durable_seq().borrow(), 41);
    assert_eq!(handle.metrics().records.load(Ordering::Relaxed), 41);
    assert_eq!(handle.queued_records(), 0);
    memory.assert_chain();
    writer.stop().await;
    assert!(memory.inner().closed);
    assert_eq!(record(&handle).await, Err(AuditDown::Stopped));
}

#[tokio::test]
async fn a_group_has_a_limit_but_a_call_is_never_split() {
    let memory = Memory::with(&[Fate::Hangs]);
    let settings = WriterSettings { max_group_records: 4, ..settings() };
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings);
    let mut receipts = vec![handle.record(vec![event()]).await.unwrap()];
    tokio::time::sleep(Duration::from_millis(20)).await;
    for size in [3, 2, 6, 1] {
        receipts.push(handle.record(vec![event(); size]).await.unwrap());
    }
    for receipt in receipts {
        receipt.durable().await.unwrap();
    }
    assert_eq!(memory.inner().groups, [1, 3, 2, 6, 1]);
    writer.stop().await;
}

#[tokio::test]
async fn a_failing_store_refuses_then_recovers_with_a_gap() {
    let memory = Memory::with(&[Fate::Stores, Fate::Fails, Fate::Fails]);
    memory.inner().heads_fail = 1;
    let (handle, writer) = Writer::start(
        memory.clone(),
        Head::EMPTY,
        WriterSettings { patience: Duration::from_secs(30), ..settings() },
    );
    record(&handle).await.unwrap();
    let down = record(&handle).await.unwrap_err();
    assert_eq!(down, AuditDown::Store("disk full".into()));
    // At once, not after the patience.
    let asked = Instant::now();
    assert_eq!(record(&handle).await.unwrap_err(), down);
    assert!(asked.elapsed() < Duration::from_secs(15));
    until_healthy(&handle).await;
    record(&handle).await.unwrap();
    assert_eq!(memory.kinds(), ["host-stopped", "gap", "host-stopped"]);
    let gap = memory.inner().records[1].body.clone();
    assert!(gap.contains(r#""events":2"#) && gap.contains("disk full"), "{gap}");
    memory.assert_chain();
    assert_eq!(handle.metrics().refused_events.load(Ordering::Relaxed), 2);
    writer.stop().await;
}

#[tokio::test]
async fn a_commit_that_failed_but_was_stored_keeps_the_chain_whole() {
    let memory = Memory::with(&[Fate::StoresAndFails]);
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings());
    assert!(record(&handle).await.is_err());
    until_healthy(&handle).await;
    record(&handle).await.unwrap();
    assert_eq!(memory.kinds(), ["host-stopped", "gap", "host-stopped"]);
    memory.assert_chain();
    writer.stop().await;
}

#[tokio::test]
async fn a_full_queue_costs_the_patience_then_refuses() {
    let memory = Memory::with(&[Fate::Hangs]);
    let settings = WriterSettings { max_queued_records: 2, ..settings() };
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings);
    let first = handle.record(vec![event()]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let second = handle.record(vec![event(), event()]).await.unwrap();
    let asked = Instant::now();
    assert_eq!(handle.record(vec![event()]).await.unwrap_err(), AuditDown::Full);
    assert!(asked.elapsed() >= Duration::from_millis(50));
    first.durable().await.unwrap();
    second.durable().await.unwrap();
    record(&handle).await.unwrap();
    assert!(memory.kinds().contains(&"gap".to_owned()));
    // More than the whole queue holds: goes when it is alone.
    handle.record(vec![event(); 9]).await.unwrap().durable().await.unwrap();
    handle.record(Vec::new()).await.unwrap().durable().await.unwrap();
    memory.assert_chain();
    writer.stop().await;
}

#[tokio::test]
async fn bytes_are_bounded_too() {
    let memory = Memory::with(&[Fate::Hangs]);
    let settings = WriterSettings { max_queued_bytes: 1000, ..settings() };
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings);
    let large = || Event::HostStopped(HostStopped { reason: "x".repeat(600) });
    let _first = handle.record(vec![large()]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _second = handle.record(vec![large()]).await.unwrap();
    assert_eq!(handle.record(vec![large()]).await.unwrap_err(), AuditDown::Full);
    writer.stop().await;
}

#[tokio::test]
async fn stopping_stores_what_is_queued() {
    let memory = Memory::with(&[Fate::Hangs]);
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings());
    let mut receipts = Vec::new();
    for _ in 0..50 {
        receipts.push(handle.record(vec![event()]).await.unwrap());
    }
    writer.stop().await;
    for receipt in receipts {
        receipt.durable().await.unwrap();
    }
    assert_eq!(memory.inner().records.len(), 50);
}

#[tokio::test]
async fn the_store_learns_below_what_nothing_is_open() {
    let memory = Memory::default();
    let settings = WriterSettings { idle_after: Duration::from_millis(5), ..settings() };
    let (handle, writer) = Writer::start(memory.clone(), Head::EMPTY, settings);
    let events = crate::record::tests::every_event();
    let pick = |kind: &str| events.iter().find(|event| event.kind() == kind).cloned().unwrap();
    let mut said = Vec::new();
    for kind in ["host-started", "intent", "held", "outcome", "reviewed"] {
        handle.record(vec![pick(kind)]).await.unwrap().durable().await.unwrap();
        while memory.inner().rests.len() <= said.len() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        said.push(memory.inner().rests.last().copied().unwrap());
    }
    assert_eq!(said, [2, 2, 2, 3, 6]);
    writer.stop().await;
}
