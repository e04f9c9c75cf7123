#include "test.h"

#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct harness h;

#define TENANT(...) ((const char *[]){"/var/task/tenant", __VA_ARGS__, NULL})

static void contained(const char *const *argv)
{
    struct outcome out;
    harness_run(&h, NULL, argv, &out);
    if (out.gone.is_signalled || out.gone.status != 0)
        fail_msg("%s: signalled %d status %d\n%s", argv[1], out.gone.is_signalled, out.gone.status,
                 out.log);
}

static void mounts_are_refused(void **state)
{
    (void) state;
    contained(TENANT("mounts"));
}

static void namespaces_are_refused(void **state)
{
    (void) state;
    contained(TENANT("namespaces"));
}

static void kernel_surface_is_refused(void **state)
{
    (void) state;
    contained(TENANT("kernel"));
}

static void no_socket_leaves_the_sandbox(void **state)
{
    (void) state;
    AUTO_CLOSE int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;
    assert_int_equal(bind(tcp, (struct sockaddr *) &in, size), 0);
    assert_int_equal(listen(tcp, 4), 0);
    assert_int_equal(getsockname(tcp, (struct sockaddr *) &in, &size), 0);
    char port[16], name[32];
    (void) snprintf(port, sizeof port, "%u", ntohs(in.sin_port));
    AUTO_CLOSE int unix_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int n = snprintf(name, sizeof name, "virga-test-%d", getpid());
    memcpy(un.sun_path + 1, name, (size_t) n);
    assert_int_equal(bind(unix_fd, (struct sockaddr *) &un,
                          (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + (size_t) n)),
                     0);
    assert_int_equal(listen(unix_fd, 4), 0);
    contained(TENANT("sockets", port, name));
}

static void the_hosts_files_do_not_exist(void **state)
{
    (void) state;
    char path[128];
    (void) snprintf(path, sizeof path, "%s/secret", h.dir);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    contained(TENANT("files", path));
    assert_int_equal(unlink(path), 0);
}

static void nothing_gives_privilege(void **state)
{
    (void) state;
    char from[128], to[128];
    (void) snprintf(from, sizeof from, "%s/tenant", h.code);
    (void) snprintf(to, sizeof to, "%s/setuid", h.code);
    harness_copy(from, to);
    assert_int_equal(chmod(to, 04755), 0);
    contained(TENANT("identity"));
    assert_int_equal(unlink(to), 0);
}

static void nothing_is_inherited(void **state)
{
    (void) state;
    contained(TENANT("descriptors"));
}

static void others_are_invisible_and_tmp_is_empty(void **state)
{
    (void) state;
    /* More rounds than images are kept: every one is used by several tenants. */
    for (int i = 0; i < 30; i++)
        contained(TENANT("others"));
}

static void tmp_is_limited_in_bytes_and_files(void **state)
{
    (void) state;
    contained(TENANT("tmp", "16777216"));
    contained(TENANT("others")); /* and nothing of it remains */
}

static void tmp_is_not_limited_by_memory(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    spec.memory_mb = 64;
    spec.tmp_bytes = UINT64_C(256) << 20;
    struct outcome out;
    harness_run(&h, &spec, TENANT("fill", "251658240"), &out); /* 240 MB */
    if (spawner_weakness(h.spawner) != NULL &&
        !harness_is_bare()) { /* It says that /tmp is in memory. */
        assert_true(out.gone.oom_kills > 0);
        return;
    }
    if (out.gone.status != 0 || out.gone.oom_kills != 0)
        fail_msg("status %d, %llu oom kills\n%s", out.gone.status,
                 (unsigned long long) out.gone.oom_kills, out.log);
}

static void a_fork_bomb_stays_below_its_limit(void **state)
{
    (void) state;
    contained(TENANT("forks", "64"));
}

