#pragma once
/* How fast a function may grow: AWS's concurrency scaling rate. Pure; thread: the home's loop.
 *
 * A function gets at most 1,000 further concurrent executions every ten seconds, refilled
 * continuously, and what is not used is not saved up. What it had reached is its own for a while,
 * as the environments that AWS started for it are: only calls beyond that cost anything.
 *
 * source: AWS Lambda developer guide, "Lambda scaling behavior"; AWS compute blog, "Understanding
 * AWS Lambda's invoke throttling limits" (a token bucket). */
#include <stdbool.h>
#include <stdint.h>

enum {
    GROWTH_STEPS = 1000,
    GROWTH_SPAN_US = 10 * 1000 * 1000,
    GROWTH_KEPT_US = 300 * 1000 * 1000, /* how long at least a reached level counts */
};

struct growth {
    int64_t filled_at_us;      /* when the bucket will be full again; in the past: it is */
    int64_t since_us;          /* begin of the present period of GROWTH_KEPT_US */
    int64_t peak, peak_before; /* the most in flight, in this period and in the one before */
};

/* May one more be in flight beside so many? If so, it counts. */
bool growth_allows(struct growth *growth, int64_t in_flight, int64_t now_us);
