//! A program that speaks MCP on its standard input and output, served as streamable HTTP.
//!
//! ```text
//! POST initialize          ─► a program of its own, and an `Mcp-Session-Id`
//! POST with that session   ─► its program             GET: what belongs to no request      DELETE: its end
//! POST of 2026-07-28       ─► one program of the weir session, since that version has no sessions
//! ```
//!
//! All programs of a session of weir end with it. What passes is judged in front of this, as for every upstream;
//! nothing here reads more than what a message is and its ids ([`message`]). [`calls`] knows who waits for what,
//! [`process`] has the program, [`body`] the way back.

mod body;
mod calls;
mod message;
mod process;

pub(crate) use body::ProgramBody;

use body::{Heard, Inlet, Left, Waiting, outlet, too_much};
use calls::Over;
use message::{Kind, Message};
use process::Process;
use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use weir_config::settings::Program;
use weir_model::{Fault, FaultSource};
use weir_session::http::traffic::{AnswerHead, Frame, Header, Pipe, RequestHead};

/// Sessions of MCP in one session of weir. The one that was quiet for longest makes room for another.
const MOST_SESSIONS: usize = 8;
/// Messages of a batch.
const MOST_MESSAGES: usize = 256;
/// The first version without sessions. Versions are dates.
const WITHOUT_SESSIONS: &str = "2026-07-28";
/// JSON-RPC: Parse error, Invalid Request; MCP's SDKs say the last for a session that is not known.
const INVALID: i32 = -32600;
const NO_SESSION: i32 = -32001;

/// The programs of one session of weir.
pub(crate) struct Programs {
    settings: Program,
    /// Where they run, unless the settings say it.
    folder: PathBuf,
    resource: String,
    /// Bytes of a request, and of a line of a program.
    most: (usize, usize),
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    sessions: HashMap<String, Arc<Process>>,
    /// For all clients that speak a version without sessions.
    common: Option<Arc<Process>>,
    over: bool,
}

type Answered = (AnswerHead, ProgramBody);

impl Programs {
    pub(crate) fn new(settings: Program, folder: PathBuf, resource: String, most: (usize, usize)) -> Self {
        Self { settings, folder, resource, most, running: Mutex::default() }
    }

    pub(crate) async fn send(&self, head: RequestHead, body: Pipe) -> Result<Answered, Fault> {
        match head.method.as_str() {
            "POST" => self.post(&head, body).await,
            "GET" => Ok(self.stream(&head)),
            "DELETE" => Ok(self.delete(&head)),
            _ => Ok(refusal(405, INVALID, "a program has POST, GET and DELETE")),
        }
    }

    /// Ends all, and waits for that.
    pub(crate) async fn end(&self) {
        let all: Vec<_> = {
            let mut running = self.lock();
            running.over = true;
            let common = running.common.take();
            running.sessions.drain().map(|(_, process)| process).chain(common).collect()
        };
        all.iter().for_each(|process| process.end("the session has ended"));
        for process in all {
            process.gone().await;
        }
    }

    async fn post(&self, head: &RequestHead, body: Pipe) -> Result<Answered, Fault> {
        let text = read(body, self.most.0).await?;
        let (messages, is_batch) = match Message::read_all(&text, MOST_MESSAGES) {
            Ok(all) => all,
            Err(why) => return Ok(refusal(400, INVALID, &format!("this is no message of JSON-RPC: {why}"))),
        };
        if messages.iter().any(|message| message.kind == Kind::Request && message.method == "initialize") {
            return match messages.as_slice() {
                [initialize] => self.initialize(head, initialize).await,
                _ => Ok(refusal(400, INVALID, "`initialize` stands alone")),
            };
        }
        let process = match self.process(head)? {
            Ok(process) => process,
            Err(refusal) => return Ok(refusal),
        };
        process.works();
        let asked = messages.iter().filter(|message| message.kind == Kind::Request).count();
        let events = accepts(head, "text/event-stream");
        let (out, inlet) = outlet(events, self.most.1);
        let mut waiting = Waiting { process: Arc::clone(&process), numbers: Vec::new() };
        for message in &messages {
            let line = if message.kind == Kind::Request {
                match process.calls().begin(message, &out) {
                    Ok((own, line)) => {
                        waiting.numbers.push(own);
                        Some(line)
                    }
                    Err(Over(_)) => return Ok(no_session()),
                }
            } else {
                process.calls().told(message)
            };
            // When it has ended, its end answers what was begun.
            if let Some(line) = line
                && process.say(line).await.is_err()
                && asked == 0
            {
                return Ok(no_session());
            }
        }
        drop(out);
        match (asked, events) {
            (0, _) => Ok((answer_head(202, None, Some(0)), ProgramBody::whole(String::new()))),
            (_, true) => {
                let body = ProgramBody::events(inlet, Left::Answers(asked), waiting);
                Ok((answer_head(200, Some("text/event-stream"), None), body))
            }
            (_, false) => {
                let answers = gather(inlet, asked).await?;
                drop(waiting);
                let texts: Vec<_> = answers.into_iter().map(|(text, _)| text).collect();
                let text = if is_batch { format!("[{}]", texts.join(",")) } else { texts.concat() };
                Ok(whole(200, text))
            }
        }
    }

