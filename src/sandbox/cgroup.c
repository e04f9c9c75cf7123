/* Control groups of both versions.
 *
 * A host has its controllers in version 1 (one hierarchy each, /sys/fs/cgroup/memory/...), in
 * version 2 (one hierarchy) or mixed. So each of memory, cpu and pids has a driver per version,
 * chosen at start from /proc/self/mountinfo and /proc/self/cgroup, and a part of a group is a
 * directory in the hierarchy of its driver; parts that live in version 2 share one directory.
 * Version 2 itself is always needed, with or without controllers, for cgroup.freeze (16 us where
 * version 1's freezer takes 90 and a retry loop), cgroup.kill and cgroup.events.
 *
 * Limits are hard: memory without swap; CPU by quota in periods of 20 ms, because a long period
 * stalls small functions for most of it; pids. The verdict "out of memory" is the kernel's counter
 * of OOM kills, never a guess from a signal.
 *
 * A group that runs out of memory ends as a whole. Killing one process at a time, as the kernel
 * does by itself, lets a family of them go on asking: they spin in the kernel, take the CPU from
 * the one that is to die, and tens of seconds pass. Version 2 has memory.oom.group for that; in
 * version 1 an eventfd tells the spawner, which kills the rest.
 *
 * In version 2 a group with controllers for its children must hold no process itself. Where the
 * group we started in is such a leaf (a systemd service, a session), the parent goes beside it:
 * the nearest ancestor that has, or accepts, the controllers in cgroup.subtree_control.
 *
 * Sources: Documentation/admin-guide/cgroup-v1/{cgroups,memory}.rst, cgroup-v2.rst,
 * Documentation/scheduler/sched-bwc.rst. */
#include "sandbox/cgroup.h"

#include "base/assert.h"
#include "sandbox/bare.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>

struct cgroup_driver {
    const char *name; /* of the controller */
    bool is_v1;
    int (*limit)(int dir_fd, const struct cgroup_limits *limits, struct err *err);
    const char *peak_file; /* memory only */
    const char *oom_file;  /* memory only: has a line "oom_kill <n>" */
};

enum { CPU_PERIOD_US = 20000, CPU_QUOTA_MIN_US = 1000 }; /* The kernel refuses less than 1 ms. */
enum { LEFTOVER_WAIT_MS = 5000 };

static int file_write_text(int dir_fd, const char *name, const char *text, struct err *err)
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
    return file_write_text(dir_fd, name, text, err);
}

/* Length of the text in `out`, which is cut at its size; -errno. */
static int file_read_text(int dir_fd, const char *name, char *out, size_t size)
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
    rc = file_write_text(dir_fd, "memory.oom.group", "1", err);
    if (rc < 0)
        return rc;
    rc = file_write_text(dir_fd, "memory.swap.max", "0", NULL);
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
    return file_write_text(dir_fd, "cpu.max", text, err);
}

static int pids_limit(int dir_fd, const struct cgroup_limits *limits, struct err *err)
{
    return file_write_number(dir_fd, "pids.max", limits->pids_max, err);
}

enum { VERSION_1, VERSION_2, VERSIONS };
static const struct cgroup_driver drivers[CGROUP_UNIFIED][VERSIONS] = {
    [CGROUP_MEMORY] = {{"memory", true, memory_v1_limit, "memory.max_usage_in_bytes",
                        "memory.oom_control"},
                       {"memory", false, memory_v2_limit, "memory.peak", "memory.events"}},
    [CGROUP_CPU] = {{"cpu", true, cpu_v1_limit, NULL, NULL},
                    {"cpu", false, cpu_v2_limit, NULL, NULL}},
    [CGROUP_PIDS] = {{"pids", true, pids_limit, NULL, NULL},
                     {"pids", false, pids_limit, NULL, NULL}},
};

/* ---- finding the hierarchies ---- */

static bool list_has(struct str list, const char *word)
{
    struct str part;
    while (str_split(&list, ',', &part))
        if (str_eq(part, str_from(word)))
            return true;
    return false;
}

