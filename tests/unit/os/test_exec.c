#include "test.h"

#include "os/exec.h"
#include "os/random.h"

enum { COUNT = 300 };

static void never_fires(struct timer *timer)
{
    (void) timer;
    fail_msg("the heap itself fires nothing");
}

/* Pops everything; due times must not go down. Returns how many there were. */
static size_t drain_in_order(struct timer_heap *heap)
{
    size_t count = 0;
    int64_t last = INT64_MIN;
    for (struct timer *t; (t = timer_heap_first(heap)) != NULL; count++) {
        assert_true(t->due_us >= last && t->is_set);
        last = t->due_us;
        timer_heap_clear(heap, t);
        assert_false(t->is_set);
    }
    return count;
}

static void random_sets_moves_and_clears_keep_the_order(void **state)
{
    (void) state;
    struct rng_seeded rng;
    rng_seeded_init(&rng, 42);
    struct timer_heap heap = {0};
    struct timer timers[COUNT] = {{.fire = never_fires}};
    for (size_t i = 0; i < COUNT; i++)
        timers[i].fire = never_fires;
    for (int round = 0; round < 20; round++) {
        for (int step = 0; step < 1000; step++) {
            struct timer *t = &timers[rng_below(&rng.rng, COUNT)];
            if (rng_below(&rng.rng, 3) == 0)
                timer_heap_clear(&heap, t);
            else
                timer_heap_set(&heap, t, (int64_t) rng_below(&rng.rng, 1000));
        }
        size_t set = 0;
        for (size_t i = 0; i < COUNT; i++)
            set += timers[i].is_set;
        assert_int_equal(heap.len, set);
        assert_int_equal(drain_in_order(&heap), set);
    }
    timer_heap_done(&heap);
}

static void clearing_twice_and_moving_the_first_are_fine(void **state)
{
    (void) state;
    struct timer_heap heap = {0};
    assert_null(timer_heap_first(&heap));
    struct timer a = {.fire = never_fires}, b = {.fire = never_fires};
    timer_heap_clear(&heap, &a);
    timer_heap_set(&heap, &a, 10);
    timer_heap_set(&heap, &b, 20);
    assert_ptr_equal(timer_heap_first(&heap), &a);
    timer_heap_set(&heap, &a, 30);
    assert_ptr_equal(timer_heap_first(&heap), &b);
    timer_heap_clear(&heap, &b);
    timer_heap_clear(&heap, &b);
    assert_ptr_equal(timer_heap_first(&heap), &a);
    timer_heap_clear(&heap, &a);
    assert_null(timer_heap_first(&heap));
    timer_heap_done(&heap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_sets_moves_and_clears_keep_the_order),
        cmocka_unit_test(clearing_twice_and_moving_the_first_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
