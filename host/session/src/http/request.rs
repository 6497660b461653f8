//! The way of a request: inspected, judged, recorded, and only then forwarded.

use super::ahead::{SHORT_BYTES, at_once};
use super::aside::Aside;
use super::head::{HOSTS_OWN, bound, change, readable};
use super::judge::Judged;
use super::outgoing::Outgoing;
use super::reply::{Reply, by, cut_short, plain};
use super::room::Place;
use super::session::{DeskGuard, HttpPorts, HttpSession, lock};
use super::traffic::{
    Answer, Broken, Frame, Header, HttpInspector, Name, OF_THE_ENCODING, OwnAnswer, Pipe, RequestHead,
    RequestOutcome, Show, Sight, Source, Upstream,
};
use crate::exchange::nonsense;
use crate::ports::RefusedBy;
use crate::traffic::Request;
use bytes::{Bytes, BytesMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::oneshot;
use weir_model::{Action, Attribute, EndReason, Fault, FaultSource, Operation};

/// A client that sends nothing for so long waits for an answer.
const SILENCE: Duration = Duration::from_millis(500);

/// For a client to take the close frame of a session that has ended.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What is known of a request when nobody has looked into it.
pub(super) struct Asked {
    pub(super) method: Name,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) query: Option<String>,
}

/// One request with its answer.
pub(super) struct Exchange<P: HttpPorts> {
    pub(super) session: Arc<HttpSession<P>>,
    pub(super) number: u32,
    pub(super) asked: Asked,
    /// operations of it that were forwarded
    forwarded: Mutex<Vec<u32>>,
    /// what the client gets although the request was on its way already
    refused: Mutex<Option<OwnAnswer>>,
    /// where requests of our own go, once this one goes
    aside: OnceLock<Aside>,
    /// of the client
    pub(super) sight: Sight,
    /// held while intents are on their way to the disk, and until it is known here that they run
    pub(super) recording: tokio::sync::Mutex<()>,
    /// somebody has approved something of it
    pub(super) is_approved: AtomicBool,
}

/// What is known of a request's body so far.
pub(super) struct Shown {
    show: Show,
    need: usize,
    buffer: BytesMut,
    ended: bool,
    /// bytes of the buffer were read before the inspector asked for any
    is_ahead: bool,
    /// what broke it off meanwhile
    broken: Option<Broken>,
    pub(super) has_operation: bool,
    decoded: bool,
    pub(super) headers: Vec<Header>,
    place: Place,
}

impl Shown {
    /// Of a request without body.
    pub(super) fn nothing() -> Self {
        Self {
            show: Show::Unseen,
            need: 0,
            buffer: BytesMut::new(),
            ended: true,
            is_ahead: false,
            broken: None,
            has_operation: false,
            decoded: false,
            headers: Vec::new(),
            place: Place::default(),
        }
    }
}

/// How the first part of a request's way ends.
pub(super) enum First {
    /// Its first operations are allowed: these bytes go, and the rest as `Shown` says.
    Forward(Bytes),
    Refused(OwnAnswer),
    Gone,
}

impl<P: HttpPorts> Exchange<P> {
    pub(super) fn new(session: Arc<HttpSession<P>>, number: u32, head: &RequestHead, sight: Sight) -> Self {
        session.begin();
        let RequestHead { method, authority, path, query, .. } = head;
        let asked = Asked {
            method: method.clone(),
            authority: authority.clone(),
            path: path.clone(),
            query: query.clone(),
        };
        let (forwarded, refused, aside) = (Mutex::default(), Mutex::default(), OnceLock::new());
        Self {
            session,
            number,
            asked,
            forwarded,
            refused,
            aside,
            sight,
            recording: tokio::sync::Mutex::default(),
            is_approved: AtomicBool::new(false),
        }
    }

