//! The policy that denies everything: what an operator puts in the place of another to stop all work.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct Closed;

impl Policy for Closed {
    const NAME: &'static str = "closed";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn decide(&mut self, _: &Operation) -> Decision {
        Decision::deny("closed", "the house is closed")
    }
}

weir_sdk::export_policy!(Closed);
