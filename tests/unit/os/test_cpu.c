#include "test.h"

#include "os/cpu.h"

#include <unistd.h>

static void idle_time_grows_no_faster_than_all_cpus(void **state)
{
    (void) state;
    struct err err;
    int fd = cpu_idle_open(&err);
    assert_true(fd >= 0);
    int64_t begin = cpu_idle_us(fd), loop = cpu_thread_us();
    assert_true(begin > 0);
    while (cpu_thread_us() - loop < 30000) /* busy for 30 ms of CPU time */
        ;
    assert_true(cpu_idle_us(fd) >= begin);
    assert_true(cpu_count() >= 1);
    assert_int_equal(close(fd), 0);
}

/* Puts a text where /proc/uptime would be. */
static int64_t idle_of(const char *text)
{
    char name[] = "/tmp/virga-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
    int64_t us = cpu_idle_us(fd);
    assert_int_equal(close(fd), 0);
    return us;
}

static void other_texts_are_unknown(void **state)
{
    (void) state;
    assert_int_equal(idle_of("350735.47 234388.90\n"), INT64_C(234388900000));
    assert_int_equal(idle_of(""), -1);
    assert_int_equal(idle_of("1.00 2.00"), -1);
    assert_int_equal(idle_of("1.00\n"), -1);
    assert_int_equal(idle_of("1.00 2\n"), -1);
    assert_int_equal(idle_of("1.00 x.00\n"), -1);
    assert_int_equal(cpu_idle_us(-1), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_time_grows_no_faster_than_all_cpus),
        cmocka_unit_test(other_texts_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