/* Our path in a hierarchy, from lines "4:memory:/a/b" and "0::/a/b". controller "": version 2. */
static struct str own_path(struct str own, const char *controller)
{
    struct str line, field;
    while (str_split(&own, '\n', &line)) {
        struct str list;
        if (!str_split(&line, ':', &field) || !str_split(&line, ':', &list))
            continue;
        if (controller[0] == '\0' ? str_is_empty(list) : list_has(list, controller))
            return line;
    }
    return STR_NONE;
}

/* One line of mountinfo: "36 35 98:0 /root /point opts [optional...] - type source super". */
struct mount_line {
    struct str root, point, type, super;
};

static bool mount_line_parse(struct str line, struct mount_line *out)
{
    struct str field, rest = line;
    for (int i = 0; i < 5; i++) {
        if (!str_split(&rest, ' ', &field))
            return false;
        if (i == 3)
            out->root = field;
        if (i == 4)
            out->point = field;
    }
    while (str_split(&rest, ' ', &field))
        if (str_eq(field, STR("-")))
            break;
    return str_split(&rest, ' ', &out->type) && str_split(&rest, ' ', &field) &&
           str_split(&rest, ' ', &out->super);
}

/* The mount that holds a controller; "" asks for version 2. */
static bool mount_find(struct str mounts, const char *controller, struct mount_line *out)
{
    bool is_v2 = controller[0] == '\0';
    struct str line;
    while (str_split(&mounts, '\n', &line)) {
        if (!mount_line_parse(line, out))
            continue;
        if (is_v2 ? str_eq(out->type, STR("cgroup2"))
                  : str_eq(out->type, STR("cgroup")) && list_has(out->super, controller))
            return true;
    }
    return false;
}

/* Mount point + own path, less the part of the path that the mount hides (a container's mount
 * shows a subtree only). */
static int base_path(char *out, size_t size, const struct mount_line *mount, struct str own)
{
    if (own.ptr == NULL)
        return -ENOENT;
    if (!str_eq(mount->root, STR("/")) && str_starts(own, mount->root))
        own = str_skip(own, mount->root.len);
    if (str_eq(own, STR("/")))
        own = STR("");
    int n = snprintf(out, size, STR_FMT STR_FMT, STR_ARG(mount->point), STR_ARG(own));
    return n < 0 || (size_t) n >= size ? -ENAMETOOLONG : 0;
}

/* Does version 2 offer the controller here? */
static bool unified_offers(const char *base, const char *controller)
{
    char path[600], text[512];
    (void) snprintf(path, sizeof path, "%s/cgroup.controllers", base);
    int n = file_read_text(AT_FDCWD, path, text, sizeof text);
    if (n < 0)
        return false;
    struct str rest = str_trim(str_of(text, (size_t) n)), word;
    while (str_split(&rest, ' ', &word))
        if (str_eq(str_head(word, str_find(word, '\n')), str_from(controller)))
            return true;
    return false;
}

int cgroup_detect(struct str mounts, struct str own, struct cgroup_tree *out_tree, struct err *err)
{
    struct cgroup_tree tree = {.next = 1};
    struct mount_line mount;
    for (int i = 0; i < CGROUP_PARTS; i++) {
        tree.parts[i].parent_fd = -1;
        tree.parts[i].same_as = (enum cgroup_part) i;
    }
    if (!mount_find(mounts, "", &mount))
        return err_say(err, -ENOTSUP, "no cgroup2 file system is mounted");
    char *unified = tree.parts[CGROUP_UNIFIED].base;
    if (base_path(unified, sizeof tree.parts[0].base, &mount, own_path(own, "")) < 0)
        return err_say(err, -ENOTSUP, "own path in cgroup2 is unknown");
    (void) snprintf(tree.unified_point, sizeof tree.unified_point, STR_FMT, STR_ARG(mount.point));
    struct str options = mount.super, option;
    while (str_split(&options, ',', &option))
        if (!str_eq(option, STR("rw")) && !str_eq(option, STR("ro"))) {
            size_t at = strlen(tree.unified_options);
            (void) snprintf(tree.unified_options + at, sizeof tree.unified_options - at,
                            STR_FMT ",", STR_ARG(option));
        }
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        const char *name = drivers[i][VERSION_1].name;
        if (mount_find(mounts, name, &mount)) {
            tree.parts[i].driver = &drivers[i][VERSION_1];
            if (base_path(tree.parts[i].base, sizeof tree.parts[i].base, &mount,
                          own_path(own, name)) < 0)
                return err_say(err, -ENOTSUP, "own path of cgroup controller %s is unknown", name);
        } else if (unified_offers(unified, name)) {
            tree.parts[i].driver = &drivers[i][VERSION_2];
            tree.parts[i].same_as = CGROUP_UNIFIED;
        } else {
            return err_say(err, -ENOTSUP, "cgroup controller %s is not available", name);
        }
        for (int j = 0; j < i; j++) /* Hierarchies that hold several of our controllers. */
            if (tree.parts[i].driver->is_v1 && strcmp(tree.parts[i].base, tree.parts[j].base) == 0)
                tree.parts[i].same_as = (enum cgroup_part) j;
    }
    *out_tree = tree;
    return 0;
}

