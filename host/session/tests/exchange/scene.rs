//! A session with a test on each of its sides.
//!
//! Time is paused: it moves only when everybody waits. So "nothing comes" is certain and costs no time, and a
//! session that spins never lets it move; [`MOST_TURNS`] catches that.

use crate::approvals::{Asked, ToyApprovals};
use crate::maskers::{ToyCatalog, ToyMaskers};
use crate::toy::Toy;
use crate::trail::{Disk, ToyTrail};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use weir_model::{
    Column, Digest, Fault, JudgedBy, Operation, PluginName, Principal, PrincipalKind, ResourceName,
    SessionId, SessionInfo, Tags, Verdict,
};
use weir_session::decide::Default as DefaultVerdict;
use weir_session::exchange::{Ended, Exchange, Limits, Start};
use weir_session::ports::{
    Answers, ApprovalRequest, Ask, Entry, Leave, Policies, PolicyAnswer, PolicyDecision, Ports, Round,
};
use weir_session::traffic::{Batch, ClientOutcome, Masked, ServerOutcome};

/// Far more than any test here needs.
const MOST_TURNS: usize = 1_000_000;
/// Long enough for everything that is ready to happen.
const MOMENT: Duration = Duration::from_millis(1);

type Lie<T> = Box<dyn FnMut(&[u8], bool) -> Option<Result<T, Fault>> + Send>;
type MaskerLie = Box<dyn FnMut(u32, &Batch) -> Result<Masked, Fault> + Send>;

