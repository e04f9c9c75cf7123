/* The checks of `virga doctor`, in the order of the list that it prints: who we are, the kernel,
 * control groups, what a build of a sandbox calls, /tmp on disk, limits, interpreters.
 *
 * What needs privilege to be tried (namespaces, detached mounts, overlay, ext4) is tried by a
 * child, which writes the error codes into a pipe and ends: its namespaces end with it. The
 * kernel's version decides where a feature cannot be tried alone (cgroup.kill,
 * CLONE_INTO_CGROUP: 5.14). Advice is one sentence that says what to do, for the person who reads
 * it. */
#include "sandbox/probe.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/str.h"
#include "sandbox/cgroup.h"
#include "sandbox/root.h"
#include "sandbox/spawner_init.h"

#include <errno.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

enum { IDS_NEEDED = 65536 }; /* or one */
enum { KERNEL_MAJOR = 5, KERNEL_MINOR = 14, PROC_TEXT_MAX = 4 << 20 };
static const unsigned long long space_wanted = 2ULL << 30, space_needed = 256ULL << 20;

__attribute__((format(printf, 5, 6))) static void add(struct probe *probe, const char *name,
                                                      enum probe_level level, const char *advice,
                                                      const char *format, ...)
{
    assert(probe->count < PROBE_ITEMS_MAX);
    struct probe_item *item = &probe->items[probe->count++];
    *item = (struct probe_item){
        .name = name, .level = level, .advice = level == PROBE_GOOD ? NULL : advice};
    va_list arguments;
    va_start(arguments, format);
    (void) vsnprintf(item->found, sizeof item->found, format, arguments);
    va_end(arguments);
    if (level > probe->level)
        probe->level = level;
}

/* ---- decisions ---- */

enum probe_level probe_kernel_level(const char *release)
{
    struct str text = str_from(release);
    size_t dot = str_find(text, '.');
    struct str minor = str_skip(text, dot < text.len ? dot + 1 : text.len);
    size_t end = 0;
    while (end < minor.len && minor.ptr[end] >= '0' && minor.ptr[end] <= '9')
        end++;
    uint64_t major_number, minor_number;
    if (parse_u64(str_head(text, dot), UINT16_MAX, &major_number) < 0 ||
        parse_u64(str_head(minor, end), UINT16_MAX, &minor_number) < 0)
        return PROBE_WEAK; /* A version of another shape: it is tried, not refused. */
    bool is_old = major_number < KERNEL_MAJOR ||
                  (major_number == KERNEL_MAJOR && minor_number < KERNEL_MINOR);
    return is_old ? PROBE_MISSING : PROBE_GOOD;
}

enum probe_level probe_machine_level(const char *machine)
{
    if (strcmp(machine, "x86_64") == 0)
        return PROBE_GOOD;
    return strcmp(machine, "aarch64") == 0 ? PROBE_WEAK : PROBE_MISSING;
}

enum probe_level probe_space_level(unsigned long long free_bytes)
{
    if (free_bytes < space_needed)
        return PROBE_MISSING;
    return free_bytes < space_wanted ? PROBE_WEAK : PROBE_GOOD;
}

/* ---- the process and the kernel ---- */

static void check_privilege(struct probe *probe, const struct probe_config *config)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    bool can = syscall(SYS_capget, &header, data) == 0 &&
               (data[0].effective & UINT32_C(1) << CAP_SYS_ADMIN) != 0;
    const char *advice =
        geteuid() == 0 ? "this root lacks CAP_SYS_ADMIN, as in an unprivileged container: "
                         "run it with docker run --privileged, or let it make user namespaces "
                         "(docs/support.md)"
                       : "run Virga as root, or see what rootless mode needs: "
                         "docs/rootless.md";
    add(probe, "privilege", can && geteuid() == 0 ? PROBE_GOOD : PROBE_MISSING, advice,
        "uid %u, CAP_SYS_ADMIN %s%s", (unsigned) geteuid(), can ? "yes" : "no",
        can && config->is_rootless ? ", in a user namespace" : "");
    bool is_one = config->id_count == 1;
    add(probe, "user ids",
        config->id_count >= IDS_NEEDED ? PROBE_GOOD
        : is_one                       ? PROBE_WEAK
                                       : PROBE_MISSING,
        "functions, the server and your files have one user; install uidmap and give the user "
        "65536 "
        "subordinate ids (docs/rootless.md)",
        "%llu", config->id_count);
}

