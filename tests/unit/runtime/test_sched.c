/* The scheduler against a world of fakes: a virtual clock, one timer heap, and instances that do
 * what the test says. Every step ends in sched_check. The last test is a random walk. */
#include "test.h"

#include "base/mem.h"
#include "os/random.h"
#include "runtime/sched.h"

#include <errno.h>

enum { FAKES_MAX = 64, SECOND = 1000000, FREEZE_US = 5000 };

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
    struct fake fakes[FAKES_MAX];
    unsigned started, stopped, frozen, thawed, done, throttled, refused, drained;
    struct invocation *last_done;
    int64_t idle_us; /* of the CPUs; -1: unknown */
};

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

static void done(void *arg, struct invocation *inv)
{
    struct world *w = arg;
    w->done++;
    w->throttled += inv->result == INVOCATION_THROTTLED;
    w->refused += inv->result == INVOCATION_REFUSED;
    w->last_done = inv;
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
    .done = done,
    .drained = drained,
    .cpu_use = cpu_use,
};

static void world_init_memory(struct world *w, unsigned account, unsigned instances, unsigned queue,
                              uint64_t memory_max)
{
    *w = (struct world){.exec = {.ops = &exec_fake, .clock = &w->clock.clock}, .idle_us = -1};
    clock_virtual_init(&w->clock, 1000);
    const struct sched_config config = {.exec = &w->exec,
                                        .effects = &effects,
                                        .arg = w,
                                        .account_concurrency = account,
                                        .instances_max = instances,
                                        .queue_max = queue,
                                        .keep_alive_us = 10 * SECOND,
                                        .freeze_after_us = FREEZE_US,
                                        .cpus = 2,
                                        .memory_max = memory_max,
                                        .is_keep_adaptive = true};
    sched_init(&w->sched, &config);
}

static void world_init(struct world *w, unsigned account, unsigned instances, unsigned queue)
{
    world_init_memory(w, account, instances, queue, 0);
}

static void gone(struct world *w, struct fake *fake)
{
    fake->is_alive = false; /* the scheduler may start the next one in its place */
    sched_slot_gone(&w->sched, &fake->slot);
    sched_check(&w->sched);
}

static unsigned alive(struct world *w, enum slot_state state)
{
    unsigned count = 0;
    for (struct fake *f = w->fakes; f < w->fakes + FAKES_MAX; f++)
        count += f->is_alive && f->slot.state == state;
    return count;
}

static struct fake *ready(struct world *w, struct fake *fake)
{
    if (fake->slot.state == SLOT_BUILDING)
        sched_slot_made(&w->sched, &fake->slot);
    sched_slot_ready(&w->sched, &fake->slot);
    sched_check(&w->sched);
    return fake;
}

static void answer(struct world *w, struct fake *fake)
{
    sched_slot_answered(&w->sched, &fake->slot);
    sched_check(&w->sched);
}

static void invoke(struct world *w, struct invocation *inv)
{
    sched_invoke(&w->sched, inv);
    sched_check(&w->sched);
}

/* Moves time and fires what is due. */
static void pass(struct world *w, int64_t us)
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

static void world_done(struct world *w)
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
}

static void never_freed(struct snapshot *snapshot)
{
    (void) snapshot;
}

static void spec_init(struct function_spec *spec, const char *arn, uint64_t revision,
                      int64_t reserved)
{
    *spec = (struct function_spec){.account = STR("000000000000"),
                                   .arn = str_from(arn),
                                   .version = STR("$LATEST"),
                                   .revision = revision,
                                   .reserved_concurrency = reserved};
    snapshot_init(&spec->snapshot, never_freed);
}

/* Everything given back: only the test's own reference is left. */
static void spec_done(struct function_spec *spec)
{
    assert_int_equal(spec->snapshot.refs, 1);
}

static void a_warm_instance_is_used_again_last_first(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 10, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec}, b = a, c = a;
    invoke(&w, &a);
    invoke(&w, &b);
    assert_int_equal(w.started, 2);
    struct fake *first = ready(&w, &w.fakes[0]), *second = ready(&w, &w.fakes[1]);
    assert_ptr_equal(first->slot.invocation, &a);
    assert_ptr_equal(second->slot.invocation, &b);
    answer(&w, second);
    answer(&w, first);
    invoke(&w, &c);
    assert_ptr_equal(first->slot.invocation, &c);
    assert_int_equal(w.started, 2);
    answer(&w, first);
    assert_int_equal(w.done, 3);
    world_done(&w);
    spec_done(&spec);
}

