/* When an event is tried again, and when it is given up. */
#include "test.h"

#include "services/lambda/retry.h"

enum { UNIT_MS = 60 * 1000, NOW_MS = 1000 * 1000 };

static const struct event_config none = {0};

static struct event_verdict judge(struct event_row *row, const struct event_config *config,
                                  enum event_outcome outcome)
{
    return event_judge(row, config, outcome, NOW_MS, UNIT_MS);
}

static void two_retries_after_errors(void **state)
{
    (void) state;
    struct event_row row = {.accepted_at_ms = NOW_MS};
    assert_false(judge(&row, &none, EVENT_FUNCTION_ERROR).is_over);
    assert_int_equal(row.due_at_ms - NOW_MS, 60 * 1000);
    assert_false(judge(&row, &none, EVENT_FUNCTION_ERROR).is_over);
    assert_int_equal(row.due_at_ms - NOW_MS, 120 * 1000);
    struct event_verdict last = judge(&row, &none, EVENT_FUNCTION_ERROR);
    assert_true(last.is_over);
    assert_string_equal(last.dropped, "RetriesExhausted");
    struct event_verdict good = judge(&row, &none, EVENT_SUCCEEDED);
    assert_true(good.is_over);
    assert_null(good.dropped);
}

static void the_function_may_want_fewer(void **state)
{
    (void) state;
    const struct event_config config = {.has_retries_max = true, .retries_max = 0};
    struct event_row row = {.accepted_at_ms = NOW_MS};
    assert_true(judge(&row, &config, EVENT_FUNCTION_ERROR).is_over);
}

static void throttles_wait_longer_and_do_not_count(void **state)
{
    (void) state;
    static const int64_t waits_s[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300};
    struct event_row row = {.accepted_at_ms = NOW_MS};
    for (size_t i = 0; i < ARRAY_LEN(waits_s); i++) {
        assert_false(judge(&row, &none, EVENT_THROTTLED).is_over);
        assert_int_equal(row.due_at_ms - NOW_MS, waits_s[i] * 1000);
    }
    assert_int_equal(row.attempts, 0);
    struct event_row quick = {.accepted_at_ms = NOW_MS};
    assert_false(event_judge(&quick, &none, EVENT_THROTTLED, NOW_MS, 1).is_over);
    assert_int_equal(quick.due_at_ms - NOW_MS, 1);
}

static void age_ends_everything(void **state)
{
    (void) state;
    const struct event_config config = {.has_age_max = true, .age_max_s = 60};
    struct event_row row = {.accepted_at_ms = NOW_MS - 59 * 1000};
    assert_false(event_is_expired(&row, &config, NOW_MS));
    assert_false(judge(&row, &config, EVENT_FUNCTION_ERROR).is_over);
    assert_int_equal(row.due_at_ms, NOW_MS + 1000); /* not a minute: it is found expired then */
    assert_true(event_is_expired(&row, &config, row.due_at_ms));
    assert_false(event_is_expired(&row, &none, row.due_at_ms));
    assert_true(event_is_expired(&row, &none, row.accepted_at_ms + 6 * 3600 * 1000));
    assert_string_equal(judge(&row, &config, EVENT_EXPIRED).dropped, "EventAgeExceeded");
    assert_string_equal(judge(&row, &config, EVENT_ORPHANED).dropped, "FunctionDeleted");
    assert_string_equal(judge(&row, &config, EVENT_FORBIDDEN).dropped, "ZeroReservedConcurrency");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_retries_after_errors),
        cmocka_unit_test(the_function_may_want_fewer),
        cmocka_unit_test(throttles_wait_longer_and_do_not_count),
        cmocka_unit_test(age_ends_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
