// The functions of a masker as the contract's world `masker`. What comes in belongs to us and is freed here.
#include "shared.h"
#include "weir_masker.h"

bool exports_weir_plugin_mask_open(exports_weir_plugin_mask_session_info_t *info, exports_weir_plugin_mask_fault_t *fault) {
    (void)fault;
    weir_open(info);
    exports_weir_plugin_mask_session_info_free(info);
    return true;
}

bool exports_weir_plugin_mask_plan(uint32_t shape, exports_weir_plugin_mask_list_column_t *columns,
                                   exports_weir_plugin_mask_operation_t *operation, weir_plan *plan,
                                   exports_weir_plugin_mask_fault_t *fault) {
    (void)fault;
    *plan = weir_plan_for(shape, columns->ptr, columns->len, operation);
    exports_weir_plugin_mask_list_column_free(columns);
    exports_weir_plugin_mask_operation_free(operation);
    return true;
}

bool exports_weir_plugin_mask_mask(uint32_t shape, weir_batch *values, weir_edits *edits, exports_weir_plugin_mask_fault_t *fault) {
    (void)fault;
    *edits = weir_mask(shape, values);
    exports_weir_plugin_mask_batch_free(values);
    return true;
}

void exports_weir_plugin_mask_forget(uint32_t shape) { (void)shape; }
