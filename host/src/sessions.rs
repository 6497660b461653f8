//! The sessions that live now: who they are, how to reach them, how to cancel what they run.

use crate::postgres::upstream::Account;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, watch};
use weir_model::{EndReason, SessionId, SessionInfo};
use weir_session::ports::{Ask, Leave};
use weir_wire::postgres::{BackendKey, CancelRequest};

/// All live sessions of one host.
#[derive(Default)]
pub(crate) struct Sessions {
    live: Mutex<HashMap<SessionId, Arc<Live>>>,
    /// by the process id the client was told
    keys: Mutex<HashMap<u32, Arc<Live>>>,
    emptied: Notify,
}

/// One live session.
pub(crate) struct Live {
    pub(crate) info: Arc<SessionInfo>,
    end: watch::Sender<Option<EndReason>>,
    cancel: Notify,
    /// what the client was told to cancel with
    key: BackendKey,
    upstream_key: Option<BackendKey>,
    account: Arc<Account>,
    gone: AtomicBool,
}

/// Why a session may not begin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("the gateway serves as many sessions as `server.max_sessions` allows")]
    InAll,
    #[error("{0} has as many sessions on this resource as `max_sessions_per_user` allows")]
    OfUser(String),
}

/// A place among the live sessions; given back when dropped.
pub(crate) struct Seat {
    sessions: Arc<Sessions>,
    live: Arc<Live>,
}

impl Sessions {
    /// Takes a place, if there is one.
    pub(crate) fn enter(
        self: &Arc<Self>,
        info: Arc<SessionInfo>,
        key: BackendKey,
        upstream_key: Option<BackendKey>,
        account: Arc<Account>,
        (max_in_all, max_of_user): (usize, usize),
    ) -> Result<Seat, TooMany> {
        let mut live = lock(&self.live);
        if live.len() >= max_in_all {
            return Err(TooMany::InAll);
        }
        let same =
            |other: &Arc<Live>| other.info.who.id == info.who.id && other.info.resource == info.resource;
        if live.values().filter(|other| same(other)).count() >= max_of_user {
            return Err(TooMany::OfUser(info.who.id.clone()));
        }
        let this = Arc::new(Live {
            info: Arc::clone(&info),
            end: watch::Sender::new(None),
            cancel: Notify::new(),
            key: key.clone(),
            upstream_key,
            account,
            gone: AtomicBool::new(false),
        });
        live.insert(info.id.clone(), Arc::clone(&this));
        lock(&self.keys).insert(key.process_id, Arc::clone(&this));
        Ok(Seat { sessions: Arc::clone(self), live: this })
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.live).len()
    }

    pub(crate) fn list(&self) -> Vec<Arc<SessionInfo>> {
        lock(&self.live).values().map(|live| Arc::clone(&live.info)).collect()
    }

    /// Asks sessions to end, each with its own reason or none.
    pub(crate) fn end(&self, mut reason: impl FnMut(&SessionInfo) -> Option<EndReason>) {
        for live in lock(&self.live).values() {
            if let Some(reason) = reason(&live.info) {
                live.end.send_replace(Some(reason));
            }
        }
    }

    /// Resolves when there is no session left.
    pub(crate) async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.count() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Whether a client may still be told this process id.
    pub(crate) fn is_free(&self, process_id: u32) -> bool {
        !lock(&self.keys).contains_key(&process_id)
    }

    /// A cancel request has come. The key is compared in constant time; a wrong one is answered like a right
    /// one: not at all.
    pub(crate) async fn cancel(&self, request: CancelRequest) {
        let found = lock(&self.keys).get(&request.target.process_id).cloned();
        let Some(live) = found.filter(|live| live.key.key == request.target.key) else { return };
        live.cancel.notify_one();
        let Some(upstream_key) = live.upstream_key.clone() else { return };
        // Between here and the upstream the session may end; its process id is then free, and a cancel for it
        // does nothing, since the upstream compares the key too.
        if live.gone.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = forward_cancel(&live.account, upstream_key).await {
            tracing::info!(session = %live.info.id, %error, "a cancel request could not be forwarded");
        }
    }
}

async fn forward_cancel(
    account: &Account,
    target: BackendKey,
) -> Result<(), crate::postgres::upstream::UpstreamError> {
    use crate::postgres::upstream::UpstreamError::Broken;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = account.dial_for_cancel().await?;
    stream.write_all(&CancelRequest { target }.to_bytes()).await.map_err(Broken)?;
    stream.flush().await.map_err(Broken)?;
    // The upstream closes when it has acted; nobody else may use the address of the session before.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(5), stream.read_u8()).await;
    Ok(())
}

impl Seat {
    pub(crate) fn leave(&self) -> SessionLeave {
        SessionLeave { live: Arc::clone(&self.live), end: self.live.end.subscribe() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.live.gone.store(true, Ordering::Release);
        lock(&self.sessions.keys).remove(&self.live.key.process_id);
        let mut live = lock(&self.sessions.live);
        live.remove(&self.live.info.id);
        if live.is_empty() {
            self.sessions.emptied.notify_waiters();
        }
    }
}

/// What others ask of one session.
pub(crate) struct SessionLeave {
    live: Arc<Live>,
    end: watch::Receiver<Option<EndReason>>,
}

impl Leave for SessionLeave {
    async fn asked(&mut self) -> Ask {
        loop {
            tokio::select! {
                changed = self.end.changed() => {
                    if changed.is_err() {
                        return Ask::End(EndReason::Drained);
                    }
                    if let Some(reason) = self.end.borrow_and_update().clone() {
                        return Ask::End(reason);
                    }
                }
                () = self.live.cancel.notified() => return Ask::Cancel,
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
