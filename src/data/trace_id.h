#pragma once
/* The id under which an invocation is traced: of the trace that its caller belongs to, if it says
 * so in the header X-Amzn-Trace-Id, else of a new one. Pure. */
#include "base/str.h"

#include <stdint.h>

enum { TRACE_ID_SIZE = 96 };

/* Does the header name a trace? Its root must be one, parent and decision, where it says them, too;
 * members of other names are nobody's here. source: X-Ray developer guide, "Tracing header". */
bool trace_id_is_valid(struct str header);
/* Writes "Root=1-...;Parent=...;Sampled=0". given: the caller's header, STR_NONE or an invalid one
 * for a new trace, which is not sampled. The parent is the invocation's own, made of its request
 * id, which must be a UUID; its digits are random, so the new root is made of them as well.
 * Returns out's text; STR_NONE: the request id is none of ours. */
struct str trace_id_make(char out[TRACE_ID_SIZE], struct str given, struct str request_id,
                         int64_t utc_ms);
