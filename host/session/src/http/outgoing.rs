//! The body of a request on its way to the upstream: it ends well only when it was sent to its end.
//!
//! A closed pipe means a whole body. So whoever lets go of one that is not whole, because the answer came first or the
//! exchange ended, says so first: an upstream must never take half of a request for all of it.

use super::reply::{Gone, PIECES};
use super::traffic::{Broken, Frame, Pipe};
use crate::ports::RefusedBy;
use tokio::sync::mpsc::{OwnedPermit, Sender, channel};

pub(super) struct Outgoing {
    sender: Sender<Result<Frame, Broken>>,
    /// Room for the last word, kept from the beginning: it is said without waiting. `None` when it was said.
    last_word: Option<OwnedPermit<Result<Frame, Broken>>>,
}

impl Outgoing {
    pub(super) fn new() -> (Self, Pipe) {
        let (sender, pipe) = channel(PIECES + 1);
        let last_word = sender.clone().try_reserve_owned().ok();
        (Self { sender, last_word }, pipe.into())
    }

    pub(super) async fn push(&self, frame: Frame) -> Result<(), Gone> {
        self.sender.send(Ok(frame)).await.map_err(|_| Gone)
    }

    /// That was all of it.
    pub(super) fn end(mut self) {
        self.last_word = None;
    }

    pub(super) fn break_off(mut self, broken: Broken) {
        self.say(broken);
    }

    fn say(&mut self, broken: Broken) {
        if let Some(room) = self.last_word.take() {
            drop(room.send(Err(broken)));
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let message = "the request was not sent to its end".to_owned();
        self.say(Broken { by: RefusedBy::Client, message });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn piece() -> Frame {
        Frame::Data(Bytes::from_static(b"piece"))
    }

    #[tokio::test]
    async fn what_was_sent_to_its_end_ends() {
        let (outgoing, mut pipe) = Outgoing::new();
        outgoing.push(piece()).await.unwrap();
        outgoing.end();
        assert_eq!(pipe.recv().await, Some(Ok(piece())));
        assert_eq!(pipe.recv().await, None);
    }

    #[tokio::test]
    async fn what_is_let_go_of_is_broken_also_when_the_pipe_is_full() {
        let (outgoing, mut pipe) = Outgoing::new();
        for _ in 0..PIECES {
            outgoing.push(piece()).await.unwrap();
        }
        drop(outgoing);
        for _ in 0..PIECES {
            assert_eq!(pipe.recv().await, Some(Ok(piece())));
        }
        assert!(matches!(pipe.recv().await, Some(Err(_))));
        assert_eq!(pipe.recv().await, None);
    }

    #[tokio::test]
    async fn why_it_breaks_off_is_said_once() {
        let (outgoing, mut pipe) = Outgoing::new();
        let why = Broken { by: RefusedBy::Policy, message: "no".into() };
        outgoing.break_off(why.clone());
        assert_eq!(pipe.recv().await, Some(Err(why)));
        assert_eq!(pipe.recv().await, None);
    }
}