static void what_is_idle_for_a_while_is_frozen(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 10, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec}, b = a;
    invoke(&w, &a);
    struct fake *fake = ready(&w, &w.fakes[0]);
    pass(&w, SECOND); /* busy for long: that is no reason */
    answer(&w, fake);
    pass(&w, FREEZE_US - 1);
    assert_int_equal(fake->slot.state, SLOT_IDLE);
    invoke(&w, &b); /* used meanwhile: the time begins anew */
    answer(&w, fake);
    pass(&w, FREEZE_US - 1);
    assert_int_equal(fake->slot.state, SLOT_IDLE);
    assert_int_equal(w.frozen, 0);
    pass(&w, 1);
    assert_int_equal(fake->slot.state, SLOT_FROZEN);
    pass(&w, SECOND);
    assert_int_equal(w.frozen, 1);
    invoke(&w, &a);
    assert_int_equal(fake->slot.state, SLOT_BUSY);
    assert_int_equal(w.thawed, 1);
    assert_int_equal(w.started, 1);
    answer(&w, fake);
    pass(&w, 11 * SECOND); /* frozen instances expire like others, as they are */
    assert_int_equal(fake->slot.state, SLOT_STOPPING);
    assert_int_equal(w.frozen, 2);
    assert_int_equal(w.thawed, 1);
    world_done(&w);
    spec_done(&spec);
}

static void the_end_of_a_burst_freezes_in_turns(void **state)
{
    (void) state;
    enum { COUNT = 40 };
    struct world w;
    world_init(&w, COUNT, COUNT, COUNT);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation inv[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        inv[i] = (struct invocation){.spec = &spec};
        invoke(&w, &inv[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        ready(&w, &w.fakes[i]);
    for (size_t i = 0; i < COUNT; i++)
        answer(&w, &w.fakes[i]);
    pass(&w, FREEZE_US);
    assert_int_equal(w.frozen, 16);
    invoke(&w, &inv[0]); /* the one used last, which is awake */
    assert_int_equal(w.thawed, 0);
    pass(&w, 1000);
    assert_int_equal(w.frozen, 32);
    pass(&w, 1000);
    assert_int_equal(w.frozen, COUNT - 1);
    world_done(&w);
    spec_done(&spec);
}

static void a_waiting_invocation_takes_whichever_is_free_first(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 10, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec}, b = a;
    invoke(&w, &a);
    ready(&w, &w.fakes[0]);
    invoke(&w, &b); /* starts a second one, but the first is free sooner */
    answer(&w, &w.fakes[0]);
    assert_ptr_equal(w.fakes[0].slot.invocation, &b);
    ready(&w, &w.fakes[1]);
    assert_int_equal(w.fakes[1].slot.state, SLOT_IDLE);
    world_done(&w);
    spec_done(&spec);
}

static void limits_throttle_with_awss_reasons(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 5, 20, 10);
    struct function_spec reserved, shared, none;
    spec_init(&reserved, "r", 1, 2);
    spec_init(&shared, "s", 1, -1);
    spec_init(&none, "n", 1, 0);
    sched_function_changed(&w.sched, reserved.arn, &reserved);
    struct invocation r[3], s[4], n = {.spec = &none};
    for (size_t i = 0; i < 4; i++) {
        s[i] = (struct invocation){.spec = &shared};
        invoke(&w, &s[i]);
    }
    assert_int_equal(s[2].result, INVOCATION_OK); /* 5 less 2 reserved leave 3 */
    assert_int_equal(s[3].result, INVOCATION_THROTTLED);
    assert_int_equal(s[3].throttle, THROTTLE_CONCURRENT);
    for (size_t i = 0; i < 3; i++) {
        r[i] = (struct invocation){.spec = &reserved};
        invoke(&w, &r[i]);
    }
    assert_int_equal(r[1].result, INVOCATION_OK);
    assert_int_equal(r[2].result, INVOCATION_THROTTLED);
    assert_int_equal(r[2].throttle, THROTTLE_RESERVED_FUNCTION);
    invoke(&w, &n);
    assert_int_equal(n.throttle, THROTTLE_RESERVED_FUNCTION);
    assert_int_equal(n.result, INVOCATION_THROTTLED);
    assert_int_equal(w.started, 5);
    world_done(&w);
    assert_int_equal(w.done, 8);
    spec_done(&reserved);
    spec_done(&shared);
    spec_done(&none);
}

static void versions_share_their_functions_reservation(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 6, 20, 10);
    struct function_spec latest, one, shared;
    spec_init(&latest, "r", 1, 2);
    spec_init(&one, "r", 1, 2);
    spec_init(&shared, "s", 1, -1);
    one.version = STR("1");
    sched_function_changed(&w.sched, latest.arn, &latest);
    sched_function_changed(&w.sched, one.arn, &one);
    struct invocation r[3], s[5];
    for (size_t i = 0; i < 3; i++) {
        r[i] = (struct invocation){.spec = i == 0 ? &latest : &one};
        invoke(&w, &r[i]);
    }
    assert_int_equal(r[1].result, INVOCATION_OK);
    assert_int_equal(r[2].throttle, THROTTLE_RESERVED_FUNCTION);
    assert_int_equal(r[2].result, INVOCATION_THROTTLED);
    for (size_t i = 0; i < 5; i++) {
        s[i] = (struct invocation){.spec = &shared};
        invoke(&w, &s[i]);
    }
    assert_int_equal(s[3].result, INVOCATION_OK); /* 2 of 6 are reserved, once */
    assert_int_equal(s[4].throttle, THROTTLE_CONCURRENT);
    assert_int_equal(s[4].result, INVOCATION_THROTTLED);
    world_done(&w);
    spec_done(&latest);
    spec_done(&one);
    spec_done(&shared);
}

