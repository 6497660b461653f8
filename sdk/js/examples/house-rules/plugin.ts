// The rules of the house, the same in every language: tests/languages/cases.jsonl says what they answer.

import { type Decision, type Operation, Policy, type SessionInfo, abstain, attribute, deny, hold, rewrite } from "weir-sdk";

const EVERYBODY = "select * from customers";

export class Plugin extends Policy {
    static pluginName = "house-rules";
    static description = "Salaries are for the leads, and agents change nothing alone";
    #isLead = false;
    #isAgent = false;

    open(session: SessionInfo): void {
        this.#isLead = session.who.groups.includes("leads");
        this.#isAgent = session.who.kind === "agent";
    }

    decide(operation: Operation): Decision {
        // Letters, not the halves that some of them are made of here.
        const decision = this.#verdict(operation).tag("letters", String([...operation.text].length));
        for (const each of operation.objects.filter((each) => each.includes("api_keys"))) {
            decision.finding("keys", each, 80);
        }
        for (const parameter of operation.parameters.filter((each) => each.value == null)) {
            decision.finding("null-parameter", parameter.name, 10);
        }
        return decision;
    }

    #verdict(operation: Operation): Decision {
        if (!this.#isLead && operation.objects.some((each) => each.split(".").at(-1) === "salaries")) {
            return deny("salaries", "salaries are for the leads");
        }
        if (attribute(operation, "sql-class") === "privilege-change") {
            return deny("privileges", "privileges are changed elsewhere");
        }
        if (this.#isAgent && !["read", "session"].includes(operation.action)) {
            return hold("agent-change", "agents change nothing alone", ["group:leads"]);
        }
        if (operation.text === EVERYBODY) {
            return rewrite(`${EVERYBODY} limit 100`);
        }
        return abstain();
    }
}
