// Policies: given an operation, answer a decision.
#ifndef WEIR_POLICY_H
#define WEIR_POLICY_H

#include "weir.h"

typedef exports_weir_plugin_decide_decision_t weir_decision;

// ---- The plugin defines:

// Once per operation. What lies behind `operation` is gone afterwards.
weir_decision weir_decide(const weir_operation *operation);

// ---- Decisions:

// No opinion: the other policies decide.
static inline weir_decision weir_abstain(void) {
    return (weir_decision){.verdict = {.tag = EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_ABSTAIN}};
}

static inline weir_decision weir_allow(void) {
    return (weir_decision){.verdict = {.tag = EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_ALLOW}};
}

// The client reads `reason`: no values in it.
static inline weir_decision weir_deny(const char *code, const char *reason) {
    weir_decision decision = {.verdict = {.tag = EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_DENY}};
    decision.verdict.val.deny.code = weir_new_text(code);
    decision.verdict.val.deny.reason = weir_new_text(reason);
    return decision;
}

// Waits for a person; add who with weir_reviewer, else the resource's reviewers.
static inline weir_decision weir_hold(const char *code, const char *reason) {
    weir_decision decision = {.verdict = {.tag = EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_HOLD}};
    decision.verdict.val.hold.code = weir_new_text(code);
    decision.verdict.val.hold.reason = weir_new_text(reason);
    return decision;
}

// `group:NAME` or `user:NAME`, for a decision of weir_hold.
static inline void weir_reviewer(weir_decision *decision, const char *who) {
    plugin_list_string_t *all = &decision->verdict.val.hold.reviewers;
    all->ptr = weir_grow(all->ptr, all->len, sizeof *all->ptr);
    all->ptr[all->len++] = weir_new_text(who);
}

// The text to run instead; every policy judges it again.
static inline weir_decision weir_rewrite(const char *text) {
    weir_decision decision = {.verdict = {.tag = EXPORTS_WEIR_PLUGIN_DECIDE_VERDICT_REWRITE}};
    decision.verdict.val.rewrite = weir_new_text(text);
    return decision;
}

// A fact to keep with the operation in the trail.
static inline void weir_tag(weir_decision *decision, const char *name, const char *value) {
    decision->tags.ptr = weir_grow(decision->tags.ptr, decision->tags.len, sizeof *decision->tags.ptr);
    decision->tags.ptr[decision->tags.len++] = (weir_attribute){.name = weir_new_text(name), .value = weir_new_text(value)};
}

// The same holds for operations of this session that differ in nothing but the values of their parameters: the host need not
// ask about those. Only if no parameter's value was looked at and nothing is remembered.
static inline weir_decision weir_reusable(weir_decision decision) {
    decision.reusable = true;
    return decision;
}

// The same holds besides whatever the text is. Only if neither the text nor a parameter's value was looked at and nothing is
// remembered.
static inline weir_decision weir_reusable_for_any_text(weir_decision decision) {
    decision.for_any_text = true;
    return weir_reusable(decision);
}

// Something noticed, for the trail; `score` from 0 to 100. Never the value itself.
static inline void weir_finding(weir_decision *decision, const char *rule, weir_text place, uint8_t score) {
    exports_weir_plugin_decide_list_finding_t *all = &decision->findings;
    all->ptr = weir_grow(all->ptr, all->len, sizeof *all->ptr);
    all->ptr[all->len++] = (exports_weir_plugin_decide_finding_t){
        .rule = weir_new_text(rule), .place = weir_copy_text(place), .score = score};
}

// The value of the first attribute of that name; false without one.
static inline bool weir_attribute_of(const weir_operation *operation, const char *name, weir_text *value) {
    for (size_t at = 0; at < operation->attributes.len; at++) {
        if (weir_is(operation->attributes.ptr[at].name, name)) {
            *value = operation->attributes.ptr[at].value;
            return true;
        }
    }
    return false;
}

#endif
