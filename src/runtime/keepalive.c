#include "runtime/keepalive.h"

#include "base/assert.h"
#include "base/mem.h"

#include <string.h>

#define MINUTE_US (INT64_C(60) * 1000 * 1000)

enum {
    COUNT_MIN = 10,   /* fewer say nothing */
    HEAD_PERCENT = 5, /* the paper's percentiles, and its margin on both sides */
    TAIL_PERCENT = 99,
    MARGIN_PERCENT = 10,
    SPREAD_MIN = 2,    /* coefficient of variation of the bins below which they are too even */
    PREWARM_MIN = 2,   /* minutes: for less it is not worth to end and to start */
    UNUSED_MAX = 4096, /* of half a kilobyte each */
};

void keepalive_observe(struct keepalive_history *history, int64_t idle_us)
{
    int64_t bin = idle_us / MINUTE_US;
    if (bin < 0)
        return;
    history->count++;
    if (bin >= KEEPALIVE_BINS)
        history->beyond++;
    else
        history->bins[bin]++;
    if (history->count < UINT16_MAX)
        return;
    /* What was long ago counts half, so that a change of habit shows and nothing overflows. */
    history->count = history->beyond /= 2;
    for (int i = 0; i < KEEPALIVE_BINS; i++)
        history->count += history->bins[i] /= 2;
}

/* The first bin with at least so many percent of all in it and before. */
static int percentile_bin(const struct keepalive_history *history, unsigned percent)
{
    uint64_t inside = history->count - history->beyond, sum = 0;
    for (int i = 0; i < KEEPALIVE_BINS; i++) {
        sum += history->bins[i];
        if (sum * 100 >= inside * percent && sum > 0)
            return i;
    }
    return KEEPALIVE_BINS - 1;
}

/* Standard deviation at least SPREAD_MIN times the mean, over the bins: few of them have most. */
static bool is_concentrated(const struct keepalive_history *history)
{
    uint64_t sum = 0, squares = 0;
    for (int i = 0; i < KEEPALIVE_BINS; i++) {
        sum += history->bins[i];
        squares += (uint64_t) history->bins[i] * history->bins[i];
    }
    /* n * squares - sum^2 = (n * deviation)^2; compared with (SPREAD_MIN * sum)^2 */
    return squares * KEEPALIVE_BINS >= sum * sum * (1 + SPREAD_MIN * SPREAD_MIN);
}

struct keepalive_windows keepalive_windows(const struct keepalive_history *history,
                                           int64_t fixed_us)
{
    const struct keepalive_windows fixed = {.keep_us = fixed_us};
    if (history->count < COUNT_MIN || history->beyond * 2 > history->count ||
        !is_concentrated(history))
        return fixed;
    int head = percentile_bin(history, HEAD_PERCENT);
    int tail = percentile_bin(history, TAIL_PERCENT) + 1; /* to its end */
    struct keepalive_windows found = {.keep_us = tail * MINUTE_US / 100 * (100 + MARGIN_PERCENT)};
    if (head >= PREWARM_MIN)
        found.prewarm_us = head * MINUTE_US / 100 * (100 - MARGIN_PERCENT);
    return found;
}

/* ---- by name ---- */

void keepalive_init(struct keepalive *keepalive)
{
    map_init(&keepalive->histories);
    list_init(&keepalive->unused);
}

static void history_free(struct keepalive *keepalive, struct keepalive_history *history)
{
    (void) map_remove(&keepalive->histories, str_of(history->key, history->key_len));
    free(history->key);
    free(history);
}

void keepalive_done(struct keepalive *keepalive)
{
    for (struct list_node *node; (node = list_pop_front(&keepalive->unused)) != NULL;)
        history_free(keepalive, CONTAINER_OF(node, struct keepalive_history, lru));
    assert(keepalive->histories.len == 0);
    map_done(&keepalive->histories);
}

struct keepalive_history *keepalive_take(struct keepalive *keepalive, struct str key)
{
    struct keepalive_history *history = map_find(&keepalive->histories, key);
    if (history == NULL) {
        history = NEW(struct keepalive_history);
        history->key = mem_copy(key.ptr, key.len);
        history->key_len = key.len;
        (void) map_put(&keepalive->histories, str_of(history->key, key.len), history);
    } else {
        assert(!history->is_used);
        list_remove(&keepalive->unused, &history->lru);
    }
    history->is_used = true;
    return history;
}

void keepalive_drop(struct keepalive *keepalive, struct keepalive_history *history,
                    bool is_forgotten)
{
    assert(history->is_used);
    history->is_used = false;
    if (is_forgotten || history->idle_since_us == 0) {
        history_free(keepalive, history);
        return;
    }
    list_push_back(&keepalive->unused, &history->lru);
    if (keepalive->unused.len > UNUSED_MAX) {
        struct list_node *oldest = list_pop_front(&keepalive->unused);
        history_free(keepalive, CONTAINER_OF(oldest, struct keepalive_history, lru));
    }
}
