//! One session: its exchanges, each from the head of its request to the end of its answer.

use crate::fetch;
use crate::names::Capabilities;
use crate::operations::Context;
use crate::pack::History;
use crate::pkt::{self, Next, Packet};
use crate::push::{Proof, Reader, Report, Step, report::Fate};
use crate::refusal::{self, Ref};
use crate::target::{self, Door, Service};
use crate::texts::{self, Found as Texts};
use std::collections::HashMap;
use weir_sdk::Fault;
use weir_sdk::http::{
    AnswerHead, AnswerOutcome, Found, Limits, Operation, OwnAnswer, RequestHead, RequestOutcome, ResultInfo,
    Spans, show,
};

/// Everything known about one session between two calls.
#[derive(Debug)]
pub struct Inspector {
    max_operation: usize,
    masking: bool,
    exchanges: HashMap<u32, Exchange>,
    /// commits of all pushes: a branch that was pushed before needs no pack to be pushed to another
    history: History,
    last_id: u32,
}

#[derive(Debug, Default)]
struct Exchange {
    /// none for what is not of the smart protocol
    door: Option<Door>,
    context: Option<Context>,
    push: Reader,
    proof: Option<Proof>,
    /// operations, with their refs, that have not ended
    open: Vec<(u32, String)>,
    /// refs of a push, with their operations
    refs: Vec<(u32, String)>,
    /// the head of an answer has gone to the client, while it waited
    told: bool,
    report: Option<Report>,
    /// of the answer: whether it is not git's, whether its start has been looked at, whether its rest is no packets
    plain: bool,
    looked: bool,
    over: bool,
    /// texts of the last call
    texts: Texts,
}

const OK: u8 = 0;
const ERROR: u8 = 1;

impl Inspector {
    pub fn new(limits: Limits, masking: bool) -> Self {
        let max_operation = usize::try_from(limits.max_operation).unwrap_or(usize::MAX);
        Self { max_operation, masking, exchanges: HashMap::new(), history: History::default(), last_id: 0 }
    }

    pub(crate) fn read_head(&mut self, exchange: u32, head: &RequestHead) -> RequestOutcome {
        let target = match target::read(head) {
            Ok(target) => target,
            Err(why) => {
                self.exchanges.insert(exchange, Exchange::default());
                return RequestOutcome { refusal: Some(why), ..RequestOutcome::default() };
            }
        };
        let context = Context::new(head, &target);
        let door = target.door;
        let new = Exchange { door: Some(door), context: Some(context.clone()), ..Exchange::default() };
        self.exchanges.insert(exchange, new);
        let mut outcome = match door {
            Door::Refs(service) => self.found(exchange, vec![(context.list_refs(service), String::new())], 0),
            Door::Call(Service::UploadPack) => {
                RequestOutcome { show: show::WHOLE, ..RequestOutcome::default() }
            }
            Door::Call(Service::ReceivePack) => {
                RequestOutcome { show: show::GROWING, need: 4, ..RequestOutcome::default() }
            }
        };
        outcome.headers = target::unspoken_version(head, door);
        outcome
    }

    pub(crate) fn read_body(
        &mut self,
        exchange: u32,
        data: &[u8],
        end: bool,
    ) -> Result<RequestOutcome, Fault> {
        let limit = self.max_operation;
        let known = self.exchanges.get_mut(&exchange).ok_or_else(unknown)?;
        let (Some(door), Some(context)) = (known.door, known.context.clone()) else { return Err(unknown()) };
        let read = match door {
            Door::Refs(_) => Err(pkt::malformed("this request has no body")),
            Door::Call(Service::UploadPack) if !end => {
                return Ok(RequestOutcome { show: show::WHOLE, ..RequestOutcome::default() });
            }
            Door::Call(Service::UploadPack) => {
                fetch::read(data).map(|asked| vec![(context.asked(&asked), String::new())])
            }
            Door::Call(Service::ReceivePack) => match known.read_push(data, end, limit, &mut self.history) {
                Ok(Step::More(need)) => {
                    let need = word(need);
                    return Ok(RequestOutcome { show: show::GROWING, need, ..RequestOutcome::default() });
                }
                Ok(Step::Probe) => Ok(vec![(context.probe(Service::ReceivePack), String::new())]),
                Ok(Step::Commands) => context.pushed(&known.push.commands).map(|operations| {
                    let names = known.push.commands.updates.iter().map(|update| update.name.clone());
                    operations.into_iter().zip(names).collect()
                }),
                Err(why) => Err(why),
            },
        };
        match read {
            Ok(operations) => Ok(self.found(exchange, operations, data.len())),
            Err(why) => Ok(RequestOutcome { refusal: Some(why), ..RequestOutcome::default() }),
        }
    }

