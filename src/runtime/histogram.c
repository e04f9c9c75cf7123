/* Buckets are eight to an octave: the top bit of a value and the three behind it are its bucket. */
#include "runtime/histogram.h"

#include "base/assert.h"
#include "base/str.h"

enum { SUB_BITS = 3, SUBS = 1 << SUB_BITS };

static unsigned bucket_of(int64_t value_us)
{
    if (value_us < SUBS)
        return value_us < 0 ? 0 : (unsigned) value_us;
    unsigned top = 63 - (unsigned) __builtin_clzll((unsigned long long) value_us);
    unsigned bucket =
        (top - SUB_BITS + 1) * SUBS + ((unsigned) (value_us >> (top - SUB_BITS)) & (SUBS - 1));
    return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static int64_t value_of(unsigned bucket)
{
    if (bucket < SUBS)
        return bucket;
    unsigned shift = bucket / SUBS - 1;
    int64_t low = (int64_t) (SUBS + bucket % SUBS) << shift;
    return low + ((int64_t) 1 << shift) / 2;
}

/* Begins a new window when the current one is over; after a long silence both are empty. */
static void turn(struct histogram *h, int64_t now_us)
{
    int64_t age_us = now_us - h->window_us;
    if (h->window_us != 0 && age_us < HISTOGRAM_WINDOW_US)
        return;
    bool is_next = h->window_us != 0 && age_us < 2 * (int64_t) HISTOGRAM_WINDOW_US;
    h->current = 1 - h->current;
    h->before = is_next ? h->now : 0;
    h->now = 0;
    memset(h->counts[h->current], 0, sizeof h->counts[0]);
    if (!is_next)
        memset(h->counts[1 - h->current], 0, sizeof h->counts[0]);
    h->window_us = is_next ? h->window_us + HISTOGRAM_WINDOW_US : now_us;
}

void histogram_add(struct histogram *h, int64_t value_us, int64_t now_us)
{
    turn(h, now_us);
    h->counts[h->current][bucket_of(value_us)]++;
    h->now++;
}

int64_t histogram_quantile(struct histogram *h, double part, int64_t now_us)
{
    assert(part >= 0 && part <= 1);
    turn(h, now_us);
    uint64_t total = h->before + h->now, seen = 0;
    if (total == 0)
        return 0;
    uint64_t wanted = (uint64_t) (part * (double) total + 0.5);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[0][i] + h->counts[1][i];
        if (seen > 0 && seen >= wanted)
            return value_of(i);
    }
    return value_of(HISTOGRAM_BUCKETS - 1);
}

double histogram_per_second(struct histogram *h, int64_t now_us)
{
    turn(h, now_us);
    /* The window before weighs as much as is left of the current one's length. */
    double age = (double) (now_us - h->window_us) / HISTOGRAM_WINDOW_US;
    double values = (double) h->now + (double) h->before * (1 - age);
    return values / ((double) HISTOGRAM_WINDOW_US / 1e6);
}
