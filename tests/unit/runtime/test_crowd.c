/* The limit of instances that run at once, against CPUs that the test makes up. */
#include "test.h"

#include "runtime/crowd.h"

#include <limits.h>

struct machine {
    struct crowd_cpus cpus;
    int64_t now_us;
    struct crowd_use use;
};

static void look(struct machine *m, int64_t idle_percent, int64_t loop_percent)
{
    m->now_us += CROWD_LOOK_US;
    assert_true(crowd_is_due(&m->cpus, m->now_us));
    m->use.idle_us += CROWD_LOOK_US * m->cpus.count * idle_percent / 100;
    m->use.loop_us += CROWD_LOOK_US * loop_percent / 100;
    crowd_look(&m->cpus, m->now_us, m->use);
    assert_false(crowd_is_due(&m->cpus, m->now_us + CROWD_LOOK_US - 1));
}

static void machine_init(struct machine *m, unsigned cpus)
{
    *m = (struct machine){.now_us = 1000000, .use = {.idle_us = 5000}};
    crowd_cpus_init(&m->cpus, cpus);
    look(m, 0, 0); /* the first says nothing */
    assert_int_equal(m->cpus.verdict, CROWD_SPARE);
}

/* A function whose runs take that long. */
static unsigned limit_of(struct crowd *crowd, struct machine *m, unsigned busy, int64_t run_us)
{
    crowd_ran(crowd, run_us);
    return crowd_limit(crowd, &m->cpus, busy);
}

static void verdicts(void **state)
{
    (void) state;
    struct machine m;
    machine_init(&m, 4);
    const struct {
        int64_t idle, loop;
        enum crowd_verdict verdict;
    } cases[] = {{0, 0, CROWD_FULL},   {14, 0, CROWD_FULL},   {16, 0, CROWD_EVEN},
                 {25, 0, CROWD_EVEN},  {26, 0, CROWD_SPARE},  {100, 0, CROWD_SPARE},
                 {60, 91, CROWD_FULL}, {60, 89, CROWD_SPARE}, {60, 0, CROWD_SPARE}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        look(&m, cases[i].idle, cases[i].loop);
        assert_int_equal(m.cpus.verdict, cases[i].verdict);
    }
}

static void the_limit_follows_the_cpus(void **state)
{
    (void) state;
    struct machine m;
    struct crowd crowd;
    machine_init(&m, 2);
    crowd_init(&crowd);
    assert_int_equal(limit_of(&crowd, &m, 64, 100), UINT_MAX);
    static const unsigned falling[] = {32, 16, 8, 4, 2, 2};
    unsigned busy = 64;
    for (size_t i = 0; i < ARRAY_LEN(falling); i++) {
        look(&m, 5, 0);
        assert_int_equal(limit_of(&crowd, &m, busy, 100), falling[i]);
        assert_int_equal(limit_of(&crowd, &m, 50, 100), falling[i]); /* once a turn */
        busy = falling[i];
    }
    look(&m, 20, 0);
    assert_int_equal(limit_of(&crowd, &m, 2, 100), 2); /* neither full nor idle */
    static const unsigned rising[] = {4, 7, 11, 17};
    for (size_t i = 0; i < ARRAY_LEN(rising); i++) {
        look(&m, 50, 0);
        assert_int_equal(limit_of(&crowd, &m, busy, 100), rising[i]);
        busy = rising[i];
    }
    look(&m, 50, 0); /* far more than it uses */
    assert_int_equal(limit_of(&crowd, &m, 2, 100), UINT_MAX);
}

static void long_functions_are_left_alone(void **state)
{
    (void) state;
    struct machine m;
    struct crowd crowd;
    machine_init(&m, 2);
    crowd_init(&crowd);
    look(&m, 0, 0);
    assert_int_equal(crowd_limit(&crowd, &m.cpus, 9), UINT_MAX); /* nobody knows it yet */
    assert_int_equal(limit_of(&crowd, &m, 9, CROWD_SHORT_US), UINT_MAX);
    assert_int_equal(limit_of(&crowd, &m, 9, 100), 4);
    look(&m, 0, 0);
    assert_int_equal(crowd_limit(&crowd, &m.cpus, 9), 2); /* as before, while nothing is heard */
    assert_int_equal(limit_of(&crowd, &m, 9, CROWD_SHORT_US), UINT_MAX); /* it has changed */
    look(&m, 0, 0);
    assert_int_equal(crowd_limit(&crowd, &m.cpus, 9), UINT_MAX);
}

static void unknown_idle_time_limits_nothing(void **state)
{
    (void) state;
    struct machine m;
    struct crowd crowd;
    machine_init(&m, 2);
    crowd_init(&crowd);
    look(&m, 0, 0);
    assert_int_equal(limit_of(&crowd, &m, 9, 100), 4);
    m.use.idle_us = -1;
    crowd_look(&m.cpus, m.now_us += CROWD_LOOK_US, m.use);
    assert_int_equal(m.cpus.verdict, CROWD_SPARE);
    m.use.idle_us = -1;
    crowd_look(&m.cpus, m.now_us += CROWD_LOOK_US, m.use);
    assert_int_equal(m.cpus.verdict, CROWD_SPARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(the_limit_follows_the_cpus),
        cmocka_unit_test(long_functions_are_left_alone),
        cmocka_unit_test(unknown_idle_time_limits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
