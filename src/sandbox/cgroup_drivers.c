/* The controllers' files, in both versions.
 *
 * Limits are hard: memory without swap; CPU by quota in periods of 20 ms, because a long period
 * stalls small functions for most of it; pids. The verdict "out of memory" is the kernel's counter
 * of OOM kills, never a guess from a signal.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst,
 * Documentation/scheduler/sched-bwc.rst. */
#include "sandbox/cgroup_int.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { CPU_PERIOD_US = 20000, CPU_QUOTA_MIN_US = 1000 }; /* The kernel refuses less than 1 ms. */

int cgroup_file_write(int dir_fd, const char *name, const char *text, struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open %s", name);
    if (write(fd, text, strlen(text)) < 0)
        return err_set(err, -errno, "write '%s' to %s", text, name);
    return 0;
}

static int file_write_number(int dir_fd, const char *name, uint64_t number, struct err *err)
{
    char text[24];
    (void) snprintf(text, sizeof text, "%llu", (unsigned long long) number);
    return cgroup_file_write(dir_fd, name, text, err);
}

int cgroup_file_read(int dir_fd, const char *name, char *out, size_t size)
{
    AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, out, size - 1);
    if (n < 0)
        return -errno;
    out[n] = '\0';
    return (int) n;
}

int cgroup_dir(int dir_fd, const char *name, struct err *err)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make cgroup '%s'", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open cgroup '%s'", name) : fd;
}

/* ---- the drivers ---- */

static int memory_v1_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    int rc = file_write_number(dir_fd, "memory.limit_in_bytes", limits->memory_bytes, err);
    if (rc < 0)
        return rc;
    rc = file_write_number(dir_fd, "memory.memsw.limit_in_bytes", limits->memory_bytes, NULL);
    if (rc != -ENOENT)
        return rc < 0 ? err_set(err, rc, "memory.memsw.limit_in_bytes") : 0;
    /* A kernel that does not account swap per group: then this group never swaps. */
    return file_write_number(dir_fd, "memory.swappiness", 0, err);
}

static int memory_v2_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    int rc = file_write_number(dir_fd, "memory.max", limits->memory_bytes, err);
    if (rc < 0)
        return rc;
    rc = cgroup_file_write(dir_fd, "memory.oom.group", "1", err);
    if (rc < 0)
        return rc;
    rc = cgroup_file_write(dir_fd, "memory.swap.max", "0", NULL);
    if (rc == -ENOENT) /* A kernel without swap. */
        return 0;
    return rc < 0 ? err_set(err, rc, "memory.swap.max") : 0;
}

/* Quota and period for a share: 20 ms periods, longer ones where the quota would be too small. */
static void cpu_share(uint32_t cpu_milli, uint64_t *out_quota_us, uint64_t *out_period_us)
{
    assert(cpu_milli > 0);
    uint64_t quota = (uint64_t) cpu_milli * CPU_PERIOD_US / 1000;
    uint64_t period = CPU_PERIOD_US;
    if (quota < CPU_QUOTA_MIN_US) {
        quota = CPU_QUOTA_MIN_US;
        period = (uint64_t) CPU_QUOTA_MIN_US * 1000 / cpu_milli;
    }
    *out_quota_us = quota;
    *out_period_us = period;
}

static int cpu_v1_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    uint64_t quota, period;
    cpu_share(limits->cpu_milli, &quota, &period);
    int rc = file_write_number(dir_fd, "cpu.cfs_period_us", period, err);
    return rc < 0 ? rc : file_write_number(dir_fd, "cpu.cfs_quota_us", quota, err);
}

static int cpu_v2_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    uint64_t quota, period;
    cpu_share(limits->cpu_milli, &quota, &period);
    char text[48];
    (void) snprintf(text, sizeof text, "%llu %llu", (unsigned long long) quota,
                    (unsigned long long) period);
    return cgroup_file_write(dir_fd, "cpu.max", text, err);
}

static int pids_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    return file_write_number(dir_fd, "pids.max", limits->pids_max, err);
}

const struct cgroup_driver cgroup_drivers[CGROUP_UNIFIED][CGROUP_VERSIONS] = {
    [CGROUP_MEMORY] = {{"memory", true, memory_v1_limit, "memory.max_usage_in_bytes",
                        "memory.oom_control"},
                       {"memory", false, memory_v2_limit, "memory.peak", "memory.events"}},
    [CGROUP_CPU] = {{"cpu", true, cpu_v1_limit, NULL, NULL},
                    {"cpu", false, cpu_v2_limit, NULL, NULL}},
    [CGROUP_PIDS] = {{"pids", true, pids_limit, NULL, NULL},
                     {"pids", false, pids_limit, NULL, NULL}},
};
