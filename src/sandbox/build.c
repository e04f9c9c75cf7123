/* Building one sandbox.
 *
 * The spawner only clones: into new pid, mount, ipc and uts namespaces and, atomically, into the
 * version 2 cgroup, so that no moment exists in which the child could be lost. Everything else is
 * done by the child itself, while the spawner serves the next request: a burst of a hundred costs
 * the spawner a hundred clones, not a hundred builds.
 *
 * The child starts with the spawner's privilege and gives it away in this order:
 *     version 1 cgroups → cgroup namespace (after them: what it then sees is its root)
 *     → network namespace → host name → descriptors 0..4, 6, 7 → file system, pivot → all other
 *     descriptors closed → limits → groups, gid, uid → capabilities → parent-death signal
 *     → seccomp → exec of virga-init.
 * The bounding set is already empty, no_new_privs set, umask and the smaller limits are as they
 * should be: all of that is inherited from the spawner. Between clone and exec no heap, no stdio,
 * no lock is used.
 *
 * Usually no user namespace of its own: these namespaces belong to the spawner's, which is the
 * host's or, in rootless mode, the one that the whole server entered at its start (os/userns.h). In
 * either the tenant's uid has no capability and can get none. Only where that namespace has one id
 * (bare mode without subordinate ids) a sandbox enters one more at the end, which owns nothing. */
#include "sandbox/build.h"

#include "base/assert.h"
#include "base/str.h"
#include "os/socket.h"
#include "sandbox/netns.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { NOFILE_MAX = 1024 }; /* as on AWS */

_Noreturn static void fail(int status_fd, const char *step, int code)
{
    struct wire_status status = {.kind = STATUS_BUILD_FAILED, .value = code};
    (void) snprintf(status.step, sizeof status.step, "%s", step);
    (void) !write(status_fd, &status, sizeof status); /* Its absence is a report as well. */
    _exit(1);
}

static void must(int status_fd, int rc, const char *step)
{
    if (rc < 0)
        fail(status_fd, step, rc);
}

static int as_rc(long result)
{
    return result < 0 ? -errno : 0;
}

static int namespaces_finish(const struct build *build)
{
    if (unshare(CLONE_NEWCGROUP) < 0)
        return -errno;
    if (build->netns_fd >= 0)
        return as_rc(setns(build->netns_fd, CLONE_NEWNET));
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    return netns_loopback_up();
}

static int socket_place(int fd, int number)
{
    if (fd < 0)
        return fd;
    int rc = as_rc(dup2(fd, number));
    (void) close(fd);
    return rc;
}

/* 0 is /dev/null already, as in the spawner; so is START_FD_EXTRA, until exec. */
static int descriptors_place(const struct build *build)
{
    if (dup2(build->log_fd, 1) < 0 || dup2(build->log_fd, 2) < 0 ||
        dup2(build->control_fd, 3) < 0 || dup2(build->status_fd, 4) < 0)
        return -errno;
    int rc = socket_place(netns_names_socket(), START_FD_NAMES);
    return rc < 0 ? rc : socket_place(netns_traces_socket(), START_FD_TRACES);
}

/* The other limits are the spawner's own, inherited (spawner_init.c); it needs more files. */
static int limits_set(void)
{
    struct rlimit limit = {NOFILE_MAX, NOFILE_MAX};
    return as_rc(setrlimit(RLIMIT_NOFILE, &limit));
}

