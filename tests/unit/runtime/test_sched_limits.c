/* The scheduler's limits: concurrency, the queue, the host's instances and memory. */
#include "sched_world.h"

#include "runtime/growth.h"

/* Calls the function that often; the last one. */
static struct invocation *calls(struct world *w, struct function_spec *spec, int count)
{
    for (; count > 1; count--)
        assert_int_equal(call(w, spec)->result, INVOCATION_OK);
    return call(w, spec);
}

static void limits_throttle_with_awss_reasons(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.account = 5});
    struct function_spec *r = reserved(w, "r", 2), *s = function(w, "s");
    sched_function_changed(&w->sched, r->arn, r);
    assert_throttled(calls(w, s, 4), THROTTLE_CONCURRENT); /* 5 less 2 reserved leave 3 */
    assert_throttled(calls(w, r, 3), THROTTLE_RESERVED_FUNCTION);
    assert_throttled(call(w, reserved(w, "n", 0)), THROTTLE_RESERVED_FUNCTION);
    assert_int_equal(w->started, 5);
    world_end(w);
}

static void versions_share_their_functions_reservation(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.account = 6});
    struct function_spec *latest = reserved(w, "r", 2), *one = reserved(w, "r", 2);
    one->version = STR("1");
    sched_function_changed(&w->sched, latest->arn, latest);
    sched_function_changed(&w->sched, one->arn, one);
    (void) call(w, latest);
    assert_throttled(calls(w, one, 2), THROTTLE_RESERVED_FUNCTION);
    assert_throttled(calls(w, function(w, "s"), 5), THROTTLE_CONCURRENT); /* 2 of 6, once */
    world_end(w);
}

static void regions_have_an_account_each(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.account = 2});
    struct function_spec *here = function(w, "f"), *there = function(w, "g");
    there->region = STR("eu-west-1");
    assert_throttled(calls(w, here, 3), THROTTLE_CONCURRENT);
    assert_throttled(calls(w, there, 3), THROTTLE_CONCURRENT);
    world_end(w);
}

/* The bucket itself is test_growth.c's. */
static void a_function_that_grows_too_fast_is_throttled(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.account = GROWTH_STEPS + 2, .instances = 1});
    struct function_spec *f = function(w, "f"), *g = function(w, "g");
    static struct invocation crowd[GROWTH_STEPS];
    w->sched.config.queue_max = 2 * GROWTH_STEPS;
    for (size_t i = 0; i < GROWTH_STEPS; i++) {
        crowd[i] = (struct invocation){.spec = f};
        sched_invoke(&w->sched, &crowd[i]);
    }
    assert_int_equal(w->throttled, 0);
    assert_throttled(call(w, f), THROTTLE_GROWTH);
    pass(w, GROWTH_SPAN_US / GROWTH_STEPS);
    assert_int_equal(call(w, f)->result, INVOCATION_OK);
    assert_throttled(call(w, f), THROTTLE_GROWTH);
    assert_int_equal(call(w, g)->result, INVOCATION_OK); /* has a rate of its own */
    assert_throttled(call(w, g), THROTTLE_CONCURRENT);   /* what was refused took nothing */
    world_end(w);
}

static void a_full_queue_throttles(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.instances = 1, .queue = 2});
    struct function_spec *f = function(w, "f");
    struct fake *fake = busy(w, f);
    const struct invocation *last = calls(w, f, 2);
    assert_throttled(call(w, f), THROTTLE_HOST);
    assert_int_equal(w->started, 1);
    answer(w, fake);
    answer(w, fake);
    assert_ptr_equal(fake->slot.invocation, last);
    world_end(w);
}

static void a_full_host_evicts_the_oldest_idle_instance(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.instances = 2});
    struct function_spec *f = function(w, "f"), *g = function(w, "g");
    struct fake *first = busy(w, f), *second = busy(w, f);
    answer(w, second);
    pass(w, SECOND);
    answer(w, first);
    const struct invocation *c = call(w, g);
    assert_int_equal(second->slot.state, SLOT_STOPPING);
    assert_int_equal(first->slot.state, SLOT_IDLE);
    assert_int_equal(w->started, 2);
    gone(w, second);
    assert_int_equal(w->started, 3);
    assert_ptr_equal(ready(w, 1)->slot.invocation, c);
    world_end(w);
}

