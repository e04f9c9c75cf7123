#pragma once
/* Time behind an interface: durations are monotonic microseconds, stored times UTC milliseconds
 * since 1970. The virtual clock (tests, simulator) moves both by hand. thread: any. */
#include <stdint.h>

struct clock {
    int64_t (*mono_us)(const struct clock *clock);
    int64_t (*utc_ms)(const struct clock *clock);
};

extern const struct clock clock_real;

static inline int64_t clock_mono_us(const struct clock *clock)
{
    return clock->mono_us(clock);
}

static inline int64_t clock_utc_ms(const struct clock *clock)
{
    return clock->utc_ms(clock);
}

struct clock_virtual {
    struct clock clock; /* first: a pointer to it is a pointer to the whole */
    int64_t mono_us, utc_ms;
    int64_t rest_us; /* microseconds that have not made a millisecond of utc_ms yet */
};

void clock_virtual_init(struct clock_virtual *clock, int64_t utc_ms);
void clock_virtual_advance(struct clock_virtual *clock, int64_t us); /* us >= 0 */
