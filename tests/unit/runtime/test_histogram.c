/* Durations of the last seconds. */
#include "test.h"

#include "runtime/histogram.h"

static const int64_t second = 1000 * 1000;

static void assert_near(int64_t value, int64_t wanted)
{
    assert_true(value >= wanted - wanted / 16 - 1 && value <= wanted + wanted / 16 + 1);
}

static void quantiles_are_near(void **state)
{
    (void) state;
    struct histogram h = {0};
    assert_int_equal(histogram_quantile(&h, 0.5, second), 0);
    for (int64_t i = 1; i <= 1000; i++)
        histogram_add(&h, i * 100, second);
    assert_near(histogram_quantile(&h, 0, second), 100);
    assert_near(histogram_quantile(&h, 0.5, second), 50 * 1000);
    assert_near(histogram_quantile(&h, 0.99, second), 99 * 1000);
    assert_near(histogram_quantile(&h, 1, second), 100 * 1000);
}

static void every_value_has_a_place(void **state)
{
    (void) state;
    const int64_t values[] = {0, 1, 7, 8, 9, 15, 16, 1000, 900 * second};
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct histogram h = {0};
        histogram_add(&h, values[i], second);
        assert_near(histogram_quantile(&h, 0.5, second), values[i]);
    }
    struct histogram h = {0};
    histogram_add(&h, -5, second);
    histogram_add(&h, INT64_MAX, second);
    assert_int_equal(histogram_quantile(&h, 0, second), 0);
    assert_true(histogram_quantile(&h, 1, second) > 1000 * second);
}

static void the_past_is_forgotten(void **state)
{
    (void) state;
    struct histogram h = {0};
    for (int i = 0; i < 100; i++)
        histogram_add(&h, 1000, second);
    histogram_add(&h, 9 * second, 12 * second); /* the next window */
    assert_near(histogram_quantile(&h, 0.5, 12 * second), 1000);
    assert_near(histogram_quantile(&h, 0.5, 22 * second), 9 * second);
    assert_int_equal(histogram_quantile(&h, 0.5, 60 * second), 0);
}

static void calls_a_second(void **state)
{
    (void) state;
    struct histogram h = {0};
    assert_true(histogram_per_second(&h, second) < 0.001);
    for (int64_t ms = 1000; ms < 31 * 1000; ms += 100)
        histogram_add(&h, 1, ms * 1000);
    double rate = histogram_per_second(&h, 31 * second);
    assert_true(rate > 9.5 && rate < 10.5);
    assert_true(histogram_per_second(&h, 120 * second) < 0.001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near),
        cmocka_unit_test(every_value_has_a_place),
        cmocka_unit_test(the_past_is_forgotten),
        cmocka_unit_test(calls_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
