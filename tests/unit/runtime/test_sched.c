/* The scheduler: who runs what, what changes and what ends. The last test is a random walk. */
#include "sched_world.h"

#include "base/mem.h"
#include "os/random.h"

#include <errno.h>

static void a_warm_instance_is_used_again_last_first(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = function(w, "f");
    struct invocation *a = call(w, f), *b = call(w, f);
    assert_int_equal(w->started, 2);
    struct fake *first = ready(w, 0), *second = ready(w, 1);
    assert_ptr_equal(first->slot.invocation, a);
    assert_ptr_equal(second->slot.invocation, b);
    answer(w, second);
    answer(w, first);
    struct invocation *c = call(w, f);
    assert_ptr_equal(first->slot.invocation, c);
    assert_int_equal(w->started, 2);
    answer(w, first);
    assert_int_equal(w->done, 3);
    world_end(w);
}

static void a_waiting_invocation_takes_whichever_is_free_first(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = function(w, "f");
    struct fake *first = busy(w, f);
    struct invocation *b = call(w, f); /* starts a second one, but the first is free sooner */
    answer(w, first);
    assert_ptr_equal(first->slot.invocation, b);
    assert_int_equal(ready(w, 1)->slot.state, SLOT_IDLE);
    world_end(w);
}

static void an_update_replaces_idle_and_lets_busy_finish(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *old = function(w, "f"), *new = revised(w, old);
    struct fake *first = busy(w, old), *second = busy(w, old);
    answer(w, second);
    sched_function_changed(&w->sched, new->arn, new);
    sched_check(&w->sched);
    assert_int_equal(second->slot.state, SLOT_STOPPING);
    assert_int_equal(first->slot.state, SLOT_BUSY);
    struct invocation *d = call(w, new);
    assert_int_equal(w->started, 3);
    answer(w, first); /* of the old revision: d does not go there */
    assert_int_equal(first->slot.state, SLOT_STOPPING);
    assert_false(d->is_cold);
    gone(w, first);
    gone(w, second);
    struct fake *third = ready(w, 2);
    assert_ptr_equal(third->slot.spec, new);
    assert_true(d->is_cold);
    world_end(w);
}

static void an_old_instance_that_is_starting_is_replaced_when_ready(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *old = function(w, "f"), *new = revised(w, old);
    struct invocation *a = call(w, old);
    sched_function_changed(&w->sched, new->arn, new);
    struct invocation *b = call(w, new);
    struct invocation *taken = sched_take_waiting(&w->sched, &w->fakes[0].slot);
    assert_ptr_equal(taken, a); /* `a` was failed meanwhile, `b` waits */
    sched_end(&w->sched, taken);
    assert_int_equal(ready(w, 0)->slot.state, SLOT_STOPPING);
    assert_false(b->is_cold);
    ready(w, 1);
    assert_true(b->is_cold);
    world_end(w);
}

static void a_deleted_function_finishes_and_is_forgotten(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct function_spec *f = reserved(w, "f", 3);
    struct fake *first = busy(w, f);
    (void) call(w, f);
    sched_function_changed(&w->sched, f->arn, NULL);
    sched_check(&w->sched);
    struct fake *second = ready(w, 1);
    answer(w, second);
    answer(w, first);
    assert_int_equal(alive(w, SLOT_STOPPING), 2);
    gone(w, first);
    gone(w, second);
    assert_int_equal(w->sched.functions.len, 0);
    assert_int_equal(w->done, 2);
    world_end(w);
}

static void a_failed_start_is_tried_again_for_the_next(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){0});
    struct invocation *a = call(w, function(w, "f"));
    gone(w, &w->fakes[0]); /* nobody took `a` along: it gets another instance */
    assert_int_equal(w->started, 2);
    struct invocation *taken = sched_take_waiting(&w->sched, &w->fakes[0].slot);
    sched_return_waiting(&w->sched, taken);
    sched_check(&w->sched);
    struct fake *fake = ready(w, 0);
    assert_ptr_equal(fake->slot.invocation, a);
    sched_slot_failed(&w->sched, &fake->slot);
    sched_check(&w->sched);
    assert_int_equal(w->done, 1);
    gone(w, fake);
    world_end(w);
}

static void draining_finishes_what_waits_and_refuses_what_comes(void **state)
{
    (void) state;
    struct world *w = world_new((struct world_limits){.instances = 1});
    struct function_spec *f = function(w, "f");
    struct fake *fake = busy(w, f);
    (void) call(w, f);
    sched_drain(&w->sched);
    const struct invocation *late = call(w, f);
    assert_int_equal(late->result, INVOCATION_REFUSED);
    assert_int_equal(late->error.code, -ESHUTDOWN);
    answer(w, fake);
    answer(w, fake);
    assert_int_equal(w->done, 3);
    assert_int_equal(w->drained, 0);
    gone(w, fake);
    assert_int_equal(w->drained, 1);
    world_end(w);
}

/* ---- a random walk ---- */

static void random_event(struct world *w, struct rng *rng, struct fake *fake)
{
    enum slot_state state = fake->slot.state;
    if (state == SLOT_BUILDING)
        sched_slot_made(&w->sched, &fake->slot);
    else if (state == SLOT_INITIALISING)
        sched_slot_ready(&w->sched, &fake->slot);
    else if (state == SLOT_BUSY && rng_below(rng, 2) == 0)
        sched_slot_answered(&w->sched, &fake->slot);
}

static void random_end(struct world *w, struct rng *rng, struct fake *fake)
{
    if (fake->slot.state != SLOT_STOPPING) {
        if (rng_below(rng, 4) == 0)
            sched_slot_stop(&w->sched, &fake->slot);
        return;
    }
    if (fake->slot.invocation != NULL)
        sched_slot_failed(&w->sched, &fake->slot);
    gone(w, fake);
}

/* One random step on a world with few of everything. */
static void random_step(struct world *w, struct rng *rng)
{
    struct fake *fake = &w->fakes[rng_below(rng, 8)];
    struct function_spec *spec = &w->functions[rng_below(rng, w->function_count)];
    struct invocation *inv = &w->calls[rng_below(rng, 24)];
    switch (rng_below(rng, 9)) {
    case 0:
    case 1:
        if (inv->function == NULL) {
            inv->spec = spec;
            call_again(w, inv);
        }
        break;
    case 2:
    case 3:
    case 4:
        if (fake->is_alive)
            random_event(w, rng, fake);
        break;
    case 5:
        if (fake->is_alive)
            random_end(w, rng, fake);
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
        struct world *w =
            world_new((struct world_limits){.account = 9, .instances = 8, .queue = 6});
        const char *const names[] = {"f", "g", "h"};
        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            (void) revised(w, reserved(w, names[i], i == 2 ? 2 : -1));
        for (int i = 0; i < 2000; i++)
            random_step(w, &rng.rng);
        world_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_warm_instance_is_used_again_last_first),
        cmocka_unit_test(a_waiting_invocation_takes_whichever_is_free_first),
        cmocka_unit_test(an_update_replaces_idle_and_lets_busy_finish),
        cmocka_unit_test(an_old_instance_that_is_starting_is_replaced_when_ready),
        cmocka_unit_test(a_deleted_function_finishes_and_is_forgotten),
        cmocka_unit_test(a_failed_start_is_tried_again_for_the_next),
        cmocka_unit_test(draining_finishes_what_waits_and_refuses_what_comes),
        cmocka_unit_test(a_random_walk_keeps_every_invariant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
