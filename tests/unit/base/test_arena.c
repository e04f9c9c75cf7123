#include "test.h"

#include "base/arena.h"

static void client_sizes_stop_at_the_limit(void **state)
{
    (void) state;
    AUTO_ARENA struct arena a;
    arena_init(&a, 10000);
    assert_non_null(arena_try(&a, 9000));
    assert_null(arena_try(&a, 2000));
    assert_null(arena_try_array(&a, SIZE_MAX / 2, 4));
    assert_null(arena_str(&a, str_of("x", 5000)).ptr);
    /* Small fixed sizes still work, and the arena says that it is over. */
    assert_non_null(arena_alloc(&a, 2000));
    assert_true(arena_is_over(&a));
}

static void memory_is_zeroed_after_a_reset_too(void **state)
{
    (void) state;
    AUTO_ARENA struct arena a;
    arena_init(&a, 1 << 20);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100; i++) {
            unsigned char *p = arena_alloc(&a, 700);
            assert_int_equal((uintptr_t) p % 16, 0);
            for (int k = 0; k < 700; k++)
                assert_int_equal(p[k], 0);
            memset(p, 0xaa, 700);
        }
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
}

static void text(void **state)
{
    (void) state;
    AUTO_ARENA struct arena a;
    arena_init(&a, 1000);
    assert_str(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
    struct str copy = arena_str(&a, STR("abc"));
    assert_str(copy, "abc");
    assert_int_equal(copy.ptr[3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_sizes_stop_at_the_limit),
        cmocka_unit_test(memory_is_zeroed_after_a_reset_too),
        cmocka_unit_test(text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