static void a_busy_host_gives_room_when_an_instance_is_free(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.instances = 1});
    struct function_spec *f = function(w, "f"), *g = function(w, "g");
    struct fake *fake = busy(w, f);
    struct invocation *b = call(w, g);
    assert_int_equal(w->stopped, 0);
    answer(w, fake);
    assert_int_equal(w->stopped, 1);
    gone(w, fake);
    answer(w, ready(w, 0));
    assert_int_equal(b->run_us, 1);
    world_end(w);
}

/* Three functions, an idle instance of each, of which two fit beside another one. */
static struct world *memory_world(struct function_spec *specs[3])
{
    struct world *w = world_new((struct world_limits){.memory_mb = 300});
    static const char *const names[] = {"f", "g", "h"};
    for (size_t i = 0; i < 3; i++) {
        specs[i] = function(w, names[i]);
        (void) call(w, specs[i]);
        pass(w, i == 1 ? SECOND : SECOND / 100); /* g is the one that starts slowly */
        struct fake *fake = ready(w, i);
        measure(w, fake, 90);
        answer(w, fake);
    }
    assert_int_equal(w->stopped, 0);
    return w;
}

static void a_host_short_of_memory_evicts_what_costs_least(void **state)
{
    (void) state;
    struct function_spec *specs[3];
    struct world *w = memory_world(specs);
    (void) call(w, specs[2]); /* takes the idle one of its own */
    assert_int_equal(w->stopped, 0);
    (void) call(w, specs[2]); /* wants another one: 90 MB, as it is known */
    assert_int_equal(w->started, 3);
    assert_int_equal(w->stopped, 1);
    assert_int_equal(w->fakes[0].slot.state, SLOT_STOPPING); /* quick to start, as old as g */
    assert_true(slot_state_is_idle(w->fakes[1].slot.state));
    gone(w, &w->fakes[0]);
    assert_int_equal(w->started, 4);
    world_end(w);
}

static void an_instance_that_grows_sends_idle_ones_away(void **state)
{
    (void) state;
    struct function_spec *specs[3];
    struct world *w = memory_world(specs);
    struct fake *fake = busy(w, specs[2]);
    measure(w, fake, 180);
    assert_int_equal(w->stopped, 1);
    measure(w, fake, 250);
    assert_int_equal(w->stopped, 2);
    measure(w, fake, 900); /* its own limit bounds it, nothing else */
    assert_int_equal(fake->slot.state, SLOT_BUSY);
    world_end(w);
}

enum { MB = 1 << 20 };

static void what_is_made_in_advance_goes_before_any_instance(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.memory_mb = 300});
    struct fake *first = idle(w, function(w, "f")), *second = idle(w, function(w, "g"));
    measure(w, first, 90);
    measure(w, second, 90);
    sched_pooled(&w->sched, 100 * MB);
    assert_int_equal(w->shrunk_bytes, 0);
    struct function_spec *h = function(w, "h");
    (void) call(w, h); /* 33 MB, as is guessed */
    assert_int_equal(w->shrunk_bytes, 13 * MB);
    assert_int_equal(w->stopped, 0);
    assert_int_equal(w->started, 2);
    (void) call(w, h); /* waits in vain: the same memory is not asked for twice */
    assert_int_equal(w->shrunk_bytes, 13 * MB);
    sched_pooled(&w->sched, 87 * MB);
    sched_check(&w->sched);
    assert_int_equal(w->started, 3);
    assert_int_equal(w->shrunk_bytes, (13 + 33) * MB); /* for the second call */
    struct fake *third = ready(w, 2);
    measure(w, third, 140); /* more than all that is left there */
    assert_int_equal(w->shrunk_bytes, 100 * MB);
    assert_int_equal(w->stopped, 1);
    sched_pooled(&w->sched, 0);
    sched_check(&w->sched);
    world_end(w);
}

