from weir_sdk import Decision, Operation, Policy, SessionInfo, abstain, deny


class Plugin(Policy):
    name = "{{name}}"
    description = "Keys are not for agents"

    def open(self, session: SessionInfo) -> None:
        self.is_agent = session.who.kind == "agent"

    def decide(self, operation: Operation) -> Decision:
        if self.is_agent and any("api_keys" in each for each in operation.objects):
            return deny("no-keys", "keys are not for agents")
        return abstain()
