use weir_sdk::policy::{Decision, NoSettings, Operation, Policy, SessionInfo};

pub struct Plugin {
    is_agent: bool,
}

impl Policy for Plugin {
    const NAME: &'static str = "{{name}}";
    type Settings = NoSettings;

    fn open(_: &NoSettings, session: &SessionInfo) -> Result<Self, weir_sdk::Fault> {
        Ok(Self { is_agent: session.who.kind == "agent" })
    }

    fn decide(&mut self, operation: &Operation) -> Decision {
        if self.is_agent && operation.objects.iter().any(|object| object.contains("api_keys")) {
            return Decision::deny("no-keys", "keys are not for agents");
        }
        Decision::abstain()
    }
}

weir_sdk::export_policy!(Plugin);

#[cfg(test)]
mod tests {
    use super::*;
    use weir_sdk::policy::Verdict;

    fn verdict(is_agent: bool, table: &str) -> Verdict {
        let operation = Operation {
            kind: "sql.query".into(),
            action: "read".into(),
            text: format!("select * from {table}"),
            objects: vec![table.into()],
            parameters: vec![],
            attributes: vec![],
            claimed: vec![],
        };
        Plugin { is_agent }.decide(&operation).verdict
    }

    #[test]
    fn keys_are_not_for_agents() {
        assert!(matches!(verdict(true, "public.api_keys"), Verdict::Deny(_)));
        assert!(matches!(verdict(false, "public.api_keys"), Verdict::Abstain));
        assert!(matches!(verdict(true, "public.orders"), Verdict::Abstain));
    }
}
