/* The two clocks.
 *
 * clock_real reads CLOCK_MONOTONIC and CLOCK_REALTIME; both are answered by the vDSO without a
 * system call. Durations always come from the first, which no administrator and no NTP step can
 * move; the second is only for what is stored or shown.
 *
 * clock_virtual stands still until its owner advances it. Both of its times move by the same
 * amount; the microseconds that do not make a whole millisecond yet are kept, so that a thousand
 * advances by 1 us equal one by 1 ms. It is not thread-safe: tests advance it on the thread that
 * reads it. */
#include "os/clock.h"

#include "base/assert.h"

#include <time.h>

static struct timespec clock_read(clockid_t id)
{
    struct timespec now;
    int rc = clock_gettime(id, &now);
    assert(rc == 0); /* Fails for unknown clocks only. */
    return now;
}

static int64_t real_mono_us(const struct clock *clock)
{
    (void) clock;
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t real_utc_ms(const struct clock *clock)
{
    (void) clock;
    struct timespec now = clock_read(CLOCK_REALTIME);
    return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

const struct clock clock_real = {.mono_us = real_mono_us, .utc_ms = real_utc_ms};

static int64_t virtual_mono_us(const struct clock *clock)
{
    return ((const struct clock_virtual *) (const void *) clock)->mono_us;
}

static int64_t virtual_utc_ms(const struct clock *clock)
{
    return ((const struct clock_virtual *) (const void *) clock)->utc_ms;
}

void clock_virtual_init(struct clock_virtual *clock, int64_t utc_ms)
{
    /* Monotonic time starts above zero, so that a zero "last seen" in a zeroed struct is past. */
    *clock = (struct clock_virtual){
        .clock = {.mono_us = virtual_mono_us, .utc_ms = virtual_utc_ms},
        .mono_us = 1000000,
        .utc_ms = utc_ms,
    };
}

void clock_virtual_advance(struct clock_virtual *clock, int64_t us)
{
    assert(us >= 0);
    clock->mono_us += us;
    clock->rest_us += us;
    clock->utc_ms += clock->rest_us / 1000;
    clock->rest_us %= 1000;
}
