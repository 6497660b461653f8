//! A policy that cannot even be configured.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct Broken;

impl Policy for Broken {
    const NAME: &'static str = "broken";
    type Settings = NoSettings;

    fn check(_: &NoSettings) -> Result<(), weir_sdk::Fault> {
        panic!("told to");
    }

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn decide(&mut self, _: &Operation) -> Decision {
        Decision::allow()
    }
}

weir_sdk::export_policy!(Broken);
