// The rules of the house, the same in every language: tests/languages/cases.jsonl says what they answer.

#include "weir_policy.h"

const weir_about weir_plugin = {
    .name = "house-rules",
    .version = "0.1.0",
    .description = "Salaries are for the leads, and agents change nothing alone",
};

#define EVERYBODY "select * from customers"

static bool is_lead, is_agent;

void weir_open(const weir_session *session) {
    is_agent = weir_is(session->who.kind, "agent");
    for (size_t at = 0; at < session->who.groups.len; at++) {
        is_lead = is_lead || weir_is(session->who.groups.ptr[at], "leads");
    }
}

// What follows the last dot.
static weir_text last_part(weir_text name) {
    for (size_t at = name.len; at > 0; at--) {
        if (name.ptr[at - 1] == '.') {
            return (weir_text){.ptr = name.ptr + at, .len = name.len - at};
        }
    }
    return name;
}

static weir_decision verdict(const weir_operation *operation) {
    for (size_t at = 0; !is_lead && at < operation->objects.len; at++) {
        if (weir_is(last_part(operation->objects.ptr[at]), "salaries")) {
            return weir_deny("salaries", "salaries are for the leads");
        }
    }
    weir_text class;
    if (weir_attribute_of(operation, "sql-class", &class) && weir_is(class, "privilege-change")) {
        return weir_deny("privileges", "privileges are changed elsewhere");
    }
    if (is_agent && !weir_is(operation->action, "read") && !weir_is(operation->action, "session")) {
        weir_decision held = weir_hold("agent-change", "agents change nothing alone");
        weir_reviewer(&held, "group:leads");
        return held;
    }
    return weir_is(operation->text, EVERYBODY) ? weir_rewrite(EVERYBODY " limit 100") : weir_abstain();
}

// Decimal digits; printf would bring the whole of stdio.
static const char *digits(size_t number) {
    static char out[24];
    size_t at = sizeof out - 1;
    out[at] = '\0';
    do {
        out[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return out + at;
}

weir_decision weir_decide(const weir_operation *operation) {
    weir_decision decision = verdict(operation);
    weir_tag(&decision, "letters", digits(weir_letters(operation->text)));
    for (size_t at = 0; at < operation->objects.len; at++) {
        if (weir_contains(operation->objects.ptr[at], "api_keys")) {
            weir_finding(&decision, "keys", operation->objects.ptr[at], 80);
        }
    }
    for (size_t at = 0; at < operation->parameters.len; at++) {
        if (!operation->parameters.ptr[at].value.is_some) {
            weir_finding(&decision, "null-parameter", operation->parameters.ptr[at].name, 10);
        }
    }
    return decision;
}
