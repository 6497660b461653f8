//! The way of an answer: inspected, masked, and only then told.

use super::ahead::{Ahead, SHORT_BYTES};
use super::judge::Judged;
use super::reply::{Gone, Reply, cut_short};
use super::request::Exchange;
use super::room::Place;
use super::session::{DeskGuard, HttpPorts};
use super::spans::apply;
use super::traffic::{
    AnswerHead, AnswerOutcome, Broken, Frame, Header, HttpInspector, OF_THE_ENCODING, Show, Source,
};
use crate::exchange::nonsense;
use crate::traffic::{Request, ResultInfo, Status};
use bytes::{Buf, Bytes, BytesMut};
use std::future::Future;
use std::sync::atomic::Ordering;
use weir_model::{Fault, FaultSource};

/// Headers that speak of parts of a body as it was.
const OF_PARTS: [&str; 2] = ["accept-ranges", "content-range"];

/// Why an answer goes no further.
pub(super) enum Stop {
    Gone,
    Fault(Fault),
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Fault(Fault::new(FaultSource::Upstream, "answer-broken", broken.message))
    }
}

impl<P: HttpPorts> Exchange<P> {
    /// Waits for the upstream's answer and brings it to the client.
    pub(super) async fn answer<B: Source>(
        &self,
        sent: impl Future<Output = Result<(AnswerHead, B), Fault>>,
        reply: &mut Reply,
    ) {
        let came = tokio::select! {
            came = sent => came,
            () = reply.gone() => return,
        };
        let (head, body) = match came {
            Ok(answer) => answer,
            Err(fault) => return Box::pin(self.no_answer(&fault, reply)).await,
        };
        let status = head.status;
        match self.pass(head, body, reply).await {
            Ok(()) => self.end_by_status(status).await,
            Err(Stop::Gone) if reply.is_complete() => self.end_by_status(status).await,
            Err(Stop::Gone) => {}
            Err(Stop::Fault(fault)) => {
                tracing::info!(session = %self.session.info.id, code = fault.code, detail = fault.detail, "an answer was cut off: {}", fault.message);
                let cut_off = async {
                    if reply.has_begun() {
                        reply.break_off(&fault).await;
                    } else {
                        let own = self.own_answer(&[], &fault).await;
                        reply.own(own).await;
                    }
                    self.fail(&fault).await;
                };
                Box::pin(cut_off).await;
            }
        }
    }

    /// The upstream did not answer, or the request was refused when it was on its way already.
    async fn no_answer(&self, fault: &Fault, reply: &mut Reply) {
        let own = match self.refused() {
            Some(own) => own,
            None => self.own_answer(&[], fault).await,
        };
        reply.own(own).await;
        self.fail(fault).await;
    }

    pub(super) async fn fail(&self, fault: &Fault) {
        // What could not be reached has done nothing; of everything else nobody knows.
        let status = if fault.code == "upstream-unreachable" { Status::Error } else { Status::Unknown };
        for operation in self.open() {
            let (code, message) = (fault.code.clone(), fault.message.clone());
            self.end(ResultInfo { code, message, ..ResultInfo::bare(operation, status) }).await;
        }
    }

    /// The answer is complete: what the inspector has not ended ends by its status.
    async fn end_by_status(&self, status: u16) {
        while let Some(operation) = self.current() {
            let (ended, code) = match status < 400 {
                true => (Status::Ok, String::new()),
                false => (Status::Error, status.to_string()),
            };
            self.end(ResultInfo { tag: status.to_string(), code, ..ResultInfo::bare(operation, ended) })
                .await;
        }
    }

    pub(super) async fn end(&self, result: ResultInfo) {
        self.ended(result.operation);
        self.session.done(result).await;
    }

    async fn pass<B: Source>(&self, mut head: AnswerHead, body: B, reply: &mut Reply) -> Result<(), Stop> {
        let is_encoded = head.headers.iter().any(|header| header.name == "content-encoding");
        let most = SHORT_BYTES.min(self.session.limits.max_answer_bytes);
        let is_short = head.length.is_none_or(|length| length <= most as u64);
        let mut body = Ahead::new(body);
        let here = match self.session.masking && head.has_body && is_short && !is_encoded {
            true => body.whole(most).await,
            false => None,
        };
        let mut desk = self.session.desk().await;
        let mut outcome = desk.inspector.answer(self.number, &head, here.as_deref()).await?;
        if outcome.show == Show::Seen {
            let given = here.ok_or_else(|| nonsense("it has seen a body that was not shown"))?;
            return self.pass_seen(desk, (head, given), outcome, reply).await;
        }
        self.session.notes.leave(std::mem::take(&mut outcome.notes));
        self.mask_head(&mut desk, &outcome.values, &mut head).await?;
        if self.session.masking && outcome.values.cells.is_empty() {
            self.mask_unnamed(&mut desk, &mut head).await?;
        }
        drop(desk);
        self.take_results(&outcome).await?;
        let AnswerOutcome { show, need, .. } = outcome;
        if !head.has_body {
            // Of HEAD and 304, the length is that of a body that is not sent; nobody knows it when it would be masked.
            let length = head.length.filter(|length| *length == 0 || !self.session.masking);
            reply.begin_alone(head.status, head.headers, length)?;
            return Box::pin(self.pass_unseen(&mut body, reply)).await;
        }
        if show == Show::Unseen {
            reply.begin(head.status, head.headers, head.length)?;
            return Box::pin(self.pass_unseen(&mut body, reply)).await;
        }
        body.decode()?;
        self.unbind(&mut head, is_encoded);
        match show {
            Show::Whole => Box::pin(self.pass_whole(head, &mut body, reply)).await,
            _ => {
                reply.begin(head.status, head.headers, None)?;
                Box::pin(self.pass_growing(&mut body, need as usize, reply)).await
            }
        }
    }

