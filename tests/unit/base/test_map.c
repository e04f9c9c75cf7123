#include "test.h"

#include "base/map.h"

enum { KEYS = 2000 };

static void behaves_like_a_plain_array(void **state)
{
    (void) state;
    static char names[KEYS][12];
    static bool is_in[KEYS];
    struct map map;
    map_init(&map);
    uint64_t seed = 42;
    size_t count = 0;
    for (int step = 0; step < 100000; step++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        size_t k = (size_t) (seed >> 33) % KEYS;
        (void) snprintf(names[k], sizeof names[k], "key-%zu", k);
        struct str key = str_from(names[k]);
        if ((seed >> 20) % 3 != 0) {
            assert_ptr_equal(map_put(&map, key, &names[k]), is_in[k] ? &names[k] : NULL);
            count += !is_in[k];
            is_in[k] = true;
        } else {
            assert_ptr_equal(map_remove(&map, key), is_in[k] ? &names[k] : NULL);
            count -= is_in[k];
            is_in[k] = false;
        }
        assert_int_equal(map.len, count);
    }
    size_t at = 0, seen = 0;
    struct str key;
    void *value;
    while ((value = map_next(&map, &at, &key)) != NULL) {
        assert_ptr_equal(map_find(&map, key), value);
        seen++;
    }
    assert_int_equal(seen, count);
    map_done(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(behaves_like_a_plain_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
