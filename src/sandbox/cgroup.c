/* Control groups of both versions.
 *
 * A host has its controllers in version 1 (one hierarchy each, /sys/fs/cgroup/memory/...), in
 * version 2 (one hierarchy) or mixed. So each of memory, cpu and pids has a driver per version,
 * chosen at start from /proc/self/mountinfo and /proc/self/cgroup, and a part of a group is a
 * directory in the hierarchy of its driver; parts that live in version 2 share one directory.
 * Version 2 itself is always needed, with or without controllers, for cgroup.freeze (16 us where
 * version 1's freezer takes 90 and a retry loop), cgroup.kill and cgroup.events.
 *
 * A group that runs out of memory ends as a whole. Killing one process at a time, as the kernel
 * does by itself, lets a family of them go on asking: they spin in the kernel, take the CPU from
 * the one that is to die, and tens of seconds pass. Version 2 has memory.oom.group for that; in
 * version 1 an eventfd tells the spawner, which kills the rest.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/{cgroups,memory}.rst, cgroup-v2.rst. */
#include "sandbox/cgroup_int.h"

#include "sandbox/bare.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

static int part_fd(const struct cgroup_tree *tree, const struct cgroup *group,
                   enum cgroup_part part)
{
    return group->fds[tree->parts[part].same_as];
}

/* An eventfd that version 1 writes to when the group runs out of memory. */
static int oom_watch(int memory_fd, struct err *err)
{
    AUTO_CLOSE int file = openat(memory_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return err_set(err, -errno, "open memory.oom_control");
    AUTO_CLOSE int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event < 0)
        return err_set(err, -errno, "eventfd");
    char text[32];
    (void) snprintf(text, sizeof text, "%d %d", event, file);
    int rc = cgroup_file_write(memory_fd, "cgroup.event_control", text, err);
    return rc < 0 ? rc : take_fd(&event);
}

int cgroup_make(struct cgroup_tree *tree, struct cgroup *out_group, struct err *err)
{
    struct cgroup group = {.number = tree->next, .fds = {-1, -1, -1, -1}, .oom_fd = -1};
    if (tree->is_bare) {
        group.bare = bare_new();
        *out_group = group;
        return 0;
    }
    char name[24];
    (void) snprintf(name, sizeof name, "s%llu", (unsigned long long) group.number);
    for (int i = 0; i < CGROUP_PARTS; i++) {
        if (tree->parts[i].parent_fd < 0)
            continue;
        int fd = cgroup_dir(tree->parts[i].parent_fd, name, err);
        if (fd < 0) {
            (void) cgroup_remove(tree, &group, NULL); /* The first error is the one to report. */
            return fd;
        }
        group.fds[i] = fd;
    }
    if (tree->parts[CGROUP_MEMORY].driver->is_v1) {
        group.oom_fd = oom_watch(part_fd(tree, &group, CGROUP_MEMORY), err);
        if (group.oom_fd < 0) {
            int rc = group.oom_fd;
            (void) cgroup_remove(tree, &group, NULL); /* As above. */
            return rc;
        }
    }
    tree->next++;
    *out_group = group;
    return 0;
}

