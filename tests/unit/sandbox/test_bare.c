#include "test.h"

#include "base/str.h"
#include "sandbox/bare.h"

static void fields_of_a_status_are_summed(void **state)
{
    (void) state;
    static const char *const names[] = {"RssAnon", "VmSwap", NULL};
    struct str text = STR("Name:\tRssAnon: 7 kB\nVmSwap:\t       2 kB\nRssAnon:\t    1000 kB\n"
                          "RssAnonymous:\t 5 kB\nRssFile:\t 3 kB\n");
    assert_int_equal(bare_fields_sum(text, names), 1002 * 1024);
    assert_int_equal(bare_fields_sum(STR(""), names), 0);
    assert_int_equal(bare_fields_sum(STR("RssAnon:\nRssAnon: x kB\nRssAnon\nVmSwap: 1"), names),
                     1024);
    /* A number that no memory has, and one that would not fit in bytes. */
    assert_int_equal(bare_fields_sum(STR("RssAnon: 18446744073709551615 kB\n"), names), 0);
}

static void the_next_look_comes_before_the_limit_can(void **state)
{
    (void) state;
    const uint64_t mb = 1 << 20;
    assert_int_equal(bare_interval_us(0, 10240 * mb), 100000); /* far away: now and then */
    assert_int_equal(bare_interval_us(96 * mb, 128 * mb), 32 * mb / 1000);
    assert_int_equal(bare_interval_us(127 * mb, 128 * mb), 5000); /* near: as often as may be */
    assert_int_equal(bare_interval_us(200 * mb, 128 * mb), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_a_status_are_summed),
        cmocka_unit_test(the_next_look_comes_before_the_limit_can),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
