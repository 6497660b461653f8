//! Texts whose meaning hangs on settings that are about to change.
//!
//! Almost anything can set: a function, an update of a view, and what fails brings back what was set before it.
//! So such a text is not judged before the server has said what it makes of everything sent earlier. Within a
//! segment of the extended protocol it says nothing about settings before the Sync; there, only what succeeds
//! is followed by anything, so it is enough that nothing before it can set.

use crate::inspector::{Inspector, denied};
use crate::sql::{self, Facts, MaySet};
use std::rc::Rc;
use weir_sdk::inspector::Fault;

/// Whether a text can be read now.
pub(crate) enum Readable {
    Yes,
    NotYet,
    Never(Fault),
}

impl Inspector {
    pub(super) fn can_read(&self, text: &[u8]) -> Readable {
        if !sql::hangs_on_settings(text) {
            return Readable::Yes;
        }
        if self.queue.will_be_ready() {
            return Readable::NotYet;
        }
        match self.may_set() {
            MaySet::Nothing => Readable::Yes,
            MaySet::Something => Readable::Never(denied(
                "what was sent before may change how this text is read (it has a backslash or letters beyond ASCII); send a Sync before it",
            )),
        }
    }

    /// What is sent and not yet known to be over may change how a text is read.
    pub(crate) fn may_set(&self) -> MaySet {
        self.client.may_set.max(self.queue.may_set())
    }

    /// What a text says that the client sends now.
    pub(super) fn read(&mut self, text: &[u8]) -> Rc<Facts> {
        let open = self.may_set();
        self.known.read(text, self.reading, open)
    }

    /// The same for the text that may take the place of the next operation's.
    pub(super) fn unsettled(&self) -> MaySet {
        if self.queue.will_be_ready() { MaySet::Something } else { self.may_set() }
    }
}
