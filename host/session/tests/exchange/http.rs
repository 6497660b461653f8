//! A session over HTTP with a test on each of its sides.
//!
//! The toy's protocol: a request without body is one operation, its line. A body is shown whole and its text belongs
//! to the line; with the header `x-growing`, its first line is the operation and the rest passes unseen. `/nothing`
//! has no operation; `cancel 10` takes back the operation 10. Answers are shown as the upstream's header `x-show` says;
//! every word in them is a value. One that begins with `ask` asks the client for what follows, one with `note` is noted.

use crate::approvals::{Asked, ToyApprovals};
use crate::maskers::ToyMaskers;
use crate::scene::{Hub, ToyPolicies, info, told};
use crate::trail::{Disk, ToyTrail};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use weir_model::{
    Action, Attribute, Column, Digest, EndReason, Fault, FaultSource, JudgedBy, Operation, PluginName,
};
use weir_session::decide::Default as DefaultVerdict;
use weir_session::exchange::Limits;
use weir_session::http::traffic::{
    Answer, AnswerHead, AnswerOutcome, Broken, Frame, Header, HttpInspector, OwnAnswer, OwnRequest, Pipe,
    RequestHead, RequestOutcome, Show, Source, Spans, Upstream, Values,
};
use weir_session::http::{HttpPorts, HttpSession, HttpStart, Notes, Room};
use weir_session::traffic::{Request, TOP_BIT};

pub(crate) struct ToyHttpPorts;

impl HttpPorts for ToyHttpPorts {
    type Inspector = ToyHttp;
    type Policies = ToyPolicies;
    type Maskers = ToyMaskers;
    type Trail = ToyTrail;
    type Approvals = ToyApprovals;
}

pub(crate) struct ToyHttp {
    lines: HashMap<u32, String>,
    growing: HashMap<u32, bool>,
    /// start and length of the words of the last call
    words: Vec<(u32, u32)>,
    messages: u32,
    /// calls that fail from now on
    broken: bool,
    noted: Arc<Mutex<Vec<String>>>,
    ended: Arc<Mutex<Vec<u32>>>,
}

fn operation(id: u32, text: String) -> Request {
    let cancels = text.strip_prefix("cancel ").map(|number| Attribute::new("cancels", number));
    let operation = Operation {
        kind: "toy.request".into(),
        action: Action::Read,
        text,
        objects: vec![],
        parameters: vec![],
        attributes: cancels.into_iter().collect(),
        claimed: vec![],
    };
    Request { id, continues: 0, operation: operation.into() }
}

impl ToyHttp {
    fn found(&self, exchange: u32, text: &str) -> RequestOutcome {
        let line = &self.lines[&exchange];
        let text = if text.is_empty() { line.clone() } else { format!("{line} {text}") };
        RequestOutcome { operations: vec![operation(exchange * 10, text)], ..RequestOutcome::default() }
    }

    fn check(&mut self) -> Result<(), Fault> {
        match self.broken {
            true => Err(Fault::new(FaultSource::Plugin, "trapped", "the inspector failed")),
            false => Ok(()),
        }
    }
}

impl HttpInspector for ToyHttp {
    fn judged_by(&self) -> JudgedBy {
        JudgedBy { plugin: PluginName::new("toy"), digest: Digest([1; 32]), answer: "inspect" }
    }

    fn is_usable(&self) -> bool {
        !self.broken
    }

    async fn request(
        &mut self,
        ended: &[u32],
        exchange: u32,
        head: &RequestHead,
        body: Option<&[u8]>,
    ) -> Result<RequestOutcome, Fault> {
        for exchange in ended {
            self.end(*exchange).await;
        }
        if head.path == "/trap" {
            self.broken = true;
        }
        self.check()?;
        self.lines.insert(exchange, format!("{} {}", head.method, head.path));
        let growing = head.headers.iter().any(|header| header.name == "x-growing");
        self.growing.insert(exchange, growing);
        let show = if growing { Show::Growing } else { Show::Whole };
        Ok(match head.has_body {
            true if show == Show::Whole && head.path != "/nothing" && body.is_some() => {
                let seen = self.request_body(exchange, body.unwrap(), true).await?;
                RequestOutcome { show: Show::Seen, ..seen }
            }
            _ if head.path == "/nothing" => RequestOutcome::default(),
            true => RequestOutcome { show, ..RequestOutcome::default() },
            false if head.asks_for_socket() && head.path != "/blind" => {
                RequestOutcome { show: Show::Messages, ..self.found(exchange, "") }
            }
            false => self.found(exchange, ""),
        })
    }

