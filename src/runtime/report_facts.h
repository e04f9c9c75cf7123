#pragma once
/* What the records about an ended invocation say: copied, since they may be written when the
 * invocation is its caller's again. */
#include <stdbool.h>
#include <stdint.h>

enum { REPORT_ID_MAX = 64, REPORT_TRACE_MAX = 256 };

struct report_facts {
    char request_id[REPORT_ID_MAX];
    char trace_id[REPORT_TRACE_MAX];            /* "": not sampled */
    const char *status;                         /* "success"; borrowed for ever, as the types */
    const char *error_type, *report_error_type; /* NULL: none */
    int64_t began_ms, answered_at_us;           /* UTC; the loop's clock */
    int64_t latency_us, response_us;            /* to the answer's begin, from there to its end */
    int64_t overhead_us; /* from there to the next request; -1: not yet known */
    int64_t run_us, billed_ms, init_us, restore_us;
    uint64_t produced_bytes;
    unsigned memory_mb, memory_used_mb;
    bool has_response;
};
