/* The seccomp allow-list of a sandbox.
 *
 * A call that stands in one of the groups below is allowed, some only with certain arguments; every
 * other call that today's kernels have fails with EPERM. Three exceptions make programs behave:
 * clone3, whose flags lie in memory where a filter cannot look, answers ENOSYS,
 * on which glibc falls back to clone, whose flags are registers; and numbers that no header knew
 * when this was written answer ENOSYS too, since C libraries fall back on that and only that; and
 * pkey_alloc answers ENOSPC, as on a processor without protection keys: a copy of a process cannot
 * be given the keys that it had (V8 guards WebAssembly code by one where it can).
 *
 * What is missing is missing on purpose: namespaces and mounts (unshare, setns, mount, the new
 * mount calls, pivot_root, chroot), looking into others (ptrace, process_vm_*, pidfd_getfd, kcmp,
 * process_madvise), big and young kernel surface (bpf, io_uring, userfaultfd, perf_event_open,
 * keyctl, aio, fanotify, message queues of POSIX), and what only an administrator needs. ioctl is
 * an allow-list by command. Sockets: unix, inet, inet6 with TCP, UDP and ping, and routing netlink
 * (getifaddrs); raw, packet, vsock, alg and the rest do not exist.
 *
 * The program is exported once to BPF and loaded raw with seccomp(2): libseccomp needs about a
 * millisecond for what the kernel does in less than a tenth of it. The order of instructions is a
 * binary tree over the numbers, so a call costs a handful of them.
 * Sources: seccomp(2), Documentation/userspace-api/seccomp_filter.rst, Docker's default profile
 * (moby/profiles) for what real programs use. */
#include "sandbox/filter.h"

#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static const char *const calls_file[] = {
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "lseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "mkdir",
    "mkdirat",
    "rmdir",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "readlink",
    "readlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "umask",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "syncfs",
    "flock",
    "fcntl",
    "dup",
    "dup2",
    "dup3",
    "sendfile",
    "copy_file_range",
    "splice",
    "tee",
    "vmsplice",
    "readahead",
    "fadvise64",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    "memfd_create",
    "pipe",
    "pipe2",
    "sync",
    NULL,
};
static const char *const calls_memory[] = {
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mincore",
    "msync",
    "brk",
    "mlock",
    "mlock2",
    "munlock",
    "mlockall",
    "munlockall",
    "membarrier",
    "pkey_free",
    "pkey_mprotect",
    "remap_file_pages",
    "get_mempolicy",
    "set_mempolicy",
    "mbind",
    "shmget",
    "shmat",
    "shmdt",
    "shmctl",
    "semget",
    "semop",
    "semtimedop",
    "semctl",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    NULL,
};
static const char *const calls_process[] = {
    "fork",
    "vfork",
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "getpid",
    "getppid",
    "gettid",
    "getpgid",
    "getpgrp",
    "setpgid",
    "getsid",
    "setsid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capget",
    "capset",
    "prctl",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "getrusage",
    "times",
    "getpriority",
    "setpriority",
    "ioprio_get",
    "ioprio_set",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_setparam",
    "sched_getscheduler",
    "sched_setscheduler",
    "sched_getattr",
    "sched_setattr",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_rr_get_interval",
    "getcpu",
    "uname",
    "sysinfo",
    "pidfd_open",
    "pidfd_send_signal",
    "futex",
    "futex_waitv",
    "restart_syscall",
    NULL,
};
static const char *const calls_signal[] = {
    "kill",
    "tkill",
    "tgkill",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigsuspend",
    "rt_sigpending",
    "rt_sigtimedwait",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "sigaltstack",
    "signalfd",
    "signalfd4",
    "pause",
    "alarm",
    NULL,
};
static const char *const calls_time[] = {
    "time",
    "gettimeofday",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "getitimer",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_getoverrun",
    "timer_delete",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    NULL,
};
static const char *const calls_wait[] = {
    "poll",          "ppoll",     "select",     "pselect6",    "epoll_create",
    "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
    "eventfd",       "eventfd2",  NULL,
};
static const char *const calls_socket[] = {
    "bind",        "connect",     "listen",     "accept",     "accept4", "shutdown",
    "getsockname", "getpeername", "getsockopt", "setsockopt", "sendto",  "recvfrom",
    "sendmsg",     "recvmsg",     "sendmmsg",   "recvmmsg",   NULL,
};
static const char *const calls_random[] = {"getrandom", NULL};

const struct filter_group filter_groups[] = {
    {"file", "files, directories, pipes, watches; permissions decide", calls_file},
    {"memory", "memory of the own process and System V objects of the own ipc namespace",
     calls_memory},
    {"process", "processes and threads; changing identity needs capabilities nobody has",
     calls_process},
    {"signal", "signals, which the pid namespace bounds", calls_signal},
    {"time", "reading clocks, timers; setting the clock is not among them", calls_time},
    {"wait", "waiting for many descriptors", calls_wait},
    {"socket", "use of sockets; which ones exist is decided by socket()", calls_socket},
    {"random", "randomness", calls_random},
};
const size_t filter_group_count = ARRAY_LEN(filter_groups);

/* Commands that programs use on what exists in a sandbox: terminals being asked for (isatty),
 * descriptor flags, bytes waiting, interfaces being listed, file clones. */
