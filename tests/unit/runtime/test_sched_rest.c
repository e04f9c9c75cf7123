/* The scheduler's idle instances: frozen, kept for a while, expected at a time. */
#include "sched_world.h"

static const int64_t MINUTE = 60 * (int64_t) SECOND;

static void what_is_idle_for_a_while_is_frozen(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = function(w, "f");
    struct fake *fake = busy(w, f);
    pass(w, SECOND); /* busy for long: that is no reason */
    answer(w, fake);
    pass(w, FREEZE_US - 1);
    assert_int_equal(fake->slot.state, SLOT_IDLE);
    assert_ptr_equal(idle(w, f), fake); /* used meanwhile: the time begins anew */
    pass(w, FREEZE_US - 1);
    assert_int_equal(fake->slot.state, SLOT_IDLE);
    assert_int_equal(w->frozen, 0);
    pass(w, 1);
    assert_int_equal(fake->slot.state, SLOT_FROZEN);
    pass(w, SECOND);
    assert_int_equal(w->frozen, 1);
    assert_ptr_equal(busy(w, f), fake);
    assert_int_equal(w->thawed, 1);
    assert_int_equal(w->started, 1);
    answer(w, fake);
    pass(w, 11 * SECOND); /* frozen instances expire like others, as they are */
    assert_int_equal(fake->slot.state, SLOT_STOPPING);
    assert_int_equal(w->frozen, 2);
    assert_int_equal(w->thawed, 1);
    world_end(w);
}

static void the_end_of_a_burst_freezes_in_turns(void **state)
{
    (void) state;
    enum { COUNT = 40 };
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = function(w, "f");
    for (size_t i = 0; i < COUNT; i++)
        (void) busy(w, f);
    for (size_t i = 0; i < COUNT; i++)
        answer(w, &w->fakes[i]);
    pass(w, FREEZE_US);
    assert_int_equal(w->frozen, 16);
    (void) call(w, f); /* the one used last, which is awake */
    assert_int_equal(w->thawed, 0);
    pass(w, 1000);
    assert_int_equal(w->frozen, 32);
    pass(w, 1000);
    assert_int_equal(w->frozen, COUNT - 1);
    world_end(w);
}

static void idle_instances_go_after_the_keep_alive(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = function(w, "f");
    struct fake *first = busy(w, f), *second = busy(w, f);
    answer(w, first);
    pass(w, 4 * SECOND);
    answer(w, second);
    pass(w, 6 * SECOND - 1);
    assert_int_equal(w->stopped, 0);
    pass(w, 1);
    assert_int_equal(first->slot.state, SLOT_STOPPING);
    pass(w, 4 * SECOND - 1);
    assert_int_equal(w->stopped, 1);
    pass(w, 1);
    assert_int_equal(w->stopped, 2);
    gone(w, first);
    gone(w, second);
    assert_int_equal(w->sched.functions.len, 0);
    world_end(w);
}

/* Half of the time from one call to the next one. */
static void pass_half(struct world *w)
{
    struct fake *fake = &w->fakes[0];
    pass(w, 5 * MINUTE);
    if (fake->is_alive && fake->slot.state == SLOT_STOPPING)
        gone(w, fake);
    if (fake->is_alive && fake->slot.state == SLOT_BUILDING)
        (void) ready(w, 0);
}

/* Calls every ten minutes, often enough to be a pattern. */
static struct world *rhythm_world(int times, struct function_spec **out_spec)
{
    struct world *w = world_new((struct world_limits){0});
    *out_spec = function(w, "f");
    for (int i = 0; i < times; i++) {
        (void) idle(w, *out_spec);
        pass_half(w);
        pass_half(w);
    }
    return w;
}

/* One more call, and the time in which nobody is expected. */
static void call_and_rest(struct world *w, struct function_spec *spec)
{
    struct fake *fake = idle(w, spec);
    pass(w, 31 * SECOND);
    assert_int_equal(fake->slot.state, SLOT_STOPPING);
    gone(w, fake);
}

static void a_rhythm_is_met_by_an_instance_in_time(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = rhythm_world(10, &f);
    assert_int_equal(w->started, 10); /* nothing is known yet: each time a cold start */
    world_end(w);
    w = rhythm_world(13, &f);
    assert_int_equal(w->started,
                     14); /* the 11th as well; then one each in advance, also the next */
    struct slot *slot = &w->fakes[0].slot;
    assert_true(slot_state_is_idle(slot->state) && slot->is_prewarmed);
    call_and_rest(w, f);
    assert_int_equal(w->started, 14); /* no cold start */
    pass(w, 9 * MINUTE);
    assert_int_equal(slot->state, SLOT_BUILDING);
    ready(w, 0);
    pass(w, 200 * (int64_t) SECOND); /* it does not come this time */
    assert_int_equal(slot->state, SLOT_STOPPING);
    gone(w, &w->fakes[0]);
    pass(w, 60 * MINUTE);
    assert_false(w->fakes[0].is_alive);
    assert_int_equal(w->sched.functions.len, 0);
    world_end(w);
}

static void an_instance_made_in_advance_that_fails_is_not_made_again(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = rhythm_world(12, &f);
    unsigned started = w->started;
    call_and_rest(w, f);
    pass(w, 9 * MINUTE);
    assert_int_equal(w->started, started + 1);
    sched_slot_stop(&w->sched, &w->fakes[0].slot); /* its init has failed */
    gone(w, &w->fakes[0]);
    pass(w, 10 * MINUTE);
    assert_int_equal(w->started, started + 1);
    assert_int_equal(w->sched.functions.len, 0);
    world_end(w);
}

static void draining_expects_nobody(void **state)
{
    (void) state;
    struct function_spec *f;
    struct world *w = rhythm_world(12, &f);
    call_and_rest(w, f);
    assert_int_equal(w->sched.functions.len, 1);
    sched_drain(&w->sched);
    assert_int_equal(w->drained, 1);
    assert_int_equal(w->sched.functions.len, 0);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_idle_for_a_while_is_frozen),
        cmocka_unit_test(the_end_of_a_burst_freezes_in_turns),
        cmocka_unit_test(idle_instances_go_after_the_keep_alive),
        cmocka_unit_test(a_rhythm_is_met_by_an_instance_in_time),
        cmocka_unit_test(an_instance_made_in_advance_that_fails_is_not_made_again),
        cmocka_unit_test(draining_expects_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
