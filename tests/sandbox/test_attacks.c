/* The long list of hostile programs, each in a sandbox of its own: what it must end with is in the
 * table. README.md of this folder lists them in words; tests/sandbox/test_readme.py compares. While
 * the loud ones run, a quiet neighbour is built and run and must not take long.
 *
 *     test_attacks --list        the names
 *     ATTACK=name test_attacks   one of them */
#include "test.h"

#include "harness.h"

#include "base/buf.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum outcome_kind {
    CONTAINED,     /* the program itself checked every answer and exits with 0 */
    EXITS_WITH_7,  /* the same, with the status that it chose */
    SIGNALLED_BY,  /* ends by that signal, and not by the memory limit */
    OUT_OF_MEMORY, /* the kernel's counter says so */
    ENDLESS,       /* says "ready" and goes on until it is killed */
};

static const struct attack_case {
    const char *name;
    enum outcome_kind outcome;
    const char *argument; /* "HOST": a process of the host; NULL: none */
    int signal;
} cases[] = {
    {"keyrings", CONTAINED, NULL, 0},
    {"bpf", CONTAINED, NULL, 0},
    {"userfaultfd", CONTAINED, NULL, 0},
    {"protection_keys", CONTAINED, NULL, 0},
    {"io_uring", CONTAINED, NULL, 0},
    {"perf", CONTAINED, NULL, 0},
    {"new_mount_calls", CONTAINED, NULL, 0},
    {"old_mount_calls", CONTAINED, NULL, 0},
    {"clone3_flags", CONTAINED, NULL, 0},
    {"setns_everything", CONTAINED, NULL, 0},
    {"administration", CONTAINED, NULL, 0},
    {"clocks", CONTAINED, NULL, 0},
    {"hardware", CONTAINED, NULL, 0},
    {"future_calls", CONTAINED, NULL, 0},
    {"filter_on_filter", CONTAINED, NULL, 0},
    {"process_controls", CONTAINED, NULL, 0},
    {"terminals", CONTAINED, NULL, 0},
    {"entry_of_i386", SIGNALLED_BY, NULL, SIGSYS},
    {"numbers_of_x32", SIGNALLED_BY, NULL, SIGSYS},
    {"trace", CONTAINED, NULL, 0},
    {"init_is_closed", CONTAINED, NULL, 0},
    {"signal_init", EXITS_WITH_7, NULL, 0},
    {"signal_the_host", CONTAINED, "HOST", 0},
    {"kill_all", CONTAINED, NULL, 0},
    {"kill_own_group", SIGNALLED_BY, NULL, SIGKILL},
    {"thread_bomb", CONTAINED, "64", 0},
    {"zombie_bomb", CONTAINED, "64", 0},
    {"orphans", CONTAINED, NULL, 0},
    {"leave_children", CONTAINED, NULL, 0},
    {"priorities", CONTAINED, NULL, 0},
    {"limits", CONTAINED, NULL, 0},
    {"timers", CONTAINED, NULL, 0},
    {"crash", SIGNALLED_BY, NULL, SIGSEGV},
    {"crash_and_look", CONTAINED, NULL, 0},
    {"stack_overflow", SIGNALLED_BY, NULL, SIGSEGV},
    {"huge_arguments", CONTAINED, NULL, 0},
    {"exec_from_memory", CONTAINED, NULL, 0},
    {"run_init_again", CONTAINED, NULL, 0},
    {"identity_calls", CONTAINED, NULL, 0},
    {"proc_sys_is_closed", CONTAINED, NULL, 0},
    {"proc_is_closed", CONTAINED, NULL, 0},
    {"kernel_addresses", CONTAINED, NULL, 0},
    {"no_sysfs", CONTAINED, NULL, 0},
    {"device_nodes", CONTAINED, NULL, 0},
    {"ways_up", CONTAINED, NULL, 0},
    {"links", CONTAINED, NULL, 0},
    {"disk_controls", CONTAINED, NULL, 0},
    {"sparse_files", CONTAINED, NULL, 0},
    {"deleted_files", CONTAINED, NULL, 0},
    {"deep_directories", CONTAINED, NULL, 0},
    {"long_names_and_attributes", CONTAINED, NULL, 0},
    {"locks_and_watches", CONTAINED, NULL, 0},
    {"open_files", CONTAINED, NULL, 0},
    {"log_pipe", CONTAINED, NULL, 0},
    {"log_much", CONTAINED, "1048576", 0},
    {"log_flood", ENDLESS, NULL, 0},
    {"shared_memory", OUT_OF_MEMORY, NULL, 0},
    {"system_v_memory", OUT_OF_MEMORY, NULL, 0},
    {"page_tables", OUT_OF_MEMORY, NULL, 0},
    {"many_processes", OUT_OF_MEMORY, NULL, 0},
    {"locked_memory", CONTAINED, NULL, 0},
    {"named_shared_memory", CONTAINED, NULL, 0},
    {"address_space", CONTAINED, NULL, 0},
    {"pipe_buffers", CONTAINED, NULL, 0},
    {"socket_buffers", OUT_OF_MEMORY, NULL, 0},
    {"descriptors_in_flight", CONTAINED, NULL, 0},
    {"spin_threads", ENDLESS, NULL, 0},
    {"fork_churn", ENDLESS, NULL, 0},
    {"socket_families", CONTAINED, NULL, 0},
    {"netlink_protocols", CONTAINED, NULL, 0},
    {"configure_network", CONTAINED, NULL, 0},
    {"socket_options", CONTAINED, NULL, 0},
    {"no_way_out", CONTAINED, NULL, 0},
    {"names_and_traces", CONTAINED, NULL, 0},
    {"control_socket", CONTAINED, NULL, 0},
};

