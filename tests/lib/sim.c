/* How the simulator chooses: among the execs that have a waiting task or a due timer, one by the
 * seeded generator; within a loop its oldest task or its earliest due timer, by a coin; within a
 * pool any task. A task that runs posts others, sets timers, draws numbers; nothing else moves
 * meanwhile, so each task is atomic. What the simulator thus explores is the order of messages
 * between threads, which is where state machines break; data races inside a task are for
 * ThreadSanitizer to find. */
#include "test.h"

#include "sim.h"

#include "base/assert.h"
#include "base/mem.h"

#include <signal.h>

enum { EXECS_MAX = 64, STEPS_MAX = 1000 * 1000, SLOW_ONE_IN = 64, SLOW_US_MAX = 2000 };

struct sim_exec {
    struct exec exec; /* first */
    struct sim *sim;
    enum sim_exec_kind kind;
    struct list tasks;
    struct timer_heap timers;
};

struct sim {
    uint64_t seed;
    struct rng_seeded rng;
    struct clock_virtual clock;
    struct sim_exec *execs[EXECS_MAX]; /* owned */
    size_t exec_count;
    const struct sim_exec *current;
};

static void exec_post_task(struct exec *exec, struct task *task)
{
    assert(task->run != NULL && !list_is_linked(&task->node));
    list_push_back(&((struct sim_exec *) exec)->tasks, &task->node);
}

static void exec_timer_set(struct exec *exec, struct timer *timer, int64_t due_us)
{
    struct sim_exec *mine = (struct sim_exec *) exec;
    assert(mine->kind == SIM_LOOP);
    assert(mine->sim->current == NULL || mine->sim->current == mine);
    timer_heap_set(&mine->timers, timer, due_us);
}

static void exec_timer_clear(struct exec *exec, struct timer *timer)
{
    struct sim_exec *mine = (struct sim_exec *) exec;
    assert(mine->sim->current == NULL || mine->sim->current == mine);
    timer_heap_clear(&mine->timers, timer);
}

static const struct exec_ops sim_ops = {exec_post_task, exec_timer_set, exec_timer_clear};

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = NEW(struct sim);
    sim->seed = seed;
    rng_seeded_init(&sim->rng, seed);
    clock_virtual_init(&sim->clock, INT64_C(1790000000000));
    return sim;
}

void sim_free(struct sim *sim)
{
    for (size_t i = 0; i < sim->exec_count; i++) {
        assert(list_is_empty(&sim->execs[i]->tasks));
        timer_heap_done(&sim->execs[i]->timers);
        free(sim->execs[i]);
    }
    free(sim);
}

struct exec *sim_exec(struct sim *sim, enum sim_exec_kind kind)
{
    assert(sim->exec_count < EXECS_MAX);
    struct sim_exec *exec = NEW(struct sim_exec);
    exec->exec = (struct exec){.ops = &sim_ops, .clock = &sim->clock.clock};
    exec->sim = sim;
    exec->kind = kind;
    list_init(&exec->tasks);
    sim->execs[sim->exec_count++] = exec;
    return &exec->exec;
}

struct rng *sim_rng(struct sim *sim)
{
    return &sim->rng.rng;
}

const struct clock *sim_clock(const struct sim *sim)
{
    return &sim->clock.clock;
}

bool sim_is_current(const struct sim *sim, const struct exec *exec)
{
    return sim->current != NULL && &sim->current->exec == exec;
}

static struct timer *timer_due(const struct sim_exec *exec)
{
    struct timer *timer = timer_heap_first(&exec->timers);
    return timer != NULL && timer->due_us <= exec->sim->clock.mono_us ? timer : NULL;
}

static bool exec_is_ready(const struct sim_exec *exec)
{
    return !list_is_empty(&exec->tasks) || timer_due(exec) != NULL;
}

static struct task *task_take(struct sim_exec *exec)
{
    size_t at = exec->kind == SIM_POOL ? rng_below(&exec->sim->rng.rng, exec->tasks.len) : 0;
    struct list_node *node = list_first(&exec->tasks);
    while (at-- > 0)
        node = node->next;
    list_remove(&exec->tasks, node);
    return CONTAINER_OF(node, struct task, node);
}

