/* What remains: after many sandboxes, after the death of main, after the death of the spawner. */
#include "test.h"

#include "harness.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct harness h;

#define TENANT(...) ((const char *[]){"/var/task/tenant", __VA_ARGS__, NULL})

static unsigned dir_count(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    unsigned n = 0;
    while (readdir(dir) != NULL)
        n++;
    (void) closedir(dir);
    return n;
}

/* Groups below the parents that belong to our state directory; others' servers have their own. */
static unsigned cgroups_left(void)
{
    char state[80], command[160];
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a, as spawner_init.c names it. */
    (void) snprintf(state, sizeof state, "%s/state", h.dir);
    for (const char *c = state; *c != '\0'; c++)
        hash = (hash ^ (unsigned char) *c) * 0x100000001b3;
    (void) snprintf(command, sizeof command,
                    "find /sys/fs/cgroup -path '*/virga-%016llx/s*' -type d | wc -l",
                    (unsigned long long) hash);
    FILE *found = popen(command, "re");
    assert_non_null(found);
    unsigned n = 0;
    char line[32] = "";
    if (fgets(line, sizeof line, found) != NULL)
        n = (unsigned) strtoul(line, NULL, 10);
    (void) pclose(found);
    return n;
}

/* Does a process run with the uid of one of our slots? */
static bool is_tenant(const char *pid)
{
    char path[64], line[256];
    bool is_ours = false;
    (void) snprintf(path, sizeof path, "/proc/%.16s/status", pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Uid:", 4) == 0) {
            unsigned long uid = strtoul(line + 4, NULL, 10);
            is_ours = uid >= h.uid_base && uid < h.uid_base + 1000;
        }
    if (file != NULL)
        (void) fclose(file);
    return is_ours;
}

static unsigned tenants_left(void)
{
    unsigned n = 0;
    DIR *dir = opendir("/proc");
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] >= '0' && e->d_name[0] <= '9' && is_tenant(e->d_name);
    (void) closedir(dir);
    return n;
}

static void wait_end(int pidfd)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    if (poll(&wait, 1, 15000) != 1)
        fail_msg("a process does not end");
}

static void two_hundred_leave_nothing(void **state)
{
    (void) state;
    harness_spawner(&h, 64, 4);
    struct outcome out;
    harness_run(&h, NULL, TENANT("hello"), &out);
    unsigned own_fds = dir_count("/proc/self/fd");
    char path[64];
    (void) snprintf(path, sizeof path, "/proc/%d/fd", (int) spawner_pid(h.spawner));
    unsigned most = 0;
    for (int i = 0; i < 200; i++) {
        harness_run(&h, NULL, i % 2 == 0 ? TENANT("hello") : TENANT("others"), &out);
        assert_int_equal(out.gone.status, 0);
        if (i == 20)
            most = dir_count(path);
    }
    assert_int_equal(dir_count("/proc/self/fd"), own_fds);
    /* The four made in advance come and go, by a dozen and a half descriptors each. */
    assert_true(dir_count(path) <= most + 4 * 18);
    spawner_stop(h.spawner);
    h.spawner = NULL;
    assert_int_equal(cgroups_left(), 0);
    assert_int_equal(tenants_left(), 0);
}

/* In a child: is main, starts three sandboxes, says so, and waits to be killed. */
_Noreturn static void be_main(int tell)
{
    harness_spawner(&h, 8, 2);
    for (int i = 0; i < 3; i++) {
        struct sandbox_spec spec = harness_spec(&h);
        struct sandbox_event made = harness_spawn(&h, &spec);
        harness_start(&made, TENANT("daemons"));
        char line[32];
        harness_line(&made, line, sizeof line);
    }
    pid_t pid = spawner_pid(h.spawner);
    (void) !write(tell, &pid, sizeof pid);
    for (;;)
        (void) pause();
}

static void start_main(pid_t *out_main, int *out_spawner_pidfd)
{
    int tell[2];
    assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
    *out_main = fork();
    if (*out_main == 0)
        be_main(tell[1]);
    (void) close(tell[1]);
    pid_t pid = 0;
    assert_int_equal(read(tell[0], &pid, sizeof pid), sizeof pid);
    (void) close(tell[0]);
    *out_spawner_pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
    assert_true(*out_spawner_pidfd >= 0);
    assert_true(tenants_left() >= 3);
    assert_true(harness_is_bare() || cgroups_left() >= 3);
}

