#pragma once
/* Durations of the last seconds: how many a second, and their quantiles. Two windows in turn, so
 * what is told covers between one window and two; a value is known to 1/16 of itself.
 * thread: the owner's. */
#include <stdbool.h>
#include <stdint.h>

enum {
    HISTOGRAM_WINDOW_US = 10 * 1000 * 1000,
    HISTOGRAM_BUCKETS = 8 * 28, /* up to 2^30 us, 18 minutes: longer than any function runs */
};

struct histogram {
    int64_t window_us; /* begin of the current window; 0: nothing was ever added */
    uint64_t before;   /* values of the window before */
    uint64_t now;      /* of the current one */
    uint32_t counts[2][HISTOGRAM_BUCKETS];
    unsigned current; /* 0 or 1 */
};

void histogram_add(struct histogram *histogram, int64_t value_us, int64_t now_us);
/* The value that `part` (0..1) of the values do not exceed; 0: there are none. */
int64_t histogram_quantile(struct histogram *histogram, double part, int64_t now_us);
double histogram_per_second(struct histogram *histogram, int64_t now_us);