/* ---- the parents ---- */

/* Enables every controller that lives in version 2 for the children of dir. */
static int unified_enable(const struct cgroup_tree *tree, int dir_fd, struct err *err)
{
    for (int i = 0; i < CGROUP_UNIFIED; i++) {
        if (tree->parts[i].driver->is_v1)
            continue;
        char text[24];
        (void) snprintf(text, sizeof text, "+%s", tree->parts[i].driver->name);
        int rc = file_write_text(dir_fd, "cgroup.subtree_control", text, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Opens `base` or, where processes in it forbid controllers for children, the nearest ancestor
 * that takes them; shortens base to what was opened. */
static int unified_open_base(const struct cgroup_tree *tree, char *base, struct err *err)
{
    for (;;) {
        AUTO_CLOSE int fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            return err_set(err, -errno, "open cgroup '%s'", base);
        int rc = unified_enable(tree, fd, err);
        if (rc == 0)
            return take_fd(&fd);
        char *slash = strrchr(base, '/');
        if (rc != -EBUSY || slash == NULL || slash == base)
            return err_wrap(err, "enable controllers in '%s'", base);
        *slash = '\0';
        if (faccessat(AT_FDCWD, base, F_OK, 0) < 0)
            return err_set(err, -errno, "open cgroup '%s'", base);
    }
}

static int dir_open_or_make(int dir_fd, const char *name, struct err *err)
{
    if (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, -errno, "make cgroup '%s'", name);
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? err_set(err, -errno, "open cgroup '%s'", name) : fd;
}

/* Calls fn for each group below a parent; stops at the first error. */
static int each_group(int parent_fd, int (*fn)(int parent_fd, const char *name, struct err *err),
                      struct err *err)
{
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "list cgroups");
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int rc = err_set(err, -errno, "list cgroups");
        (void) close(fd);
        return rc;
    }
    int rc = 0;
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir)) != NULL;)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            rc = fn(parent_fd, entry->d_name, err);
    (void) closedir(dir);
    return rc;
}

/* Waits, bounded, until nothing lives in a version 2 group; its events file reports changes. */
static int wait_empty(int dir_fd, const char *name, struct err *err)
{
    AUTO_CLOSE int fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open cgroup.events of %s", name);
    for (int waited_ms = 0; waited_ms < LEFTOVER_WAIT_MS; waited_ms += 100) {
        char text[128];
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        if (n < 0)
            return err_set(err, -errno, "read cgroup.events of %s", name);
        text[n] = '\0';
        if (strstr(text, "populated 0") != NULL)
            return 0;
        struct pollfd change = {.fd = fd, .events = POLLPRI};
        (void) poll(&change, 1, 100); /* Woken or not, the file is read again. */
    }
    return err_say(err, -EBUSY, "processes in leftover cgroup %s do not die", name);
}

static int leftover_kill(int parent_fd, const char *name, struct err *err)
{
    AUTO_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open leftover cgroup %s", name);
    int rc = file_write_text(fd, "cgroup.kill", "1", err);
    return rc < 0 ? rc : wait_empty(fd, name, err);
}

static int leftover_remove(int parent_fd, const char *name, struct err *err)
{
    /* A group is empty a moment before the kernel lets it be removed. */
    for (int tries = 0; tries < 500; tries++) {
        if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            break;
        (void) poll(NULL, 0, 2);
    }
    return err_set(err, -errno, "remove leftover cgroup %s", name);
}