static void a_full_queue_throttles(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 1, 2);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation inv[4];
    for (size_t i = 0; i < 4; i++) {
        inv[i] = (struct invocation){.spec = &spec};
        invoke(&w, &inv[i]);
        if (i == 0)
            ready(&w, &w.fakes[0]);
    }
    assert_int_equal(w.started, 1);
    assert_int_equal(inv[3].result, INVOCATION_THROTTLED);
    answer(&w, &w.fakes[0]);
    answer(&w, &w.fakes[0]);
    assert_ptr_equal(w.fakes[0].slot.invocation, &inv[2]);
    world_done(&w);
    spec_done(&spec);
}

static void a_full_host_evicts_the_oldest_idle_instance(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 2, 10);
    struct function_spec f, g;
    spec_init(&f, "f", 1, -1);
    spec_init(&g, "g", 1, -1);
    struct invocation a = {.spec = &f}, b = a, c = {.spec = &g};
    invoke(&w, &a);
    invoke(&w, &b);
    ready(&w, &w.fakes[0]);
    ready(&w, &w.fakes[1]);
    answer(&w, &w.fakes[1]);
    pass(&w, SECOND);
    answer(&w, &w.fakes[0]);
    invoke(&w, &c);
    assert_int_equal(w.fakes[1].slot.state, SLOT_STOPPING);
    assert_int_equal(w.fakes[0].slot.state, SLOT_IDLE);
    assert_int_equal(w.started, 2);
    gone(&w, &w.fakes[1]);
    assert_int_equal(w.started, 3);
    ready(&w, &w.fakes[1]);
    assert_ptr_equal(w.fakes[1].slot.invocation, &c);
    world_done(&w);
    spec_done(&f);
    spec_done(&g);
}

static void measure(struct world *w, struct fake *fake, uint64_t megabytes)
{
    sched_slot_measured(&w->sched, &fake->slot, (megabytes << 20) - (1 << 20)); /* and overhead */
    sched_check(&w->sched);
}

/* Three functions, an idle instance of each, of which two fit beside another one. */
static void memory_world(struct world *w, struct function_spec specs[3], struct invocation calls[3])
{
    world_init_memory(w, 100, 50, 10, UINT64_C(300) << 20);
    static const char *const names[] = {"f", "g", "h"};
    for (int i = 0; i < 3; i++) {
        spec_init(&specs[i], names[i], 1, -1);
        specs[i].memory_mb = 1000;
        calls[i] = (struct invocation){.spec = &specs[i]};
        invoke(w, &calls[i]);
        pass(w, i == 1 ? SECOND : SECOND / 100); /* g is the one that starts slowly */
        ready(w, &w->fakes[i]);
        measure(w, &w->fakes[i], 90);
        answer(w, &w->fakes[i]);
    }
}

