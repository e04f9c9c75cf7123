#pragma once
/* How many instances of a function should run at once. Pure; thread: the home's loop.
 *
 * While CPUs are idle: as many as there are calls. When no CPU has time left, another instance
 * finishes nothing sooner, it only takes turns with the others: calls of 50 us then cost several
 * times as much, for each meets cold caches and two more switches. (Measured with 64 callers on two
 * CPUs, CPU time of the instances for each call: Node 44 us with one instance busy at a time, 90
 * with two, 180 with eight, 740 with 64; Python 42, 29, 42, 71; C 7, 18, 40, 38.) So a call of a
 * function that is known to be short waits a while for an instance that is busy.
 *
 * The limit follows the CPUs, not the clock: twenty times a second the home looks at the idle time
 * of all CPUs, and each function that is called halves its limit while they have none and raises it
 * while they have plenty. A function whose calls wait for something else than CPU leaves CPUs idle
 * and gets its instances. A loop that is at work all the time is as good as a full machine: more
 * instances would only wait for it. Where idle time is unknown, nothing is ever limited. */
#include <stdint.h>

enum {
    CROWD_LOOK_US = 50 * 1000,
    CROWD_PATIENCE_US = 40 * 1000, /* the most that a call waits for a busy instance */
    CROWD_SHORT_US = 2 * 1000,     /* the run of a function that is short, at its best */
};

/* CPU time since some point in the past. */
struct crowd_use {
    int64_t idle_us; /* of all CPUs together; -1: unknown */
    int64_t loop_us; /* used by the home's thread */
};

/* A home's knowledge of the CPUs. */
struct crowd_cpus {
    unsigned count;
    enum crowd_verdict { CROWD_EVEN, CROWD_FULL, CROWD_SPARE } verdict;
    unsigned turn; /* of the verdict */
    int64_t looked_us;
    struct crowd_use use; /* then */
};

/* A function's. */
struct crowd {
    unsigned limit; /* instances busy at once before calls wait for one of them */
    unsigned turn;  /* whose verdict it follows */
    int64_t shortest_us, shortest_before_us; /* run in this turn and in the one before */
};

void crowd_cpus_init(struct crowd_cpus *cpus, unsigned count);
/* Is it time for crowd_look? */
static inline int crowd_is_due(const struct crowd_cpus *cpus, int64_t now_us)
{
    return now_us - cpus->looked_us >= CROWD_LOOK_US;
}
void crowd_look(struct crowd_cpus *cpus, int64_t now_us, struct crowd_use use);

void crowd_init(struct crowd *crowd);
void crowd_ran(struct crowd *crowd, int64_t run_us);
/* The limit now. busy: instances of the function that run. */
unsigned crowd_limit(struct crowd *crowd, const struct crowd_cpus *cpus, unsigned busy);