static void what_runs_beside_the_instances_counts(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.memory_mb = 100});
    assert_true(sched_can_spare(&w->sched, 100 * MB));
    struct fake *fake = idle(w, function(w, "f"));
    measure(w, fake, 50);
    assert_false(sched_can_spare(&w->sched, 51 * MB));
    assert_true(sched_can_spare(&w->sched, 32 * MB));
    sched_set_aside(&w->sched, 32 * MB);
    assert_int_equal(w->stopped, 0);
    (void) call(w, function(w, "g"));
    assert_int_equal(fake->slot.state, SLOT_STOPPING);
    assert_false(sched_can_spare(&w->sched, 1)); /* somebody waits */
    gone(w, fake);
    assert_int_equal(w->started, 2);
    sched_set_aside(&w->sched, 0);
    world_end(w);
}

static void one_instance_may_always_run(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.memory_mb = 10});
    struct function_spec *f = function(w, "f");
    (void) calls(w, f, 2);
    assert_int_equal(w->started, 1);
    struct fake *fake = ready(w, 0);
    answer(w, fake);
    answer(w, fake); /* b has waited for it */
    assert_int_equal(w->done, 2);
    world_end(w);
}

/* ---- the gate: test_gate.c has its width ---- */

enum { NARROW = 2 * GATE_STARTS_PER_CPU, BURST = 3 * NARROW };

/* A burst on a machine whose CPUs have nothing to spare. */
static struct world *burst_world(struct function_spec **out_spec)
{
    struct world *w = world_new((struct world_limits){0});
    *out_spec = function(w, "f");
    w->idle_us = 0;
    (void) calls(w, *out_spec, BURST);
    assert_int_equal(w->started, NARROW);
    return w;
}

static void a_start_that_is_over_lets_the_next_begin(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = burst_world(&f);
    struct fake *first = ready(w, 0);
    assert_int_equal(w->started, NARROW + 1);
    gone(w, &w->fakes[1]); /* one that failed */
    assert_int_equal(w->started, NARROW + 2);
    for (int i = 0; i < BURST - NARROW; i++)
        answer(w, first); /* takes what waits at the gate */
    for (size_t i = 1; i < NARROW; i++)
        (void) ready(w, i);
    assert_int_equal(w->sched.queued, 0);
    assert_int_equal(w->started, NARROW + 2);
    world_end(w);
}

static void the_gate_widens_while_something_waits(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = burst_world(&f);
    pass(w, GATE_LOOK_US - 1);
    assert_int_equal(w->started, NARROW);
    pass(w, 1); /* a little, on full CPUs */
    assert_int_equal(w->started, NARROW + 2);
    w->idle_us += 2 * (int64_t) GATE_LOOK_US;
    pass(w, GATE_LOOK_US);
    assert_int_equal(w->started, 2 * (NARROW + 2));
    world_end(w);
}

static void functions_take_turns_at_the_gate(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = burst_world(&f);
    struct function_spec *other = function(w, "g");
    (void) call(w, other);
    for (size_t i = 0; i < 2; i++)
        (void) ready(w, i);
    size_t others = 0;
    for (size_t i = 0; i < FAKES_MAX; i++)
        others += w->fakes[i].is_alive && w->fakes[i].slot.spec == other;
    assert_int_equal(w->started, NARROW + 2);
    assert_int_equal(others, 1);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_throttle_with_awss_reasons),
        cmocka_unit_test(versions_share_their_functions_reservation),
        cmocka_unit_test(regions_have_an_account_each),
        cmocka_unit_test(a_function_that_grows_too_fast_is_throttled),
        cmocka_unit_test(a_full_queue_throttles),
        cmocka_unit_test(a_full_host_evicts_the_oldest_idle_instance),
        cmocka_unit_test(a_busy_host_gives_room_when_an_instance_is_free),
        cmocka_unit_test(a_host_short_of_memory_evicts_what_costs_least),
        cmocka_unit_test(an_instance_that_grows_sends_idle_ones_away),
        cmocka_unit_test(what_is_made_in_advance_goes_before_any_instance),
        cmocka_unit_test(what_runs_beside_the_instances_counts),
        cmocka_unit_test(one_instance_may_always_run),
        cmocka_unit_test(a_start_that_is_over_lets_the_next_begin),
        cmocka_unit_test(the_gate_widens_while_something_waits),
        cmocka_unit_test(functions_take_turns_at_the_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
