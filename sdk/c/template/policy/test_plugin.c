#undef NDEBUG
#include "weir_policy.h"

#include <assert.h>

static weir_text text(const char *text) { return (weir_text){.ptr = (uint8_t *)text, .len = strlen(text)}; }

static uint8_t verdict(const char *kind, const char *table) {
    weir_session session = {.who.kind = text(kind)};
    weir_open(&session);
    weir_text objects[] = {text(table)};
    weir_operation operation = {.text = text("select 1"), .objects = {.ptr = objects, .len = 1}};
    return weir_decide(&operation).verdict.tag;
}

int main(void) {
    assert(verdict("agent", "public.api_keys") == EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_DENY);
    assert(verdict("human", "public.api_keys") == EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_ABSTAIN);
    assert(verdict("agent", "public.orders") == EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_ABSTAIN);
    return 0;
}
