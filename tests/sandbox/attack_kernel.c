/* Attacks on the kernel's surface: calls that a function has no use for, other doors to the same
 * calls (32-bit entry, x32 numbers, the vsyscall page), and ways to loosen the filter. */
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

enum { FUTURE_FIRST = 470, FUTURE_LAST = 600 };

static void keyrings(char **argv)
{
    (void) argv;
    must_fail("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3), EPERM);
    must_fail("request_key", syscall(SYS_request_key, "user", "x", NULL, -3), EPERM);
    must_fail("keyctl", syscall(SYS_keyctl, 0, -3, 1), EPERM); /* KEYCTL_GET_KEYRING_ID */
    must_fail("keyctl join", syscall(SYS_keyctl, 1, "x"), EPERM);
}

static void bpf(char **argv)
{
    (void) argv;
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    must_fail("bpf map", syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof attr), EPERM);
    must_fail("bpf load", syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof attr), EPERM);
}

static void userfaultfd(char **argv)
{
    (void) argv;
    must_fail("userfaultfd", syscall(SYS_userfaultfd, O_CLOEXEC), EPERM);
    must_fail("user mode only", syscall(SYS_userfaultfd, 1), EPERM);
    must_fail("its device", open("/dev/userfaultfd", O_RDWR), ENOENT);
}

/* A copy of a process could not be given them: as on a processor that has none. */
static void protection_keys(char **argv)
{
    (void) argv;
    must_fail("pkey_alloc", syscall(SYS_pkey_alloc, 0, 0), ENOSPC);
}

static void io_uring(char **argv)
{
    (void) argv;
    char params[256] = {0};
    must_fail("io_uring_setup", syscall(SYS_io_uring_setup, 8, params), EPERM);
    must_fail("io_uring_enter", syscall(SYS_io_uring_enter, 3, 1, 0, 0, NULL, 0), EPERM);
    must_fail("io_uring_register", syscall(SYS_io_uring_register, -1, 0, NULL, 0), EPERM);
    must_fail("io_setup", syscall(SYS_io_setup, 8, params), EPERM);
    must_fail("io_submit", syscall(SYS_io_submit, 0, 0, NULL), EPERM);
}

static void perf(char **argv)
{
    (void) argv;
    char attr[128] = {0};
    must_fail("perf_event_open", syscall(SYS_perf_event_open, attr, 0, -1, -1, 0), EPERM);
    must_fail("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, attr, sizeof attr), EPERM);
}

static void new_mount_calls(char **argv)
{
    (void) argv;
    must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0), EPERM);
    must_fail("fsconfig", syscall(SYS_fsconfig, 3, 6, NULL, NULL, 0), EPERM);
    must_fail("fsmount", syscall(SYS_fsmount, 3, 0, 0), EPERM);
    must_fail("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0), EPERM);
    must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 0), EPERM);
    must_fail("open_tree clone", syscall(SYS_open_tree, AT_FDCWD, "/", 1), EPERM);
    must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/usr", AT_FDCWD, "/tmp", 0), EPERM);
    uint64_t attr[4] = {0, 1, 0, 0}; /* clear read-only */
    must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/usr", 0, attr, sizeof attr),
              EPERM);
}

static void old_mount_calls(char **argv)
{
    (void) argv;
    static const char *const types[] = {"tmpfs", "proc",    "sysfs",  "overlay",    "devtmpfs",
                                        "ext4",  "cgroup2", "mqueue", "binfmt_misc"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        must_fail(types[i], mount("x", "/tmp", types[i], 0, NULL), EPERM);
    must_fail("move", mount("/usr", "/tmp", NULL, MS_MOVE, NULL), EPERM);
    must_fail("make shared", mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL), EPERM);
    must_fail("make writable", mount(NULL, "/usr", NULL, MS_REMOUNT | MS_BIND, NULL), EPERM);
    must_fail("uncover /proc/keys", umount2("/proc/keys", MNT_DETACH), EPERM);
    must_fail("umount /tmp", umount2("/tmp", MNT_DETACH), EPERM);
}

