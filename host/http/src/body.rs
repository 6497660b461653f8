//! Bodies: what comes from hyper as a [`Source`], and what goes to hyper from a [`Pipe`].

use crate::decode::{Coding, Decoder, Reader, codings};
use crate::hygiene;
use crate::websocket::{Start, Took};
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body as HyperBody, Frame as HyperFrame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use weir_model::RefusedBy;
use weir_session::http::traffic::{Broken, Frame, Header, Pipe, Sight, Source};

/// The body of a request, as it comes from the client.
pub type ClientBody = Body;
/// The body of an answer, as it comes from the upstream.
pub type UpstreamBody = Body;

pub(crate) type Raw = UnsyncBoxBody<Bytes, Broken>;

/// A body on its way in. Nothing is read before it is asked for: what is not taken stays in the sender's window.
pub struct Body {
    state: State,
    /// From the head, outermost last; `Err` when one is not known.
    codings: Result<Vec<Coding>, String>,
    from: RefusedBy,
    patience: Option<Duration>,
    /// When the next piece was first asked for.
    waits_since: Option<Instant>,
    /// Lives as long as the body is not read to its end.
    kept: Option<Box<dyn Send>>,
    /// What nobody reads is read and thrown away, for a while.
    lingers: bool,
    sight: Sight,
    is_asked_for: bool,
}

/// How much of a body, and for how long, is read when nobody wants it.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);

enum State {
    Raw(Raw),
    Decoded(Decoder),
    /// Of a WebSocket; told once how large they may be.
    Messages(Took, Option<Start>),
    Over,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Body").field("codings", &self.codings).finish_non_exhaustive()
    }
}

impl Body {
    /// `from` sends it: [`RefusedBy::Client`] or [`RefusedBy::Upstream`]. `headers` say how it is encoded. Who says
    /// nothing for `patience` while the next piece is waited for, breaks it.
    pub(crate) fn new(
        body: impl HyperBody<Data = Bytes, Error = hyper::Error> + Send + 'static,
        headers: &[Header],
        from: RefusedBy,
        patience: Option<Duration>,
    ) -> Self {
        if body.is_end_stream() {
            return Self::in_state(State::Over, Ok(Vec::new()), from, patience);
        }
        let raw = body.map_err(move |error| broke_off(from, &error)).boxed_unsync();
        Self::from_raw(raw, headers, from, patience)
    }

    pub(crate) fn from_raw(
        raw: Raw,
        headers: &[Header],
        from: RefusedBy,
        patience: Option<Duration>,
    ) -> Self {
        let state = if raw.is_end_stream() { State::Over } else { State::Raw(raw) };
        Self::in_state(state, codings(headers), from, patience)
    }

    fn in_state(
        state: State,
        codings: Result<Vec<Coding>, String>,
        from: RefusedBy,
        patience: Option<Duration>,
    ) -> Self {
        Self {
            state,
            codings,
            from,
            patience,
            waits_since: None,
            kept: None,
            lingers: false,
            sight: Sight::default(),
            is_asked_for: false,
        }
    }

    /// Its sender waits to be asked for it.
    pub(crate) fn asked_for(mut self, is_asked_for: bool) -> Self {
        self.is_asked_for = is_asked_for;
        self
    }

    /// How far its sender is seen.
    pub(crate) fn in_sight(mut self, sight: Sight) -> Self {
        self.sight = sight;
        self
    }

    /// Over HTTP/2, a body that is dropped before its end resets its stream. The answer is whole by then, but some
    /// clients (curl 7.88) that are still sending take that for a failure. So the rest of a short body is let come.
    pub(crate) fn linger(mut self) -> Self {
        self.lingers = true;
        self
    }

    /// What comes behind a switch to WebSocket.
    pub(crate) fn messages(took: Took, start: Start) -> Self {
        let sight = took.sight();
        let state = State::Messages(took, Some(start));
        Self::in_state(state, Ok(Vec::new()), RefusedBy::Client, None).in_sight(sight)
    }

    pub(crate) fn keep(&mut self, kept: impl Send + 'static) {
        if !matches!(self.state, State::Over) {
            self.kept = Some(Box::new(kept));
        }
    }

