#include "test.h"

#include "net/range.h"

static void ranges(void **state)
{
    (void) state;
    static const struct {
        const char *header;
        uint64_t size;
        enum range_verdict verdict;
        const char *expected; /* Content-Range of each, joined by blanks */
    } cases[] = {
        {NULL, 1000, RANGE_NONE, ""},
        {"bytes=0-99", 1000, RANGE_PARTIAL, "bytes 0-99/1000 "},
        {"Bytes=0-99", 1000, RANGE_PARTIAL, "bytes 0-99/1000 "},
        {"bytes=900-", 1000, RANGE_PARTIAL, "bytes 900-999/1000 "},
        {"bytes=-20", 1000, RANGE_PARTIAL, "bytes 980-999/1000 "},
        {"bytes=-2000", 1000, RANGE_PARTIAL, "bytes 0-999/1000 "},
        {"bytes=990-2000", 1000, RANGE_PARTIAL, "bytes 990-999/1000 "},
        {"bytes=0-0,-1", 1000, RANGE_PARTIAL, "bytes 0-0/1000 bytes 999-999/1000 "},
        {"bytes= 5-6 , 1-2", 1000, RANGE_PARTIAL, "bytes 5-6/1000 bytes 1-2/1000 "},
        {"bytes=,0-1,,", 1000, RANGE_PARTIAL, "bytes 0-1/1000 "},
        {"bytes=1000-,0-1", 1000, RANGE_PARTIAL, "bytes 0-1/1000 "},
        {"bytes=0-99999999999999999999", 1000, RANGE_PARTIAL, "bytes 0-999/1000 "},
        {"bytes=1000-", 1000, RANGE_UNSATISFIABLE, ""},
        {"bytes=99999999999999999999-", 1000, RANGE_UNSATISFIABLE, ""},
        {"bytes=-0", 1000, RANGE_UNSATISFIABLE, ""},
        {"bytes=0-", 0, RANGE_UNSATISFIABLE, ""},
        {"bytes=-1", 0, RANGE_UNSATISFIABLE, ""},
        {"bytes=5-4", 1000, RANGE_NONE, ""},
        {"bytes=-", 1000, RANGE_NONE, ""},
        {"bytes=", 1000, RANGE_NONE, ""},
        {"bytes=a-b", 1000, RANGE_NONE, ""},
        {"bytes=1", 1000, RANGE_NONE, ""},
        {"bytes=1-2-3", 1000, RANGE_NONE, ""},
        {"bytes=0-1,x", 1000, RANGE_NONE, ""},
        {"items=0-1", 1000, RANGE_NONE, ""},
        {"bytes=0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0,0-0", 1000,
         RANGE_NONE, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct byte_range out[RANGES_MAX];
        size_t count = 99;
        enum range_verdict verdict =
            range_parse(str_from(cases[i].header), cases[i].size, out, &count);
        AUTO_BUF struct buf text;
        buf_init(&text, 4096);
        for (size_t k = 0; verdict == RANGE_PARTIAL && k < count; k++) {
            range_put_content_range(&text, out[k], cases[i].size);
            buf_put_char(&text, ' ');
        }
        if (verdict != cases[i].verdict)
            fail_msg("%s: verdict %d", cases[i].header, verdict);
        assert_str(buf_str(&text), cases[i].expected);
    }
}

static void conditions_and_refusals(void **state)
{
    (void) state;
    assert_true(range_condition_holds(STR_NONE, STR("\"a\"")));
    assert_true(range_condition_holds(STR("\"a\""), STR("\"a\"")));
    assert_false(range_condition_holds(STR("\"b\""), STR("\"a\"")));
    assert_false(range_condition_holds(STR("W/\"a\""), STR("W/\"a\"")));
    assert_false(range_condition_holds(STR("Fri, 20 Nov 2026 21:40:00 GMT"), STR("\"a\"")));
    AUTO_BUF struct buf text;
    buf_init(&text, 100);
    range_put_unsatisfied(&text, 1000);
    assert_str(buf_str(&text), "bytes */1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(conditions_and_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
