#include "runtime/growth.h"

enum { STEP_US = GROWTH_SPAN_US / GROWTH_STEPS };

static void roll(struct growth *growth, int64_t in_flight, int64_t now_us)
{
    int64_t age_us = now_us - growth->since_us;
    if (age_us < GROWTH_KEPT_US)
        return;
    growth->peak_before = age_us < 2 * (int64_t) GROWTH_KEPT_US ? growth->peak : in_flight;
    growth->peak = in_flight;
    growth->since_us = now_us;
}

/* The bucket as one number: each token puts its refill off by a step, and no more than a whole
 * span's worth may be owed (the generic cell rate algorithm). */
static bool take_token(struct growth *growth, int64_t now_us)
{
    int64_t filled_at_us = growth->filled_at_us > now_us ? growth->filled_at_us : now_us;
    if (filled_at_us + STEP_US > now_us + GROWTH_SPAN_US)
        return false;
    growth->filled_at_us = filled_at_us + STEP_US;
    return true;
}

bool growth_allows(struct growth *growth, int64_t in_flight, int64_t now_us)
{
    roll(growth, in_flight, now_us);
    bool is_beyond = in_flight >= growth->peak && in_flight >= growth->peak_before;
    if (is_beyond && !take_token(growth, now_us))
        return false;
    if (in_flight >= growth->peak)
        growth->peak = in_flight + 1;
    return true;
}