    /// Runs the exchange to its end. Every path out of it closes what it opened.
    pub(super) async fn run<S: Source, U: Upstream>(
        self,
        head: RequestHead,
        body: S,
        upstream: U,
        tell: oneshot::Sender<Answer>,
    ) {
        let session = Arc::clone(&self.session);
        let mut reply = Reply::new(tell);
        let is_socket = head.asks_for_socket();
        let broken = {
            let mut driven = std::pin::pin!(self.drive(head, body, upstream, &mut reply));
            tokio::select! {
                () = driven.as_mut() => None,
                reason = session.ended() => {
                    // An intent that gets on disk gets its outcome there.
                    tokio::select! {
                        biased;
                        () = driven => {}
                        _ = self.recording.lock() => {}
                    }
                    Some(reason)
                }
            }
        };
        if let Some(reason) = &broken {
            let fault = of_end(reason);
            let told = reply.break_off(&fault);
            match is_socket {
                // Whoever does not read it hears nothing: there is no end of a body that must not look whole.
                true => _ = tokio::time::timeout(LAST_WORD, told).await,
                false => told.await,
            }
        }
        let left = std::mem::take(&mut *lock(&self.forwarded));
        if !left.is_empty() {
            let why = match &broken {
                Some(reason) => {
                    format!("the session ended before the end of the answer: {}", reason.as_word())
                }
                None => "the client went away before the end of the answer".to_owned(),
            };
            Box::pin(self.session.lost(&left, &why)).await;
        }
        if broken.is_none() {
            self.session.has_ended(self.number);
        }
        self.session.over().await;
    }

    async fn drive<S: Source, U: Upstream>(
        &self,
        mut head: RequestHead,
        mut body: S,
        upstream: U,
        reply: &mut Reply,
    ) {
        if self.session.masking {
            // Part of an answer cannot be inspected, and what is inspected is not encoded.
            head.headers.retain(|header| !matches!(&*header.name, "range" | "if-range" | "accept-encoding"));
        }
        if head.asks_for_socket() {
            return Box::pin(self.socket(head, body, upstream, reply)).await;
        }
        let mut shown = Shown { ended: !head.has_body, ..Shown::nothing() };
        let first = match self.first(&head, &mut body, &mut shown, reply).await {
            Ok(First::Forward(bytes)) => bytes,
            Ok(First::Refused(own)) => return Box::pin(refuse(own, body, reply)).await,
            Ok(First::Gone) => return,
            Err(fault) => {
                let refused = async {
                    if !shown.has_operation {
                        self.refused_by_inspector(Vec::new(), &fault).await;
                    }
                    refuse(self.own_answer(&[], &fault).await, body, reply).await;
                };
                return Box::pin(refused).await;
            }
        };
        // What will not be looked at any more needs no approval.
        let bound = if shown.show == Show::Unseen { Vec::new() } else { bound(&head) };
        change(&mut head.headers, &shown.headers);
        head.runs_once = self.is_approved.load(Ordering::Relaxed);
        if shown.decoded {
            head.headers.retain(|header| !OF_THE_ENCODING.contains(&&*header.name));
        }
        let length = match shown.ended && shown.buffer.is_empty() {
            true => Some(first.len() as u64),
            false if shown.decoded => None,
            false => head.length,
        };
        self.aside.get_or_init(|| Aside::new(&head.headers, upstream.clone()));
        if shown.ended && shown.buffer.is_empty() && shown.show == Show::Unseen {
            return self.answer(upstream.send(head, Pipe::whole(first), length), reply).await;
        }
        let (outgoing, pipe) = Outgoing::new();
        let mut answer = Box::pin(self.answer(upstream.send(head, pipe, length), reply));
        let mut request = Box::pin(self.rest(body, bound, shown, first, outgoing));
        tokio::select! {
            biased;
            () = &mut answer => {}
            () = &mut request => answer.await,
        }
    }

