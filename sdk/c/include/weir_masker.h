// Maskers: given batches of values, answer edits.
#ifndef WEIR_MASKER_H
#define WEIR_MASKER_H

#include "weir.h"

typedef exports_weir_plugin_mask_masking_plan_t weir_plan;
typedef exports_weir_plugin_mask_signs_t weir_signs;
typedef exports_weir_plugin_mask_batch_t weir_batch;
typedef exports_weir_plugin_mask_edits_t weir_edits;

// ---- The plugin defines:

// Which columns of a result it wants to see: weir_want and weir_rule. The answer holds until the next call with that number.
weir_plan weir_plan_for(uint32_t shape, const weir_column *columns, size_t count, const weir_operation *operation);

// Edits of the cells of those columns, ascending: weir_replace and weir_null. NULLs are not sent.
weir_edits weir_mask(uint32_t shape, const weir_batch *values);

// ---- Plans:

static inline void weir_want(weir_plan *plan, uint16_t column) {
    plan->wanted.ptr = weir_grow(plan->wanted.ptr, plan->wanted.len, sizeof *plan->wanted.ptr);
    plan->wanted.ptr[plan->wanted.len++] = column;
}

// The name of a rule; rules are numbered in the order of these calls, from 0.
static inline void weir_rule(weir_plan *plan, const char *name) {
    plan->rules.ptr = weir_grow(plan->rules.ptr, plan->rules.len, sizeof *plan->rules.ptr);
    plan->rules.ptr[plan->rules.len++] = weir_new_text(name);
}

// What values must show to be sent; without these calls all are. A sign that is missing lets a value pass in clear.

// Values of this column, which must be wanted too, are sent only if one of them shows a sign.
static inline void weir_sign_for(weir_plan *plan, uint16_t column) {
    weir_signs *signs = &plan->signs.val;
    plan->signs.is_some = true;
    signs->columns.ptr = weir_grow(signs->columns.ptr, signs->columns.len, sizeof *signs->columns.ptr);
    signs->columns.ptr[signs->columns.len++] = column;
}

// So many ASCII digits in one value.
static inline void weir_sign_digits(weir_plan *plan, uint16_t digits) {
    plan->signs.is_some = true;
    plan->signs.val.digits = digits;
}

// This byte.
static inline void weir_sign_byte(weir_plan *plan, uint8_t byte) {
    weir_signs *signs = &plan->signs.val;
    plan->signs.is_some = true;
    signs->bytes.ptr = weir_grow(signs->bytes.ptr, signs->bytes.len, sizeof *signs->bytes.ptr);
    signs->bytes.ptr[signs->bytes.len++] = byte;
}

// This text of at least two bytes, ASCII letters in either case.
static inline void weir_sign_word(weir_plan *plan, const char *word) {
    weir_signs *signs = &plan->signs.val;
    plan->signs.is_some = true;
    signs->words.ptr = weir_grow(signs->words.ptr, signs->words.len, sizeof *signs->words.ptr);
    signs->words.ptr[signs->words.len++] = weir_new_text(word);
}

// What `weir_mask` has left as it is of a text about an operation (in a column with labels) it leaves whenever that text comes
// again in that column: it need not be sent again.
static inline void weir_sign_settled(weir_plan *plan) {
    plan->signs.is_some = true;
    plan->signs.val.settled = true;
}

// ---- Cells:

static inline size_t weir_cells(const weir_batch *values) { return values->ends.len; }

// The bytes of a cell.
static inline weir_text weir_cell(const weir_batch *values, size_t cell) {
    const uint32_t start = cell == 0 ? 0 : values->ends.ptr[cell - 1];
    return (weir_text){.ptr = values->cells.ptr + start, .len = values->ends.ptr[cell] - start};
}

// ---- Edits. The lists grow by doubling: their lengths are what they hold, powers of two what they have room for.

#define WEIR_PUSH(list, value)                                                                              \
    do {                                                                                                    \
        if (((list).len & ((list).len - 1)) == 0) {                                                         \
            (list).ptr = weir_grow((list).ptr, (list).len == 0 ? 0 : 2 * (list).len - 1, sizeof *(list).ptr); \
        }                                                                                                   \
        (list).ptr[(list).len++] = (value);                                                                 \
    } while (0)

// The bytes `start` to `stop` of the cell become `text`; `rule` is a number of the plan's.
static inline void weir_replace(weir_edits *edits, uint32_t cell, uint32_t start, uint32_t stop, const char *text, uint16_t rule) {
    WEIR_PUSH(edits->cells, cell);
    WEIR_PUSH(edits->starts, start);
    WEIR_PUSH(edits->stops, stop);
    for (const char *at = text; *at != '\0'; at++) {
        WEIR_PUSH(edits->replacements, (uint8_t)*at);
    }
    WEIR_PUSH(edits->ends, (uint32_t)edits->replacements.len);
    WEIR_PUSH(edits->rules, rule);
}

// The cell becomes NULL.
static inline void weir_null(weir_edits *edits, uint32_t cell, uint16_t rule) {
    WEIR_PUSH(edits->nulls, cell);
    WEIR_PUSH(edits->null_rules, rule);
}

#endif