static void memory_world_done(struct world *w, struct function_spec specs[3])
{
    world_done(w);
    for (int i = 0; i < 3; i++)
        spec_done(&specs[i]);
}

static void a_host_short_of_memory_evicts_what_costs_least(void **state)
{
    (void) state;
    struct world w;
    struct function_spec specs[3];
    struct invocation calls[3], again = {.spec = &specs[2]}, more = {.spec = &specs[2]};
    memory_world(&w, specs, calls);
    assert_int_equal(w.stopped, 0);
    invoke(&w, &again); /* takes the idle one of its own */
    assert_int_equal(w.stopped, 0);
    invoke(&w, &more); /* wants another one: 90 MB, as it is known */
    assert_int_equal(w.started, 3);
    assert_int_equal(w.stopped, 1);
    assert_int_equal(w.fakes[0].slot.state, SLOT_STOPPING); /* quick to start, as old as g */
    assert_true(slot_state_is_idle(w.fakes[1].slot.state));
    gone(&w, &w.fakes[0]);
    assert_int_equal(w.started, 4);
    memory_world_done(&w, specs);
}

static void an_instance_that_grows_sends_idle_ones_away(void **state)
{
    (void) state;
    struct world w;
    struct function_spec specs[3];
    struct invocation calls[3], again = {.spec = &specs[2]};
    memory_world(&w, specs, calls);
    invoke(&w, &again);
    measure(&w, &w.fakes[2], 180);
    assert_int_equal(w.stopped, 1);
    measure(&w, &w.fakes[2], 250);
    assert_int_equal(w.stopped, 2);
    measure(&w, &w.fakes[2], 900); /* its own limit bounds it, nothing else */
    assert_int_equal(w.fakes[2].slot.state, SLOT_BUSY);
    memory_world_done(&w, specs);
}

static void one_instance_may_always_run(void **state)
{
    (void) state;
    struct world w;
    world_init_memory(&w, 100, 50, 10, UINT64_C(10) << 20);
    struct function_spec f;
    spec_init(&f, "f", 1, -1);
    f.memory_mb = 1000;
    struct invocation a = {.spec = &f}, b = {.spec = &f};
    invoke(&w, &a);
    invoke(&w, &b);
    assert_int_equal(w.started, 1);
    ready(&w, &w.fakes[0]);
    answer(&w, &w.fakes[0]);
    answer(&w, &w.fakes[0]); /* b has waited for it */
    assert_int_equal(w.done, 2);
    world_done(&w);
    spec_done(&f);
}

static void a_busy_host_gives_room_when_an_instance_is_free(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 1, 10);
    struct function_spec f, g;
    spec_init(&f, "f", 1, -1);
    spec_init(&g, "g", 1, -1);
    struct invocation a = {.spec = &f}, b = {.spec = &g};
    invoke(&w, &a);
    ready(&w, &w.fakes[0]);
    invoke(&w, &b);
    assert_int_equal(w.stopped, 0);
    answer(&w, &w.fakes[0]);
    assert_int_equal(w.stopped, 1);
    gone(&w, &w.fakes[0]);
    ready(&w, &w.fakes[0]);
    answer(&w, &w.fakes[0]);
    assert_int_equal(b.run_us, 1);
    world_done(&w);
    spec_done(&f);
    spec_done(&g);
}

static void idle_instances_go_after_the_keep_alive(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec}, b = a;
    invoke(&w, &a);
    invoke(&w, &b);
    ready(&w, &w.fakes[0]);
    ready(&w, &w.fakes[1]);
    answer(&w, &w.fakes[0]);
    pass(&w, 4 * SECOND);
    answer(&w, &w.fakes[1]);
    pass(&w, 6 * SECOND - 1);
    assert_int_equal(w.stopped, 0);
    pass(&w, 1);
    assert_int_equal(w.fakes[0].slot.state, SLOT_STOPPING);
    pass(&w, 4 * SECOND - 1);
    assert_int_equal(w.stopped, 1);
    pass(&w, 1);
    assert_int_equal(w.stopped, 2);
    gone(&w, &w.fakes[0]);
    gone(&w, &w.fakes[1]);
    assert_int_equal(w.sched.functions.len, 0);
    world_done(&w);
    spec_done(&spec);
}

