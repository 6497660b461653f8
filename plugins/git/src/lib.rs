//! The git inspector: smart HTTP (gitprotocol-http), protocol versions 0, 1 and 2, in front of `git http-backend` or
//! whatever else speaks it.
//!
//! | request | operation | action |
//! |---|---|---|
//! | `GET …/info/refs?service=…`, version 2's `ls-refs` | `git.list-refs` | read |
//! | version 2's `fetch`, all others of `git-upload-pack` | `git.fetch` | read |
//! | version 2's `object-info`, `bundle-uri` | `git.object-info`, `git.list-bundles` | read |
//! | each ref of a push | `git.update-ref` | write |
//! | the empty request in front of a large one | `git.probe` | session |
//!
//! What hooks and servers say to people is shown to maskers ([`texts`]); names of refs and the contents of packs are not.
//!
//! A push is one request: when one of its refs is refused, none is updated. The first bytes of its pack are looked into
//! for commits that prove an update to be a fast-forward ([`pack`]); the rest passes unseen. Everything else is refused: the dumb protocol, signed pushes, Git LFS, archives.

pub mod draft;
pub mod fetch;
pub mod inspector;
pub mod names;
pub mod operations;
pub mod pack;
pub mod pkt;
pub mod push;
pub mod refusal;
pub mod target;
pub mod texts;

pub use inspector::Inspector;

use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Fault, HttpInspector, Limits, NoSettings, OwnAnswer, RequestHead,
    RequestOutcome, SessionInfo, Spans,
};

impl HttpInspector for Inspector {
    const NAME: &'static str = "git";
    const DESCRIPTION: &'static str = "git over HTTP: refs that are read, fetched and pushed";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo, limits: Limits, masking: bool) -> Result<Self, Fault> {
        Ok(Self::new(limits, masking))
    }

    fn request(&mut self, exchange: u32, head: &RequestHead) -> Result<RequestOutcome, Fault> {
        Ok(self.read_head(exchange, head))
    }

    fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        self.read_body(exchange, data, end)
    }

    fn answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        self.read_answer(exchange, head)
    }

    fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        self.read_answer_body(exchange, data, end)
    }

    fn encode(&mut self, exchange: u32, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        self.put_back(exchange, cells, texts, ends)
    }

    fn refuse(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> OwnAnswer {
        self.refuse_request(exchange, refused, why)
    }

    /// After this the head of the answer is out: of what `refuse` answers then, only the body counts, and fits.
    fn waiting(&mut self, exchange: u32, message: &str) -> Option<OwnAnswer> {
        self.tell_waiting(exchange, message)
    }

    fn end(&mut self, exchange: u32) {
        self.forget(exchange);
    }
}

weir_sdk::export_http_inspector!(Inspector);
