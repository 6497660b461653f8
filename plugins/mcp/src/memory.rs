//! What is remembered: of one exchange, and of the session beyond it.

use crate::cells::Cells;
use crate::head::Head;
use crate::message::{Id, Wrong};
use crate::notes::Note;
use crate::pins::Pins;
use crate::settings::{Offer, Settings};
use crate::sse::Search;
use std::collections::{BTreeMap, VecDeque};
use weir_sdk::http::Attribute;

/// Requests whose answers may still come on another exchange, and requests of servers, that are remembered.
const MAX_LEFT: usize = 1024;
/// Tasks, and clients' names, that are remembered.
const MAX_NAMED: usize = 4096;
/// Sessions of MCP that a principal may use; then the oldest is forgotten, and its client begins anew.
const MAX_SESSIONS: usize = 1024;
/// Notes of one answer: the contract's limit.
const MAX_NOTES: usize = 1024;

/// A request of the client that waits for its answer.
#[derive(Debug, Clone)]
pub struct Asked {
    pub id: Id,
    pub method: String,
    /// the tool a call is of, also by way of a task
    pub tool: Option<String>,
    /// what its values belong to; empty when that is not known
    pub relation: String,
    pub operation: u32,
    pub answered: bool,
}

/// How the answer of an exchange comes.
#[derive(Debug, Default)]
pub enum Answering {
    #[default]
    Nothing,
    Json {
        status: u16,
    },
    Events(Search),
    /// words, or nothing at all
    Text {
        must_be_empty: bool,
    },
}

/// Bytes `start..stop` in which a server asks something of the client.
#[derive(Debug, Clone)]
pub struct Ask {
    pub start: usize,
    pub stop: usize,
    /// the request that the server wants more for; none: the server's own request
    pub asked: Option<Asked>,
}

/// Bytes that were released and ask something, for when that is not allowed.
#[derive(Debug, Default)]
pub struct Asking {
    pub bytes: Vec<u8>,
    pub cuts: Vec<(usize, usize)>,
    pub asks: Vec<Ask>,
    pub operations: Vec<u32>,
}

/// A request and its answer.
#[derive(Debug, Default)]
pub struct Exchange {
    /// none: the head was refused
    pub head: Option<Head>,
    /// the inspector's own refusal: HTTP status and what is wrong
    pub trouble: Option<(u16, Wrong)>,
    pub asked: Vec<Asked>,
    pub is_batch: bool,
    /// `progressToken` of a request, as it stands in the message
    pub progress: Option<String>,
    /// how often the client was told that it must wait; from the first time on it has the head of an event stream
    pub told: u32,
    /// whether an answer began: what it leaves open may be answered elsewhere
    pub has_answer: bool,
    /// what the client said of itself (`initialize`)
    pub client: Vec<Attribute>,
    pub answering: Answering,
    /// values of the last call
    pub cells: Cells,
    pub asking: Asking,
    /// tools of this request that may not be called, whatever policies say: their operations
    pub objected: Vec<u32>,
    /// what servers asked that this request answers: their operations, and whether with a result
    pub answers: Vec<(u32, bool)>,
}

impl Exchange {
    pub fn session(&self) -> &str {
        self.head.as_ref().map(|head| head.session.as_str()).unwrap_or_default()
    }
}

/// The session: one principal on one upstream, perhaps with several sessions of MCP.
#[derive(Debug)]
pub struct Memory {
    pub masking: bool,
    pub offer: Offer,
    pub pins: Pins,
    /// requests whose exchange ended before they were answered, by session of MCP
    left: VecDeque<(String, Asked)>,
    /// what servers asked: session of MCP, id, method, operation
    server_asked: VecDeque<(String, Id, String, u32)>,
    /// pings of servers, which nobody has to allow: session of MCP, id
    pings: VecDeque<(String, Id)>,
    /// tools that run as tasks
    tasks: BTreeMap<String, String>,
    /// what clients said of themselves when their session of MCP began
    clients: BTreeMap<String, Vec<Attribute>>,
    /// sessions of MCP that servers have given to this principal, the oldest first
    given: VecDeque<String>,
    /// of these, those that other sessions do not know yet
    given_new: Vec<String>,
    /// what servers asked and was refused: session of MCP, id
    refused: VecDeque<(String, Id)>,
    last_operation: u32,
}

impl Memory {
    pub fn new(settings: &Settings, groups: &[String], masking: bool) -> Memory {
        Memory {
            masking,
            offer: settings.offer(groups),
            pins: Pins::new(settings),
            left: VecDeque::new(),
            server_asked: VecDeque::new(),
            pings: VecDeque::new(),
            tasks: BTreeMap::new(),
            clients: BTreeMap::new(),
            given: VecDeque::new(),
            given_new: Vec::new(),
            refused: VecDeque::new(),
            last_operation: 0,
        }
    }

    /// A number for an operation. A session of four thousand million operations ends by the host's refusal of 0.
    pub fn next_operation(&mut self) -> u32 {
        self.last_operation = self.last_operation.saturating_add(1);
        self.last_operation
    }

    pub fn leave(&mut self, session: &str, asked: Asked) {
        if self.left.len() >= MAX_LEFT {
            self.left.pop_front();
        }
        self.left.push_back((session.to_owned(), asked));
    }

