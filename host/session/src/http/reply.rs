//! The way back to the client of one exchange: one head, then pieces of a body.

use super::traffic::{Answer, Broken, Frame, Header, OwnAnswer, Pipe};
use crate::ports::RefusedBy;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use weir_model::{Fault, FaultSource};

/// Pieces of a body on their way; a slow client stops the upstream behind so many.
pub(super) const PIECES: usize = 4;

/// The client has hung up.
#[derive(Debug)]
pub(super) struct Gone;

pub(super) struct Reply {
    tell: Option<oneshot::Sender<Answer>>,
    body: Option<mpsc::Sender<Result<Frame, Broken>>>,
    /// bytes of the body that are still to come, when its length was told
    left: Option<u64>,
    /// only listens whether the client is there
    is_silent: bool,
}

impl Reply {
    pub(super) fn new(tell: oneshot::Sender<Answer>) -> Self {
        Self { tell: Some(tell), body: None, left: None, is_silent: false }
    }

    /// For whoever waits and has nothing to say: sees the client go.
    pub(super) fn listener(&self) -> Self {
        Self { tell: None, body: self.body.clone(), left: None, is_silent: true }
    }

    /// Whether nothing is to be said through it while somebody waits; what it was before.
    pub(super) fn set_silent(&mut self, is_silent: bool) -> bool {
        std::mem::replace(&mut self.is_silent, is_silent)
    }

    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Everything that was announced has been told: whoever lets go of the body now has all of it.
    pub(super) fn is_complete(&self) -> bool {
        self.has_begun() && self.left == Some(0)
    }

    /// The head has been sent; another one never is.
    pub(super) fn has_begun(&self) -> bool {
        self.tell.is_none()
    }

    /// Sends the head, once.
    pub(super) fn begin(
        &mut self,
        status: u16,
        headers: Vec<Header>,
        length: Option<u64>,
    ) -> Result<(), Gone> {
        let Some(tell) = self.tell.take() else { return Ok(()) };
        let (sender, body) = mpsc::channel(PIECES);
        self.body = Some(sender);
        self.left = length;
        tell.send(Answer { status, headers, body: body.into(), length }).map_err(|_| Gone)
    }

    /// An answer that is here at once, all of it; only its body, when a head has been sent already.
    pub(super) async fn whole(&mut self, status: u16, headers: Vec<Header>, body: Bytes) -> Result<(), Gone> {
        let Some(tell) = self.tell.take() else {
            return if body.is_empty() { Ok(()) } else { self.push(Frame::Data(body)).await };
        };
        let length = Some(body.len() as u64);
        self.left = length;
        tell.send(Answer { status, headers, body: Pipe::whole(body), length }).map_err(|_| Gone)?;
        self.left = Some(0);
        Ok(())
    }

    /// Sends the head of an answer without a body, whatever length it tells (HEAD, 304).
    pub(super) fn begin_alone(
        &mut self,
        status: u16,
        headers: Vec<Header>,
        length: Option<u64>,
    ) -> Result<(), Gone> {
        self.begin(status, headers, length)?;
        self.left = Some(0);
        Ok(())
    }

    pub(super) async fn push(&mut self, frame: Frame) -> Result<(), Gone> {
        if let (Frame::Data(bytes), Some(left)) = (&frame, &mut self.left) {
            *left = left.saturating_sub(bytes.len() as u64);
        }
        match &self.body {
            Some(body) => body.send(Ok(frame)).await.map_err(|_| Gone),
            None => Err(Gone),
        }
    }

    /// An answer of our own; only its body, when a head has been sent already.
    pub(super) async fn own(&mut self, own: OwnAnswer) {
        // Whoever has hung up misses it.
        let _ = self.whole(own.status, own.headers, own.body.into()).await;
        self.body = None;
    }

    /// The body ends here, and is not whole. Without a head yet, an error is told instead.
    pub(super) async fn break_off(&mut self, fault: &Fault) {
        if !self.has_begun() {
            return self.own(plain(fault)).await;
        }
        if let Some(body) = self.body.take() {
            let by = by(fault);
            let _ = body.send(Err(Broken { by, message: fault.message.clone() })).await;
        }
    }

    /// Pending while the client is there.
    pub(super) async fn gone(&mut self) {
        match (&mut self.tell, &self.body) {
            (Some(tell), _) => tell.closed().await,
            (None, Some(body)) => body.closed().await,
            (None, None) => std::future::pending().await,
        }
    }
}

/// Who keeps an operation from the upstream because of this fault.
pub(super) fn by(fault: &Fault) -> RefusedBy {
    match fault.source {
        FaultSource::Client => RefusedBy::Inspector,
        FaultSource::Upstream => RefusedBy::Upstream,
        FaultSource::Plugin => RefusedBy::Plugin,
        FaultSource::Policy => RefusedBy::Policy,
        FaultSource::Host => RefusedBy::Host,
    }
}

/// What the client reads when no inspector can say it: `application/problem+json` (RFC 9457).
pub(super) fn plain(fault: &Fault) -> OwnAnswer {
    let (status, title) = match fault.source {
        FaultSource::Client => (400, "Bad Request"),
        FaultSource::Policy => (403, "Forbidden"),
        FaultSource::Upstream => (502, "Bad Gateway"),
        FaultSource::Plugin | FaultSource::Host => (503, "Service Unavailable"),
    };
    let body = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":{},\"code\":{}}}\n",
        quoted(&fault.message),
        quoted(&fault.code)
    );
    let headers = vec![
        Header::new("content-type", Bytes::from_static(b"application/problem+json")),
        Header::new("cache-control", Bytes::from_static(b"no-store")),
    ];
    OwnAnswer { status, headers, body: body.into_bytes() }
}

/// The same as an answer that is here at once.
pub(super) fn plain_answer(fault: &Fault) -> Answer {
    let own = plain(fault);
    let length = Some(own.body.len() as u64);
    Answer { status: own.status, headers: own.headers, body: Pipe::whole(own.body.into()), length }
}

pub(super) fn cut_short() -> Fault {
    Fault::new(FaultSource::Host, "cut-short", "the exchange was broken off")
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            control if control < ' ' => out.push(' '),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_leave_its_string() {
        let fault = Fault::new(FaultSource::Policy, "no", "a \"b\" \\ \n c");
        let body = String::from_utf8(plain(&fault).body).unwrap();
        assert!(body.contains(r#""detail":"a \"b\" \\   c""#), "{body}");
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_complete_with_its_head() {
        let (tell, told) = oneshot::channel();
        let mut reply = Reply::new(tell);
        reply.begin_alone(200, vec![], Some(128)).unwrap();
        assert!(reply.is_complete());
        assert_eq!(told.await.unwrap().length, Some(128));
    }

    #[tokio::test]
    async fn a_second_head_is_never_sent() {
        let (tell, told) = oneshot::channel();
        let mut reply = Reply::new(tell);
        reply.begin(200, vec![], None).unwrap();
        reply.own(OwnAnswer { status: 403, headers: vec![], body: b"no".to_vec() }).await;
        let mut answer = told.await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body.recv().await, Some(Ok(Frame::Data(Bytes::from_static(b"no")))));
        assert_eq!(answer.body.recv().await, None);
    }
}
