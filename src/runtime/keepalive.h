#pragma once
/* How long an idle function's instances are kept, and when one is started before it is called, from
 * what the function itself has done so far. Pure; thread: the home's loop.
 *
 * The hybrid histogram policy of "Serverless in the Wild" (Shahrad et al., USENIX ATC 2020): a
 * function's idle times, from the end of its last call to the next one, are counted in bins of one
 * minute up to four hours. Where the histogram says something (enough of them, not too many beyond
 * its end, concentrated in few bins), its 5th percentile tells when the next call may come and the
 * 99th until when: instances go at once, another one is started a little before the first, and kept
 * until a little after the second. When the first is less than two minutes they simply stay. Where
 * it says nothing, the fixed time holds. (The paper's third part, a time series for what lies
 * beyond four hours, is not here: such functions start when they are called.) */
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"

enum { KEEPALIVE_BINS = 240 };

/* What is remembered of one function version. */
struct keepalive_history {
    struct list_node lru; /* of those that no function uses */
    char *key;            /* owned, the map's key */
    size_t key_len;
    bool is_used;
    int64_t idle_since_us; /* the end of its last call; 0: it runs, or never did */
    unsigned count, beyond;
    uint16_t bins[KEEPALIVE_BINS];
};

struct keepalive_windows {
    int64_t prewarm_us; /* after the end of the last call; 0: instances stay */
    int64_t keep_us;    /* after the end of the last call */
};

void keepalive_observe(struct keepalive_history *history, int64_t idle_us);
struct keepalive_windows keepalive_windows(const struct keepalive_history *history,
                                           int64_t fixed_us);

/* Histories by name; those not in use are forgotten, oldest first, past a bound. */
struct keepalive {
    struct map histories; /* owned */
    struct list unused;
};

void keepalive_init(struct keepalive *keepalive);
void keepalive_done(struct keepalive *keepalive);
/* The history of the name, new or known; used until keepalive_drop. */
struct keepalive_history *keepalive_take(struct keepalive *keepalive, struct str key);
void keepalive_drop(struct keepalive *keepalive, struct keepalive_history *history,
                    bool is_forgotten);
