// Plugins for weir in C: what policies and maskers share. The records are those that wit-bindgen makes of the contract,
// wit/*.wit; plugin.h has them. Texts are UTF-8 with a length and no zero at the end.
#ifndef WEIR_H
#define WEIR_H

#include "plugin.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef plugin_string_t weir_text;
typedef weir_plugin_types_attribute_t weir_attribute;
typedef weir_plugin_types_session_info_t weir_session;
typedef weir_plugin_types_operation_t weir_operation;
typedef weir_plugin_types_column_t weir_column;
typedef weir_plugin_types_fault_t weir_fault;

// What the plugin says of itself. The settings' schema is JSON Schema, or "" when it takes none.
typedef struct {
    const char *name;
    const char *version;
    const char *description;
    const char *settings_schema;
} weir_about;

// ---- The plugin defines:

extern const weir_about weir_plugin;

// Once per session, before weir_open; `settings` is JSON that matches the schema. False refuses, with *fault set by
// weir_failed. The build has one that accepts everything, for plugins without settings.
bool weir_configure(weir_text settings, weir_fault *fault);

// Who is there. An instance never sees a second session, so what is to be known later may lie in static variables; texts
// must be copied.
void weir_open(const weir_session *session);

// ---- What helps:

// Whether a text is just this.
static inline bool weir_is(weir_text text, const char *other) {
    return text.len == strlen(other) && memcmp(text.ptr, other, text.len) == 0;
}

// Whether it holds this somewhere. An empty one is everywhere.
static inline bool weir_contains(weir_text text, const char *part) {
    const size_t length = strlen(part);
    for (size_t at = 0; at + length <= text.len; at++) {
        if (memcmp(text.ptr + at, part, length) == 0) {
            return true;
        }
    }
    return false;
}

// The letters of a text, which are not its bytes.
static inline size_t weir_letters(weir_text text) {
    size_t letters = 0;
    for (size_t at = 0; at < text.len; at++) {
        letters += (text.ptr[at] & 0xc0) != 0x80;
    }
    return letters;
}

// A copy that an answer may keep. Out of memory stops the plugin, which refuses the operation.
static inline void *weir_copy(const void *from, size_t length) {
    if (length == 0) {
        return NULL;
    }
    void *copy = malloc(length);
    if (copy == NULL) {
        abort();
    }
    return memcpy(copy, from, length);
}

static inline weir_text weir_copy_text(weir_text text) {
    return (weir_text){.ptr = weir_copy(text.ptr, text.len), .len = text.len};
}

static inline weir_text weir_new_text(const char *text) {
    return (weir_text){.ptr = weir_copy(text, strlen(text)), .len = strlen(text)};
}

// Room for one element more at the end of a list of `length`.
static inline void *weir_grow(void *list, size_t length, size_t element) {
    void *grown = realloc(list, (length + 1) * element);
    if (grown == NULL) {
        abort();
    }
    return grown;
}

// Says why something cannot be done: no values in it. Answers false.
static inline bool weir_failed(weir_fault *fault, const char *code, const char *message) {
    fault->code = weir_new_text(code);
    fault->message = weir_new_text(message);
    return false;
}

enum { WEIR_TRACE, WEIR_DEBUG, WEIR_INFO, WEIR_WARN, WEIR_ERROR };

// To the gateway's log. No values: the log is not masked.
void weir_log(uint8_t level, const char *message);

#endif
