// Salaries become NULL, and of an e-mail address its domain stays.

#include "weir_masker.h"

const weir_about weir_plugin = {
    .name = "hide-salaries",
    .version = "0.1.0",
    .description = "Hides salaries and the names in e-mail addresses",
};

enum { SALARY, EMAIL, NONE };

// Of each shape: the rule of each column.
static struct {
    uint8_t *rules;
    size_t columns;
} *shapes;
static size_t shape_count;

void weir_open(const weir_session *session) { (void)session; }

static uint8_t rule_of(const weir_column *column) {
    return weir_is(column->source, "salary") ? SALARY : weir_is(column->source, "email") ? EMAIL : NONE;
}

weir_plan weir_plan_for(uint32_t shape, const weir_column *columns, size_t count, const weir_operation *operation) {
    (void)operation;
    for (; shape_count <= shape; shape_count++) {
        shapes = weir_grow(shapes, shape_count, sizeof *shapes);
        shapes[shape_count].rules = NULL;
    }
    free(shapes[shape].rules);
    shapes[shape].rules = NULL;
    shapes[shape].columns = count;
    weir_plan plan = {.reusable = true};
    weir_rule(&plan, "salary");
    weir_rule(&plan, "email");
    weir_sign_byte(&plan, '@');
    weir_sign_settled(&plan);
    for (size_t at = 0; at < count; at++) {
        shapes[shape].rules = weir_grow(shapes[shape].rules, at, 1);
        shapes[shape].rules[at] = rule_of(&columns[at]);
        if (shapes[shape].rules[at] != NONE) {
            weir_want(&plan, (uint16_t)at);
        }
        // Of what has no sign of an address in it nothing is hidden, so it need not be sent.
        if (shapes[shape].rules[at] == EMAIL) {
            weir_sign_for(&plan, (uint16_t)at);
        }
    }
    return plan;
}

weir_edits weir_mask(uint32_t shape, const weir_batch *values) {
    weir_edits edits = {0};
    for (uint32_t cell = 0; cell < weir_cells(values); cell++) {
        if (shapes[shape].rules[values->columns.ptr[cell]] == SALARY) {
            weir_null(&edits, cell, SALARY);
            continue;
        }
        const weir_text text = weir_cell(values, cell);
        size_t at = text.len;
        while (at > 0 && text.ptr[at - 1] != '@') {
            at--;
        }
        // `at` is behind the sign; something stands before it.
        if (at > 1) {
            weir_replace(&edits, cell, 0, (uint32_t)at - 1, "***", EMAIL);
        }
    }
    return edits;
}