    /// A request of an earlier exchange. When several have this id, nobody can tell which is meant: none then.
    pub fn left(&mut self, session: &str, id: &Id) -> Option<&mut Asked> {
        let mut fits = self.left.iter_mut().filter(|(of, asked)| of == session && asked.id == *id);
        let first = fits.next()?;
        fits.next().is_none().then_some(&mut first.1)
    }

    pub fn server_asks(&mut self, session: &str, id: Id, method: &str, operation: u32) {
        if self.server_asked.len() >= MAX_LEFT {
            self.server_asked.pop_front();
        }
        // Whatever had this id before is over.
        self.refused.retain(|(of, refused)| of != session || *refused != id);
        self.server_asked.push_back((session.to_owned(), id, method.to_owned(), operation));
    }

    pub fn server_pings(&mut self, session: &str, id: Id) {
        if self.pings.len() >= MAX_LEFT {
            self.pings.pop_front();
        }
        self.pings.push_back((session.to_owned(), id));
    }

    /// What of a server a client answers with this id: the method, when that is known, and the operations that must have
    /// been allowed. An id that no question has may be one of a question not read yet, behind one that waits: so all that
    /// is open counts then.
    pub fn answers(&mut self, session: &str, id: &Id) -> Option<(Option<String>, Vec<u32>)> {
        let open = || self.server_asked.iter().filter(|(of, ..)| of == session);
        let fits: Vec<_> = open().filter(|(_, asked, ..)| asked.may_be(id)).collect();
        if let Some((_, _, method, _)) = fits.first() {
            return Some((Some(method.clone()), fits.iter().map(|(.., operation)| *operation).collect()));
        }
        if let Some(at) = self.pings.iter().position(|(of, pinged)| of == session && pinged == id) {
            self.pings.remove(at);
            return None;
        }
        let all: Vec<_> = open().map(|(.., operation)| *operation).collect();
        (!all.is_empty()).then_some((None, all))
    }

    /// A question of a server has its answer; `false` when it had one.
    pub fn answered(&mut self, operation: u32) -> bool {
        let at = self.server_asked.iter().position(|(.., asked)| *asked == operation);
        at.and_then(|at| self.server_asked.remove(at)).is_some()
    }

    /// These requests of a server were refused: nobody answers them any more but the gateway. Their ids and methods.
    pub fn refuse_asked(&mut self, refused: &[u32]) -> Vec<(Id, String)> {
        let mut found = Vec::new();
        for (session, id, method, operation) in std::mem::take(&mut self.server_asked) {
            if !refused.contains(&operation) {
                self.server_asked.push_back((session, id, method, operation));
                continue;
            }
            if self.refused.len() >= MAX_LEFT {
                self.refused.pop_front();
            }
            self.refused.push_back((session, id.clone()));
            found.push((id, method));
        }
        found
    }

    /// Whether a client answers what it was never asked.
    pub fn was_refused(&self, session: &str, id: &Id) -> bool {
        self.refused.iter().any(|(of, refused)| of == session && refused.may_be(id))
    }

    /// A server gives a session of MCP to the principal.
    pub fn give(&mut self, session: &str) {
        if self.know(session) {
            self.given_new.push(session.to_owned());
        }
    }

    /// Whether it is new.
    fn know(&mut self, session: &str) -> bool {
        if session.is_empty() || self.is_given(session) {
            return false;
        }
        if self.given.len() >= MAX_SESSIONS {
            self.given.pop_front();
        }
        self.given.push_back(session.to_owned());
        true
    }

    /// Whether the principal may use this session of MCP. The newest are looked at first.
    pub fn is_given(&self, session: &str) -> bool {
        self.given.iter().rev().any(|given| given == session)
    }

    /// What other sessions of the principal are to know.
    pub fn take_notes(&mut self) -> Vec<String> {
        let given = std::mem::take(&mut self.given_new).into_iter().map(Note::Given);
        let mut notes: Vec<_> = given.collect();
        notes.extend(self.pins.take_notes(MAX_NOTES.saturating_sub(notes.len())));
        notes.iter().filter_map(Note::text).collect()
    }

    /// What other sessions of the principal know. What cannot be read is of another version of this plugin.
    pub fn noted(&mut self, notes: &[String]) {
        for note in notes.iter().filter_map(|note| Note::read(note)) {
            match note {
                Note::Given(session) => _ = self.know(&session),
                Note::Shown(tool, digest) => self.pins.noted(tool, digest),
                Note::Changed(tool, digest) => self.pins.noted_changed(tool, digest),
            }
        }
    }

    pub fn task(&mut self, id: &str, tool: &str) {
        if self.tasks.len() < MAX_NAMED {
            self.tasks.insert(id.to_owned(), tool.to_owned());
        }
    }

    pub fn tool_of_task(&self, id: &str) -> Option<&str> {
        self.tasks.get(id).map(String::as_str)
    }

    pub fn client(&mut self, session: &str, said: Vec<Attribute>) {
        if self.clients.len() < MAX_NAMED && !session.is_empty() && !said.is_empty() {
            self.clients.insert(session.to_owned(), said);
        }
    }

    pub fn said_by_client(&self, session: &str) -> &[Attribute] {
        self.clients.get(session).map(Vec::as_slice).unwrap_or_default()
    }
}
