/* A limit that threads share: never passed, and all of it of use. */
#include "test.h"

#include "core/quota.h"

#include <pthread.h>

static void a_limit_holds_and_is_wholly_of_use(void **state)
{
    (void) state;
    struct quotas *quotas = quotas_new(3);
    struct quota *a = quotas_find(quotas, STR("a")), *b = quotas_find(quotas, STR("b"));
    assert_ptr_equal(quotas_find(quotas, STR("a")), a);
    for (int i = 0; i < 3; i++)
        assert_true(quota_take(a));
    assert_false(quota_take(a));
    assert_true(quota_take(b)); /* a limit each */
    quota_give(a);
    assert_true(quota_take(a));
    for (int i = 0; i < 3; i++)
        quota_give(a);
    quota_give(b);
    quotas_free(quotas);
    quotas_free(NULL);
}

static void what_is_kept_is_nobody_elses(void **state)
{
    (void) state;
    struct quotas *quotas = quotas_new(5);
    struct quota *quota = quotas_find(quotas, STR("a"));
    for (int i = 0; i < 4; i++)
        assert_true(quota_take(quota));
    quota_keep(quota, 3); /* two of them are in use: they come back one by one */
    assert_int_equal(quota_kept(quota), 3);
    quota_give(quota);
    quota_give(quota);
    assert_false(quota_take(quota));
    quota_keep(quota, -1);
    assert_true(quota_take(quota));
    assert_false(quota_take(quota));
    assert_int_equal(quota_used(quota), 3);
    quota_keep(quota, -2);
    for (int i = 0; i < 3; i++)
        quota_give(quota);
    quotas_free(quotas);
}

enum { THREADS = 4, LIMIT = 3, ROUNDS = 20000 };

struct shared {
    struct quotas *quotas;
    int64_t inside, inside_max, refused; /* atomic */
};

static void *take_and_give(void *arg)
{
    struct shared *shared = arg;
    struct quota *quota = quotas_find(shared->quotas, STR("one of all"));
    for (int i = 0; i < ROUNDS; i++) {
        if (!quota_take(quota)) {
            __atomic_add_fetch(&shared->refused, 1, __ATOMIC_RELAXED);
            continue;
        }
        int64_t inside = __atomic_add_fetch(&shared->inside, 1, __ATOMIC_RELAXED);
        int64_t most = __atomic_load_n(&shared->inside_max, __ATOMIC_RELAXED);
        while (inside > most &&
               !__atomic_compare_exchange_n(&shared->inside_max, &most, inside, true,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            ;
        __atomic_sub_fetch(&shared->inside, 1, __ATOMIC_RELAXED);
        quota_give(quota);
    }
    return NULL;
}

static void threads_never_pass_it_together(void **state)
{
    (void) state;
    struct shared shared = {.quotas = quotas_new(LIMIT)};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &shared), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_in_range(shared.inside_max, 1, LIMIT);
    assert_int_equal(quota_used(quotas_find(shared.quotas, STR("one of all"))), 0);
    quotas_free(shared.quotas); /* asserts that all came back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_limit_holds_and_is_wholly_of_use),
        cmocka_unit_test(what_is_kept_is_nobody_elses),
        cmocka_unit_test(threads_never_pass_it_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