    /// A program for a new session; it is known when the program has agreed.
    async fn initialize(&self, head: &RequestHead, initialize: &Message) -> Result<Answered, Fault> {
        let process = self.start(false)?;
        let unless_agreed = Unless(Some(Arc::clone(&process)));
        let (out, inlet) = outlet(false, self.most.1);
        let begun = process.calls().begin(initialize, &out);
        drop(out);
        let Ok((own, line)) = begun else { return Err(not_started("it ended at once")) };
        let waiting = Waiting { process: Arc::clone(&process), numbers: vec![own] };
        // When it has ended, its end answers.
        let _ = process.say(line).await;
        let Some((text, is_error)) = gather(inlet, 1).await?.pop() else {
            return Err(not_started("it did not answer"));
        };
        drop(waiting);
        if process.is_over() {
            return Err(not_started("it ended before it answered `initialize`"));
        }
        let (mut answer, body) =
            match accepts(head, "application/json") || !accepts(head, "text/event-stream") {
                true => whole(200, text),
                false => {
                    let event = message::event(&text);
                    let length = Some(event.len() as u64);
                    (answer_head(200, Some("text/event-stream"), length), ProgramBody::whole(event))
                }
            };
        if !is_error {
            let name = self.enter(&process)?;
            unless_agreed.agreed();
            answer.headers.push(Header::new("mcp-session-id", name));
        }
        Ok((answer, body))
    }

    fn stream(&self, head: &RequestHead) -> Answered {
        let process = match self.known(head) {
            Ok(process) => process,
            Err(refusal) => return refusal,
        };
        let (out, inlet) = outlet(true, self.most.1);
        let after = value(head, "last-event-id").and_then(|id| id.parse().ok());
        if process.calls().listen(out, after).is_err() {
            return no_session();
        }
        let body = ProgramBody::events(inlet, Left::Open, Waiting { process, numbers: Vec::new() });
        (answer_head(200, Some("text/event-stream"), None), body)
    }

    fn delete(&self, head: &RequestHead) -> Answered {
        let process = match self.known(head) {
            Ok(process) => process,
            Err(refusal) => return refusal,
        };
        self.lock().sessions.retain(|_, other| !Arc::ptr_eq(other, &process));
        process.end("the client has ended the session");
        (answer_head(204, None, Some(0)), ProgramBody::whole(String::new()))
    }

    /// Who gets the messages of a request. The inner error is what the client reads.
    fn process(&self, head: &RequestHead) -> Result<Result<Arc<Process>, Answered>, Fault> {
        let version = value(head, "mcp-protocol-version").unwrap_or_default();
        if value(head, "mcp-session-id").is_some() || version.as_str() < WITHOUT_SESSIONS {
            return Ok(self.known(head));
        }
        if let Some(common) = self.lock().common.as_ref().filter(|process| !process.is_over()) {
            return Ok(Ok(Arc::clone(common)));
        }
        let started = self.start(true)?;
        let mut running = self.lock();
        if running.over {
            started.end("the session has ended");
            return Err(over());
        }
        match running.common.as_ref().filter(|process| !process.is_over()) {
            // Somebody was faster.
            Some(common) => {
                started.end("there is one already");
                Ok(Ok(Arc::clone(common)))
            }
            None => {
                running.common = Some(Arc::clone(&started));
                Ok(Ok(started))
            }
        }
    }

    fn known(&self, head: &RequestHead) -> Result<Arc<Process>, Answered> {
        let Some(name) = value(head, "mcp-session-id") else {
            return Err(match head.method.as_str() {
                "GET" | "DELETE"
                    if value(head, "mcp-protocol-version")
                        .is_some_and(|version| version.as_str() >= WITHOUT_SESSIONS) =>
                {
                    refusal(405, INVALID, "this version of MCP has only POST")
                }
                _ => {
                    refusal(400, INVALID, "the header `Mcp-Session-Id` is missing; `initialize` comes first")
                }
            });
        };
        let found = self.lock().sessions.get(&name).cloned();
        found.filter(|process| !process.is_over()).ok_or_else(no_session)
    }

