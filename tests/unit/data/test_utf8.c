#include "test.h"

#include "data/utf8.h"

static void accepts_every_length(void **state)
{
    (void) state;
    static const struct {
        const char *text;
        uint32_t cp;
    } cases[] = {{"A", 'A'},
                 {"\xC2\x80", 0x80},
                 {"\xDF\xBF", 0x7FF},
                 {"\xE0\xA0\x80", 0x800},
                 {"\xED\x9F\xBF", 0xD7FF},
                 {"\xEE\x80\x80", 0xE000},
                 {"\xEF\xBF\xBF", 0xFFFF},
                 {"\xF0\x90\x80\x80", 0x10000},
                 {"\xF4\x8F\xBF\xBF", 0x10FFFF}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t cp = 0;
        struct str text = str_from(cases[i].text);
        assert_int_equal(utf8_next(text, &cp), text.len);
        assert_int_equal(cp, cases[i].cp);
        assert_true(utf8_is_valid(text));
        assert_int_equal(utf8_count(text), 1);
        char put[4];
        assert_int_equal(utf8_put(put, cp), text.len);
        assert_memory_equal(put, text.ptr, text.len);
    }
}

static void refuses_broken_forms(void **state)
{
    (void) state;
    static const char *const cases[] = {"\x80",
                                        "\xBF",
                                        "\xC0\x80",
                                        "\xC1\xBF",
                                        "\xC2",
                                        "\xC2\x41",
                                        "\xE0\x80\x80",
                                        "\xE0\x9F\xBF",
                                        "\xED\xA0\x80",
                                        "\xED\xBF\xBF",
                                        "\xE2\x82",
                                        "\xE2\x28\xA1",
                                        "\xF0\x80\x80\x80",
                                        "\xF0\x8F\xBF\xBF",
                                        "\xF4\x90\x80\x80",
                                        "\xF0\x9F\x98",
                                        "\xF5\x80\x80",
                                        "\xFE",
                                        "\xFF",
                                        "\xE2\x82\xC2"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint32_t cp = 7;
        assert_int_equal(utf8_next(str_from(cases[i]), &cp), 0);
        assert_int_equal(cp, 7);
        assert_false(utf8_is_valid(str_from(cases[i])));
    }
}

static void finds_the_fault_at_any_distance(void **state)
{
    (void) state;
    char text[40];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        memset(text, 'x', sizeof text);
        assert_true(utf8_is_valid(str_of(text, sizeof text)));
        text[bad] = (char) 0x80;
        assert_false(utf8_is_valid(str_of(text, sizeof text)));
    }
    assert_true(utf8_is_valid(STR("")));
    assert_true(utf8_is_valid(STR_NONE));
}

static void counts_code_points(void **state)
{
    (void) state;
    assert_int_equal(utf8_count(STR("")), 0);
    assert_int_equal(utf8_count(STR("na\xC3\xAFve \xF0\x9F\x98\x80")), 7);
}

/* Every code point survives the way there and back; surrogates have no form. */
static void round_trip_of_all(void **state)
{
    (void) state;
    for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
        if (cp >= 0xD800 && cp <= 0xDFFF)
            continue;
        char bytes[4];
        uint32_t back = 0;
        size_t n = utf8_put(bytes, cp);
        if (utf8_next(str_of(bytes, n), &back) != n || back != cp)
            fail_msg("U+%04X came back as U+%04X", cp, back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_every_length),
        cmocka_unit_test(refuses_broken_forms),
        cmocka_unit_test(finds_the_fault_at_any_distance),
        cmocka_unit_test(counts_code_points),
        cmocka_unit_test(round_trip_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
