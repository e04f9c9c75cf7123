/* The rules of src/os/userns.c; entering is tested by tests/api/test_rootless.py. */
#include "test.h"

#include "os/userns.h"

static void a_range_is_found_by_name_or_number(void **state)
{
    (void) state;
    struct str file = STR("# comment\n"
                          "anna:100000:65536\n"
                          "bert:165536:1000\n"
                          "1002:231072:65535\n"
                          "bert:300000:65536\n"
                          "broken:1\nbroken:x:65536\n");
    uint64_t first = 0;
    assert_true(userns_range_find(file, STR("anna"), 1000, 65535, &first));
    assert_int_equal(first, 100000);
    assert_true(userns_range_find(file, STR("bert"), 1001, 65535, &first)); /* the first is small */
    assert_int_equal(first, 300000);
    assert_true(userns_range_find(file, STR("carl"), 1002, 65535, &first));
    assert_int_equal(first, 231072);
    assert_false(userns_range_find(file, STR("dora"), 1003, 1, &first));
    assert_false(userns_range_find(file, STR("broken"), 1004, 1, &first));
    assert_false(userns_range_find(STR(""), STR("anna"), 1000, 1, &first));
}

static void a_map_says_how_many_ids_exist(void **state)
{
    (void) state;
    assert_int_equal(userns_map_count(STR("         0          0 4294967295\n")), 4294967295);
    assert_int_equal(userns_map_count(STR("         0       1000          1\n"
                                          "         1     100000      65535\n")),
                     65536);
    assert_int_equal(userns_map_count(STR("0 1000 1\n5 100000 65535\n")), 1); /* a gap */
    assert_int_equal(userns_map_count(STR("1000 1000 1\n")), 0);
    assert_int_equal(userns_map_count(STR("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_found_by_name_or_number),
        cmocka_unit_test(a_map_says_how_many_ids_exist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
