//! HTTP as a session sees it: heads, bodies, and what an inspector says of them (the contract of `wit/http.wit` in
//! the host's own types).
//!
//! Framing, connections and encodings are somebody else's: a body is a stream of [`Frame`]s, wherever it comes from
//! and wherever it goes.

pub use super::message::{Goodbye, Message};
pub use super::name::Name;
use crate::ports::RefusedBy;
use crate::traffic::{Request, ResultInfo};
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use weir_model::{Column, Fault};

/// Headers that describe a body as it was encoded: none of them is true of its decoded or changed bytes.
pub const OF_THE_ENCODING: [&str; 6] =
    ["content-encoding", "content-length", "content-md5", "digest", "content-digest", "repr-digest"];

/// One line of a head. The name is in lower case, the value as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: Name,
    pub value: Bytes,
}

impl Header {
    pub fn new(name: &str, value: impl Into<Bytes>) -> Self {
        Self { name: Name::of(&name.to_ascii_lowercase()), value: value.into() }
    }

    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}

/// What the client wants. Credentials and hop-by-hop headers are out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Name,
    pub authority: String,
    pub path: String,
    pub query: Option<String>,
    pub headers: Vec<Header>,
    pub has_body: bool,
    pub length: Option<u64>,
    /// Somebody has approved it: it is not sent once more, whatever becomes of it.
    pub runs_once: bool,
}

impl RequestHead {
    /// Whether it is a handshake of WebSocket that was checked; no other upgrade stays in a head.
    pub fn asks_for_socket(&self) -> bool {
        self.headers.iter().any(|header| header.name == "upgrade" && &*header.value == b"websocket")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    pub status: u16,
    pub headers: Vec<Header>,
    pub has_body: bool,
    pub length: Option<u64>,
}

impl AnswerHead {
    /// The values of a header, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = std::borrow::Cow<'a, str>> {
        self.headers.iter().filter(move |header| header.name == name).map(Header::text)
    }
}

/// A piece of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    Data(Bytes),
    /// Comes last, if at all.
    Trailers(Vec<Header>),
    /// Behind a switch to WebSocket, and then nothing else.
    Message(Message),
}

/// A body that ends before its end: the connection broke, or its encoding is damaged, or a limit was hit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Broken {
    pub by: RefusedBy,
    pub message: String,
}

/// Where a body comes from. What is not asked for is not read: that is the back-pressure.
pub trait Source: Send + 'static {
    /// The next piece, `None` behind the last. Cancel safe.
    fn next(&mut self) -> impl Future<Output = Option<Result<Frame, Broken>>> + Send;
    /// From now on the bytes are wanted decoded (`content-encoding`). Called before the first `next`.
    ///
    /// # Errors
    /// When the encoding is not known.
    fn decode(&mut self) -> Result<(), Broken>;
    /// From now on messages are wanted, none larger than so many bytes. Called before the first `next` of a WebSocket.
    fn messages(&mut self, _most: usize) {}
    /// Resolves when the last message has come, whether or not those before it were asked for. Cancel safe.
    fn closing(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
    /// Whether its sender waits to be asked for it (`expect: 100-continue`), which the first `next` does.
    fn is_asked_for(&self) -> bool {
        false
    }
    /// Whether its sender is in sight, from now to the end of the exchange.
    fn sight(&self) -> Sight {
        Sight::default()
    }
}

/// Whether a client is in sight. Its end shows only in a read, and stands behind everything that is not read: of one that
/// has sent more than is read ahead, nobody can tell whether it is still there. Clones are the same one; in sight at first.
#[derive(Clone, Debug, Default)]
pub struct Sight(Option<Arc<AtomicBool>>);

impl Sight {
    /// One that can be blocked.
    pub fn new() -> Self {
        Self(Some(Arc::default()))
    }

    pub fn set_blocked(&self, is_blocked: bool) {
        if let Some(blocked) = &self.0 {
            blocked.store(is_blocked, Ordering::Release);
        }
    }

    pub fn is_blocked(&self) -> bool {
        self.0.as_ref().is_some_and(|blocked| blocked.load(Ordering::Acquire))
    }
}

pub use super::pipe::Pipe;

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Pipe,
    /// Known when nothing is changed in it or all of it is here.
    pub length: Option<u64>,
}

