#include "weir_policy.h"

const weir_about weir_plugin = {.name = "{{name}}", .version = "0.1.0", .description = "Keys are not for agents"};

static bool is_agent;

void weir_open(const weir_session *session) { is_agent = weir_is(session->who.kind, "agent"); }

weir_decision weir_decide(const weir_operation *operation) {
    for (size_t at = 0; is_agent && at < operation->objects.len; at++) {
        if (weir_contains(operation->objects.ptr[at], "api_keys")) {
            return weir_deny("no-keys", "keys are not for agents");
        }
    }
    return weir_abstain();
}