static int file_put(int dir_fd, const char *name, const char *text)
{
    AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* Where only one user exists, a namespace in which that user has another number: so that it is not
 * root's, and that its processes are counted for themselves. Its makings are powerless here.
 * proc_fd: /proc/self of the host's view, where it is writable. */
static int own_user(const struct build *build, int proc_fd)
{
    char map[32];
    (void) snprintf(map, sizeof map, "%u 0 1", (unsigned) build->uid);
    /* Dumpable, until exec: else the files below are not the process's own. */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 || unshare(CLONE_NEWUSER) < 0)
        return -errno;
    int rc = file_put(proc_fd, "setgroups", "deny");
    rc = rc < 0 ? rc : file_put(proc_fd, "gid_map", map);
    rc = rc < 0 ? rc : file_put(proc_fd, "uid_map", map);
    for (unsigned cap = 0; rc == 0 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        rc = as_rc(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
    return rc;
}

/* may_group: groups can be left at all; where there is one id only, they cannot. */
static int identity_drop(uid_t uid, bool may_group)
{
    /* The system calls themselves: the library's wrappers talk to threads, and there are none. */
    if ((may_group && syscall(SYS_setgroups, 0, NULL) < 0) ||
        syscall(SYS_setresgid, uid, uid, uid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
        return -errno;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return as_rc(syscall(SYS_capset, &header, none));
}

/* Dies with the spawner. Set after the uid, whose change clears it; a spawner that died before
 * shows as a status pipe without a reader. */
static int death_follow(int status_fd)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -errno;
    struct pollfd pipe = {.fd = status_fd};
    if (poll(&pipe, 1, 0) < 0)
        return -errno;
    return (pipe.revents & POLLERR) != 0 ? -EPIPE : 0;
}

/* Gives away a descriptor of the own mount namespace, which is to be furnished later (root_attach):
 * for anybody else, opening it takes the right to trace this process. */
static int mounts_send(int control_fd)
{
    AUTO_CLOSE int mounts = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    if (mounts < 0)
        return -errno;
    ssize_t n = socket_send_fds(control_fd, STR("m"), &mounts, 1, 0); /* a byte to carry it */
    return n < 0 ? (int) n : 0;
}

_Noreturn static void child_run(const struct build *build)
{
    int status_fd = build->status_fd;
    must(status_fd, cgroup_join(build->cgroups, build->cgroup), "join cgroups");
    must(status_fd, namespaces_finish(build), "enter namespaces");
    must(status_fd, as_rc(sethostname("localhost", 9)), "set host name");
    if (build->sends_mounts)
        must(status_fd, mounts_send(build->control_fd), "send mount namespace");
    must(status_fd, descriptors_place(build), "place descriptors");
    status_fd = 4;
    const char *step = "";
    int self_fd = -1; /* Closed with the others. */
    if (build->has_one_id)
        self_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = root_enter(build->root, &build->dirs, build->tmp, &step);
    must(status_fd, rc, step);
    if (build->has_one_id)
        must(status_fd, own_user(build, self_fd), "make a user of its own");
    must(status_fd, as_rc(close_range(BUILD_FD_FIRST, UINT_MAX, 0)), "close descriptors");
    must(status_fd, limits_set(), "set limits");
    must(status_fd, identity_drop(build->uid, !build->has_one_id), "drop identity");
    must(status_fd, death_follow(status_fd), "follow the spawner");
    must(status_fd, filter_load(build->filter), "load seccomp program");
    static char name[] = ROOT_INIT_NAME;
    static char *const argv[] = {name, NULL}, *const envp[] = {NULL};
    (void) execve(ROOT_INIT_PATH, argv, envp);
    fail(status_fd, "execute " ROOT_INIT_NAME, -errno);
}

int build_start(const struct build *build, pid_t *out_pid, int *out_pidfd, struct err *err)
{
    assert(build->status_fd >= BUILD_FD_FIRST && build->control_fd >= BUILD_FD_FIRST);
    assert(build->log_fd >= BUILD_FD_FIRST && build->uid != 0);
    int pidfd = -1;
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
        .pidfd = (uint64_t) (uintptr_t) &pidfd,
        .exit_signal = SIGCHLD,
    };
    int group = cgroup_unified_fd(build->cgroup);
    if (group >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t) group;
    }
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0)
        return err_set(err, -errno, "clone the sandbox");
    if (pid == 0)
        child_run(build);
    *out_pid = (pid_t) pid;
    *out_pidfd = pidfd;
    return 0;
}
