//! A WebSocket: its handshake is a request like any other; behind it, each message of the client is judged and recorded
//! as one, and each of the upstream goes through the maskers.
//!
//! ```text
//! client  ─► message ─► inspect ─► decide ─► hold if asked ─► record ─► upstream   (the next one waits behind it)
//! client  ◄─────────────── mask ◄─ inspect ◄─ message ◄─────────────── upstream   (meanwhile)
//! ```
//!
//! A message that is refused ends the connection (close code 1008, the reason in it): there is no answer to a message,
//! so a client that heard nothing would take it for delivered, and the upstream would get those behind it as if it had
//! never been. The operation of the handshake is open as long as the connection, and its outcome says how that ended.

use super::answer::Stop;
use super::head::{bound, change};
use super::holds::{CLIENT_GONE, GivenUp};
use super::judge::Judged;
use super::message::{close, code};
use super::outgoing::Outgoing;
use super::reply::{Gone, Reply};
use super::request::{Exchange, First, Shown, from_body};
use super::session::{HttpPorts, lock};
use super::spans::apply;
use super::traffic::{
    AnswerHead, Frame, Goodbye, HttpInspector, Message, OwnAnswer, RequestHead, Show, Source, Upstream,
};
use crate::exchange::nonsense;
use crate::traffic::{ResultInfo, Status};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use weir_model::{Fault, FaultSource};

/// For the other side to answer a close frame, and for the client to take ours.
const CLOSE_TIME: Duration = Duration::from_secs(5);
const SUBPROTOCOL: &str = "sec-websocket-protocol";

/// How the conversation ended when nothing was wrong.
struct Closed(Option<Goodbye>);

impl<P: HttpPorts> Exchange<P> {
    /// A request for a WebSocket, to the end of its connection.
    pub(super) async fn socket<S: Source, U: Upstream>(
        &self,
        mut head: RequestHead,
        client: S,
        upstream: U,
        reply: &mut Reply,
    ) {
        let bound = bound(&head);
        let mut shown = Shown::nothing();
        match self.handshake(&head, &bound, &mut shown, reply).await {
            Ok(None) => {}
            Ok(Some(First::Refused(own))) => return reply.own(own).await,
            Ok(Some(_)) => return,
            Err(fault) => {
                if !shown.has_operation {
                    self.refused_by_inspector(Vec::new(), &fault).await;
                }
                return reply.own(self.own_answer(&[], &fault).await).await;
            }
        }
        change(&mut head.headers, &shown.headers);
        let handshake = self.open();
        let (outgoing, pipe) = Outgoing::new();
        let came = tokio::select! {
            came = upstream.send(head, pipe, Some(0)) => came,
            () = reply.gone() => return,
        };
        match came {
            Ok((answer, back)) if answer.status == 101 => {
                let talk = Talk {
                    exchange: self,
                    bound,
                    last: Mutex::new(Instant::now()),
                    calling: tokio::sync::Mutex::default(),
                    judging: tokio::sync::Mutex::default(),
                    asked: Mutex::default(),
                };
                talk.switched(&handshake, answer, (client, back), outgoing, reply).await;
            }
            came => {
                outgoing.end();
                self.answer(std::future::ready(came), reply).await;
            }
        }
    }

    /// `None`: it is allowed and on disk.
    async fn handshake(
        &self,
        head: &RequestHead,
        bound: &[u8],
        shown: &mut Shown,
        reply: &mut Reply,
    ) -> Result<Option<First>, Fault> {
        let mut desk = self.session.desk().await;
        let outcome = desk.inspector.request(&self.session.take_ends(), self.number, head, None).await?;
        if outcome.refusal.is_none() && outcome.show != Show::Messages {
            drop(desk);
            let message = "the inspector of this resource does not read WebSocket";
            let why = Fault::new(FaultSource::Client, "no-websocket", message);
            let ids: Vec<_> = outcome.operations.iter().map(|request| request.id).collect();
            self.refused_by_inspector(outcome.operations, &why).await;
            return Ok(Some(First::Refused(self.own_answer(&ids, &why).await)));
        }
        if let Some(first) = self.take(desk, outcome, &|| bound.to_vec(), shown, Some(reply)).await? {
            return Ok(Some(first));
        }
        Ok(match shown.has_operation {
            true => None,
            false => Some(First::Refused(self.without_operation().await)),
        })
    }

