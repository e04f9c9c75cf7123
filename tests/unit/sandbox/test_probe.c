#include "test.h"

#include "sandbox/probe.h"

static void kernels_are_judged_by_their_number(void **state)
{
    (void) state;
    static const char *const good[] = {
        "5.14.0", "5.15.0-91-generic", "6.1.0-18-amd64", "6.18.44", "10.0", "5.14"};
    static const char *const old[] = {"5.13.19", "5.4.0-150", "4.19.0", "3.10.0-1160.el7", "5.9"};
    static const char *const odd[] = {"", "6", "six.one", "5.", "99999999999.1", ".5"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(probe_kernel_level(good[i]), PROBE_GOOD);
    for (size_t i = 0; i < ARRAY_LEN(old); i++)
        assert_int_equal(probe_kernel_level(old[i]), PROBE_MISSING);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        assert_int_equal(probe_kernel_level(odd[i]), PROBE_WEAK);
}

static void machines_and_space_are_judged(void **state)
{
    (void) state;
    assert_int_equal(probe_machine_level("x86_64"), PROBE_GOOD);
    assert_int_equal(probe_machine_level("aarch64"), PROBE_WEAK);
    assert_int_equal(probe_machine_level("i686"), PROBE_MISSING);
    assert_int_equal(probe_space_level(0), PROBE_MISSING);
    assert_int_equal(probe_space_level(1ULL << 30), PROBE_WEAK);
    assert_int_equal(probe_space_level(100ULL << 30), PROBE_GOOD);
}

static void every_item_is_whole(void **state)
{
    (void) state;
    const struct probe_config config = {
        .data_dir = "/var/lib/virga/not/yet/there", .slot_count = 16, .pool_max = 2};
    struct probe probe;
    probe_run(&config, &probe);
    assert_true(probe.count > 15);
    enum probe_level worst = PROBE_GOOD;
    for (size_t i = 0; i < probe.count; i++) {
        assert_true(probe.items[i].found[0] != '\0');
        assert_int_equal(probe.items[i].advice == NULL, probe.items[i].level == PROBE_GOOD);
        if (probe.items[i].level > worst)
            worst = probe.items[i].level;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(probe.items[i].name, probe.items[j].name);
    }
    assert_int_equal(probe.level, worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_judged_by_their_number),
        cmocka_unit_test(machines_and_space_are_judged),
        cmocka_unit_test(every_item_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