/* For information: what is refused below is then usually the container's doing. */
static void check_container(struct probe *probe)
{
    static const struct {
        const char *mark, *kind;
    } marks[] = {{"/.dockerenv", "Docker"},
                 {"/run/.containerenv", "Podman"},
                 {"/run/systemd/container", "one of systemd's, or LXC"},
                 {"/var/run/secrets/kubernetes.io", "Kubernetes"}};
    const char *kind = "none seen";
    for (size_t i = 0; i < ARRAY_LEN(marks); i++)
        if (access(marks[i].mark, F_OK) == 0)
            kind = marks[i].kind;
    add(probe, "container", PROBE_GOOD, NULL, "%s", kind);
}

static void add_call(struct probe *probe, const char *name, bool works)
{
    add(probe, name, works ? PROBE_GOOD : PROBE_MISSING,
        "the kernel is too old (docs/support.md), or a container's seccomp profile forbids it",
        "%s", works ? "yes" : "refused");
}

static void check_kernel(struct probe *probe)
{
    struct utsname name;
    if (uname(&name) < 0) {
        add(probe, "kernel", PROBE_WEAK, "uname(2) failed", "errno %d", errno);
        return;
    }
    add(probe, "kernel", probe_kernel_level(name.release), "Linux 5.14 or newer is needed", "%s",
        name.release);
    add(probe, "architecture", probe_machine_level(name.machine),
        "x86-64 is what Virga is tested on; arm64 is built for and untested", "%s", name.machine);
    add(probe, "glibc", PROBE_GOOD, NULL, "%s", gnu_get_libc_version());
    uint32_t action = SECCOMP_RET_ERRNO;
    bool has = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
    add(probe, "seccomp", has ? PROBE_GOOD : PROBE_MISSING,
        "use a kernel with CONFIG_SECCOMP_FILTER", "%s", has ? "filters" : "no filters");
    add_call(probe, "clone3",
             syscall(SYS_clone3, NULL, 0) < 0 && errno != ENOSYS && errno != EPERM);
    AUTO_CLOSE int pidfd = (int) syscall(SYS_pidfd_open, getpid(), 0);
    add_call(probe, "pidfd", pidfd >= 0);
    add_call(probe, "close_range", close_range(UINT_MAX, UINT_MAX, 0) == 0);
}

/* ---- control groups ---- */

static int proc_read(const char *path, struct buf *out)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    for (;;) {
        char *room = buf_room(out, 16384);
        ssize_t n = room == NULL ? -1 : read(fd, room, 16384);
        if (n <= 0)
            return n < 0 ? -EIO : 0;
        buf_added(out, (size_t) n);
    }
}

static void check_cgroup_part(struct probe *probe, const struct cgroup_tree *tree, const char *name,
                              enum cgroup_part part)
{
    const char *base = tree->parts[part].base;
    bool is_v2 = part == CGROUP_UNIFIED || tree->parts[part].same_as == CGROUP_UNIFIED;
    if (part != CGROUP_UNIFIED && is_v2)
        base = tree->parts[CGROUP_UNIFIED].base;
    bool can = access(base, W_OK) == 0;
    add(probe, name, can ? PROBE_GOOD : PROBE_WEAK,
        "functions run with reduced isolation only (--dev, or --isolation reduced). For limits "
        "this "
        "cgroup must be writable: run as root, or as a user below a delegated one "
        "(systemd-run "
        "--user --scope -p Delegate=yes virga serve); in a container mount cgroups writable "
        "(docker "
        "run --privileged --cgroupns=private)",
        "version %d at %.120s", is_v2 ? 2 : 1, base);
}