/* Version 2 first, since every process of ours is in it, then each hierarchy. */
static int leftovers_remove(struct cgroup_tree *tree, struct err *err)
{
    int rc = each_group(tree->parts[CGROUP_UNIFIED].parent_fd, leftover_kill, err);
    for (int i = 0; i < CGROUP_PARTS && rc == 0; i++)
        if (tree->parts[i].parent_fd >= 0)
            rc = each_group(tree->parts[i].parent_fd, leftover_remove, err);
    return rc;
}

static int parent_open(struct cgroup_tree *tree, enum cgroup_part part, struct err *err)
{
    char *base = tree->parts[part].base;
    AUTO_CLOSE int base_fd = part == CGROUP_UNIFIED
                                 ? unified_open_base(tree, base, err)
                                 : open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd < 0)
        return part == CGROUP_UNIFIED ? base_fd : err_set(err, -errno, "open cgroup '%s'", base);
    int fd = dir_open_or_make(base_fd, tree->name, err);
    if (fd < 0)
        return err_wrap(err, "in '%s'", base);
    tree->parts[part].parent_fd = fd;
    return part == CGROUP_UNIFIED ? unified_enable(tree, fd, err) : 0;
}

/* Moving a process into a version 1 group waits for a grace period of RCU, milliseconds, unless the
 * kernel is told to favour such moves over forks (since 6.0; a switch of the whole host, hence put
 * back when we leave). In version 2 nothing moves: CLONE_INTO_CGROUP. Older kernels refuse the
 * option, and the start of a sandbox has its tail there. */
static void favour_migration(struct cgroup_tree *tree)
{
    bool has_v1 = false;
    for (int i = 0; i < CGROUP_UNIFIED; i++)
        has_v1 = has_v1 || tree->parts[i].driver->is_v1;
    if (!has_v1 || strstr(tree->unified_options, "favordynmods") != NULL)
        return;
    char options[300];
    (void) snprintf(options, sizeof options, "%sfavordynmods", tree->unified_options);
    tree->is_favoured = mount(NULL, tree->unified_point, NULL, MS_REMOUNT, options) == 0;
}

int cgroup_tree_open(struct cgroup_tree *tree, const char *key, struct err *err)
{
    (void) snprintf(tree->name, sizeof tree->name, "virga-%.24s", key);
    for (int i = 0; i < CGROUP_PARTS; i++) {
        if (tree->parts[i].same_as != (enum cgroup_part) i)
            continue;
        int rc = parent_open(tree, (enum cgroup_part) i, err);
        if (rc < 0)
            return rc;
    }
    favour_migration(tree);
    int rc = leftovers_remove(tree, err);
    return rc < 0 ? err_wrap(err, "clean up after an earlier run") : 0;
}

void cgroup_tree_bare(struct cgroup_tree *out_tree)
{
    *out_tree = (struct cgroup_tree){.is_bare = true, .next = 1};
    for (int i = 0; i < CGROUP_PARTS; i++)
        out_tree->parts[i].parent_fd = -1;
}

void cgroup_tree_close(struct cgroup_tree *tree)
{
    if (tree != NULL && tree->is_favoured) /* Best effort: it harms nobody if it stays. */
        (void) mount(NULL, tree->unified_point, NULL, MS_REMOUNT, tree->unified_options);
    for (int i = 0; tree != NULL && i < CGROUP_PARTS; i++) {
        if (tree->parts[i].parent_fd < 0)
            continue;
        char path[600];
        (void) snprintf(path, sizeof path, "%s/%s", tree->parts[i].base, tree->name);
        (void) close(tree->parts[i].parent_fd);
        (void) rmdir(path); /* What stays is removed at the next start. */
        tree->parts[i].parent_fd = -1;
    }
}

/* ---- one group ---- */

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
    int rc = file_write_text(memory_fd, "cgroup.event_control", text, err);
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
        int fd = dir_open_or_make(tree->parts[i].parent_fd, name, err);
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
    return file_write_text(group->fds[CGROUP_UNIFIED], "cgroup.kill", "1", err);
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
    int n = file_read_text(dir_fd, file, text, sizeof text);
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
    int n = file_read_text(memory_fd, memory->peak_file, text, sizeof text);
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
