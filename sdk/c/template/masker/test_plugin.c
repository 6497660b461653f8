#undef NDEBUG
#include "weir_masker.h"

#include <assert.h>

static weir_text text(const char *text) { return (weir_text){.ptr = (uint8_t *)text, .len = strlen(text)}; }

int main(void) {
    weir_column columns[] = {{.name = text("id"), .source = text("id")}, {.name = text("x"), .source = text("salary")}};
    weir_plan plan = weir_plan_for(1, columns, 2, &(weir_operation){0});
    assert(plan.wanted.len == 1 && plan.wanted.ptr[0] == 1);
    uint32_t ends[] = {4, 8};
    weir_batch values = {.cells = {.ptr = (uint8_t *)"41005200", .len = 8}, .ends = {.ptr = ends, .len = 2}};
    weir_edits edits = weir_mask(1, &values);
    assert(edits.nulls.len == 2 && edits.nulls.ptr[0] == 0 && edits.nulls.ptr[1] == 1);
    return 0;
}
