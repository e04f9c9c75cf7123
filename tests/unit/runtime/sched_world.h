#pragma once
/* A world for the scheduler: a virtual clock, one timer heap, and instances that do what the test
 * says. Every step ends in sched_check. */
#include "test.h"

#include "runtime/sched.h"

enum { FAKES_MAX = 64, CALLS_MAX = 64, FUNCTIONS_MAX = 8, SECOND = 1000000, FREEZE_US = 5000 };

struct fake {
    struct slot slot; /* first */
    bool is_alive;
    bool is_frozen;
};

struct world {
    struct exec exec; /* first */
    struct clock_virtual clock;
    struct timer_heap timers;
    struct sched sched;
    struct quotas *accounts;
    struct fake fakes[FAKES_MAX]; /* in the order of their starts, as places become free */
    struct function_spec functions[FUNCTIONS_MAX];
    struct invocation calls[CALLS_MAX];
    size_t function_count, call_count;
    unsigned started, stopped, frozen, thawed, done, throttled, refused, drained;
    uint64_t shrunk_bytes; /* asked of what was made in advance */
    int64_t idle_us;       /* of the CPUs; -1: unknown */
};

/* 0: more than the test will need, and no bound of memory. */
struct world_limits {
    unsigned account, instances, queue;
    uint64_t memory_mb;
};

struct world *world_new(struct world_limits limits);
/* Ends what there is; everything must have been given back. */
void world_end(struct world *w);

/* A function without a reservation, revision 1. */
struct function_spec *function(struct world *w, const char *arn);
struct function_spec *reserved(struct world *w, const char *arn, int64_t concurrency);
struct function_spec *revised(struct world *w, const struct function_spec *old);

struct invocation *call(struct world *w, struct function_spec *spec);
/* The same with a call that has ended. */
void call_again(struct world *w, struct invocation *inv);

/* What instances do. */
struct fake *ready(struct world *w, size_t number);
void answer(struct world *w, struct fake *fake);
void gone(struct world *w, struct fake *fake);
void measure(struct world *w, struct fake *fake, uint64_t megabytes);
/* An instance that runs a call; one that is idle. */
struct fake *busy(struct world *w, struct function_spec *spec);
struct fake *idle(struct world *w, struct function_spec *spec);

unsigned alive(const struct world *w, enum slot_state state);
struct fake *busy_with(struct world *w, const struct invocation *inv); /* NULL: none is */
/* Moves time and fires what is due. */
void pass(struct world *w, int64_t us);

void assert_throttled(const struct invocation *inv, enum throttle_reason reason);