/// What the test and the session's ports share.
pub(crate) struct Hub {
    pub(crate) rules: Mutex<HashMap<String, Verdict>>,
    pub(crate) judged: Mutex<Vec<String>>,
    /// one letter per question to the policies: `f`irst, `a`gain
    pub(crate) rounds: Mutex<String>,
    /// what policies say besides, by text
    pub(crate) remarks: Mutex<HashMap<String, PolicyDecision>>,
    pub(crate) disk: watch::Sender<Disk>,
    /// whether the session's beginning is on disk, once that is known
    pub(crate) opened: watch::Sender<Option<bool>>,
    /// how often that was asked
    pub(crate) opened_asked: AtomicUsize,
    /// how many more writes succeed
    pub(crate) writes_left: Mutex<Option<usize>>,
    pub(crate) entries: Mutex<Vec<Entry>>,
    pub(crate) asked: mpsc::UnboundedSender<Asked>,
    pub(crate) approvals_fail: Mutex<Option<Fault>>,
    pub(crate) no_longer_waiting: Mutex<usize>,
    pub(crate) abandoned: Mutex<Vec<&'static str>>,
    pub(crate) refuse_fails: Mutex<Option<Fault>>,
    pub(crate) rewrite_fails: Mutex<Option<Fault>>,
    pub(crate) turns: AtomicUsize,
    pub(crate) client_calls: AtomicUsize,
    pub(crate) server_calls: AtomicUsize,
    pub(crate) most_of_client: AtomicUsize,
    pub(crate) most_of_server: AtomicUsize,
    pub(crate) lie_to_client: Mutex<Option<Lie<ClientOutcome>>>,
    pub(crate) lie_to_server: Mutex<Option<Lie<ServerOutcome>>>,
    pub(crate) masker_lies: Mutex<Option<MaskerLie>>,
    /// columns of each plan, but for those of the trail
    pub(crate) planned: Mutex<Vec<String>>,
    /// what the masker hides
    pub(crate) word: Mutex<&'static str>,
    /// its plans serve again, and in which era that is said
    pub(crate) serves_again: AtomicBool,
    pub(crate) era: AtomicU64,
    /// plans that hold, by slot: what the columns are, and what is hidden
    pub(crate) plans: Mutex<BTreeMap<u32, (Vec<Column>, &'static str)>>,
    /// the inspector does not hear that something is kept no longer
    pub(crate) keeps_for_ever: AtomicBool,
    /// columns that are called otherwise in truth, and how long that is believed
    pub(crate) sources: Mutex<HashMap<String, String>>,
    pub(crate) believed: Mutex<Option<Duration>>,
}

impl Hub {
    pub(crate) fn new(asked: mpsc::UnboundedSender<Asked>) -> Self {
        Self {
            rules: Mutex::default(),
            judged: Mutex::default(),
            rounds: Mutex::default(),
            remarks: Mutex::default(),
            disk: watch::Sender::new(Disk::Up),
            opened: watch::Sender::new(Some(true)),
            opened_asked: AtomicUsize::new(0),
            writes_left: Mutex::default(),
            entries: Mutex::default(),
            asked,
            approvals_fail: Mutex::default(),
            no_longer_waiting: Mutex::default(),
            abandoned: Mutex::default(),
            refuse_fails: Mutex::default(),
            rewrite_fails: Mutex::default(),
            turns: AtomicUsize::default(),
            client_calls: AtomicUsize::default(),
            server_calls: AtomicUsize::default(),
            most_of_client: AtomicUsize::default(),
            most_of_server: AtomicUsize::default(),
            lie_to_client: Mutex::default(),
            lie_to_server: Mutex::default(),
            masker_lies: Mutex::default(),
            planned: Mutex::default(),
            word: Mutex::new("secret"),
            serves_again: AtomicBool::default(),
            era: AtomicU64::default(),
            plans: Mutex::default(),
            keeps_for_ever: AtomicBool::default(),
            sources: Mutex::default(),
            believed: Mutex::default(),
        }
    }
}

pub(crate) struct ToyPorts;

impl Ports for ToyPorts {
    type Inspector = Toy;
    type Policies = ToyPolicies;
    type Maskers = ToyMaskers;
    type Catalog = ToyCatalog;
    type Trail = ToyTrail;
    type Approvals = ToyApprovals;
    type Leave = ToyLeave;
}

/// Judges by text: a rule of the test, or the operation's first word.
pub(crate) struct ToyPolicies(pub(crate) Arc<Hub>);

pub(crate) fn deny(code: &str) -> Verdict {
    Verdict::Deny { code: code.into(), reason: "not allowed".into() }
}

pub(crate) fn hold(reviewers: &[&str]) -> Verdict {
    let reviewers = reviewers.iter().map(|name| (*name).to_owned()).collect();
    Verdict::Hold { code: "ask".into(), reason: "ask first".into(), reviewers }
}

pub(crate) fn rewrite(text: &str) -> Verdict {
    Verdict::Rewrite { text: text.into() }
}

impl Policies for ToyPolicies {
    async fn decide(&mut self, operation: &Operation, round: Round) -> Answers {
        self.0.rounds.lock().unwrap().push(if round == Round::First { 'f' } else { 'a' });
        self.0.judged.lock().unwrap().push(operation.text.clone());
        let rule = self.0.rules.lock().unwrap().get(&operation.text).cloned();
        let verdict = rule.unwrap_or_else(|| match operation.text.split_once(' ') {
            Some(("deny", _)) => deny("denied"),
            Some(("hold", _)) => hold(&[]),
            Some(("rewrite", text)) => rewrite(text),
            Some(("abstain", _)) => Verdict::Abstain,
            _ => Verdict::Allow,
        });
        Answers::from_iter([PolicyAnswer {
            by: JudgedBy { plugin: PluginName::new("policy"), digest: Digest([3; 32]), answer: "" },
            answer: Ok(match self.0.remarks.lock().unwrap().get(&operation.text).cloned() {
                Some(remarks) => PolicyDecision { verdict, ..remarks },
                None => PolicyDecision { verdict, findings: vec![], tags: Tags::default() },
            }),
            open_on_failure: false,
            beside: None,
        }])
    }
}

pub(crate) struct ToyLeave {
    hub: Arc<Hub>,
    asks: mpsc::UnboundedReceiver<Ask>,
}

impl Leave for ToyLeave {
    async fn asked(&mut self) -> Ask {
        assert!(self.hub.turns.fetch_add(1, Ordering::Relaxed) < MOST_TURNS, "the session spins");
        match self.asks.recv().await {
            Some(ask) => ask,
            None => std::future::pending().await,
        }
    }
}

/// What is decided before a session starts.
pub(crate) struct Scene {
    pub(crate) limits: Limits,
    pub(crate) default: DefaultVerdict,
    pub(crate) masking: bool,
    pub(crate) pipe_bytes: usize,
    pub(crate) client_ahead: &'static str,
    pub(crate) upstream_ahead: &'static str,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self {
            limits: Limits {
                max_operation_bytes: 4096,
                max_answer_bytes: 4096,
                buffer_bytes: 1024,
                idle_timeout: Duration::from_secs(3600),
                approval_timeout: Duration::from_secs(900),
            },
            default: DefaultVerdict::Deny,
            masking: false,
            pipe_bytes: 64 * 1024,
            client_ahead: "",
            upstream_ahead: "",
        }
    }

    pub(crate) fn masking(self) -> Self {
        Self { masking: true, ..self }
    }

    pub(crate) fn pipes(self, pipe_bytes: usize) -> Self {
        Self { pipe_bytes, ..self }
    }

    pub(crate) fn idle_timeout(mut self, idle_timeout: Duration) -> Self {
        self.limits.idle_timeout = idle_timeout;
        self
    }

    pub(crate) fn start(self) -> Live {
        let (asked, asked_receiver) = mpsc::unbounded_channel();
        let (leave, asks) = mpsc::unbounded_channel();
        let hub = Arc::new(Hub::new(asked));
        let (client, client_end) = tokio::io::duplex(self.pipe_bytes);
        let (upstream, upstream_end) = tokio::io::duplex(self.pipe_bytes);
        let toy = Toy {
            hub: Arc::clone(&hub),
            masking: self.masking,
            max_operation: self.limits.max_operation_bytes,
            last_id: 0,
            queue: Arc::default(),
            wanted: vec![],
            announced: String::new(),
            kept: vec![],
            edited: vec![],
        };
        let start = Start::<ToyPorts> {
            info: info(),
            inspector: toy,
            policies: ToyPolicies(Arc::clone(&hub)),
            maskers: ToyMaskers { hub: Arc::clone(&hub), active: self.masking },
            catalog: ToyCatalog(Arc::clone(&hub)),
            trail: ToyTrail(Arc::clone(&hub)),
            approvals: ToyApprovals(Arc::clone(&hub)),
            leave: ToyLeave { hub: Arc::clone(&hub), asks },
            limits: self.limits,
            default: self.default,
            farewell: |fault| format!("farewell {}\n", fault.code).into_bytes(),
            client_ahead: self.client_ahead.into(),
            upstream_ahead: self.upstream_ahead.into(),
        };
        let task = tokio::spawn(Exchange::run(start, client_end, upstream_end));
        Live { client: Side(client), upstream: Side(upstream), hub, asked: asked_receiver, leave, task }
    }
}

