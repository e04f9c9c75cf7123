#include "test.h"

#include "data/time.h"

#include <errno.h>

static const int64_t sample_ms = INT64_C(1795210800123); /* 2026-11-20T21:40:00.123Z */

static void text_forms(void **state)
{
    (void) state;
    AUTO_BUF struct buf out;
    buf_init(&out, 200);
    time_put_iso8601(&out, sample_ms, false);
    assert_str(buf_str(&out), "2026-11-20T21:40:00Z");
    buf_reset(&out);
    time_put_iso8601(&out, sample_ms, true);
    assert_str(buf_str(&out), "2026-11-20T21:40:00.123Z");
    buf_reset(&out);
    time_put_lambda(&out, sample_ms);
    assert_str(buf_str(&out), "2026-11-20T21:40:00.123+0000");
    buf_reset(&out);
    time_put_http(&out, sample_ms);
    assert_str(buf_str(&out), "Fri, 20 Nov 2026 21:40:00 GMT");
    buf_reset(&out);
    time_put_iso8601(&out, -1, true);
    assert_str(buf_str(&out), "1969-12-31T23:59:59.999Z");
    buf_reset(&out);
    time_put_iso8601(&out, INT64_MAX, true);
    assert_str(buf_str(&out), "292278994-08-17T07:12:55.807Z");
}

/* Every day from 1600 to 2400, counted along. */
static void calendar(void **state)
{
    (void) state;
    static const int lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = -135140; /* 1600-01-01, a Saturday */
    int weekday = 6;
    for (int year = 1600; year < 2400; year++) {
        bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        for (int month = 1; month <= 12; month++) {
            int length = lengths[month - 1] + (month == 2 && is_leap);
            for (int d = 1; d <= length; d++, day++, weekday = (weekday + 1) % 7) {
                struct civil t;
                time_civil(day * 86400000 + 86399999, &t);
                if (t.year != year || t.month != month || t.day != d || t.weekday != weekday)
                    fail_msg("%d-%d-%d came out as %d-%d-%d", year, month, d, (int) t.year, t.month,
                             t.day);
                assert_true(t.hour == 23 && t.minute == 59 && t.second == 59 && t.ms == 999);
                assert_true(time_utc_ms(&t) == day * 86400000 + 86399999);
            }
        }
    }
}

