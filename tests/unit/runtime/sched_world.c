#include "sched_world.h"

#include "base/mem.h"

static void post(struct exec *exec, struct task *task)
{
    (void) exec;
    (void) task;
    fail_msg("the scheduler posts nothing");
}

static struct world *world_of(struct exec *exec)
{
    return CONTAINER_OF(exec, struct world, exec);
}

static void set_timer(struct exec *exec, struct timer *timer, int64_t due_us)
{
    timer_heap_set(&world_of(exec)->timers, timer, due_us);
}

static void clear_timer(struct exec *exec, struct timer *timer)
{
    timer_heap_clear(&world_of(exec)->timers, timer);
}

static const struct exec_ops exec_fake = {post, set_timer, clear_timer};

/* ---- effects ---- */

static void start(void *arg, struct function_spec *spec)
{
    struct world *w = arg;
    struct fake *fake = w->fakes;
    while (fake->is_alive)
        fake++;
    assert_true(fake < w->fakes + FAKES_MAX);
    fake->is_alive = true;
    fake->is_frozen = false;
    w->started++;
    sched_slot_init(&w->sched, &fake->slot, spec);
}

static void send(void *arg, struct slot *slot, struct invocation *inv)
{
    (void) arg;
    assert_ptr_equal(slot->invocation, inv);
    assert_false(CONTAINER_OF(slot, struct fake, slot)->is_frozen);
    inv->is_cold = true; /* "was sent" */
}

static void freeze(void *arg, struct slot *slot)
{
    struct fake *fake = CONTAINER_OF(slot, struct fake, slot);
    assert_false(fake->is_frozen);
    fake->is_frozen = true;
    ((struct world *) arg)->frozen++;
}

static void thaw(void *arg, struct slot *slot)
{
    struct fake *fake = CONTAINER_OF(slot, struct fake, slot);
    assert_true(fake->is_frozen);
    fake->is_frozen = false;
    ((struct world *) arg)->thawed++;
}

static void stop(void *arg, struct slot *slot)
{
    struct world *w = arg;
    assert_int_equal(slot->state, SLOT_STOPPING);
    w->stopped++;
}

static void shrink(void *arg, uint64_t bytes)
{
    ((struct world *) arg)->shrunk_bytes += bytes;
}

static void done(void *arg, struct invocation *inv)
{
    struct world *w = arg;
    w->done++;
    w->throttled += inv->result == INVOCATION_THROTTLED;
    w->refused += inv->result == INVOCATION_REFUSED;
    assert_null(inv->function);
    inv->run_us = 1; /* "is done" */
}

static void drained(void *arg)
{
    ((struct world *) arg)->drained++;
}

static struct crowd_use cpu_use(void *arg)
{
    return (struct crowd_use){.idle_us = ((struct world *) arg)->idle_us};
}

static const struct sched_effects effects = {
    .start = start,
    .send = send,
    .freeze = freeze,
    .thaw = thaw,
    .stop = stop,
    .shrink = shrink,
    .done = done,
    .drained = drained,
    .cpu_use = cpu_use,
};

/* ---- the world ---- */

static unsigned or_plenty(unsigned limit)
{
    return limit > 0 ? limit : FAKES_MAX;
}

struct world *world_new(struct world_limits limits)
{
    struct world *w = NEW(struct world);
    *w = (struct world){.exec = {.ops = &exec_fake, .clock = &w->clock.clock}, .idle_us = -1};
    clock_virtual_init(&w->clock, 1000);
    w->accounts = quotas_new(or_plenty(limits.account));
    const struct sched_config config = {.exec = &w->exec,
                                        .effects = &effects,
                                        .arg = w,
                                        .accounts = w->accounts,
                                        .instances_max = or_plenty(limits.instances),
                                        .queue_max = or_plenty(limits.queue),
                                        .keep_alive_us = 10 * SECOND,
                                        .freeze_after_us = FREEZE_US,
                                        .cpus = 2,
                                        .memory_max = limits.memory_mb << 20,
                                        .is_keep_adaptive = true};
    sched_init(&w->sched, &config);
    return w;
}

void world_end(struct world *w)
{
    if (!w->sched.is_draining)
        sched_drain(&w->sched);
    sched_refuse(&w->sched);
    for (struct fake *f = w->fakes; f < w->fakes + FAKES_MAX; f++) {
        if (!f->is_alive)
            continue;
        sched_slot_stop(&w->sched, &f->slot);
        if (f->slot.invocation != NULL)
            sched_slot_failed(&w->sched, &f->slot);
        gone(w, f);
    }
    assert_int_equal(w->drained, 1);
    sched_done(&w->sched);
    timer_heap_done(&w->timers);
    quotas_free(w->accounts);
    for (size_t i = 0; i < w->call_count; i++)
        assert_int_equal(w->calls[i].run_us, 1);
    for (size_t i = 0; i < w->function_count; i++)
        assert_int_equal(w->functions[i].snapshot.refs, 1); /* the world's own */
    free(w);
}