pub(crate) fn info() -> SessionInfo {
    SessionInfo {
        id: SessionId::new("s1"),
        resource: ResourceName::new("toys"),
        protocol: "toy".into(),
        who: Principal { id: "ann".into(), kind: PrincipalKind::Human, on_behalf_of: None, groups: vec![] },
        client_address: "127.0.0.1:1".into(),
        started_ms: 0,
        attributes: vec![],
        claimed: vec![],
    }
}

/// A running session.
pub(crate) struct Live {
    pub(crate) client: Side,
    pub(crate) upstream: Side,
    pub(crate) hub: Arc<Hub>,
    asked: mpsc::UnboundedReceiver<Asked>,
    pub(crate) leave: mpsc::UnboundedSender<Ask>,
    pub(crate) task: JoinHandle<Ended>,
}

impl Live {
    /// The next operation somebody is asked about.
    pub(crate) async fn asked(&mut self) -> Asked {
        tokio::time::timeout(Duration::from_secs(1), self.asked.recv())
            .await
            .expect("nobody is asked")
            .unwrap()
    }

    /// The same, however long it takes.
    pub(crate) async fn next_asked(&mut self) -> Asked {
        self.asked.recv().await.unwrap()
    }

    pub(crate) async fn request(&mut self) -> (ApprovalRequest, Asked) {
        let asked = self.asked().await;
        (asked.request.clone(), asked)
    }

    pub(crate) fn ask(&self, ask: Ask) {
        self.leave.send(ask).unwrap();
    }