static void check_cgroups(struct probe *probe)
{
    AUTO_BUF struct buf mounts, own;
    buf_init(&mounts, PROC_TEXT_MAX);
    buf_init(&own, PROC_TEXT_MAX);
    struct cgroup_tree tree;
    struct err err;
    int rc = proc_read("/proc/self/mountinfo", &mounts);
    rc = rc < 0 ? rc : proc_read("/proc/self/cgroup", &own);
    if (rc < 0)
        (void) err_set(&err, rc, "read /proc/self");
    else
        rc = cgroup_detect(buf_str(&mounts), buf_str(&own), &tree, &err);
    if (rc < 0) {
        add(probe, "cgroups", PROBE_WEAK,
            "functions run with reduced isolation only (--dev, or --isolation reduced). For limits "
            "mount cgroup2 at /sys/fs/cgroup (or beside version 1) with the controllers memory, "
            "cpu and pids; some kernels want cgroup_enable=memory on their command line",
            "%s", err.text);
        return;
    }
    check_cgroup_part(probe, &tree, "cgroup memory", CGROUP_MEMORY);
    check_cgroup_part(probe, &tree, "cgroup cpu", CGROUP_CPU);
    check_cgroup_part(probe, &tree, "cgroup pids", CGROUP_PIDS);
    check_cgroup_part(probe, &tree, "cgroup freeze, kill", CGROUP_UNIFIED);
}

/* ---- what a build of a sandbox calls, tried by a child ---- */

struct trial {
    int namespaces, tree, attributes, proc, overlay, ext4; /* errno; 0: works */
};

static int fs_errno(const char *type)
{
    int fd = (int) syscall(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */);
    return fd < 0 ? errno : 0; /* The process ends soon. */
}

static void trial_make(struct trial *out)
{
    *out = (struct trial){0};
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID |
                CLONE_NEWCGROUP) < 0) {
        out->namespaces = errno; /* And nothing more: mounts of the host are not to be touched. */
        out->tree = out->attributes = out->proc = out->overlay = out->ext4 = errno;
        return;
    }
    int tree = open_tree(AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    out->tree = tree < 0 ? errno : 0;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
        out->attributes = errno;
    out->proc = -root_can_proc();
    out->overlay = fs_errno("overlay");
    out->ext4 = fs_errno("ext4");
}

static int trial_run(struct trial *out)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    AUTO_CLOSE int in = pipe_fds[0];
    pid_t pid = fork();
    if (pid == 0) {
        trial_make(out);
        _exit(write(pipe_fds[1], out, sizeof *out) == (ssize_t) sizeof *out ? 0 : 1);
    }
    (void) close(pipe_fds[1]);
    if (pid < 0)
        return -EAGAIN;
    ssize_t n = read(in, out, sizeof *out);
    (void) waitpid(pid, NULL, 0);
    return n == (ssize_t) sizeof *out ? 0 : -EIO;
}

static void add_trial(struct probe *probe, const char *name, int code, enum probe_level otherwise,
                      const char *advice)
{
    add(probe, name, code == 0 ? PROBE_GOOD : otherwise, advice, "%s",
        code == 0 ? "works" : strerror(code));
}

static void check_trial(struct probe *probe, int *out_ext4)
{
    struct trial trial = {0};
    int rc = trial_run(&trial);
    if (rc < 0)
        trial = (struct trial){-rc, -rc, -rc, -rc, -rc, -rc};
    add_trial(probe, "namespaces", trial.namespaces, PROBE_MISSING,
              "new namespaces are refused: run as root, outside of an unprivileged container "
              "(docs/support.md)");
    add_trial(probe, "open_tree", trial.tree, PROBE_MISSING,
              "detached mounts are refused: CAP_SYS_ADMIN and Linux 5.12 are needed");
    add_trial(probe, "mount_setattr", trial.attributes, PROBE_MISSING,
              "mount attributes are refused: CAP_SYS_ADMIN and Linux 5.12 are needed");
    add_trial(probe, "proc", trial.proc, PROBE_MISSING,
              "a new /proc is refused: a container masks parts of its own (docker run "
              "--security-opt systempaths=unconfined)");
    add_trial(probe, "overlayfs", trial.overlay, PROBE_WEAK,
              "functions with layers will not start: load the module overlay");
    *out_ext4 = trial.ext4;
}