enum { NEIGHBOUR_MS_MAX = 1000 }; /* usually 5; the machine may be busy with other things */

static struct harness h;

static int64_t now_ms(void)
{
    struct timespec now;
    (void) clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A well-behaved tenant from nothing to its end. */
static void neighbour_is_served(const char *meanwhile)
{
    int64_t begin = now_ms();
    struct outcome out;
    harness_run(&h, NULL, (const char *[]){"/var/task/tenant", "hello", NULL}, &out);
    int64_t took = now_ms() - begin;
    assert_string_equal(out.log, "hello\n");
    if (took > NEIGHBOUR_MS_MAX && !harness_is_bare()) /* where nobody has a share of the CPU */
        fail_msg("%s: a neighbour took %lld ms", meanwhile, (long long) took);
}

static void check(const struct attack_case *c, const struct outcome *out)
{
    const struct sandbox_event *gone = &out->gone;
    bool is_as_wanted = false;
    switch (c->outcome) {
    case CONTAINED:
        is_as_wanted = !gone->is_signalled && gone->status == 0 && gone->oom_kills == 0;
        break;
    case EXITS_WITH_7: is_as_wanted = !gone->is_signalled && gone->status == 7; break;
    case SIGNALLED_BY:
        is_as_wanted = gone->is_signalled && gone->status == c->signal && gone->oom_kills == 0;
        break;
    case OUT_OF_MEMORY:
        is_as_wanted = gone->is_signalled && gone->status == SIGKILL && gone->oom_kills > 0 &&
                       (harness_is_bare() || gone->memory_peak_bytes <= UINT64_C(64) << 20);
        break;
    case ENDLESS:
        is_as_wanted = gone->is_signalled && gone->status == SIGKILL && gone->oom_kills == 0;
        break;
    }
    if (!is_as_wanted)
        fail_msg("%s: %s %d, %llu oom kills, peak %llu, error %d\n%.2000s", c->name,
                 gone->is_signalled ? "signal" : "status", gone->status,
                 (unsigned long long) gone->oom_kills, (unsigned long long) gone->memory_peak_bytes,
                 gone->error, out->log);
}

/* Without control groups nobody counts the kernel's own memory: these are not contained there. */
static bool is_beyond_bare(const struct attack_case *c)
{
    return strcmp(c->name, "socket_buffers") == 0;
}

static void run_case(void **state)
{
    const struct attack_case *c = *state;
    if (harness_is_bare() && is_beyond_bare(c))
        skip();
    char host[24];
    (void) snprintf(host, sizeof host, "%d", spawner_pid(h.spawner));
    const char *argument =
        c->argument != NULL && strcmp(c->argument, "HOST") == 0 ? host : c->argument;
    struct sandbox_spec spec = harness_spec(&h);
    if (c->outcome == ENDLESS)
        spec.cpu_milli = 250;
    if (c->outcome == OUT_OF_MEMORY)
        spec.memory_mb = 64;
    struct sandbox_event made = harness_spawn(&h, &spec);
    harness_start(&made, (const char *[]){"/var/task/tenant", c->name, argument, NULL});
    if (c->outcome == ENDLESS) {
        char line[32];
        harness_line(&made, line, sizeof line);
        assert_string_equal(line, "ready");
        for (int i = 0; i < 5; i++)
            neighbour_is_served(c->name);
        struct err err;
        assert_ok(spawner_kill(h.spawner, spec.id, &err));
    } else if (c->outcome == OUT_OF_MEMORY) {
        neighbour_is_served(c->name);
    }
    struct outcome out;
    harness_finish(&h, &made, &out);
    check(c, &out);
}

/* Two sandboxes at a time, which have no name in common. */
static void neighbours_do_not_meet(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    struct sandbox_event first = harness_spawn(&h, &spec);
    harness_start(&first, (const char *[]){"/var/task/tenant", "neighbour_offers", NULL});
    char line[128], pid[24];
    harness_line(&first, line, sizeof line);
    assert_string_equal(line, "ready");
    (void) snprintf(pid, sizeof pid, "%d", first.pid);
    struct outcome out;
    harness_run(&h, NULL, (const char *[]){"/var/task/tenant", "neighbour_looks", pid, NULL}, &out);
    if (out.gone.is_signalled || out.gone.status != 0)
        fail_msg("status %d\n%s", out.gone.status, out.log);
    struct err err;
    assert_ok(spawner_kill(h.spawner, spec.id, &err));
    harness_finish(&h, &first, &out);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < ARRAY_LEN(cases); i++)
            printf("%s\n", cases[i].name);
        printf("neighbours_do_not_meet\n");
        return 0;
    }
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    struct CMUnitTest tests[ARRAY_LEN(cases) + 1];
    size_t count = 0;
    const char *only = getenv("ATTACK");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (only == NULL || strcmp(only, cases[i].name) == 0)
            tests[count++] = (struct CMUnitTest){.name = cases[i].name,
                                                 .test_func = run_case,
                                                 .initial_state = (void *) (uintptr_t) &cases[i]};
    tests[count++] = (struct CMUnitTest) cmocka_unit_test(neighbours_do_not_meet);
    harness_init(&h);
    harness_spawner(&h, 64, 8);
    int rc = _cmocka_run_group_tests("attacks", tests, count, NULL, NULL);
    harness_done(&h);
    return rc;
}
