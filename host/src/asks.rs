//! What others ask of one session: to end, or to cancel what waits.
//!
//! A session looks at every turn of its loop, and nobody asks it anything for as long as it lives. So a look is a flag
//! and a comparison, and who is to be woken is noted once.

use crate::sessions::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use weir_model::EndReason;
use weir_session::ports::Ask;

/// Where others ask. One session listens.
#[derive(Default)]
pub(crate) struct Asks {
    /// There may be something in `said`.
    rung: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    cancel: bool,
    /// What was said last.
    end: Option<EndReason>,
    listener: Option<Waker>,
}

/// The session's ear.
#[derive(Default)]
pub(crate) struct Listener {
    /// What the other side has been told to wake.
    told: Option<Waker>,
}

impl Asks {
    pub(crate) fn cancel(&self) {
        self.ring(|said| said.cancel = true);
    }

    pub(crate) fn end(&self, reason: EndReason) {
        self.ring(|said| said.end = Some(reason));
    }

    fn ring(&self, say: impl FnOnce(&mut Said)) {
        let listener = {
            let mut said = lock(&self.said);
            say(&mut said);
            self.rung.store(true, Ordering::Release);
            said.listener.clone()
        };
        listener.into_iter().for_each(Waker::wake);
    }
}

impl Listener {
    /// What is asked, an end before a cancel.
    pub(crate) fn poll(&mut self, asks: &Asks, context: &mut Context<'_>) -> Poll<Ask> {
        let waker = context.waker();
        // Whoever only has a look is not to be woken.
        let is_a_look = waker.will_wake(Waker::noop());
        if !is_a_look && !self.told.as_ref().is_some_and(|told| told.will_wake(waker)) {
            self.told = Some(waker.clone());
            lock(&asks.said).listener = Some(waker.clone());
        }
        // Behind the note above: who asks before it is found by the flag, who asks after it wakes.
        if !asks.rung.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        let mut said = lock(&asks.said);
        if let Some(reason) = said.end.take() {
            return Poll::Ready(Ask::End(reason));
        }
        if std::mem::take(&mut said.cancel) {
            return Poll::Ready(Ask::Cancel);
        }
        asks.rung.store(false, Ordering::Release);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::sync::Arc;

    fn look(listener: &mut Listener, asks: &Asks) -> Poll<Ask> {
        listener.poll(asks, &mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_ask_is_heard_once_and_an_end_first() {
        let (asks, mut listener) = (Asks::default(), Listener::default());
        assert_eq!(look(&mut listener, &asks), Poll::Pending);
        asks.cancel();
        asks.end(EndReason::Drained);
        asks.end(EndReason::Revoked);
        assert_eq!(look(&mut listener, &asks), Poll::Ready(Ask::End(EndReason::Revoked)));
        assert_eq!(look(&mut listener, &asks), Poll::Ready(Ask::Cancel));
        assert_eq!(look(&mut listener, &asks), Poll::Pending);
        asks.cancel();
        assert_eq!(look(&mut listener, &asks), Poll::Ready(Ask::Cancel));
    }

    #[tokio::test]
    async fn who_listens_is_woken_each_time_also_after_a_look() {
        let asks = Arc::new(Asks::default());
        let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
        let ear = Arc::clone(&asks);
        tokio::spawn(async move {
            let mut listener = Listener::default();
            loop {
                let ask = poll_fn(|context| listener.poll(&ear, context)).await;
                let _ = heard.send(ask);
                let _ = look(&mut listener, &ear);
            }
        });
        for _ in 0..3 {
            // The other task waits by now.
            tokio::task::yield_now().await;
            asks.cancel();
            assert_eq!(hears.recv().await, Some(Ask::Cancel));
        }
    }
}