    pub(crate) fn rule(&self, text: &str, verdict: Verdict) {
        self.hub.rules.lock().unwrap().insert(text.into(), verdict);
    }

    pub(crate) fn disk(&self, disk: Disk) {
        self.hub.disk.send_replace(disk);
    }

    /// One operation, from the client's word to the outcome.
    pub(crate) async fn runs(&mut self, text: &str) {
        self.client.says(&format!("{text}\n")).await;
        self.upstream.hears(&format!("{text}\n")).await;
        self.upstream.says("ok 0\nidle\n").await;
        self.client.hears("ok 0\nidle\n").await;
    }

    /// How the session ended, within ten seconds of its own time.
    pub(crate) async fn end(&mut self) -> Ended {
        tokio::time::timeout(Duration::from_secs(10), &mut self.task)
            .await
            .expect("the session goes on")
            .unwrap()
    }

    pub(crate) async fn still_lives(&self) {
        tokio::time::sleep(MOMENT).await;
        assert!(!self.task.is_finished(), "the session has ended");
    }

    /// The trail, one line per entry.
    pub(crate) fn story(&self) -> Vec<String> {
        self.hub.entries.lock().unwrap().iter().map(told).collect()
    }

    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.hub.entries.lock().unwrap().clone()
    }

    pub(crate) fn turns(&self) -> usize {
        self.hub.turns.load(Ordering::Relaxed)
            + self.hub.client_calls.load(Ordering::Relaxed)
            + self.hub.server_calls.load(Ordering::Relaxed)
    }
}

pub(crate) fn told(entry: &Entry) -> String {
    match entry {
        Entry::Intent(intent) => {
            let approved = intent.approval.as_ref().map_or("", |_| " approved");
            let continues =
                if intent.continues == 0 { String::new() } else { format!(" of {}", intent.continues) };
            format!("intent {}{continues}{approved}: {}", intent.id, intent.operation.text)
        }
        Entry::Refused { intent, by, why } => {
            format!("refused {} by {} {}: {}", intent.id, by.as_word(), why.code, intent.operation.text)
        }
        Entry::Outcome(outcome) => {
            format!("outcome {} {} {}", outcome.id, outcome.status.as_word(), outcome.rows)
        }
    }
}

/// One end of a stream, in the hands of the test.
pub(crate) struct Side(pub(crate) DuplexStream);

impl Side {
    /// Takes the stream; what is left leads nowhere.
    pub(crate) fn take(&mut self) -> DuplexStream {
        std::mem::replace(&mut self.0, tokio::io::duplex(1).0)
    }

    pub(crate) async fn says(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        tokio::time::sleep(MOMENT).await;
    }

    /// Exactly this comes next.
    pub(crate) async fn hears(&mut self, text: &str) {
        let mut heard = Vec::new();
        while heard.len() < text.len() {
            let mut bytes = vec![0; text.len() - heard.len()];
            let read = tokio::time::timeout(Duration::from_secs(1), self.0.read(&mut bytes)).await;
            match read {
                Ok(Ok(count)) if count > 0 => heard.extend_from_slice(&bytes[..count]),
                _ => break,
            }
        }
        assert_eq!(String::from_utf8_lossy(&heard), text);
    }

    /// Some line comes next.
    pub(crate) async fn hears_line(&mut self) {
        while self.0.read_u8().await.unwrap() != b'\n' {}
    }

    /// Nothing comes, however long one waits.
    pub(crate) async fn hears_nothing(&mut self) {
        let mut bytes = [0; 1024];
        if let Ok(read) = tokio::time::timeout(MOMENT, self.0.read(&mut bytes)).await {
            panic!("heard {:?}", String::from_utf8_lossy(&bytes[..read.unwrap()]));
        }
    }

    /// This is the last that comes.
    pub(crate) async fn hears_last(&mut self, text: &str) {
        let mut heard = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(10), self.0.read_to_end(&mut heard)).await;
        assert_eq!(String::from_utf8_lossy(&heard), text);
        end.expect("the stream is still open").unwrap();
    }

    /// Says no more, but still listens.
    pub(crate) async fn falls_silent(&mut self) {
        self.0.shutdown().await.unwrap();
        tokio::time::sleep(MOMENT).await;
    }
}