    /// The upstream has switched: the head as the client gets it.
    async fn switched_head(&self, mut head: AnswerHead) -> Result<AnswerHead, Fault> {
        // One of those that the client asked for; a changed one would be none.
        let (picked, others) = head.headers.into_iter().partition(|header| header.name == SUBPROTOCOL);
        head.headers = others;
        let mut desk = self.session.desk().await;
        let outcome = desk.inspector.answer(self.number, &head, None).await?;
        self.mask_head(&mut desk, &outcome.values, &mut head).await?;
        if self.session.masking && outcome.values.cells.is_empty() {
            self.mask_unnamed(&mut desk, &mut head).await?;
        }
        drop(desk);
        self.take_results(&outcome).await?;
        let picked: Vec<_> = picked;
        head.headers.extend(picked);
        Ok(head)
    }
}

/// A conversation that has begun.
struct Talk<'a, P: HttpPorts> {
    exchange: &'a Exchange<P>,
    /// of the handshake: part of what an approval is for
    bound: Vec<u8>,
    /// when a message came last, from either side
    last: Mutex<Instant>,
    /// held by the side that is in a call of a plugin
    calling: tokio::sync::Mutex<()>,
    /// held while a message of the client is being judged, until what became of it is recorded
    judging: tokio::sync::Mutex<()>,
    asked: Mutex<Asked>,
}

/// What of the client's messages is being judged.
#[derive(Default)]
struct Asked {
    operations: Vec<u32>,
    /// why nothing is waited for any more
    given_up: Option<GivenUp>,
}

