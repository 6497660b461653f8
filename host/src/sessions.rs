//! The sessions that live now: who they are, how to reach them, how to cancel what they run.

use crate::asks::{Asks, Listener};
use crate::postgres::upstream::Account;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use tokio::sync::Notify;
use weir_model::{EndReason, ResourceName, SessionId, SessionInfo};
use weir_net::ClientCertificate;
use weir_session::ports::{Ask, Leave};
use weir_wire::postgres::{BackendKey, CancelRequest};

/// All live sessions of one host, and those that are about to be.
#[derive(Default)]
pub(crate) struct Sessions {
    /// connections that are being let in: without session yet
    entering: AtomicUsize,
    taken: Mutex<Taken>,
    live: Mutex<HashMap<SessionId, Arc<Live>>>,
    /// by the process id the client was told
    keys: Mutex<HashMap<u32, Arc<Live>>>,
    emptied: Notify,
}

/// One live session.
pub(crate) struct Live {
    pub(crate) info: Arc<SessionInfo>,
    /// what the client came with, and the session ends with
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
    asks: Asks,
    /// where the protocol has cancel requests
    cancels: Option<Cancels>,
    gone: AtomicBool,
}

/// How a PostgreSQL session is cancelled.
pub(crate) struct Cancels {
    /// what the client was told to cancel with
    pub(crate) key: BackendKey,
    pub(crate) upstream_key: Option<BackendKey>,
    pub(crate) account: Arc<Account>,
}

/// Why a session may not begin.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    #[error("the gateway serves as many sessions as `server.max_sessions` allows")]
    InAll,
    #[error("{0} has as many sessions on this resource as `max_sessions_per_user` allows")]
    OfUser(String),
}

/// Places that are taken, by live sessions and by principals who are on their way in.
#[derive(Default)]
struct Taken {
    in_all: usize,
    of_user: HashMap<Whose, usize>,
}

type Whose = (ResourceName, String);

/// A connection that is being let in; counted until dropped.
pub(crate) struct Entering(Arc<Sessions>);

/// A place for a session that is about to begin; given back when dropped.
pub(crate) struct Reservation {
    sessions: Arc<Sessions>,
    whose: Whose,
}

/// A place among the live sessions; given back when dropped.
pub(crate) struct Seat {
    live: Arc<Live>,
    /// after the session has left the list
    reserved: Reservation,
}

