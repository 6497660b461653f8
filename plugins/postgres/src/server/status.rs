//! ParameterStatus: settings that change how SQL text is read are followed; those that take any text are shown
//! to maskers.

use super::{Flow, Message};
use crate::inspector::{Inspector, violation};
use crate::outcome::ServerSide;
use crate::wire::Reader;

/// Settings whose values the server chooses or takes from a short list of its own. All others could carry what a
/// query has read: `set_config('application_name', email, false)`.
const OF_THE_SERVER: [&[u8]; 12] = [
    b"DateStyle",
    b"IntervalStyle",
    b"client_encoding",
    b"default_transaction_read_only",
    b"in_hot_standby",
    b"integer_datetimes",
    b"is_superuser",
    b"scram_iterations",
    b"server_encoding",
    b"server_version",
    // Only a role that exists.
    b"session_authorization",
    b"standard_conforming_strings",
];

impl Inspector {
    pub(super) fn parameter_status(&mut self, out: &mut ServerSide, message: Message<'_>) -> Flow {
        let mut reader = Reader::new(message.body);
        let (Some(name), Some(value), true) = (reader.cstr(), reader.cstr(), reader.at_end()) else {
            return Flow::Fatal(violation("the upstream sent a malformed ParameterStatus"));
        };
        self.reading.update(name, value);
        if self.masking && !OF_THE_SERVER.contains(&name) {
            return self.masked_message(out, message);
        }
        out.pass(message.header.total_bytes);
        Flow::Next
    }
}