    /// Up to the first byte that may be forwarded.
    async fn first<S: Source>(
        &self,
        head: &RequestHead,
        body: &mut S,
        shown: &mut Shown,
        reply: &mut Reply,
    ) -> Result<First, Fault> {
        let bound = || bound(head);
        self.ahead(head, body, shown).await;
        let here = (head.has_body && shown.ended).then_some(&*shown.buffer);
        let mut desk = self.session.desk().await;
        desk.read_notes(&self.session.notes).await?;
        let ends = self.session.take_ends();
        let mut outcome = desk.inspector.request(&ends, self.number, head, here).await?;
        if outcome.show == Show::Seen {
            let has_seen = here.is_some() && outcome.release as usize == shown.buffer.len();
            if !has_seen && outcome.refusal.is_none() {
                return Err(nonsense("it keeps part of a whole request"));
            }
            outcome.show = Show::Unseen;
            shown.decoded = true;
        }
        if outcome.show == Show::Messages {
            return Err(nonsense("messages of a request that asks for no WebSocket"));
        }
        if outcome.show == Show::Unseen
            && !shown.ended
            && self.would_ask(&mut desk, &outcome.operations).await
        {
            // Nobody has seen the body, but what is approved is what is sent: so all of it comes first.
            drop(desk);
            self.more(body, shown).await?;
            desk = self.session.desk().await;
        }
        if let Some(own) = self.take(desk, outcome, &bound, shown, Some(reply)).await? {
            return Ok(own);
        }
        if shown.show != Show::Unseen && head.has_body {
            if !shown.ended {
                body.decode().map_err(|broken| from_body(&broken))?;
            }
            shown.decoded = true;
        }
        loop {
            if shown.show == Show::Unseen {
                if !shown.has_operation {
                    return Ok(First::Refused(Box::pin(self.without_operation()).await));
                }
                return Ok(First::Forward(shown.buffer.split().freeze()));
            }
            self.more(body, shown).await?;
            let (desk, outcome) = self.look(shown).await?;
            let release = outcome.release as usize;
            let show = outcome.show;
            if let Some(own) = self.take(desk, outcome, &bound, shown, Some(reply)).await? {
                return Ok(own);
            }
            if shown.has_operation && (release > 0 || show == Show::Unseen || shown.ended) {
                let bytes = match show == Show::Unseen {
                    true => shown.buffer.split(),
                    false => shown.buffer.split_to(release.min(shown.buffer.len())),
                };
                return Ok(First::Forward(bytes.freeze()));
            }
            if release > 0 {
                return Err(nonsense("bytes are released before there is an operation"));
            }
            if shown.ended {
                return Ok(First::Refused(Box::pin(self.without_operation()).await));
            }
        }
    }

    /// What one answer of the inspector asks for, save the release of bytes.
    pub(super) async fn take(
        &self,
        desk: DeskGuard<'_, P>,
        outcome: RequestOutcome,
        bound: &(dyn Fn() -> Vec<u8> + Sync),
        shown: &mut Shown,
        reply: Option<&mut Reply>,
    ) -> Result<Option<First>, Fault> {
        let RequestOutcome { show, operations, refusal, need, headers, .. } = outcome;
        if let Some(why) = refusal {
            drop(desk);
            let ids: Vec<_> = operations.iter().map(|request| request.id).collect();
            Box::pin(self.refused_by_inspector(operations, &why)).await;
            return Ok(Some(First::Refused(Box::pin(self.own_answer(&ids, &why)).await)));
        }
        if headers.iter().any(|header| HOSTS_OWN.contains(&&*header.name)) {
            return Err(nonsense("an inspector changes a header that is the host's"));
        }
        shown.headers.extend(headers);
        (shown.show, shown.need) = (show, need as usize);
        if operations.is_empty() {
            return Ok(None);
        }
        let bound = || [bound().as_slice(), &shown.buffer].concat();
        match self.judge(desk, operations, &bound, reply).await? {
            Judged::Go => shown.has_operation = true,
            Judged::Refused { ids, why } => {
                return Ok(Some(First::Refused(Box::pin(self.own_answer(&ids, &why)).await)));
            }
            Judged::Gone => return Ok(Some(First::Gone)),
        }
        Ok(None)
    }

    /// Reads what is here already of a short body, so that it can be shown with its head.
    async fn ahead<S: Source>(&self, head: &RequestHead, body: &mut S, shown: &mut Shown) {
        let most = SHORT_BYTES.min(self.session.limits.max_operation_bytes);
        let is_short = head.length.is_some_and(|length| length <= most as u64);
        let is_encoded = head.headers.iter().any(|header| header.name == "content-encoding");
        if shown.ended || !is_short || is_encoded || body.is_asked_for() {
            return;
        }
        while shown.buffer.len() <= most
            && let Some(came) = at_once(body.next()).await
        {
            match came {
                Some(Ok(Frame::Data(bytes))) => {
                    self.session.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    shown.buffer.extend_from_slice(&bytes);
                    shown.is_ahead = true;
                }
                // Nothing is known of them that an inspector could say: they stay behind.
                Some(Ok(Frame::Trailers(_) | Frame::Message(_))) => {}
                Some(Err(broken)) => {
                    shown.broken = Some(broken);
                    return;
                }
                None => {
                    shown.ended = true;
                    return;
                }
            }
        }
    }

