#include "test.h"

#include "os/file.h"
#include "os/privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { SOMEBODY = 64566 };

/* Giving privilege up cannot be undone: each case runs in a child, which exits 0 when content. */
static void in_child(int (*body)(const char *dir), const char *dir)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(dir));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void skip_unless_root(void)
{
    if (geteuid() != 0)
        skip();
}

static int nothing_is_left(const char *dir)
{
    (void) dir;
    struct err err;
    if (privilege_drop(SOMEBODY, SOMEBODY, &err) < 0) {
        print_error("%s\n", err.text);
        return 1;
    }
    if (getuid() != SOMEBODY || getegid() != SOMEBODY || getgroups(0, NULL) != 0)
        return 2;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0L, 0L, 0L, 0L) != 1 || prctl(PR_GET_DUMPABLE) != 0)
        return 3;
    if (prctl(PR_CAPBSET_READ, 0L) != 0 || setuid(0) == 0 || open("/etc/shadow", O_RDONLY) >= 0)
        return 4;
    return 0;
}

static void privilege_is_gone_for_good(void **state)
{
    (void) state;
    skip_unless_root();
    in_child(nothing_is_left, NULL);
}

/* dir/closed/data exists; closed has no search permission for others. */
static int reached_through_the_mount(const char *dir)
{
    char data[256];
    struct err err;
    (void) snprintf(data, sizeof data, "%s/closed/data", dir);
    if (mount_private(data, "/run/virga-test/data", &err) < 0 ||
        privilege_drop(SOMEBODY, SOMEBODY, &err) < 0) {
        print_error("%s\n", err.text);
        return 1;
    }
    if (open(data, O_RDONLY | O_DIRECTORY) >= 0 || errno != EACCES)
        return 2;
    return file_write_durable(AT_FDCWD, "/run/virga-test/data/f", STR("x"), 0600, &err) == 0 ? 0
                                                                                             : 3;
}

static void a_directory_behind_closed_doors_is_reached(void **state)
{
    (void) state;
    skip_unless_root();
    char dir[] = "/tmp/virga-test-XXXXXX", path[256];
    assert_non_null(mkdtemp(dir));
    (void) snprintf(path, sizeof path, "%s/closed/data", dir);
    assert_ok(dir_make(path, 0700, NULL));
    assert_int_equal(chown(path, SOMEBODY, SOMEBODY), 0);
    in_child(reached_through_the_mount, dir);
    (void) snprintf(path, sizeof path, "%s/closed/data/f", dir);
    assert_int_equal(access(path, F_OK), 0);                       /* The file is on the host, */
    assert_int_not_equal(access("/run/virga-test/data", F_OK), 0); /* the mount is not. */
    assert_ok(dir_remove(AT_FDCWD, dir, NULL));
    assert_ok(dir_remove(AT_FDCWD, "/run/virga-test", NULL));
}

static void paths_without_a_parent_are_refused(void **state)
{
    (void) state;
    struct err err;
    assert_int_equal(mount_private("/tmp", "relative", &err), -EINVAL);
    assert_int_equal(mount_private("/tmp", "/top", &err), -EINVAL);
}

static void the_limit_of_files_is_the_hard_one(void **state)
{
    (void) state;
    unsigned long limit = 0;
    assert_ok(files_limit_raise(&limit, NULL));
    struct rlimit now;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
    assert_int_equal(now.rlim_cur, now.rlim_max);
    assert_int_equal(limit, now.rlim_max);
}

static void a_lock_is_one_process_s(void **state)
{
    (void) state;
    char path[] = "/tmp/virga-lock-XXXXXX";
    int made = mkstemp(path);
    assert_true(made >= 0);
    int first = -1, second = -1;
    assert_ok(file_lock(path, &first, NULL));
    assert_int_equal(file_lock(path, &second, NULL), -EWOULDBLOCK);
    assert_int_equal(second, -1);
    (void) close(first);
    assert_ok(file_lock(path, &second, NULL));
    (void) close(second);
    (void) close(made);
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(privilege_is_gone_for_good),
        cmocka_unit_test(a_directory_behind_closed_doors_is_reached),
        cmocka_unit_test(paths_without_a_parent_are_refused),
        cmocka_unit_test(the_limit_of_files_is_the_hard_one),
        cmocka_unit_test(a_lock_is_one_process_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
