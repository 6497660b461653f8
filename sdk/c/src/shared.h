// `lifecycle` and the log are the same in every world.
#ifndef WEIR_SHARED_H
#define WEIR_SHARED_H

#include "weir.h"

__attribute__((weak)) bool weir_configure(weir_text settings, weir_fault *fault) {
    (void)settings, (void)fault;
    return true;
}

void weir_log(uint8_t level, const char *message) {
    weir_text text = {.ptr = (uint8_t *)message, .len = strlen(message)};
    weir_plugin_host_log_log(level, &text);
}

void exports_weir_plugin_lifecycle_describe(exports_weir_plugin_lifecycle_manifest_t *manifest) {
    manifest->name = weir_new_text(weir_plugin.name);
    manifest->version = weir_new_text(weir_plugin.version);
    manifest->description = weir_new_text(weir_plugin.description);
    manifest->settings_schema = weir_new_text(weir_plugin.settings_schema == NULL ? "" : weir_plugin.settings_schema);
}

bool exports_weir_plugin_lifecycle_configure(plugin_string_t *settings, exports_weir_plugin_lifecycle_fault_t *fault) {
    const bool fine = weir_configure(*settings, fault);
    plugin_string_free(settings);
    return fine;
}

#endif