    /// Takes out what was true of the bytes as the upstream sent them.
    fn unbind(&self, head: &mut AnswerHead, is_encoded: bool) {
        let is_of_the_bytes = |name: &str| OF_THE_ENCODING.contains(&name) || OF_PARTS.contains(&name);
        head.headers.retain(|header| !is_of_the_bytes(&header.name));
        if is_encoded || self.session.masking {
            head.headers.iter_mut().for_each(weaken);
        }
    }

    /// The whole body was shown with its head.
    async fn pass_seen(
        &self,
        mut desk: DeskGuard<'_, P>,
        (mut head, given): (AnswerHead, Bytes),
        outcome: AnswerOutcome,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        if self.session.masking {
            self.mask_unnamed(&mut desk, &mut head).await?;
        }
        let (bytes, outcome) = self.carry_out(desk, outcome, &given, Some(&given), reply).await?;
        if outcome.release as usize != given.len() {
            return Err(nonsense("it keeps part of a whole answer").into());
        }
        self.unbind(&mut head, false);
        Ok(reply.whole(head.status, head.headers, bytes).await?)
    }

    async fn pass_unseen<B: Source>(&self, body: &mut B, reply: &mut Reply) -> Result<(), Stop> {
        loop {
            let Some(frame) = next(body, reply).await? else { return Ok(()) };
            match frame {
                Frame::Data(bytes) => {
                    self.count(bytes.len());
                    self.tell(bytes, reply).await?;
                }
                Frame::Trailers(trailers) => self.tell_trailers(trailers, reply).await?,
                Frame::Message(_) => return Err(nonsense("a message where there is a body").into()),
            }
        }
    }

    async fn pass_whole<B: Source>(
        &self,
        head: AnswerHead,
        body: &mut B,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        let (mut whole, mut place) = (BytesMut::new(), Place::default());
        let mut trailers = None;
        loop {
            match next(body, reply).await? {
                None => break,
                Some(Frame::Trailers(came)) => trailers = Some(came),
                Some(Frame::Message(_)) => return Err(nonsense("a message where there is a body").into()),
                Some(Frame::Data(bytes)) => {
                    self.check_size(whole.len() + bytes.len())?;
                    self.session.room.grow(&mut place, whole.len() + bytes.len()).await?;
                    whole.extend_from_slice(&bytes);
                }
            }
        }
        let (bytes, outcome) = self.show(&whole, true, reply).await?;
        if outcome.release as usize != whole.len() {
            return Err(nonsense("it keeps part of a whole answer").into());
        }
        let Some(trailers) = trailers else {
            return Ok(reply.whole(head.status, head.headers, bytes).await?);
        };
        reply.begin(head.status, head.headers, None)?;
        self.tell(bytes, reply).await?;
        Box::pin(self.tell_trailers(trailers, reply)).await
    }

    async fn pass_growing<B: Source>(
        &self,
        body: &mut B,
        mut need: usize,
        reply: &mut Reply,
    ) -> Result<(), Stop> {
        let (mut buffer, mut place) = (BytesMut::new(), Place::default());
        loop {
            let (end, trailers) = match next(body, reply).await? {
                None => (true, None),
                Some(Frame::Trailers(came)) => (true, Some(came)),
                Some(Frame::Message(_)) => return Err(nonsense("a message where there is a body").into()),
                Some(Frame::Data(bytes)) => {
                    self.check_size(buffer.len() + bytes.len())?;
                    self.session.room.grow(&mut place, buffer.len() + bytes.len()).await?;
                    buffer.extend_from_slice(&bytes);
                    (false, None)
                }
            };
            if !end && buffer.len() < need {
                continue;
            }
            let (bytes, outcome) = self.show(&buffer, end, reply).await?;
            buffer.advance((outcome.release as usize).min(buffer.len()));
            need = outcome.need as usize;
            self.tell(bytes, reply).await?;
            let is_unseen = outcome.show == Show::Unseen;
            if end {
                if !buffer.is_empty() && !is_unseen {
                    return Err(nonsense("it keeps the end of an answer").into());
                }
                self.count(buffer.len());
                self.tell(buffer.freeze(), reply).await?;
                if let Some(trailers) = trailers {
                    self.tell_trailers(trailers, reply).await?;
                }
                return Ok(());
            }
            if is_unseen {
                self.count(buffer.len());
                self.tell(buffer.freeze(), reply).await?;
                return self.pass_unseen(body, reply).await;
            }
        }
    }