/* ---- /tmp on disk ---- */

static void check_tmp(struct probe *probe, int ext4)
{
    bool has_mkfs =
        access("/usr/sbin/mkfs.ext4", X_OK) == 0 || access("/sbin/mkfs.ext4", X_OK) == 0;
    AUTO_CLOSE int loop = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    bool has_loop =
        loop >= 0 && ioctl(loop, LOOP_CTL_GET_FREE) >= 0; /* At most a spare one is left. */
    static const char in_memory[] =
        "/tmp will be kept in memory and count as the function's: install e2fsprogs, load the "
        "modules loop and ext4, give a container its /dev/loop*";
    add(probe, "loop devices", has_loop ? PROBE_GOOD : PROBE_WEAK, in_memory, "%s",
        has_loop ? "yes" : "none that can be used");
    add(probe, "mkfs.ext4", has_mkfs ? PROBE_GOOD : PROBE_WEAK, in_memory, "%s",
        has_mkfs ? "yes" : "not installed");
    add_trial(probe, "ext4", ext4, PROBE_WEAK, in_memory);
}

/* ---- limits ---- */

static void check_files(struct probe *probe, const struct probe_config *config)
{
    struct rlimit limit = {0, 0};
    (void) getrlimit(RLIMIT_NOFILE, &limit); /* Cannot fail for this resource. */
    unsigned long long need = spawner_files_wanted(config->slot_count, config->pool_max);
    add(probe, "open files", limit.rlim_max >= need ? PROBE_GOOD : PROBE_MISSING,
        "raise the hard limit of open files (LimitNOFILE= of systemd, ulimit -Hn)",
        "%llu allowed, %llu needed", (unsigned long long) limit.rlim_max, need);
}

/* The directory, or what exists of the way to it. */
static int nearest_statvfs(const char *dir, struct statvfs *out)
{
    char path[512];
    (void) snprintf(path, sizeof path, "%.500s", dir);
    while (statvfs(path, out) < 0) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT || slash == NULL || path[1] == '\0')
            return -errno;
        slash[slash == path ? 1 : 0] = '\0';
    }
    return 0;
}

static void check_space(struct probe *probe, const char *dir)
{
    struct statvfs st;
    int rc = nearest_statvfs(dir, &st);
    if (rc < 0) {
        add(probe, "disk space", PROBE_WEAK, "the data directory cannot be looked at", "%.60s: %s",
            dir, strerror(-rc));
        return;
    }
    unsigned long long free_bytes = (unsigned long long) st.f_bavail * st.f_frsize;
    add(probe, "disk space", probe_space_level(free_bytes),
        "free some space, or choose another --data directory", "%llu MB free for %.100s",
        free_bytes >> 20, dir);
}

static void check_user_namespaces(struct probe *probe)
{
    char text[24] = "";
    AUTO_CLOSE int fd = open("/proc/sys/user/max_user_namespaces", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 && text[n - 1] == '\n' ? n - 1 : 0] = '\0';
    /* For information: root's sandboxes do without. */
    add(probe, "user namespaces", PROBE_GOOD, NULL, "%s allowed; not needed by root",
        text[0] == '\0' ? "none" : text);
}

/* ---- snapshots ---- */

/* What a restorer needs of the kernel besides what a sandbox does (CONFIG_CHECKPOINT_RESTORE), and
 * what the last server's self-test said, which tried all of it. */
