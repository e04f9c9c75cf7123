/* The schedulers of several homes in simulated time: a small host, many functions, invocations and
 * instances whose steps take random time, failing starts, updates and deletions, then a drain.
 * Whatever the order, every invocation must end once, the counters must hold after every step, the
 * host's limit is never passed, and at the end nothing is left. The homes share the account's
 * concurrency: it is never passed, and a call is refused only when all of it is in use; functions
 * with a reservation have all of that. */
#include "test.h"

#include "base/mem.h"
#include "runtime/sched.h"
#include "sim.h"

enum { FUNCTIONS = 12, HOMES = 3, CALLS = 600, INSTANCES_MAX = 5, MS = 1000 };
enum { ACCOUNT = 24, RESERVED = 2, KEPT = 2 * RESERVED, QUEUE_MAX = 10 };

struct home {
    struct world *world;
    struct exec *exec;
    struct sched sched;
    struct timer drain, refuse, change, pool;
};

struct world {
    struct sim *sim;
    struct home homes[HOMES];
    struct quotas *accounts;
    struct function_spec *specs[FUNCTIONS];
    int in_flight[FUNCTIONS]; /* by our own count */
    uint64_t revisions;
    unsigned ended, ran, drained, throttled[THROTTLE_HOST + 1];
};

struct fake {
    struct slot slot; /* first */
    struct home *home;
    struct timer timer;
    bool is_frozen;
};

struct call {
    struct invocation inv; /* first */
    struct world *world;
    size_t number; /* the function */
    struct timer arrival;
    bool is_ended;
};

static int64_t within(struct world *w, int64_t us)
{
    return clock_mono_us(sim_clock(w->sim)) + (int64_t) rng_below(sim_rng(w->sim), (uint64_t) us);
}

static struct home *home_of(struct world *w, size_t number)
{
    return &w->homes[number % HOMES];
}

static bool is_reserved(size_t number)
{
    return number % 5 == 4;
}

/* Of the functions with a reservation, or of those without. */
static int all_in_flight(const struct world *w, bool are_reserved)
{
    int sum = 0;
    for (size_t i = 0; i < FUNCTIONS; i++)
        sum += is_reserved(i) == are_reserved ? w->in_flight[i] : 0;
    return sum;
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
                                   .region = STR("r"),
                                   .arn = str_of(mem_copy(arn, (size_t) n), (size_t) n),
                                   .version = STR("$LATEST"),
                                   .revision = ++w->revisions,
                                   .memory_mb = 128,
                                   .reserved_concurrency = is_reserved(number) ? RESERVED : -1};
    snapshot_init(&spec->snapshot, spec_free);
    return spec;
}

/* ---- instances that live on timers ---- */

/* What happens next to an instance, in whatever state it is. */
static void fake_step(struct timer *timer)
{
    struct fake *fake = CONTAINER_OF(timer, struct fake, timer);
    struct world *w = fake->home->world;
    struct sched *sched = &fake->home->sched;
    timer_set(fake->home->exec, timer, within(w, 20 * MS));
    sched_slot_measured(sched, &fake->slot, rng_below(sim_rng(w->sim), UINT64_C(80) << 20));
    sched_check(sched);
    switch (fake->slot.state) {
    case SLOT_BUILDING: sched_slot_made(sched, &fake->slot); break;
    case SLOT_INITIALISING:
        if (one_in(w, 10)) { /* init fails and takes the oldest one along */
            struct invocation *inv = sched_take_waiting(sched, &fake->slot);
            sched_slot_stop(sched, &fake->slot);
            if (inv != NULL)
                sched_end(sched, inv);
        } else {
            sched_slot_ready(sched, &fake->slot);
        }
        break;
    case SLOT_IDLE:
    case SLOT_FROZEN:
        if (one_in(w, 10))
            sched_slot_stop(sched, &fake->slot);
        break;
    case SLOT_BUSY:
        if (one_in(w, 8)) /* it crashes; the verdict comes with its end */
            sched_slot_stop(sched, &fake->slot);
        else if (one_in(w, 8))
            sched_slot_failed(sched, &fake->slot);
        else if (one_in(w, 4)) /* the answer is out, the instance works on */
            sched_slot_replied(sched, &fake->slot);
        else
            sched_slot_answered(sched, &fake->slot);
        break;
    case SLOT_FINISHING:
        if (one_in(w, 8))
            sched_slot_stop(sched, &fake->slot);
        else
            sched_slot_ready(sched, &fake->slot);
        break;
    case SLOT_STOPPING:
        if (fake->slot.invocation != NULL)
            sched_slot_failed(sched, &fake->slot);
        timer_clear(fake->home->exec, timer);
        sched_slot_gone(sched, &fake->slot);
        free(fake);
        break;
    }
    sched_check(sched);
}