    /// All there is to judge of a request: the bytes there, and those that follow, go on when it is allowed.
    fn found(
        &mut self,
        exchange: u32,
        operations: Vec<(Operation, String)>,
        release: usize,
    ) -> RequestOutcome {
        let mut found = Vec::new();
        let mut open = Vec::new();
        for (operation, name) in operations {
            self.last_id = self.last_id.wrapping_add(1).max(1);
            found.push(Found { id: self.last_id, continues: 0, operation });
            open.push((self.last_id, name));
        }
        if let Some(known) = self.exchanges.get_mut(&exchange) {
            known.refs = open.iter().filter(|(_, name)| !name.is_empty()).cloned().collect();
            known.open = open;
        }
        RequestOutcome { operations: found, release: word(release), ..RequestOutcome::default() }
    }

    pub(crate) fn read_answer(&mut self, exchange: u32, head: &AnswerHead) -> Result<AnswerOutcome, Fault> {
        let masking = self.masking;
        let known = self.known(exchange)?;
        let Some(door) = known.door else { return Err(unknown()) };
        let mut types = head.headers.iter().filter(|header| header.name == "content-type");
        let fits = head.status == 200 && types.any(|header| header.value == refusal::result_type(door));
        if known.told && !fits {
            // The client has been given another head already.
            let message = format!("the server answered with status {}", head.status);
            let tag = head.status.to_string();
            let results = known.end_all(&tag, "git-upstream", &message);
            let refusal = Some(Fault::new("git-upstream", message));
            return Ok(AnswerOutcome { results, refusal, ..AnswerOutcome::default() });
        }
        known.plain = !fits;
        if !head.has_body || (known.plain && !masking) {
            return Ok(AnswerOutcome::default());
        }
        if known.plain {
            return Ok(AnswerOutcome { show: show::WHOLE, ..AnswerOutcome::default() });
        }
        let capabilities = &known.push.commands.capabilities;
        if !known.refs.is_empty() && refusal::wants_report(capabilities) {
            known.report = Some(Report::new(refusal::is_banded(capabilities)));
        }
        let need = if known.report.is_none() { ERROR_LINE } else { 0 };
        Ok(AnswerOutcome { show: show::GROWING, need, ..AnswerOutcome::default() })
    }

    pub(crate) fn read_answer_body(
        &mut self,
        exchange: u32,
        data: &[u8],
        end: bool,
    ) -> Result<AnswerOutcome, Fault> {
        let masking = self.masking;
        let known = self.known(exchange)?;
        let mut results = Vec::new();
        if known.report.is_none() && !known.looked && !known.plain {
            match error_line(data) {
                Line::Needs(need) if !end => {
                    let need = word(need);
                    return Ok(AnswerOutcome { show: show::GROWING, need, ..AnswerOutcome::default() });
                }
                Line::Error(message) => results = known.end_all("ERR", "git-error", &message),
                _ => {}
            }
            known.looked = true;
        }
        known.texts = match masking && !known.over {
            true => match known.find_texts(data, end) {
                Ok(texts) => texts,
                Err(why) => {
                    let refusal = Some(why);
                    return Ok(AnswerOutcome { results, refusal, ..AnswerOutcome::default() });
                }
            },
            false => Texts::nothing(data.len()),
        };
        known.over |= known.texts.over;
        let released = data.get(..known.texts.release).unwrap_or(data);
        if let Some(report) = &mut known.report {
            let fates = report.listen(released);
            results.extend(known.follow(fates));
            if end {
                results.extend(known.end_unreported());
            }
        }
        let done = known.plain || (known.over && known.report.is_none());
        Ok(AnswerOutcome {
            show: if done { show::UNSEEN } else { show::GROWING },
            values: known.texts.values(),
            changes: std::mem::take(&mut known.texts.changes),
            release: word(released.len()),
            need: word(known.texts.need),
            results,
            ..AnswerOutcome::default()
        })
    }

    pub(crate) fn put_back(
        &mut self,
        exchange: u32,
        cells: &[u32],
        texts: &[u8],
        ends: &[u32],
    ) -> Result<Spans, Fault> {
        self.known(exchange)?.texts.encode(cells, texts, ends)
    }

    pub(crate) fn refuse_request(&mut self, exchange: u32, refused: &[u32], why: &Fault) -> OwnAnswer {
        let Some(known) = self.exchanges.get(&exchange) else { return refusal::plain(why) };
        let capabilities = &known.push.commands.capabilities;
        match known.door {
            None => refusal::plain(why),
            Some(Door::Call(Service::ReceivePack)) if *capabilities == Capabilities::default() => {
                refusal::plain(why)
            }
            Some(Door::Call(Service::ReceivePack)) => {
                let guilty = |id: &u32| refused.is_empty() || refused.contains(id);
                let refs: Vec<_> =
                    known.refs.iter().map(|(id, name)| Ref { name, guilty: guilty(id) }).collect();
                refusal::push(capabilities, &refs, why)
            }
            Some(door) => refusal::error_line(door, why),
        }
    }

