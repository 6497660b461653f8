//! A policy that allows everything and tells all it is given: what a plugin can see is in the trail, as tags.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

/// Long texts are cut by the host; so they go in pieces.
const PIECE_CHARS: usize = 200;

struct Telltale {
    session: String,
}

impl Policy for Telltale {
    const NAME: &'static str = "telltale";
    type Settings = NoSettings;

    fn open(_: &NoSettings, session: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self { session: format!("{session:?}") })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        let mut decision = Decision::allow();
        for (name, told) in [("session", self.session.as_str()), ("operation", &format!("{operation:?}"))] {
            let chars: Vec<char> = told.chars().collect();
            for piece in chars.chunks(PIECE_CHARS) {
                decision = decision.tag(name, piece.iter().collect::<String>());
            }
        }
        decision
    }
}

weir_sdk::export_policy!(Telltale);
