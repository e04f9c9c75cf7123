/* Watching a sandbox from outside, without control groups.
 *
 * The sandbox's own /proc lists exactly the processes of its pid namespace, orphans and all, in any
 * state of parenthood. It is opened once through /proc/<pid>/root, while process 1 is virga-init
 * and nothing of a tenant has run; its files are read-only and the kernel's.
 *
 * Memory: RssAnon, RssShmem, VmSwap and VmPTE of each process, summed. That counts a page that
 * forked processes share once for each, so above the limit the proportional figures (smaps_rollup)
 * decide, which cost a walk over the page tables. A function can grow between two looks; how long
 * is left until the next follows from what it lacks to its limit at the rate at which memory can be
 * touched.
 *
 * Signals reach its processes through descriptors of their /proc directories, which
 * pidfd_send_signal(2) takes like pidfds: the numbers there are of its own namespace.
 * Sources: proc(5), proc_pid_status(5), pidfd_send_signal(2), setrlimit(2); kernel/ucount.c for
 * RLIMIT_NPROC by user and user namespace. */
#include "sandbox/bare.h"

#include "base/mem.h"
#include "base/str.h"
#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { LOOK_MIN_US = 5000, LOOK_MAX_US = 100000, FREEZE_ROUNDS = 3, FILE_MAX = 4096 };
enum { GROWTH_BYTES_PER_US = 1000 }; /* one CPU touches about a gigabyte of new pages a second */

struct bare {
    pid_t pid;
    int pidfd;
    int proc_fd;   /* its /proc, once begun; else -1 */
    int peak_fd;   /* a memfd with the peak as text */
    int freeze_fd; /* where main's wishes arrive */
    struct cgroup_limits limits;
    uint64_t peak_bytes, cpu_us;
    int64_t due_us; /* of the next look */
    bool is_out_of_memory;
};

/* ---- decisions ---- */

uint64_t bare_fields_sum(struct str text, const char *const *names)
{
    uint64_t sum = 0, number;
    struct str line, name;
    while (str_split(&text, '\n', &line)) {
        if (!str_split(&line, ':', &name))
            continue;
        line = str_trim(line);
        line = str_head(line, str_find(line, ' '));
        for (size_t i = 0; names[i] != NULL; i++)
            if (str_eq(name, str_from(names[i])) &&
                parse_u64(line, UINT64_MAX / 4096, &number) == 0)
                sum += number * 1024;
    }
    return sum;
}

int64_t bare_interval_us(uint64_t used_bytes, uint64_t limit_bytes)
{
    uint64_t left = used_bytes < limit_bytes ? limit_bytes - used_bytes : 0;
    int64_t us = (int64_t) (left / GROWTH_BYTES_PER_US);
    return us < LOOK_MIN_US ? LOOK_MIN_US : us > LOOK_MAX_US ? LOOK_MAX_US : us;
}

/* ---- its life ---- */

struct bare *bare_new(void)
{
    struct bare *bare = NEW(struct bare);
    *bare = (struct bare){.pidfd = -1, .proc_fd = -1, .peak_fd = -1, .freeze_fd = -1};
    return bare;
}

void bare_free(struct bare *bare)
{
    cleanup_close(&bare->proc_fd);
    cleanup_close(&bare->peak_fd);
    cleanup_close(&bare->freeze_fd);
    free(bare);
}

void bare_adopt(struct bare *bare, pid_t pid, int pidfd)
{
    bare->pid = pid;
    bare->pidfd = pidfd;
}

int bare_child(void)
{
    /* The builder is undumpable, like the spawner, and may not write its own files in /proc until
     * it is not; exec of virga-init makes it so again. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || setpriority(PRIO_PROCESS, 0, BARE_NICE) < 0)
        return -errno;
    AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, "1000", 4) < 0 ? -errno : 0;
}

static int limits_set(const struct bare *bare, struct err *err)
{
    if (bare->limits.pids_max == 0)
        return 0; /* A shell: nobody's yet, and it runs nothing. */
    const struct rlimit count = {bare->limits.pids_max, bare->limits.pids_max};
    if (prlimit(bare->pid, RLIMIT_NPROC, &count, NULL) < 0)
        return err_set(err, -errno, "limit a sandbox");
    return 0;
}

int bare_limit(struct bare *bare, const struct cgroup_limits *limits, struct err *err)
{
    bare->limits = *limits;
    bare->due_us = 0;
    return bare->proc_fd < 0 ? 0 : limits_set(bare, err);
}

int bare_begin(struct bare *bare, struct err *err)
{
    if (bare->proc_fd >= 0)
        return 0;
    char path[40];
    (void) snprintf(path, sizeof path, "/proc/%d/root/proc", bare->pid);
    AUTO_CLOSE int proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0 || faccessat(proc, "1/status", R_OK, 0) < 0)
        return err_set(err, -errno, "watch a sandbox");
    bare->proc_fd = take_fd(&proc);
    return limits_set(bare, err);
}

/* ---- its processes ---- */