impl Sessions {
    /// Lets a connection begin its login, unless `max` others are at it. Nobody has proven anything yet, so this
    /// is what bounds the work for strangers.
    pub(crate) fn let_in(self: &Arc<Self>, max: usize) -> Option<Entering> {
        let mut now = self.entering.load(Ordering::Relaxed);
        while now < max {
            let next = now + 1;
            match self.entering.compare_exchange_weak(now, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Entering(Arc::clone(self))),
                Err(other) => now = other,
            }
        }
        None
    }

    /// Takes a place, if there is one.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        resource: &ResourceName,
        user: &str,
        (max_in_all, max_of_user): (usize, usize),
    ) -> Result<Reservation, TooMany> {
        let mut taken = lock(&self.taken);
        if taken.in_all >= max_in_all {
            return Err(TooMany::InAll);
        }
        let whose = (resource.clone(), user.to_owned());
        let of_user = taken.of_user.entry(whose.clone()).or_default();
        if *of_user >= max_of_user {
            return Err(TooMany::OfUser(user.to_owned()));
        }
        *of_user += 1;
        taken.in_all += 1;
        Ok(Reservation { sessions: Arc::clone(self), whose })
    }

    pub(crate) fn count(&self) -> usize {
        lock(&self.live).len()
    }

    pub(crate) fn list(&self) -> Vec<Arc<SessionInfo>> {
        lock(&self.live).values().map(|live| Arc::clone(&live.info)).collect()
    }

    /// When the next certificate expires that a session came with; `None` when none does.
    pub(crate) fn next_expiry(&self, now: SystemTime) -> Option<SystemTime> {
        let live = lock(&self.live);
        let certificates = live.values().filter_map(|live| live.certificate.as_ref());
        certificates.map(|certificate| certificate.facts().expires).filter(|at| *at > now).min()
    }

    /// Asks sessions to end, each with its own reason or none.
    pub(crate) fn end(&self, mut reason: impl FnMut(&Live) -> Option<EndReason>) {
        for live in lock(&self.live).values() {
            if let Some(reason) = reason(live) {
                live.asks.end(reason);
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
        let Some(live) = found else { return };
        let Some(cancels) = live.cancels.as_ref().filter(|own| own.key.key == request.target.key) else {
            return;
        };
        live.asks.cancel();
        let Some(upstream_key) = cancels.upstream_key.clone() else { return };
        // Between here and the upstream the session may end; its process id is then free, and a cancel for it
        // does nothing, since the upstream compares the key too.
        if live.gone.load(Ordering::Acquire) {
            return;
        }
        if let Err(error) = forward_cancel(&cancels.account, upstream_key).await {
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

impl Reservation {
    /// The session is live from now on.
    pub(crate) fn enter(
        self,
        info: Arc<SessionInfo>,
        certificate: Option<Arc<ClientCertificate>>,
        cancels: Option<Cancels>,
    ) -> Seat {
        let (asks, gone) = (Asks::default(), AtomicBool::new(false));
        let live = Arc::new(Live { info, certificate, asks, cancels, gone });
        lock(&self.sessions.live).insert(live.info.id.clone(), Arc::clone(&live));
        if let Some(cancels) = &live.cancels {
            lock(&self.sessions.keys).insert(cancels.key.process_id, Arc::clone(&live));
        }
        Seat { live, reserved: self }
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.0.entering.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut taken = lock(&self.sessions.taken);
        taken.in_all = taken.in_all.saturating_sub(1);
        if let Some(count) = taken.of_user.get_mut(&self.whose) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                taken.of_user.remove(&self.whose);
            }
        }
    }
}

impl Seat {
    pub(crate) fn leave(&self) -> SessionLeave {
        SessionLeave { live: Arc::clone(&self.live), listener: Listener::default() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let sessions = &self.reserved.sessions;
        self.live.gone.store(true, Ordering::Release);
        if let Some(cancels) = &self.live.cancels {
            lock(&sessions.keys).remove(&cancels.key.process_id);
        }
        let mut live = lock(&sessions.live);
        live.remove(&self.live.info.id);
        if live.is_empty() {
            sessions.emptied.notify_waiters();
        }
    }
}

/// What others ask of one session. It listens in one place.
pub(crate) struct SessionLeave {
    live: Arc<Live>,
    listener: Listener,
}

impl Leave for SessionLeave {
    async fn asked(&mut self) -> Ask {
        std::future::poll_fn(|context| self.listener.poll(&self.live.asks, context)).await
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_user_and_given_back() {
        let sessions = Arc::new(Sessions::default());
        let (here, there) = (ResourceName::new("here"), ResourceName::new("there"));
        let reserve = |resource, user| sessions.reserve(resource, user, (3, 2));
        let first = reserve(&here, "ann").ok();
        let second = reserve(&here, "ann").ok();
        assert!(first.is_some() && second.is_some());
        assert_eq!(reserve(&here, "ann").err(), Some(TooMany::OfUser("ann".into())));
        let third = reserve(&there, "ann").ok();
        assert!(third.is_some());
        assert_eq!(reserve(&here, "bob").err(), Some(TooMany::InAll));
        drop(first);
        assert!(reserve(&here, "ann").is_ok());
        drop((second, third));
        assert!(lock(&sessions.taken).of_user.is_empty());
    }

    #[test]
    fn only_so_many_are_let_in_at_once() {
        let sessions = Arc::new(Sessions::default());
        let inside = [sessions.let_in(2), sessions.let_in(2)];
        assert!(inside.iter().all(Option::is_some));
        assert!(sessions.let_in(2).is_none());
        drop(inside);
        assert!(sessions.let_in(2).is_some());
    }
}