    async fn piece(&mut self) -> Option<Result<Frame, Broken>> {
        loop {
            match &mut self.state {
                State::Over => return None,
                State::Decoded(decoder) => return decoder.next().await,
                State::Messages(took, _) => return took.next().await,
                State::Raw(raw) => match raw.frame().await? {
                    Ok(frame) => {
                        if let Some(frame) = incoming(frame, self.from) {
                            return Some(frame);
                        }
                    }
                    Err(broken) => return Some(Err(broken)),
                },
            }
        }
    }

    fn is_read(&self) -> bool {
        match &self.state {
            State::Raw(raw) => raw.is_end_stream(),
            State::Decoded(_) | State::Messages(..) => false,
            State::Over => true,
        }
    }

    fn finish(&mut self) {
        self.state = State::Over;
        self.kept = None;
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let (true, State::Raw(raw)) = (self.lingers, std::mem::replace(&mut self.state, State::Over))
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(tokio::time::timeout(LINGER, let_come(raw)));
        }
    }
}

async fn let_come(mut raw: Raw) {
    let mut left = LINGER_BYTES;
    while let Some(Ok(frame)) = raw.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

impl Source for Body {
    async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        let piece = match self.patience {
            None => self.piece().await,
            Some(patience) => {
                let until = *self.waits_since.get_or_insert_with(Instant::now) + patience;
                match tokio::time::timeout_at(until, self.piece()).await {
                    Ok(piece) => piece,
                    Err(_) => Some(Err(Broken {
                        by: self.from,
                        message: format!("nothing more of the body came within {} s", patience.as_secs()),
                    })),
                }
            }
        };
        self.waits_since = None;
        match &piece {
            Some(Ok(Frame::Data(_) | Frame::Message(_))) if !self.is_read() => {}
            Some(_) | None => self.finish(),
        }
        piece
    }

    fn messages(&mut self, most: usize) {
        if let State::Messages(_, start) = &mut self.state
            && let Some(start) = start.take()
        {
            // Nobody hears it when the other end is gone, and then nothing comes.
            let _ = start.send(most);
        }
    }

    async fn closing(&mut self) {
        match &mut self.state {
            State::Messages(took, _) => took.closing().await,
            _ => std::future::pending().await,
        }
    }

    fn is_asked_for(&self) -> bool {
        self.is_asked_for
    }

    fn sight(&self) -> Sight {
        self.sight.clone()
    }

    fn decode(&mut self) -> Result<(), Broken> {
        let codings = self
            .codings
            .as_ref()
            .map_err(|message| Broken { by: RefusedBy::Inspector, message: message.clone() })?;
        if codings.is_empty() {
            return Ok(());
        }
        self.state = match std::mem::replace(&mut self.state, State::Over) {
            State::Raw(raw) => State::Decoded(Decoder::new(Reader::new(raw), codings, self.from)),
            other => other,
        };
        Ok(())
    }
}

/// `None` for what says nothing.
pub(crate) fn incoming(frame: HyperFrame<Bytes>, from: RefusedBy) -> Option<Result<Frame, Broken>> {
    match frame.into_data() {
        Ok(data) if data.is_empty() => None,
        Ok(data) => Some(Ok(Frame::Data(data))),
        Err(frame) => frame.into_trailers().ok().map(|map| {
            let broken = |message: &str| Broken { by: from, message: message.to_owned() };
            hygiene::trailers_in(&map).map(Frame::Trailers).map_err(broken)
        }),
    }
}

fn broke_off(from: RefusedBy, error: &hyper::Error) -> Broken {
    let who = if from == RefusedBy::Upstream { "the upstream" } else { "the client" };
    Broken { by: from, message: format!("{who} broke off in its body: {}", crate::refusal::causes(error)) }
}

/// A body on its way out. Dropping it closes the pipe, which its producer sees.
pub(crate) struct PipeBody {
    from: From,
    /// Bytes that must still come, when that is known.
    left: Option<u64>,
    /// Dropped when everything was taken, or the body was.
    _taken: Option<oneshot::Sender<()>>,
    /// Lives as long as the body.
    _kept: Option<Box<dyn Send>>,
}

enum From {
    Pipe(Pipe),
    Text(Bytes),
    Broken(Broken),
    Nothing,
}

