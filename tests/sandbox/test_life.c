#include "test.h"

#include "harness.h"

#include <unistd.h>

static struct harness h;

static void a_program_runs_and_its_exit_code_arrives(void **state)
{
    (void) state;
    struct outcome out;
    harness_run(&h, NULL, (const char *[]){"/var/task/tenant", "hello", NULL}, &out);
    assert_string_equal(out.log, "hello\n");
    assert_false(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 7);
    assert_int_equal(out.gone.oom_kills, 0);
}

int main(void)
{
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_runs_and_its_exit_code_arrives),
    };
    harness_init(&h);
    harness_spawner(&h, 64, 8);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    harness_done(&h);
    return rc;
}