static void iso8601(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"1970-01-01T00:00:00Z", 0},
                {"2026-11-20T21:40:00.123Z", INT64_C(1795210800123)},
                {"2026-11-20t21:40:00.1z", INT64_C(1795210800100)},
                {"2026-11-20T21:40:00.123999999999999999999Z", INT64_C(1795210800123)},
                {"2026-11-20T23:40:00.123+02:00", INT64_C(1795210800123)},
                {"2026-11-20T16:10:00.123-05:30", INT64_C(1795210800123)},
                {"1969-12-31T23:59:59.5-00:00", -500},
                {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
                {"2017-01-01T05:29:60+05:30", INT64_C(1483228800000)},
                {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
                {"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
                {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = 7;
        assert_ok(time_parse_iso8601(str_from(good[i].text), &ms));
        if (ms != good[i].ms)
            fail_msg("%s read as %lld", good[i].text, (long long) ms);
    }
    static const char *const bad[] = {"",
                                      "2026-11-20",
                                      "2026-11-20T21:40:00",
                                      "2026-11-20T21:40Z",
                                      "2026-11-20T21:40:00.Z",
                                      "2026-11-20T21:40:00,1Z",
                                      "2026-11-20T24:00:00Z",
                                      "2026-11-20T21:60:00Z",
                                      "2026-11-20T21:40:60Z",
                                      "2026-11-20T21:40:61Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-00-01T00:00:00Z",
                                      "2026-11-31T00:00:00Z",
                                      "2026-11-00T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "1900-02-29T00:00:00Z",
                                      "2026-11-20T21:40:00+0000",
                                      "2026-11-20T21:40:00+24:00",
                                      "2026-11-20T21:40:00+02:60",
                                      "2026-11-20T21:40:00ZZ",
                                      "2026-11-20 21:40:00Z",
                                      " 2026-11-20T21:40:00Z",
                                      "+2026-11-20T21:40:00Z",
                                      "0000-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01",
                                      "20261120T214000Z"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = 7;
        if (time_parse_iso8601(str_from(bad[i]), &ms) != -EINVAL || ms != 7)
            fail_msg("\"%s\" was accepted", bad[i]);
    }
}

static void http_dates(void **state)
{
    (void) state;
    int64_t ms = 7;
    assert_ok(time_parse_http(STR("Fri, 20 Nov 2026 21:40:00 GMT"), &ms));
    assert_true(ms == sample_ms - 123);
    assert_ok(time_parse_http(STR("Fri, 20 Nov 2026 21:40:00.123 GMT"), &ms));
    assert_true(ms == sample_ms);
    static const char *const bad[] = {"",
                                      "Friday, 20-Nov-26 21:40:00 GMT",
                                      "Fri Nov 20 21:40:00 2026",
                                      "Fri, 20 Nov 2026 21:40:00",
                                      "Fri, 20 Nov 2026 21:40:00 UTC",
                                      "Fri, 20 Nov 2026 21:40:00 GMT ",
                                      "fri, 20 nov 2026 21:40:00 GMT",
                                      "Fri, 31 Nov 2026 21:40:00 GMT",
                                      "Fri, 20 Nov 2026 24:40:00 GMT",
                                      "Fri, 2 Nov 2026 21:40:00 GMT"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(time_parse_http(str_from(bad[i]), &ms), -EINVAL);
    assert_true(ms == sample_ms);
}

static void epoch_seconds(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},
                {"-0.0", 0},
                {"1515531081", INT64_C(1515531081000)},
                {"1515531081.123", INT64_C(1515531081123)},
                {"1515531081.122999907", INT64_C(1515531081123)},
                {"1515531081.1234", INT64_C(1515531081123)},
                {"1515531081.1235", INT64_C(1515531081124)},
                {"1.5e9", INT64_C(1500000000000)},
                {"1.515531081123E+9", INT64_C(1515531081123)},
                {"1515531081123e-3", INT64_C(1515531081123)},
                {"-0.5", -500},
                {"0.0004", 0},
                {"1e-300", 0},
                {"0e999999999999", 0},
                {"0.00000000000000000000000000000000015e43", INT64_C(1500000000000)},
                {"1515531081.00000000000000000000000000000000001", INT64_C(1515531081000)},
                {"253402300799.999", INT64_C(253402300799999)},
                {"-62167219200", INT64_C(-62167219200000)}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = 7;
        assert_ok(time_parse_epoch(str_from(good[i].text), &ms));
        if (ms != good[i].ms)
            fail_msg("%s read as %lld", good[i].text, (long long) ms);
    }
    static const char *const bad[] = {"",    "-",    ".5",    "5.",  "1e",
                                      "1e+", "1.e5", "+1",    " 1",  "1 ",
                                      "0x1", "NaN",  "1e5.5", "--1", "2026-11-20T21:40:00Z"};
    int64_t ms = 7;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(time_parse_epoch(str_from(bad[i]), &ms), -EINVAL);
    static const char *const far[] = {"253402300800", "-62167219201",      "1e300",
                                      "-1e999999999", "99999999999999999", "18446744073709551616"};
    for (size_t i = 0; i < ARRAY_LEN(far); i++)
        assert_int_equal(time_parse_epoch(str_from(far[i]), &ms), -ERANGE);
    assert_true(ms == 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_forms), cmocka_unit_test(calendar),      cmocka_unit_test(iso8601),
        cmocka_unit_test(http_dates), cmocka_unit_test(epoch_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