    async fn request_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<RequestOutcome, Fault> {
        self.check()?;
        let text = std::str::from_utf8(data).unwrap();
        if !self.growing[&exchange] {
            assert!(end, "a body that is shown whole comes once");
            let release = data.len() as u32;
            return Ok(RequestOutcome { release, ..self.found(exchange, text) });
        }
        match text.split_once('\n') {
            Some((line, _)) => Ok(self.found(exchange, line)),
            None => Ok(RequestOutcome {
                show: Show::Growing,
                need: data.len() as u32 + 1,
                ..RequestOutcome::default()
            }),
        }
    }

    async fn answer(
        &mut self,
        exchange: u32,
        head: &AnswerHead,
        body: Option<&[u8]>,
    ) -> Result<AnswerOutcome, Fault> {
        self.check()?;
        let show = match head.values("x-show").next().as_deref() {
            Some("whole") => Show::Whole,
            Some("growing") => Show::Growing,
            // It lies.
            Some("seen") => Show::Seen,
            _ => Show::Unseen,
        };
        let mut values = Values::default();
        for (index, header) in head.headers.iter().enumerate() {
            if header.name == "x-value" {
                values.columns = [Column { name: "header".into(), ..Column::default() }].into();
                values.cells.extend([0, index as u32, 0]);
            }
        }
        if let (Show::Whole, true, Some(body)) = (show, values.cells.is_empty(), body) {
            let seen = self.answer_body(exchange, body, true).await?;
            return Ok(AnswerOutcome { show: Show::Seen, ..seen });
        }
        self.words = values.cells.chunks(3).map(|cell| (cell[1], cell[1])).collect();
        Ok(AnswerOutcome { show, values, ..AnswerOutcome::default() })
    }

    async fn answer_body(&mut self, exchange: u32, data: &[u8], end: bool) -> Result<AnswerOutcome, Fault> {
        self.check()?;
        let last_line = data.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let release = if end { data.len() } else { last_line };
        let mut words = Vec::new();
        let mut start = 0;
        for word in data[..release].split(|byte| b" \n".contains(byte)) {
            if !word.is_empty() {
                words.push((start as u32, word.len() as u32));
            }
            start += word.len() + 1;
        }
        let columns = [Column { name: "word".into(), ..Column::default() }].into();
        let text = std::str::from_utf8(data).unwrap();
        let asked = text.strip_prefix("ask ").map(|text| operation(exchange * 10 + 1, text.to_owned()));
        let note = text.strip_prefix("note ").filter(|_| end).map(str::to_owned);
        let cells = words.iter().flat_map(|(start, len)| [0, *start, *len]).collect();
        self.words = words.iter().map(|(start, len)| (*start, start + len)).collect();
        Ok(AnswerOutcome {
            show: Show::Growing,
            values: Values { columns, cells, decoded: vec![] },
            release: release as u32,
            operations: asked.into_iter().collect(),
            notes: note.into_iter().collect(),
            ..AnswerOutcome::default()
        })
    }

    /// A message is an operation, its text; `broken` is none, `keep` is not released, and `slow` takes a second, which is
    /// noted when it is over.
    async fn message(&mut self, exchange: u32, text: bool, data: &[u8]) -> Result<RequestOutcome, Fault> {
        self.check()?;
        self.messages += 1;
        let said =
            if text { String::from_utf8_lossy(data).into_owned() } else { format!("binary {}", data.len()) };
        if said == "slow" {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.noted.lock().unwrap().push("looked at slow".to_owned());
        }
        let refusal =
            (said == "broken").then(|| Fault::new(FaultSource::Client, "malformed", "it is broken"));
        let release = if said == "keep" { 0 } else { data.len() as u32 };
        let operations = match said.as_str() {
            "nothing" => vec![],
            _ => vec![operation(exchange * 1000 + self.messages, said)],
        };
        Ok(RequestOutcome { operations, refusal, release, ..RequestOutcome::default() })
    }

    async fn answer_message(
        &mut self,
        exchange: u32,
        text: bool,
        data: &[u8],
    ) -> Result<AnswerOutcome, Fault> {
        if !text {
            let refusal = Some(Fault::new(FaultSource::Upstream, "answer-unseen", "no text"));
            return Ok(AnswerOutcome { refusal, ..AnswerOutcome::default() });
        }
        self.answer_body(exchange, data, true).await
    }

    async fn encode(&mut self, _: u32, cells: &[u32], texts: &[u8], ends: &[u32]) -> Result<Spans, Fault> {
        let place = |cell: &u32| self.words[(cell & !TOP_BIT) as usize];
        Ok(Spans {
            starts: cells.iter().map(|cell| place(cell).0).collect(),
            stops: cells.iter().map(|cell| place(cell).1).collect(),
            texts: texts.to_vec(),
            ends: ends.to_vec(),
        })
    }