static void clone3_flags(char **argv)
{
    (void) argv;
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS, .exit_signal = SIGCHLD};
    must_fail("clone3 with namespaces", syscall(SYS_clone3, &args, sizeof args), ENOSYS);
    args.flags = 0x80; /* CLONE_NEWTIME */
    must_fail("clone3 with a clock", syscall(SYS_clone3, &args, sizeof args), ENOSYS);
    args.flags = CLONE_INTO_CGROUP;
    must_fail("clone3 into a cgroup", syscall(SYS_clone3, &args, sizeof args), ENOSYS);
    must_fail("unshare a clock", unshare(0x80), EPERM);
}

static void setns_everything(char **argv)
{
    (void) argv;
    static const char *const names[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void) snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        int fd = open(path, O_RDONLY);
        must_be("own namespaces can be named", fd >= 0);
        must_fail(path, setns(fd, 0), EPERM);
        (void) snprintf(path, sizeof path, "/proc/1/ns/%s", names[i]);
        must_fail(path, open(path, O_RDONLY), EACCES);
    }
    int init = (int) syscall(SYS_pidfd_open, 1, 0);
    must_fail("setns by pidfd", setns(init, CLONE_NEWNS), EPERM);
}

static void administration(char **argv)
{
    (void) argv;
    must_fail("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, NULL), EPERM);
    must_fail("swapon", syscall(SYS_swapon, "/tmp/swap", 0), EPERM);
    must_fail("swapoff", syscall(SYS_swapoff, "/tmp/swap"), EPERM);
    must_fail("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL), EPERM);
    must_fail("quotactl_fd", syscall(SYS_quotactl_fd, 0, 0, 0, NULL), EPERM);
    must_fail("acct", syscall(SYS_acct, "/tmp/acct"), EPERM);
    must_fail("init_module", syscall(SYS_init_module, NULL, 0, ""), EPERM);
    must_fail("finit_module", syscall(SYS_finit_module, 0, "", 0), EPERM);
    must_fail("kexec_file_load", syscall(SYS_kexec_file_load, 0, 0, 0, NULL, 0), EPERM);
    must_fail("syslog", syscall(SYS_syslog, 3, NULL, 0), EPERM);
    must_fail("setdomainname", setdomainname("x", 1), EPERM);
    must_fail("vhangup", vhangup(), EPERM);
}

static void clocks(char **argv)
{
    (void) argv;
    struct timespec now, far = {.tv_sec = 1};
    (void) clock_gettime(CLOCK_REALTIME, &now);
    must_fail("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &far), EPERM);
    must_fail("settimeofday", settimeofday(&(struct timeval){.tv_sec = 1}, NULL), EPERM);
    struct timex change = {.modes = ADJ_OFFSET};
    must_fail("adjtimex", adjtimex(&change), EPERM);
    must_fail("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &change), EPERM);
    must_be("time has not jumped",
            clock_gettime(CLOCK_REALTIME, &far) == 0 && far.tv_sec - now.tv_sec < 10);
}

static void hardware(char **argv)
{
    (void) argv;
#ifdef __x86_64__
    must_fail("iopl", syscall(SYS_iopl, 3), EPERM);
    must_fail("ioperm", syscall(SYS_ioperm, 0x70, 2, 1), EPERM);
    must_fail("modify_ldt", syscall(SYS_modify_ldt, 0, NULL, 0), EPERM);
    must_fail("arch_prctl for cpuid faults", syscall(SYS_arch_prctl, 0x1012, 7), 0);
#endif
    must_fail("personality", syscall(SYS_personality, 0x0040000), EPERM); /* ADDR_NO_RANDOMIZE */
    must_fail("move_pages", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0), EPERM);
    must_fail("migrate_pages", syscall(SYS_migrate_pages, 1, 0, NULL, NULL), EPERM);
    must_fail("/dev/kvm", open("/dev/kvm", O_RDWR), ENOENT);
}

static void future_calls(char **argv)
{
    (void) argv;
    for (long number = FUTURE_FIRST; number < FUTURE_LAST; number++) {
        long result = syscall(number, 0, 0, 0, 0, 0, 0);
        must_be("young calls do not exist", result < 0 && (errno == ENOSYS || errno == EPERM));
    }
}

/* Another filter can only take away. */
static void filter_on_filter(char **argv)
{
    (void) argv;
    must_fail("seccomp(2)", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL), EPERM);
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    (void) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program); /* May work: it is harmless. */
    must_fail("unshare after it", unshare(CLONE_NEWUSER), EPERM);
    must_fail("strict mode", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT), EINVAL);
    must_fail("a listener", syscall(SYS_seccomp, 1, 8, &program), EPERM);
}

