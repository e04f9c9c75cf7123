#include "test.h"

#include "os/random.h"

static void the_seeded_generator_is_splitmix64(void **state)
{
    (void) state;
    /* The reference output for seed 1234567, from Vigna's splitmix64.c. */
    const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
                                 4593380528125082431u, 16408922859458223821u};
    struct rng_seeded rng;
    rng_seeded_init(&rng, 1234567);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_true(rng_u64(&rng.rng) == expected[i]);
}

static void bounded_numbers_reach_every_value_and_no_other(void **state)
{
    (void) state;
    struct rng_seeded rng;
    rng_seeded_init(&rng, 7);
    unsigned seen[5] = {0};
    for (int i = 0; i < 5000; i++) {
        uint64_t value = rng_below(&rng.rng, 5);
        assert_true(value < 5);
        seen[value]++;
    }
    for (size_t i = 0; i < 5; i++)
        assert_in_range(seen[i], 850, 1150);
    assert_int_equal(rng_below(&rng.rng, 1), 0);
    assert_true(rng_below(&rng.rng, UINT64_MAX) < UINT64_MAX);
}

static void every_size_is_filled_whole(void **state)
{
    (void) state;
    char bytes[1000];
    for (size_t size = 0; size < 100; size++) {
        memset(bytes, 0, sizeof bytes);
        /* A byte that stays zero in 20 draws was not written (chance 2^-160). */
        bool was_set[100] = {false};
        for (int draw = 0; draw < 20; draw++) {
            rng_fill(&rng_real, bytes, size);
            for (size_t i = 0; i < size; i++)
                was_set[i] = was_set[i] || bytes[i] != 0;
        }
        for (size_t i = 0; i < size; i++)
            assert_true(was_set[i]);
        assert_int_equal(bytes[size], 0);
    }
    assert_true(rng_u64(&rng_real) != rng_u64(&rng_real));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seeded_generator_is_splitmix64),
        cmocka_unit_test(bounded_numbers_reach_every_value_and_no_other),
        cmocka_unit_test(every_size_is_filled_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
