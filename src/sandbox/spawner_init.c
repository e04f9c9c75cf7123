/* From a fork of main to the spawner: own session and signals, own descriptors, own mount
 * namespace, the parts that all sandboxes share, then less privilege. The order matters: leftovers
 * may be removed only under the lock; capabilities go last. */
#include "sandbox/spawner_init.h"

#include "base/assert.h"
#include "base/buf.h"
#include "sandbox/build.h"
#include "sandbox/init_program.h"
#include "sandbox/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { FD_SOCKET = BUILD_FD_FIRST, LOCK_WAIT_MS = 15000, LOCK_RETRY_MS = 10 };
/* Descriptors per slot: four cgroup directories, the eventfd, pidfd, status, control, log, /tmp,
 * its mount and network namespaces, two listeners; and while its MADE event waits two more. */
enum { FDS_PER_SLOT = 16, FDS_OTHER = 64, MEMLOCK_BYTES = 64 * 1024 };

static void on_signal(int number)
{
    (void) number; /* A handler, unlike SIG_IGN, is gone after exec. */
}

/* The spawner ends with main and with nothing else: not by a terminal's interrupt. */
static int signals_set(struct err *err)
{
    for (int number = 1; number < NSIG; number++)
        (void) sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL); /* KILL, STOP */
    static const int kept_away[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < ARRAY_LEN(kept_away); i++)
        if (sigaction(kept_away[i], &action, NULL) < 0)
            return err_set(err, -errno, "set signal %d", kept_away[i]);
    sigset_t none;
    (void) sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return err_set(err, -errno, "unblock signals");
    (void) setsid(); /* Fails only for a group leader, which a fork is not. */
    return 0;
}

/* All below BUILD_FD_FIRST but 2 become /dev/null: 0 as what sandboxes read, the others because
 * build.c gives these numbers away. 2 stays for last words. The socket moves behind them, all of
 * main's other descriptors are closed. */
static int descriptors_set(int *socket_fd, struct err *err)
{
    int moved = fcntl(*socket_fd, F_DUPFD_CLOEXEC, FD_SOCKET + 1);
    if (moved < 0 || dup3(moved, FD_SOCKET, O_CLOEXEC) < 0)
        return err_set(err, -errno, "move the socket");
    *socket_fd = FD_SOCKET;
    if (close_range(FD_SOCKET + 1, UINT_MAX, 0) < 0)
        return err_set(err, errno == ENOSYS ? -ENOTSUP : -errno, "close_range");
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return err_set(err, -errno, "open /dev/null");
    for (int fd = 1; fd < BUILD_FD_FIRST; fd++)
        if (fd != 2 && fd != null && dup3(null, fd, O_CLOEXEC) < 0)
            return err_set(err, -errno, "reserve descriptors");
    /* 0 is inherited by every sandbox, where it should not be written to. */
    AUTO_CLOSE int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, 0) < 0)
        return err_set(err, -errno, "open /dev/null");
    if (null > FD_SOCKET)
        (void) close(null);
    return 0;
}

unsigned long long spawner_files_wanted(unsigned slot_count, unsigned pool_max)
{
    return ((unsigned long long) slot_count + pool_max) * FDS_PER_SLOT + FDS_OTHER;
}

/* Open files for all slots; the limits that sandboxes inherit as they are. */
static int limits_set(const struct spawner_config *config, struct err *err)
{
    static const struct {
        __rlimit_resource_t resource;
        rlim_t value;
    } inherited[] = {{RLIMIT_CORE, 1}, /* 0 would still run a core_pattern program of the host */
                     {RLIMIT_MEMLOCK, MEMLOCK_BYTES},
                     {RLIMIT_MSGQUEUE, 0},
                     {RLIMIT_RTPRIO, 0}};
    for (size_t i = 0; i < ARRAY_LEN(inherited); i++) {
        struct rlimit limit = {inherited[i].value, inherited[i].value};
        if (setrlimit(inherited[i].resource, &limit) < 0)
            return err_set(err, -errno, "set limit %d", (int) inherited[i].resource);
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return err_set(err, -errno, "read the limit of open files");
    rlim_t need = spawner_files_wanted(config->slot_count, config->pool_max);
    if (limit.rlim_max < need)
        return err_say(err, -EMFILE, "%u slots need %llu open files, the limit is %llu",
                       config->slot_count, (unsigned long long) need,
                       (unsigned long long) limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? err_set(err, -errno, "raise open files") : 0;
}

/* Whoever may write here could lead mounts and files elsewhere, so that must be root alone. */
static int state_check(const char *state_dir, struct err *err)
{
    struct stat st;
    if (lstat(state_dir, &st) < 0)
        return err_set(err, -errno, "look at '%s'", state_dir);
    if (!S_ISDIR(st.st_mode))
        return err_say(err, -ENOTDIR, "'%s' is not a directory", state_dir);
    if (st.st_uid != 0 || (st.st_mode & 022) != 0)
        return err_say(err, -EPERM, "'%s' must belong to root and be writable by it alone",
                       state_dir);
    return 0;
}

/* One spawner per state directory. One that is just leaving is waited for. */
static int lock_take(const char *state_dir, int *out_fd, struct err *err)
{
    char path[ROOT_PATH_MAX + 32];
    (void) snprintf(path, sizeof path, "%.500s/spawner.lock", state_dir);
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(err, -errno, "open '%s'", path);
    for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK)
            return err_set(err, -errno, "lock '%s'", path);
        if (waited >= LOCK_WAIT_MS)
            return err_say(err, -EBUSY, "another spawner uses '%s'", state_dir);
        (void) poll(NULL, 0, LOCK_RETRY_MS);
    }
    *out_fd = take_fd(&fd);
    return 0;
}

