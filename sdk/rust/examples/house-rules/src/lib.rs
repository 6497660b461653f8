//! The rules of the house, the same in every language: `tests/languages/cases.jsonl` says what they answer.

use weir_sdk::policy::{Decision, HoldRequest, NoSettings, Operation, Policy, SessionInfo, Verdict};

const EVERYBODY: &str = "select * from customers";

pub struct Plugin {
    is_lead: bool,
    is_agent: bool,
}

impl Policy for Plugin {
    const NAME: &'static str = "house-rules";
    const DESCRIPTION: &'static str = "Salaries are for the leads, and agents change nothing alone";
    type Settings = NoSettings;

    fn open(_: &NoSettings, session: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        let is_lead = session.who.groups.iter().any(|group| group == "leads");
        Ok(Self { is_lead, is_agent: session.who.kind == "agent" })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        let letters = operation.text.chars().count().to_string();
        let mut decision = self.verdict(operation).tag("letters", letters);
        for each in operation.objects.iter().filter(|each| each.contains("api_keys")) {
            decision = decision.finding("keys", each, 80);
        }
        for parameter in operation.parameters.iter().filter(|each| each.value.is_none()) {
            decision = decision.finding("null-parameter", &parameter.name, 10);
        }
        decision
    }
}

impl Plugin {
    fn verdict(&self, operation: &Operation) -> Decision {
        let salaries = |name: &String| name.rsplit('.').next() == Some("salaries");
        if !self.is_lead && operation.objects.iter().any(salaries) {
            return Decision::deny("salaries", "salaries are for the leads");
        }
        if operation.attribute("sql-class") == Some("privilege-change") {
            return Decision::deny("privileges", "privileges are changed elsewhere");
        }
        if self.is_agent && !["read", "session"].contains(&operation.action.as_str()) {
            return Decision::of(Verdict::Hold(HoldRequest {
                code: "agent-change".into(),
                reason: "agents change nothing alone".into(),
                reviewers: vec!["group:leads".into()],
            }));
        }
        match operation.text.as_str() {
            EVERYBODY => Decision::rewrite(format!("{EVERYBODY} limit 100")),
            _ => Decision::abstain(),
        }
    }
}

weir_sdk::export_policy!(Plugin);
