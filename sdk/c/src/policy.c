// The functions of a policy as the contract's world `policy`. What comes in belongs to us and is freed here.
#include "shared.h"
#include "weir_policy.h"

bool exports_weir_plugin_decide_open(exports_weir_plugin_decide_session_info_t *info, exports_weir_plugin_decide_fault_t *fault) {
    (void)fault;
    weir_open(info);
    exports_weir_plugin_decide_session_info_free(info);
    return true;
}

bool exports_weir_plugin_decide_decide(exports_weir_plugin_decide_operation_t *operation,
                                       exports_weir_plugin_decide_decision_t *decision,
                                       exports_weir_plugin_decide_fault_t *fault) {
    (void)fault;
    *decision = weir_decide(operation);
    exports_weir_plugin_decide_operation_free(operation);
    return true;
}