static const unsigned ioctl_commands[] = {
    TCGETS,         TIOCGWINSZ,      TIOCGPGRP,  FIONREAD,     FIONBIO,        FIOCLEX,
    FIONCLEX,       FIOASYNC,        TIOCOUTQ,   SIOCATMARK,   SIOCGIFNAME,    SIOCGIFCONF,
    SIOCGIFFLAGS,   SIOCGIFADDR,     SIOCGIFMTU, SIOCGIFINDEX, SIOCGIFNETMASK, SIOCGIFHWADDR,
    SIOCGIFBRDADDR, FS_IOC_GETFLAGS, FICLONE,    FICLONERANGE,
};

/* CLONE_NEW*; CLONE_NEWTIME lies in the byte of the exit signal and exists in clone3 only. */
static const uint64_t clone_namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                         CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/* Numbers from here to the end of the range answer ENOSYS unless listed: they are younger than the
 * tables of the libseccomp that is in use, and old enough kernels answer the same. */
enum { CALLS_YOUNG_FROM = 450, CALLS_YOUNG_TO = 520 };

static int allow_plain(scmp_filter_ctx ctx)
{
    for (size_t g = 0; g < filter_group_count; g++)
        for (const char *const *name = filter_groups[g].calls; *name != NULL; name++) {
            int number = seccomp_syscall_resolve_name(*name);
            if (number < 0) /* This architecture or this libseccomp has no such call. */
                continue;
            int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
            if (rc < 0)
                return rc;
        }
    return 0;
}

static int allow_ioctls(scmp_filter_ctx ctx)
{
    /* The kernel looks at 32 bits of the command only, and so must the filter. */
    for (size_t i = 0; i < ARRAY_LEN(ioctl_commands); i++) {
        int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                  SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, ioctl_commands[i]));
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int allow_socket(scmp_filter_ctx ctx, int domain, int type, int protocol)
{
    const uint64_t type_bits = 0xf; /* The rest are SOCK_CLOEXEC and SOCK_NONBLOCK. */
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t) domain),
                            SCMP_A1(SCMP_CMP_MASKED_EQ, type_bits, (scmp_datum_t) type),
                            SCMP_A2(SCMP_CMP_MASKED_EQ, UINT32_MAX, (scmp_datum_t) protocol));
}

static int allow_sockets(scmp_filter_ctx ctx)
{
    static const struct {
        int domain, type, protocol;
    } sockets[] = {
        {AF_UNIX, SOCK_STREAM, 0},
        {AF_UNIX, SOCK_DGRAM, 0},
        {AF_UNIX, SOCK_SEQPACKET, 0},
        {AF_INET, SOCK_STREAM, 0},
        {AF_INET, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET, SOCK_DGRAM, 0},
        {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
        {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
        {AF_INET6, SOCK_STREAM, 0},
        {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
        {AF_INET6, SOCK_DGRAM, 0},
        {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
        {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6},
        {AF_NETLINK, SOCK_RAW, NETLINK_ROUTE},
        {AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE},
    };
    for (size_t i = 0; i < ARRAY_LEN(sockets); i++) {
        int rc = allow_socket(ctx, sockets[i].domain, sockets[i].type, sockets[i].protocol);
        if (rc < 0)
            return rc;
    }
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_UNIX));
}

static int allow_clone(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                            SCMP_A0(SCMP_CMP_MASKED_EQ, clone_namespaces, 0));
}

static int refuse_softly(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSPC), SCMP_SYS(pkey_alloc), 0);
    for (int number = CALLS_YOUNG_FROM; number < CALLS_YOUNG_TO && rc == 0; number++)
        rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    return rc;
}

static int add_rules(scmp_filter_ctx ctx)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* binary tree */
    if (rc < 0)
        return rc;
    if ((rc = allow_plain(ctx)) < 0 || (rc = allow_ioctls(ctx)) < 0 ||
        (rc = allow_sockets(ctx)) < 0 || (rc = allow_clone(ctx)) < 0)
        return rc;
    return refuse_softly(ctx);
}

/* libseccomp writes a program to descriptors only; a memfd turns it into an array. */
static int export_program(scmp_filter_ctx ctx, struct sock_fprog *out, struct err *err)
{
    AUTO_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "memfd for the seccomp program");
    int rc = seccomp_export_bpf(ctx, fd);
    if (rc < 0)
        return err_set(err, rc, "export the seccomp program");
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0 || size % (off_t) sizeof(struct sock_filter) != 0 ||
        size / (off_t) sizeof(struct sock_filter) > BPF_MAXINSNS)
        return err_say(err, -ENOTSUP, "seccomp program of %lld bytes", (long long) size);
    AUTO_FREE struct sock_filter *code = mem_new((size_t) size);
    if (pread(fd, code, (size_t) size, 0) != size)
        return err_say(err, -EIO, "read the seccomp program back");
    out->len = (unsigned short) ((size_t) size / sizeof *code);
    out->filter = take_ptr(&code);
    return 0;
}

int filter_init(struct filter *filter, struct err *err)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (ctx == NULL)
        return err_say(err, -ENOTSUP, "libseccomp cannot start");
    int rc = add_rules(ctx);
    rc = rc < 0 ? err_set(err, rc, "build the seccomp program")
                : export_program(ctx, &filter->program, err);
    seccomp_release(ctx);
    return rc;
}

void filter_done(struct filter *filter)
{
    free(filter->program.filter);
    *filter = (struct filter){0};
}

int filter_load(const struct filter *filter)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter->program) == 0 ? 0 : -errno;
}
