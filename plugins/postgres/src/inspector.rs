//! One session: what both directions share.

use crate::client::ClientState;
use crate::messages::error;
use crate::names::Names;
use crate::queue::Queue;
use crate::server::ServerState;
use crate::sql::{Known, Reading};
use weir_sdk::inspector::{Fault, Limits};

/// Everything known about one session between two calls.
#[derive(Debug)]
pub struct Inspector {
    pub(crate) max_operation: usize,
    pub(crate) max_answer: usize,
    pub(crate) masking: bool,
    pub(crate) reading: Reading,
    pub(crate) known: Known,
    pub(crate) names: Names,
    pub(crate) queue: Queue,
    pub(crate) client: ClientState,
    pub(crate) server: ServerState,
    /// The session cannot go on; told again if asked again.
    pub(crate) dead: Option<Fault>,
}

impl Inspector {
    pub fn new(parameters: &[(String, String)], limits: Limits, masking: bool) -> Self {
        let mut reading = Reading::default();
        for (name, value) in parameters {
            reading.update(name.as_bytes(), value.as_bytes());
        }
        let bytes = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        Self {
            max_operation: bytes(limits.max_operation),
            max_answer: bytes(limits.max_answer),
            masking,
            reading,
            known: Known::default(),
            names: Names::default(),
            queue: Queue::default(),
            client: ClientState::default(),
            server: ServerState::default(),
            dead: None,
        }
    }

    /// Bytes all remembered statements and portals may keep.
    pub(crate) fn max_name_bytes(&self) -> usize {
        self.max_operation.saturating_mul(2).saturating_add(8 << 20)
    }
}

pub(crate) fn violation(message: impl Into<String>) -> Fault {
    Fault { code: error::PROTOCOL_VIOLATION.to_owned(), message: message.into() }
}

pub(crate) fn denied(message: impl Into<String>) -> Fault {
    Fault { code: error::REFUSED.to_owned(), message: message.into() }
}
