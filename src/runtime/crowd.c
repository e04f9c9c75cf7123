#include "runtime/crowd.h"

#include <limits.h>
#include <stdbool.h>

enum {
    FULL_PERCENT = 15, /* less idle time than that, of all CPUs' time, is none */
    SPARE_PERCENT = 25,
    LOOP_PERCENT = 90,
};

void crowd_cpus_init(struct crowd_cpus *cpus, unsigned count)
{
    *cpus = (struct crowd_cpus){.count = count, .use = {.idle_us = -1}};
}

static enum crowd_verdict judge(const struct crowd_cpus *cpus, int64_t time_us,
                                const struct crowd_use *use)
{
    int64_t all_us = time_us * cpus->count;
    int64_t idle_us = use->idle_us - cpus->use.idle_us;
    if (use->idle_us < 0 || cpus->use.idle_us < 0)
        return CROWD_SPARE;
    if (idle_us * 100 < all_us * FULL_PERCENT ||
        (use->loop_us - cpus->use.loop_us) * 100 > time_us * LOOP_PERCENT)
        return CROWD_FULL;
    return idle_us * 100 > all_us * SPARE_PERCENT ? CROWD_SPARE : CROWD_EVEN;
}

void crowd_look(struct crowd_cpus *cpus, int64_t now_us, struct crowd_use use)
{
    cpus->verdict = judge(cpus, now_us - cpus->looked_us, &use);
    cpus->turn++;
    cpus->looked_us = now_us;
    cpus->use = use;
}

void crowd_init(struct crowd *crowd)
{
    *crowd = (struct crowd){
        .limit = UINT_MAX, .shortest_us = INT64_MAX, .shortest_before_us = INT64_MAX};
}

void crowd_ran(struct crowd *crowd, int64_t run_us)
{
    if (run_us < crowd->shortest_us)
        crowd->shortest_us = run_us;
}

static void follow(struct crowd *crowd, const struct crowd_cpus *cpus, unsigned busy)
{
    crowd->turn = cpus->turn;
    if (crowd->shortest_us < INT64_MAX)
        crowd->shortest_before_us = crowd->shortest_us;
    crowd->shortest_us = INT64_MAX;
    if (cpus->verdict == CROWD_FULL) {
        unsigned half = (crowd->limit < busy ? crowd->limit : busy) / 2;
        crowd->limit = half < cpus->count ? cpus->count : half;
    } else if (cpus->verdict == CROWD_SPARE && crowd->limit != UINT_MAX) {
        unsigned more = crowd->limit / 2 + 1;
        crowd->limit = crowd->limit > busy * 2 + more ? UINT_MAX : crowd->limit + more;
    }
}

unsigned crowd_limit(struct crowd *crowd, const struct crowd_cpus *cpus, unsigned busy)
{
    if (crowd->turn != cpus->turn)
        follow(crowd, cpus, busy);
    bool is_short = crowd->shortest_us < CROWD_SHORT_US ||
                    (crowd->shortest_us == INT64_MAX && crowd->shortest_before_us < CROWD_SHORT_US);
    return is_short ? crowd->limit : UINT_MAX;
}
