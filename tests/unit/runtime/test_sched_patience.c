/* Short functions on full CPUs: calls that wait for a busy instance, see crowd.h. */
#include "sched_world.h"

enum { INSTANCES = 4 };

/* Four instances of a short function, and CPUs without a microsecond to spare: two of them serve.
 */
static struct world *crowded_world(struct function_spec **out_spec,
                                   struct invocation *out[INSTANCES])
{
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = *out_spec = function(w, "f");
    w->idle_us = 0;
    for (size_t i = 0; i < INSTANCES; i++)
        (void) call(w, f);
    for (size_t i = 0; i < INSTANCES; i++)
        (void) ready(w, i);
    for (size_t i = 0; i < INSTANCES; i++)
        answer(w, &w->fakes[i]);
    for (int i = 0; i < 2; i++) { /* what is full is seen at the second look */
        pass(w, CROWD_LOOK_US);
        (void) idle(w, f);
    }
    for (size_t i = 0; i < INSTANCES; i++)
        out[i] = call(w, f);
    assert_int_equal(w->started, INSTANCES);
    assert_int_equal(alive(w, SLOT_BUSY), 2);
    assert_int_equal(w->sched.queued, 2);
    return w;
}

static void short_calls_wait_for_busy_instances_on_full_cpus(void **state)
{
    (void) state;
    struct function_spec *f;
    struct invocation *calls[INSTANCES];
    struct world *w = crowded_world(&f, calls);
    struct fake *first = busy_with(w, calls[0]);
    answer(w, first);
    assert_ptr_equal(first->slot.invocation, calls[2]);
    answer(w, first);
    assert_ptr_equal(first->slot.invocation, calls[3]);
    assert_int_equal(w->started, INSTANCES);
    world_end(w);
}

static void patience_ends(void **state)
{
    (void) state;
    struct function_spec *f;
    struct invocation *calls[INSTANCES];
    struct world *w = crowded_world(&f, calls);
    pass(w, CROWD_PATIENCE_US - 1);
    assert_int_equal(alive(w, SLOT_BUSY), 2);
    pass(w, 1);
    assert_int_equal(alive(w, SLOT_BUSY), INSTANCES); /* those that were idle */
    for (size_t i = 0; i < INSTANCES; i++)
        (void) call(w, f);
    assert_int_equal(w->started, INSTANCES);
    pass(w, CROWD_PATIENCE_US);
    assert_int_equal(w->started, 2 * INSTANCES); /* none is idle: new ones */
    world_end(w);
}

static void idle_cpus_end_the_waiting(void **state)
{
    (void) state;
    struct function_spec *f;
    struct invocation *calls[INSTANCES];
    struct world *w = crowded_world(&f, calls);
    clock_virtual_advance(&w->clock, CROWD_LOOK_US); /* with no timer fired */
    w->idle_us = CROWD_LOOK_US;
    const struct invocation *next = call(w, f);
    assert_int_equal(alive(w, SLOT_BUSY), INSTANCES);
    assert_null(busy_with(w, next)); /* the older ones first */
    world_end(w);
}

static void too_many_busy_instances_become_idle(void **state)
{
    (void) state;
    struct function_spec *f;
    struct invocation *calls[INSTANCES];
    struct world *w = crowded_world(&f, calls);
    pass(w, CROWD_PATIENCE_US);
    assert_int_equal(alive(w, SLOT_BUSY), INSTANCES);
    const struct invocation *next = call(w, f);
    (void) call(w, f);
    answer(w, busy_with(w, calls[2]));
    answer(w, busy_with(w, calls[3]));
    assert_int_equal(alive(w, SLOT_BUSY), 2); /* as many as CPUs, while calls wait */
    answer(w, busy_with(w, calls[0]));
    assert_non_null(busy_with(w, next));
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_calls_wait_for_busy_instances_on_full_cpus),
        cmocka_unit_test(patience_ends),
        cmocka_unit_test(idle_cpus_end_the_waiting),
        cmocka_unit_test(too_many_busy_instances_become_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
