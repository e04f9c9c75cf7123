#pragma once
/* The error contract of the whole code base.
 *
 * A function that can fail returns int: 0 or more is success, negative is -Exxx; its last
 * parameter is `struct err *err`, the caller's memory, NULL allowed. Failure fills err and leaves
 * every out_ parameter untouched; success leaves err untouched. Callers add context on the way
 * up with err_wrap. Nothing here allocates. */
#include "base/cleanup.h"

struct err {
    int code;       /* -Exxx, the value that was returned */
    char text[200]; /* context, outermost first: "start instance f: open cgroup: ..." */
};

/* Fills err (when not NULL) and returns code. code must be negative; "%m"-style text for the
 * errno it stands for is appended. */
int err_set(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* As err_set, without the errno's text: for failures that no system call caused. */
int err_say(struct err *err, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "format: " before the text that is there and returns err->code (-EIO when err is NULL). */
int err_wrap(struct err *err, const char *format, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__
/* The analyzer sees one file at a time: that what reports a failure is negative, it is told here.
 */
static inline int analyzer_negative(int rc)
{
    if (rc >= 0)
        __builtin_unreachable();
    return rc;
}
#define err_set(...)  analyzer_negative(err_set(__VA_ARGS__))
#define err_say(...)  analyzer_negative(err_say(__VA_ARGS__))
#define err_wrap(...) analyzer_negative(err_wrap(__VA_ARGS__))
#endif