/// The way to the upstream for one exchange; it has a connection, or makes one, when it is used.
pub trait Upstream: Clone + Send + Sync + 'static {
    type Body: Source;
    /// `length`: of the body, when it is known.
    fn send(
        self,
        head: RequestHead,
        body: Pipe,
        length: Option<u64>,
    ) -> impl Future<Output = Result<(AnswerHead, Self::Body), Fault>> + Send;
}

/// How the rest of a body is shown to the inspector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    #[default]
    Unseen,
    Whole,
    Growing,
    /// What follows are messages of a WebSocket.
    Messages,
    /// The body was given with the head, and this is what is said of it.
    Seen,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOutcome {
    pub show: Show,
    pub operations: Vec<Request>,
    pub refusal: Option<Fault>,
    pub release: u32,
    pub need: u32,
    pub headers: Vec<Header>,
}

/// Changes: bytes `starts[i]..stops[i]` become `texts[ends[i-1]..ends[i]]`. Ascending, not overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans {
    pub starts: Vec<u32>,
    pub stops: Vec<u32>,
    pub texts: Vec<u8>,
    pub ends: Vec<u32>,
}

/// Values and where they are: triples of column, start, length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    pub columns: Arc<[Column]>,
    pub cells: Vec<u32>,
    pub decoded: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerOutcome {
    pub show: Show,
    pub values: Values,
    pub changes: Spans,
    pub release: u32,
    pub need: u32,
    pub results: Vec<ResultInfo>,
    pub operations: Vec<Request>,
    pub refusal: Option<Fault>,
    pub notes: Vec<String>,
}

/// A request of the inspector's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRequest {
    pub method: Name,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
    pub operation: Request,
}

/// An answer of the inspector's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAnswer {
    pub status: u16,
    pub headers: Vec<Header>,
    pub body: Vec<u8>,
}

/// The HTTP inspector of one session: see `wit/http.wit` for what each call means.
pub trait HttpInspector: Send {
    fn judged_by(&self) -> weir_model::JudgedBy;
    /// Whether it still answers.
    fn is_usable(&self) -> bool;
    /// `ended`: exchanges that are over. `body`: all of it, when it is here already.
    fn request(
        &mut self,
        ended: &[u32],
        exchange: u32,
        head: &RequestHead,
        body: Option<&[u8]>,
    ) -> impl Future<Output = Result<RequestOutcome, Fault>> + Send;
    fn request_body(
        &mut self,
        exchange: u32,
        data: &[u8],
        end: bool,
    ) -> impl Future<Output = Result<RequestOutcome, Fault>> + Send;
    /// `body`: all of it, when it is here already.
    fn answer(
        &mut self,
        exchange: u32,
        head: &AnswerHead,
        body: Option<&[u8]>,
    ) -> impl Future<Output = Result<AnswerOutcome, Fault>> + Send;
    fn answer_body(
        &mut self,
        exchange: u32,
        data: &[u8],
        end: bool,
    ) -> impl Future<Output = Result<AnswerOutcome, Fault>> + Send;
    /// A message of the client, whole.
    fn message(
        &mut self,
        exchange: u32,
        text: bool,
        data: &[u8],
    ) -> impl Future<Output = Result<RequestOutcome, Fault>> + Send;
    /// A message of the upstream, whole.
    fn answer_message(
        &mut self,
        exchange: u32,
        text: bool,
        data: &[u8],
    ) -> impl Future<Output = Result<AnswerOutcome, Fault>> + Send;
    fn encode(
        &mut self,
        exchange: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> impl Future<Output = Result<Spans, Fault>> + Send;
    fn refuse(
        &mut self,
        exchange: u32,
        refused: &[u32],
        why: &Fault,
    ) -> impl Future<Output = Result<OwnAnswer, Fault>> + Send;
    fn refuse_asked(
        &mut self,
        exchange: u32,
        refused: &[u32],
        why: &Fault,
    ) -> impl Future<Output = Result<Vec<u8>, Fault>> + Send;
    fn answer_asked(
        &mut self,
        exchange: u32,
        refused: &[u32],
        why: &Fault,
    ) -> impl Future<Output = Result<Vec<OwnRequest>, Fault>> + Send;
    fn noted(&mut self, notes: &[String]) -> impl Future<Output = Result<(), Fault>> + Send;
    fn waiting(
        &mut self,
        exchange: u32,
        message: &str,
    ) -> impl Future<Output = Result<Option<OwnAnswer>, Fault>> + Send;
    fn end(&mut self, exchange: u32) -> impl Future<Output = ()> + Send;
}