static void start(void *arg, struct function_spec *spec)
{
    struct home *home = arg;
    struct fake *fake = NEW(struct fake);
    fake->home = home;
    fake->timer.fire = fake_step;
    sched_slot_init(&home->sched, &fake->slot, spec);
    timer_set(home->exec, &fake->timer, within(home->world, 5 * MS));
}

static void send(void *arg, struct slot *slot, struct invocation *inv)
{
    struct home *home = arg;
    assert_ptr_equal(slot->invocation, inv);
    assert_false(CONTAINER_OF(slot, struct fake, slot)->is_frozen);
    home->world->ran++;
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
    struct home *home = arg;
    struct fake *fake = CONTAINER_OF(slot, struct fake, slot);
    timer_set(home->exec, &fake->timer, within(home->world, 5 * MS));
}

/* The call is among those in flight no more, and what it was refused for is true. */
static void check_throttled(struct world *w, const struct call *call)
{
    w->throttled[call->inv.throttle]++;
    switch (call->inv.throttle) {
    case THROTTLE_RESERVED_FUNCTION: assert_int_equal(w->in_flight[call->number], RESERVED); break;
    case THROTTLE_CONCURRENT: assert_int_equal(all_in_flight(w, false), ACCOUNT - KEPT); break;
    case THROTTLE_HOST: assert_true(home_of(w, call->number)->sched.queued >= QUEUE_MAX); break;
    case THROTTLE_GROWTH: fail_msg("nobody grows as fast here"); break;
    }
}

/* Some of it goes, a while later, and some comes back. */
static void pool_changes(struct timer *timer)
{
    struct home *home = CONTAINER_OF(timer, struct home, pool);
    sched_pooled(&home->sched, rng_below(sim_rng(home->world->sim), UINT64_C(100) << 20));
    sched_check(&home->sched);
}

static void shrink(void *arg, uint64_t bytes)
{
    struct home *home = arg;
    assert_true(bytes > 0 && home->sched.budget.going <= home->sched.budget.pooled);
    timer_set(home->exec, &home->pool, within(home->world, 10 * MS));
}

static void done(void *arg, struct invocation *inv)
{
    struct world *w = ((struct home *) arg)->world;
    struct call *call = CONTAINER_OF(inv, struct call, inv);
    assert_false(call->is_ended);
    call->is_ended = true;
    w->in_flight[call->number]--;
    if (inv->result == INVOCATION_THROTTLED)
        check_throttled(w, call);
    snapshot_unref(&inv->spec->snapshot);
    w->ended++;
}

static void drained(void *arg)
{
    struct home *home = arg;
    home->world->drained++;
    timer_clear(home->exec, &home->refuse);
}

/* Again and again the CPUs are full. */
static struct crowd_use cpu_use(void *arg)
{
    const struct home *home = arg;
    int64_t now_us = exec_now_us(home->exec);
    return (struct crowd_use){.idle_us = now_us % (20 * MS) < 10 * MS ? 0 : 2 * now_us};
}

static const struct sched_effects effects = {start, send, freeze,  thaw,   shrink,
                                             stop,  done, cpu_use, drained};

/* ---- what happens from outside ---- */

static void arrive(struct timer *timer)
{
    struct call *call = CONTAINER_OF(timer, struct call, arrival);
    struct world *w = call->world;
    struct sched *sched = &home_of(w, call->number)->sched;
    struct function_spec *spec = w->specs[call->number];
    (void) snapshot_ref(&spec->snapshot);
    call->inv.spec = spec;
    w->in_flight[call->number]++;
    sched_invoke(sched, &call->inv);
    sched_check(sched);
    assert_in_range(all_in_flight(w, false), 0, ACCOUNT - KEPT);
    assert_in_range(w->in_flight[call->number], 0, is_reserved(call->number) ? RESERVED : ACCOUNT);
}

static void change(struct timer *timer)
{
    struct home *home = CONTAINER_OF(timer, struct home, change);
    struct world *w = home->world;
    size_t number =
        (size_t) (home - w->homes) + HOMES * (size_t) rng_below(sim_rng(w->sim), FUNCTIONS / HOMES);
    assert_ptr_equal(home_of(w, number), home);
    struct function_spec *old = w->specs[number];
    if (one_in(w, 3) && !is_reserved(number)) /* which would give its reservation back */
        sched_function_changed(&home->sched, old->arn, NULL);
    w->specs[number] = spec_new(w, number);
    sched_function_changed(&home->sched, old->arn, w->specs[number]);
    snapshot_unref(&old->snapshot);
    sched_check(&home->sched);
    if (w->ended < CALLS / 2)
        timer_set(home->exec, timer, within(w, 100 * MS));
}

