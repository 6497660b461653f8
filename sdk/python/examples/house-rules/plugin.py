"""The rules of the house, the same in every language: tests/languages/cases.jsonl says what they answer."""

from weir_sdk import Decision, Operation, Policy, SessionInfo, abstain, attribute, deny, hold, rewrite

EVERYBODY = "select * from customers"


class Plugin(Policy):
    name = "house-rules"
    description = "Salaries are for the leads, and agents change nothing alone"

    def open(self, session: SessionInfo) -> None:
        self.is_lead = "leads" in session.who.groups
        self.is_agent = session.who.kind == "agent"

    def decide(self, operation: Operation) -> Decision:
        decision = self.verdict(operation).tag("letters", str(len(operation.text)))
        for each in operation.objects:
            if "api_keys" in each:
                decision.finding("keys", each, 80)
        for parameter in operation.parameters:
            if parameter.value is None:
                decision.finding("null-parameter", parameter.name, 10)
        return decision

    def verdict(self, operation: Operation) -> Decision:
        if not self.is_lead and any(each.split(".")[-1] == "salaries" for each in operation.objects):
            return deny("salaries", "salaries are for the leads")
        if attribute(operation, "sql-class") == "privilege-change":
            return deny("privileges", "privileges are changed elsewhere")
        if self.is_agent and operation.action not in ("read", "session"):
            return hold("agent-change", "agents change nothing alone", ["group:leads"])
        if operation.text == EVERYBODY:
            return rewrite(EVERYBODY + " limit 100")
        return abstain()
