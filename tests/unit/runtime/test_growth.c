/* How fast a function may grow: AWS's 1,000 more every ten seconds. */
#include "test.h"

#include "runtime/growth.h"

#include <stddef.h>

enum { SECOND = 1000 * 1000 };
#define START (12345 * (int64_t) SECOND)

/* Calls come until one is refused; how many are in flight then. */
static int64_t grow(struct growth *growth, int64_t in_flight, int64_t now_us)
{
    while (growth_allows(growth, in_flight, now_us))
        in_flight++;
    return in_flight;
}

static void a_burst_gets_a_thousand(void **state)
{
    (void) state;
    struct growth growth = {0};
    assert_int_equal(grow(&growth, 0, START), 1000);
}

static void more_come_continuously(void **state)
{
    (void) state;
    struct growth growth = {0};
    assert_int_equal(grow(&growth, 0, START), 1000);
    assert_int_equal(grow(&growth, 1000, START + SECOND), 1100);
    assert_int_equal(grow(&growth, 1100, START + SECOND + 9 * SECOND), 2000);
    assert_int_equal(grow(&growth, 2000, START + 10 * SECOND + 9999), 2000);
    assert_int_equal(grow(&growth, 2000, START + 10 * SECOND + 10000), 2001);
}

static void what_is_not_used_is_not_saved_up(void **state)
{
    (void) state;
    struct growth growth = {0};
    assert_int_equal(grow(&growth, 0, START), 1000);
    assert_int_equal(grow(&growth, 1000, START + 60 * SECOND), 2000);
}

static void what_was_reached_costs_nothing_again(void **state)
{
    (void) state;
    struct growth growth = {0};
    (void) grow(&growth, 0, START);
    assert_int_equal(grow(&growth, 1000, START + 10 * SECOND), 2000);
    /* All of them end, and 2,000 come again in one moment: their environments are there. */
    assert_int_equal(grow(&growth, 0, START + 10 * SECOND), 2000);
    assert_int_equal(grow(&growth, 0, START + 290 * (int64_t) SECOND), 3000);
}

static void what_was_reached_is_forgotten_in_time(void **state)
{
    (void) state;
    struct growth growth = {0};
    (void) grow(&growth, 0, START);
    assert_int_equal(grow(&growth, 1000, START + 10 * SECOND), 2000);
    int64_t later = START + 3 * (int64_t) GROWTH_KEPT_US;
    assert_int_equal(grow(&growth, 0, later), 1000);
}

static void what_is_in_flight_all_the_time_is_not_forgotten(void **state)
{
    (void) state;
    struct growth growth = {0};
    (void) grow(&growth, 0, START);
    (void) grow(&growth, 1000, START + 10 * SECOND);
    for (int64_t i = 1; i < 10; i++) /* one ends, one comes */
        assert_true(growth_allows(&growth, 1999, START + i * GROWTH_KEPT_US));
    int64_t later = START + 10 * (int64_t) GROWTH_KEPT_US;
    assert_int_equal(grow(&growth, 1999, later), 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_gets_a_thousand),
        cmocka_unit_test(more_come_continuously),
        cmocka_unit_test(what_is_not_used_is_not_saved_up),
        cmocka_unit_test(what_was_reached_costs_nothing_again),
        cmocka_unit_test(what_was_reached_is_forgotten_in_time),
        cmocka_unit_test(what_is_in_flight_all_the_time_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
