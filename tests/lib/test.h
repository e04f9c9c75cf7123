#pragma once
/* What every unit test includes: cmocka, with the headers it needs, and comparisons of views that
 * print both sides. Include it before the project's headers (cmocka needs the system's own). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(actual, expected)                                                               \
    do {                                                                                           \
        struct str a_ = (actual), e_ = str_from(expected);                                         \
        if (!str_eq(a_, e_))                                                                       \
            fail_msg("\"" STR_FMT "\" is not \"" STR_FMT "\"", STR_ARG(a_), STR_ARG(e_));          \
    } while (0)

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_ < 0)                                                                               \
            fail_msg("%s failed: %d", #call, rc_);                                                 \
    } while (0)
