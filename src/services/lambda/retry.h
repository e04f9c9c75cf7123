#pragma once
/* What becomes of an event after an attempt. Pure. source: Lambda developer guide, "How Lambda
 * handles errors and retries with asynchronous invocation": a function's error is retried twice,
 * after one and two minutes; throttling and our own failures for as long as the event may age,
 * after 1 s and then twice as long each time, up to 5 minutes. */
#include "services/lambda/db_events.h"

enum { EVENT_RETRIES_DEFAULT = 2, EVENT_AGE_DEFAULT_S = 6 * 3600, EVENT_RETRY_UNIT_MS = 60 * 1000 };

enum event_outcome {
    EVENT_SUCCEEDED,
    EVENT_FUNCTION_ERROR,
    EVENT_THROTTLED, /* also: could not be run just now */
    EVENT_FORBIDDEN, /* the function's reserved concurrency is 0 */
    EVENT_ORPHANED,  /* its function is gone */
    EVENT_EXPIRED,   /* found too old before the attempt */
};

struct event_verdict {
    bool is_over;
    const char *dropped; /* why, in AWS's words for conditions; NULL: succeeded or not over */
};

/* True once the event has waited longer than its function allows. */
bool event_is_expired(const struct event_row *row, const struct event_config *config,
                      int64_t now_ms);
/* Changes due time and counters of *row when there is another attempt. unit_ms: the wait after the
 * first error (AWS: EVENT_RETRY_UNIT_MS); all other waits are in proportion. */
struct event_verdict event_judge(struct event_row *row, const struct event_config *config,
                                 enum event_outcome outcome, int64_t now_ms, int64_t unit_ms);