static void drain(struct timer *timer)
{
    struct home *home = CONTAINER_OF(timer, struct home, drain);
    timer_set(home->exec, &home->refuse, within(home->world, 200 * MS));
    sched_drain(&home->sched);
    sched_check(&home->sched);
}

static void refuse(struct timer *timer)
{
    struct home *home = CONTAINER_OF(timer, struct home, refuse);
    sched_refuse(&home->sched);
    sched_check(&home->sched);
}

static void home_init(struct world *w, struct home *home)
{
    *home = (struct home){.world = w,
                          .exec = sim_exec(w->sim, SIM_LOOP),
                          .drain = {.fire = drain},
                          .refuse = {.fire = refuse},
                          .change = {.fire = change},
                          .pool = {.fire = pool_changes}};
    const struct sched_config config = {.exec = home->exec,
                                        .effects = &effects,
                                        .arg = home,
                                        .accounts = w->accounts,
                                        .instances_max = INSTANCES_MAX,
                                        .queue_max = QUEUE_MAX,
                                        .keep_alive_us = 50 * MS,
                                        .freeze_after_us = 3 * MS,
                                        .cpus = 2,
                                        .memory_max = UINT64_C(200) << 20,
                                        .is_keep_adaptive = true};
    sched_init(&home->sched, &config);
    sched_pooled(&home->sched, UINT64_C(100) << 20);
}

/* Calls in waves: the homes are not busy at the same time. */
static void plan_calls(struct world *w, struct call *calls)
{
    size_t favourite = 0;
    for (size_t i = 0; i < CALLS; i++) {
        if (i % 50 == 0)
            favourite = (size_t) rng_below(sim_rng(w->sim), FUNCTIONS);
        calls[i].world = w;
        calls[i].number = one_in(w, 2) ? favourite : (size_t) rng_below(sim_rng(w->sim), FUNCTIONS);
        calls[i].arrival.fire = arrive;
        int64_t wave_us = (int64_t) (i / 50) * 160 * MS;
        timer_set(home_of(w, calls[i].number)->exec, &calls[i].arrival,
                  wave_us + within(w, 60 * MS));
    }
}

static void world_done(struct world *w)
{
    for (size_t i = 0; i < HOMES; i++)
        sched_done(&w->homes[i].sched);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        assert_int_equal(w->specs[i]->snapshot.refs, 1);
        snapshot_unref(&w->specs[i]->snapshot);
    }
    struct quota *quota = quotas_find(w->accounts, STR("1/r"));
    assert_int_equal(quota_used(quota), 0);
    assert_int_equal(quota_kept(quota), 0);
    quotas_free(w->accounts);
}

static unsigned throttled[THROTTLE_HOST + 1]; /* in all runs */

static void run(uint64_t seed)
{
    struct world w = {.sim = sim_new(seed), .accounts = quotas_new(ACCOUNT)};
    for (size_t i = 0; i < HOMES; i++)
        home_init(&w, &w.homes[i]);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        w.specs[i] = spec_new(&w, i);
        sched_function_changed(&home_of(&w, i)->sched, w.specs[i]->arn, w.specs[i]);
    }
    struct call *calls = NEW_ARRAY(struct call, CALLS);
    plan_calls(&w, calls);
    for (size_t i = 0; i < HOMES; i++) {
        timer_set(w.homes[i].exec, &w.homes[i].change, within(&w, 100 * MS));
        timer_set(w.homes[i].exec, &w.homes[i].drain, 1800 * MS + within(&w, 400 * MS));
    }
    sim_run(w.sim);
    assert_int_equal(w.ended, CALLS);
    assert_int_equal(w.drained, HOMES);
    assert_true(w.ran > CALLS / 4);
    for (size_t i = 0; i < ARRAY_LEN(throttled); i++)
        throttled[i] += w.throttled[i];
    world_done(&w);
    free(calls);
    sim_free(w.sim);
}

static void every_call_ends_once_whatever_the_order(void **state)
{
    (void) state;
    sim_seeds(1, 100, run);
    /* The limits were met at all. */
    assert_true(throttled[THROTTLE_CONCURRENT] > 100);
    assert_true(throttled[THROTTLE_RESERVED_FUNCTION] > 100);
    assert_true(throttled[THROTTLE_HOST] > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_ends_once_whatever_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