    async fn refuse(&mut self, _: u32, refused: &[u32], why: &Fault) -> Result<OwnAnswer, Fault> {
        self.check()?;
        let body = format!("refused {refused:?} {}", why.code).into_bytes();
        Ok(OwnAnswer { status: 403, headers: vec![], body })
    }

    async fn answer_asked(
        &mut self,
        exchange: u32,
        _: &[u32],
        why: &Fault,
    ) -> Result<Vec<OwnRequest>, Fault> {
        let operation = operation(exchange * 10 + 2, "the toy says no".to_owned());
        let body = format!("no: {}", why.code).into_bytes();
        let headers = vec![Header::new("x-own", "yes")];
        Ok(vec![OwnRequest { method: "POST".into(), headers, body, operation }])
    }

    async fn noted(&mut self, notes: &[String]) -> Result<(), Fault> {
        self.noted.lock().unwrap().extend_from_slice(notes);
        Ok(())
    }

    async fn refuse_asked(&mut self, _: u32, _: &[u32], _: &Fault) -> Result<Vec<u8>, Fault> {
        Ok(b"unasked".to_vec())
    }

    async fn waiting(&mut self, exchange: u32, _: &str) -> Result<Option<OwnAnswer>, Fault> {
        let wants = self.lines[&exchange].contains("notice");
        Ok(wants.then(|| OwnAnswer { status: 200, headers: vec![], body: b"wait ".to_vec() }))
    }

    async fn end(&mut self, exchange: u32) {
        self.ended.lock().unwrap().push(exchange);
    }
}

/// A body in the hands of the test.
pub(crate) struct Body(pub(crate) mpsc::Receiver<Result<Frame, Broken>>);

