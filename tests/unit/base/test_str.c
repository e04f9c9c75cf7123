#include "test.h"

#include <errno.h>

static void splits_keep_empty_parts(void **state)
{
    (void) state;
    struct str rest = STR("a,,b"), part;
    assert_true(str_split(&rest, ',', &part));
    assert_str(part, "a");
    assert_true(str_split(&rest, ',', &part));
    assert_str(part, "");
    assert_true(str_split(&rest, ',', &part));
    assert_str(part, "b");
    assert_false(str_split(&rest, ',', &part));
}

static void numbers_are_strict(void **state)
{
    (void) state;
    uint64_t u = 7;
    assert_int_equal(parse_u64(STR(""), UINT64_MAX, &u), -EINVAL);
    assert_int_equal(parse_u64(STR(" 1"), UINT64_MAX, &u), -EINVAL);
    assert_int_equal(parse_u64(STR("+1"), UINT64_MAX, &u), -EINVAL);
    assert_int_equal(parse_u64(STR("18446744073709551616"), UINT64_MAX, &u), -ERANGE);
    assert_int_equal(parse_u64(STR("11"), 10, &u), -ERANGE);
    assert_int_equal(u, 7);
    assert_ok(parse_u64(STR("18446744073709551615"), UINT64_MAX, &u));
    assert_true(u == UINT64_MAX);

    int64_t i;
    assert_ok(parse_i64(STR("-9223372036854775808"), INT64_MIN, INT64_MAX, &i));
    assert_true(i == INT64_MIN);
    assert_int_equal(parse_i64(STR("-"), INT64_MIN, INT64_MAX, &i), -EINVAL);
    assert_int_equal(parse_i64(STR("9223372036854775808"), INT64_MIN, INT64_MAX, &i), -ERANGE);
}

static void searching_and_trimming(void **state)
{
    (void) state;
    assert_int_equal(str_find(STR("abc"), 'c'), 2);
    assert_int_equal(str_find(STR("abc"), 'x'), 3);
    assert_int_equal(str_find_str(STR("abcabd"), STR("abd")), 3);
    assert_str(str_trim(STR(" \t a b \t")), "a b");
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("content-length")));
    assert_true(str_eq_secret(STR("abc"), STR("abc")));
    assert_false(str_eq_secret(STR("abc"), STR("abd")));
    assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(splits_keep_empty_parts),
        cmocka_unit_test(numbers_are_strict),
        cmocka_unit_test(searching_and_trimming),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