    /// Shows the inspector a body as far as it is there, and carries out what it says: the bytes to tell.
    async fn show(&self, given: &[u8], end: bool, reply: &mut Reply) -> Result<(Bytes, AnswerOutcome), Stop> {
        let mut desk = self.session.desk().await;
        let outcome = desk.inspector.answer_body(self.number, given, end).await?;
        self.carry_out(desk, outcome, given, None, reply).await
    }

    /// `shared`: the same as `given`, to be told as it is if nothing is changed.
    async fn carry_out(
        &self,
        mut desk: DeskGuard<'_, P>,
        mut outcome: AnswerOutcome,
        given: &[u8],
        shared: Option<&Bytes>,
        reply: &mut Reply,
    ) -> Result<(Bytes, AnswerOutcome), Stop> {
        self.session.notes.leave(std::mem::take(&mut outcome.notes));
        self.session.holds.asks(outcome.operations.iter().map(|asked| asked.id));
        let masked = self.mask(&mut desk, &outcome.values, given).await?;
        let release = outcome.release as usize;
        let is_unchanged = release == given.len() && outcome.changes.is_empty() && masked.is_empty();
        let mut bytes = match shared.filter(|_| is_unchanged) {
            Some(shared) => shared.clone(),
            None => apply(given, release, &outcome.changes, &masked)?.into(),
        };
        if outcome.operations.is_empty() {
            drop(desk);
        } else if let Some(instead) =
            Box::pin(self.take_asked(desk, &outcome.operations, given, reply)).await?
        {
            bytes = instead;
        }
        // They belong to the operations that end with them.
        self.count(bytes.len());
        self.take_results(&outcome).await?;
        Ok((bytes, outcome))
    }

    pub(super) async fn take_results(&self, outcome: &AnswerOutcome) -> Result<(), Fault> {
        for result in &outcome.results {
            self.end(result.clone()).await;
        }
        match &outcome.refusal {
            Some(why) => Err(why.clone()),
            None => Ok(()),
        }
    }

    /// What the upstream asks of the client is judged like everything else; what goes instead when it is refused.
    pub(super) async fn take_asked(
        &self,
        desk: DeskGuard<'_, P>,
        asked: &[Request],
        given: &[u8],
        reply: &mut Reply,
    ) -> Result<Option<Bytes>, Fault> {
        // Whom it is asked of may go while others decide whether it may be.
        let was_silent = reply.set_silent(true);
        let judged = self.judge(desk, asked.to_vec(), &|| given.to_vec(), Some(reply)).await;
        reply.set_silent(was_silent);
        match judged? {
            Judged::Go => {
                self.session.holds.asked(asked.iter().map(|asked| asked.id));
                Ok(None)
            }
            Judged::Refused { ids, why } => {
                let mut desk = self.session.desk().await;
                let instead = desk.inspector.refuse_asked(self.number, &ids, &why).await?;
                let own = desk.inspector.answer_asked(self.number, &ids, &why).await?;
                drop(desk);
                for own in own {
                    self.say_no(own, &ids).await?;
                }
                Ok(Some(instead.into()))
            }
            Judged::Gone => Err(cut_short()),
        }
    }

    async fn tell(&self, bytes: Bytes, reply: &mut Reply) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        reply.push(Frame::Data(bytes)).await?;
        Ok(())
    }

    /// No inspector sees them: each is a value of its own, whole.
    async fn tell_trailers(&self, mut trailers: Vec<Header>, reply: &mut Reply) -> Result<(), Stop> {
        if self.session.masking {
            self.mask_headers(&mut *self.session.desk().await, &mut trailers).await?;
        }
        reply.push(Frame::Trailers(trailers)).await?;
        Ok(())
    }

    pub(super) fn count(&self, bytes: usize) {
        self.session.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
        let Some(current) = self.current() else { return };
        if let Some(running) = self.session.running().get_mut(&current) {
            running.bytes_to_client += bytes as u64;
        }
    }

    fn check_size(&self, bytes: usize) -> Result<(), Fault> {
        let most = self.session.limits.max_answer_bytes;
        if bytes <= most {
            return Ok(());
        }
        let message = format!("the answer is larger than the {most} bytes that are inspected");
        Err(Fault::new(FaultSource::Upstream, "answer-too-large", message))
    }
}

/// The next piece, as long as there is somebody to tell it to.
async fn next<B: Source>(body: &mut B, reply: &mut Reply) -> Result<Option<Frame>, Stop> {
    tokio::select! {
        next = body.next() => Ok(next.transpose()?),
        () = reply.gone() => Err(Stop::Gone),
    }
}

/// A strong validator speaks of bytes that the client does not get.
fn weaken(header: &mut Header) {
    if header.name == "etag" && header.value.starts_with(b"\"") {
        header.value = [b"W/", &*header.value].concat().into();
    }
}
