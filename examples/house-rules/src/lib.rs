//! A policy of your own: salaries are nobody's business but the leads'.

use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

struct HouseRules {
    is_lead: bool,
}

impl Policy for HouseRules {
    const NAME: &'static str = "house-rules";
    type Settings = NoSettings;

    fn open(_: &NoSettings, session: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self { is_lead: session.who.groups.iter().any(|group| group == "leads") })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        match operation.text.to_lowercase().contains("salary") && !self.is_lead {
            true => Decision::deny("salaries", "salaries are for the leads"),
            false => Decision::abstain(),
        }
    }
}

weir_sdk::export_policy!(HouseRules);
