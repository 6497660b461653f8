//! Messages of a WebSocket: one of the client is an operation, `MESSAGE` and the form of the handshake's path; one of
//! the upstream is JSON or text, whose values are named by their place in it.

use crate::answer;
use crate::fault;
use crate::media::Look;
use crate::request::add_body;
use crate::settings::{Rules, UnseenAnswers};
use weir_sdk::http::{Attribute, Fault, Operation, RequestHead};

/// Stands where a request has its method.
const METHOD: &str = "MESSAGE";

/// What the messages of a connection have in common.
#[derive(Clone, Debug)]
pub struct Socket {
    operation: Operation,
    /// whether binary ones pass
    binary: bool,
}

pub fn asks_for_socket(head: &RequestHead) -> bool {
    head.headers.iter().any(|header| header.name == "upgrade" && header.value == "websocket")
}

impl Socket {
    /// Of the handshake's operation, which gets the attribute that it is one.
    pub fn of(handshake: &mut Operation, rules: &Rules) -> Self {
        handshake.attributes.push(Attribute::new("http-upgrade", "websocket"));
        let mut operation = handshake.clone();
        let form = handshake.text.split_once(' ').map_or("", |(_, form)| form);
        operation.kind = "http.message".to_owned();
        operation.action = rules.message_action(METHOD, form).to_owned();
        operation.text = format!("{METHOD} {form}");
        for attribute in &mut operation.attributes {
            if attribute.name == "http-method" {
                METHOD.clone_into(&mut attribute.value);
            }
        }
        Self { binary: rules.passes_binary(form), operation }
    }

    /// What the values of the upstream's messages belong to.
    pub fn relation(&self) -> &str {
        &self.operation.text
    }

    /// A message of the client, and why it is refused, if it is.
    pub fn read(&self, text: bool, data: &[u8]) -> (Operation, Option<Fault>) {
        let mut operation = self.operation.clone();
        let fault = match text {
            true => add_text(&mut operation, data).err(),
            false => {
                operation.attributes.push(Attribute::new("http-body", "unseen"));
                operation.attributes.push(Attribute::new("http-body-bytes", data.len().to_string()));
                (!self.binary).then(|| {
                    let message = "a binary message cannot be judged: send text, or ask for the setting \
                                   binary_messages";
                    Fault::new(fault::UNSEEN_BODY, message)
                })
            }
        };
        (operation, fault)
    }

    /// The values in a message of the upstream.
    ///
    /// # Errors
    /// When it cannot be masked.
    pub fn answer(&self, text: bool, data: &[u8], rules: &Rules) -> Result<answer::Found, Fault> {
        if text {
            return answer::read_message(data, self.relation(), rules);
        }
        if self.binary || rules.unseen_answers == UnseenAnswers::Allow {
            return Ok(answer::all(data));
        }
        let message = "a binary message cannot be masked (settings binary_messages, unseen_answers)";
        Err(Fault::new(fault::ANSWER_UNSEEN, message))
    }
}

/// JSON as its fields, any other text as one; what begins as JSON has to be it.
fn add_text(operation: &mut Operation, data: &[u8]) -> Result<(), Fault> {
    let before = operation.parameters.len();
    match add_body(operation, Look::Json, data, false) {
        Err(fault) if fault.code == fault::JSON && !weir_json::begins_like_json(data) => {
            operation.parameters.truncate(before);
            add_body(operation, Look::Text, data, false)
        }
        said => said,
    }
}