static void process_controls(char **argv)
{
    (void) argv;
    must_fail("no_new_privs off", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), EINVAL);
    must_be("no_new_privs", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    must_fail("secure bits", prctl(PR_SET_SECUREBITS, 0), EPERM);
    must_fail("bounding set", prctl(PR_CAPBSET_DROP, 0), EPERM);
    for (unsigned long cap = 0; cap <= 40; cap++) {
        must_fail("ambient", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), EPERM);
        must_be("bounding set is empty", prctl(PR_CAPBSET_READ, cap) == 0);
    }
    must_fail("move the heap", prctl(PR_SET_MM, PR_SET_MM_BRK, 4096, 0, 0), EPERM);
    must_fail("move arguments", prctl(PR_SET_MM, PR_SET_MM_ARG_START, 4096, 0, 0), EPERM);
    must_fail("machine checks", prctl(PR_MCE_KILL, PR_MCE_KILL_SET, 9, 0, 0), EINVAL);
    must_fail("io flusher", prctl(57, 1, 0, 0, 0), EPERM); /* PR_SET_IO_FLUSHER */
    must_be("nobody traces anyway", prctl(PR_SET_PTRACER, -1L) == 0 || errno == EINVAL);
}

static void terminals(char **argv)
{
    (void) argv;
    for (int fd = 0; fd < 4; fd++) {
        must_fail("TIOCSTI", ioctl(fd, TIOCSTI, "x"), EPERM);
        must_fail("TIOCLINUX", ioctl(fd, 0x541c, "x"), EPERM);
        must_fail("TIOCSCTTY", ioctl(fd, TIOCSCTTY, 1), EPERM);
        must_fail("TIOCCONS", ioctl(fd, TIOCCONS), EPERM);
        must_fail("high bits", syscall(SYS_ioctl, fd, 0xffffffff00000000 | TIOCSTI, "x"), EPERM);
    }
    must_fail("open a terminal", open("/dev/ptmx", O_RDWR), ENOENT);
}

/* Both end the process by SIGSYS: numbers of another architecture are never looked up. */
static void entry_of_i386(char **argv)
{
    (void) argv;
#ifdef __x86_64__
    long result = 20; /* getpid */
    __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    must_be("int 0x80 is not answered", 0);
#else
    (void) raise(SIGSYS);
#endif
}

static void numbers_of_x32(char **argv)
{
    (void) argv;
#ifdef __x86_64__
    (void) syscall(0x40000000 + SYS_getpid);
    must_be("x32 numbers are not answered", 0);
#else
    (void) raise(SIGSYS);
#endif
}

const struct attack attacks_kernel[] = {
    {"keyrings", keyrings},
    {"bpf", bpf},
    {"userfaultfd", userfaultfd},
    {"protection_keys", protection_keys},
    {"io_uring", io_uring},
    {"perf", perf},
    {"new_mount_calls", new_mount_calls},
    {"old_mount_calls", old_mount_calls},
    {"clone3_flags", clone3_flags},
    {"setns_everything", setns_everything},
    {"administration", administration},
    {"clocks", clocks},
    {"hardware", hardware},
    {"future_calls", future_calls},
    {"filter_on_filter", filter_on_filter},
    {"process_controls", process_controls},
    {"terminals", terminals},
    {"entry_of_i386", entry_of_i386},
    {"numbers_of_x32", numbers_of_x32},
    {NULL, NULL},
};