    /// git shows progress of a push when it can tell it from the report. A fetch cannot be told anything before its
    /// answer.
    pub(crate) fn tell_waiting(&mut self, exchange: u32, message: &str) -> Option<OwnAnswer> {
        let known = self.exchanges.get_mut(&exchange)?;
        let can = !known.refs.is_empty() && refusal::is_banded(&known.push.commands.capabilities);
        can.then(|| {
            known.told = true;
            refusal::progress(message)
        })
    }

    pub(crate) fn forget(&mut self, exchange: u32) {
        self.exchanges.remove(&exchange);
    }

    fn known(&mut self, exchange: u32) -> Result<&mut Exchange, Fault> {
        self.exchanges.get_mut(&exchange).ok_or_else(unknown)
    }
}

impl Exchange {
    /// The commands, and as much of the pack as helps to judge them.
    fn read_push(
        &mut self,
        data: &[u8],
        end: bool,
        limit: usize,
        history: &mut History,
    ) -> Result<Step, Fault> {
        let step = self.push.read(data, end, limit)?;
        if step != Step::Commands {
            return Ok(step);
        }
        let at = self.push.at;
        let commands = &mut self.push.commands;
        let proof = self.proof.get_or_insert_with(|| Proof::new(commands, limit.saturating_sub(at)));
        let pack = data.get(at..).unwrap_or_default();
        match proof.look(commands, pack, end, history) {
            Some(need) => Ok(Step::More(at + need)),
            None => {
                self.proof = None;
                Ok(step)
            }
        }
    }

    fn find_texts(&self, data: &[u8], end: bool) -> Result<Texts, Fault> {
        if self.plain {
            return texts::plain(data);
        }
        let is_push = self.door == Some(Door::Call(Service::ReceivePack));
        // Lines of the other answers never begin as those of the side band do.
        let banded = !is_push || refusal::is_banded(&self.push.commands.capabilities);
        texts::find(data, end, banded, is_push)
    }

    fn follow(&mut self, fates: Vec<Fate>) -> Vec<ResultInfo> {
        let mut results = Vec::new();
        for fate in fates {
            let name = match &fate {
                Fate::Done { name } | Fate::Refused { name, .. } => name,
            };
            // The first word about a ref counts.
            let Some(place) = self.open.iter().position(|(_, open)| open == name) else { continue };
            let (id, name) = self.open.swap_remove(place);
            results.push(match fate {
                Fate::Done { .. } => result(id, OK, format!("ok {name}"), "", ""),
                Fate::Refused { reason, .. } => {
                    result(id, ERROR, format!("ng {name}"), "git-rejected", &reason)
                }
            });
        }
        results
    }

    /// The answer is over: refs of which nothing was said.
    fn end_unreported(&mut self) -> Vec<ResultInfo> {
        let said = self.report.as_ref().and_then(|report| report.unpack.clone().or(report.fatal.clone()));
        match said {
            Some(said) => self.end_all("unpack", "git-unpack", &said),
            None => self.end_all("", "git-no-report", "the server did not report what became of this ref"),
        }
    }

    fn end_all(&mut self, tag: &str, code: &str, message: &str) -> Vec<ResultInfo> {
        self.open.drain(..).map(|(id, _)| result(id, ERROR, tag.to_owned(), code, message)).collect()
    }
}

fn result(operation: u32, status: u8, tag: String, code: &str, message: &str) -> ResultInfo {
    ResultInfo { operation, status, rows: 0, tag, code: code.to_owned(), message: message.to_owned() }
}

/// Bytes that show whether a packet line is an error: its length and `ERR `.
const ERROR_LINE: u32 = 8;
/// An error is kept to this many bytes.
const MAX_ERROR: usize = 1000;

enum Line {
    Needs(usize),
    Error(String),
    Other,
}

/// Whether an answer of `git-upload-pack`, or an advertisement, is an error. Only its start is looked at.
fn error_line(mut data: &[u8]) -> Line {
    let mut before = 0;
    loop {
        let is_error = data.get(4..8).is_some_and(|word| word == b"ERR ");
        let taken = match pkt::next(data) {
            Ok(Next::Packet(Packet::Line(line), _)) if is_error => {
                let text = line.get(4..line.len().min(4 + MAX_ERROR)).unwrap_or_default();
                return Line::Error(String::from_utf8_lossy(text).trim_end().to_owned());
            }
            // What an advertisement begins with, over HTTP.
            Ok(Next::Packet(Packet::Line(line), taken)) if line.starts_with(b"# service=") => taken,
            Ok(Next::Packet(Packet::Flush, taken)) if before > 0 => taken,
            Ok(Next::Needs(more)) if is_error || data.len() < 8 || data.get(4..6) == Some(b"# ") => {
                return Line::Needs(before + more);
            }
            _ => return Line::Other,
        };
        before += taken;
        data = data.get(taken..).unwrap_or_default();
    }
}

fn word(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn unknown() -> Fault {
    Fault::new("git-exchange", "there is no such exchange")
}
