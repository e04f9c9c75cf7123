#include "test.h"

#include "os/clock.h"

static void the_virtual_clock_moves_by_hand_only(void **state)
{
    (void) state;
    struct clock_virtual clock;
    clock_virtual_init(&clock, 1700000000000);
    int64_t start = clock_mono_us(&clock.clock);
    assert_int_equal(clock_utc_ms(&clock.clock), 1700000000000);
    assert_true(start > 0);
    for (int i = 0; i < 1000; i++)
        clock_virtual_advance(&clock, 1);
    assert_int_equal(clock_mono_us(&clock.clock), start + 1000);
    assert_int_equal(clock_utc_ms(&clock.clock), 1700000000001);
    clock_virtual_advance(&clock, 2999);
    assert_int_equal(clock_utc_ms(&clock.clock), 1700000000003);
    clock_virtual_advance(&clock, 1);
    assert_int_equal(clock_utc_ms(&clock.clock), 1700000000004);
}

static void the_real_clock_goes_forward(void **state)
{
    (void) state;
    int64_t a = clock_mono_us(&clock_real), b = clock_mono_us(&clock_real);
    assert_true(a > 0 && b >= a);
    assert_true(clock_utc_ms(&clock_real) > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_virtual_clock_moves_by_hand_only),
        cmocka_unit_test(the_real_clock_goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
