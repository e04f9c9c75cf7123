/* The waits between attempts, and when there is no further one. An event that would be due after
 * its greatest age is due then: that is when it is found expired and dropped, as AWS does it. */
#include "services/lambda/retry.h"

#include "base/assert.h"

enum { THROTTLE_DOUBLINGS_MAX = 9, THROTTLE_PARTS = 60, THROTTLE_WAIT_UNITS_MAX = 5 };

static int64_t expires_at_ms(const struct event_row *row, const struct event_config *config)
{
    int64_t age_s = config->has_age_max ? config->age_max_s : EVENT_AGE_DEFAULT_S;
    return row->accepted_at_ms + age_s * 1000;
}

bool event_is_expired(const struct event_row *row, const struct event_config *config,
                      int64_t now_ms)
{
    return now_ms >= expires_at_ms(row, config);
}

static int64_t throttle_wait_ms(int32_t throttles, int64_t unit_ms)
{
    int doublings = throttles < THROTTLE_DOUBLINGS_MAX ? throttles : THROTTLE_DOUBLINGS_MAX;
    int64_t first_ms = unit_ms < THROTTLE_PARTS ? 1 : unit_ms / THROTTLE_PARTS;
    int64_t wait_ms = first_ms << doublings, max_ms = THROTTLE_WAIT_UNITS_MAX * unit_ms;
    return wait_ms < max_ms ? wait_ms : max_ms;
}

static struct event_verdict over(const char *dropped)
{
    return (struct event_verdict){.is_over = true, .dropped = dropped};
}

struct event_verdict event_judge(struct event_row *row, const struct event_config *config,
                                 enum event_outcome outcome, int64_t now_ms, int64_t unit_ms)
{
    assert(unit_ms > 0);
    int32_t retries_max = config->has_retries_max ? config->retries_max : EVENT_RETRIES_DEFAULT;
    int64_t expires_ms = expires_at_ms(row, config), due_ms = now_ms;
    switch (outcome) {
    case EVENT_SUCCEEDED: return over(NULL);
    case EVENT_FORBIDDEN: return over("ZeroReservedConcurrency");
    case EVENT_ORPHANED: return over("FunctionDeleted");
    case EVENT_EXPIRED: return over("EventAgeExceeded");
    case EVENT_FUNCTION_ERROR:
        if (row->attempts >= retries_max)
            return over("RetriesExhausted");
        due_ms += ++row->attempts * unit_ms;
        break;
    case EVENT_THROTTLED: due_ms += throttle_wait_ms(row->throttles++, unit_ms); break;
    }
    row->due_at_ms = due_ms < expires_ms ? due_ms : expires_ms;
    return (struct event_verdict){0};
}
