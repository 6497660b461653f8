//! A trail that keeps what it is told, and can be slow or down.

use crate::scene::Hub;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use weir_model::{Fault, FaultSource};
use weir_session::ports::{Entry, Receipt, Trail};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    Up,
    /// what is to be durable waits
    Slow,
    /// refuses at once
    Down,
    /// gives places in the queue; what has one is lost
    Losing,
}

pub(crate) struct ToyTrail(pub(crate) Arc<Hub>);

impl ToyTrail {
    fn keep(&self, entries: &[Entry]) -> Result<(), Fault> {
        assert!(*self.0.disk.borrow() != Disk::Losing);
        let mut left = self.0.writes_left.lock().unwrap();
        if *self.0.disk.borrow() == Disk::Down || *left == Some(0) {
            return Err(Fault::new(FaultSource::Host, "disk-down", "not recorded"));
        }
        *left = left.map(|left| left - 1);
        self.0.entries.lock().unwrap().extend_from_slice(entries);
        Ok(())
    }
}

/// Known at once.
pub(crate) struct ToyReceipt(bool);

impl Receipt for ToyReceipt {
    fn is_durable(&mut self) -> Option<bool> {
        Some(self.0)
    }

    async fn durable(self) -> bool {
        self.0
    }
}

impl Trail for ToyTrail {
    type Receipt = ToyReceipt;

    async fn durable(&self, entries: &[Entry]) -> Result<(), Fault> {
        let mut disk = self.0.disk.subscribe();
        disk.wait_for(|disk| *disk != Disk::Slow).await.unwrap();
        self.keep(entries)
    }

    async fn opened(&self) -> Result<(), Fault> {
        self.0.opened_asked.fetch_add(1, Ordering::Relaxed);
        let mut opened = self.0.opened.subscribe();
        match *opened.wait_for(Option::is_some).await.unwrap() {
            Some(true) => Ok(()),
            _ => Err(Fault::new(FaultSource::Host, "disk-down", "not recorded")),
        }
    }

    async fn queued(&self, entries: &[Entry]) -> Result<ToyReceipt, Fault> {
        if *self.0.disk.borrow() == Disk::Losing {
            return Ok(ToyReceipt(false));
        }
        self.keep(entries).map(|()| ToyReceipt(true))
    }
}
