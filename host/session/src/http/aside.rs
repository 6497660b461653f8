//! A request of our own beside an exchange: it tells the upstream no, where the upstream waits for an answer that the
//! client was not asked for.
//!
//! It is never taken for one of the client's: its operation says who sent it, its body comes from the inspector alone,
//! and what the upstream answers to it goes nowhere. Like everything, it is on disk before it is sent.

use super::head::HOSTS_OWN;
use super::judge::{Judged, are_new};
use super::request::{Asked, Exchange};
use super::session::HttpPorts;
use super::traffic::{AnswerHead, Header, Name, OwnRequest, Pipe, RequestHead, Source, Upstream};
use crate::traffic::{ResultInfo, Status};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use weir_model::{Attribute, Decision, Fault, FaultSource, Verdict};

/// An upstream takes a no at once. Meanwhile nothing more of its answer is read.
const MOST_TIME: Duration = Duration::from_secs(10);

type Sent = Pin<Box<dyn Future<Output = Result<u16, Fault>> + Send>>;

/// Where requests beside an exchange go.
pub(super) struct Aside {
    /// They may say which of several servers has the session.
    cookies: Vec<Header>,
    send: Box<dyn Fn(RequestHead, Vec<u8>) -> Sent + Send + Sync>,
}

impl Aside {
    /// To where the request with these headers goes.
    pub(super) fn new<U: Upstream>(headers: &[Header], upstream: U) -> Self {
        let cookies = headers.iter().filter(|header| header.name == "cookie").cloned().collect();
        let send = move |head: RequestHead, body: Vec<u8>| -> Sent {
            let upstream = upstream.clone();
            Box::pin(async move {
                let length = head.length;
                let body = Pipe::whole(body.into());
                let (AnswerHead { status, .. }, mut body) = upstream.send(head, body, length).await?;
                while let Some(Ok(_)) = body.next().await {}
                Ok(status)
            })
        };
        Self { cookies, send: Box::new(send) }
    }

    async fn send(
        &self,
        asked: &Asked,
        method: Name,
        headers: Vec<Header>,
        body: Vec<u8>,
    ) -> Result<u16, Fault> {
        let head = RequestHead {
            method,
            authority: asked.authority.clone(),
            path: asked.path.clone(),
            query: asked.query.clone(),
            headers: self.cookies.iter().cloned().chain(headers).collect(),
            has_body: true,
            length: Some(body.len() as u64),
            runs_once: false,
        };
        let sent = tokio::time::timeout(MOST_TIME, (self.send)(head, body)).await;
        sent.unwrap_or_else(|_| Err(Fault::new(FaultSource::Upstream, "upstream-late", "no answer in time")))
    }
}

impl<P: HttpPorts> Exchange<P> {
    /// Records and sends it. Whatever becomes of it, the exchange goes on.
    pub(super) async fn say_no(&self, own: OwnRequest, refused: &[u32]) -> Result<(), Fault> {
        let Some(aside) = self.aside() else { return Ok(()) };
        let OwnRequest { method, headers, body, operation: mut request } = own;
        if headers.iter().any(|header| HOSTS_OWN.contains(&&*header.name)) {
            return Err(crate::exchange::nonsense("an inspector sets a header that is the host's"));
        }
        let numbers: Vec<_> = refused.iter().map(u32::to_string).collect();
        Arc::make_mut(&mut request.operation).attributes.extend([
            Attribute::new("sent-by", "gateway"),
            Attribute::new("answers-refused", numbers.join(",")),
        ]);
        request.continues = 0;
        if !are_new(&self.session.running(), std::slice::from_ref(&request)) {
            return Err(crate::exchange::nonsense("a number of an operation comes again"));
        }
        let decision = Decision {
            verdict: Verdict::Allow,
            findings: vec![],
            tags: weir_model::Tags::default(),
            judged_by: vec![self.session.judged_by.clone()],
        };
        let mut desk = self.session.desk().await;
        let (intent, unmasked) = desk.intent(&request, decision).await;
        drop(desk);
        let number = request.id;
        if let Some(why) = unmasked {
            tracing::warn!(session = %self.session.info.id, "an upstream is not told no: {}", why.message);
            return Ok(());
        }
        // What cannot be recorded is not sent; `go` keeps it for when it can.
        let Judged::Go = self.go(vec![request], vec![intent]).await? else { return Ok(()) };
        let ended = match aside.send(&self.asked, method, headers, body).await {
            Ok(status) if status < 400 => {
                ResultInfo { tag: status.to_string(), ..ResultInfo::bare(number, Status::Ok) }
            }
            Ok(status) => {
                let (tag, code) = (status.to_string(), status.to_string());
                ResultInfo { tag, code, ..ResultInfo::bare(number, Status::Error) }
            }
            Err(why) => {
                let (code, message) = (why.code, why.message);
                ResultInfo { code, message, ..ResultInfo::bare(number, Status::Unknown) }
            }
        };
        self.end(ended).await;
        Ok(())
    }
}
