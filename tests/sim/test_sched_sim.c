/* The scheduler in simulated time: a small host, many functions, invocations and instances whose
 * steps take random time, failing starts, updates and deletions, then a drain. Whatever the order,
 * every invocation must end once, the counters must hold after every step, the host's limit is
 * never passed, and at the end nothing is left. */
#include "test.h"

#include "base/mem.h"
#include "runtime/sched.h"
#include "sim.h"

enum { FUNCTIONS = 12, CALLS = 400, INSTANCES_MAX = 7, MS = 1000 };

struct world {
    struct sim *sim;
    struct exec *exec;
    struct sched sched;
    struct function_spec *specs[FUNCTIONS];
    uint64_t revisions;
    unsigned ended, ran, drained;
    struct timer drain, refuse, change;
};

struct fake {
    struct slot slot; /* first */
    struct world *world;
    struct timer timer;
    bool is_frozen;
};

struct call {
    struct invocation inv; /* first */
    struct world *world;
    struct timer arrival;
    bool is_ended;
};

static int64_t within(struct world *w, int64_t us)
{
    return exec_now_us(w->exec) + (int64_t) rng_below(sim_rng(w->sim), (uint64_t) us);
}

static bool one_in(struct world *w, uint64_t n)
{
    return rng_below(sim_rng(w->sim), n) == 0;
}

/* ---- specifications ---- */

static void spec_free(struct snapshot *snapshot)
{
    struct function_spec *spec = CONTAINER_OF(snapshot, struct function_spec, snapshot);
    free((char *) (uintptr_t) spec->arn.ptr);
    free(spec);
}

static struct function_spec *spec_new(struct world *w, size_t number)
{
    struct function_spec *spec = NEW(struct function_spec);
    char arn[16];
    int n = snprintf(arn, sizeof arn, "f%zu", number);
    *spec = (struct function_spec){.account = STR("1"),
                                   .arn = str_of(mem_copy(arn, (size_t) n), (size_t) n),
                                   .version = STR("$LATEST"),
                                   .revision = ++w->revisions,
                                   .memory_mb = 128,
                                   .reserved_concurrency = number % 5 == 4 ? 2 : -1};
    snapshot_init(&spec->snapshot, spec_free);
    return spec;
}

/* ---- instances that live on timers ---- */

/* What happens next to an instance, in whatever state it is. */
static void fake_step(struct timer *timer)
{
    struct fake *fake = CONTAINER_OF(timer, struct fake, timer);
    struct world *w = fake->world;
    timer_set(w->exec, timer, within(w, 20 * MS));
    sched_slot_measured(&w->sched, &fake->slot, rng_below(sim_rng(w->sim), UINT64_C(80) << 20));
    sched_check(&w->sched);
    switch (fake->slot.state) {
    case SLOT_BUILDING: sched_slot_made(&w->sched, &fake->slot); break;
    case SLOT_INITIALISING:
        if (one_in(w, 10)) { /* init fails and takes the oldest one along */
            struct invocation *inv = sched_take_waiting(&w->sched, &fake->slot);
            sched_slot_stop(&w->sched, &fake->slot);
            if (inv != NULL)
                sched_end(&w->sched, inv);
        } else {
            sched_slot_ready(&w->sched, &fake->slot);
        }
        break;
    case SLOT_IDLE:
    case SLOT_FROZEN:
        if (one_in(w, 10))
            sched_slot_stop(&w->sched, &fake->slot);
        break;
    case SLOT_BUSY:
        if (one_in(w, 8)) /* it crashes; the verdict comes with its end */
            sched_slot_stop(&w->sched, &fake->slot);
        else if (one_in(w, 8))
            sched_slot_failed(&w->sched, &fake->slot);
        else if (one_in(w, 4)) /* the answer is out, the instance works on */
            sched_slot_replied(&w->sched, &fake->slot);
        else
            sched_slot_answered(&w->sched, &fake->slot);
        break;
    case SLOT_FINISHING:
        if (one_in(w, 8))
            sched_slot_stop(&w->sched, &fake->slot);
        else
            sched_slot_ready(&w->sched, &fake->slot);
        break;
    case SLOT_STOPPING:
        if (fake->slot.invocation != NULL)
            sched_slot_failed(&w->sched, &fake->slot);
        timer_clear(w->exec, timer);
        sched_slot_gone(&w->sched, &fake->slot);
        free(fake);
        break;
    }
    sched_check(&w->sched);
}

static void start(void *arg, struct function_spec *spec)
{
    struct world *w = arg;
    struct fake *fake = NEW(struct fake);
    fake->world = w;
    fake->timer.fire = fake_step;
    sched_slot_init(&w->sched, &fake->slot, spec);
    timer_set(w->exec, &fake->timer, within(w, 5 * MS));
}

static void send(void *arg, struct slot *slot, struct invocation *inv)
{
    struct world *w = arg;
    assert_ptr_equal(slot->invocation, inv);
    assert_false(CONTAINER_OF(slot, struct fake, slot)->is_frozen);
    w->ran++;
}

