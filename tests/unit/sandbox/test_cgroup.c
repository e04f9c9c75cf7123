/* The drivers on a directory tree that looks like /sys/fs/cgroup: what is found where, and what is
 * written. What the kernel makes of it is tested in tests/sandbox with the version at hand. */
#include "test.h"

#include "base/err.h"
#include "sandbox/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

static char top[64];

static void put(const char *path, const char *text)
{
    char full[256];
    (void) snprintf(full, sizeof full, "%s/%s", top, path);
    AUTO_CLOSE int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void has(const char *path, const char *expected)
{
    char full[256], text[256];
    (void) snprintf(full, sizeof full, "%s/%s", top, path);
    AUTO_CLOSE int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_msg("%s does not exist", path);
    ssize_t n = read(fd, text, sizeof text - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    if (strcmp(text, expected) != 0)
        fail_msg("%s holds '%s', not '%s'", path, text, expected);
}

static void dir(const char *path)
{
    char full[256];
    (void) snprintf(full, sizeof full, "%s/%s", top, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void) st;
    (void) type;
    (void) ftw;
    return remove(path);
}

static int setup(void **state)
{
    (void) state;
    (void) snprintf(top, sizeof top, "/tmp/virga-cgroup-XXXXXX");
    return mkdtemp(top) == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void) state;
    return nftw(top, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int detect(struct cgroup_tree *tree, const char *format, const char *own, struct err *err)
{
    char mounts[2048];
    size_t at = 0; /* '@' in the format stands for the tree. */
    for (const char *c = format; *c != '\0'; c++)
        at += (size_t) snprintf(mounts + at, sizeof mounts - at, "%s",
                                *c == '@' ? top : (char[]){*c, '\0'});
    return cgroup_detect(str_of(mounts, at), str_from(own), tree, err);
}

static const struct cgroup_limits limits = {
    .memory_bytes = 134217728, .cpu_milli = 72, .pids_max = 100};

static void pure_version_2(void **state)
{
    (void) state;
    struct cgroup_tree tree;
    struct err err;
    dir("own");
    put("own/cgroup.controllers", "cpuset cpu io memory pids\n");
    put("own/cgroup.subtree_control", "");
    assert_ok(detect(&tree, "30 1 0:26 / @ rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
                     "0::/own\n", &err));
    for (int i = 0; i < CGROUP_UNIFIED; i++)
        assert_int_equal(tree.parts[i].same_as, CGROUP_UNIFIED);
    assert_string_equal(tree.unified_options, "nsdelegate,");
    /* The kernel makes these files with the directory; here the test does. */
    dir("own/virga-k");
    put("own/virga-k/cgroup.subtree_control", "");
    assert_ok(cgroup_tree_open(&tree, "k", &err));
    /* Plain files keep the tail of what three writes at their start left. */
    has("own/cgroup.subtree_control", "+pidsry");
    struct cgroup group;
    assert_ok(cgroup_make(&tree, &group, &err));
    put("own/virga-k/s1/memory.max", "max");
    put("own/virga-k/s1/memory.swap.max", "max");
    put("own/virga-k/s1/memory.oom.group", "0");
    put("own/virga-k/s1/cpu.max", "max 100000");
    put("own/virga-k/s1/pids.max", "max");
    assert_ok(cgroup_limit(&tree, &group, &limits, &err));
    has("own/virga-k/s1/memory.max", "134217728");
    has("own/virga-k/s1/memory.swap.max", "0ax");
    has("own/virga-k/s1/memory.oom.group", "1");
    assert_int_equal(group.oom_fd, -1);
    has("own/virga-k/s1/cpu.max", "1440 20000");
    has("own/virga-k/s1/pids.max", "100");
    put("own/virga-k/s1/memory.events",
        "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 3\n");
    put("own/virga-k/s1/memory.peak", "4096\n");
    put("own/virga-k/s1/cpu.stat", "usage_usec 77\nuser_usec 70\n");
    struct cgroup_usage usage;
    cgroup_usage(&tree, &group, &usage);
    assert_int_equal(usage.oom_kills, 2);
    assert_int_equal(usage.memory_peak_bytes, 4096);
    assert_int_equal(usage.cpu_us, 77);
    assert_ok(cgroup_join(&tree, &group)); /* Nothing to join: the clone did. */
}

static void version_1_with_a_bare_version_2(void **state)
{
    (void) state;
    struct cgroup_tree tree;
    struct err err;
    static const char *const dirs[] = {"memory",      "memory/a", "memory/a/b",
                                       "cpu,cpuacct", "pids",     "unified"};
    for (size_t i = 0; i < ARRAY_LEN(dirs); i++)
        dir(dirs[i]);
    put("unified/cgroup.controllers", "\n");
    assert_ok(detect(&tree,
                     "31 1 0:30 / @/memory rw - cgroup cgroup rw,memory\n"
                     "32 1 0:31 / @/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                     "33 1 0:32 / @/pids rw - cgroup cgroup rw,pids\n"
                     "34 1 0:33 / @/unified rw - cgroup2 cgroup2 rw\n",
                     "8:pids:/\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/\n", &err));
    assert_ok(cgroup_tree_open(&tree, "k", &err));
    dir("memory/a/b/virga-k/s1");
    put("memory/a/b/virga-k/s1/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    put("memory/a/b/virga-k/s1/cgroup.event_control", "");
    struct cgroup group;
    assert_ok(cgroup_make(&tree, &group, &err));
    put("memory/a/b/virga-k/s1/memory.limit_in_bytes", "");
    put("memory/a/b/virga-k/s1/memory.swappiness", "");
    put("cpu,cpuacct/virga-k/s1/cpu.cfs_quota_us", "");
    put("cpu,cpuacct/virga-k/s1/cpu.cfs_period_us", "");
    put("pids/virga-k/s1/pids.max", "");
    struct cgroup_limits small = limits;
    small.cpu_milli = 18; /* Below the kernel's smallest quota in 20 ms. */
    assert_ok(cgroup_limit(&tree, &group, &small, &err));
    has("memory/a/b/virga-k/s1/memory.limit_in_bytes", "134217728");
    has("memory/a/b/virga-k/s1/memory.swappiness", "0");
    has("cpu,cpuacct/virga-k/s1/cpu.cfs_quota_us", "1000");
    has("cpu,cpuacct/virga-k/s1/cpu.cfs_period_us", "55555");
    struct cgroup_usage usage;
    cgroup_usage(&tree, &group, &usage);
    assert_int_equal(usage.oom_kills, 0);
    put("unified/virga-k/s1/cgroup.kill", "");
    assert_int_equal(eventfd_write(group.oom_fd, 1), 0); /* What the kernel does. */
    cgroup_usage(&tree, &group, &usage);
    has("unified/virga-k/s1/cgroup.kill", "1");
    assert_int_equal(usage.oom_kills, 1); /* Though its counter knows of none. */
    put("memory/a/b/virga-k/s1/memory.oom_control",
        "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
    cgroup_usage(&tree, &group, &usage);
    assert_int_equal(usage.oom_kills, 3);
    assert_int_equal(usage.memory_peak_bytes, 0); /* No file: unknown. */
}

static void what_is_missing_is_named(void **state)
{
    (void) state;
    struct cgroup_tree tree;
    struct err err;
    assert_int_equal(detect(&tree, "", "", &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "cgroup2"));
    put("cgroup.controllers", "cpu memoryx pids\n");
    assert_int_equal(detect(&tree, "1 1 0:1 / @ rw - cgroup2 x rw\n", "0::/\n", &err), -ENOTSUP);
    assert_non_null(strstr(err.text, "memory"));
    assert_int_equal(detect(&tree, "1 1 0:1 / @ rw - cgroup2 x rw\n", "1:cpu:/\n", &err), -ENOTSUP);
    assert_int_equal(detect(&tree, "1 1\n\n - - -\n1 1 0:1 / @ rw\n", "::::\n", &err), -ENOTSUP);
}

static void a_containers_mount_hides_part_of_the_path(void **state)
{
    (void) state;
    struct cgroup_tree tree;
    struct err err;
    put("cgroup.controllers", "cpu memory pids\n");
    assert_ok(detect(&tree, "1 1 0:1 /docker/7 @ rw - cgroup2 x rw\n", "0::/docker/7\n", &err));
    assert_string_equal(tree.parts[CGROUP_UNIFIED].base, top);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pure_version_2, setup, teardown),
        cmocka_unit_test_setup_teardown(version_1_with_a_bare_version_2, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_containers_mount_hides_part_of_the_path, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
