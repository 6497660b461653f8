//! The house's first rules: there are none yet. The tour replaces this with `examples/house-rules`.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct FirstRules;

impl Policy for FirstRules {
    const NAME: &'static str = "house-rules";
    type Settings = NoSettings;

    fn open(_: &NoSettings, _: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self)
    }

    fn decide(&mut self, _: &Operation) -> Decision {
        Decision::abstain()
    }
}

weir_sdk::export_policy!(FirstRules);
