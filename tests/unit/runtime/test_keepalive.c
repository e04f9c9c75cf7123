#include "test.h"

#include "runtime/keepalive.h"

#define MINUTE_US (INT64_C(60) * 1000 * 1000)
#define FIXED_US  (5 * MINUTE_US)

static void observe(struct keepalive_history *history, int64_t minutes, int times)
{
    for (int i = 0; i < times; i++)
        keepalive_observe(history, minutes * MINUTE_US + MINUTE_US / 2);
}

static void expect(const struct keepalive_history *history, int64_t prewarm_s, int64_t keep_s)
{
    struct keepalive_windows windows = keepalive_windows(history, FIXED_US);
    assert_int_equal(windows.prewarm_us / 1000000, prewarm_s);
    assert_int_equal(windows.keep_us / 1000000, keep_s);
}

static void who_has_no_pattern_is_kept_for_the_fixed_time(void **state)
{
    (void) state;
    struct keepalive_history few = {0}, even = {0}, beyond = {0};
    observe(&few, 10, 9);
    expect(&few, 0, 300);
    for (int minute = 0; minute < KEEPALIVE_BINS; minute++)
        observe(&even, minute, 3);
    expect(&even, 0, 300);
    observe(&beyond, 10, 10);
    observe(&beyond, 500, 11);
    expect(&beyond, 0, 300);
}

static void a_rhythm_is_followed(void **state)
{
    (void) state;
    struct keepalive_history busy = {0}, timer = {0}, daily = {0};
    observe(&busy, 0, 50);
    expect(&busy, 0, 66); /* to the end of the first minute, and a tenth */
    observe(&timer, 15, 20);
    expect(&timer, 15 * 54, 16 * 66);
    observe(&daily, 30, 3); /* the head: less than 5 percent come sooner */
    observe(&daily, 60, 60);
    observe(&daily, 90, 40);
    expect(&daily, 60 * 54, 91 * 66);
}

static void what_is_long_ago_fades(void **state)
{
    (void) state;
    struct keepalive_history history = {0};
    observe(&history, 100, 65000);
    for (int i = 0; i < 40; i++)
        observe(&history, 3, 65000);
    expect(&history, 3 * 54, 4 * 66);
}

static void histories_outlive_their_use_but_not_their_function(void **state)
{
    (void) state;
    struct keepalive keepalive;
    keepalive_init(&keepalive);
    struct keepalive_history *history = keepalive_take(&keepalive, STR("f"));
    observe(history, 15, 20);
    history->idle_since_us = 1;
    keepalive_drop(&keepalive, history, false);
    history = keepalive_take(&keepalive, STR("f"));
    assert_int_equal(history->count, 20);
    keepalive_drop(&keepalive, history, true);
    history = keepalive_take(&keepalive, STR("f"));
    assert_int_equal(history->count, 0);
    keepalive_drop(&keepalive, history, false);
    for (int i = 0; i < 5000; i++) {
        char name[16];
        int n = snprintf(name, sizeof name, "%d", i);
        history = keepalive_take(&keepalive, str_of(name, (size_t) n));
        history->idle_since_us = 1;
        keepalive_drop(&keepalive, history, false);
    }
    assert_int_equal(keepalive.histories.len, 4096);
    keepalive_done(&keepalive);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_has_no_pattern_is_kept_for_the_fixed_time),
        cmocka_unit_test(a_rhythm_is_followed),
        cmocka_unit_test(what_is_long_ago_fades),
        cmocka_unit_test(histories_outlive_their_use_but_not_their_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
