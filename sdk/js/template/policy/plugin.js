import { Policy, abstain, deny } from "weir-sdk";

export class Plugin extends Policy {
    static pluginName = "{{name}}";
    static description = "Keys are not for agents";

    open(session) {
        this.isAgent = session.who.kind === "agent";
    }

    decide(operation) {
        if (this.isAgent && operation.objects.some((each) => each.includes("api_keys"))) {
            return deny("no-keys", "keys are not for agents");
        }
        return abstain();
    }
}