int cgroup_limit(const struct cgroup_tree *tree, const struct cgroup *group,
                 const struct cgroup_limits *limits, struct err *err)
{
    if (group->bare != NULL)
        return bare_limit(group->bare, limits, err);
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        int rc =
            tree->parts[i].driver->limit(part_fd(tree, group, (enum cgroup_part) i), limits, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cgroup_limit_cpu(const struct cgroup_tree *tree, const struct cgroup *group, uint32_t cpu_milli,
                     struct err *err)
{
    if (group->bare != NULL)
        return 0; /* It has no share, see bare.h. */
    const struct cgroup_limits limits = {.cpu_milli = cpu_milli};
    return tree->parts[CGROUP_CPU].driver->limit(part_fd(tree, group, CGROUP_CPU), &limits, err);
}

int cgroup_unified_fd(const struct cgroup *group)
{
    return group->fds[CGROUP_UNIFIED];
}

void cgroup_adopt(struct cgroup *group, pid_t pid, int pidfd)
{
    if (group->bare != NULL)
        bare_adopt(group->bare, pid, pidfd);
}

int cgroup_begin(struct cgroup *group, struct err *err)
{
    return group->bare == NULL ? 0 : bare_begin(group->bare, err);
}

void cgroup_ended(struct cgroup *group, const struct rusage *usage)
{
    if (group->bare != NULL)
        bare_ended(group->bare, usage);
}

int cgroup_join(const struct cgroup_tree *tree, const struct cgroup *group)
{
    if (tree->is_bare)
        return bare_child();
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        if (tree->parts[i].parent_fd < 0)
            continue;
        int fd = openat(group->fds[i], "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        ssize_t n = write(fd, "0", 1); /* 0 is the writer itself. */
        int rc = n < 0 ? -errno : 0;
        (void) close(fd);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int cgroup_open_freeze(const struct cgroup *group, struct err *err)
{
    if (group->bare != NULL)
        return bare_open_freeze(group->bare, err);
    int fd = openat(group->fds[CGROUP_UNIFIED], "cgroup.freeze", O_WRONLY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open cgroup.freeze") : fd;
}

int cgroup_open_peak(const struct cgroup_tree *tree, const struct cgroup *group, struct err *err)
{
    if (group->bare != NULL)
        return bare_open_peak(group->bare, err);
    const char *name = tree->parts[CGROUP_MEMORY].driver->peak_file;
    int fd = openat(part_fd(tree, group, CGROUP_MEMORY), name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open %s", name) : fd;
}

int cgroup_kill(const struct cgroup *group, struct err *err)
{
    if (group->bare != NULL)
        return bare_kill(group->bare, err);
    return cgroup_file_write(group->fds[CGROUP_UNIFIED], "cgroup.kill", "1", err);
}

void cgroup_oom(struct cgroup *group)
{
    uint64_t times;
    if (group->oom_fd < 0 || read(group->oom_fd, &times, sizeof times) < 0)
        return; /* Nothing to tell. */
    group->is_out_of_memory = true;
    (void) cgroup_kill(group, NULL); /* Fails only if nothing is left in it. */
}

/* The number behind `key` at the start of a line of "key value" pairs; 0 when absent. */
static uint64_t keyed_number(int dir_fd, const char *file, const char *key)
{
    char text[2048];
    int n = cgroup_file_read(dir_fd, file, text, sizeof text);
    struct str rest = str_of(text, n < 0 ? 0 : (size_t) n), line, word;
    uint64_t value = 0;
    while (str_split(&rest, '\n', &line))
        if (str_split(&line, ' ', &word) && str_eq(word, str_from(key)) &&
            parse_u64(line, UINT64_MAX, &value) == 0)
            return value;
    return 0;
}

void cgroup_usage(const struct cgroup_tree *tree, struct cgroup *group,
                  struct cgroup_usage *out_usage)
{
    if (group->bare != NULL) {
        bare_usage(group->bare, out_usage);
        return;
    }
    cgroup_oom(group); /* The end of a process may be known before the reason. */
    const struct cgroup_driver *memory = tree->parts[CGROUP_MEMORY].driver;
    int memory_fd = part_fd(tree, group, CGROUP_MEMORY);
    char text[32] = "";
    uint64_t peak = 0;
    int n = cgroup_file_read(memory_fd, memory->peak_file, text, sizeof text);
    struct str line = str_head(str_from(text), str_find(str_from(text), '\n'));
    if (n <= 0 || parse_u64(line, UINT64_MAX, &peak) < 0)
        peak = 0; /* Unknown. */
    *out_usage = (struct cgroup_usage){
        .oom_kills = keyed_number(memory_fd, memory->oom_file, "oom_kill"),
        .memory_peak_bytes = peak,
        .cpu_us = keyed_number(group->fds[CGROUP_UNIFIED], "cpu.stat", "usage_usec"),
    };
    if (group->is_out_of_memory && out_usage->oom_kills == 0)
        out_usage->oom_kills = 1; /* Our kill came before the kernel had chosen. */
}

int cgroup_remove(struct cgroup_tree *tree, struct cgroup *group, struct err *err)
{
    if (group->bare != NULL) { /* Its pid namespace is empty: nothing holds it. */
        bare_free(group->bare);
        group->bare = NULL;
        return 0;
    }
    char name[24];
    (void) snprintf(name, sizeof name, "s%llu", (unsigned long long) group->number);
    for (int i = 0; i < CGROUP_PARTS; i++) {
        if (group->fds[i] < 0)
            continue;
        if (unlinkat(tree->parts[i].parent_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
            return err_set(err, -errno, "remove cgroup %s", name);
        (void) close(group->fds[i]);
        group->fds[i] = -1;
    }
    if (group->oom_fd >= 0)
        (void) close(group->oom_fd);
    group->oom_fd = -1;
    return 0;
}