static void memory_bombs_end_with_the_kernels_verdict(void **state)
{
    (void) state;
    static const char *const bombs[] = {"memory", "memfd"};
    /* Without control groups memory that nobody maps is not seen. */
    for (size_t i = 0; i < ARRAY_LEN(bombs) - harness_is_bare(); i++) {
        struct outcome out;
        harness_run(&h, NULL, TENANT(bombs[i]), &out);
        assert_true(out.gone.is_signalled);
        assert_int_equal(out.gone.status, 9);
        assert_true(out.gone.oom_kills > 0);
        assert_true(out.gone.memory_peak_bytes > UINT64_C(120) << 20);
        assert_true(harness_is_bare() || out.gone.memory_peak_bytes <= UINT64_C(128) << 20);
    }
}

/* later: the share is given to a sandbox that began with more. */
static void spin(bool is_later)
{
    struct sandbox_spec spec = harness_spec(&h);
    spec.cpu_milli = is_later ? 1000 : 100;
    struct sandbox_event made = harness_spawn(&h, &spec);
    if (is_later)
        assert_ok(spawner_limit_cpu(h.spawner, spec.id, 100, NULL));
    harness_start(&made, TENANT("spin"));
    char line[32];
    harness_line(&made, line, sizeof line);
    assert_string_equal(line, "ready");
    struct timespec begin, end, span = {0, 600 * 1000000};
    (void) clock_gettime(CLOCK_MONOTONIC, &begin);
    (void) nanosleep(&span, NULL); /* The subject of the test is time itself. */
    struct err err;
    assert_ok(spawner_kill(h.spawner, spec.id, &err));
    struct outcome out;
    harness_finish(&h, &made, &out);
    (void) clock_gettime(CLOCK_MONOTONIC, &end);
    double ran_us =
        (double) (end.tv_sec - begin.tv_sec) * 1e6 + (double) (end.tv_nsec - begin.tv_nsec) / 1e3;
    assert_true(out.gone.is_signalled);
    assert_int_equal(out.gone.status, 9);
    assert_int_equal(out.gone.oom_kills, 0);
    if ((double) out.gone.cpu_us > ran_us * 0.15 + 20000)
        fail_msg("%llu us of CPU in %.0f us", (unsigned long long) out.gone.cpu_us, ran_us);
}

static void an_endless_loop_keeps_to_its_share(void **state)
{
    (void) state;
    if (harness_is_bare()) /* There it has no share, only the lowest claim. */
        skip();
    spin(false);
    spin(true);
    struct err err;
    assert_int_equal(spawner_limit_cpu(h.spawner, 1, 0, &err), -EPROTO);
    assert_ok(spawner_limit_cpu(h.spawner, UINT64_MAX, 100, &err)); /* Nobody: no matter. */
}

static void daemons_die_with_their_sandbox(void **state)
{
    (void) state;
    struct sandbox_spec spec = harness_spec(&h);
    struct sandbox_event made = harness_spawn(&h, &spec);
    harness_start(&made, TENANT("daemons"));
    char line[32];
    harness_line(&made, line, sizeof line);
    assert_string_equal(line, "ready");
    struct err err;
    assert_ok(spawner_kill(h.spawner, spec.id, &err));
    struct outcome out;
    harness_finish(&h, &made, &out); /* Its log ends only when every one of them is dead. */
    assert_int_equal(out.gone.status, 9);
}

int main(void)
{
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mounts_are_refused),
        cmocka_unit_test(namespaces_are_refused),
        cmocka_unit_test(kernel_surface_is_refused),
        cmocka_unit_test(no_socket_leaves_the_sandbox),
        cmocka_unit_test(the_hosts_files_do_not_exist),
        cmocka_unit_test(nothing_gives_privilege),
        cmocka_unit_test(nothing_is_inherited),
        cmocka_unit_test(others_are_invisible_and_tmp_is_empty),
        cmocka_unit_test(tmp_is_limited_in_bytes_and_files),
        cmocka_unit_test(tmp_is_not_limited_by_memory),
        cmocka_unit_test(a_fork_bomb_stays_below_its_limit),
        cmocka_unit_test(memory_bombs_end_with_the_kernels_verdict),
        cmocka_unit_test(an_endless_loop_keeps_to_its_share),
        cmocka_unit_test(daemons_die_with_their_sandbox),
    };
    harness_init(&h);
    harness_spawner(&h, 64, 8);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    harness_done(&h);
    return rc;
}