impl<P: HttpPorts> Talk<'_, P> {
    async fn switched<S: Source, B: Source>(
        &self,
        handshake: &[u32],
        head: AnswerHead,
        (mut client, mut upstream): (S, B),
        outgoing: Outgoing,
        reply: &mut Reply,
    ) {
        let limits = &self.exchange.session.limits;
        client.messages(limits.max_operation_bytes);
        upstream.messages(limits.max_answer_bytes);
        let ended = match self.exchange.switched_head(head).await {
            Ok(head) => match reply.begin(head.status, head.headers, None) {
                Ok(()) => self.converse(&mut client, &mut upstream, &outgoing, reply).await,
                Err(gone) => Err(gone.into()),
            },
            Err(fault) => Err(fault.into()),
        };
        match ended {
            Ok(Closed(goodbye)) => {
                outgoing.end();
                let code = goodbye.map(|goodbye| format!(" {}", goodbye.code)).unwrap_or_default();
                for id in handshake {
                    let tag = format!("closed{code}");
                    self.exchange.end(ResultInfo { tag, ..ResultInfo::bare(*id, Status::Ok) }).await;
                }
            }
            // What is open gets its outcome where every exchange ends.
            Err(Stop::Gone) => {}
            Err(Stop::Fault(fault)) => self.failed(handshake, &fault, reply).await,
        }
    }

    async fn failed(&self, handshake: &[u32], fault: &Fault, reply: &mut Reply) {
        let exchange = self.exchange;
        tracing::info!(session = %exchange.session.info.id, code = fault.code, detail = fault.detail, "a WebSocket was ended: {}", fault.message);
        if !reply.has_begun() {
            let own: OwnAnswer = exchange.own_answer(&[], fault).await;
            reply.own(own).await;
            return exchange.fail(fault).await;
        }
        let code = code(fault);
        let reason = format!("weir: {}", fault.message);
        let close = Message::Close(Some(Goodbye { code, reason }));
        let _ = timeout(CLOSE_TIME, reply.push(Frame::Message(close))).await;
        for id in handshake {
            let (tag, code) = (format!("closed {code}"), fault.code.clone());
            let bare = ResultInfo::bare(*id, Status::Error);
            exchange.end(ResultInfo { tag, code, message: fault.message.clone(), ..bare }).await;
        }
        exchange.fail(fault).await;
    }

    /// Both directions at a time, until one of them closes.
    async fn converse<S: Source, B: Source>(
        &self,
        client: &mut S,
        upstream: &mut B,
        outgoing: &Outgoing,
        reply: &mut Reply,
    ) -> Result<Closed, Stop> {
        let mut watch = reply.listener();
        let (by_client, said) = {
            let mut asking = std::pin::pin!(self.client_side(client, outgoing, &mut watch));
            let mut telling = std::pin::pin!(self.server_side(upstream, reply));
            tokio::select! {
                said = asking.as_mut() => {
                    // Its reason is a text that nobody has judged.
                    let passed = match &said {
                        Ok(said) => outgoing.push(close(said.as_ref(), "")).await.is_ok(),
                        Err(_) => false,
                    };
                    // What the upstream says before its own close frame still counts.
                    let back = match passed {
                        true => timeout(CLOSE_TIME, telling.as_mut()).await.ok(),
                        false => None,
                    };
                    if back.is_none() {
                        self.leave_in_peace(telling).await;
                    }
                    let said = said?;
                    if !passed {
                        return Err(upstream_gone().into());
                    }
                    (true, back.and_then(Result::ok).unwrap_or(said))
                }
                said = telling.as_mut() => {
                    self.give_up(GivenUp::UpstreamGone);
                    self.leave_judged(asking).await;
                    (false, said?)
                }
                () = self.idle() => {
                    self.give_up(GivenUp::Idle);
                    self.leave_judged(asking).await;
                    self.leave_in_peace(telling).await;
                    let message = "nothing was said for too long";
                    return Err(Fault::new(FaultSource::Host, "idle", message).into());
                }
            }
        };
        let reason = match &said {
            Some(goodbye) if !goodbye.reason.is_empty() => self.reason(&goodbye.reason).await?,
            _ => String::new(),
        };
        let _ = timeout(CLOSE_TIME, reply.push(close(said.as_ref(), &reason))).await;
        if !by_client {
            let _ = timeout(CLOSE_TIME, outgoing.push(close(said.as_ref(), ""))).await;
        }
        Ok(Closed(said))
    }

    /// Until a side that is given up is in no call of a plugin: an instance left in the middle of one would be lost to the
    /// session's other exchanges.
    async fn leave_in_peace(&self, mut side: Pin<&mut impl Future>) {
        tokio::select! {
            biased;
            _ = side.as_mut() => {}
            _ = self.calling.lock() => {}
        }
    }

    /// The same of the client's side, and until what is being judged is recorded.
    async fn leave_judged(&self, mut side: Pin<&mut impl Future>) {
        tokio::select! {
            biased;
            _ = side.as_mut() => return,
            _ = self.judging.lock() => {}
        }
        self.leave_in_peace(side).await;
    }

    /// Nothing is waited for any more: what is held is refused, and recorded so.
    fn give_up(&self, why: GivenUp) {
        let mut asked = lock(&self.asked);
        let why = *asked.given_up.get_or_insert(why);
        self.exchange.session.holds.give_up(asked.operations.iter().copied(), why);
    }

    /// These are judged from now on.
    fn asks(&self, operations: Vec<u32>) {
        let mut asked = lock(&self.asked);
        if let Some(why) = asked.given_up {
            self.exchange.session.holds.give_up(operations.iter().copied(), why);
        }
        asked.operations = operations;
    }

    /// Until the client closes.
    async fn client_side<S: Source>(
        &self,
        client: &mut S,
        outgoing: &Outgoing,
        watch: &mut Reply,
    ) -> Result<Option<Goodbye>, Stop> {
        loop {
            match client.next().await {
                None => return Err(Stop::Gone),
                Some(Err(broken)) => return Err(from_body(&broken).into()),
                Some(Ok(Frame::Message(Message::Close(goodbye)))) => return Ok(goodbye),
                Some(Ok(Frame::Message(message))) => {
                    let mut asking = std::pin::pin!(self.ask(message, outgoing, watch));
                    let asked = tokio::select! {
                        biased;
                        asked = asking.as_mut() => asked,
                        // Whoever has said goodbye does not wait for an answer.
                        () = client.closing() => {
                            self.give_up(GivenUp::ClientGone);
                            asking.await
                        }
                    };
                    match asked {
                        // What stands between it and the goodbye means nothing without it.
                        Err(Stop::Fault(why)) if why.code == CLIENT_GONE => return last(client).await,
                        asked => asked?,
                    }
                }
                Some(Ok(_)) => return Err(nonsense("a body where there are messages").into()),
            }
        }
    }

    /// One message of the client: judged, on disk, and only then forwarded.
    async fn ask(&self, message: Message, outgoing: &Outgoing, watch: &mut Reply) -> Result<(), Stop> {
        let exchange = self.exchange;
        let session = &*exchange.session;
        *lock(&self.last) = Instant::now();
        let (is_text, bytes) = message.parts();
        session.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let judging = self.judging.lock().await;
        let calling = self.calling.lock().await;
        let mut desk = session.desk().await;
        let outcome = desk.inspector.message(exchange.number, is_text, &bytes).await;
        drop(desk);
        drop(calling);
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(fault) => {
                exchange.refused_by_inspector(Vec::new(), &fault).await;
                return Err(fault.into());
            }
        };
        if outcome.refusal.is_some() || outcome.operations.is_empty() {
            let message = "the inspector found nothing in this message that could be judged";
            let why =
                outcome.refusal.unwrap_or_else(|| Fault::new(FaultSource::Client, "no-operation", message));
            exchange.refused_by_inspector(outcome.operations, &why).await;
            return Err(why.into());
        }
        if outcome.release as usize != bytes.len() || !outcome.headers.is_empty() {
            return Err(
                nonsense("an inspector keeps part of a message, or changes headers behind a switch").into()
            );
        }
        let ids: Vec<_> = outcome.operations.iter().map(|request| request.id).collect();
        self.asks(ids.clone());
        let bound = || [&self.bound[..], &[u8::from(is_text)], &bytes].concat();
        match exchange.judge(session.desk().await, outcome.operations, &bound, Some(watch)).await? {
            Judged::Go => {}
            Judged::Refused { why, .. } => return Err(why.into()),
            Judged::Gone => return Err(Stop::Gone),
        }
        drop(judging);
        tokio::select! {
            pushed = outgoing.push(Frame::Message(message)) => pushed.map_err(|Gone| upstream_gone())?,
            () = watch.gone() => return Err(Stop::Gone),
        }
        for id in ids {
            let tag = "sent".to_owned();
            exchange.end(ResultInfo { tag, ..ResultInfo::bare(id, Status::Ok) }).await;
        }
        *lock(&self.last) = Instant::now();
        Ok(())
    }

    /// Until the upstream closes.
    async fn server_side<B: Source>(
        &self,
        upstream: &mut B,
        reply: &mut Reply,
    ) -> Result<Option<Goodbye>, Stop> {
        loop {
            match upstream.next().await {
                None => return Err(upstream_gone().into()),
                Some(Err(broken)) => return Err(broken.into()),
                Some(Ok(Frame::Message(Message::Close(goodbye)))) => return Ok(goodbye),
                Some(Ok(Frame::Message(message))) => self.tell(&message, reply).await?,
                Some(Ok(_)) => return Err(nonsense("a body where there are messages").into()),
            }
        }
    }

    /// One message of the upstream: masked, and only then told.
    async fn tell(&self, message: &Message, reply: &mut Reply) -> Result<(), Stop> {
        let exchange = self.exchange;
        *lock(&self.last) = Instant::now();
        let (is_text, given) = message.parts();
        let calling = self.calling.lock().await;
        let mut desk = exchange.session.desk().await;
        let outcome = desk.inspector.answer_message(exchange.number, is_text, &given).await?;
        let masked = exchange.mask(&mut desk, &outcome.values, &given).await?;
        drop(desk);
        drop(calling);
        exchange.take_results(&outcome).await?;
        let release = outcome.release as usize;
        if release != given.len() {
            return Err(nonsense("an inspector keeps part of a message").into());
        }
        let mut bytes = Bytes::from(apply(&given, release, &outcome.changes, &masked)?);
        if !outcome.operations.is_empty() {
            let desk = exchange.session.desk().await;
            if let Some(instead) = exchange.take_asked(desk, &outcome.operations, &given, reply).await? {
                if instead.is_empty() {
                    return Ok(());
                }
                bytes = instead;
            }
        }
        if is_text && std::str::from_utf8(&bytes).is_err() {
            return Err(nonsense("a text message is no text any more").into());
        }
        exchange.count(bytes.len());
        let message = if is_text { Message::Text(bytes) } else { Message::Binary(bytes) };
        reply.push(Frame::Message(message)).await?;
        Ok(())
    }

    /// Why the upstream closes may hold a value: masked like one of an answer's headers.
    async fn reason(&self, reason: &str) -> Result<String, Fault> {
        let header = super::traffic::Header::new("close-reason", reason.to_owned());
        let mut headers = [header];
        if self.exchange.session.masking {
            let mut desk = self.exchange.session.desk().await;
            self.exchange.mask_headers(&mut desk, &mut headers).await?;
        }
        let [header] = headers;
        Ok(header.text().into_owned())
    }

    /// Resolves when neither side has sent a message for the resource's `idle_timeout`.
    fn idle(&self) -> impl Future<Output = ()> {
        let time = self.exchange.session.limits.idle_timeout;
        async move {
            loop {
                let until = *lock(&self.last) + time;
                if until <= Instant::now() {
                    return;
                }
                sleep_until(until).await;
            }
        }
    }
}

/// The goodbye of a side, behind whatever else it said.
async fn last<S: Source>(side: &mut S) -> Result<Option<Goodbye>, Stop> {
    loop {
        match side.next().await {
            None => return Err(Stop::Gone),
            Some(Err(broken)) => return Err(from_body(&broken).into()),
            Some(Ok(Frame::Message(Message::Close(goodbye)))) => return Ok(goodbye),
            Some(Ok(_)) => {}
        }
    }
}

fn upstream_gone() -> Fault {
    Fault::new(FaultSource::Upstream, "upstream-broken", "the upstream broke off without saying why")
}
