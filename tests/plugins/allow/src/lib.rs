//! The policy that allows everything: for suites that must pass untouched with inspection on.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct Allow;

impl Policy for Allow {
    const NAME: &'static str = "allow";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn decide(&mut self, _: &Operation) -> Decision {
        Decision::allow()
    }
}

weir_sdk::export_policy!(Allow);