static void set_frozen(struct slot *slot, bool is_frozen)
{
    struct fake *fake = CONTAINER_OF(slot, struct fake, slot);
    assert_int_not_equal(fake->is_frozen, is_frozen);
    fake->is_frozen = is_frozen;
}

static void freeze(void *arg, struct slot *slot)
{
    (void) arg;
    set_frozen(slot, true);
}

static void thaw(void *arg, struct slot *slot)
{
    (void) arg;
    set_frozen(slot, false);
}

static void stop(void *arg, struct slot *slot)
{
    struct world *w = arg;
    struct fake *fake = CONTAINER_OF(slot, struct fake, slot);
    timer_set(w->exec, &fake->timer, within(w, 5 * MS));
}

static void done(void *arg, struct invocation *inv)
{
    struct world *w = arg;
    struct call *call = CONTAINER_OF(inv, struct call, inv);
    assert_false(call->is_ended);
    call->is_ended = true;
    snapshot_unref(&inv->spec->snapshot);
    w->ended++;
}

static void drained(void *arg)
{
    struct world *w = arg;
    w->drained++;
    timer_clear(w->exec, &w->refuse);
}

/* Again and again the CPUs are full. */
static struct crowd_use cpu_use(void *arg)
{
    struct world *w = arg;
    int64_t now_us = exec_now_us(w->exec);
    return (struct crowd_use){.idle_us = now_us % (20 * MS) < 10 * MS ? 0 : 2 * now_us};
}

static const struct sched_effects effects = {start, send, freeze,  thaw,
                                             stop,  done, cpu_use, drained};

/* ---- what happens from outside ---- */

static void arrive(struct timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, arrival);
    struct world *w = call->world;
    struct function_spec *spec = w->specs[rng_below(sim_rng(w->sim), FUNCTIONS)];
    (void) snapshot_ref(&spec->snapshot);
    call->inv.spec = spec;
    sched_invoke(&w->sched, &call->inv);
    sched_check(&w->sched);
}

static void change(struct timer *timer)
{
    struct world *w = CONTAINER_OF(timer, struct world, change);
    size_t number = (size_t) rng_below(sim_rng(w->sim), FUNCTIONS);
    struct function_spec *old = w->specs[number];
    if (one_in(w, 3))
        sched_function_changed(&w->sched, old->arn, NULL);
    w->specs[number] = spec_new(w, number);
    sched_function_changed(&w->sched, old->arn, w->specs[number]);
    snapshot_unref(&old->snapshot);
    sched_check(&w->sched);
    if (w->ended < CALLS / 2)
        timer_set(w->exec, timer, within(w, 100 * MS));
}

static void drain(struct timer *timer)
{
    struct world *w = CONTAINER_OF(timer, struct world, drain);
    timer_set(w->exec, &w->refuse, within(w, 200 * MS));
    sched_drain(&w->sched);
    sched_check(&w->sched);
}

static void refuse(struct timer *timer)
{
    struct world *w = CONTAINER_OF(timer, struct world, refuse);
    sched_refuse(&w->sched);
    sched_check(&w->sched);
}

static void run(uint64_t seed)
{
    struct world w = {.sim = sim_new(seed)};
    w.exec = sim_exec(w.sim, SIM_LOOP);
    w.drain.fire = drain;
    w.refuse.fire = refuse;
    w.change.fire = change;
    const struct sched_config config = {.exec = w.exec,
                                        .effects = &effects,
                                        .arg = &w,
                                        .account_concurrency = 60,
                                        .instances_max = INSTANCES_MAX,
                                        .queue_max = 40,
                                        .keep_alive_us = 50 * MS,
                                        .freeze_after_us = 3 * MS,
                                        .cpus = 2,
                                        .memory_max = UINT64_C(200) << 20,
                                        .is_keep_adaptive = true};
    sched_init(&w.sched, &config);
    for (size_t i = 0; i < FUNCTIONS; i++)
        w.specs[i] = spec_new(&w, i);
    struct call *calls = NEW_ARRAY(struct call, CALLS);
    for (size_t i = 0; i < CALLS; i++) {
        calls[i].world = &w;
        calls[i].arrival.fire = arrive;
        timer_set(w.exec, &calls[i].arrival, within(&w, 2000 * MS));
    }
    timer_set(w.exec, &w.change, within(&w, 100 * MS));
    timer_set(w.exec, &w.drain, 1800 * MS + within(&w, 400 * MS));
    sim_run(w.sim);
    assert_int_equal(w.ended, CALLS);
    assert_int_equal(w.drained, 1);
    assert_true(w.ran > CALLS / 4);
    sched_done(&w.sched);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        assert_int_equal(w.specs[i]->snapshot.refs, 1);
        snapshot_unref(&w.specs[i]->snapshot);
    }
    free(calls);
    sim_free(w.sim);
}

static void every_call_ends_once_whatever_the_order(void **state)
{
    (void) state;
    sim_seeds(1, 100, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_ends_once_whatever_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