static void exec_step(struct sim *sim, struct sim_exec *exec)
{
    struct timer *timer = timer_due(exec);
    bool takes_timer =
        timer != NULL && (list_is_empty(&exec->tasks) || rng_below(&sim->rng.rng, 2) == 0);
    assert(sim->current == NULL);
    sim->current = exec;
    if (takes_timer) {
        timer_heap_clear(&exec->timers, timer);
        timer->fire(timer);
    } else {
        struct task *task = task_take(exec);
        task->run(task);
    }
    sim->current = NULL;
}

/* The number of execs that could run; they go to ready. */
static size_t ready_find(struct sim *sim, struct sim_exec *ready[EXECS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < sim->exec_count; i++) {
        if (exec_is_ready(sim->execs[i]))
            ready[count++] = sim->execs[i];
    }
    return count;
}

/* When the earliest timer of all is due; INT64_MAX when none is set. */
static int64_t next_due_us(const struct sim *sim)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < sim->exec_count; i++) {
        struct timer *timer = timer_heap_first(&sim->execs[i]->timers);
        if (timer != NULL && timer->due_us < next)
            next = timer->due_us;
    }
    return next;
}

bool sim_step(struct sim *sim)
{
    struct sim_exec *ready[EXECS_MAX];
    size_t count = ready_find(sim, ready);
    if (count == 0) {
        int64_t next = next_due_us(sim);
        if (next == INT64_MAX)
            return false;
        clock_virtual_advance(&sim->clock, next - sim->clock.mono_us);
        count = ready_find(sim, ready);
    } else if (rng_below(&sim->rng.rng, SLOW_ONE_IN) == 0) {
        clock_virtual_advance(&sim->clock, (int64_t) rng_below(&sim->rng.rng, SLOW_US_MAX));
    }
    exec_step(sim, ready[rng_below(&sim->rng.rng, count)]);
    return true;
}

static void step_count(const struct sim *sim, unsigned *steps)
{
    if (++*steps > STEPS_MAX)
        fail_msg("seed %llu: no end after a million steps", (unsigned long long) sim->seed);
}

void sim_run(struct sim *sim)
{
    for (unsigned steps = 0; sim_step(sim);)
        step_count(sim, &steps);
}

bool sim_run_until(struct sim *sim, bool (*is_done)(void *arg), void *arg)
{
    for (unsigned steps = 0; !is_done(arg);) {
        if (!sim_step(sim))
            return false;
        step_count(sim, &steps);
    }
    return true;
}

void sim_run_for(struct sim *sim, int64_t us)
{
    int64_t end_us = sim->clock.mono_us + us;
    struct sim_exec *ready[EXECS_MAX];
    for (unsigned steps = 0;;) {
        size_t count = ready_find(sim, ready);
        if (count > 0) {
            exec_step(sim, ready[rng_below(&sim->rng.rng, count)]);
            step_count(sim, &steps);
        } else if (next_due_us(sim) <= end_us) {
            clock_virtual_advance(&sim->clock, next_due_us(sim) - sim->clock.mono_us);
        } else {
            break;
        }
    }
    clock_virtual_advance(&sim->clock, end_us - sim->clock.mono_us);
}

/* For the handler of SIGABRT. */
static uint64_t seed_now;

static void seed_print(int signal_number)
{
    (void) signal_number;
    char text[64];
    int len = snprintf(text, sizeof text, "simulation failed with VIRGA_SIM_SEED=%llu\n",
                       (unsigned long long) seed_now);
    if (write(STDERR_FILENO, text, (size_t) len) < 0)
        return; /* The test fails anyhow. */
}

void sim_seeds(uint64_t first, unsigned count, void (*body)(uint64_t seed))
{
    const char *one = getenv("VIRGA_SIM_SEED");
    if (one != NULL && parse_u64(str_from(one), UINT64_MAX, &first) == 0)
        count = 1;
    /* cmocka's failures must abort too: its jump out of the body would not pass by here. */
    (void) setenv("CMOCKA_TEST_ABORT", "1", 1);
    struct sigaction action = {.sa_handler = seed_print, .sa_flags = SA_RESETHAND}, before;
    (void) sigaction(SIGABRT, &action, &before); /* Fails for bad arguments only. */
    for (unsigned i = 0; i < count; i++) {
        seed_now = first + i;
        body(seed_now);
    }
    (void) sigaction(SIGABRT, &before, NULL);
}
