//! A body of which is read what is here already: a short one is then shown with its head, in one call.

use super::traffic::{Broken, Frame, Sight, Source};
use bytes::Bytes;
use std::future::Future;
use std::task::Poll;

/// So much of a body is read before anybody asks for it.
pub(super) const SHORT_BYTES: usize = 64 * 1024;

/// Gives what was read ahead first.
pub(super) struct Ahead<S> {
    source: S,
    here: Option<Bytes>,
    /// what came behind that, if it was no bytes
    then: Option<Result<Frame, Broken>>,
    ended: bool,
}

impl<S: Source> Ahead<S> {
    pub(super) fn new(source: S) -> Self {
        Self { source, here: None, then: None, ended: false }
    }

    /// The whole body, if that is here, at most so many bytes, and not followed by trailers. It is given once more by
    /// `next`.
    pub(super) async fn whole(&mut self, most: usize) -> Option<Bytes> {
        while self.here.as_ref().map_or(0, Bytes::len) <= most {
            match at_once(self.source.next()).await? {
                Some(Ok(Frame::Data(more))) => {
                    self.here = Some(match self.here.take() {
                        Some(here) => [here, more].concat().into(),
                        None => more,
                    });
                }
                Some(other) => {
                    self.then = Some(other);
                    return None;
                }
                None => {
                    self.ended = true;
                    return Some(self.here.clone().unwrap_or_default());
                }
            }
        }
        None
    }
}

impl<S: Source> Source for Ahead<S> {
    async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        if let Some(here) = self.here.take() {
            return Some(Ok(Frame::Data(here)));
        }
        if let Some(then) = self.then.take() {
            return Some(then);
        }
        if self.ended { None } else { self.source.next().await }
    }

    /// Of what was read ahead nothing is encoded.
    fn decode(&mut self) -> Result<(), Broken> {
        self.source.decode()
    }

    fn messages(&mut self, most: usize) {
        self.source.messages(most);
    }

    async fn closing(&mut self) {
        self.source.closing().await;
    }

    fn is_asked_for(&self) -> bool {
        self.source.is_asked_for()
    }

    fn sight(&self) -> Sight {
        self.source.sight()
    }
}

/// What is there without waiting.
pub(super) async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::RefusedBy;
    use std::collections::VecDeque;

    const MOST: usize = 10;

    /// What comes; `None`: not yet.
    struct Script(VecDeque<Option<Result<Frame, Broken>>>);

    impl Source for Script {
        async fn next(&mut self) -> Option<Result<Frame, Broken>> {
            match self.0.front() {
                Some(None) => {
                    self.0.pop_front();
                    std::future::pending().await
                }
                _ => self.0.pop_front().flatten(),
            }
        }

        fn decode(&mut self) -> Result<(), Broken> {
            Ok(())
        }
    }

    fn piece(text: &str) -> Option<Result<Frame, Broken>> {
        Some(Ok(Frame::Data(Bytes::copy_from_slice(text.as_bytes()))))
    }

    async fn given(
        frames: Vec<Option<Result<Frame, Broken>>>,
    ) -> (Option<Bytes>, Vec<Result<Frame, Broken>>) {
        let mut body = Ahead::new(Script(frames.into()));
        let whole = body.whole(MOST).await;
        let mut all = Vec::new();
        while let Some(frame) = body.next().await {
            all.push(frame);
        }
        (whole, all)
    }

    fn data(text: &str) -> Result<Frame, Broken> {
        Ok(Frame::Data(Bytes::copy_from_slice(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_body_that_is_here_is_whole_and_given_once_more() {
        assert_eq!(given(vec![piece("a"), piece("b")]).await, (Some("ab".into()), vec![data("ab")]));
        assert_eq!(given(vec![]).await, (Some("".into()), vec![]));
    }

    #[tokio::test]
    async fn a_body_that_is_still_to_come_loses_nothing() {
        assert_eq!(given(vec![piece("a"), None, piece("b")]).await, (None, vec![data("a"), data("b")]));
        assert_eq!(given(vec![None, piece("b")]).await, (None, vec![data("b")]));
    }

    #[tokio::test]
    async fn trailers_and_a_break_come_behind_what_was_read() {
        let trailers = || Some(Ok(Frame::Trailers(Vec::new())));
        assert_eq!(
            given(vec![piece("a"), trailers()]).await,
            (None, vec![data("a"), Ok(Frame::Trailers(Vec::new()))])
        );
        let broken = Broken { by: RefusedBy::Upstream, message: "gone".into() };
        let frames = vec![piece("a"), Some(Err(broken.clone()))];
        assert_eq!(given(frames).await, (None, vec![data("a"), Err(broken)]));
    }

    #[tokio::test]
    async fn a_long_body_is_not_read_ahead() {
        let long = "x".repeat(MOST + 1);
        let (whole, all) = given(vec![piece(&long), piece("b")]).await;
        assert_eq!((whole, all), (None, vec![data(&long), data("b")]));
    }
}