static void never_freed(struct snapshot *snapshot)
{
    (void) snapshot;
}

static struct function_spec *add_function(struct world *w, struct function_spec spec)
{
    assert_true(w->function_count < FUNCTIONS_MAX);
    struct function_spec *added = &w->functions[w->function_count++];
    *added = spec;
    snapshot_init(&added->snapshot, never_freed);
    return added;
}

struct function_spec *function(struct world *w, const char *arn)
{
    return reserved(w, arn, -1);
}

struct function_spec *reserved(struct world *w, const char *arn, int64_t concurrency)
{
    return add_function(w, (struct function_spec){.account = STR("000000000000"),
                                                  .region = STR("us-east-1"),
                                                  .arn = str_from(arn),
                                                  .version = STR("$LATEST"),
                                                  .revision = 1,
                                                  .memory_mb = 1000,
                                                  .reserved_concurrency = concurrency});
}

struct function_spec *revised(struct world *w, const struct function_spec *old)
{
    struct function_spec spec = *old;
    spec.revision++;
    return add_function(w, spec);
}

struct invocation *call(struct world *w, struct function_spec *spec)
{
    assert_true(w->call_count < CALLS_MAX);
    struct invocation *inv = &w->calls[w->call_count++];
    inv->spec = spec;
    call_again(w, inv);
    return inv;
}

void call_again(struct world *w, struct invocation *inv)
{
    *inv = (struct invocation){.spec = inv->spec};
    sched_invoke(&w->sched, inv);
    sched_check(&w->sched);
}

/* ---- instances ---- */

struct fake *ready(struct world *w, size_t number)
{
    struct fake *fake = &w->fakes[number];
    if (fake->slot.state == SLOT_BUILDING)
        sched_slot_made(&w->sched, &fake->slot);
    sched_slot_ready(&w->sched, &fake->slot);
    sched_check(&w->sched);
    return fake;
}

void answer(struct world *w, struct fake *fake)
{
    sched_slot_answered(&w->sched, &fake->slot);
    sched_check(&w->sched);
}

void gone(struct world *w, struct fake *fake)
{
    fake->is_alive = false; /* the scheduler may start the next one in its place */
    sched_slot_gone(&w->sched, &fake->slot);
    sched_check(&w->sched);
}

void measure(struct world *w, struct fake *fake, uint64_t megabytes)
{
    sched_slot_measured(&w->sched, &fake->slot, (megabytes << 20) - (1 << 20)); /* and overhead */
    sched_check(&w->sched);
}

struct fake *busy(struct world *w, struct function_spec *spec)
{
    const struct invocation *inv = call(w, spec);
    for (size_t i = 0; busy_with(w, inv) == NULL; i++) {
        assert_true(i < FAKES_MAX);
        if (w->fakes[i].is_alive && w->fakes[i].slot.state == SLOT_BUILDING)
            (void) ready(w, i);
    }
    return busy_with(w, inv);
}

struct fake *idle(struct world *w, struct function_spec *spec)
{
    struct fake *fake = busy(w, spec);
    answer(w, fake);
    return fake;
}

unsigned alive(const struct world *w, enum slot_state state)
{
    unsigned count = 0;
    for (size_t i = 0; i < FAKES_MAX; i++)
        count += w->fakes[i].is_alive && w->fakes[i].slot.state == state;
    return count;
}

struct fake *busy_with(struct world *w, const struct invocation *inv)
{
    for (struct fake *f = w->fakes; f < w->fakes + FAKES_MAX; f++)
        if (f->is_alive && f->slot.invocation == inv)
            return f;
    return NULL;
}

void pass(struct world *w, int64_t us)
{
    clock_virtual_advance(&w->clock, us);
    for (struct timer *t; (t = timer_heap_first(&w->timers)) != NULL;) {
        if (t->due_us > clock_mono_us(&w->clock.clock))
            break;
        timer_heap_clear(&w->timers, t);
        t->fire(t);
    }
    sched_check(&w->sched);
}

void assert_throttled(const struct invocation *inv, enum throttle_reason reason)
{
    assert_int_equal(inv->result, INVOCATION_THROTTLED);
    assert_int_equal(inv->throttle, reason);
}
