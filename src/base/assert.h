#pragma once
/* Assertions that stay on in release builds. They state what we guarantee ourselves; bytes from
 * clients, disk or sandboxes are never asserted, they are errors. On failure the trace rings of
 * all threads are printed (base/trace.h) and the process aborts. */

_Noreturn void assert_fail(const char *expression, const char *file, int line,
                           const char *function);

#undef assert
#define assert(cond) ((cond) ? (void) 0 : assert_fail(#cond, __FILE__, __LINE__, __func__))
#ifndef static_assert
#define static_assert _Static_assert
#endif
