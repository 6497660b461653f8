//! The way of messages from a program to a client: a queue with a bound, and the body that is made of it.

use super::message::event;
use super::process::Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use weir_model::RefusedBy;
use weir_session::http::traffic::{Broken, Frame, Source};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// What comes before an answer, or belongs to none.
    Said(String),
    /// What belongs to no request, with its id in the stream.
    Numbered(u64, String),
    /// The answer to a request, and whether it is an error.
    Answer(String, bool),
    /// More than may wait for a client.
    TooMuch,
}

/// Where messages for one exchange go in. The program is never kept waiting by a client that does not read.
#[derive(Clone)]
pub(super) struct Outlet {
    events: bool,
    sender: mpsc::UnboundedSender<Heard>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

/// Where they come out.
pub(super) struct Inlet {
    receiver: mpsc::UnboundedReceiver<Heard>,
    waiting: Arc<AtomicUsize>,
}

/// `events`: whether more than answers can be told. At most `most` bytes wait.
pub(super) fn outlet(events: bool, most: usize) -> (Outlet, Inlet) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Outlet { events, sender, waiting: Arc::clone(&waiting), most }, Inlet { receiver, waiting })
}

impl Outlet {
    pub(super) fn takes_events(&self) -> bool {
        self.events
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn say(&self, text: String) {
        self.push(text.len(), Heard::Said(text));
    }

    pub(super) fn say_numbered(&self, number: u64, text: String) {
        self.push(text.len(), Heard::Numbered(number, text));
    }

    pub(super) fn answer(&self, text: String, is_error: bool) {
        self.push(text.len(), Heard::Answer(text, is_error));
    }

    fn push(&self, bytes: usize, heard: Heard) {
        let before = self.waiting.fetch_add(bytes, Ordering::AcqRel);
        // Said once; nothing comes behind it.
        let heard = match before + bytes > self.most {
            true if before > self.most => return,
            true => Heard::TooMuch,
            false => heard,
        };
        // Whoever has hung up misses it.
        let _ = self.sender.send(heard);
    }
}

impl Inlet {
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        let heard = self.receiver.recv().await;
        self.taken(heard)
    }

    #[cfg(test)]
    pub(super) fn try_next(&mut self) -> Option<Heard> {
        let heard = self.receiver.try_recv().ok();
        self.taken(heard)
    }

    fn taken(&mut self, heard: Option<Heard>) -> Option<Heard> {
        if let Some(Heard::Said(text) | Heard::Numbered(_, text) | Heard::Answer(text, _)) = &heard {
            self.waiting.fetch_sub(text.len(), Ordering::AcqRel);
        }
        heard
    }
}

/// Requests of one exchange; dropped before their answers, the client has hung up.
pub(super) struct Waiting {
    pub(super) process: Arc<Process>,
    pub(super) numbers: Vec<u64>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.numbers.iter().for_each(|own| self.process.hung_up(*own));
    }
}

pub(crate) struct ProgramBody(State);

enum State {
    Whole(Option<String>),
    Events { inlet: Inlet, left: Left, _waiting: Waiting },
}

/// How many answers are still to come.
pub(super) enum Left {
    Answers(usize),
    /// It ends with the program, or when another one listens.
    Open,
}

impl ProgramBody {
    pub(super) fn whole(text: String) -> Self {
        Self(State::Whole(Some(text).filter(|text| !text.is_empty())))
    }

    pub(super) fn events(inlet: Inlet, left: Left, waiting: Waiting) -> Self {
        Self(State::Events { inlet, left, _waiting: waiting })
    }
}

impl Source for ProgramBody {
    async fn next(&mut self) -> Option<Result<Frame, Broken>> {
        let text = match &mut self.0 {
            State::Whole(text) => text.take()?,
            State::Events { left: Left::Answers(0), .. } => return None,
            State::Events { inlet, left, .. } => match inlet.next().await? {
                Heard::Said(text) => event(&text),
                Heard::Numbered(number, text) => format!("id: {number}\n{}", event(&text)),
                Heard::Answer(text, _) => {
                    if let Left::Answers(left) = left {
                        *left = left.saturating_sub(1);
                    }
                    event(&text)
                }
                Heard::TooMuch => return Some(Err(too_much())),
            },
        };
        Some(Ok(Frame::Data(text.into())))
    }

    fn decode(&mut self) -> Result<(), Broken> {
        Ok(())
    }
}

pub(super) fn too_much() -> Broken {
    let message = "the client did not read what the program said for it".to_owned();
    Broken { by: RefusedBy::Host, message }
}