impl PipeBody {
    pub(crate) fn new(pipe: Pipe, length: Option<u64>) -> Self {
        let from = match (pipe.into_whole(), length) {
            (_, Some(0)) => From::Nothing,
            (Ok(data), Some(length)) if (data.len() as u64) < length => {
                From::Broken(not_as_announced("shorter"))
            }
            (Ok(data), Some(length)) if data.len() as u64 > length => {
                From::Broken(not_as_announced("longer"))
            }
            (Ok(data), _) if data.is_empty() => From::Nothing,
            (Ok(data), _) => From::Text(data),
            (Err(pipe), _) => From::Pipe(pipe),
        };
        Self { from, left: length, _taken: None, _kept: None }
    }

    /// Whether nothing of it is still to come from somebody.
    pub(crate) fn is_here(&self) -> bool {
        !matches!(self.from, From::Pipe(_))
    }

    pub(crate) fn nothing() -> Self {
        Self { from: From::Nothing, left: Some(0), _taken: None, _kept: None }
    }

    /// None here, of a length that the head tells (HEAD, 304).
    pub(crate) fn unsaid() -> Self {
        Self { left: None, ..Self::nothing() }
    }

    pub(crate) fn text(text: String) -> Self {
        Self {
            left: u64::try_from(text.len()).ok(),
            from: From::Text(text.into()),
            _taken: None,
            _kept: None,
        }
    }

    /// Resolves when the last of it was taken; `None`: there is nothing to take.
    pub(crate) fn taken(mut self) -> (Self, Option<oneshot::Receiver<()>>) {
        if matches!(self.from, From::Nothing) {
            return (self, None);
        }
        let (told, taken) = oneshot::channel();
        self._taken = Some(told);
        (self, Some(taken))
    }

    /// Keeps something until this is sent or given up.
    pub(crate) fn until_dropped(self, kept: impl Send + 'static) -> Self {
        Self { _kept: Some(Box::new(kept)), ..self }
    }

    fn end(&mut self) {
        self.from = From::Nothing;
        self._taken = None;
    }

    fn data(&mut self, data: Bytes) -> Result<HyperFrame<Bytes>, Broken> {
        if let Some(left) = self.left {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            let rest = left.checked_sub(length).ok_or_else(|| not_as_announced("longer"))?;
            self.left = Some(rest);
            if rest == 0 {
                self._taken = None;
            }
        }
        Ok(HyperFrame::data(data))
    }
}

fn not_as_announced(how: &str) -> Broken {
    Broken { by: RefusedBy::Host, message: format!("the body is {how} than announced") }
}

impl HyperBody for PipeBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<HyperFrame<Bytes>, Broken>>> {
        let this = &mut *self;
        loop {
            let pipe = match &mut this.from {
                From::Nothing => return Poll::Ready(None),
                From::Text(text) => {
                    let text = std::mem::take(text);
                    this.end();
                    return Poll::Ready(Some(Ok(HyperFrame::data(text))));
                }
                From::Broken(broken) => {
                    let broken = broken.clone();
                    this.end();
                    return Poll::Ready(Some(Err(broken)));
                }
                From::Pipe(pipe) => pipe,
            };
            let frame = match ready!(pipe.poll_recv(context)) {
                Some(Ok(Frame::Data(data))) if data.is_empty() => continue,
                Some(Ok(Frame::Data(data))) => this.data(data),
                Some(Ok(Frame::Trailers(_))) | None if this.left.is_some_and(|left| left > 0) => {
                    Err(not_as_announced("shorter"))
                }
                None => {
                    this.end();
                    return Poll::Ready(None);
                }
                Some(Ok(Frame::Trailers(trailers))) => {
                    this.end();
                    let trailers = hygiene::trailers_out(&trailers);
                    if trailers.is_empty() {
                        return Poll::Ready(None);
                    }
                    Ok(HyperFrame::trailers(trailers))
                }
                // Only a connection that has switched carries them.
                Some(Ok(Frame::Message(_))) => continue,
                Some(Err(broken)) => Err(broken),
            };
            if frame.is_err() {
                this.end();
            }
            return Poll::Ready(Some(frame));
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.from, From::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
