//! ParameterStatus: settings that change how SQL text is read are followed.

use super::{Flow, Message};
use crate::inspector::{Inspector, violation};
use crate::outcome::ServerSide;
use crate::wire::Reader;

impl Inspector {
    pub(super) fn parameter_status(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        let mut reader = Reader::new(message.body);
        let (Some(name), Some(value), true) = (reader.cstr(), reader.cstr(), reader.at_end()) else {
            return Flow::Fatal(violation("the upstream sent a malformed ParameterStatus"));
        };
        self.reading.update(name, value);
        out.pass(message.header.total_bytes);
        Flow::Next
    }
}