/* Calls fn for each; it may end meanwhile. */
static void each_process(const struct bare *bare, void (*fn)(int dir_fd, void *arg), void *arg)
{
    int fd = openat(bare->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        cleanup_close(&fd);
        return; /* Of descriptors there are enough, see FDS_PER_SLOT; the next look comes soon. */
    }
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
            continue;
        AUTO_CLOSE int process =
            openat(bare->proc_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process >= 0)
            fn(process, arg);
    }
    (void) closedir(dir);
}

static uint64_t file_sum(int dir_fd, const char *name, const char *const *fields)
{
    char text[FILE_MAX];
    AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    return n <= 0 ? 0 : bare_fields_sum(str_of(text, (size_t) n), fields);
}

static void add_resident(int dir_fd, void *sum)
{
    static const char *const fields[] = {"RssAnon", "RssShmem", "VmSwap", "VmPTE", NULL};
    *(uint64_t *) sum += file_sum(dir_fd, "status", fields);
}

static void add_proportional(int dir_fd, void *sum)
{
    static const char *const fields[] = {"Pss_Anon", "Pss_Shmem", "SwapPss", NULL};
    static const char *const tables[] = {"VmPTE", NULL};
    *(uint64_t *) sum +=
        file_sum(dir_fd, "smaps_rollup", fields) + file_sum(dir_fd, "status", tables);
}

static void peak_write(struct bare *bare, uint64_t bytes)
{
    if (bytes <= bare->peak_bytes)
        return;
    bare->peak_bytes = bytes;
    char text[24];
    int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long) bytes);
    if (bare->peak_fd >= 0)
        (void) !pwrite(bare->peak_fd, text, (size_t) n, 0); /* A figure in a report. */
}

int64_t bare_sample(struct bare *bare, int64_t now_us)
{
    if (bare->proc_fd < 0 || bare->limits.memory_bytes == 0 || now_us < bare->due_us)
        return bare->due_us;
    uint64_t used = 0, limit = bare->limits.memory_bytes;
    each_process(bare, add_resident, &used);
    if (used > limit) {
        used = 0;
        each_process(bare, add_proportional, &used);
    }
    peak_write(bare, used);
    if (used > limit && bare_kill(bare, NULL) == 0)
        bare->is_out_of_memory = true;
    bare->due_us = now_us + bare_interval_us(used, limit);
    return bare->due_us;
}

/* ---- what main wants ---- */

int bare_open_freeze(struct bare *bare, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return err_set(err, -errno, "pipe of a sandbox");
    cleanup_close(&bare->freeze_fd);
    bare->freeze_fd = ends[0];
    return ends[1];
}

int bare_open_peak(struct bare *bare, struct err *err)
{
    cleanup_close(&bare->peak_fd);
    bare->peak_fd = memfd_create("virga-peak", MFD_CLOEXEC);
    bare->due_us = bare->peak_bytes = 0;
    (void) bare_sample(bare, 0); /* So that it is never empty. */
    int fd = bare->peak_fd < 0 ? -1 : fcntl(bare->peak_fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? err_set(err, -errno, "file of a sandbox's memory") : fd;
}

int bare_asked_fd(const struct bare *bare)
{
    return bare->freeze_fd;
}

static void send_signal(int dir_fd, void *number)
{
    /* A process that has just ended wants none. */
    (void) syscall(SYS_pidfd_send_signal, dir_fd, *(const int *) number, NULL, 0);
}

void bare_asked(struct bare *bare)
{
    char wishes[64];
    ssize_t n = bare->freeze_fd < 0 ? -1 : read(bare->freeze_fd, wishes, sizeof wishes);
    if (n == 0)
        cleanup_close(
            &bare->freeze_fd); /* Main is done with it; else this would be ready for ever. */
    if (n == 0)
        bare->freeze_fd = -1;
    if (n <= 0)
        return;
    bool is_stop = wishes[n - 1] == '1';
    int number = is_stop ? SIGSTOP : SIGCONT;
    /* What is forked while the list is read is met in the next round. */
    for (int i = 0; i < (is_stop ? FREEZE_ROUNDS : 1); i++)
        each_process(bare, send_signal, &number);
}

/* ---- the end ---- */

int bare_kill(const struct bare *bare, struct err *err)
{
    if (syscall(SYS_pidfd_send_signal, bare->pidfd, SIGKILL, NULL, 0) < 0)
        return err_set(err, -errno, "kill a sandbox");
    return 0;
}

void bare_ended(struct bare *bare, const struct rusage *usage)
{
    bare->cpu_us = (uint64_t) (usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000 +
                   (uint64_t) (usage->ru_utime.tv_usec + usage->ru_stime.tv_usec);
}

void bare_usage(const struct bare *bare, struct cgroup_usage *out_usage)
{
    *out_usage = (struct cgroup_usage){.oom_kills = bare->is_out_of_memory,
                                       .memory_peak_bytes = bare->peak_bytes,
                                       .cpu_us = bare->cpu_us};
}