    fn start(&self, shared: bool) -> Result<Arc<Process>, Fault> {
        let own = self.settings.cwd.is_none();
        let folder = self.settings.cwd.as_ref().unwrap_or(&self.folder);
        let made = || match own {
            true => std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder),
            false => Ok(()),
        };
        let started =
            made().and_then(|()| Process::start(&self.settings, folder, &self.resource, self.most.1, shared));
        started.map_err(|error| {
            tracing::warn!(resource = self.resource, %error, "a program could not be started");
            not_started("it could not be started").with_detail(error.to_string())
        })
    }

    /// A name for a session that nobody can guess.
    fn enter(&self, process: &Arc<Process>) -> Result<String, Fault> {
        let mut random = [0; 16];
        getrandom::fill(&mut random)
            .map_err(|error| Fault::new(FaultSource::Host, "no-random", error.to_string()))?;
        let name = format!("{:032x}", u128::from_be_bytes(random));
        let mut running = self.lock();
        if running.over {
            return Err(over());
        }
        running.sessions.retain(|_, process| !process.is_over());
        if running.sessions.len() >= MOST_SESSIONS {
            let quiet =
                running.sessions.iter().filter_map(|(name, process)| Some((process.quiet_for()?, name)));
            let Some(oldest) = quiet.max().map(|(_, name): (Duration, _)| name.clone()) else {
                let message = "as many programs as one session may have are at work";
                return Err(Fault::new(FaultSource::Host, "too-many-programs", message));
            };
            if let Some(process) = running.sessions.remove(&oldest) {
                process.end("another session of the same client needs its place");
            }
        }
        running.sessions.insert(name.clone(), Arc::clone(process));
        Ok(name)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a program that has come to nothing, also when its client hangs up before.
struct Unless(Option<Arc<Process>>);

impl Unless {
    fn agreed(mut self) {
        self.0 = None;
    }
}

impl Drop for Unless {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.end("the program did not agree to a session");
        }
    }
}

async fn read(mut body: Pipe, most: usize) -> Result<String, Fault> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.recv().await {
        match frame {
            Ok(Frame::Data(data)) if bytes.len() + data.len() > most => {
                let message = format!("the request is larger than {most} bytes");
                return Err(Fault::new(FaultSource::Client, "too-large", message));
            }
            Ok(Frame::Data(data)) => bytes.extend_from_slice(&data),
            Ok(Frame::Trailers(_) | Frame::Message(_)) => {}
            Err(broken) => return Err(Fault::new(FaultSource::Client, "body", broken.message)),
        }
    }
    String::from_utf8(bytes)
        .map_err(|_| Fault::new(FaultSource::Client, "malformed", "the request is no UTF-8"))
}

/// The answers without what comes between them.
async fn gather(mut inlet: Inlet, asked: usize) -> Result<Vec<(String, bool)>, Fault> {
    let mut answers = Vec::new();
    while answers.len() < asked {
        match inlet.next().await {
            Some(Heard::Answer(text, is_error)) => answers.push((text, is_error)),
            Some(Heard::Said(_) | Heard::Numbered(..)) => {}
            Some(Heard::TooMuch) => {
                return Err(Fault::new(FaultSource::Host, "too-large", too_much().message));
            }
            None => break,
        }
    }
    Ok(answers)
}

fn value(head: &RequestHead, name: &str) -> Option<String> {
    head.headers.iter().find(|header| header.name == name).map(|header| header.text().trim().to_owned())
}

/// Named in full: who takes anything gets the simpler one.
fn accepts(head: &RequestHead, wanted: &str) -> bool {
    let lines = head.headers.iter().filter(|header| header.name == "accept");
    lines.map(Header::text).any(|line| {
        line.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
                && !parts.any(|part| part.strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0)))
        })
    })
}

fn answer_head(status: u16, content_type: Option<&str>, length: Option<u64>) -> AnswerHead {
    let mut headers: Vec<_> =
        content_type.map(|kind| Header::new("content-type", kind.to_owned())).into_iter().collect();
    headers.push(Header::new("cache-control", "no-store"));
    AnswerHead { status, headers, has_body: length != Some(0), length }
}

fn whole(status: u16, text: String) -> Answered {
    (answer_head(status, Some("application/json"), Some(text.len() as u64)), ProgramBody::whole(text))
}

fn refusal(status: u16, code: i32, message: &str) -> Answered {
    whole(status, message::error("null", code, &format!("weir: {message}")))
}

/// A client that reads 404 begins a new session (MCP, "Session Management").
fn no_session() -> Answered {
    refusal(
        404,
        NO_SESSION,
        "this session of MCP is not known, or its program has ended; begin with `initialize`",
    )
}

fn not_started(why: &str) -> Fault {
    Fault::new(
        FaultSource::Upstream,
        "upstream-unreachable",
        format!("the program of this resource does not serve: {why}"),
    )
}

fn over() -> Fault {
    Fault::new(FaultSource::Host, "session-over", "the session has just ended")
}
