#pragma once
/* The simulator: any number of execs on one thread, in an order drawn from a seed, with a virtual
 * clock. The same seed gives the same run, as long as the code under test draws randomness from
 * sim_rng and time from sim_clock only.
 *
 *     struct sim *sim = sim_new(seed);
 *     struct exec *loop = sim_exec(sim, SIM_LOOP);
 *     ... exec_post, timer_set ...
 *     sim_run(sim);            until nothing is left to do
 *     sim_free(sim);
 *
 * Each step picks one exec that has something to do and runs one task or one due timer of it. When
 * none has, the clock jumps to the next timer. Now and then it also moves a little while work
 * waits: threads are slow at the worst of times. */
#include "os/clock.h"
#include "os/exec.h"
#include "os/random.h"

#include <stdbool.h>

enum sim_exec_kind {
    SIM_LOOP, /* tasks first in first out, timers: a loop thread */
    SIM_POOL, /* waiting tasks in any order, no timers: threads that take from one queue */
};

struct sim;

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim); /* asserts that no task is left */

struct exec *sim_exec(struct sim *sim, enum sim_exec_kind kind); /* freed with the simulator */
struct rng *sim_rng(struct sim *sim);
const struct clock *sim_clock(const struct sim *sim);

/* One step; false when neither task nor timer is left. */
bool sim_step(struct sim *sim);
/* Until nothing is left. Fails the test after a million steps, with the seed. */
void sim_run(struct sim *sim);
/* Until is_done says so; false when nothing is left before. */
bool sim_run_until(struct sim *sim, bool (*is_done)(void *arg), void *arg);
/* Runs what is due within the next us, and moves the clock by just as much. */
void sim_run_for(struct sim *sim, int64_t us);

/* Is code of this exec running now? For assertions about threads. */
bool sim_is_current(const struct sim *sim, const struct exec *exec);

/* Calls body with seeds first, first + 1, …; count of them. VIRGA_SIM_SEED in the environment runs
 * that one alone. A failed assertion names its seed on standard error. */
void sim_seeds(uint64_t first, unsigned count, void (*body)(uint64_t seed));