static void check_snapshots(struct probe *probe, const char *data_dir)
{
    static const char advice[] = "functions start from scratch; the server's log says more, and a "
                                 "restart of the server tries again";
    char path[PATH_MAX], reason[128];
    unsigned map_size;
    if (prctl(PR_SET_MM, PR_SET_MM_MAP_SIZE, &map_size, 0, 0) < 0) {
        add(probe, "snapshots", PROBE_WEAK,
            "functions start from scratch; a kernel with CONFIG_CHECKPOINT_RESTORE is needed",
            "PR_SET_MM_MAP: %s", strerror(errno));
        return;
    }
    (void) snprintf(path, sizeof path, "%s/data/snapshots/switched-off", data_dir);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? 0 : read(fd, reason, sizeof reason - 1);
    if (n <= 0) {
        add(probe, "snapshots", PROBE_GOOD, NULL, "the kernel can take them");
        return;
    }
    reason[n] = '\0';
    add(probe, "snapshots", PROBE_WEAK, advice, "off since the self-test: %s", reason);
}

/* ---- interpreters ---- */

/* The first line that `program --version` prints. */
static int version_of(const char *program, char *out, size_t size)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    AUTO_CLOSE int in = pipe_fds[0];
    pid_t pid = fork();
    if (pid == 0) {
        if (dup2(pipe_fds[1], 1) == 1 && dup2(pipe_fds[1], 2) == 2)
            (void) execl(program, program, "--version", NULL);
        _exit(127);
    }
    (void) close(pipe_fds[1]);
    if (pid < 0)
        return -EAGAIN;
    ssize_t n = read(in, out, size - 1);
    int status = 1;
    (void) waitpid(pid, &status, 0);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return status == 0 && n > 0 ? 0 : -ENOEXEC;
}

/* Of a language that most servers do without. */
static void check_other(struct probe *probe, const char *name, const char *program,
                        const char *package)
{
    char version[96];
    if (access(program, X_OK) < 0 || version_of(program, version, sizeof version) < 0)
        add(probe, name, PROBE_GOOD, NULL, "none: functions in it are refused (install %s)",
            package);
    else
        add(probe, name, PROBE_GOOD, NULL, "%s: %s", program, version);
}

static void check_interpreter(struct probe *probe, const char *name, const char *program,
                              const char *advice)
{
    char version[96];
    if (access(program, X_OK) < 0)
        add(probe, name, PROBE_WEAK, advice, "%s is not there", program);
    else if (version_of(program, version, sizeof version) < 0)
        add(probe, name, PROBE_WEAK, advice, "%s does not run", program);
    else
        add(probe, name, PROBE_GOOD, NULL, "%s: %s", program, version);
}

/* What virga serve would come to, from what was found; see docs/rootless.md. */
static void check_tier(struct probe *probe, const struct probe_config *config)
{
    bool is_reduced = false;
    for (size_t i = 0; i < probe->count; i++) {
        struct str name = str_from(probe->items[i].name);
        is_reduced =
            is_reduced || (probe->items[i].level != PROBE_GOOD &&
                           (str_starts(name, STR("cgroup")) || str_eq(name, STR("user ids"))));
    }
    const char *tier = probe->level == PROBE_MISSING ? "none"
                       : is_reduced                  ? "bare (docs/rootless.md)"
                       : config->is_rootless         ? "rootless"
                                                     : "root";
    add(probe, "isolation", PROBE_GOOD, NULL, "%s", tier);
}

void probe_run(const struct probe_config *config, struct probe *out_probe)
{
    *out_probe = (struct probe){.count = 0};
    check_privilege(out_probe, config);
    check_container(out_probe);
    check_kernel(out_probe);
    check_cgroups(out_probe);
    int ext4;
    check_trial(out_probe, &ext4);
    check_user_namespaces(out_probe);
    check_tmp(out_probe, ext4);
    check_files(out_probe, config);
    check_tier(out_probe, config);
    check_space(out_probe, config->data_dir);
    check_snapshots(out_probe, config->data_dir);
    check_interpreter(out_probe, "python", "/usr/bin/python3",
                      "Python functions will not start: install python3");
    check_interpreter(out_probe, "node", "/usr/bin/node",
                      "Node functions will not start: install nodejs");
    check_other(out_probe, "ruby", "/usr/bin/ruby", "ruby");
    check_other(out_probe, "java", "/usr/bin/java", "default-jre-headless");
}