static void killing_main_ends_everything(void **state)
{
    (void) state;
    pid_t main_pid;
    int spawner;
    start_main(&main_pid, &spawner);
    assert_int_equal(kill(main_pid, SIGKILL), 0);
    assert_int_equal(waitpid(main_pid, NULL, 0), main_pid);
    wait_end(spawner);
    (void) close(spawner);
    assert_int_equal(tenants_left(), 0);
    assert_int_equal(cgroups_left(), 0);
}

static void killing_the_spawner_ends_instances_and_the_next_cleans_up(void **state)
{
    (void) state;
    pid_t main_pid;
    int spawner;
    start_main(&main_pid, &spawner);
    assert_int_equal(syscall(SYS_pidfd_send_signal, spawner, SIGKILL, NULL, 0), 0);
    wait_end(spawner);
    (void) close(spawner);
    assert_int_equal(kill(main_pid, SIGKILL), 0);
    assert_int_equal(waitpid(main_pid, NULL, 0), main_pid);
    assert_true(harness_is_bare() || cgroups_left() > 0);
    harness_spawner(&h, 8, 0);
    while (waitpid(-1, NULL, WNOHANG) > 0) /* We adopted them, so their last rest is ours. */
        continue;
    assert_int_equal(cgroups_left(), 0);
    /* Without control groups the next start has nothing to kill them by, and they die alone. */
    for (int tries = 0; harness_is_bare() && tries < 500 && tenants_left() > 0; tries++) {
        (void) poll(NULL, 0, 10);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    assert_int_equal(tenants_left(), 0);
    struct outcome out;
    harness_run(&h, NULL, TENANT("hello"), &out);
    assert_int_equal(out.gone.status, 0);
    spawner_stop(h.spawner);
    h.spawner = NULL;
}

static void a_state_directory_of_others_is_refused(void **state)
{
    (void) state;
    struct err err;
    struct spawner *spawner = NULL;
    struct spawner_config config = {.state_dir = "/tmp", .uid_base = h.uid_base, .slot_count = 1};
    assert_int_equal(spawner_start(&config, &spawner, &err), 0);
    assert_int_equal(spawner_ready(spawner, &err), -EPERM);
    assert_non_null(strstr(err.text, "/tmp"));
    spawner_stop(spawner);
    spawner = NULL;
    config.state_dir = "relative";
    assert_int_equal(spawner_start(&config, &spawner, &err), -EINVAL);
    assert_null(spawner);
}

static void two_spawners_do_not_share_a_directory(void **state)
{
    (void) state;
    harness_spawner(&h, 8, 0);
    char lock[128];
    (void) snprintf(lock, sizeof lock, "%s/state/spawner.lock", h.dir);
    AUTO_CLOSE int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), -1);
    spawner_stop(h.spawner);
    h.spawner = NULL;
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
}

static void without_root_it_says_so(void **state)
{
    (void) state;
    pid_t pid = fork();
    if (pid == 0) {
        struct err err;
        struct spawner *spawner;
        struct spawner_config config = {
            .state_dir = "/tmp", .uid_base = h.uid_base, .slot_count = 1};
        _exit(setresuid(65534, 65534, 65534) == 0 &&
                      spawner_start(&config, &spawner, &err) == -EPERM &&
                      strstr(err.text, "root") != NULL
                  ? 0
                  : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    if (geteuid() != 0) {
        printf("skipped: building sandboxes needs root\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hundred_leave_nothing),
        cmocka_unit_test(killing_main_ends_everything),
        cmocka_unit_test(killing_the_spawner_ends_instances_and_the_next_cleans_up),
        cmocka_unit_test(a_state_directory_of_others_is_refused),
        cmocka_unit_test(two_spawners_do_not_share_a_directory),
        cmocka_unit_test(without_root_it_says_so),
    };
    /* Orphaned spawners come to us, not to the machine's init. */
    (void) prctl(PR_SET_CHILD_SUBREAPER, 1);
    harness_init(&h);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    harness_done(&h);
    return rc;
}