/* Calls every ten minutes, often enough to be a pattern. */
static void rhythm(struct world *w, struct function_spec *spec, int times)
{
    for (int i = 0; i < times; i++) {
        struct invocation call = {.spec = spec};
        invoke(w, &call);
        struct fake *fake = &w->fakes[0];
        if (fake->slot.state == SLOT_BUILDING)
            ready(w, fake);
        answer(w, fake);
        pass(w, 300 * (int64_t) SECOND);
        if (fake->is_alive && fake->slot.state == SLOT_STOPPING)
            gone(w, fake);
        pass(w, 300 * (int64_t) SECOND);
        if (fake->is_alive && fake->slot.state == SLOT_BUILDING)
            ready(w, fake);
    }
}

static void a_rhythm_is_met_by_an_instance_in_time(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    rhythm(&w, &spec, 10);
    assert_int_equal(w.started, 10); /* nothing is known yet: each time a cold start */
    rhythm(&w, &spec, 3);
    assert_int_equal(w.started, 14); /* the 11th as well; then one each in advance, also the next */
    struct invocation last = {.spec = &spec};
    struct slot *slot = &w.fakes[0].slot;
    assert_true(slot_state_is_idle(slot->state) && slot->is_prewarmed);
    invoke(&w, &last);
    assert_int_equal(slot->state, SLOT_BUSY); /* no cold start */
    answer(&w, &w.fakes[0]);
    pass(&w, 31 * SECOND);
    assert_int_equal(slot->state, SLOT_STOPPING); /* nobody is expected for minutes */
    gone(&w, &w.fakes[0]);
    pass(&w, 540 * (int64_t) SECOND);
    assert_int_equal(slot->state, SLOT_BUILDING);
    ready(&w, &w.fakes[0]);
    pass(&w, 200 * (int64_t) SECOND); /* it does not come this time */
    assert_int_equal(slot->state, SLOT_STOPPING);
    gone(&w, &w.fakes[0]);
    pass(&w, 3600 * (int64_t) SECOND);
    assert_false(w.fakes[0].is_alive);
    assert_int_equal(w.sched.functions.len, 0);
    world_done(&w);
    spec_done(&spec);
}

static void an_instance_made_in_advance_that_fails_is_not_made_again(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    rhythm(&w, &spec, 12);
    unsigned started = w.started;
    struct invocation call = {.spec = &spec};
    invoke(&w, &call);
    answer(&w, &w.fakes[0]);
    pass(&w, 31 * SECOND);
    gone(&w, &w.fakes[0]);
    pass(&w, 540 * (int64_t) SECOND);
    assert_int_equal(w.started, started + 1);
    sched_slot_stop(&w.sched, &w.fakes[0].slot); /* its init has failed */
    gone(&w, &w.fakes[0]);
    pass(&w, 600 * (int64_t) SECOND);
    assert_int_equal(w.started, started + 1);
    assert_int_equal(w.sched.functions.len, 0);
    world_done(&w);
    spec_done(&spec);
}

static void draining_expects_nobody(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    rhythm(&w, &spec, 12);
    struct invocation call = {.spec = &spec};
    invoke(&w, &call);
    answer(&w, &w.fakes[0]);
    pass(&w, 31 * SECOND);
    gone(&w, &w.fakes[0]);
    assert_int_equal(w.sched.functions.len, 1);
    sched_drain(&w.sched);
    assert_int_equal(w.drained, 1);
    assert_int_equal(w.sched.functions.len, 0);
    world_done(&w);
    spec_done(&spec);
}

static void an_update_replaces_idle_and_lets_busy_finish(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec old, new;
    spec_init(&old, "f", 1, -1);
    spec_init(&new, "f", 2, -1);
    struct invocation a = {.spec = &old}, b = a, c = a, d = {.spec = &new};
    invoke(&w, &a);
    invoke(&w, &b);
    ready(&w, &w.fakes[0]);
    ready(&w, &w.fakes[1]);
    answer(&w, &w.fakes[0]);
    invoke(&w, &c);          /* on 0 again */
    answer(&w, &w.fakes[1]); /* idle */
    sched_function_changed(&w.sched, new.arn, &new);
    sched_check(&w.sched);
    assert_int_equal(w.fakes[1].slot.state, SLOT_STOPPING);
    assert_int_equal(w.fakes[0].slot.state, SLOT_BUSY);
    invoke(&w, &d);
    assert_int_equal(w.started, 3);
    answer(&w, &w.fakes[0]); /* of the old revision: d does not go there */
    assert_int_equal(w.fakes[0].slot.state, SLOT_STOPPING);
    assert_false(d.is_cold);
    gone(&w, &w.fakes[0]);
    gone(&w, &w.fakes[1]);
    ready(&w, &w.fakes[2]);
    assert_ptr_equal(w.fakes[2].slot.spec, &new);
    assert_true(d.is_cold);
    world_done(&w);
    spec_done(&old);
    spec_done(&new);
}