static int mounts_set(struct spawner_parts *parts, const struct spawner_config *config,
                      struct err *err)
{
    if (unshare(CLONE_NEWNS) < 0)
        return err_set(err, -errno, "make a mount namespace");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return err_set(err, -errno, "make mounts private");
    struct runtime_file init = {ROOT_INIT_NAME, init_program, init_program_size, 0111};
    int rc = root_add_runtime_file(&init, err);
    if (rc < 0)
        return rc;
    struct root_config root = {config->state_dir, config->uid_base,
                               config->slot_count + config->pool_max};
    return root_init(&parts->root, &root, err);
}

static int text_read(const char *path, struct buf *out, struct err *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "open %s", path);
    for (;;) {
        char *room = buf_room(out, 16384);
        if (room == NULL)
            return err_say(err, -EFBIG, "%s is too long", path);
        ssize_t n = read(fd, room, 16384);
        if (n < 0)
            return err_set(err, -errno, "read %s", path);
        if (n == 0)
            return 0;
        buf_added(out, (size_t) n);
    }
}

/* A stable name for this state directory, so that the next run finds what this one leaves. */
static uint64_t state_key(const char *state_dir)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a: a name, not a secret. */
    for (const char *c = state_dir; *c != '\0'; c++)
        hash = (hash ^ (unsigned char) *c) * 0x100000001b3;
    return hash;
}

static int cgroups_set(struct spawner_parts *parts, const struct spawner_config *config,
                       struct err *err)
{
    AUTO_BUF struct buf mounts, own;
    buf_init(&mounts, 4 << 20);
    buf_init(&own, 1 << 20);
    struct cgroup_tree tree;
    int rc = text_read("/proc/self/mountinfo", &mounts, err);
    rc = rc < 0 ? rc : text_read("/proc/self/cgroup", &own, err);
    rc = rc < 0 ? rc : cgroup_detect(buf_str(&mounts), buf_str(&own), &tree, err);
    if (rc < 0)
        return rc;
    parts->cgroups = tree;
    if (access(tree.unified_point, F_OK) < 0) /* Named by a mount table that is not ours. */
        return err_set(err, -errno, "look at '%.100s'", tree.unified_point);
    char key[24];
    (void) snprintf(key, sizeof key, "%016llx", (unsigned long long) state_key(config->state_dir));
    return cgroup_tree_open(&parts->cgroups, key, err);
}

/* Nobody gave us control groups, or this host has none of those that are needed. Anything else that
 * goes wrong with them is a fault to report, and not a reason to go without. */
static bool is_denied(int rc)
{
    return rc == -EACCES || rc == -EPERM || rc == -EROFS || rc == -ENOTSUP || rc == -ENOENT;
}

static int limits_set_up(struct spawner_parts *parts, const struct spawner_config *config,
                         struct err *err)
{
    int rc = cgroups_set(parts, config, err);
    if (rc >= 0 || !is_denied(rc))
        return rc;
    if (!config->accepts_reduced) {
        struct err why = *err;
        return err_say(err, -EACCES, "no control groups to limit functions by: %s", why.text);
    }
    cgroup_tree_close(&parts->cgroups);
    cgroup_tree_bare(&parts->cgroups);
    return 0;
}