    /// Reads until there is something new to show.
    async fn more<S: Source>(&self, body: &mut S, shown: &mut Shown) -> Result<(), Fault> {
        let most = self.session.limits.max_operation_bytes;
        if let Some(broken) = shown.broken.take() {
            return Err(from_body(&broken));
        }
        if shown.buffer.len() > most {
            return Err(too_large(most));
        }
        let before = if std::mem::take(&mut shown.is_ahead) { 0 } else { shown.buffer.len() };
        while !shown.ended {
            let enough = shown.show == Show::Growing
                && shown.buffer.len() > before
                && shown.buffer.len() >= shown.need.min(most);
            if enough {
                return Ok(());
            }
            match body.next().await {
                None => shown.ended = true,
                // Nothing is known of them that an inspector could say: they stay behind.
                Some(Ok(Frame::Trailers(_) | Frame::Message(_))) => {}
                Some(Ok(Frame::Data(bytes))) => {
                    self.session.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    if shown.buffer.len().saturating_add(bytes.len()) > most {
                        return Err(too_large(most));
                    }
                    let length = shown.buffer.len() + bytes.len();
                    self.session.room.grow(&mut shown.place, length).await?;
                    shown.buffer.extend_from_slice(&bytes);
                }
                Some(Err(broken)) => return Err(from_body(&broken)),
            }
        }
        Ok(())
    }

    async fn look(&self, shown: &Shown) -> Result<(DeskGuard<'_, P>, RequestOutcome), Fault> {
        let mut desk = self.session.desk().await;
        let outcome = desk.inspector.request_body(self.number, &shown.buffer, shown.ended).await?;
        Ok((desk, outcome))
    }

    /// Behind the first forwarded byte, while the answer may be on its way already.
    async fn rest<S: Source>(
        &self,
        mut body: S,
        bound: Vec<u8>,
        mut shown: Shown,
        first: Bytes,
        outgoing: Outgoing,
    ) {
        match self.send_rest(&mut body, &bound, &mut shown, first, &outgoing).await {
            Ok(()) => outgoing.end(),
            Err(fault) => {
                let own = self.own_answer(&[], &fault).await;
                lock(&self.refused).get_or_insert(own);
                outgoing.break_off(Broken { by: by(&fault), message: fault.message });
            }
        }
    }

    async fn send_rest<S: Source>(
        &self,
        body: &mut S,
        bound: &[u8],
        shown: &mut Shown,
        first: Bytes,
        outgoing: &Outgoing,
    ) -> Result<(), Fault> {
        if !first.is_empty() && outgoing.push(Frame::Data(first)).await.is_err() {
            return Ok(());
        }
        while shown.show != Show::Unseen {
            if shown.ended && shown.buffer.is_empty() {
                return Ok(());
            }
            let is_last = shown.ended;
            self.more(body, shown).await?;
            let (desk, outcome) = self.look(shown).await?;
            let release = outcome.release as usize;
            match self.take(desk, outcome, &|| bound.to_vec(), shown, None).await? {
                None => {}
                Some(First::Refused(own)) => {
                    lock(&self.refused).get_or_insert(own);
                    return Err(Fault::new(FaultSource::Policy, "refused", "the request was refused"));
                }
                Some(_) => return Err(cut_short()),
            }
            let bytes = shown.buffer.split_to(release.min(shown.buffer.len())).freeze();
            if bytes.is_empty() && is_last && shown.show != Show::Unseen {
                return Err(nonsense("it leaves bytes of a request that has ended"));
            }
            if !bytes.is_empty() && outgoing.push(Frame::Data(bytes)).await.is_err() {
                return Ok(());
            }
        }
        let left = shown.buffer.split().freeze();
        if !left.is_empty() && outgoing.push(Frame::Data(left)).await.is_err() {
            return Ok(());
        }
        if let Some(broken) = shown.broken.take() {
            return Err(from_body(&broken));
        }
        while !shown.ended {
            match body.next().await {
                None => shown.ended = true,
                Some(Ok(frame)) => {
                    if let Frame::Data(bytes) = &frame {
                        self.session.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    }
                    if outgoing.push(frame).await.is_err() {
                        return Ok(());
                    }
                }
                Some(Err(broken)) => return Err(from_body(&broken)),
            }
        }
        Ok(())
    }