static void an_old_instance_that_is_starting_is_replaced_when_ready(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec old, new;
    spec_init(&old, "f", 1, -1);
    spec_init(&new, "f", 2, -1);
    struct invocation a = {.spec = &old}, b = {.spec = &new};
    invoke(&w, &a);
    struct fake *fake = &w.fakes[0];
    sched_function_changed(&w.sched, new.arn, &new);
    /* `a` was failed meanwhile, `b` waits. */
    invoke(&w, &b);
    struct invocation *taken = sched_take_waiting(&w.sched, &fake->slot);
    assert_ptr_equal(taken, &a);
    sched_end(&w.sched, taken);
    ready(&w, fake);
    assert_int_equal(fake->slot.state, SLOT_STOPPING);
    assert_false(b.is_cold);
    ready(&w, &w.fakes[1]);
    assert_true(b.is_cold);
    world_done(&w);
    spec_done(&old);
    spec_done(&new);
}

static void a_deleted_function_finishes_and_is_forgotten(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, 3);
    struct invocation a = {.spec = &spec}, b = a;
    invoke(&w, &a);
    invoke(&w, &b);
    ready(&w, &w.fakes[0]);
    sched_function_changed(&w.sched, spec.arn, NULL);
    sched_check(&w.sched);
    ready(&w, &w.fakes[1]);
    answer(&w, &w.fakes[1]);
    answer(&w, &w.fakes[0]);
    assert_int_equal(alive(&w, SLOT_STOPPING), 2);
    gone(&w, &w.fakes[0]);
    gone(&w, &w.fakes[1]);
    assert_int_equal(w.sched.functions.len, 0);
    assert_int_equal(w.done, 2);
    world_done(&w);
    spec_done(&spec);
}

static void a_failed_start_is_tried_again_for_the_next(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 10, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec};
    invoke(&w, &a);
    gone(&w, &w.fakes[0]); /* nobody took `a` along: it gets another instance */
    assert_int_equal(w.started, 2);
    struct invocation *taken = sched_take_waiting(&w.sched, &w.fakes[0].slot);
    sched_return_waiting(&w.sched, taken);
    sched_check(&w.sched);
    ready(&w, &w.fakes[0]);
    assert_ptr_equal(w.fakes[0].slot.invocation, &a);
    sched_slot_failed(&w.sched, &w.fakes[0].slot);
    sched_check(&w.sched);
    assert_int_equal(w.done, 1);
    gone(&w, &w.fakes[0]);
    world_done(&w);
    spec_done(&spec);
}

static void draining_finishes_what_waits_and_refuses_what_comes(void **state)
{
    (void) state;
    struct world w;
    world_init(&w, 100, 1, 10);
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation a = {.spec = &spec}, b = a, c = a;
    invoke(&w, &a);
    invoke(&w, &b);
    ready(&w, &w.fakes[0]);
    sched_drain(&w.sched);
    invoke(&w, &c);
    assert_int_equal(c.result, INVOCATION_REFUSED);
    assert_int_equal(c.error.code, -ESHUTDOWN);
    answer(&w, &w.fakes[0]);
    answer(&w, &w.fakes[0]);
    assert_int_equal(w.done, 3);
    assert_int_equal(w.drained, 0);
    gone(&w, &w.fakes[0]);
    assert_int_equal(w.drained, 1);
    world_done(&w);
    spec_done(&spec);
}

/* Four instances of a short function, and CPUs without a microsecond to spare: two of them serve.
 */
