/* How many starts are under way at once, against CPUs that the test makes up. */
#include "test.h"

#include "runtime/gate.h"

enum { CPUS = 2, NARROW = CPUS * GATE_STARTS_PER_CPU };

struct machine {
    struct gate gate;
    int64_t now_us, idle_us;
};

static struct machine shut(void)
{
    struct machine m = {.now_us = 1000000, .idle_us = 5000};
    gate_init(&m.gate, CPUS);
    gate_shut(&m.gate, m.now_us, (struct crowd_use){.idle_us = m.idle_us});
    return m;
}

static void look(struct machine *m, int64_t idle_percent)
{
    m->now_us += GATE_LOOK_US;
    m->idle_us += (int64_t) GATE_LOOK_US * CPUS * idle_percent / 100;
    gate_look(&m->gate, m->now_us, (struct crowd_use){.idle_us = m->idle_us});
}

static void lets_in_a_few_for_each_cpu(void **state)
{
    (void) state;
    struct machine m = shut();
    assert_true(gate_lets_in(&m.gate, NARROW - 1));
    assert_false(gate_lets_in(&m.gate, NARROW));
}

static void widens_twofold_while_cpus_have_time(void **state)
{
    (void) state;
    struct machine m = shut();
    look(&m, 60);
    assert_int_equal(m.gate.width, 2 * NARROW);
    look(&m, 100);
    assert_int_equal(m.gate.width, 4 * NARROW);
    for (int i = 0; i < 64; i++)
        look(&m, 100);
    assert_true(gate_lets_in(&m.gate, 1000 * 1000));
}

static void widens_a_little_on_full_cpus(void **state)
{
    (void) state;
    struct machine m = shut();
    look(&m, 0);
    look(&m, 20);
    assert_int_equal(m.gate.width, NARROW + 2 * CPUS);
}

static void is_narrow_again_when_nobody_waits(void **state)
{
    (void) state;
    struct machine m = shut();
    look(&m, 100);
    gate_open(&m.gate);
    assert_int_equal(m.gate.width, NARROW);
    m.now_us += 1000 * 1000; /* what the CPUs did in between says nothing */
    m.idle_us += 2 * 1000 * 1000;
    gate_shut(&m.gate, m.now_us, (struct crowd_use){.idle_us = m.idle_us});
    look(&m, 0);
    assert_int_equal(m.gate.width, NARROW + CPUS);
}

static void only_delays_where_idle_time_is_unknown(void **state)
{
    (void) state;
    struct gate gate;
    gate_init(&gate, CPUS);
    gate_shut(&gate, 1000, (struct crowd_use){.idle_us = -1});
    gate_look(&gate, 1000 + GATE_LOOK_US, (struct crowd_use){.idle_us = -1});
    assert_int_equal(gate.width, 2 * NARROW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_in_a_few_for_each_cpu),
        cmocka_unit_test(widens_twofold_while_cpus_have_time),
        cmocka_unit_test(widens_a_little_on_full_cpus),
        cmocka_unit_test(is_narrow_again_when_nobody_waits),
        cmocka_unit_test(only_delays_where_idle_time_is_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