    pub(super) async fn without_operation(&self) -> OwnAnswer {
        let message = "the inspector found nothing in this request that could be judged";
        let why = Fault::new(FaultSource::Client, "no-operation", message);
        self.refused_by_inspector(Vec::new(), &why).await;
        self.own_answer(&[], &why).await
    }

    /// What the client gets instead of an answer, in its own protocol if the inspector can say it.
    pub(super) async fn own_answer(&self, refused: &[u32], why: &Fault) -> OwnAnswer {
        if why.source == FaultSource::Plugin {
            return plain(why);
        }
        let mut desk = self.session.desk().await;
        match desk.inspector.refuse(self.number, refused, why).await {
            Ok(own) => own,
            Err(fault) => {
                tracing::warn!(session = %self.session.info.id, detail = fault.detail, "a refusal is told plainly: {}", fault.message);
                plain(why)
            }
        }
    }

    pub(super) fn aside(&self) -> Option<&Aside> {
        self.aside.get()
    }

    /// A refusal from the other half of the exchange.
    pub(super) fn refused(&self) -> Option<OwnAnswer> {
        lock(&self.refused).take()
    }

    pub(super) fn forwarded(&self, operation: u32) {
        lock(&self.forwarded).push(operation);
    }

    /// Operations of this exchange that have not ended.
    pub(super) fn open(&self) -> Vec<u32> {
        lock(&self.forwarded).clone()
    }

    /// The first of those, which values and bytes of the answer are counted for.
    pub(super) fn current(&self) -> Option<u32> {
        lock(&self.forwarded).first().copied()
    }

    pub(super) fn ended(&self, operation: u32) {
        lock(&self.forwarded).retain(|open| *open != operation);
    }

    /// A request about which nothing is known but its first line.
    pub(super) fn unnamed(&self) -> Request {
        let operation = Operation {
            kind: "http.request".to_owned(),
            action: Action::Unknown,
            text: format!("{} {}", self.asked.method, readable(&self.asked.path)),
            objects: Vec::new(),
            parameters: Vec::new(),
            attributes: vec![Attribute::new("inspected", "false")],
            claimed: Vec::new(),
        };
        Request { id: u32::MAX - self.number, continues: 0, operation: Arc::new(operation) }
    }
}

fn too_large(most: usize) -> Fault {
    let message = format!("the request is larger than the {most} bytes that are inspected");
    Fault::new(FaultSource::Client, "too-large", message)
}

/// What a client reads when the session ends under it.
fn of_end(reason: &EndReason) -> Fault {
    match reason {
        EndReason::Failed(fault) => fault.clone(),
        EndReason::Revoked => Fault::new(FaultSource::Policy, "revoked", EndReason::REVOKED),
        EndReason::Drained | EndReason::CutShort => {
            Fault::new(FaultSource::Host, "shutting-down", "the gateway is shutting down")
        }
        _ => cut_short(),
    }
}

pub(super) fn from_body(broken: &Broken) -> Fault {
    let source = match broken.by {
        RefusedBy::Upstream => FaultSource::Upstream,
        RefusedBy::Host => FaultSource::Host,
        RefusedBy::Plugin => FaultSource::Plugin,
        RefusedBy::Policy => FaultSource::Policy,
        _ => FaultSource::Client,
    };
    Fault::new(source, "body", broken.message.clone())
}

/// Many clients read no answer before they have sent all of their request (git takes an early one for none), and some
/// send no more before they have an answer: so it comes when the request has ended or falls silent.
async fn refuse<S: Source>(own: OwnAnswer, mut body: S, reply: &mut Reply) {
    while let Ok(Some(Ok(_))) = tokio::time::timeout(SILENCE, body.next()).await {}
    reply.own(own).await;
    while let Some(Ok(_)) = body.next().await {}
}