static void crowded_world(struct world *w, struct function_spec *spec, struct invocation *calls)
{
    world_init(w, 20, 10, 20);
    w->idle_us = 0;
    for (size_t i = 0; i < 4; i++) {
        calls[i] = (struct invocation){.spec = spec};
        invoke(w, &calls[i]);
    }
    for (size_t i = 0; i < 4; i++)
        (void) ready(w, &w->fakes[i]);
    for (size_t i = 0; i < 4; i++)
        answer(w, &w->fakes[i]);
    for (int i = 0; i < 2; i++) { /* what is full is seen at the second look */
        pass(w, CROWD_LOOK_US);
        calls[0] = (struct invocation){.spec = spec};
        invoke(w, &calls[0]);
        answer(w, &w->fakes[3]);
    }
    assert_int_equal(w->started, 4);
    for (size_t i = 0; i < 4; i++) {
        calls[i] = (struct invocation){.spec = spec};
        invoke(w, &calls[i]);
    }
    assert_int_equal(alive(w, SLOT_BUSY), 2);
    assert_int_equal(w->sched.queued, 2);
}

static struct fake *busy_with(struct world *w, const struct invocation *inv)
{
    for (struct fake *f = w->fakes; f < w->fakes + FAKES_MAX; f++)
        if (f->is_alive && f->slot.invocation == inv)
            return f;
    return NULL;
}

static void short_calls_wait_for_busy_instances_on_full_cpus(void **state)
{
    (void) state;
    struct world w;
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation calls[4];
    crowded_world(&w, &spec, calls);
    struct fake *first = busy_with(&w, &calls[0]);
    answer(&w, first);
    assert_ptr_equal(first->slot.invocation, &calls[2]);
    answer(&w, first);
    assert_ptr_equal(first->slot.invocation, &calls[3]);
    assert_int_equal(w.started, 4);
    world_done(&w);
    spec_done(&spec);
}

static void patience_ends(void **state)
{
    (void) state;
    struct world w;
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation calls[4], more[4];
    crowded_world(&w, &spec, calls);
    pass(&w, CROWD_PATIENCE_US - 1);
    assert_int_equal(alive(&w, SLOT_BUSY), 2);
    pass(&w, 1);
    assert_int_equal(alive(&w, SLOT_BUSY), 4); /* the instances that were idle */
    for (size_t i = 0; i < 4; i++) {
        more[i] = (struct invocation){.spec = &spec};
        invoke(&w, &more[i]);
    }
    assert_int_equal(w.started, 4);
    pass(&w, CROWD_PATIENCE_US);
    assert_int_equal(w.started, 8); /* none is idle: new ones */
    world_done(&w);
    spec_done(&spec);
}

static void idle_cpus_end_the_waiting(void **state)
{
    (void) state;
    struct world w;
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation calls[4], next = {.spec = &spec};
    crowded_world(&w, &spec, calls);
    clock_virtual_advance(&w.clock, CROWD_LOOK_US); /* with no timer fired */
    w.idle_us = CROWD_LOOK_US;
    invoke(&w, &next);
    assert_int_equal(alive(&w, SLOT_BUSY), 4);
    assert_ptr_equal(busy_with(&w, &next), NULL); /* the older ones first */
    world_done(&w);
    spec_done(&spec);
}

static void too_many_busy_instances_become_idle(void **state)
{
    (void) state;
    struct world w;
    struct function_spec spec;
    spec_init(&spec, "f", 1, -1);
    struct invocation calls[4], more[2];
    crowded_world(&w, &spec, calls);
    pass(&w, CROWD_PATIENCE_US);
    assert_int_equal(alive(&w, SLOT_BUSY), 4);
    for (size_t i = 0; i < 2; i++) {
        more[i] = (struct invocation){.spec = &spec};
        invoke(&w, &more[i]);
    }
    answer(&w, busy_with(&w, &calls[2]));
    answer(&w, busy_with(&w, &calls[3]));
    assert_int_equal(alive(&w, SLOT_BUSY), 2); /* as many as CPUs, while calls wait */
    answer(&w, busy_with(&w, &calls[0]));
    assert_non_null(busy_with(&w, &more[0]));
    world_done(&w);
    spec_done(&spec);
}