impl Source for Body {
    async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        self.0.recv().await
    }

    fn decode(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

/// A whole body at once.
pub(crate) fn body(pieces: &[&str]) -> Body {
    let (sender, body) = mpsc::channel(pieces.len().max(1));
    for piece in pieces {
        sender.try_send(Ok(Frame::Data(Bytes::copy_from_slice(piece.as_bytes())))).unwrap();
    }
    Body(body)
}

/// A request as it arrives at the upstream.
pub(crate) struct Arrived {
    pub(crate) head: RequestHead,
    pub(crate) body: Pipe,
    answer: oneshot::Sender<Result<(AnswerHead, Body), Fault>>,
}

impl Arrived {
    pub(crate) fn answers(self, show: &str, pieces: &[&str]) {
        let headers = vec![Header::new("x-show", show.to_owned())];
        self.answers_with(200, headers, body(pieces));
    }

    pub(crate) fn answers_with(self, status: u16, headers: Vec<Header>, body: Body) {
        let head = AnswerHead { status, headers, has_body: true, length: None };
        let _ = self.answer.send(Ok((head, body)));
    }

    /// What the upstream gets, for whoever answers before it has all of it.
    pub(crate) fn without_body(self) -> (Self, Pipe) {
        let Self { head, body, answer } = self;
        (Self { head, body: Pipe::nothing(), answer }, body)
    }

    pub(crate) fn fails(self, code: &str) {
        let _ = self.answer.send(Err(Fault::new(FaultSource::Upstream, code, "no answer")));
    }

    /// Everything of its body; `Err` when it was broken off.
    pub(crate) async fn all(&mut self) -> Result<String, Broken> {
        let mut all = Vec::new();
        while let Some(frame) = self.body.recv().await {
            if let Frame::Data(bytes) = frame? {
                all.extend_from_slice(&bytes);
            }
        }
        Ok(String::from_utf8(all).unwrap())
    }
}

#[derive(Clone)]
struct ToyUpstream(mpsc::UnboundedSender<Arrived>);

impl Upstream for ToyUpstream {
    type Body = Body;

    async fn send(self, head: RequestHead, body: Pipe, _: Option<u64>) -> Result<(AnswerHead, Body), Fault> {
        let (answer, answered) = oneshot::channel();
        self.0.send(Arrived { head, body, answer }).ok().unwrap();
        answered.await.unwrap()
    }
}

pub(crate) struct HttpScene {
    pub(crate) hub: Arc<Hub>,
    pub(crate) session: Arc<HttpSession<ToyHttpPorts>>,
    pub(crate) ended: Arc<Mutex<Vec<u32>>>,
    pub(crate) noted: Arc<Mutex<Vec<String>>>,
    asked: mpsc::UnboundedReceiver<Asked>,
    arrivals: mpsc::UnboundedReceiver<Arrived>,
    upstream: mpsc::UnboundedSender<Arrived>,
}

/// A short time that passes only when nothing else can happen.
const MOMENT: Duration = Duration::from_millis(1);

impl HttpScene {
    pub(crate) fn start(masking: bool) -> Self {
        Self::with_notes(masking, Arc::default())
    }

    pub(crate) fn with_notes(masking: bool, notes: Arc<Notes>) -> Self {
        let (asked, asked_receiver) = mpsc::unbounded_channel();
        let (upstream, arrivals) = mpsc::unbounded_channel();
        let hub = Arc::new(Hub::new(asked));
        let ended = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::<Mutex<Vec<String>>>::default();
        let inspector = ToyHttp {
            lines: HashMap::new(),
            growing: HashMap::new(),
            words: vec![],
            messages: 0,
            broken: false,
            noted: Arc::clone(&noted),
            ended: Arc::clone(&ended),
        };
        let session = HttpSession::new(HttpStart {
            info: info(),
            inspector,
            policies: ToyPolicies(Arc::clone(&hub)),
            maskers: ToyMaskers { hub: Arc::clone(&hub), active: masking },
            trail: ToyTrail(Arc::clone(&hub)),
            approvals: ToyApprovals(Arc::clone(&hub)),
            limits: Limits {
                max_operation_bytes: 64,
                max_answer_bytes: 64,
                buffer_bytes: 64,
                idle_timeout: Duration::from_secs(3600),
                approval_timeout: Duration::from_secs(900),
            },
            default: DefaultVerdict::Deny,
            notes,
            room: Room::new(usize::MAX),
        });
        Self { hub, session: Arc::new(session), ended, noted, asked: asked_receiver, arrivals, upstream }
    }

    /// A request on its way.
    pub(crate) fn asks(
        &self,
        line: &str,
        headers: &[&str],
        body: Option<Body>,
    ) -> tokio::task::JoinHandle<Answer> {
        let (method, path) = line.split_once(' ').unwrap();
        let head = RequestHead {
            method: method.into(),
            authority: "api".into(),
            path: path.into(),
            query: None,
            headers: headers.iter().map(|name| Header::new(name, "1")).collect(),
            has_body: body.is_some(),
            // As announced: no more than that comes.
            length: body.as_ref().map(|_| 50),
            runs_once: false,
        };
        let (session, upstream) = (Arc::clone(&self.session), ToyUpstream(self.upstream.clone()));
        let body = body.unwrap_or_else(|| self::body(&[]));
        tokio::spawn(async move { session.exchange(head, body, upstream).await })
    }

    /// A handshake of WebSocket; `client`: what it says behind it.
    pub(crate) fn asks_for_socket(&self, path: &str, client: Body) -> tokio::task::JoinHandle<Answer> {
        self.asks_as("GET", path, client)
    }

    pub(crate) fn asks_as(&self, method: &str, path: &str, client: Body) -> tokio::task::JoinHandle<Answer> {
        let head = RequestHead {
            method: method.into(),
            authority: "api".into(),
            path: path.into(),
            query: None,
            headers: vec![Header::new("upgrade", "websocket")],
            has_body: false,
            length: Some(0),
            runs_once: false,
        };
        let (session, upstream) = (Arc::clone(&self.session), ToyUpstream(self.upstream.clone()));
        tokio::spawn(async move { session.exchange(head, client, upstream).await })
    }

    pub(crate) async fn arrived(&mut self) -> Arrived {
        tokio::time::timeout(Duration::from_secs(1), self.arrivals.recv())
            .await
            .expect("nothing arrives")
            .unwrap()
    }

    pub(crate) async fn nothing_arrives(&mut self) {
        tokio::time::sleep(MOMENT).await;
        assert!(self.arrivals.try_recv().is_err(), "the upstream got something");
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_secs(1), self.asked.recv())
            .await
            .expect("nobody is asked")
            .unwrap()
    }

    pub(crate) fn disk(&self, disk: Disk) {
        self.hub.disk.send_replace(disk);
    }

    /// The trail, one line per entry, when all that can happen has happened.
    pub(crate) async fn story(&self) -> Vec<String> {
        tokio::time::sleep(MOMENT).await;
        self.hub.entries.lock().unwrap().iter().map(told).collect()
    }

    pub(crate) fn end(&self, reason: EndReason) {
        self.session.end(reason);
    }
}

/// The status and the whole body; an answer that breaks off ends in `!`.
pub(crate) async fn read(answer: tokio::task::JoinHandle<Answer>) -> (u16, String) {
    let mut answer = answer.await.unwrap();
    let mut all = String::new();
    while let Some(frame) = answer.body.recv().await {
        match frame {
            Ok(Frame::Data(bytes)) => all.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(Frame::Trailers(_) | Frame::Message(_)) => {}
            Err(_) => all.push('!'),
        }
    }
    (answer.status, all)
}
