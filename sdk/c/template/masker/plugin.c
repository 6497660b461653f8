#include "weir_masker.h"

const weir_about weir_plugin = {.name = "{{name}}", .version = "0.1.0", .description = "Hides salaries"};

void weir_open(const weir_session *session) { (void)session; }

weir_plan weir_plan_for(uint32_t shape, const weir_column *columns, size_t count, const weir_operation *operation) {
    (void)shape, (void)operation;
    weir_plan plan = {.reusable = true};
    weir_rule(&plan, "salary");
    for (size_t at = 0; at < count; at++) {
        // `source` is the column's name in its table, whatever the query calls it.
        if (weir_is(columns[at].source, "salary")) {
            weir_want(&plan, (uint16_t)at);
        }
    }
    return plan;
}

weir_edits weir_mask(uint32_t shape, const weir_batch *values) {
    (void)shape;
    weir_edits edits = {0};
    for (size_t cell = 0; cell < weir_cells(values); cell++) {
        weir_null(&edits, (uint32_t)cell, 0);
    }
    return edits;
}