/* One random step on a world with few of everything. */
static void random_step(struct world *w, struct rng *rng, struct function_spec *specs,
                        struct invocation *pool, size_t pool_len)
{
    struct invocation *inv = &pool[rng_below(rng, pool_len)];
    struct fake *fake = &w->fakes[rng_below(rng, 8)];
    struct function_spec *spec = &specs[rng_below(rng, 6)];
    switch (rng_below(rng, 9)) {
    case 0:
    case 1:
        if (inv->function == NULL) {
            *inv = (struct invocation){.spec = spec};
            sched_invoke(&w->sched, inv);
        }
        break;
    case 2:
    case 3:
        if (fake->is_alive && fake->slot.state == SLOT_BUILDING)
            sched_slot_made(&w->sched, &fake->slot);
        else if (fake->is_alive && fake->slot.state == SLOT_INITIALISING)
            sched_slot_ready(&w->sched, &fake->slot);
        break;
    case 4:
        if (fake->is_alive && fake->slot.state == SLOT_BUSY)
            sched_slot_answered(&w->sched, &fake->slot);
        break;
    case 5:
        if (fake->is_alive && fake->slot.state != SLOT_STOPPING && rng_below(rng, 4) == 0)
            sched_slot_stop(&w->sched, &fake->slot);
        else if (fake->is_alive && fake->slot.state == SLOT_STOPPING) {
            if (fake->slot.invocation != NULL)
                sched_slot_failed(&w->sched, &fake->slot);
            gone(w, fake);
        }
        break;
    case 6:
        if (rng_below(rng, 8) == 0)
            sched_function_changed(&w->sched, spec->arn, rng_below(rng, 4) == 0 ? NULL : spec);
        break;
    case 7:
        w->idle_us = rng_below(rng, 4) == 0 ? -1 : 0; /* 0: full */
        break;
    default:
        pass(w, (int64_t) rng_below(rng, rng_below(rng, 2) == 0 ? FREEZE_US : 3 * SECOND));
        break;
    }
    sched_check(&w->sched);
}

static void a_random_walk_keeps_every_invariant(void **state)
{
    (void) state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rng_seeded rng;
        rng_seeded_init(&rng, seed);
        struct world w;
        world_init(&w, 9, 8, 6);
        struct function_spec specs[6];
        for (size_t i = 0; i < 6; i++)
            spec_init(&specs[i], (const char *[]){"f", "g", "h"}[i % 3], 1 + i / 3,
                      i % 3 == 2 ? 2 : -1);
        struct invocation pool[24] = {0};
        for (int i = 0; i < 2000; i++)
            random_step(&w, &rng.rng, specs, pool, ARRAY_LEN(pool));
        world_done(&w);
        for (size_t i = 0; i < ARRAY_LEN(pool); i++)
            assert_null(pool[i].function);
        for (size_t i = 0; i < 6; i++)
            spec_done(&specs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_instance_is_used_again_last_first),
        cmocka_unit_test(what_is_idle_for_a_while_is_frozen),
        cmocka_unit_test(the_end_of_a_burst_freezes_in_turns),
        cmocka_unit_test(a_waiting_invocation_takes_whichever_is_free_first),
        cmocka_unit_test(limits_throttle_with_awss_reasons),
        cmocka_unit_test(versions_share_their_functions_reservation),
        cmocka_unit_test(a_full_queue_throttles),
        cmocka_unit_test(a_full_host_evicts_the_oldest_idle_instance),
        cmocka_unit_test(a_busy_host_gives_room_when_an_instance_is_free),
        cmocka_unit_test(a_host_short_of_memory_evicts_what_costs_least),
        cmocka_unit_test(an_instance_that_grows_sends_idle_ones_away),
        cmocka_unit_test(one_instance_may_always_run),
        cmocka_unit_test(idle_instances_go_after_the_keep_alive),
        cmocka_unit_test(a_rhythm_is_met_by_an_instance_in_time),
        cmocka_unit_test(an_instance_made_in_advance_that_fails_is_not_made_again),
        cmocka_unit_test(draining_expects_nobody),
        cmocka_unit_test(an_update_replaces_idle_and_lets_busy_finish),
        cmocka_unit_test(an_old_instance_that_is_starting_is_replaced_when_ready),
        cmocka_unit_test(a_deleted_function_finishes_and_is_forgotten),
        cmocka_unit_test(a_failed_start_is_tried_again_for_the_next),
        cmocka_unit_test(draining_finishes_what_waits_and_refuses_what_comes),
        cmocka_unit_test(short_calls_wait_for_busy_instances_on_full_cpus),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(idle_cpus_end_the_waiting),
        cmocka_unit_test(too_many_busy_instances_become_idle),
        cmocka_unit_test(a_random_walk_keeps_every_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