/* Empties the bounding set, forbids new privileges, and keeps what the work needs:
 * SYS_ADMIN mounts, namespaces, setns, SYS_CHROOT into and out of mount namespaces; SETUID, SETGID,
 * SETPCAP the child's identity; NET_ADMIN loopback up, NET_BIND_SERVICE the port for names; KILL
 * its children under other uids; DAC_OVERRIDE main's directories and cgroups; FOWNER, CHOWN the
 * files of tenants in /tmp; SYS_RESOURCE limits; without control groups SYS_PTRACE, to read what a
 * sandbox's memory is; where there is one id SETFCAP, without which the kernel lets nobody map
 * root's to another. */
static int keep_capabilities(bool is_bare, bool has_one_id, struct err *err)
{
    const struct {
        unsigned cap;
        bool is_kept;
    } wanted[] = {{CAP_SYS_ADMIN, true},     {CAP_SETUID, true},       {CAP_SETGID, true},
                  {CAP_SETPCAP, true},       {CAP_NET_ADMIN, true},    {CAP_KILL, true},
                  {CAP_DAC_OVERRIDE, true},  {CAP_FOWNER, true},       {CAP_CHOWN, true},
                  {CAP_SYS_RESOURCE, true},  {CAP_SYS_CHROOT, true},   {CAP_NET_BIND_SERVICE, true},
                  {CAP_SYS_PTRACE, is_bare}, {CAP_SETFCAP, has_one_id}};
    for (unsigned cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return err_set(err, -errno, "drop capability %u from the bounding set", cap);
    (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* Empty already, usually. */
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) < 0)
        return err_set(err, -errno, "read capabilities");
    struct __user_cap_data_struct want[_LINUX_CAPABILITY_U32S_3] = {{0}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        uint32_t word = wanted[i].cap / 32, bit = UINT32_C(1) << (wanted[i].cap % 32);
        if (wanted[i].is_kept && (data[word].permitted & bit) != 0) {
            want[word].permitted |= bit;
            want[word].effective |= bit;
        }
    }
    if (syscall(SYS_capset, &header, want) < 0)
        return err_set(err, -errno, "give up capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "set no_new_privs");
    return 0;
}

/* In a user namespace the kernel mounts a new /proc only where the old one is seen whole: else one
 * could look behind what a container masks. It would show at the first sandbox; better at the
 * start. */
static int proc_check(const struct spawner_config *config, struct err *err)
{
    int rc = config->is_nested ? root_can_proc() : 0;
    if (rc < 0)
        return err_say(
            err, rc,
            "a /proc for sandboxes is refused (%s): this container masks parts of its own "
            "(docker run --security-opt systempaths=unconfined)",
            strerror(-rc));
    return 0;
}

int spawner_parts_init(struct spawner_parts *parts, const struct spawner_config *config,
                       int *socket_fd, struct err *err)
{
    *parts = (struct spawner_parts){
        .lock_fd = -1, .netns_home = -1, .root = {.home_fd = -1, .host_fd = -1}};
    for (int i = 0; i < CGROUP_PARTS; i++)
        parts->cgroups.parts[i].parent_fd = -1;
    (void) prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* Cannot fail with these arguments. */
    (void) prctl(PR_SET_NAME, "virga-spawner", 0, 0, 0);
    umask(022);
    int rc = descriptors_set(socket_fd, err);
    if (rc < 0 || (rc = limits_set(config, err)) < 0 || (rc = signals_set(err)) < 0 ||
        (rc = state_check(config->state_dir, err)) < 0 ||
        (rc = lock_take(config->state_dir, &parts->lock_fd, err)) < 0 ||
        (rc = proc_check(config, err)) < 0 || (rc = mounts_set(parts, config, err)) < 0 ||
        (rc = limits_set_up(parts, config, err)) < 0 ||
        (rc = filter_init(&parts->filter, err)) < 0 ||
        (rc = tmp_store_init(&parts->tmp, config->state_dir, config->pool_size, err)) < 0)
        return rc;
    parts->netns_home = netns_home(err);
    return parts->netns_home < 0
               ? parts->netns_home
               : keep_capabilities(parts->cgroups.is_bare, config->has_one_id, err);
}

void spawner_parts_done(struct spawner_parts *parts)
{
    tmp_store_done(&parts->tmp);
    filter_done(&parts->filter);
    cgroup_tree_close(&parts->cgroups);
    root_done(&parts->root);
    if (parts->netns_home >= 0)
        (void) close(parts->netns_home);
    if (parts->lock_fd >= 0)
        (void) close(parts->lock_fd);
}
